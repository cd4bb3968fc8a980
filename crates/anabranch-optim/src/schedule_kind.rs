//! The built-in schedules by name, with their settings.

use anabranch_tensor::named;
use serde::{Deserialize, Serialize};

use crate::error::{OptimError, check_share};

/// Shape of the learning rate over a run.
///
/// The constants carry the defaults, and so does a kind parsed from its [name](Self::name). Below,
/// `t` is the optimizer step, `T` the number of steps in the run, and `e` the number of completed
/// epochs.
///
/// | name | changes | factor of the learning rate | PyTorch |
/// |---|---|---|---|
/// | `constant` | never | 1 | |
/// | `step` | each epoch | γ^⌊e / every⌋ | `StepLR` |
/// | `exponential` | each epoch | γ^e | `ExponentialLR` |
/// | `cosine` | each step | linear up to 1, then half a cosine down to `floor` | `LinearLR`, then `CosineAnnealingLR` |
/// | `one-cycle` | each step | half a cosine up to 1, then half a cosine down to nearly 0 | `OneCycleLR` |
/// | `plateau` | each epoch | reduced whenever the loss stops falling | `ReduceLROnPlateau` |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ScheduleKind {
    /// The learning rate stays the same.
    Constant,
    /// Multiplied by `gamma` every few epochs.
    Step {
        /// Epochs between reductions, at least 1.
        every_epochs: u64,
        /// Factor of each reduction, in (0, 1].
        gamma: f64,
    },
    /// Multiplied by `gamma` every epoch.
    Exponential {
        /// Factor of each epoch, in (0, 1].
        gamma: f64,
    },
    /// With w = ⌊warmup · T⌉ steps of warm-up: (t+1)/(w+1) for t < w, then floor +
    /// (1−floor)·½(1+cos(π(t−w)/(T−w))).
    Cosine {
        /// Fraction of the steps spent on warm-up, in [0, 1).
        warmup: f64,
        /// The factor at the end, in [0, 1].
        floor: f64,
    },
    /// Up from 1/`start_divisor` to 1 over the first `rise` of the steps, then down to
    /// 1/(`start_divisor`·`end_divisor`) at the last one, both along half a cosine (Smith & Topin
    /// 2019). The learning rate is PyTorch's `max_lr`; momentum is not cycled
    /// (`cycle_momentum=False`).
    OneCycle {
        /// Fraction of the steps spent rising, in (0, 1).
        rise: f64,
        /// The first factor is 1 over this, at least 1 (PyTorch: `div_factor`).
        start_divisor: f64,
        /// The last factor is the first one over this, at least 1 (PyTorch: `final_div_factor`).
        end_divisor: f64,
    },
    /// Multiplied by `gamma` when the loss has not improved for more than `patience` epochs.
    ///
    /// Like PyTorch's with `mode="min"`, `threshold_mode="rel"` and no cooldown, but without `eps`,
    /// which ignores reductions of the learning rate by less than 1e-8.
    Plateau {
        /// Factor of each reduction, in (0, 1) (PyTorch: `factor`).
        gamma: f64,
        /// Epochs without improvement that are tolerated.
        patience: u64,
        /// A loss below best·(1 − `threshold`) is an improvement; in [0, 1).
        threshold: f64,
    },
}

named!(ScheduleKind, "schedule", OptimError);

impl ScheduleKind {
    /// [`Constant`](Self::Constant).
    pub const CONSTANT: Self = Self::Constant;
    /// [`Step`](Self::Step) by 0.1 every 10 epochs.
    pub const STEP: Self = Self::Step { every_epochs: 10, gamma: 0.1 };
    /// [`Exponential`](Self::Exponential) by 0.95.
    pub const EXPONENTIAL: Self = Self::Exponential { gamma: 0.95 };
    /// [`Cosine`](Self::Cosine) with 5 % of warm-up, down to 0.
    pub const COSINE: Self = Self::Cosine { warmup: 0.05, floor: 0.0 };
    /// [`OneCycle`](Self::OneCycle) with PyTorch's defaults.
    pub const ONE_CYCLE: Self = Self::OneCycle { rise: 0.3, start_divisor: 25.0, end_divisor: 1e4 };
    /// [`Plateau`](Self::Plateau) with PyTorch's defaults.
    pub const PLATEAU: Self = Self::Plateau { gamma: 0.1, patience: 10, threshold: 1e-4 };

    /// Every schedule, with its defaults.
    pub const ALL: [Self; 6] = [
        Self::CONSTANT,
        Self::STEP,
        Self::EXPONENTIAL,
        Self::COSINE,
        Self::ONE_CYCLE,
        Self::PLATEAU,
    ];

    /// The name, as flags and files spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Step { .. } => "step",
            Self::Exponential { .. } => "exponential",
            Self::Cosine { .. } => "cosine",
            Self::OneCycle { .. } => "one-cycle",
            Self::Plateau { .. } => "plateau",
        }
    }

    /// Whether the factor of a step depends on how many steps there are in the run.
    pub const fn depends_on_length(&self) -> bool {
        matches!(self, Self::Cosine { .. } | Self::OneCycle { .. })
    }

    /// Refuses settings outside their domains.
    pub(crate) fn validate(&self) -> Result<(), OptimError> {
        let check = OptimError::check;
        match *self {
            Self::Constant => Ok(()),
            Self::Step { every_epochs, gamma } => {
                check("every_epochs", every_epochs as f64, "at least 1", every_epochs > 0)?;
                check("gamma", gamma, "more than 0 and at most 1", gamma > 0.0 && gamma <= 1.0)
            }
            Self::Exponential { gamma } => {
                check("gamma", gamma, "more than 0 and at most 1", gamma > 0.0 && gamma <= 1.0)
            }
            Self::Cosine { warmup, floor } => {
                check_share("warmup", warmup)?;
                check("floor", floor, "at least 0 and at most 1", (0.0..=1.0).contains(&floor))
            }
            Self::OneCycle { rise, start_divisor, end_divisor } => {
                check("rise", rise, "more than 0 and less than 1", rise > 0.0 && rise < 1.0)?;
                for (name, v) in [("start_divisor", start_divisor), ("end_divisor", end_divisor)] {
                    check(name, v, "finite and at least 1", v.is_finite() && v >= 1.0)?;
                }
                Ok(())
            }
            Self::Plateau { gamma, patience: _, threshold } => {
                check("gamma", gamma, "more than 0 and less than 1", gamma > 0.0 && gamma < 1.0)?;
                check_share("threshold", threshold)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_flags() {
        let names = ScheduleKind::ALL.map(|kind| kind.name());
        assert_eq!(names, ["constant", "step", "exponential", "cosine", "one-cycle", "plateau"]);
    }

    #[test]
    fn settings_outside_their_domain_are_refused() {
        for kind in ScheduleKind::ALL {
            assert_eq!(kind.validate(), Ok(()), "{kind}");
        }
        for (kind, name) in [
            (ScheduleKind::Step { every_epochs: 0, gamma: 0.1 }, "every_epochs"),
            (ScheduleKind::Step { every_epochs: 1, gamma: 0.0 }, "gamma"),
            (ScheduleKind::Exponential { gamma: 1.1 }, "gamma"),
            (ScheduleKind::Exponential { gamma: 0.0 }, "gamma"),
            (ScheduleKind::Cosine { warmup: 1.0, floor: 0.0 }, "warmup"),
            (ScheduleKind::Cosine { warmup: 0.0, floor: f64::NAN }, "floor"),
            (ScheduleKind::OneCycle { rise: 0.0, start_divisor: 1.0, end_divisor: 1.0 }, "rise"),
            (ScheduleKind::OneCycle { rise: 1.0, start_divisor: 1.0, end_divisor: 1.0 }, "rise"),
            (
                ScheduleKind::OneCycle { rise: 0.3, start_divisor: 0.5, end_divisor: 1.0 },
                "start_divisor",
            ),
            (ScheduleKind::Plateau { gamma: 1.0, patience: 1, threshold: 0.0 }, "gamma"),
            (ScheduleKind::Plateau { gamma: 0.0, patience: 1, threshold: 0.0 }, "gamma"),
            (ScheduleKind::Plateau { gamma: 0.1, patience: 1, threshold: 1.0 }, "threshold"),
        ] {
            let error = kind.validate().unwrap_err();
            assert!(error.to_string().starts_with(&format!("{name} must be")), "{error}");
        }
    }
}
