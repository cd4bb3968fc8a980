//! Oracle cases: what the production network must compute, according to an independent
//! implementation.
//!
//! A case is one safetensors file of format `anabranch-oracle-1`: a two-branch network with join
//! `add`, its parameters, and for each of k training steps the batch and the dropout mask, with the
//! loss, predictions and gradients that float64 automatic differentiation gave; then the
//! parameters, running statistics and evaluation-mode predictions after the last step. [`verify`]
//! replays it through the graph and the optimizer that training runs, and compares every tensor.
//! `oracle/make_cases.py` in this package draws cases.
//!
//! ```no_run
//! use anabranch_graph::Fusion;
//! use anabranch_verify::oracle::{Case, Precision, verify};
//!
//! let case = Case::load("case.safetensors".as_ref())?;
//! let report = verify(&case, Precision::F64, Fusion::Fused)?;
//! println!("{report}");
//! assert!(report.pass);
//! # Ok::<(), anabranch_verify::oracle::OracleError>(())
//! ```

mod case;
mod error;
mod replay;
mod report;
mod spec;

pub use case::Case;
pub use error::OracleError;
pub use report::{Precision, Report};
pub use spec::{LossSpec, NetworkSpec, OptimizerSpec, Spec};

use anabranch_graph::Fusion;
use anabranch_tensor::Executor;

use replay::{Rounding, Way, replay};

/// Replays `case` through the production network and judges every tensor; once more with each batch
/// cut into shards of two rows on two threads, as large batches are. Of both ways, the larger error
/// counts.
///
/// A gradient that is zero in exact arithmetic is whatever rounding has left of its terms, and an
/// adaptive optimizer makes a step of it. So the case is replayed a third time with gradients that
/// are moved as far as rounding can move them, and a tensor may also be off by as much as it is
/// moved by that.
///
/// # Errors
/// If the network, the optimizer or a batch is refused: a hyperparameter out of range, one row,
/// labels that are not a distribution.
pub fn verify(case: &Case, precision: Precision, fusion: Fusion) -> Result<Report, OracleError> {
    let computed = |way| match precision {
        Precision::F32 => replay::<f32>(case, way),
        Precision::F64 => replay::<f64>(case, way),
    };
    let serial = Executor::serial();
    // One thread takes all shards through a layer at once.
    let threads = Executor::new(2).unwrap_or(Executor::serial());
    let rounding = Rounding::AsComputed;
    let whole = Way { fusion, exec: &serial, rows_per_shard: case.spec().rows, rounding };
    let cut = Way { exec: &threads, rows_per_shard: 2, ..whole };
    let moved = Way { rounding: Rounding::Moved, ..whole };
    Ok(report::judge(case, precision, &[computed(whole)?, computed(cut)?], &computed(moved)?))
}
