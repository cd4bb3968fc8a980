//! The learning rate over a run, as a factor of the optimizer's.

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use crate::error::OptimError;
use crate::plateau::PlateauState;
use crate::schedule_kind::ScheduleKind;

/// How far a run has come when a step begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Optimizer steps taken: 0 before the first.
    pub step: u64,
    /// Completed epochs: 0 during the first.
    pub epoch: u64,
}

/// The learning rate over a run: a [`ScheduleKind`] over a run of known length, or [any
/// function](Self::from_fn) of the [`Progress`].
///
/// The factor depends on the progress alone, so that a resumed run needs nothing saved, with one
/// exception: a plateau depends on the losses [observed](Self::observe), and its
/// [state](Self::plateau) must be saved.
#[derive(Debug, Clone)]
pub struct Schedule {
    factor: Factor,
    plateau: PlateauState,
}

#[derive(Clone)]
enum Factor {
    Kind { kind: ScheduleKind, total_steps: u64 },
    Own(Arc<dyn Fn(Progress) -> f64 + Send + Sync>),
}

impl fmt::Debug for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { kind, total_steps } => write!(f, "{kind:?} over {total_steps} steps"),
            Self::Own(_) => f.write_str("a function of step and epoch"),
        }
    }
}

impl Schedule {
    /// A schedule for a run of `total_steps` optimizer steps: epochs times batches per epoch.
    ///
    /// # Errors
    /// If a setting is outside its domain.
    pub fn new(kind: ScheduleKind, total_steps: u64) -> Result<Self, OptimError> {
        kind.validate()?;
        let factor = Factor::Kind { kind, total_steps };
        Ok(Self { factor, plateau: PlateauState::default() })
    }

    /// A schedule of your own: the learning rate's factor as a function of the progress when a step
    /// begins. A factor that is not finite makes the parameters so too.
    ///
    /// ```
    /// use anabranch_optim::{Progress, Schedule};
    ///
    /// // Warm up over 100 steps, then fall with the square root of the step.
    /// let schedule = Schedule::from_fn(|Progress { step, .. }| {
    ///     let t = (step + 1) as f64;
    ///     (t / 100.0).min((100.0 / t).sqrt())
    /// });
    /// assert_eq!(schedule.factor(Progress { step: 49, epoch: 0 }), 0.5);
    /// assert_eq!(schedule.factor(Progress { step: 399, epoch: 1 }), 0.5);
    /// ```
    pub fn from_fn(factor: impl Fn(Progress) -> f64 + Send + Sync + 'static) -> Self {
        Self { factor: Factor::Own(Arc::new(factor)), plateau: PlateauState::default() }
    }

    /// The same schedule over a run of another length; a function of your own stays as it is.
    pub fn over(mut self, steps: u64) -> Self {
        if let Factor::Kind { total_steps, .. } = &mut self.factor {
            *total_steps = steps;
        }
        self
    }

    /// The learning rate's factor for the step that begins at `progress`. Past the last step, a
    /// [`ScheduleKind`] keeps its last factor.
    pub fn factor(&self, progress: Progress) -> f64 {
        let Progress { step, epoch } = progress;
        let (kind, total_steps) = match &self.factor {
            Factor::Own(factor) => return factor(progress),
            Factor::Kind { kind, total_steps } => (*kind, *total_steps as f64),
        };
        match kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Step { every_epochs, gamma } => power(gamma, epoch / every_epochs),
            ScheduleKind::Exponential { gamma } => power(gamma, epoch),
            ScheduleKind::Cosine { warmup, floor } => {
                cosine(step as f64, total_steps, warmup, floor)
            }
            ScheduleKind::OneCycle { rise, start_divisor, end_divisor } => {
                one_cycle(step as f64, total_steps, rise, [start_divisor, end_divisor])
            }
            ScheduleKind::Plateau { gamma, .. } => power(gamma, self.plateau.reductions),
        }
    }

    /// Tells the schedule the validation loss at the end of an epoch; only a plateau uses it.
    pub fn observe(&mut self, loss: f64) {
        let Factor::Kind { kind, .. } = self.factor else { return };
        if let ScheduleKind::Plateau { patience, threshold, .. } = kind {
            self.plateau.observe(loss, patience, threshold);
        }
    }

    /// What a plateau remembers of the losses observed so far.
    pub fn plateau(&self) -> PlateauState {
        self.plateau
    }

    /// Continues from the [state](Self::plateau) of another schedule.
    pub fn restore_plateau(&mut self, state: PlateauState) {
        self.plateau = state;
    }
}

fn cosine(step: f64, total: f64, warmup: f64, floor: f64) -> f64 {
    let warmup_steps = (warmup * total).round();
    if step < warmup_steps {
        return (step + 1.0) / (warmup_steps + 1.0);
    }
    anneal(1.0, floor, (step - warmup_steps) / (total - warmup_steps))
}

fn one_cycle(step: f64, total: f64, rise: f64, [start_divisor, end_divisor]: [f64; 2]) -> f64 {
    // PyTorch counts to the last step, not past it: the factor is 1 at `peak`, and lowest at
    // `last`.
    let (start, peak, last) = (1.0 / start_divisor, rise * total - 1.0, total - 1.0);
    if step <= peak {
        anneal(start, 1.0, step / peak)
    } else {
        anneal(1.0, start / end_divisor, (step - peak) / (last - peak))
    }
}

/// From `start` to `end` along half a cosine, after the fraction `share` of the way; `end` past
/// that, or if there is no way at all (0/0).
fn anneal(start: f64, end: f64, share: f64) -> f64 {
    // f64::min gives 1 if the share is NaN.
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
    fn a_kind_tells_whether_it_depends_on_the_length_of_the_run() {
        for kind in ScheduleKind::ALL {
            let [short, long] = [20, 30].map(|total_steps| factors(kind, total_steps));
            assert_eq!(kind.depends_on_length(), short[..20] != long[..20], "{kind}");
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
        assert_eq!(resumed.plateau(), whole.plateau());
    }
}
