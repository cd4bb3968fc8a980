//! Loops split between threads, with the same bits for any number of threads.
//!
//! An [`Executor`] runs numbered tasks, or one closure on chunks of rows. The caller decides how
//! many there are and where they begin; the executor only decides which thread runs which. A
//! [`Part`] is an array that gives each chunk its rows, or room for a result of its own; an
//! [`Arena`] is many matrices, of which each task gets the same rows.
//!
//! ```
//! use anabranch_tensor::parallel::{Executor, ExecutorError, Part};
//!
//! // Each row divided by its largest element, 64 rows at a time, and how many rows each chunk had.
//! let mut x = vec![2.0_f32; 1000 * 3];
//! let mut counts = vec![0.0; 1000_usize.div_ceil(64)];
//! let exec = Executor::new(2)?;
//! let parts = [Part::Rows(&mut x, 3), Part::Chunks(&mut counts, 1)];
//! exec.for_each_chunk(1000, 64, parts, |rows, [x, count]| {
//!     for row in x.chunks_exact_mut(3) {
//!         let largest = row.iter().fold(f32::MIN, |a, b| a.max(*b));
//!         row.iter_mut().for_each(|x| *x /= largest);
//!     }
//!     count[0] = rows.len() as f32;
//! });
//! assert_eq!(x, vec![1.0; 3000]);
//! assert_eq!(counts.iter().sum::<f32>(), 1000.0);
//! # Ok::<(), ExecutorError>(())
//! ```

mod arena;
mod executor;
mod parts;
mod workers;

pub use arena::{Arena, Shard};
pub use executor::{Executor, ExecutorError, even_chunk_len, rows_per_chunk};
pub use parts::{Part, Parts};
