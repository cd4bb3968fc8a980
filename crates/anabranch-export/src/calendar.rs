//! What a date is made of: the constants that exported arithmetic needs.

use std::f64::consts::TAU;

pub(crate) const SECONDS_A_DAY: f64 = 86_400.0;

/// Days from the beginning of an era of 400 years, March of the year −10000, to 1970.
pub(crate) const DAYS_BEFORE_1970: f64 = 719_468.0 + 25.0 * 146_097.0;

/// Seconds since 1970 that a calendar has: from the year −9999 to the end of the year 9999.
pub(crate) const SECONDS: [f64; 2] = [-4_371_587.0 * SECONDS_A_DAY, 2_932_897.0 * SECONDS_A_DAY];

/// Year, month and day of a day since 1970, in the calendar that also holds before it was made.
pub(crate) fn date(day: i64) -> [i64; 3] {
    let day = day + DAYS_BEFORE_1970 as i64;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    // Years and months that begin in March.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    let year = year + 400 * era - 10_000 + i64::from(is_next_year);
    [year, if is_next_year { month - 9 } else { month + 3 }, day]
}

/// Sine and cosine of the `place`-th of `period` places in a cycle.
pub(crate) fn pair(place: usize, period: usize) -> [f64; 2] {
    let (sin, cos) = libm::sincos(TAU * place as f64 / period as f64);
    [sin, cos]
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_data::{Cell, ColumnRules, Encoder, Executor, Table};

    /// By `date -u -d @SECONDS`.
    #[test]
    fn days_have_their_dates() {
        for (day, expected) in [
            (0, [1970, 1, 1]),
            (-1, [1969, 12, 31]),
            (19_813, [2024, 3, 31]),
            (11_016, [2000, 2, 29]),
            (-25_509, [1900, 2, 28]),
            (2_932_896, [9999, 12, 31]),
        ] {
            assert_eq!(date(day), expected);
        }
    }

    /// The encoder reads dates in these seconds and no others.
    #[test]
    fn the_first_and_the_last_second_are_the_encoders() {
        let table = Table::from_reader("t", "at\n0\n86400\n".as_bytes()).unwrap();
        let kinds = vec![("at".into(), "date:s".parse().unwrap())];
        let table = table.with_rules(ColumnRules { kinds, ..ColumnRules::default() });
        let (encoder, _) = Encoder::fit::<&str>(&Executor::serial(), &table, &[0, 1], &[]).unwrap();
        let mut x = vec![0.0f64; encoder.width()];
        let mut is_date = |seconds: f64| {
            let text = format!("{seconds}");
            let notes = encoder.encode_row(&[Cell::Text(&text)], &mut x).unwrap();
            notes.unreadable == 0
        };
        let [first, end] = SECONDS;
        assert!(is_date(first) && !is_date(first - 1.0));
        assert!(is_date(end - 1.0) && !is_date(end));
    }
}
