//! What every Rust peer shares: the data it starts from and the protocol it answers.
//! Both are described in `../../README.md`.

mod environment;
mod protocol;
mod workload;

pub use protocol::{Dropout, Optimizer, Peer, serve};
pub use workload::{DROPOUT, LEARNING_RATE, MOMENTUM, Matrix, Shape, Workload};

/// Each step allocates every intermediate tensor anew: the system's allocator gives large ones back
/// and takes page faults to get them again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
