//! A river in plain loops, written from its equations and generic over the type of number.
//!
//! It reads the plain data of a [`River`](anabranch_graph::River) and shares no arithmetic with
//! production: no packed products, no fusion, no derivative written by hand, and dropout masks from
//! a second implementation of the page that defines them, `docs/random.md`. With f64 it gives
//! values; with [`num_dual::Dual64`], a number a + bε with ε² = 0, the coefficient of ε is the
//! exact derivative by whichever entry carries it.
//!
//! | node | training | evaluation |
//! |---|---|---|
//! | linear | xwᵀ + b | the same |
//! | activation | f(x) | the same |
//! | batch norm | γ(x−μ)/√(σ²+ε) + β, μ and σ² of the batch, σ² with divisor m | μ and σ² are the running ones |
//! | dropout | x⊙M | x |
//! | join | left + J(right) | the same |
//!
//! L = Σ over heads of weight · Σ over rows of w·ℓ(prediction, target) / Σ over rows of w, where a
//! row's w is 1 unless it is given, and a head whose rows have no weight adds 0.

mod derivative;
mod equations;
mod forward;
mod network;
mod philox;
mod target;
mod terms;

pub(crate) use derivative::Duals;
pub(crate) use forward::{Batch, Pass, batch_statistics};
pub(crate) use network::{BatchNorm, Network, Node, Op, flatten};
pub(crate) use target::{OwnedTarget, cast, cast_weights};
pub(crate) use terms::Terms;
