#![doc = include_str!("../README.md")]
//!
//! # How the parts fit together
//!
//! Nothing depends on the number of threads, and a step allocates nothing. Everything that must be
//! saved to resume a run has a name: [`Optimizer::steps`], [`Optimizer::state`] and
//! [`Schedule::plateau`].
#![forbid(unsafe_code)]

mod clip;
mod error;
mod group;
mod kind;
mod optimizer;
mod plateau;
mod schedule;
mod schedule_kind;
mod update;

pub use clip::{ClipNorm, global_norm};
pub use error::OptimError;
pub use group::ParamGroup;
pub use kind::OptimizerKind;
pub use optimizer::{Optimizer, Scales};
pub use plateau::PlateauState;
pub use schedule::{Progress, Schedule};
pub use schedule_kind::ScheduleKind;

// What a program needs to call an optimizer.
pub use anabranch_tensor::{Executor, GradientView, Gradients, Scalar};
