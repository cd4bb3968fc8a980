//! Metrics of predictions for numbers and classes.
//!
//! Where scikit-learn has a metric, this is the same number: `tests/fixtures/make_metrics.py`. Sums
//! are kept in `f64` in row order, so that metrics do not depend on how rows are batched. Each row
//! can count several times or not at all, which makes the metrics of a group of rows, and of rows
//! drawn with replacement.

mod classes;
mod numbers;
mod ranking;

pub(crate) use classes::RankedClasses;
pub use classes::{ClassificationMetrics, JudgedClasses};
pub use numbers::{JudgedNumbers, RegressionMetrics, Unit};
pub(crate) use numbers::{RankedNumbers, pinball};
