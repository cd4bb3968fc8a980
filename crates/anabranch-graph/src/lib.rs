#![doc = include_str!("../README.md")]
//!
//! # How the parts fit together
//!
//! A [`GraphBuilder`] collects nodes and makes a [`Graph`]; a [`Workspace`] holds the memory of its
//! passes. Parameters, gradients and running state are flat slices that the caller owns, with a
//! name and a shape for every array in them.
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
pub use summary::{Summary, SummaryRow};
pub use two_branch::TwoBranch;
pub use workspace::{Mode, Workspace};

// What a program needs to build a network and to call its passes.
pub use anabranch_layers as layers;
pub use anabranch_layers::Join;
pub use anabranch_tensor::{Executor, Gradients, Scalar, matrix};
