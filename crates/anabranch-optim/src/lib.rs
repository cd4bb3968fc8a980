#![doc = include_str!("../README.md")]
//!
//! # How the parts fit together
//!
//! An [`Optimizer`] applies an update rule: one that an [`OptimizerKind`] names, or a [`Rule`] of
//! your own. A [`Schedule`] scales its learning rate, [`ClipNorm`] its gradients. What must be
//! saved to resume a run is [`Optimizer::state`] and [`Schedule::plateau`], both `serde` data.
#![forbid(unsafe_code)]

mod clip;
mod error;
mod group;
mod kind;
mod optimizer;
mod plateau;
mod rule;
pub mod rules;
mod scales;
mod schedule;
mod schedule_kind;

pub use clip::{ClipNorm, global_norm};
pub use error::OptimError;
pub use group::ParamGroup;
pub use kind::OptimizerKind;
pub use optimizer::{Optimizer, OptimizerState};
pub use plateau::PlateauState;
pub use rule::{Decay, Rule};
pub use scales::Scales;
pub use schedule::{Progress, Schedule};
pub use schedule_kind::ScheduleKind;

// What a program needs to call an optimizer.
pub use anabranch_tensor::{Executor, GradientView, Gradients, Scalar};
