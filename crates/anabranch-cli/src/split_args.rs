//! The flags that say which rows are for training, early stopping and testing.

use std::path::PathBuf;

use anabranch::data::{Fractions, SplitBy, SplitRules, Table};
use anabranch::train::Validate;
use clap::ValueEnum;

use crate::failure::Failure;
use crate::flags::{number, seed};
use crate::table_args::TableArgs;

/// Which rows the members of an ensemble stop by.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ValidateArg {
    Turns,
    Shared,
}

/// How the rows are divided.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Split")]
pub(crate) struct SplitArgs {
    /// Fraction of rows held out for testing; 0 for no test
    #[arg(long, value_name = "F", default_value_t = Fractions::default().test,
        allow_hyphen_values = true, value_parser = number("a number from 0, below 1", |f| (0.0..1.0).contains(&f)))]
    test_fraction: f64,
    /// Fraction of rows used for early stopping
    #[arg(long, value_name = "F", default_value_t = Fractions::default().validation,
        allow_hyphen_values = true, value_parser = number("a number from 0, below 1", |f| (0.0..1.0).contains(&f)))]
    validation_fraction: f64,
    /// File with the test rows, instead of a fraction
    #[arg(long, value_name = "FILE.csv", conflicts_with = "test_fraction")]
    test: Option<PathBuf>,
    /// Column that says what each row is for: train, validation or test;
    /// it is not an input
    #[arg(long, value_name = "COL", verbatim_doc_comment,
        conflicts_with_all = ["test", "test_fraction", "validation_fraction", "group", "time", "split_seed"])]
    split_column: Option<String>,
    /// Column of groups, such as patients or shops, that are not split
    /// between training and test; it is not an input
    #[arg(long, value_name = "COL", verbatim_doc_comment, conflicts_with = "time")]
    group: Option<String>,
    /// Column of dates or numbers: the latest rows are for testing, and
    /// those before them for validation
    #[arg(long, value_name = "COL", verbatim_doc_comment, conflicts_with = "split_seed")]
    time: Option<String>,
    /// Which rows the networks of an ensemble stop by: turns, each by a part
    /// of its own, so that every row trains most of them; or shared, all by
    /// the same rows, as ever where --time or --split-column divides them
    #[arg(long, value_name = "NAME", default_value = "turns", verbatim_doc_comment)]
    validate: ValidateArg,
    /// Random seed of the split [default: the one of --seed]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = seed)]
    split_seed: Option<u64>,
}

impl SplitArgs {
    /// The rules for a run of this seed.
    pub(crate) fn rules(&self, seed: u64) -> SplitRules {
        let by = match (&self.split_column, &self.group, &self.time) {
            (Some(column), ..) => SplitBy::Column(column.clone()),
            (_, Some(column), _) => SplitBy::Group(column.clone()),
            (.., Some(column)) => SplitBy::Time(column.clone()),
            _ => SplitBy::Class,
        };
        let fractions =
            Fractions { test: self.test_fraction, validation: self.validation_fraction };
        SplitRules { fractions, seed: self.split_seed.unwrap_or(seed), by }
    }

    /// Which rows the members of an ensemble stop by.
    pub(crate) fn validate(&self) -> Validate {
        match self.validate {
            ValidateArg::Turns => Validate::Turns,
            ValidateArg::Shared => Validate::Shared,
        }
    }

    /// The table of test rows, if there is one, read as the other.
    pub(crate) fn test(&self, args: &TableArgs) -> Result<Option<Table>, Failure> {
        self.test.as_ref().map(|path| args.read(path)).transpose()
    }
}
