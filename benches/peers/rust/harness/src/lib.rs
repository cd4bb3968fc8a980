//! What every Rust peer shares: the data it starts from and the protocol it answers.
//! Both are described in `../../README.md`.

mod protocol;
mod threads;
mod workload;

pub use protocol::{Dropout, Optimizer, Peer, serve};
pub use workload::{DROPOUT, LEARNING_RATE, MOMENTUM, Matrix, Shape, Workload};
