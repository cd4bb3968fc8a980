//! Reduction of the learning rate when the loss stops falling.

use serde::{Deserialize, Serialize};

/// All that a plateau schedule remembers; save it to resume a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PlateauState {
    /// The lowest loss so far; `None` before the first.
    pub best: Option<f64>,
    /// Epochs since it last fell, or since the last reduction.
    pub bad_epochs: u64,
    /// Reductions so far.
    pub reductions: u64,
}

impl PlateauState {
    /// Takes the loss of an epoch into account. NaN and infinity are never an improvement.
    ///
    /// Counts saturate: they may come from a file.
    pub(crate) fn observe(&mut self, loss: f64, patience: u64, threshold: f64) {
        if loss < self.best.map_or(f64::INFINITY, |best| best * (1.0 - threshold)) {
            self.best = Some(loss);
            self.bad_epochs = 0;
        } else {
            self.bad_epochs = self.bad_epochs.saturating_add(1);
        }
        if self.bad_epochs > patience {
            self.reductions = self.reductions.saturating_add(1);
            self.bad_epochs = 0;
        }
    }
}
