//! Reports of whole runs, and explanations of single rows.

mod pages;
mod runs;
mod shapley;
mod usage;
