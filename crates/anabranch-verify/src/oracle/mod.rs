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

/// Replays `case` through the production network and judges every tensor; once more with each batch
/// cut into shards of two rows on two threads, as large batches are. Of both ways, the larger error
/// counts.
///
/// # Errors
/// If the network, the optimizer or a batch is refused: a hyperparameter out of range, one row,
/// labels that are not a distribution.
pub fn verify(case: &Case, precision: Precision, fusion: Fusion) -> Result<Report, OracleError> {
    let computed = |exec: &Executor, rows_per_shard| match precision {
        Precision::F32 => replay::replay::<f32>(case, fusion, exec, rows_per_shard),
        Precision::F64 => replay::replay::<f64>(case, fusion, exec, rows_per_shard),
    };
    let whole = computed(&Executor::serial(), case.spec().rows)?;
    // One thread takes all shards through a layer at once.
    let cut = computed(&Executor::new(2).unwrap_or(Executor::serial()), 2)?;
    Ok(report::judge(case, precision, &[whole, cut]))
}
