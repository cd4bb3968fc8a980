//! The constant that a printed value is off by.

use crate::matrix::Matrix;
use crate::truth::{Truth, UnitAxis};

/// The printed and the true value on one instance, in blocks of equal shapes.
pub(crate) struct Pair<'a> {
    pub(crate) truth: &'a Truth,
    pub(crate) printed: Vec<Matrix>,
    pub(crate) expected: Vec<Matrix>,
    pub(crate) units: UnitAxis,
}

/// Two numbers that are the same constant agree to this.
const TOLERANCE: f64 = 1e-8;

/// f in printed = f × true, written in the language of formulas: a number, times a power of m, of
/// 1−p, a width, or γ or √(σ²+ε) of the unit. `None` when no such f fits all instances.
pub(crate) fn factor(pairs: &[Pair<'_>]) -> Option<String> {
    let whole = |pair: &Pair<'_>| {
        let f = proportion(&entries(&pair.printed), &entries(&pair.expected))?;
        Some(Observation { factor: f, powers: powers(pair.truth, None) })
    };
    if let Some(observations) = pairs.iter().map(whole).collect::<Option<Vec<_>>>() {
        return named(&observations);
    }
    let mut observations = Vec::new();
    for pair in pairs.iter() {
        if pair.units == UnitAxis::Nowhere {
            return None;
        }
        for unit in 0..pair.truth.net.hidden_b {
            let printed = entries_of_unit(&pair.printed, pair.units, unit);
            let expected = entries_of_unit(&pair.expected, pair.units, unit);
            // A unit that is off in every row tells nothing.
            if printed.iter().chain(&expected).any(|v| *v != 0.0) {
                let factor = proportion(&printed, &expected)?;
                let powers = powers(pair.truth, Some(unit));
                observations.push(Observation { factor, powers });
            }
        }
    }
    named(&observations)
}

/// f with printed = f × expected up to rounding; `None` if there is none, or if it is 0.
fn proportion(printed: &[f64], expected: &[f64]) -> Option<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let f = dot(printed, expected) / dot(expected, expected);
    let size = dot(printed, printed).sqrt();
    let off: f64 = printed.iter().zip(expected).map(|(p, e)| (p - f * e).powi(2)).sum();
    (f.is_normal() && size.is_finite() && off.sqrt() <= 1e-9 * size).then_some(f)
}

fn entries(blocks: &[Matrix]) -> Vec<f64> {
    blocks.iter().flat_map(|block| block.data()).copied().collect()
}

fn entries_of_unit(blocks: &[Matrix], units: UnitAxis, unit: usize) -> Vec<f64> {
    let of_block = |(index, block): (usize, &Matrix)| -> Vec<f64> {
        match units {
            UnitAxis::Rows if unit < block.rows() => block.row(unit).to_vec(),
            UnitAxis::Columns if unit < block.cols() => block.column(unit).data().to_vec(),
            UnitAxis::Blocks if unit == index => block.data().to_vec(),
            _ => Vec::new(),
        }
    };
    blocks.iter().enumerate().flat_map(of_block).collect()
}

/// A factor that was observed, and the constants of the instance (and unit) where it was.
struct Observation {
    factor: f64,
    /// The same constants in the same order in every observation.
    powers: Vec<Power>,
}

/// A power of a named constant.
#[derive(Clone)]
struct Power {
    value: f64,
    written: &'static str,
    place: Place,
    /// Powers of one constant: a product has at most one of them.
    constant: usize,
}

/// Where in a fraction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Above,
    Below,
}

/// A factor is a number times at most this many powers.
const MOST_POWERS: usize = 3;

/// The product of the fewest powers such that all factors are the same multiple of it.
fn named(observations: &[Observation]) -> Option<String> {
    let first = observations.first()?;
    let product = |powers: &[Power], chosen: &[usize]| -> f64 {
        chosen.iter().map(|at| powers[*at].value).product()
    };
    let try_one = |chosen: &[usize]| {
        let number = first.factor / product(&first.powers, chosen);
        let agrees = |seen: &Observation| {
            let value = seen.factor / product(&seen.powers, chosen);
            (value - number).abs() <= TOLERANCE * number.abs()
        };
        observations.iter().all(agrees).then(|| {
            let names = |place: Place| {
                let of_place =
                    chosen.iter().map(|at| &first.powers[*at]).filter(|p| p.place == place);
                of_place.map(|power| power.written).collect::<Vec<_>>()
            };
            written(number, &names(Place::Above), &names(Place::Below))
        })
    };
    let n = first.powers.len();
    (0..=MOST_POWERS).find_map(|size| {
        let mut chosen: Vec<usize> = (0..size).collect();
        loop {
            let mut constants = chosen.iter().map(|at| first.powers[*at].constant);
            let apart = size < 2
                || !constants.by_ref().collect::<Vec<_>>().windows(2).any(|w| w[0] == w[1]);
            if let Some(name) = apart.then(|| try_one(&chosen)).flatten() {
                return Some(name);
            }
            // The next combination in lexicographic order.
            let at = (0..size).rev().find(|at| chosen[*at] + (size - at) < n)?;
            chosen[at] += 1;
            for later in at + 1..size {
                chosen[later] = chosen[later - 1] + 1;
            }
        }
    })
}

/// The powers that a factor is composed of, the likeliest first.
fn powers(truth: &Truth, unit: Option<usize>) -> Vec<Power> {
    let (net, m) = (&truth.net, truth.rows as f64);
    let keep = 1.0 - net.dropout;
    let mut constants: Vec<Vec<(&'static str, f64)>> = Vec::new();
    if let Some(unit) = unit {
        let (gamma, var) = (truth.vector("gamma"), truth.vector("var")[unit] + net.eps);
        // One γ stands for all units where it is shared.
        let gamma = gamma.get(unit).or(gamma.first()).copied().unwrap_or(1.0);
        constants.push(vec![("gamma", gamma), ("gamma^2", gamma * gamma)]);
        constants.push(vec![
            ("sqrt(var + eps)", var.sqrt()),
            ("(var + eps)", var),
            ("(var + eps)^(3/2)", var.powf(1.5)),
        ]);
    }
    constants.push(vec![("m", m), ("m^2", m * m), ("sqrt(m)", m.sqrt())]);
    constants.push(vec![("(m-1)", m - 1.0)]);
    constants.push(vec![("(1-p)", keep), ("(1-p)^2", keep * keep)]);
    constants.push(vec![("p", net.dropout)]);
    constants.push(vec![("eps", net.eps)]);
    if [net.weight_a, net.weight_b] != [1.0, 1.0] {
        constants.push(vec![("w_a", net.weight_a)]);
        constants.push(vec![("w_b", net.weight_b)]);
    }
    constants.push(vec![("classes", net.classes as f64)]);
    constants.push(vec![("outputs_a", net.outputs_a as f64)]);
    constants.push(vec![("hidden_a", net.hidden_a as f64)]);
    constants.push(vec![("inputs", net.inputs as f64)]);
    let both =
        |(constant, powers): (usize, Vec<(&'static str, f64)>)| {
            let both =
                move |(written, value): (&'static str, f64)| {
                    [(value, Place::Above), (value.recip(), Place::Below)]
                        .map(|(value, place)| Power { value, written, place, constant })
                };
            powers.into_iter().flat_map(both)
        };
    constants.into_iter().enumerate().flat_map(both).collect()
}

/// `number` × the names above / the names below.
fn written(number: f64, names_above: &[&str], names_below: &[&str]) -> String {
    let sign = if number < 0.0 { "-" } else { "" };
    let fraction = (1..=12).find_map(|below| {
        let above = number.abs() * f64::from(below);
        let whole = above.round();
        ((above - whole).abs() <= TOLERANCE * above && (1.0..1e9).contains(&whole))
            .then(|| (format!("{whole}"), format!("{below}")))
    });
    let (above, below) = fraction.unwrap_or_else(|| (decimal(number.abs()), "1".to_owned()));
    let product = |number: &str, names: &[&str]| {
        let number = (number != "1").then_some(number);
        number.into_iter().chain(names.iter().copied()).collect::<Vec<_>>().join("*")
    };
    let above = match product(&above, names_above) {
        nothing if nothing.is_empty() => "1".to_owned(),
        above => above,
    };
    let factors_below = names_below.len() + usize::from(below != "1");
    match product(&below, names_below) {
        nothing if nothing.is_empty() => format!("{sign}{above}"),
        below if factors_below > 1 => format!("{sign}{above}/({below})"),
        below => format!("{sign}{above}/{below}"),
    }
}

/// What is wrong with a formula that is off by this factor, one mistake for each part of it.
pub(crate) fn mistakes_of(factor: &str) -> Vec<String> {
    let (negative, factor) = match factor.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, factor),
    };
    let (above, below) = match split(factor, '/')[..] {
        [above, below] => (split(above, '*'), split(below, '*')),
        _ => (split(factor, '*'), vec![]),
    };
    let is_number = |part: &&str| part.parse::<f64>().is_ok();
    let number = |parts: &[&str]| -> String {
        parts.iter().find(|part| is_number(part)).map_or("1", |part| part).to_owned()
    };
    let mut mistakes = Vec::new();
    if negative {
        mistakes.push("the sign is wrong".to_owned());
    }
    match (&*number(&above), &*number(&below)) {
        ("1", "1") => {}
        ("1", below) => mistakes.push(format!("the factor {below} is missing")),
        (above, "1") => mistakes.push(format!("the factor {above} is too much")),
        (above, below) => mistakes.push(format!("the factor {above}/{below} is too much")),
    }
    let names = |parts: Vec<&str>| -> Vec<String> {
        parts.into_iter().filter(|part| !is_number(part)).map(str::to_owned).collect()
    };
    mistakes.extend(names(above).iter().map(|name| format!("the factor 1/{name} is missing")));
    mistakes.extend(names(below).iter().map(|name| format!("the factor {name} is missing")));
    mistakes
}

/// The parts between separators that stand in no bracket; brackets around everything do not count.
fn split(text: &str, separator: char) -> Vec<&str> {
    let is_outside = |at: usize| {
        let before = &text[..at];
        before.matches('(').count() == before.matches(')').count()
    };
    let around = text.starts_with('(')
        && text.ends_with(')')
        && text.char_indices().skip(1).all(|(at, _)| !is_outside(at));
    if around && text.contains('*') {
        return split(&text[1..text.len() - 1], separator);
    }
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, c) in text.char_indices() {
        if c == separator && is_outside(at) {
            parts.push(&text[from..at]);
            from = at + 1;
        }
    }
    parts.push(&text[from..]);
    parts
}

/// Ten significant digits: a number that is not 1 must not look like 1.
fn decimal(number: f64) -> String {
    let rounded: f64 = format!("{number:.9e}").parse().unwrap_or(number);
    if (1e-4..1e7).contains(&rounded) { format!("{rounded}") } else { format!("{rounded:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_written_as_a_fraction() {
        for (number, above, below, expected) in [
            (2.0, vec![], vec![], "2"),
            (-0.5, vec![], vec![], "-1/2"),
            (1.0, vec!["m"], vec![], "m"),
            (1.0, vec![], vec!["m"], "1/m"),
            (2.0, vec![], vec!["(1-p)"], "2/(1-p)"),
            (0.75, vec!["m"], vec!["p"], "3*m/(4*p)"),
            (0.123456789, vec![], vec![], "0.123456789"),
            (1.0000001, vec![], vec![], "1.0000001"),
            (1e-12, vec![], vec!["m"], "1e-12/m"),
        ] {
            assert_eq!(written(number, &above, &below), expected);
        }
    }

    #[test]
    fn each_part_of_a_factor_is_a_mistake() {
        for (factor, mistakes) in [
            ("m", &["the factor 1/m is missing"][..]),
            ("m/gamma", &["the factor 1/m is missing", "the factor gamma is missing"]),
            ("-(1-p)", &["the sign is wrong", "the factor 1/(1-p) is missing"]),
            ("37/10", &["the factor 37/10 is too much"]),
            ("1/((m-1)*(1-p))", &["the factor (m-1) is missing", "the factor (1-p) is missing"]),
            (
                "3*m/(4*p)",
                &[
                    "the factor 3/4 is too much",
                    "the factor 1/m is missing",
                    "the factor p is missing",
                ],
            ),
            ("1/2", &["the factor 2 is missing"]),
            ("1/(var + eps)^(3/2)", &["the factor (var + eps)^(3/2) is missing"]),
        ] {
            assert_eq!(mistakes_of(factor), mistakes, "{factor}");
        }
    }

    #[test]
    fn a_proportion_is_one_number_for_all_entries() {
        assert_eq!(proportion(&[2.0, 4.0], &[1.0, 2.0]), Some(2.0));
        assert_eq!(proportion(&[2.0, 4.1], &[1.0, 2.0]), None);
        assert_eq!(proportion(&[0.0], &[1.0]), None);
        assert_eq!(proportion(&[1.0], &[0.0]), None);
        assert_eq!(proportion(&[f64::NAN], &[1.0]), None);
    }
}
