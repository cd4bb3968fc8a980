//! Dates and times as people write them, as seconds.

use serde::{Deserialize, Serialize};
use time::{Date, Month};

/// How a column writes its dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateFormat {
    /// `2024-03-31`, `2024/03/31 18:05`, `2024-03-31T18:05:00Z`, `2024-03`.
    YearMonthDay,
    /// `31.3.2024`, `31/03/2024 6:05 PM`, `31 March 2024`.
    DayMonthYear,
    /// `3/31/2024`, `March 31, 2024`.
    MonthDayYear,
    /// Numbers: seconds since 1970.
    EpochSeconds,
    /// Numbers: milliseconds since 1970.
    EpochMilliseconds,
}

/// The calendar formats, of which cells choose one.
const CALENDARS: [DateFormat; 3] =
    [DateFormat::YearMonthDay, DateFormat::DayMonthYear, DateFormat::MonthDayYear];

/// The Julian day of 1970-01-01.
const EPOCH_DAY: i32 = 2_440_588;

const SECONDS_A_DAY: f64 = 86_400.0;

/// A point in time: what a network is told of it beside the time that has passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Calendar {
    /// Months since January, from 0 to 11.
    pub(crate) month: f64,
    /// Days since Monday, from 0 to 6.
    pub(crate) weekday: f64,
    /// Hours since midnight, with minutes and seconds as fractions.
    pub(crate) hour: f64,
}

impl Calendar {
    /// What the calendar shows at `seconds` since 1970; `None` beyond the years that a calendar
    /// has.
    pub(crate) fn at(seconds: f64) -> Option<Self> {
        if !seconds.is_finite() {
            return None;
        }
        let days = (seconds / SECONDS_A_DAY).floor();
        // Beyond the range of i32 the cast saturates, and no calendar has such a day.
        let date = Date::from_julian_day((days as i32).saturating_add(EPOCH_DAY)).ok()?;
        Some(Self {
            month: f64::from(u8::from(date.month()) - 1),
            weekday: f64::from(date.weekday().number_days_from_monday()),
            hour: (seconds - days * SECONDS_A_DAY) / 3600.0,
        })
    }
}

impl DateFormat {
    /// Seconds since 1970-01-01 00:00 UTC of what `text`, without space around it, writes in this
    /// format. A time without a zone is taken as UTC.
    pub(crate) fn parse(self, text: &str) -> Option<f64> {
        let seconds = match self {
            Self::EpochSeconds => text.parse::<f64>().ok()?,
            Self::EpochMilliseconds => text.parse::<f64>().ok()? / 1000.0,
            calendar => {
                let mut cursor = Cursor(text);
                let day = cursor.date(calendar)?;
                f64::from(day) * SECONDS_A_DAY + cursor.time_of_day()?
            }
        };
        Calendar::at(seconds).map(|_| seconds)
    }
}

/// What is left of a text that is being read.
struct Cursor<'a>(&'a str);

/// A part of a date.
#[derive(Clone, Copy)]
enum Field {
    Number { value: u32, n_digits: usize },
    Month(u32),
}

impl<'a> Cursor<'a> {
    /// Reads a date: its days since 1970.
    fn date(&mut self, format: DateFormat) -> Option<i32> {
        let first = self.field()?;
        // 20240331
        if let (DateFormat::YearMonthDay, Field::Number { value, n_digits: 8 }) = (format, first) {
            return days(value / 10_000, value / 100 % 100, value % 100);
        }
        let separator = self.separator()?;
        let second = self.field()?;
        if format == DateFormat::YearMonthDay && self.0.is_empty() {
            let is_month = separator == '-' && matches!(second, Field::Number { n_digits: 2, .. });
            return is_month.then(|| days(first.year(4)?, second.month()?, 1))?;
        }
        if self.separator()? != separator && separator != ' ' {
            return None;
        }
        let third = self.field()?;
        match format {
            DateFormat::YearMonthDay => days(first.year(4)?, second.month()?, third.day()?),
            DateFormat::DayMonthYear => days(third.year(2)?, second.month()?, first.day()?),
            DateFormat::MonthDayYear => days(third.year(2)?, first.month()?, second.day()?),
            DateFormat::EpochSeconds | DateFormat::EpochMilliseconds => None,
        }
    }

    fn field(&mut self) -> Option<Field> {
        let digits = self.digits();
        if !digits.is_empty() {
            let value = digits.parse().ok()?;
            return Some(Field::Number { value, n_digits: digits.len() });
        }
        const MONTHS: [&str; 12] =
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        let letters = self.0.bytes().take_while(u8::is_ascii_alphabetic).count();
        let name = self.0.get(..letters.min(3))?;
        let month = (1..).zip(MONTHS).find(|(_, month)| month.eq_ignore_ascii_case(name))?.0;
        self.0 = &self.0[letters..];
        Some(Field::Month(month))
    }

    fn digits(&mut self) -> &'a str {
        let n = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(n);
        self.0 = rest;
        digits
    }

    /// What stands between two parts of a date: `-`, `/`, `.`, or spaces, where a comma may be too.
    fn separator(&mut self) -> Option<char> {
        let mark = self.0.chars().next()?;
        let rest = self.0.strip_prefix(['-', '/', '.', ',', ' '])?;
        let spaced = rest.trim_start();
        let in_words = mark == ',' || spaced.len() < rest.len();
        self.0 = spaced;
        Some(if in_words { ' ' } else { mark })
    }

    fn take(&mut self, prefix: char) -> bool {
        let rest = self.0.strip_prefix(prefix);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Reads the time to the end of the text, in seconds since midnight UTC; midnight if nothing is
    /// left.
    fn time_of_day(&mut self) -> Option<f64> {
        if self.0.is_empty() {
            return Some(0.0);
        }
        if !self.take('T') && !self.take('t') && !self.take(' ') {
            return None;
        }
        self.0 = self.0.trim_start();
        let mut hour = self.number(2)?;
        let minute = if self.take(':') { self.number(2)? } else { return None };
        let mut second = if self.take(':') { self.number(2)? } else { 0.0 };
        if self.take('.') || self.take(',') {
            let digits = self.digits();
            second += format!("0.{digits}").parse::<f64>().ok()?;
        }
        self.0 = self.0.trim_start();
        for (half, offset) in [("am", 0.0), ("pm", 12.0)] {
            if let Some(mark) = self.0.get(..2)
                && mark.eq_ignore_ascii_case(half)
                && (1.0..=12.0).contains(&hour)
            {
                hour = hour % 12.0 + offset;
                self.0 = self.0[2..].trim_start();
            }
        }
        let zone = self.zone()?;
        let in_range = hour < 24.0 && minute < 60.0 && second < 61.0;
        in_range.then_some(hour * 3600.0 + minute * 60.0 + second - zone)
    }

    /// The zone's offset from UTC in seconds, to the end of the text.
    fn zone(&mut self) -> Option<f64> {
        if ["", "Z", "z", "UTC", "GMT"].contains(&self.0) {
            return Some(0.0);
        }
        let sign = if self.take('+') {
            1.0
        } else if self.take('-') {
            -1.0
        } else {
            return None;
        };
        let hours = self.number(2)?;
        let minutes = if self.take(':') || !self.0.is_empty() { self.number(2)? } else { 0.0 };
        self.0.is_empty().then_some(sign * (hours * 3600.0 + minutes * 60.0))
    }

    /// A whole number of up to `max_digits` digits.
    fn number(&mut self, max_digits: usize) -> Option<f64> {
        let n = self.0.bytes().take(max_digits).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(n);
        self.0 = rest;
        digits.parse().ok()
    }
}

impl Field {
    /// A year of four digits, or of two if so many are enough: 1970 to 2069.
    fn year(self, min_digits: usize) -> Option<u32> {
        match self {
            Self::Number { value, n_digits: 4 } => Some(value),
            Self::Number { value, n_digits: 2 } if min_digits == 2 => {
                Some(if value < 70 { 2000 + value } else { 1900 + value })
            }
            _ => None,
        }
    }

    fn month(self) -> Option<u32> {
        match self {
            Self::Number { value, n_digits: 1..=2 } | Self::Month(value) => Some(value),
            Self::Number { .. } => None,
        }
    }

    fn day(self) -> Option<u32> {
        match self {
            Self::Number { value, n_digits: 1..=2 } => Some(value),
            _ => None,
        }
    }
}

/// Days from 1970-01-01 to a date, if there is such a date.
fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let year = i32::try_from(year).ok()?;
    let date = Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
    Some(date.to_julian_day() - EPOCH_DAY)
}

/// What the dates of a column say about their format.
#[derive(Clone, Debug, Default)]
pub(crate) struct DateVotes {
    /// Cells that each of the calendar formats can read.
    fits: [usize; CALENDARS.len()],
    /// Cells whose parts are separated by points.
    n_pointed: usize,
    n_cells: usize,
}

/// A column's date format as its cells alone decide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateDecision {
    /// One format reads most.
    One { format: DateFormat },
    /// Days and months can be told apart in no cell.
    Ambiguous,
}

impl DateVotes {
    /// Takes a cell, without space around it; whether it can be a date.
    pub(crate) fn add(&mut self, text: &str) -> bool {
        let mut fits_any = false;
        for (fits, format) in self.fits.iter_mut().zip(CALENDARS) {
            if format.parse(text).is_some() {
                *fits += 1;
                fits_any = true;
            }
        }
        if fits_any {
            self.n_cells += 1;
            let first_mark = text.bytes().find(|byte| !byte.is_ascii_digit());
            self.n_pointed += usize::from(first_mark == Some(b'.'));
        }
        fits_any
    }

    /// Cells that can be dates.
    pub(crate) fn n_cells(&self) -> usize {
        self.n_cells
    }

    /// The format that reads most cells. Where days and months cannot be told apart, points mean
    /// that the day comes first.
    pub(crate) fn decide(&self) -> DateDecision {
        let [year_first, day_first, month_first] = self.fits;
        let format = if year_first >= day_first.max(month_first) {
            DateFormat::YearMonthDay
        } else if day_first > month_first {
            DateFormat::DayMonthYear
        } else if month_first > day_first {
            DateFormat::MonthDayYear
        } else if self.n_pointed == self.n_cells {
            DateFormat::DayMonthYear
        } else {
            return DateDecision::Ambiguous;
        };
        DateDecision::One { format }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DateFormat::{DayMonthYear, MonthDayYear, YearMonthDay};

    /// 2024-03-31 00:00 UTC, by `date -u -d 2024-03-31 +%s`.
    const DAY: f64 = 1_711_843_200.0;

    #[test]
    fn dates_are_seconds_since_1970() {
        for (format, text) in [
            (YearMonthDay, "2024-03-31"),
            (YearMonthDay, "2024/3/31"),
            (YearMonthDay, "20240331"),
            (YearMonthDay, "2024.03.31"),
            (DayMonthYear, "31.3.2024"),
            (DayMonthYear, "31/03/24"),
            (DayMonthYear, "31 March 2024"),
            (DayMonthYear, "31-Mar-2024"),
            (DayMonthYear, "31. March 2024"),
            (MonthDayYear, "3/31/2024"),
            (MonthDayYear, "March 31, 2024"),
            (MonthDayYear, "Mar 31 2024"),
        ] {
            assert_eq!(format.parse(text), Some(DAY), "{text:?}");
        }
        assert_eq!(YearMonthDay.parse("2024-03"), Some(DAY - 30.0 * 86_400.0));
        assert_eq!(YearMonthDay.parse("1970-01-01"), Some(0.0));
        assert_eq!(YearMonthDay.parse("1900-03-01"), Some(-2_203_891_200.0));
        assert_eq!(DateFormat::EpochMilliseconds.parse("1711843200500"), Some(DAY + 0.5));
    }

    #[test]
    fn times_and_zones() {
        for (text, seconds) in [
            ("2024-03-31 18:05", 65_100.0),
            ("2024-03-31T18:05:07Z", 65_107.0),
            ("2024-03-31T18:05:07.25+02:00", 57_907.25),
            ("2024-03-31 18:05:07 -0330", 77_707.0),
            ("2024/03/31 06:05 PM", 65_100.0),
            ("2024-03-31 12:00am", 0.0),
        ] {
            assert_eq!(YearMonthDay.parse(text), Some(DAY + seconds), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "2024",
            "2024-13-01",
            "2024-02-30",
            "2024-03-31x",
            "2024-03-31 25:00",
            "1.5",
            "12:30",
            "2024-03-31 1",
            "10.0.0.1",
            "2024.5",
            "99999999",
            "2024-03/31",
            "May",
            "-2024-01-01",
            "2024-03-31T18:05:07.x",
            "2024-03-31 18:05 +",
            "é-é-é",
            "2024-03-31 é",
        ] {
            for format in CALENDARS {
                assert_eq!(format.parse(text), None, "{format:?} {text:?}");
            }
        }
        assert_eq!(DateFormat::EpochSeconds.parse("1e300"), None);
        assert_eq!(DateFormat::EpochSeconds.parse("nan"), None);
    }

    #[test]
    fn cells_tell_days_from_months() {
        let decide = |cells: &[&str]| {
            let mut votes = DateVotes::default();
            cells.iter().for_each(|cell| _ = votes.add(cell));
            votes.decide()
        };
        let one = |format| DateDecision::One { format };
        assert_eq!(decide(&["1/2/2024", "13/2/2024"]), one(DayMonthYear));
        assert_eq!(decide(&["1/2/2024", "2/13/2024"]), one(MonthDayYear));
        assert_eq!(decide(&["1.2.2024", "2.3.2024"]), one(DayMonthYear));
        assert_eq!(decide(&["1/2/2024", "2/3/2024"]), DateDecision::Ambiguous);
        assert_eq!(decide(&["2024-02-01"]), one(YearMonthDay));
    }

    #[test]
    fn a_calendar_shows_month_weekday_and_hour() {
        // A Sunday.
        let calendar = Calendar { month: 2.0, weekday: 6.0, hour: 18.25 };
        assert_eq!(Calendar::at(DAY + 18.25 * 3600.0), Some(calendar));
        assert_eq!(Calendar::at(-1.0).map(|c| (c.month, c.weekday)), Some((11.0, 2.0)));
        assert_eq!(Calendar::at(f64::INFINITY), None);
    }
}
