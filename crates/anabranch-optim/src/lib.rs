//! Optimizers, schedules and gradient clipping on flat slices, with PyTorch's semantics.
//!
//! All parameters of a model are one slice, their gradients another of the same length. An
//! [`Optimizer`] owns its moments as slices parallel to both and knows nothing of layers: what
//! layers need, such as no weight decay on biases, is said with [`ParamGroup`]s, ranges of the
//! slice.
//!
//! ```
//! use anabranch_optim::{
//!     ClipNorm, Optimizer, OptimizerKind, ParamGroup, Progress, Scales, Schedule, ScheduleKind, global_norm,
//! };
//! use anabranch_tensor::Executor;
//!
//! let exec = Executor::serial();
//! let mut params = [3.0_f64, -2.0];
//! let groups = [ParamGroup::new(0..2, 0.0)];
//! let mut optimizer = Optimizer::new(OptimizerKind::ADAM, 0.1, params.len(), &groups)?;
//! let schedule = Schedule::new(ScheduleKind::COSINE, 200)?;
//! let clip = ClipNorm::new(1.0)?;
//!
//! for step in 0..200 {
//!     let grads = params; // the gradient of ½‖params‖²
//!     let scales = Scales {
//!         lr: schedule.factor(Progress { step, epoch: 0 }),
//!         grads: clip.scale(global_norm(&exec, &grads)),
//!     };
//!     optimizer.step(&exec, &mut params, &grads, scales);
//! }
//! assert!(params.iter().all(|p| p.abs() < 1e-2));
//! # Ok::<(), anabranch_optim::OptimError>(())
//! ```
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
