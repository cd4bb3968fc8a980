#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub use anabranch_audit as audit;
pub use anabranch_data as data;
pub use anabranch_graph as graph;
pub use anabranch_layers as layers;
pub use anabranch_optim as optim;
pub use anabranch_tensor as tensor;
pub use anabranch_train as train;
pub use anabranch_verify as verify;

pub use anabranch_data::{Cell, Fractions, Prepared, Table, TargetColumns, prepare};
pub use anabranch_graph::{Branch, Fusion, Graph, GraphBuilder, Join, River, TwoBranch};
pub use anabranch_optim::{OptimizerKind, ScheduleKind};
pub use anabranch_tensor::{Executor, Scalar};
pub use anabranch_train::{
    Model, NoObserver, Observer, Prediction, Predictions, TrainConfig, Trainer,
};
