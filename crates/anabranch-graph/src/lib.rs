#![doc = include_str!("../README.md")]
//!
//! # How the parts fit together
//!
//! A [`GraphBuilder`] collects nodes and builds a [`Graph`]; a [`Workspace`] holds the memory of
//! its passes. The caller owns parameters, gradients and running state as flat slices, in which
//! every array has a name and a shape.
#![forbid(unsafe_code)]

mod backward;
mod builder;
mod check;
mod error;
mod forward;
mod fusion;
mod graph;
mod masks;
mod node;
mod pass;
mod river;
mod row_weights;
mod shards;
mod summary;
mod two_branch;
mod workspace;

pub use builder::GraphBuilder;
pub use error::GraphError;
pub use fusion::Fusion;
pub use graph::{Array, Graph, Head};
pub use masks::Masks;
pub use node::NodeId;
pub use pass::Batch;
pub use river::{Branch, BranchHead, LayerKind, NamedJoin, NamedLayer, River};
pub use row_weights::RowWeights;
pub use summary::{Summary, SummaryRow};
pub use two_branch::TwoBranch;
pub use workspace::{Mode, Workspace, WorkspaceSize};

// Everything needed to build a network and run its passes.
pub use anabranch_layers as layers;
pub use anabranch_layers::Join;
pub use anabranch_tensor::{Executor, Gradients, Scalar, matrix};
