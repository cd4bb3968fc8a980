//! Errors: one line on stderr, an exit code, and with `--json` an object on stdout;
//! `docs/messages.md` lists its codes.
//!
//! | code | means |
//! |---|---|
//! | 0 | done; for a check, passed |
//! | 1 | a check did not pass, training diverged, or a result could not be written |
//! | 2 | the input cannot be used: a flag, a file, a table |
//! | 130, 143 | SIGINT or SIGTERM has stopped the program |

use std::fmt::{self, Display};
use std::io::Write;
use std::process::ExitCode;

use anabranch::data::DataError;
use anabranch::graph::GraphError;
use anabranch::tensor::parallel::ExecutorError;
use anabranch::train::{CoverageError, ModelError, TrainError};
use clap::error::ErrorKind;
use serde_json::json;

/// Why the program stops, in one line.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: u8,
    code: &'static str,
    message: String,
    /// Where in a table.
    line: Option<usize>,
    column: Option<String>,
}

impl Failure {
    /// Input that cannot be used: exit code 2.
    pub(crate) fn input(message: impl Display) -> Self {
        Self::new(2, "input", message)
    }

    /// Something that went wrong on the way: exit code 1.
    pub(crate) fn on_the_way(message: impl Display) -> Self {
        Self::new(1, "failed", message)
    }

    /// Work that a signal has stopped.
    pub(crate) fn interrupted(exit: u8, message: impl Display) -> Self {
        Self::new(exit, "interrupted", message)
    }

    fn new(exit: u8, code: &'static str, message: impl Display) -> Self {
        Self { exit, code, message: message.to_string(), line: None, column: None }
    }

    /// The same under another code.
    pub(crate) fn coded(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// The same, in this part of the work.
    pub(crate) fn within(self, part: impl Display) -> Self {
        Self { message: format!("{part}: {}", self.message), ..self }
    }

    /// The same at a line of the input.
    pub(crate) fn on_line(self, line: usize) -> Self {
        Self { line: Some(line), ..self }
    }

    /// Flags that clap refuses, with its explanation in one line.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let message = "a command is missing, such as train (--help lists all of them)";
            return Self::input(message).coded("usage");
        }
        Self::input(format!("{} (--help lists all)", Self::words(error))).coded("usage")
    }

    /// What clap says about flags, in one line.
    pub(crate) fn words(error: &clap::Error) -> String {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        // What follows is the usage.
        let end =
            ["\n\nUsage:", "\n\nFor more information"].iter().filter_map(|s| text.find(s)).min();
        let words: Vec<&str> = text[..end.unwrap_or(text.len())].split_whitespace().collect();
        words.join(" ")
    }

    /// Prints it on stderr, and for programs on stdout.
    pub(crate) fn report(&self, readers: Readers) -> ExitCode {
        if readers == Readers::Programs {
            let Self { code, line, column, .. } = self;
            let message = self.to_string();
            let error = json!({ "code": code, "message": message, "line": line, "column": column });
            let _ = writeln!(std::io::stdout(), "{}", json!({ "error": error }));
        }
        // Whoever closed stderr does not want to know.
        let _ = writeln!(std::io::stderr(), "error: {self}");
        ExitCode::from(self.exit)
    }
}

/// Who reads what is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    People,
    /// They get JSON.
    Programs,
}

impl Readers {
    /// Those that the arguments ask for, which may be wrong otherwise.
    pub(crate) fn asked_for() -> Self {
        let is_json = std::env::args_os().any(|arg| arg == "--json");
        if is_json { Self::Programs } else { Self::People }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file name, column or cell may contain line ends.
        let mut lines = self.message.lines();
        f.write_str(lines.next().unwrap_or(""))?;
        lines.try_for_each(|line| write!(f, " {}", line.trim_start()))
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        let (line, column) = (error.line(), error.column().map(str::to_owned));
        Self { line, column, ..Self::input(&error).coded(error.code()) }
    }
}

impl From<GraphError> for Failure {
    fn from(error: GraphError) -> Self {
        Self::input(error).coded("network")
    }
}

impl From<ExecutorError> for Failure {
    fn from(error: ExecutorError) -> Self {
        Self::input(error).coded("threads")
    }
}

impl From<CoverageError> for Failure {
    fn from(error: CoverageError) -> Self {
        Self::input(error).coded("coverage")
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Data(error) => error.into(),
            TrainError::Graph(error) => error.into(),
            TrainError::Executor(error) => error.into(),
            TrainError::Diverged { .. } => Self::on_the_way(error).coded("diverged"),
            TrainError::RowWithoutLoss { .. } => Self::input(error).coded("row_without_loss"),
            _ => Self::input(error).coded("setting"),
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Io { action: "write", .. } => Self::on_the_way(error).coded("write"),
            ModelError::Io { .. } => Self::input(error).coded("read"),
            ModelError::Newer { .. } => Self::input(error).coded("newer_model"),
            _ => Self::input(error).coded("not_a_model"),
        }
    }
}
