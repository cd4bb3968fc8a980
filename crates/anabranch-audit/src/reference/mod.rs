//! The two-branch network in plain loops, written from its equations and generic over the type of
//! number.
//!
//! It shares no line with the production kernels: no packed GEMM, no fusion, no hand-derived
//! gradient. Evaluated with `f64` it gives values; with [`num_dual::Dual64`], a number a + bε with
//! ε² = 0, the coefficient of ε is the exact derivative with respect to whichever input carries it.
//! One forward pass gives one derivative, so a full gradient costs (parameters) × (forward): fine
//! for a check.
//!
//! ```text
//! x ─┬─ θ1a,b1a ─ ReLU ─ ⊙M ─ θ2a,b2a ─────────────┬─ ŷa
//!    └─ θ1b,b1b ─ ReLU ─ BatchNorm γ,β ─ ⊕ (join) ─┴─ θ2b,b2b ─ softmax ─ ŷb
//! ```

mod derivative;
mod difference;
mod forward;
mod instance;
mod network;

pub(crate) use derivative::dual_along;
pub use derivative::{
    Source, dual_batch_norm_jacobian, dual_delta, dual_dropout_jacobian, dual_entries,
    dual_entry_by_entry, dual_gradient, dual_layer_by_weight, dual_pull_back, dual_row_jacobian,
    dual_sample_gradients, dual_softmax_jacobian,
};
pub use difference::{central_difference, sample_entries};
pub use forward::{Node, Nudge, Values, forward};
pub(crate) use instance::Random;
pub use instance::random_instance;
pub use network::{Affine, Batch, Join, Network, Param, Params, Running};
