//! What a user should know about their data, though the work goes on.

use std::fmt;

use serde::Serialize;

/// Something odd in a table. The crate prints nothing: functions return their warnings, and
/// `Display` gives the message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    /// What it is about.
    pub code: WarningCode,
    /// The column, if it is about one.
    pub column: Option<String>,
    /// The line of the first cell.
    pub line: Option<usize>,
    /// What the first cell holds.
    pub text: Option<String>,
    /// How many cells or rows.
    pub count: Option<usize>,
    /// Their share of all, from 0 to 1.
    pub share: Option<f64>,
    /// All of this in words, on one line.
    pub message: String,
}

/// The kinds of warnings, by which programs tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// The file is in an encoding that was guessed from its bytes.
    Encoding,
    /// Rows without any target were left out.
    RowsWithoutTarget,
    /// Rows lack the targets of a task, which is learned from the others.
    MissingTarget,
    /// An input column without a value (in the training rows, for an encoder) was left out.
    EmptyColumn,
    /// An input column has one value in all training rows: nothing can be learned from it.
    ConstantColumn,
    /// On which scale a number is predicted, and why.
    TargetScale,
    /// A number to predict has one value in all training rows.
    ConstantTarget,
    /// A column that names or numbers rows was left out.
    Identifier,
    /// A column that says the same as another was left out.
    DuplicateColumn,
    /// An input is a copy of a target: it was left out.
    TargetCopy,
    /// An input says almost all of a target alone.
    TargetGiveaway,
    /// A column without a name in the header got one.
    UnnamedColumn,
    /// Cells of a numeric column that are not numbers, or cells of dates that are not dates, count
    /// as missing.
    Unreadable,
    /// A column that is mostly of one kind was read as another.
    MixedColumn,
    /// Text other than the plain `NA` counts as missing.
    MissingMarkers,
    /// What could stand for a missing value is a label.
    MarkerAsLabel,
    /// Numbers in another format than the plain one of programs.
    NumberFormat,
    /// A column of dates.
    DateFormat,
    /// Codes with leading zeros stay text, and whole numbers that are names are labels too.
    Codes,
    /// Labels that differ by case or space alone.
    SimilarLabels,
    /// Labels that are equal as numbers, or as truth values, are one.
    MergedLabels,
    /// Rare categories share an input.
    RareCategories,
    /// Categories, too many for an input each, are told apart by the targets of their rows.
    TargetStatistics,
    /// Rows have the inputs of rows that the model was trained on.
    SeenRows,
    /// A task whose columns the table lacks is not judged.
    NotJudged,
    /// Rows of a class that training never saw were left out.
    UnseenClass,
    /// Cells with a category that training never saw.
    UnseenCategories,
    /// A value far from all others.
    Outlier,
    /// A number that seems to stand for a missing value.
    Sentinel,
    /// Values far outside what training saw.
    OutsideTraining,
    /// Values are missing in a column where training had none.
    NewlyMissing,
    /// Rows whose group is not known are kept together, as one group.
    NoGroup,
    /// Classes with too few rows to be split went to training as a whole.
    RareClass,
    /// Classes of which the split leaves no row to train on.
    UntrainedClass,
    /// Classes of which no row validates, or none is tested.
    AbsentClass,
    /// Few training rows for the parameters of the network.
    FewRows,
    /// The losses of two tasks are of very different scale.
    LossScales,
    /// The validation loss rose while the training loss went on falling.
    Overfitting,
    /// Numbers were no longer finite, and training went on at a lower learning rate.
    Recovered,
    /// A task is predicted no better than without looking at the rows.
    NoProgress,
    /// Units of a layer are 0 for all rows.
    DeadUnits,
}

impl Warning {
    /// A warning that is about no column, line or count in particular.
    pub fn new(code: WarningCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, column: None, line: None, text: None, count: None, share: None, message }
    }

    /// The column that it is about.
    pub fn column(self, column: &str) -> Self {
        Self { column: Some(column.to_owned()), ..self }
    }

    /// The first cell that it is about: its line and text.
    pub fn cell(self, line: usize, text: &str) -> Self {
        Self { line: Some(line), text: Some(text.to_owned()), ..self }
    }

    /// How many it is about.
    pub fn count(self, count: usize) -> Self {
        Self { count: Some(count), ..self }
    }

    /// How many of how many it is about.
    pub fn share(self, count: usize, of: usize) -> Self {
        Self { count: Some(count), share: Some(count as f64 / of.max(1) as f64), ..self }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
