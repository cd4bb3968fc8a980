//! `--threads`.

use anabranch::tensor::Executor;

use crate::failure::Failure;
use crate::flags::count;

/// Most threads that may be asked for.
const MOST: usize = 1024;

/// On how many threads a command works.
#[derive(Debug, clap::Args)]
pub(crate) struct ThreadArgs {
    /// Number of threads; it does not change the result
    /// [default: one for each core]
    #[arg(long = "threads", value_name = "N", help_heading = None::<&str>, verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = count(1, MOST))]
    pub(crate) asked: Option<usize>,
}

impl ThreadArgs {
    /// The threads asked for, or one for each core.
    pub(crate) fn executor(&self) -> Result<Executor, Failure> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from).min(MOST);
        Ok(Executor::new(self.asked.unwrap_or_else(cores))?)
    }
}
