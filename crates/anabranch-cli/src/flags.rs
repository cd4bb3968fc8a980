//! Values of flags: a number in its range, or a message that names the range.

/// A parser of finite numbers for which `is_valid` holds; `expected` says in words which these are.
pub(crate) fn number(
    expected: &'static str,
    is_valid: fn(f64) -> bool,
) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text| match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && is_valid(number) => Ok(number),
        _ => Err(format!("expected {expected}")),
    }
}

/// A parser of finite numbers from 0.
pub(crate) fn non_negative() -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static
{
    number("a number, at least 0", |v| v >= 0.0)
}

/// A parser of whole numbers from `min` to `max`.
pub(crate) fn count(
    min: usize,
    max: usize,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| match text.trim().parse::<usize>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ if max == usize::MAX => Err(format!("expected a whole number, at least {min}")),
        _ => Err(format!("expected a whole number from {min} to {max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_their_range_are_told_the_range() {
        let share = number("a number from 0 to 1", |v| (0.0..=1.0).contains(&v));
        assert_eq!(share("0.25"), Ok(0.25));
        for text in ["1.01", "-1", "nan", "inf", "", "half"] {
            assert_eq!(share(text), Err("expected a number from 0 to 1".into()), "{text:?}");
        }
        assert!(non_negative()("inf").is_err());
    }

    #[test]
    fn counts_outside_their_range_are_told_the_range() {
        assert_eq!(count(1, 9)("9"), Ok(9));
        for text in ["0", "10", "-3", "1.5", "", "99999999999999999999999"] {
            assert_eq!(count(1, 9)(text), Err("expected a whole number from 1 to 9".into()));
        }
        assert_eq!(count(2, usize::MAX)("1"), Err("expected a whole number, at least 2".into()));
    }
}
