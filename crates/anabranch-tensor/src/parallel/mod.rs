//! Loops that are split between threads, with the same bits for any number of them.

mod arena;
mod executor;
mod parts;
mod workers;

pub use arena::{Arena, Shard};
pub use executor::{Executor, ExecutorError, even_chunk_len, rows_per_chunk};
pub use parts::{Part, Parts};
