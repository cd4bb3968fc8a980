//! What a cell says: nothing, a number or text.

/// The largest number, in absolute value, that a cell may hold. Sums of squares of any column stay finite below it.
pub const LARGEST: f64 = 1e100;

/// One value of a row that is to be encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value is known.
    Missing,
    /// A number. NaN counts as missing.
    Number(f64),
    /// A number or a category as text, read as the cell of a table is: space around it means nothing; empty, `NA`,
    /// `NaN` and `null`, in upper or lower case, are missing.
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
    pub(crate) fn read_number(self) -> Reading {
        let number = match self {
            Cell::Missing => return Reading::Missing,
            Cell::Number(number) => number,
            Cell::Text(text) => match value_of(text) {
                None => return Reading::Missing,
                Some(text) => match text.parse::<f64>() {
                    Ok(number) => number,
                    Err(_) => return Reading::Text,
                },
            },
        };
        if number.is_nan() {
            Reading::Missing
        } else if number.abs() <= LARGEST {
            Reading::Number(number)
        } else {
            Reading::OutOfRange
        }
    }
}

/// What a cell's text says, without space around it; `None` where it stands for no value.
pub(crate) fn value_of(text: &str) -> Option<&str> {
    let text = trimmed(text);
    let is_missing =
        text.is_empty() || ["NA", "NaN", "null"].iter().any(|word| text.eq_ignore_ascii_case(word));
    (!is_missing).then_some(text)
}

/// `text.trim()`, which looks for the spaces of all scripts, where there is anything to trim.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_a_number_missing_or_text() {
        for text in ["", "  ", "NA", "na", "NaN", "nan", "NULL", "null", " null\t", "-nan"] {
            assert_eq!(Cell::Text(text).read_number(), Reading::Missing, "{text:?}");
        }
        for (text, number) in
            [("1", 1.0), (" -2.5 ", -2.5), ("1e3", 1e3), ("+.5", 0.5), ("1e100", 1e100)]
        {
            assert_eq!(Cell::Text(text).read_number(), Reading::Number(number), "{text:?}");
        }
        for text in ["inf", "-Infinity", "1e999", "1.01e100"] {
            assert_eq!(Cell::Text(text).read_number(), Reading::OutOfRange, "{text:?}");
        }
        for text in ["N/A", "1,5", "0x10", "1 2", "none"] {
            assert_eq!(Cell::Text(text).read_number(), Reading::Text, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_checked_too() {
        assert_eq!(Cell::Number(f64::NAN).read_number(), Reading::Missing);
        assert_eq!(Cell::Number(f64::NEG_INFINITY).read_number(), Reading::OutOfRange);
        assert_eq!(Cell::from(2.0).read_number(), Reading::Number(2.0));
        assert_eq!(Cell::Missing.read_number(), Reading::Missing);
    }
}
