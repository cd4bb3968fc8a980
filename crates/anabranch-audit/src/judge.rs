//! From values to verdicts.

use crate::early::{averaged_early, collapsed_to_sum};
use crate::eval::{EvalError, Reading};
use crate::expr::{Axis, Expr, Node};
use crate::factor::{Pair, factor, mistakes_of};
use crate::matrix::Matrix;
use crate::measure::relative_error;
use crate::mistakes::Mistake;
use crate::pairs::pairs;
use crate::quantity::Kind;
use crate::truth::{MaskReading, Truth, UnitAxis};
use crate::value::{Undefined, shown};
use crate::{Evaluation, Formula, Verdict};

/// Dual numbers and a formula agree to about 1e-15 on these instances; no two different formulas
/// come this close.
pub(crate) const EXACT: f64 = 1e-9;

/// The verdict on a formula under one reading, and everything that a finding says about it.
#[derive(Clone, Debug)]
pub(crate) struct Assessment {
    pub(crate) verdict: Verdict,
    pub(crate) factor: Option<String>,
    pub(crate) error: Option<f64>,
    pub(crate) mistake: Option<Mistake>,
    /// What is wrong, in words, if all of it is known.
    pub(crate) mistakes: Vec<String>,
    pub(crate) shape: Option<[usize; 2]>,
    pub(crate) expected_shape: Option<[usize; 2]>,
    pub(crate) text: String,
    /// Which sums without a range go over all entries.
    pub(crate) over_entries: u32,
}

/// The printed value on every network, entry by entry.
pub(crate) type Values = Vec<Vec<f64>>;

/// The values of a formula under the reading that its verdict is of.
pub(crate) fn values(truths: &[Truth], formula: &Formula) -> Option<Values> {
    let evaluation = formula.evaluation;
    let over_entries = assess(truths, formula, evaluation, formula.mask).over_entries;
    let reading = Reading { over_entries, ..Reading::in_place(evaluation, formula.mask) };
    let pairs = pairs(truths, formula, reading).ok()?;
    Some(pairs.iter().map(Pair::entries).collect())
}

/// Whether two formulas have the same value on every network.
pub(crate) fn same_values(a: &Values, b: &Values) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a.len() == b.len() && relative_error(a, b) <= EXACT)
}

impl Assessment {
    fn new(verdict: Verdict, text: String) -> Self {
        Self {
            verdict,
            factor: None,
            error: None,
            mistake: None,
            mistakes: vec![],
            shape: None,
            expected_shape: None,
            text,
            over_entries: 0,
        }
    }
}

/// How close a verdict is to right: the order in which readings of an open Σ are preferred.
pub(crate) fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Exact => 0,
        Verdict::Factor => 1,
        Verdict::AveragedEarly => 2,
        Verdict::Wrong | Verdict::Circular => 3,
        Verdict::Shape => 4,
    }
}

/// The verdict under the most favourable reading of each Σ without a range.
pub(crate) fn assess(
    truths: &[Truth],
    formula: &Formula,
    evaluation: Evaluation,
    mask: MaskReading,
) -> Assessment {
    let reading = Reading::in_place(evaluation, mask);
    let mut best = assess_reading(truths, formula, reading);
    for over_entries in 1..1u32 << unstated_sums(&formula.expr) {
        if best.verdict == Verdict::Exact {
            break;
        }
        let next = assess_reading(truths, formula, Reading { over_entries, ..reading });
        if rank(next.verdict) < rank(best.verdict) {
            best = next;
            best.over_entries = over_entries;
            best.text.push_str(" (A sum without a range was read as a sum over all entries.)");
        }
    }
    best
}

/// Whether a formula is exact under some reading of its sums without a range.
pub(crate) fn is_exact(truths: &[Truth], formula: &Formula) -> bool {
    (0..1u32 << unstated_sums(&formula.expr)).any(|over_entries| {
        let in_place = Reading::in_place(formula.evaluation, formula.mask);
        let reading = Reading { over_entries, ..in_place };
        pairs(truths, formula, reading).is_ok_and(|pairs| {
            let fits = |pair: &Pair<'_>| {
                pair.printed.len() == pair.expected.len()
                    && pair.printed.iter().zip(&pair.expected).all(|(p, e)| p.shape() == e.shape())
            };
            pairs.iter().all(fits)
                && (largest_error(pairs.iter().map(|pair| (&pair.printed[..], &pair.expected[..])))
                    <= EXACT
                    || is_jacobian_of_output(&pairs, formula))
        })
    })
}

fn unstated_sums(expr: &Expr) -> usize {
    let own = usize::from(matches!(expr.node, Node::Fold(_, Axis::Unstated(_), _)));
    own + expr.children().iter().map(unstated_sums).sum::<usize>()
}

fn assess_reading(truths: &[Truth], formula: &Formula, reading: Reading) -> Assessment {
    let pairs = match pairs(truths, formula, reading) {
        Ok(pairs) => pairs,
        Err(error) => return undefined(truths, formula, reading, error),
    };
    let same_shapes = pairs.iter().all(|pair| {
        pair.printed.len() == pair.expected.len()
            && pair.printed.iter().zip(&pair.expected).all(|(p, e)| p.shape() == e.shape())
    });
    let mut found = if same_shapes {
        assess_values(&pairs, formula)
    } else {
        let mut found = Assessment::new(Verdict::Shape, shape_text(&pairs, formula));
        let (printed, expected) = different_blocks(&pairs);
        found.shape = Some(printed.shape());
        found.expected_shape = Some(expected.shape());
        found
    };
    if matches!(found.verdict, Verdict::Wrong | Verdict::Shape) {
        let collapsed = collapsed_to_sum(&pairs, formula, reading);
        let early = match collapsed {
            // The loss has a 1/m: the sum of δ is the mean of what each sample contributes; so is,
            // of δ, its mean.
            Some(factor) if factor == "1/m" => Some(("1".to_owned(), collapsed_text(formula))),
            Some(factor) => Some((factor, collapsed_text(formula))),
            None => averaged_early(truths, formula, reading, &pairs)
                .map(|factor| (factor, early_text().to_owned())),
        };
        if let Some((factor, text)) = early {
            let (error, shape) = (found.error, found.shape);
            found = early_assessment(&factor, &text);
            (found.error, found.shape) = (error, shape);
        }
    }
    if found.verdict != Verdict::Exact && found.mistake.is_none() {
        found.mistake = mistake(&pairs, formula, reading);
        if let Some(mistake) = found.mistake {
            found.text.push_str(&format!(" It is what you get from this mistake: {mistake}."));
            if found.mistakes.is_empty() {
                found.mistakes.push(mistake.name().to_owned());
            }
        } else if found.verdict == Verdict::Wrong
            && found.mistakes.is_empty()
            && let Some((mistake, factor)) = mistake_and_factor(&pairs, formula, reading)
        {
            let sentence = format!(
                " Two mistakes at once: it is {factor} times what you get from this mistake: {mistake}."
            );
            found.text.push_str(&sentence);
            found.mistake = Some(mistake);
            found.mistakes = mistakes_of(&factor);
            found.mistakes.insert(0, mistake.name().to_owned());
        }
    }
    found
}

fn undefined(
    truths: &[Truth],
    formula: &Formula,
    reading: Reading,
    error: EvalError,
) -> Assessment {
    let column = error.column;
    match error.undefined {
        Undefined::TooLarge => Assessment::new(
            Verdict::Wrong,
            format!("Column {column}: more arithmetic than any formula of this network needs."),
        ),
        Undefined::Shapes(message) => {
            if let Some(factor) = averaged_early(truths, formula, reading, &[]) {
                return early_assessment(&factor, early_text());
            }
            let text = format!("Column {column}: {message}.");
            let mut found = Assessment::new(Verdict::Shape, text);
            let expected = truths[0].expected(formula.target, reading.evaluation);
            found.expected_shape = expected.first().map(Matrix::shape);
            found
        }
    }
}

fn collapsed_text(formula: &Formula) -> String {
    format!(
        "The value is the same for every sample, an average over the batch: {} is a matrix of m rows, to be averaged \
         after the outer product, not before.",
        formula.target
    )
}

fn early_text() -> &'static str {
    "The sum over the batch belongs last, around the product: the mean of products is not the product of means."
}

/// Averaged too early; wrong, if that is not all.
fn early_assessment(factor: &str, text: &str) -> Assessment {
    let mut found = if factor == "1" {
        Assessment::new(Verdict::AveragedEarly, text.to_owned())
    } else {
        let text =
            format!("Two mistakes. {text} Besides, the value is then {factor} times the true one.");
        let mut found = Assessment::new(Verdict::Wrong, text);
        found.factor = Some(factor.to_owned());
        found.mistakes = mistakes_of(factor);
        found.mistakes.insert(0, "averaged too early".to_owned());
        found
    };
    found.mistake = Some(Mistake::DeltaAveragedEarly);
    found
}

/// Exact, off by a factor or wrong, for values of the right shape.
pub(crate) fn assess_values(pairs: &[Pair<'_>], formula: &Formula) -> Assessment {
    let error = largest_error(pairs.iter().map(|pair| (&pair.printed[..], &pair.expected[..])));
    let mut found = if error <= EXACT {
        let text = match error {
            0.0 => format!("Equal on {} random networks, to the last bit.", pairs.len()),
            _ => format!("Equal on {} random networks, to {error:.0e}.", pairs.len()),
        };
        Assessment::new(Verdict::Exact, text)
    } else if is_jacobian_of_output(pairs, formula) {
        let text = "Equal to the derivative of BatchNorm's output bn = gamma*a_hat + beta; that of \
                    a_hat alone is without gamma.";
        Assessment::new(Verdict::Exact, text.to_owned())
    } else if let Some(factor) = factor(pairs) {
        let mistakes = mistakes_of(&factor);
        let text =
            format!("The printed value is {factor} times the true one: {}.", listed(&mistakes));
        let mut found = Assessment::new(Verdict::Factor, text);
        found.mistakes = mistakes;
        found.factor = Some(factor);
        found
    } else {
        Assessment::new(Verdict::Wrong, wrong_text(pairs, error))
    };
    found.error = error.is_finite().then_some(error);
    found
}

pub(crate) fn largest_error<'a>(pairs: impl Iterator<Item = (&'a [Matrix], &'a [Matrix])>) -> f64 {
    pairs
        .map(|(a, b)| {
            let entries = |blocks: &[Matrix]| -> Vec<f64> {
                blocks.iter().flat_map(|block| block.data()).copied().collect()
            };
            relative_error(&entries(a), &entries(b))
        })
        .fold(0.0, f64::max)
}

/// BatchNorm's Jacobian is printed of the normalisation, ∂â/∂a, and of the whole layer, γ·∂â/∂a.
fn is_jacobian_of_output(pairs: &[Pair<'_>], formula: &Formula) -> bool {
    formula.target.0.kind == Kind::UnitJacobian
        && pairs.iter().all(|pair| {
            let gamma = pair.truth.vector("gamma");
            let of_output: Vec<Matrix> = pair
                .expected
                .iter()
                .enumerate()
                .map(|(unit, block)| block.map(|v| v * gamma[unit.min(gamma.len() - 1)]))
                .collect();
            largest_error(std::iter::once((&pair.printed[..], &of_output[..]))) <= EXACT
        })
}

fn wrong_text(pairs: &[Pair<'_>], error: f64) -> String {
    let pair = &pairs[0];
    let mut worst = (-1.0, String::new());
    for (index, (printed, expected)) in pair.printed.iter().zip(&pair.expected).enumerate() {
        for row in 0..printed.rows() {
            for col in 0..printed.cols() {
                // Without the sign of a zero.
                let (p, e) = (printed[(row, col)] + 0.0, expected[(row, col)] + 0.0);
                let distance = if p.is_finite() { (p - e).abs() } else { f64::INFINITY };
                if distance > worst.0 {
                    let part = match (pair.printed.len(), pair.units) {
                        (1, _) => String::new(),
                        (_, UnitAxis::Blocks) => format!("unit {}, ", index + 1),
                        _ => format!("sample {}, ", index + 1),
                    };
                    let (row, col) = (row + 1, col + 1);
                    let place = format!("{part}row {row}, column {col}: {p:.6} for {e:.6}");
                    worst = (distance, place);
                }
            }
        }
    }
    let place = worst.1;
    if error.is_finite() {
        format!("Relative error {error:.3}; worst at {place}.")
    } else {
        format!("The value is not a finite number; at {place}.")
    }
}

/// The first printed block that does not have the expected shape.
fn different_blocks<'a>(pairs: &'a [Pair<'_>]) -> (&'a Matrix, &'a Matrix) {
    let blocks = || pairs.iter().flat_map(|pair| pair.printed.iter().zip(&pair.expected));
    let first = || (&pairs[0].printed[0], &pairs[0].expected[0]);
    blocks().find(|(p, e)| p.shape() != e.shape()).unwrap_or_else(first)
}

fn shape_text(pairs: &[Pair<'_>], formula: &Formula) -> String {
    let (printed, expected) = different_blocks(pairs);
    let transposed_error = largest_error_transposed(pairs);
    let hint = if transposed_error <= EXACT { " Its transpose is exact." } else { "" };
    let (printed, expected) = (shown(printed), shown(expected));
    format!("The value is {printed}, {} is {expected}.{hint}", formula.target)
}

/// The error of the transposed values, infinite if they do not fit either.
fn largest_error_transposed(pairs: &[Pair<'_>]) -> f64 {
    let transposed: Vec<Vec<Matrix>> =
        pairs.iter().map(|pair| pair.printed.iter().map(Matrix::transposed).collect()).collect();
    let fits = pairs.iter().zip(&transposed).all(|(pair, transposed)| {
        transposed.len() == pair.expected.len()
            && transposed.iter().zip(&pair.expected).all(|(t, e)| t.shape() == e.shape())
    });
    if !fits {
        return f64::INFINITY;
    }
    largest_error(pairs.iter().zip(&transposed).map(|(pair, t)| (&t[..], &pair.expected[..])))
}

/// Words, with `and` before the last.
fn listed(words: &[String]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        words => words.join(""),
    }
}

/// The classic mistake that gives the printed value up to a factor.
fn mistake_and_factor(
    pairs: &[Pair<'_>],
    formula: &Formula,
    reading: Reading,
) -> Option<(Mistake, String)> {
    Mistake::ALL.into_iter().find_map(|made| {
        let mistaken: Option<Vec<Pair<'_>>> = pairs
            .iter()
            .map(|pair| {
                let (truth, units) = (pair.truth, pair.units);
                let (_, value) = truth
                    .mistaken(formula.target, reading.evaluation)
                    .find(|(candidate, _)| *candidate == made)?;
                let (printed, expected) = (pair.printed.clone(), value?);
                let fits = printed.len() == expected.len()
                    && printed.iter().zip(&expected).all(|(p, e)| p.shape() == e.shape());
                fits.then_some(Pair { truth, printed, expected, units })
            })
            .collect();
        factor(&mistaken?).map(|factor| (made, factor))
    })
}

/// The classic mistake that gives the printed value on every instance.
fn mistake(pairs: &[Pair<'_>], formula: &Formula, reading: Reading) -> Option<Mistake> {
    let gives = |made: Mistake| {
        pairs.iter().all(|pair| {
            let mistaken = pair
                .truth
                .mistaken(formula.target, reading.evaluation)
                .find_map(|(candidate, value)| value.filter(|_| candidate == made));
            mistaken.is_some_and(|value| {
                value.len() == pair.printed.len()
                    && value.iter().zip(&pair.printed).all(|(v, p)| v.shape() == p.shape())
                    && largest_error(std::iter::once((&value[..], &pair.printed[..]))) <= EXACT
            })
        })
    };
    Mistake::ALL.into_iter().find(|made| gives(*made))
}
