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
//! `⊙ · × − ᵀ` may stand for `.* * * - '`, and Greek letters, ŷ and â for their names: `δ_2b` is
//! `delta_2b`. `jacobian_dropout` and `jacobian_softmax` are a matrix
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
//! A verdict is about the formula as its file states it. Of a formula that is not exact, a
//! [`Finding`] says what is wrong ([`mistakes`](Finding::mistakes): one change that makes it right,
//! or two at once), which other readings were tried and what they would get
//! ([`readings`](Finding::readings)), and on which two samples it fails
//! ([`example`](Finding::example)).
#![forbid(unsafe_code)]

mod early;
mod edits;
mod eval;
mod example;
mod expr;
mod factor;
mod file;
mod finding;
mod formula;
mod functions;
mod grade;
mod judge;
mod latex;
mod letters;
mod lexer;
pub mod matrix;
pub mod measure;
pub mod mistakes;
mod networks;
mod pairs;
mod parser;
mod plain;
mod quantity;
mod readings;
pub mod reference;
mod repair;
mod setting;
mod show;
mod task;
mod truth;
mod turn;
mod value;

pub use example::{Example, Step};
pub use file::{FileError, FormulaFile, Unread};
pub use finding::{Finding, Verdict, as_expected, report};
pub use formula::{Evaluation, Formula, FormulaError, SyntaxError};
pub use grade::{Grade, grade};
pub use latex::{Derivation, Equation, Judgement, Member, Place, Skipped, derivation_report};
pub use quantity::Target;
pub use readings::Tried;

use std::path::Path;

use example::example;
use judge::assess;
use networks::Networks;
use readings::{Readings, mask_taken, readings};
use repair::{Repair, is_searched, one_change, several_changes};

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

    /// The verdict on one formula, with everything that can be said to explain it.
    pub fn finding(&self, formula: &Formula) -> Finding {
        let mut finding = self.verdict(formula);
        self.explain(formula, &mut finding);
        finding
    }

    /// The verdict as the formula stands.
    pub(crate) fn verdict(&self, formula: &Formula) -> Finding {
        let found =
            assess(self.networks.of(formula.setting), formula, formula.evaluation, formula.mask);
        if found.verdict == Verdict::Exact && formula.is_circular() {
            return Finding::circular(formula);
        }
        Finding::new(formula, found)
    }

    /// Adds to a verdict what other readings say, which changes would make the formula right, and
    /// an example.
    pub(crate) fn explain(&self, formula: &Formula, finding: &mut Finding) {
        match finding.verdict {
            Verdict::Circular => return,
            Verdict::Exact => {
                if let Some(Tried { verdict, .. }) = mask_taken(&self.networks, formula) {
                    let sentence =
                        format!("This takes M as keep/(1-p); with a 0/1 mask, it is {verdict}.");
                    finding.say(&sentence);
                }
                return;
            }
            _ => {}
        }
        let Readings { tried, one, two } = readings(&self.networks, formula, finding.verdict);
        finding.readings = tried;
        let truths = self.networks.of(formula.setting);
        let smallest = self.networks.smallest(formula.setting);
        let is_turned = finding.explanation.contains("Its transpose is exact");
        let is_open = matches!(finding.verdict, Verdict::Wrong | Verdict::Shape)
            && finding.factor.is_none()
            && one.is_none()
            && !is_turned;
        if is_open && !is_searched(formula) {
            finding.say("It is too long to look for changes that would make it right.");
        }
        let is_open = is_open && is_searched(formula);
        let repaired = is_open.then(|| one_change(truths, smallest, formula)).flatten();
        let is_open = is_open && repaired.is_none() && two.is_none() && finding.mistakes.is_empty();
        let repaired = repaired
            .or_else(|| is_open.then(|| several_changes(truths, smallest, formula)).flatten());
        match (one, repaired, two) {
            (None, Some(Repair { sentence, mistakes }), _) => {
                finding.say(&sentence);
                finding.mistakes = mistakes;
            }
            (one, _, two) => one.or(two).iter().for_each(|sentence| finding.say(sentence)),
        }
        finding.example = example(&self.networks, formula);
    }
}
