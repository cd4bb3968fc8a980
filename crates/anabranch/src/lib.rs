//! Two-branch neural networks on CPUs: verified gradients, repeatable training, small model files.
//!
//! One network answers two related questions about the rows of a table, a number and a class, and the first answer
//! flows into the second. This crate re-exports the whole workspace: what most programs need at the top, everything in
//! the modules.
//!
//! ```
//! use anabranch::{Executor, Fractions, Model, NoObserver, Table, TargetColumns, TrainConfig, Trainer, TwoBranch};
//!
//! let wine = Table::wine()?;
//! let exec = Executor::serial();
//! let prepared =
//!     anabranch::prepare::<f32>(&exec, &wine, &TargetColumns::wine(), Fractions::default(), 1)?;
//! let data = &prepared.dataset;
//! let network = TwoBranch {
//!     dropout: 0.1,
//!     ..TwoBranch::new(data.n_inputs, 32, data.n_outputs, 16, data.n_classes)
//! };
//! let config = TrainConfig { epochs: 30, ..TrainConfig::default() };
//! let mut trainer = Trainer::new(data, &network, &config, &exec)?;
//! trainer.run(&mut NoObserver)?;
//! let metrics = trainer.test_metrics(prepared.targets.regression());
//! let r2 = metrics.regression[0].r2.unwrap();
//! assert!(r2 > 0.6, "R² is {r2}");
//!
//! let model = Model::from_trainer(&trainer, prepared.encoder, prepared.targets)?;
//! let (predictions, _warnings) = model.predict_table(&wine)?;
//! assert_eq!(predictions.classes.len(), 1599);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
pub use anabranch_graph::{Fusion, Graph, GraphBuilder, Join, TwoBranch};
pub use anabranch_optim::{OptimizerKind, ScheduleKind};
pub use anabranch_tensor::{Executor, Scalar};
pub use anabranch_train::{
    Model, NoObserver, Observer, Prediction, Predictions, TrainConfig, Trainer,
};

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
