//! How a run went, epoch by epoch.

use std::ops::ControlFlow;

use anabranch_tensor::Scalar;
use anabranch_train::{EpochReport, Observer, Recovery};

/// An epoch of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// The number of the network in its ensemble, from 0.
    pub member: usize,
    /// The number of the epoch, from 1.
    pub epoch: usize,
    /// Mean weighted loss of each task over the epoch's rows.
    pub train: Vec<f64>,
    /// Weighted loss of each task on the validation rows, if there are any.
    pub validation: Option<Vec<f64>>,
    /// The factor of the learning rate in its last step.
    pub lr_factor: f64,
}

/// The epochs of a network: an [`Observer`] that keeps them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The number of the network in its ensemble, from 0.
    pub member: usize,
    /// What it has seen so far.
    pub epochs: Vec<Epoch>,
}

impl<T: Scalar> Observer<T> for History {
    fn watches(&self, _step: u64) -> bool {
        false
    }

    fn epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        let EpochReport { epoch, train, validation, lr_factor, .. } = report.clone();
        self.epochs.push(Epoch { member: self.member, epoch, train, validation, lr_factor });
        ControlFlow::Continue(())
    }

    fn recovery(&mut self, recovery: &Recovery) {
        self.epochs.retain(|epoch| epoch.epoch < recovery.from);
    }
}
