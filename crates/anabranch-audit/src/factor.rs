//! Which constant a printed value is off by.

use crate::matrix::Matrix;
use crate::truth::{Truth, UnitAxis};

/// The printed and the true value on one instance, in blocks of equal shapes.
pub(crate) struct Pair<'a> {
    pub(crate) truth: &'a Truth,
    pub(crate) printed: Vec<Matrix>,
    pub(crate) expected: Vec<Matrix>,
    pub(crate) units: UnitAxis,
}

/// Two numbers that are one constant agree to this.
const TOLERANCE: f64 = 1e-8;

/// f in printed = f × true, written in the language of formulas: a number, times a power of m, of
/// 1−p, a width, or γ or √(σ²+ε) of the unit. `None` when no such f fits all instances.
pub(crate) fn factor(pairs: &[Pair<'_>]) -> Option<String> {
    let whole = |pair: &Pair<'_>| {
        let f = proportion(&entries(&pair.printed), &entries(&pair.expected))?;
        Some(Observation { factor: f, constants: constants(pair.truth, None) })
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
            // A unit that is off in every row says nothing.
            if printed.iter().chain(&expected).any(|v| *v != 0.0) {
                let factor = proportion(&printed, &expected)?;
                let constants = constants(pair.truth, Some(unit));
                observations.push(Observation { factor, constants });
            }
        }
    }
    named(&observations)
}

/// f where printed = f × expected to rounding; `None` where there is none, or it is 0.
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

/// A factor that was seen, and the constants of the instance (and unit) where it was.
struct Observation {
    factor: f64,
    /// The same constants in the same order in every observation.
    constants: Vec<Constant>,
}

/// A named constant: its value, and what is written above and below a fraction's line.
#[derive(Clone)]
struct Constant {
    value: f64,
    above: Vec<&'static str>,
    below: Vec<&'static str>,
}

impl Constant {
    fn one() -> Self {
        Self { value: 1.0, above: vec![], below: vec![] }
    }

    fn times(&self, other: &Self) -> Self {
        Self {
            value: self.value * other.value,
            above: [&self.above[..], &other.above].concat(),
            below: [&self.below[..], &other.below].concat(),
        }
    }
}

/// The first constant that all factors are one and the same multiple of.
fn named(observations: &[Observation]) -> Option<String> {
    let first = observations.first()?;
    first.constants.iter().enumerate().find_map(|(index, constant)| {
        let number = first.factor / constant.value;
        let agrees = |seen: &Observation| {
            let value = seen.factor / seen.constants[index].value;
            (value - number).abs() <= TOLERANCE * number.abs()
        };
        observations.iter().all(agrees).then(|| written(number, constant))
    })
}

/// The constants that a factor is looked for among, the simplest first.
fn constants(truth: &Truth, unit: Option<usize>) -> Vec<Constant> {
    let both_ways = |name: &'static str, value: f64| {
        [
            Constant { value, above: vec![name], below: vec![] },
            Constant { value: 1.0 / value, above: vec![], below: vec![name] },
        ]
    };
    let (net, m) = (&truth.net, truth.rows as f64);
    let batch = [
        both_ways("m", m),
        both_ways("(m-1)", m - 1.0),
        both_ways("m^2", m * m),
        both_ways("sqrt(m)", m.sqrt()),
        [
            Constant { value: m / (m - 1.0), above: vec!["m"], below: vec!["(m-1)"] },
            Constant { value: (m - 1.0) / m, above: vec!["(m-1)"], below: vec!["m"] },
        ],
    ];
    let keep = 1.0 - net.dropout;
    let dropout = [
        both_ways("(1-p)", keep),
        both_ways("(1-p)^2", keep * keep),
        both_ways("p", net.dropout),
        both_ways("eps", net.eps),
    ];
    let widths = [
        both_ways("classes", net.classes as f64),
        both_ways("outputs_a", net.outputs_a as f64),
        both_ways("hidden_a", net.hidden_a as f64),
        both_ways("inputs", net.inputs as f64),
    ];
    let groups = [batch.concat(), dropout.concat(), widths.concat()];
    let mut all = match unit {
        None => vec![Constant::one()],
        Some(unit) => {
            let (gamma, var) = (truth.vector("gamma"), truth.vector("var")[unit] + net.eps);
            // One γ stands for all units where it is shared.
            let gamma = gamma.get(unit).or(gamma.first()).copied().unwrap_or(1.0);
            let deviation = both_ways("sqrt(var + eps)", var.sqrt());
            let [above, below] = both_ways("gamma", gamma);
            let of_both = [above.times(&deviation[1]), below.times(&deviation[0])];
            [[above, below], deviation, both_ways("(var + eps)", var), of_both].concat()
        }
    };
    let simplest = all.clone();
    for group in &groups {
        all.extend(simplest.iter().flat_map(|one| group.iter().map(|other| one.times(other))));
    }
    for (i, group) in groups.iter().enumerate() {
        for one in simplest.iter().flat_map(|one| group.iter().map(|other| one.times(other))) {
            all.extend(groups[i + 1..].iter().flatten().map(|other| one.times(other)));
        }
    }
    all
}

/// `number` × `constant` as a fraction.
fn written(number: f64, constant: &Constant) -> String {
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
    let above = match product(&above, &constant.above) {
        nothing if nothing.is_empty() => "1".to_owned(),
        above => above,
    };
    let factors_below = constant.below.len() + usize::from(below != "1");
    match product(&below, &constant.below) {
        nothing if nothing.is_empty() => format!("{sign}{above}"),
        below if factors_below > 1 => format!("{sign}{above}/({below})"),
        below => format!("{sign}{above}/{below}"),
    }
}

/// Six significant digits.
fn decimal(number: f64) -> String {
    let rounded: f64 = format!("{number:.5e}").parse().unwrap_or(number);
    if (1e-4..1e7).contains(&rounded) { format!("{rounded}") } else { format!("{rounded:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_written_as_a_fraction() {
        let constant = |above: &[&'static str], below: &[&'static str]| Constant {
            value: 1.0,
            above: above.to_vec(),
            below: below.to_vec(),
        };
        for (number, above, below, expected) in [
            (2.0, vec![], vec![], "2"),
            (-0.5, vec![], vec![], "-1/2"),
            (1.0, vec!["m"], vec![], "m"),
            (1.0, vec![], vec!["m"], "1/m"),
            (2.0, vec![], vec!["(1-p)"], "2/(1-p)"),
            (0.75, vec!["m"], vec!["p"], "3*m/(4*p)"),
            (0.123456789, vec![], vec![], "0.123457"),
            (1e-12, vec![], vec!["m"], "1e-12/m"),
        ] {
            assert_eq!(written(number, &constant(&above, &below)), expected);
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
