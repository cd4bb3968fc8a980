#![doc = include_str!("../README.md")]
//!
//! # The language
//!
//! | written | means |
//! |---|---|
//! | `x y_a y_b theta_1a … m p eps` | the quantities of the network; matrices have a row for each sample, θ is `[out, in]`, vectors are `[1, n]` |
//! | `a + b`, `a - b`, `a .* b`, `a / b`, `a ./ b` | entry by entry; a number, a row or a column is repeated to fit |
//! | `a * b` | matrix product; a scaling when either side is a number |
//! | `a'` | transpose |
//! | `a ^ b`, `a .^ b` | power of each entry |
//! | `a > b`, `<`, `>=`, `<=` | 1 where it holds, else 0; `[z > 0]` may have square brackets |
//! | `sum(a, rows)`, `sum(a, cols)`, `sum(a, all)` | the rows (columns, entries) added up: `[1, n]`, `[m, 1]`, a number; also `sum_rows(a)`, `sum_cols(a)` |
//! | `sum(a)` | Σ as printed, which does not say over what: over the batch, and if that is not exact over all entries |
//! | `mean` | as `sum`, divided by the count |
//! | `relu(a)`, `relu'(a)`, `exp`, `log`, `sqrt`, `abs` | of each entry; relu'(0) = 0 |
//! | `softmax(a)` | of each sample |
//! | `diag(v)` | the diagonal matrix of a vector; the diagonal of a matrix |
//! | `outer(u, v)` | uvᵀ of vectors; of matrices the outer products of their rows, summed: uᵀv |
//! | `eye(n)`, `ones(r, c)`, `zeros(r, c)` | constant matrices |
//!
//! `⊙ · × − ᵀ` may stand for `.* * * - '`. `jacobian_dropout` and `jacobian_softmax` are a matrix
//! for each row, `jacobian_batchnorm` a matrix for each unit; `J * v` applies each to its row
//! (column).
//!
//! # Row by row
//!
//! With [`Evaluation::PerRow`], quantities are those of one sample, as column vectors; that
//! includes biases, γ, β, μ and σ². The values are then summed over the batch, except for a target
//! that itself has a row for each sample: there, each sample's value is compared. `sum(a)` is a sum
//! over the samples; if no sample's quantity stands outside of it, nothing is summed again.
//!
//! The Jacobians of dropout and softmax are those of one row, and are always read that way. That of
//! BatchNorm is ∂âᵢ/∂aⱼ of one unit, i and j rows of the batch, so `a_1b a_hat z_1b …` are then
//! `[m, 1]`, and `gamma mu var …` numbers; a formula of ∂bnᵢ/∂aⱼ, with γ, is exact as well.
//!
//! # Derivations
//!
//! [`Auditor::derivation`] judges every equation in a Markdown or LaTeX text; in `A = B = C`, each
//! member is compared with the truth and with the one before it. `docs/audit.md` says what can be
//! read.
//!
//! # Verdicts
//!
//! A verdict is about the formula as its file states it; the explanation adds which other reading
//! would make it exact: row by row or over the batch, a 0/1 mask M without 1/(1−p), one γ and β for
//! all units, a join that broadcasts.
#![forbid(unsafe_code)]

mod early;
mod eval;
mod expr;
mod factor;
mod file;
mod finding;
mod formula;
mod grade;
mod judge;
mod latex;
mod lexer;
pub mod matrix;
pub mod measure;
pub mod mistakes;
mod networks;
mod pairs;
mod parser;
mod plain;
mod quantity;
pub mod reference;
mod repair;
mod setting;
mod truth;
mod value;

pub use file::FileError;
pub use finding::{Finding, Verdict, as_expected, report};
pub use formula::{Evaluation, Formula, FormulaError, SyntaxError};
pub use grade::{Grade, grade};
pub use latex::{Derivation, Equation, Judgement, Member, Place, Skipped, derivation_report};
pub use quantity::Target;
pub use setting::{Mode, Setting, TaskWeights};

use std::path::Path;

use expr::Node;
use judge::{Assessment, assess};
use networks::Networks;
use truth::MaskReading;

use reference::{Affine, Join};

/// The formulas of the derivation that the project grew from, with the verdicts they must get.
///
/// # Panics
/// Never: the file is part of the crate.
pub fn source_derivation() -> Vec<Formula> {
    let path = Path::new("formulas/source-derivation.toml");
    Formula::parse(include_str!("../formulas/source-derivation.toml"), path)
        .expect("the crate's own formulas are tested")
}

/// The verdict on each formula, in order; `seed` determines the random networks.
pub fn audit(formulas: &[Formula], seed: u64) -> Vec<Finding> {
    let auditor = Auditor::new(seed);
    formulas.iter().map(|formula| auditor.finding(formula)).collect()
}

/// Random networks with their true gradients, to judge any number of formulas against.
pub struct Auditor {
    pub(crate) networks: Networks,
}

impl Auditor {
    /// The networks that `seed` determines.
    pub fn new(seed: u64) -> Self {
        Self { networks: Networks::new(seed) }
    }

    /// The verdict on one formula.
    pub fn finding(&self, formula: &Formula) -> Finding {
        let found =
            assess(self.networks.of(formula.setting), formula, formula.evaluation, formula.mask);
        if found.verdict == Verdict::Exact && formula.is_circular() {
            return Finding::circular(formula);
        }
        let unexplained = matches!(found.verdict, Verdict::Wrong | Verdict::Shape)
            && found.mistake.is_none()
            && found.factor.is_none();
        let other = self.other_readings(formula, &found).or_else(|| {
            let truths = self.networks.of(formula.setting);
            unexplained.then(|| repair::repair(truths, formula)).flatten()
        });
        let mut finding = Finding::new(formula, found);
        if let Some(sentence) = other {
            finding.explanation.push(' ');
            finding.explanation.push_str(&sentence);
        }
        finding
    }

    /// The other reading that makes the formula exact; for an exact one, what it takes M to be.
    fn other_readings(&self, formula: &Formula, found: &Assessment) -> Option<String> {
        let evaluation = formula.evaluation;
        if found.verdict == Verdict::Exact {
            let mentions_mask =
                formula.expr.any(&|part| matches!(part.node, Node::Quantity(q) if q.name == "M"));
            let binary = mentions_mask.then(|| {
                assess(self.networks.of(formula.setting), formula, evaluation, MaskReading::Binary)
            })?;
            return (formula.mask == MaskReading::Scaled && binary.verdict != Verdict::Exact).then(
                || {
                    format!(
                        "This takes M as keep/(1-p); with a 0/1 mask, it is {}.",
                        binary.verdict
                    )
                },
            );
        }
        let (flipped, as_flipped) = match evaluation {
            Evaluation::Batch => (
                Evaluation::PerRow,
                "read row by row, with column vectors, and summed over the batch (per_row = true)",
            ),
            Evaluation::PerRow => {
                (Evaluation::Batch, "read over the whole batch (per_row = false)")
            }
        };
        let evaluations = [(evaluation, None), (flipped, Some(as_flipped))];
        let settings = [
            (formula.setting, None),
            (
                Setting { affine: Affine::Shared, ..formula.setting },
                Some("with one gamma and one beta for all units"),
            ),
            (
                Setting { join: Join::Broadcast, ..formula.setting },
                Some("with a join that broadcasts the one column of y_a_hat"),
            ),
        ];
        let masks = [
            (MaskReading::Scaled, None),
            (MaskReading::Binary, Some("with a 0/1 mask M, without the 1/(1-p)")),
        ];
        let mut readings = Vec::new();
        for (evaluation, as_evaluation) in evaluations {
            for (setting, as_setting) in settings {
                for (mask, as_mask) in masks {
                    let words: Vec<&str> =
                        [as_evaluation, as_setting, as_mask].into_iter().flatten().collect();
                    readings.push((evaluation, setting, mask, words));
                }
            }
        }
        // The fewest changes first.
        readings.sort_by_key(|(.., words)| words.len());
        readings.retain(|(.., words)| !words.is_empty());
        let verdict = |(evaluation, setting, mask, _): &(_, Setting, _, _)| {
            assess(self.networks.of(*setting), formula, *evaluation, *mask).verdict
        };
        if let Some((.., words)) = readings.iter().find(|one| verdict(one) == Verdict::Exact) {
            return Some(format!("It is exact {}.", words.join(", ")));
        }
        // Two mistakes at once: the other reading, and an average taken too early.
        if !matches!(found.verdict, Verdict::Shape | Verdict::Wrong) {
            return None;
        }
        readings
            .iter()
            .filter(|(.., words)| words.len() == 1)
            .find(|one| verdict(one) == Verdict::AveragedEarly)
            .map(|(.., words)| format!("It is averaged too early {}.", words.join(", ")))
    }
}
