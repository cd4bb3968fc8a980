//! The smallest example on which a formula and the truth differ, worked out.

use std::fmt;

use serde::Serialize;

use crate::eval::{Reading, part};
use crate::expr::{Expr, Node};
use crate::factor::Pair;
use crate::judge::assess;
use crate::matrix::Matrix;
use crate::measure::relative_error;
use crate::networks::Networks;
use crate::pairs::pairs;
use crate::quantity::{Kind, Quantity};
use crate::show::Shown;
use crate::truth::{Scope, Truth};
use crate::{Evaluation, Formula};

/// Two samples, two units in each layer, one decimal in what is given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// The constants that the formula uses, and m.
    pub constants: Vec<(String, f64)>,
    /// The quantities that the formula uses: a row for each sample where there is one for each.
    pub given: Vec<(String, Vec<Vec<f64>>)>,
    /// The parts of the formula, from the inside out.
    pub steps: Vec<Step>,
    /// The printed value; `None` where an operation in it is not defined.
    pub printed: Option<Vec<Vec<f64>>>,
    /// What it should be.
    #[serde(rename = "true")]
    pub truth: Vec<Vec<f64>>,
    /// Whose values these are, where there is a value for each: `unit 1`, `sample 2`.
    pub block: Option<String>,
}

/// The value of a part of the formula.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The sample, from 1, of a formula that is read row by row.
    pub sample: Option<usize>,
    /// The part, in the language of formula files.
    pub expression: String,
    /// Its value.
    pub value: Vec<Vec<f64>>,
}

/// More steps than this are not shown: the outermost are.
const MOST_STEPS: usize = 6;

/// The first of the smallest networks on which the formula differs from the truth.
pub(crate) fn example(networks: &Networks, formula: &Formula) -> Option<Example> {
    let truths = networks.smallest(formula.setting);
    let over_entries =
        assess(networks.of(formula.setting), formula, formula.evaluation, formula.mask)
            .over_entries;
    let reading = Reading { over_entries, ..Reading::in_place(formula.evaluation, formula.mask) };
    let differs =
        |truth: &&Truth, least: f64| match pairs(std::slice::from_ref(*truth), formula, reading) {
            Ok(pairs) => block(&pairs[0], least).is_some(),
            Err(_) => true,
        };
    let truth = [1e-2, 1e-12]
        .into_iter()
        .find_map(|least| truths.iter().find(|truth| differs(truth, least)))?;
    Some(worked_out(truth, formula, reading))
}

/// The first block in which printed and true differ.
fn block(pair: &Pair<'_>, least: f64) -> Option<usize> {
    (0..pair.expected.len()).find(|at| match (pair.printed.get(*at), pair.expected.get(*at)) {
        (Some(p), Some(e)) if p.shape() == e.shape() => relative_error(p.data(), e.data()) > least,
        _ => true,
    })
}

fn worked_out(truth: &Truth, formula: &Formula, reading: Reading) -> Example {
    let printed =
        pairs(std::slice::from_ref(truth), formula, reading).ok().and_then(|mut one| one.pop());
    let expected = formula.true_value(truth, reading.evaluation);
    let is_of_units =
        formula.target.0.kind == Kind::UnitJacobian || reading.evaluation == Evaluation::PerUnit;
    let is_of_rows = matches!(formula.target.0.kind, Kind::RowJacobian | Kind::RowWeight);
    let is_family = is_of_rows || is_of_units;
    let at = printed.as_ref().and_then(|pair| block(pair, 1e-12)).unwrap_or(0);
    let shown = |blocks: &[Matrix]| -> Vec<Vec<f64>> {
        match blocks {
            blocks if is_family => blocks.get(at).map(rows).unwrap_or_default(),
            [one] => rows(one),
            // A column vector for each sample.
            several => several.iter().map(|block| block.data().to_vec()).collect(),
        }
    };
    let mut leaves = Vec::new();
    collect(&formula.expr, &mut leaves);
    let m = ("m".to_owned(), truth.rows as f64);
    let constants = leaves
        .iter()
        .filter(|leaf| leaf.kind == Kind::Scalar && leaf.name != "m")
        .filter_map(|leaf| Some((leaf.name.to_owned(), *truth.vector(leaf.name).first()?)));
    let given = leaves.iter().filter(|leaf| leaf.kind != Kind::Scalar).filter_map(|leaf| {
        let matrix = match truth.value(leaf, Scope::Batch, reading.mask)? {
            crate::value::Value::Matrix(matrix) => matrix,
            _ => return None,
        };
        Some((leaf.name.to_owned(), rows(&matrix)))
    });
    let scopes: Vec<(Option<usize>, Scope)> = match (formula.target.0.kind, reading.evaluation) {
        _ if is_of_units => vec![(None, Scope::Unit(at))],
        (Kind::RowJacobian | Kind::RowWeight, _) => vec![(None, Scope::Row(at))],
        (_, Evaluation::Batch) => vec![(None, Scope::Batch)],
        (_, Evaluation::PerRow | Evaluation::PerUnit) => {
            (0..truth.rows).map(|row| (Some(row + 1), Scope::Row(row))).collect()
        }
    };
    let mut parts = Vec::new();
    collect_parts(&formula.expr, true, &mut parts);
    let mut steps: Vec<Step> = Vec::new();
    for (sample, scope) in scopes {
        // Of later samples the whole is enough.
        let of_sample = match sample {
            None | Some(1) => &parts[..],
            Some(_) => &[],
        };
        let whole = sample.map(|_| &formula.expr);
        let value_of = |expr: &Expr| {
            let turned = formula.turn.of_part(expr, reading.evaluation);
            let value = rows(&part(&turned, truth, reading, scope)?);
            Some(Step { sample, expression: Shown(expr).to_string(), value })
        };
        let mut of_scope: Vec<Step> = Vec::new();
        for step in of_sample.iter().copied().chain(whole).filter_map(value_of) {
            if !of_scope.contains(&step) {
                of_scope.push(step);
            }
        }
        let skipped = of_scope.len().saturating_sub(MOST_STEPS);
        steps.extend(of_scope.into_iter().skip(skipped));
    }
    Example {
        constants: std::iter::once(m).chain(constants).collect(),
        given: given.collect(),
        steps,
        printed: printed.map(|pair| shown(&pair.printed)),
        truth: shown(&expected),
        block: is_family
            .then(|| format!("{} {}", if is_of_units { "unit" } else { "sample" }, at + 1)),
    }
}

fn rows(matrix: &Matrix) -> Vec<Vec<f64>> {
    (0..matrix.rows()).map(|i| matrix.row(i).to_vec()).collect()
}

fn collect(expr: &Expr, leaves: &mut Vec<&'static Quantity>) {
    if let Node::Quantity(quantity) = expr.node
        && !leaves.contains(&quantity)
    {
        leaves.push(quantity);
    }
    expr.children().iter().for_each(|child| collect(child, leaves));
}

/// What is worth a line of its own: not numbers, names and their transposes, nor the whole.
fn collect_parts<'a>(expr: &'a Expr, is_whole: bool, parts: &mut Vec<&'a Expr>) {
    expr.children().iter().for_each(|child| collect_parts(child, false, parts));
    let is_plain = match &expr.node {
        Node::Transpose(inner) | Node::Negate(inner) | Node::Entry(inner, _) => {
            inner.children().is_empty()
        }
        _ => expr.children().is_empty(),
    };
    let of_numbers = !expr.any(
        &|part| matches!(part.node, Node::Quantity(quantity) if quantity.kind != Kind::Scalar),
    );
    if !is_whole && !is_plain && !of_numbers {
        parts.push(expr);
    }
}

impl fmt::Display for Example {
    /// Lines for a terminal. As many digits as it takes to tell the printed value from the true
    /// one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = [4, 7, 10, 15].into_iter().find(|digits| {
            self.printed.as_ref().is_none_or(|p| shown(p, *digits) != shown(&self.truth, *digits))
        });
        let digits = digits.unwrap_or(15);
        let constants: Vec<String> =
            self.constants.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let of = self.block.as_ref().map_or(String::new(), |block| format!(", for {block}"));
        writeln!(f, "Example ({}{of}):", constants.join(", "))?;
        for (name, value) in &self.given {
            writeln!(f, "  {name} = {}", shown(value, digits))?;
        }
        for Step { sample, expression, value } in &self.steps {
            let sample = sample.map_or(String::new(), |n| format!("sample {n}: "));
            writeln!(f, "  {sample}{expression} = {}", shown(value, digits))?;
        }
        match &self.printed {
            Some(printed) => writeln!(f, "  printed: {}", shown(printed, digits))?,
            None => writeln!(f, "  printed: has no value")?,
        }
        writeln!(f, "  true:    {}", shown(&self.truth, digits))
    }
}

/// `[1 2; 3 4]`.
fn shown(rows: &[Vec<f64>], digits: usize) -> String {
    let row = |row: &Vec<f64>| {
        row.iter().map(|value| number(*value, digits)).collect::<Vec<_>>().join(" ")
    };
    match rows {
        [one] if one.len() == 1 => number(one[0], digits),
        rows => format!("[{}]", rows.iter().map(row).collect::<Vec<_>>().join("; ")),
    }
}

/// A number with this many significant digits, without trailing zeros.
fn number(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{}", value + 0.0);
    }
    let magnitude = value.abs().log10().floor();
    if !(-4.0..7.0).contains(&magnitude) {
        return format!("{value:.*e}", digits - 1);
    }
    // Between -4 and 7: no truncation.
    let decimals = (digits as i64 - 1 - magnitude as i64).max(0) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_four_digits() {
        for (value, text) in [
            (0.25, "0.25"),
            (-0.0, "0"),
            (1234.56, "1235"),
            (-0.012_345_6, "-0.01235"),
            (2.0, "2"),
            (1e-9, "1.000e-9"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value, 4), text);
        }
    }
}
