//! Checks for your own parts: a layer, a loss, a network built by hand.
//!
//! Each check draws seeded inputs, runs the part in every way that a training run does, and
//! compares. It returns a [`Report`] of errors with their limits, to print or assert.
//!
//! | check | what must hold | layer | loss | graph |
//! |---|---|---|---|---|
//! | `written` | every output and scratch array starts as NaN, and no result contains any | × | × | × |
//! | `difference of …` | derivatives agree with central differences, extrapolated, in f64 | × | × | × |
//! | `added` | dx is added to when asked | × | | |
//! | `n threads` | not a bit depends on their number | × | × | × |
//! | `shards` | a batch cut into shards gives the same | | × | × |
//! | `f32` | single precision agrees with double | × | × | × |
//! | `evaluation` | agrees with training, if neither masks nor running state make a difference | × | | × |
//! | `unfused` | fusion changes nothing | | | × |
//!
//! ```
//! use anabranch_layers::{Activation, Huber, Linear};
//! use anabranch_verify::check::{check_layer, check_loss};
//!
//! for report in [
//!     check_layer(&Linear::new(5), 8, 3)?,
//!     check_layer(&Activation::Gelu, 8, 3)?,
//!     check_loss(&Huber { delta: 1.0 }, 8, 3)?,
//! ] {
//!     assert!(report.pass(), "{report}");
//! }
//! # Ok::<(), anabranch_layers::LayerError>(())
//! ```

mod difference;
mod graph;
mod layer;
mod loss;
mod report;

use anabranch_tensor::random::Random;
use anabranch_tensor::{Executor, Scalar};

pub use graph::check_graph;
pub use layer::check_layer;
pub use loss::check_loss;
pub use report::{Check, Report};

/// Largest error of a difference, of a number computed in another order, and of f32.
const DIFFERENCE: f64 = 1e-6;
const ORDER: f64 = 1e-12;
const SINGLE: f64 = 1e-4;

/// Numbers of threads that must not matter; small enough to be made for each check.
const THREADS: [usize; 2] = [2, 3];

fn draw<T: Scalar>(random: &mut Random, len: usize) -> Vec<T> {
    // Rounded to f32 in every precision, so that all get the same numbers.
    (0..len).map(|_| T::from_f64(f64::from(random.normal() as f32))).collect()
}

fn nan<T: Scalar>(len: usize) -> Vec<T> {
    vec![T::from_f64(f64::NAN); len]
}

fn widen<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

/// An executor with this many threads, or a serial one if there are none to be had; threads are
/// then not checked.
fn executor(threads: usize) -> Executor {
    Executor::new(threads).unwrap_or_else(|_| Executor::serial())
}

/// 0 if all bits are equal except the sign of zero, else ∞.
fn same<T: Scalar>(a: &[T], b: &[T]) -> f64 {
    if a == b { 0.0 } else { f64::INFINITY }
}

/// 0 if all numbers are finite, else ∞.
fn written<T: Scalar>(values: &[T]) -> f64 {
    if values.iter().all(|v| v.is_finite()) { 0.0 } else { f64::INFINITY }
}
