//! Training loop, metrics, model files and prediction.
//!
//! [`Trainer`] trains a two-branch network on a data set; [`Model`] is the result, which saves, loads and predicts.
#![forbid(unsafe_code)]

mod config;
mod error;
mod evaluate;
mod metrics;
mod model;
mod model_error;
mod model_file;
mod observer;
mod rows;
mod trainer;

pub use config::TrainConfig;
pub use error::TrainError;
pub use evaluate::{Metrics, baselines};
pub use metrics::{ClassSums, ClassificationMetrics, RegressionMetrics, RegressionSums};
pub use model::{Evaluation, Model, Prediction, Predictions};
pub use model_error::ModelError;
pub use model_file::{MODEL_FILE, model_path, replace_file, weights_sha256};
pub use observer::{EpochReport, NoObserver, Observer, StepView};
pub use trainer::Trainer;
