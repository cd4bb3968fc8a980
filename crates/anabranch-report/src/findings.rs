//! What there is to say about a run.

use anabranch_tensor::Executor;
use anabranch_train::TrainError;

use crate::dependence::{Dependence, dependence};
use crate::errors::{Errors, errors};
use crate::importance::{Importance, importance, top};
use crate::joins::{JoinWorth, joins};
use crate::run::Run;
use crate::scores::{Score, scores};
use crate::target::{Target, TargetKind};

/// Input columns whose effect is shown, for each column that is predicted.
const SHOWN: usize = 3;

/// Columns that are predicted for which effects are shown, and labels of a class.
const SHOWN_TARGETS: usize = 6;
const SHOWN_LABELS: usize = 5;

/// All that a report says about a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// How good the model is.
    pub scores: Vec<Score>,
    /// Where it is wrong.
    pub errors: Vec<Errors>,
    /// Which columns it uses: of each input column, for each column that is predicted.
    pub importance: Vec<Importance>,
    /// How it uses the most important ones.
    pub dependence: Vec<Dependence>,
    /// What later branches make of earlier predictions.
    pub joins: Vec<JoinWorth>,
}

impl Findings {
    /// Looks at a run, on the threads of `exec`.
    ///
    /// # Errors
    /// If the model cannot be taken apart, which it can.
    pub fn of(run: &Run<'_>, exec: &Executor) -> Result<Self, TrainError> {
        let targets = Target::all(run.model.targets());
        let importance = importance(run, &targets, exec);
        let mut dependence = Vec::new();
        for target in targets.iter().take(SHOWN_TARGETS) {
            let labels = frequent_labels(run, target);
            for column in top(&importance, target).into_iter().take(SHOWN) {
                let columns = run.model.encoder().input_columns();
                let place = columns.iter().position(|input| input.name == column.column);
                dependence.extend(place.map(|place| self::dependence(run, target, place, &labels)));
            }
        }
        Ok(Self {
            scores: scores(run, &targets)?,
            errors: errors(run, &targets, &importance),
            importance,
            dependence,
            joins: joins(run)?,
        })
    }
}

/// The labels that most training rows have, in class order; of two, the second says all.
fn frequent_labels(run: &Run<'_>, target: &Target) -> Vec<usize> {
    let TargetKind::Class(labels) = &target.kind else { return Vec::new() };
    if labels.len() == 2 {
        return vec![1];
    }
    let mut counts = vec![0_usize; labels.len()];
    let train = &run.prepared.dataset.split.train;
    for (_, truth) in target.truths(&run.prepared.dataset, train) {
        if let crate::target::Truth::Class(class) = truth {
            counts[class] += 1;
        }
    }
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|label| usize::MAX - counts[*label]);
    order.truncate(SHOWN_LABELS);
    order.sort_unstable();
    order
}
