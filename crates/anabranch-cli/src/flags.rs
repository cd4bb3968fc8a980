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

/// A parser of shares of rows that are to be covered.
pub(crate) fn coverage() -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    number("a number above 0 and below 1", |share| share > 0.0 && share < 1.0)
}

/// A parser of random seeds.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))
}

/// A parser of lists of whole numbers from `min` to `max`, separated by commas.
pub(crate) fn counts(
    min: usize,
    max: usize,
) -> impl Fn(&str) -> Result<Vec<usize>, String> + Clone + Send + Sync + 'static {
    move |text| text.split(',').map(count(min, max)).collect()
}

/// A parser of lists: names separated by commas, quoted as in CSV where a name holds a comma.
pub(crate) fn list(text: &str) -> Result<Vec<String>, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let record = reader.records().next().and_then(Result::ok).unwrap_or_default();
    let names: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err("expected names separated by commas".into());
    }
    Ok(names)
}

/// The text that [`list`] reads as these names.
pub(crate) fn joined(names: &[String]) -> String {
    let quoted = |name: &String| {
        let needs_quotes = name.contains([',', '"', '\n', '\r']);
        if needs_quotes { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.clone() }
    };
    names.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// A parser of `NAME=VALUE`, where the name may hold `=` too, and the value where it is quoted as
/// in CSV.
pub(crate) fn assignment(text: &str) -> Result<(String, String), String> {
    let n_quotes = |text: &str| text.matches('"').count();
    let mut equals = text.match_indices('=').map(|(place, _)| place).rev();
    // A name with a single quotation mark closes none.
    let is_outside = |place: &usize| n_quotes(&text[*place..]).is_multiple_of(2);
    let place = equals.clone().find(is_outside).or_else(|| equals.next());
    match place.map(|place| (&text[..place], &text[place + 1..])) {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.trim().to_owned())),
        _ => Err("expected NAME=VALUE".into()),
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

    #[test]
    fn lists_are_quoted_as_in_csv() {
        assert_eq!(list("a, b"), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(list(r#""a,b""c",d"#), Ok(vec![r#"a,b"c"#.into(), "d".into()]));
        for names in [&["a"][..], &["a,b", "c"], &["\"", "x y", "1"]] {
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            assert_eq!(list(&joined(&names)), Ok(names));
        }
        for text in ["", "a,", ",", " "] {
            assert!(list(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_last_equals_sign_divides_a_name_from_its_value() {
        assert_eq!(assignment("a=b=0.5"), Ok(("a=b".into(), "0.5".into())));
        let quoted = r#"k="x=y,z:2",w:1"#;
        assert_eq!(assignment(quoted), Ok(("k".into(), r#""x=y,z:2",w:1"#.into())));
        assert_eq!(assignment("5\" disk=0.5"), Ok(("5\" disk".into(), "0.5".into())));
        for text in ["a", "=1", ""] {
            assert!(assignment(text).is_err(), "{text:?}");
        }
    }
}
