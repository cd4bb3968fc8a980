#![doc = include_str!("../README.md")]
//!
//! # How the parts fit together
//!
//! [`Trainer`] trains a network on a data set: any [`Graph`](anabranch_graph::Graph) whose heads
//! are the data set's tasks. [`Model`] is the result for a [`River`](anabranch_graph::River), which
//! saves, loads and predicts.
#![forbid(unsafe_code)]

mod balance;
mod baselines;
mod batch_order;
mod blend;
mod blend_fit;
mod bootstrap;
mod calibration;
mod check;
mod checkpoint;
mod checksum;
mod config;
mod conformal;
mod data_hash;
mod doctor;
mod ensemble;
mod error;
mod evaluate;
mod evaluation;
mod file;
mod format_1;
mod head_mean;
mod header;
mod linear;
mod memory;
mod metrics;
mod model;
mod model_error;
mod model_file;
mod observer;
mod prediction;
mod rows;
mod run_state;
mod snapshot;
mod table_predictor;
mod task_metrics;
mod temperature;
mod trainer;
mod validation;
mod watch;

pub use balance::TaskBalance;
pub use baselines::{baselines, baselines_on, diverged};
pub use batch_order::BatchOrder;
pub use blend::Blend;
pub use calibration::{Calibration, Covered};
pub use checkpoint::{Checkpoint, CheckpointError, MemberState};
pub use config::TrainConfig;
pub use conformal::{Coverage, CoverageError, IntervalRule, check_coverage};
pub use data_hash::data_sha256;
pub use doctor::{
    LossCurve, StopsEarly, examine_curves, examine_model, examine_recoveries, examine_split,
};
pub use ensemble::{for_each_member, member_seed};
pub use error::TrainError;
pub use evaluation::Evaluation;
pub use file::{NewFile, replace_file};
pub use linear::LinearModels;
pub use memory::RunMemory;
pub use metrics::{ClassificationMetrics, JudgedClasses, JudgedNumbers, RegressionMetrics, Unit};
pub use model::Model;
pub use model_error::ModelError;
pub use model_file::{MODEL_FILE, model_path, weights_sha256};
pub use observer::{EpochReport, NoObserver, Observer, Recovery, StepView};
pub use prediction::{Prediction, Predictions, TaskPrediction, TaskPredictions};
pub use run_state::{BestState, EpochStart, Position, RunState};
pub use snapshot::{Member, Snapshot};
pub use table_predictor::{PredictedRows, TablePredictor};
pub use task_metrics::{JudgedTask, TaskMetrics};
pub use temperature::{TemperatureTrial, Verdict};
pub use trainer::Trainer;
pub use validation::{Validate, Validation};
pub use watch::Watch;

// What a program needs to describe a network, its parts and its data, and to run them.
pub use anabranch_data as data;
pub use anabranch_graph as graph;
pub use anabranch_layers as layers;
pub use anabranch_optim as optim;
pub use anabranch_tensor::{Executor, Scalar, flat, flat_mut, matrix};
