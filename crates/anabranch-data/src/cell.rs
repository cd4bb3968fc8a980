//! What a cell says: nothing, a number or text.

use crate::missing::MissingMarkers;
use crate::number::NumberFormat;

/// The largest number, in absolute value, that a cell may hold. Sums of squares of any column stay
/// finite below it.
pub const LARGEST: f64 = 1e100;

/// One value of a row that is to be encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value is known.
    Missing,
    /// A number. NaN counts as missing.
    Number(f64),
    /// A number, a date or a category as text, read as the cell of a table is: in its column's
    /// format, space around it means nothing, and the column's [`MissingMarkers`] are missing.
    Text(&'a str),
}

impl From<f64> for Cell<'_> {
    fn from(number: f64) -> Self {
        Cell::Number(number)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Cell::Text(text)
    }
}

/// A cell read as a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reading {
    Missing,
    Number(f64),
    /// Infinite, or beyond [`LARGEST`].
    OutOfRange,
    /// Neither missing nor a number.
    Text,
}

impl Cell<'_> {
    #[inline(always)]
    pub(crate) fn read_number(self, format: &NumberFormat, missing: &MissingMarkers) -> Reading {
        let number = match self {
            Cell::Missing => return Reading::Missing,
            Cell::Number(number) => number,
            Cell::Text(text) => {
                let text = trimmed(text);
                match format.parse(text) {
                    Some(number) => number,
                    None if missing.contains(text) => return Reading::Missing,
                    None => return Reading::Text,
                }
            }
        };
        if missing.contains_number(number) {
            Reading::Missing
        } else if number.abs() <= LARGEST {
            Reading::Number(number)
        } else {
            Reading::OutOfRange
        }
    }
}

/// What a cell's text says, without space around it; `None` where it stands for no value.
pub(crate) fn value_of<'a>(text: &'a str, missing: &MissingMarkers) -> Option<&'a str> {
    let text = trimmed(text);
    (!missing.contains(text)).then_some(text)
}

/// `text.trim()`, which looks for the spaces of all scripts, where there is anything to trim.
#[inline(always)]
pub(crate) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cell: Cell<'_>) -> Reading {
        cell.read_number(&NumberFormat::default(), &MissingMarkers::default())
    }

    #[test]
    fn text_is_read_as_a_number_missing_or_text() {
        for text in ["", "  ", "NA", "na", "NaN", "nan", "NULL", " null\t", "-nan", "?", "N/A", "-"]
        {
            assert_eq!(read(Cell::Text(text)), Reading::Missing, "{text:?}");
        }
        for (text, number) in
            [("1", 1.0), (" -2.5 ", -2.5), ("1e3", 1e3), ("+.5", 0.5), ("1e100", 1e100)]
        {
            assert_eq!(read(Cell::Text(text)), Reading::Number(number), "{text:?}");
        }
        for text in ["inf", "-Infinity", "1e999", "1.01e100"] {
            assert_eq!(read(Cell::Text(text)), Reading::OutOfRange, "{text:?}");
        }
        for text in ["nothing", "1,5", "0x10", "1 2", "$3"] {
            assert_eq!(read(Cell::Text(text)), Reading::Text, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_checked_too() {
        assert_eq!(read(Cell::Number(f64::NAN)), Reading::Missing);
        assert_eq!(read(Cell::Number(f64::NEG_INFINITY)), Reading::OutOfRange);
        assert_eq!(read(Cell::from(2.0)), Reading::Number(2.0));
        assert_eq!(read(Cell::Missing), Reading::Missing);
        let missing = MissingMarkers::new(["-9999"]);
        for cell in [Cell::Number(-9999.0), Cell::Text("-9999.0")] {
            assert_eq!(cell.read_number(&NumberFormat::default(), &missing), Reading::Missing);
        }
    }

    #[test]
    fn a_marker_of_the_user_wins_over_a_number() {
        let missing = MissingMarkers::new(["0"]);
        assert_eq!(
            Cell::Text("0").read_number(&NumberFormat::default(), &missing),
            Reading::Missing
        );
        assert_eq!(value_of(" x ", &missing), Some("x"));
        assert_eq!(value_of("0", &missing), None);
    }
}
