//! Numbers as people write them: which mark is the decimal one, which groups thousands, which unit
//! stands beside them.

use serde::{Deserialize, Serialize};

/// A mark between digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// `.`
    Point,
    /// `,`
    Comma,
    /// A space, also one that does not break or is narrow.
    Space,
    /// `'` or `’`
    Apostrophe,
}

/// How a column writes its numbers. The default is the plain way of programs: `-1234.5`, `1e-3`.
///
/// Whatever the format, a minus may be the typographic one, and `(12.5)` is −12.5, as accountants
/// write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NumberFormat {
    /// The mark before the decimals: a point or a comma.
    pub decimal: Mark,
    /// The mark between groups of three digits.
    pub grouping: Option<Mark>,
    /// What may stand before or behind the number: `%`, or a currency's sign or code. It does not
    /// change the value: `5%` is 5.
    pub unit: Option<String>,
}

impl Default for NumberFormat {
    fn default() -> Self {
        Self { decimal: Mark::Point, grouping: None, unit: None }
    }
}

/// The readings of marks that are tried, the simplest first.
const CANDIDATES: [(Mark, Option<Mark>); 8] = [
    (Mark::Point, None),
    (Mark::Comma, None),
    (Mark::Point, Some(Mark::Comma)),
    (Mark::Comma, Some(Mark::Point)),
    (Mark::Point, Some(Mark::Space)),
    (Mark::Comma, Some(Mark::Space)),
    (Mark::Point, Some(Mark::Apostrophe)),
    (Mark::Comma, Some(Mark::Apostrophe)),
];

const PERCENT: &str = "%";

/// Signs and ISO 4217 codes of currencies, the ones that begin with another one first.
const CURRENCIES: [&str; 40] = [
    "$", "€", "£", "¥", "₹", "₽", "₩", "₺", "₪", "฿", "₫", "₴", "₦", "USD", "EUR", "GBP", "JPY",
    "CHF", "CAD", "AUD", "NZD", "CNY", "INR", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "BRL",
    "MXN", "ZAR", "SGD", "HKD", "KRW", "TRY", "RUB", "ILS", "THB", "US$",
];

impl NumberFormat {
    /// Whether this is the way of programs.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The format in words, as `decimal comma, thousands by points, in €`.
    pub(crate) fn describe(&self) -> String {
        let name = |mark| match mark {
            Mark::Point => "point",
            Mark::Comma => "comma",
            Mark::Space => "space",
            Mark::Apostrophe => "apostrophe",
        };
        let mut words = format!("decimal {}", name(self.decimal));
        if let Some(mark) = self.grouping {
            words += &format!(", thousands by {}s", name(mark));
        }
        if let Some(unit) = &self.unit {
            words += &format!(", in {unit}");
        }
        words
    }

    /// The number that `text`, without space around it, writes in this format.
    #[inline(always)]
    pub(crate) fn parse(&self, text: &str) -> Option<f64> {
        let plain = if self.decimal == Mark::Point { parse_plain(text) } else { None };
        plain.or_else(|| self.parse_written(text))
    }

    /// A number with marks, signs or a unit.
    fn parse_written(&self, text: &str) -> Option<f64> {
        let written = Written::of(text)?;
        if !written.unit.is_empty() && self.unit.as_deref() != Some(written.unit) {
            return None;
        }
        written.read(self.decimal, self.grouping)
    }
}

/// [`str::parse`] with a short way for up to 15 digits without exponent. These and the powers of
/// ten are exact in f64, so that one rounded division gives the nearest number, which is what
/// `parse` promises too.
pub(crate) fn parse_plain(text: &str) -> Option<f64> {
    const POWERS: [f64; 16] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let bytes = text.as_bytes();
    let (is_negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, bytes),
    };
    let (mut mantissa, mut n_digits, mut point) = (0u64, 0, None);
    if digits.len() <= 16 {
        for (i, byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    mantissa = mantissa * 10 + u64::from(byte - b'0');
                    n_digits += 1;
                }
                b'.' if point.is_none() => point = Some(i),
                _ => return text.parse().ok(),
            }
        }
        if (1..=15).contains(&n_digits) {
            let n_decimals = point.map_or(0, |point| digits.len() - 1 - point);
            let number = mantissa as i64 as f64 / POWERS[n_decimals];
            return Some(if is_negative { -number } else { number });
        }
    }
    text.parse().ok()
}

/// A whole number, if `x` is one, and no other whole number is as near to it in f64.
pub(crate) fn whole(x: f64) -> Option<i64> {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    (x.fract() == 0.0 && x.abs() <= LARGEST).then_some(x as i64)
}

/// Whether `text` is a code rather than a number: digits with zeros in front, as in `00501`.
pub(crate) fn has_leading_zeros(text: &str) -> bool {
    matches!(text.as_bytes(), [b'0', b'0'..=b'9', ..]) && text.bytes().all(|b| b.is_ascii_digit())
}

/// The text of a number taken apart.
struct Written<'a> {
    is_negative: bool,
    unit: &'a str,
    /// Digits and marks, and perhaps an exponent.
    digits: &'a str,
}

impl<'a> Written<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (mut is_negative, mut digits) = match text.strip_prefix('(') {
            Some(inner) => (true, inner.strip_suffix(')')?),
            None => (false, text),
        };
        let mut unit = "";
        // A sign may stand before the currency or behind it.
        for _ in 0..2 {
            if let Some(rest) = digits.strip_prefix(['-', '−', '–']) {
                (is_negative, digits) = (!is_negative, rest.trim_start());
            }
            if unit.is_empty()
                && !digits.starts_with(|c: char| c.is_ascii_digit())
                && let Some(sign) = CURRENCIES.iter().rev().find(|sign| digits.starts_with(**sign))
            {
                (unit, digits) = (&digits[..sign.len()], digits[sign.len()..].trim_start());
            }
        }
        if unit.is_empty() && !digits.ends_with(|c: char| c.is_ascii_digit()) {
            let mut units = std::iter::once(&PERCENT).chain(CURRENCIES.iter().rev());
            if let Some(found) = units.find(|unit| digits.ends_with(**unit)) {
                let (number, found) = digits.split_at(digits.len() - found.len());
                (digits, unit) = (number.trim_end(), found);
            }
        }
        let digits = digits.strip_prefix('+').unwrap_or(digits);
        let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == ',');
        is_number.then_some(Self { is_negative, unit, digits })
    }

    /// The number, if its marks have these meanings.
    fn read(&self, decimal: Mark, grouping: Option<Mark>) -> Option<f64> {
        let mut plain = [0; 64];
        let mut len = 0;
        let mut push = |byte| -> Option<()> {
            *plain.get_mut(len)? = byte;
            len += 1;
            Some(())
        };
        // Digits since the last mark; marks between groups; whether the decimals have begun.
        let (mut n_digits, mut n_groups, mut decimals) = (0, 0, false);
        let group_ends = |n_groups, n_digits| n_groups == 0 || n_digits == 3;
        for (i, c) in self.digits.char_indices() {
            let mark = match c {
                '0'..='9' => {
                    push(c as u8)?;
                    n_digits += 1;
                    continue;
                }
                'e' | 'E' => {
                    let exponent = &self.digits.as_bytes()[i..];
                    exponent.iter().try_for_each(|byte| push(*byte))?;
                    break;
                }
                '.' => Mark::Point,
                ',' => Mark::Comma,
                ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' => Mark::Space,
                '\'' | '’' => Mark::Apostrophe,
                _ => return None,
            };
            if decimals {
                return None;
            }
            if mark == decimal {
                if !group_ends(n_groups, n_digits) {
                    return None;
                }
                push(b'.')?;
                decimals = true;
            } else if Some(mark) == grouping {
                // Groups of three; India's have two, but for the last.
                let is_group = match n_groups {
                    0 => (1..=3).contains(&n_digits) && !self.digits.starts_with('0'),
                    _ => (2..=3).contains(&n_digits),
                };
                if !is_group {
                    return None;
                }
                (n_groups, n_digits) = (n_groups + 1, 0);
            } else {
                return None;
            }
        }
        if !decimals && !group_ends(n_groups, n_digits) {
            return None;
        }
        let number: f64 = std::str::from_utf8(&plain[..len]).ok()?.parse().ok()?;
        Some(if self.is_negative { -number } else { number })
    }
}

/// What the numbers of a column say about their format.
#[derive(Clone, Debug, Default)]
pub(crate) struct NumberVotes {
    /// Cells that each candidate can read.
    fits: [usize; CANDIDATES.len()],
    /// Whether a cell has a point or a comma.
    has_marks: bool,
    /// Units found, each with its cells.
    units: Vec<(String, usize)>,
    /// Cells that some candidate can read.
    n_cells: usize,
}

/// A column's format as its cells alone decide it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NumberDecision {
    /// One format reads most; whether a point or a comma proves which mark is the decimal one.
    One { format: NumberFormat, n_read: usize, proves_decimal: bool },
    /// The decimal point and the decimal comma read as many cells, and differ.
    Ambiguous { point: NumberFormat, comma: NumberFormat, n_read: usize },
}

impl NumberVotes {
    /// Takes a cell, without space around it; whether it can be a number.
    pub(crate) fn add(&mut self, text: &str) -> bool {
        let Some(written) = Written::of(text) else { return false };
        let mut fits_any = false;
        for (fits, (decimal, grouping)) in self.fits.iter_mut().zip(CANDIDATES) {
            if written.read(decimal, grouping).is_some() {
                *fits += 1;
                fits_any = true;
            }
        }
        if fits_any {
            self.n_cells += 1;
            self.has_marks |= written.digits.contains(['.', ',']);
            if !written.unit.is_empty() {
                match self.units.iter_mut().find(|(unit, _)| unit == written.unit) {
                    Some((_, n)) => *n += 1,
                    None => self.units.push((written.unit.to_owned(), 1)),
                }
            }
        }
        fits_any
    }

    /// The units that stand beside numbers.
    pub(crate) fn units(&self) -> impl Iterator<Item = &str> {
        self.units.iter().map(|(unit, _)| unit.as_str())
    }

    /// Whether some numbers are per cent and others are not.
    pub(crate) fn mixes_percent(&self) -> bool {
        self.units.iter().any(|(unit, n)| unit == PERCENT && *n < self.n_cells)
    }

    /// The format that reads most cells, the simplest of equals; with `decimal`, of those with this
    /// decimal mark.
    pub(crate) fn decide(&self, decimal: Option<Mark>) -> NumberDecision {
        let best_with = |mark| {
            let with_mark = CANDIDATES.iter().zip(self.fits).filter(|((d, _), _)| *d == mark);
            // The first of equals: `max_by_key` takes the last.
            let ((decimal, grouping), fits) =
                with_mark.rev().max_by_key(|(_, fits)| *fits).unwrap_or((&CANDIDATES[0], 0));
            let unit = self.units.first().map(|(unit, _)| unit.clone());
            (NumberFormat { decimal: *decimal, grouping: *grouping, unit }, fits)
        };
        let ((point, point_fits), (comma, comma_fits)) =
            (best_with(Mark::Point), best_with(Mark::Comma));
        let one =
            |format, n_read| NumberDecision::One { format, n_read, proves_decimal: self.has_marks };
        match decimal {
            Some(Mark::Comma) => one(comma, comma_fits),
            Some(_) => one(point, point_fits),
            None if point_fits > comma_fits => one(point, point_fits),
            None if comma_fits > point_fits => one(comma, comma_fits),
            None if self.has_marks => {
                NumberDecision::Ambiguous { point, comma, n_read: point_fits }
            }
            None => one(point, point_fits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(cells: &[&str]) -> NumberVotes {
        let mut votes = NumberVotes::default();
        cells.iter().for_each(|cell| _ = votes.add(cell));
        votes
    }

    /// The numbers that the cells become in the format that they decide on.
    fn read(cells: &[&str]) -> Vec<Option<f64>> {
        match votes(cells).decide(None) {
            NumberDecision::One { format, .. } => {
                cells.iter().map(|cell| format.parse(cell)).collect()
            }
            ambiguous @ NumberDecision::Ambiguous { .. } => panic!("{ambiguous:?}"),
        }
    }

    #[test]
    fn plain_numbers_have_the_bits_of_parse() {
        for text in [
            "0",
            "-0",
            "1",
            "-2.5",
            "5.",
            ".5",
            "123456789012345",
            "0.123456789012345",
            "1234567890123456",
            "9007199254740993",
            "1e3",
            "+7",
            "0.1",
            "99.99",
            "-.25",
            "3.4028235e38",
            "1e-320",
            "000012",
            "187.172",
        ] {
            let bits = |number: f64| number.to_bits();
            assert_eq!(parse_plain(text).map(bits), text.parse().ok().map(bits), "{text:?}");
        }
        for text in
            ["", "-", ".", "-.", "1.2.3", "1,5", "--1", "1 2", "x", "1234567890.12345678901x"]
        {
            assert_eq!(parse_plain(text), None, "{text:?}");
        }
    }

    #[test]
    fn cells_decide_which_mark_is_the_decimal_one() {
        assert_eq!(read(&["1,5", "1234,567"]), [Some(1.5), Some(1234.567)]);
        assert_eq!(read(&["1.234,5", "12"]), [Some(1234.5), Some(12.0)]);
        assert_eq!(read(&["1,234.5", "1,234"]), [Some(1234.5), Some(1234.0)]);
        assert_eq!(read(&["1,234,567"]), [Some(1_234_567.0)]);
        assert_eq!(read(&["12,34,567", "1,00,000"]), [Some(1_234_567.0), Some(100_000.0)]);
        assert_eq!(read(&["0,123"]), [Some(0.123)]);
        assert_eq!(
            read(&["1 234", "1\u{a0}234,5", "1\u{202f}234"]),
            [Some(1234.0), Some(1234.5), Some(1234.0)]
        );
        assert_eq!(read(&["1'234.50", "7’654"]), [Some(1234.5), Some(7654.0)]);
        // One cell that only the comma can explain decides for all.
        assert_eq!(read(&["187,172", "1,5"]), [Some(187.172), Some(1.5)]);
        assert_eq!(read(&["1,234.5", "x", "1,2,3"])[1..], [None, None]);
    }

    #[test]
    fn two_readings_that_differ_are_not_decided() {
        let decision = votes(&["1,234", "12,345"]).decide(None);
        assert!(matches!(decision, NumberDecision::Ambiguous { .. }), "{decision:?}");
        let NumberDecision::One { format, .. } = votes(&["1,234"]).decide(Some(Mark::Comma)) else {
            panic!("a mark was given")
        };
        assert_eq!(format.parse("1,234"), Some(1.234));
        // Both read these alike.
        let decision = votes(&["1 234"]).decide(None);
        assert!(
            matches!(decision, NumberDecision::One { proves_decimal: false, .. }),
            "{decision:?}"
        );
    }

    #[test]
    fn units_signs_and_parentheses() {
        assert_eq!(
            read(&["$12", "-$3.5", "$-4", "($1,000)"]),
            [12.0, -3.5, -4.0, -1000.0].map(Some)
        );
        assert_eq!(read(&["12,50 €", "−3 €"]), [Some(12.5), Some(-3.0)]);
        assert_eq!(read(&["5%", "12.5 %"]), [Some(5.0), Some(12.5)]);
        assert_eq!(read(&["EUR 7", "7 EUR"]), [Some(7.0), Some(7.0)]);
        assert_eq!(read(&["−5", "(12.5)", "–1e-3"]), [-5.0, -12.5, -1e-3].map(Some));
        assert!(votes(&["5%", "0.05"]).mixes_percent() && !votes(&["5%", "6%"]).mixes_percent());
        assert_eq!(votes(&["$1", "€1", "$2"]).units().collect::<Vec<_>>(), ["$", "€"]);
        for text in ["", "-", "$", "%", "e5", "(5", "5 kg", "1e", "12:30", "2024-01-01", "0x10"] {
            assert!(!NumberVotes::default().add(text), "{text:?}");
        }
        // A unit that the column does not have is not passed over.
        assert_eq!(NumberFormat::default().parse("$5"), None);
    }

    #[test]
    fn codes_have_leading_zeros() {
        assert!(has_leading_zeros("00501") && has_leading_zeros("07"));
        assert!(!["0", "0.5", "501", "0x1", "-07"].into_iter().any(has_leading_zeros));
    }
}
