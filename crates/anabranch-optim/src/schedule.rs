//! The learning rate over a run, as a factor of the one the optimizer was made with.

use std::f64::consts::PI;

use crate::error::OptimError;
use crate::plateau::PlateauState;
use crate::schedule_kind::ScheduleKind;

/// How far a run has come before a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Optimizer steps taken: 0 before the first.
    pub step: u64,
    /// Whole epochs done: 0 in the first.
    pub epoch: u64,
}

/// A [`ScheduleKind`] over a run of known length.
///
/// The factor is a pure function of the [`Progress`], so that a resumed run needs nothing saved,
/// with one exception: a plateau is made of losses [observed](Self::observe), and its
/// [state](Self::plateau) must be saved.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    kind: ScheduleKind,
    total_steps: u64,
    plateau: PlateauState,
}

impl Schedule {
    /// A schedule for a run of `total_steps` optimizer steps: epochs times batches an epoch.
    ///
    /// # Errors
    /// If a setting is outside its domain.
    pub fn new(kind: ScheduleKind, total_steps: u64) -> Result<Self, OptimError> {
        kind.validate()?;
        Ok(Self { kind, total_steps, plateau: PlateauState::default() })
    }

    /// The shape and its settings.
    pub fn kind(&self) -> ScheduleKind {
        self.kind
    }

    /// What the learning rate is multiplied by in the step after `progress`; past the last step, as
    /// at the end.
    pub fn factor(&self, progress: Progress) -> f64 {
        let Progress { step, epoch } = progress;
        match self.kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Step { every_epochs, gamma } => power(gamma, epoch / every_epochs),
            ScheduleKind::Exponential { gamma } => power(gamma, epoch),
            ScheduleKind::Cosine { warmup, floor } => self.cosine(step, warmup, floor),
            ScheduleKind::OneCycle { rise, start_divisor, end_divisor } => {
                self.one_cycle(step, rise, start_divisor, end_divisor)
            }
            ScheduleKind::Plateau { gamma, .. } => power(gamma, self.plateau.reductions),
        }
    }

    /// Takes in the validation loss at the end of an epoch; without effect unless the kind is a
    /// plateau.
    pub fn observe(&mut self, loss: f64) {
        if let ScheduleKind::Plateau { patience, threshold, .. } = self.kind {
            self.plateau.observe(loss, patience, threshold);
        }
    }

    /// What was made of the losses observed so far.
    pub fn plateau(&self) -> PlateauState {
        self.plateau
    }

    /// Goes on from the [state](Self::plateau) of another schedule.
    pub fn restore_plateau(&mut self, state: PlateauState) {
        self.plateau = state;
    }

    fn cosine(&self, step: u64, warmup: f64, floor: f64) -> f64 {
        let total = self.total_steps as f64;
        let warmup_steps = (warmup * total).round();
        let step = step as f64;
        if step < warmup_steps {
            return (step + 1.0) / (warmup_steps + 1.0);
        }
        anneal(1.0, floor, (step - warmup_steps) / (total - warmup_steps))
    }

    fn one_cycle(&self, step: u64, rise: f64, start_divisor: f64, end_divisor: f64) -> f64 {
        // PyTorch counts to the last step, not past it: the factor is 1 at `peak`, and lowest at
        // `last`.
        let start = 1.0 / start_divisor;
        let peak = rise * self.total_steps as f64 - 1.0;
        let last = self.total_steps as f64 - 1.0;
        let step = step as f64;
        if step <= peak {
            anneal(start, 1.0, step / peak)
        } else {
            anneal(1.0, start / end_divisor, (step - peak) / (last - peak))
        }
    }
}

/// From `start` to `end` along half a cosine, at `share` of the way; at `end` past it, or where
/// there is no way at all (0/0).
fn anneal(start: f64, end: f64, share: f64) -> f64 {
    // f64::min takes the 1 where the share is NaN.
    let share = share.min(1.0);
    // libm, not the platform's cosine: the same bits on every machine.
    end + (start - end) * 0.5 * (1.0 + libm::cos(PI * share))
}

/// baseⁿ, the same bits on every machine.
fn power(base: f64, n: u64) -> f64 {
    libm::pow(base, n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(kind: ScheduleKind, total_steps: u64) -> Vec<f64> {
        let schedule = Schedule::new(kind, total_steps).unwrap();
        (0..total_steps + 3).map(|step| schedule.factor(Progress { step, epoch: step })).collect()
    }

    #[test]
    fn every_run_however_short_has_factors_from_0_to_1() {
        for kind in ScheduleKind::ALL {
            for total_steps in 0..40 {
                for (step, factor) in factors(kind, total_steps).into_iter().enumerate() {
                    assert!((0.0..=1.0).contains(&factor), "{kind} {step}/{total_steps}: {factor}");
                }
            }
        }
    }

    #[test]
    fn past_the_last_step_the_factor_stays() {
        let cosine = factors(ScheduleKind::Cosine { warmup: 0.2, floor: 0.25 }, 20);
        assert_eq!(cosine[20..], [0.25; 3]);
        let one_cycle = factors(ScheduleKind::ONE_CYCLE, 20);
        assert_eq!(one_cycle[19..], [1.0 / 25.0 / 1e4; 4]);
    }

    #[test]
    fn a_restored_plateau_goes_on() {
        let kind = ScheduleKind::Plateau { gamma: 0.5, patience: 2, threshold: 0.0 };
        let mut whole = Schedule::new(kind, 0).unwrap();
        whole.observe(1.0);
        whole.observe(1.0);
        let mut resumed = Schedule::new(kind, 0).unwrap();
        resumed.restore_plateau(whole.plateau());
        for (loss, factor) in [(1.0, 1.0), (f64::NAN, 0.5), (1.0, 0.5), (0.5, 0.5)] {
            for schedule in [&mut whole, &mut resumed] {
                schedule.observe(loss);
                assert_eq!(schedule.factor(Progress::default()), factor, "{loss}");
            }
        }
        assert_eq!(resumed, whole);
    }
}
