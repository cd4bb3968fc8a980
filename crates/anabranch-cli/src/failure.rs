//! What goes wrong: one line on stderr, and an exit code.
//!
//! | code | means |
//! |---|---|
//! | 0 | done; for a check, passed |
//! | 1 | a check did not pass, training diverged, or a result could not be written |
//! | 2 | the input cannot be used: a flag, a file, a table |

use std::fmt::{self, Display};
use std::io::Write;
use std::process::ExitCode;

use anabranch::data::DataError;
use anabranch::graph::GraphError;
use anabranch::tensor::parallel::ExecutorError;
use anabranch::train::{ModelError, TrainError};
use clap::error::ErrorKind;

/// Why the program stops, in one line.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Input that cannot be used: exit code 2.
    pub(crate) fn input(message: impl Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    /// Something that went wrong on the way: exit code 1.
    pub(crate) fn on_the_way(message: impl Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    /// Flags that clap refuses: its explanation in one line.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return Self::input("a command is missing: train, say (--help lists all)");
        }
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        // What follows is the usage.
        let end =
            ["\n\nUsage:", "\n\nFor more information"].iter().filter_map(|s| text.find(s)).min();
        let words: Vec<&str> = text[..end.unwrap_or(text.len())].split_whitespace().collect();
        Self::input(format!("{} (--help lists all)", words.join(" ")))
    }

    /// Says it on stderr.
    pub(crate) fn report(&self) -> ExitCode {
        // Whoever closed stderr does not want to know.
        let _ = writeln!(std::io::stderr(), "error: {self}");
        ExitCode::from(self.code)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file name, column or cell may hold line ends.
        let mut lines = self.message.lines();
        f.write_str(lines.next().unwrap_or(""))?;
        lines.try_for_each(|line| write!(f, " {}", line.trim_start()))
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::input(error)
    }
}

impl From<GraphError> for Failure {
    fn from(error: GraphError) -> Self {
        Self::input(error)
    }
}

impl From<ExecutorError> for Failure {
    fn from(error: ExecutorError) -> Self {
        Self::input(error)
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Diverged { .. } => Self::on_the_way(error),
            _ => Self::input(error),
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Io { action: "write", .. } => Self::on_the_way(error),
            _ => Self::input(error),
        }
    }
}
