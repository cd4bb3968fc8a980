//! Reduction of the learning rate when the loss stops falling.

/// All that a plateau schedule remembers; save it to resume a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlateauState {
    /// The lowest loss so far; ∞ before the first.
    pub best: f64,
    /// Epochs since it last fell, or since the last reduction.
    pub bad_epochs: u64,
    /// Reductions so far.
    pub reductions: u64,
}

impl Default for PlateauState {
    fn default() -> Self {
        Self { best: f64::INFINITY, bad_epochs: 0, reductions: 0 }
    }
}

impl PlateauState {
    /// Takes in the loss of an epoch. A loss that is NaN is no improvement.
    ///
    /// Counts saturate: they may come from a file.
    pub(crate) fn observe(&mut self, loss: f64, patience: u64, threshold: f64) {
        if loss < self.best * (1.0 - threshold) {
            self.best = loss;
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
