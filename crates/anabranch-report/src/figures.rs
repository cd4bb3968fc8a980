//! Numbers as people read them.

/// A number to four significant digits; a dash if it is undefined.
pub fn figure(value: Option<f64>) -> String {
    let Some(value) = value else { return "–".into() };
    // Beyond these, there would be only zeros to see, or digits that mean nothing.
    let is_plain = value == 0.0 || !value.is_finite() || (1e-3..1e9).contains(&value.abs());
    if !is_plain {
        return format!("{value:.3e}");
    }
    let digits_before_point = if value == 0.0 { 0 } else { exponent(value) + 1 };
    let decimals = usize::try_from(4 - digits_before_point.max(0)).unwrap_or(0);
    format!("{value:.decimals$}")
}

/// The decimal exponent of a number: 3 for 1234; 0 of 0 and what is not finite.
pub(crate) fn exponent(value: f64) -> i32 {
    let text = format!("{value:e}");
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

/// A whole number with its thousands set apart: 12,345.
pub(crate) fn whole(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share in percent, with a decimal below 10 %.
pub(crate) fn percent(share: f64) -> String {
    let share = 100.0 * share;
    if share.abs() < 9.95 && share != 0.0 {
        format!("{share:.1} %")
    } else {
        format!("{share:.0} %")
    }
}

/// The first characters of a text, and an ellipsis where there are more.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits() {
        for (value, expected) in [
            (Some(0.123_456), "0.1235"),
            (Some(1.5), "1.500"),
            (Some(0.0), "0.0000"),
            (Some(-0.001_23), "-0.0012"),
            (Some(0.000_123_456), "1.235e-4"),
            (Some(7.9e-12), "7.900e-12"),
            (Some(3.9e30), "3.900e30"),
            (Some(543.21), "543.2"),
            (Some(123_456.7), "123457"),
            (Some(f64::INFINITY), "inf"),
            (Some(f64::NAN), "NaN"),
            (None, "–"),
        ] {
            assert_eq!(figure(value), expected);
        }
    }

    #[test]
    fn counts_shares_and_names() {
        assert_eq!([whole(7), whole(1599), whole(12_345_678)], ["7", "1,599", "12,345,678"]);
        assert_eq!([percent(0.0), percent(0.0123), percent(0.5)], ["0 %", "1.2 %", "50 %"]);
        assert_eq!([shortened("größe", 5), shortened("größer", 5)], ["größe", "größ…"]);
    }
}
