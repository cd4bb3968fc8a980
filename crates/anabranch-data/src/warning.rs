//! What a user should know about their data, though the work goes on.

use std::fmt;

/// Something odd in a table. The crate prints nothing: functions return their warnings, and `Display` words them.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// Rows without a value in a target column were left out.
    RowsWithoutTarget {
        /// How many.
        rows: usize,
    },
    /// An input column without a value (in the training rows, for an encoder) was left out.
    EmptyColumn {
        /// The column.
        column: String,
    },
    /// A text column with too many distinct values was left out.
    ManyCategories {
        /// The column.
        column: String,
        /// Its distinct values.
        distinct: usize,
    },
    /// An input column has one value in all training rows: nothing can be learned from it.
    ConstantColumn {
        /// The column.
        column: String,
    },
    /// Cells of a numeric column that are not numbers count as missing.
    NotNumbers {
        /// The column.
        column: String,
        /// How many cells.
        cells: usize,
        /// Line of the first.
        line: usize,
        /// The first one's text.
        first: String,
    },
    /// Cells with a category that training never saw are encoded as all zeros.
    UnseenCategories {
        /// How many cells, of all columns together.
        cells: usize,
        /// Column of the first.
        column: String,
        /// Line of the first.
        line: usize,
        /// The first one's text.
        first: String,
    },
    /// A class with too few rows to be split went to training as a whole.
    RareClass {
        /// The class column.
        column: String,
        /// The class.
        label: String,
        /// Its rows.
        rows: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RowsWithoutTarget { rows } => {
                write!(f, "rows without a target: {rows}: left out")
            }
            Self::EmptyColumn { column } => write!(f, "column {column:?} has no values: left out"),
            Self::ManyCategories { column, distinct } => write!(
                f,
                "column {column:?} is text with {distinct} distinct values, more than {}: left out",
                crate::MAX_CATEGORIES
            ),
            Self::ConstantColumn { column } => {
                write!(f, "column {column:?} has one value in all training rows: nothing to learn")
            }
            Self::NotNumbers { column, cells, line, first } => write!(
                f,
                "column {column:?}: cells that are not numbers: {cells} (the first on line {line}: {first:?}): \
                 counted as missing"
            ),
            Self::UnseenCategories { cells, column, line, first } => write!(
                f,
                "cells with a category that training never saw: {cells} (the first on line {line}, column \
                 {column:?}: {first:?}): encoded as all zeros"
            ),
            Self::RareClass { column, label, rows } => write!(
                f,
                "column {column:?}: class {label:?} has too few rows to be split ({rows}): all of them go to training"
            ),
        }
    }
}
