//! Other ways to read a formula than as its file states it.

use serde::Serialize;

use crate::expr::Node;
use crate::judge::assess;
use crate::networks::Networks;
use crate::reference::{Affine, Join};
use crate::setting::{Epsilon, Labels, Probability, Setting, SquaredError};
use crate::task::Loss;
use crate::truth::MaskReading;
use crate::{Evaluation, Formula, Verdict};

/// A reading of a formula, and the verdict that it gets when it is read so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// The reading in words.
    pub reading: String,
    /// The verdict.
    pub verdict: Verdict,
}

/// One thing that a reading changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    OtherEvaluation,
    SharedAffine,
    Broadcast,
    BinaryMask,
    NoEpsilon,
    KeepProbability,
    WholeSquare,
    OneHotLabels,
    Partial,
}

impl Change {
    const ALL: [Self; 9] = [
        Self::SharedAffine,
        Self::Broadcast,
        Self::BinaryMask,
        Self::NoEpsilon,
        Self::KeepProbability,
        Self::WholeSquare,
        Self::OneHotLabels,
        Self::Partial,
        Self::OtherEvaluation,
    ];

    /// In a list.
    fn name(self, formula: &Formula) -> &'static str {
        match self {
            Self::OtherEvaluation => match formula.evaluation {
                Evaluation::Batch => "row by row",
                Evaluation::PerRow | Evaluation::PerUnit => "over the whole batch",
            },
            Self::SharedAffine => "one gamma and one beta",
            Self::Broadcast => "a join that broadcasts",
            Self::BinaryMask => "M is 0 or 1",
            Self::NoEpsilon => "eps = 0",
            Self::KeepProbability => "p is the probability to keep",
            Self::WholeSquare => "a loss without 1/2",
            Self::OneHotLabels => "one-hot labels",
            Self::Partial => "partial, without the join's path",
        }
    }

    /// In a sentence, behind "It is exact".
    fn words(self, formula: &Formula) -> &'static str {
        match self {
            Self::OtherEvaluation => match formula.evaluation {
                Evaluation::Batch => {
                    "read row by row, with column vectors, and summed over the batch (per_row = true)"
                }
                Evaluation::PerRow | Evaluation::PerUnit => {
                    "read over the whole batch (per_row = false)"
                }
            },
            Self::SharedAffine => "with one gamma and one beta for all units",
            Self::Broadcast => "with a join that broadcasts the one column of y_a_hat",
            Self::BinaryMask => "with a 0/1 mask M, without the 1/(1-p)",
            Self::NoEpsilon => "with eps = 0",
            Self::KeepProbability => "with p as the probability that a value is kept",
            Self::WholeSquare => "with a squared error without its 1/2 in the loss",
            Self::OneHotLabels => "with one-hot labels y_b",
            Self::Partial => "as the partial derivative, without the path through the join",
        }
    }

    /// Whether it can make a difference to the formula.
    fn matters(self, formula: &Formula) -> bool {
        let target = formula.target.name();
        let mentions = |names: &[&str]| {
            names.contains(&target)
                || formula.expr.any(&|part| match part.node {
                    Node::Quantity(quantity) => names.contains(&quantity.name),
                    _ => false,
                })
        };
        let setting = formula.setting;
        match self {
            Self::OtherEvaluation => formula.evaluation != Evaluation::PerUnit,
            Self::SharedAffine => {
                setting.affine == Affine::PerUnit
                    && mentions(&["gamma", "beta", "d_gamma", "d_beta", "bn", "dy_dgamma"])
            }
            Self::Broadcast => setting.join == Join::Add,
            Self::BinaryMask => formula.mask == MaskReading::Scaled && mentions(&["M"]),
            Self::NoEpsilon => !mentions(&["eps"]) && mentions(&["var", "a_1b", "a_hat", "d_a"]),
            Self::KeepProbability => mentions(&["p"]),
            Self::WholeSquare => mentions(&["loss", "loss_row", "loss_a", "y_a"]),
            Self::OneHotLabels => mentions(&["y_b", "loss", "loss_b", "loss_row"]),
            Self::Partial => target == "delta_2a" && formula.loss == Loss::Whole,
        }
    }
}

/// The verdict on the formula with these changes.
fn verdict(networks: &Networks, formula: &Formula, changes: &[Change]) -> Verdict {
    let mut setting: Setting = formula.setting;
    let (mut evaluation, mut mask, mut loss) = (formula.evaluation, formula.mask, formula.loss);
    for change in changes {
        match change {
            Change::OtherEvaluation => {
                evaluation = match evaluation {
                    Evaluation::Batch => Evaluation::PerRow,
                    Evaluation::PerRow | Evaluation::PerUnit => Evaluation::Batch,
                }
            }
            Change::SharedAffine => setting.affine = Affine::Shared,
            Change::Broadcast => setting.join = Join::Broadcast,
            Change::BinaryMask => mask = MaskReading::Binary,
            Change::NoEpsilon => setting.epsilon = Epsilon::Zero,
            Change::KeepProbability => setting.probability = Probability::Kept,
            Change::WholeSquare => setting.squared_error = SquaredError::Whole,
            Change::OneHotLabels => setting.labels = Labels::OneHot,
            // With s held fixed, only the loss of branch A depends on ŷa.
            Change::Partial => loss = Loss::OfA,
        }
    }
    let formula = &Formula { loss, ..formula.clone() };
    assess(networks.of(setting), formula, evaluation, mask).verdict
}

/// What other readings say of a formula.
pub(crate) struct Readings {
    /// Each change by itself that can make a difference.
    pub(crate) tried: Vec<Tried>,
    /// The change that makes it exact, as a sentence.
    pub(crate) one: Option<String>,
    /// Two changes that make it exact or, for a formula that is not even proportional to the truth,
    /// one that leaves an average taken too early.
    pub(crate) two: Option<String>,
}

/// Tries other readings of a formula that is not exact as it is stated.
pub(crate) fn readings(networks: &Networks, formula: &Formula, stated: Verdict) -> Readings {
    let changes: Vec<Change> =
        Change::ALL.into_iter().filter(|change| change.matters(formula)).collect();
    let tried: Vec<Tried> = changes
        .iter()
        .map(|change| Tried {
            reading: change.name(formula).to_owned(),
            verdict: verdict(networks, formula, &[*change]),
        })
        .collect();
    let with = |wanted: Verdict| {
        let found = tried.iter().position(|one| one.verdict == wanted)?;
        Some(changes[found].words(formula))
    };
    let one = with(Verdict::Exact).map(|words| format!("It is exact {words}."));
    let pair = || {
        let pairs = changes
            .iter()
            .enumerate()
            .flat_map(|(i, first)| changes[i + 1..].iter().map(move |second| [*first, *second]));
        // One column, read as one row, makes anything fit.
        pairs
            .into_iter()
            .filter(|pair| *pair != [Change::Broadcast, Change::OtherEvaluation])
            .find(|pair| verdict(networks, formula, pair) == Verdict::Exact)
    };
    let early = || {
        let is_off = matches!(stated, Verdict::Shape | Verdict::Wrong);
        let words = with(Verdict::AveragedEarly).filter(|_| is_off)?;
        Some(format!("It is averaged too early {words}."))
    };
    let two = match one {
        Some(_) => None,
        None => pair()
            .map(|pair| pair.map(|change| change.words(formula)).join(", "))
            .map(|words| format!("It is exact {words}."))
            .or_else(early),
    };
    Readings { tried, one, two }
}

/// What an exact formula takes M to be, if it matters.
pub(crate) fn mask_taken(networks: &Networks, formula: &Formula) -> Option<Tried> {
    if !Change::BinaryMask.matters(formula) {
        return None;
    }
    let verdict = verdict(networks, formula, &[Change::BinaryMask]);
    let reading = Change::BinaryMask.name(formula).to_owned();
    (verdict != Verdict::Exact).then_some(Tried { reading, verdict })
}
