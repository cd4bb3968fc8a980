//! What can be wrong with a table, a request or a stored encoding.

use std::io;

/// A table, a request or a row that cannot be used. Each message is one line that says where, what,
/// and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file is missing, is a directory, or cannot be read.
    #[error("{file}: cannot be read ({reason}): check the path")]
    Read {
        /// The table's name.
        file: String,
        /// What the operating system said.
        reason: io::Error,
    },
    /// Not a byte, or nothing but white space.
    #[error("{file}: the file is empty: expected a header line with column names, then data rows")]
    Empty {
        /// The table's name.
        file: String,
    },
    /// A header and nothing below.
    #[error("{file}: no data rows: expected at least one line below the header")]
    NoRows {
        /// The table's name.
        file: String,
    },
    /// Bytes that are not UTF-8.
    #[error(
        "{file}: line {line}: not UTF-8 text, nor in any other recognised encoding: save the file as UTF-8, or name its encoding with --encoding"
    )]
    NotUtf8 {
        /// The table's name.
        file: String,
        /// Line of the first wrong byte, counted from 1.
        line: usize,
    },
    /// A row with more or fewer cells than the header.
    #[error(
        "{file}: line {line}: cells found: {found}, columns in the header: {expected}: correct the line, and quote \
         cells that contain the separator"
    )]
    Ragged {
        /// The table's name.
        file: String,
        /// Line on which the row starts.
        line: usize,
        /// Cells that the row has.
        found: usize,
        /// Columns that the header has.
        expected: usize,
    },
    /// A row that is longer than any table's should be.
    #[error("{file}: line {line}: a row of more than 64 MiB: is this a table?")]
    LongRow {
        /// The table's name.
        file: String,
        /// Line on which the row starts.
        line: usize,
    },
    /// A cell that is longer than any table's should be.
    #[error("{file}: line {line}: a cell of more than 1 MiB: is a quotation mark missing?")]
    LongCell {
        /// The table's name.
        file: String,
        /// Line on which the row starts.
        line: usize,
    },
    /// A NUL, which no text holds.
    #[error(
        "{file}: line {line}: a NUL byte: is this a table? If it is, name its encoding with --encoding"
    )]
    NulByte {
        /// The table's name.
        file: String,
        /// Its line.
        line: usize,
    },
    /// A file of another kind.
    #[error("{file}: this is {format}, not a CSV file: {advice}")]
    NotATable {
        /// The table's name.
        file: String,
        /// What the file is.
        format: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Bytes that are not text in the encoding that they should be in.
    #[error("{file}: not text in the encoding {encoding}: name another with --encoding")]
    Encoding {
        /// The table's name.
        file: String,
        /// The encoding.
        encoding: &'static str,
    },
    /// What cannot separate cells.
    #[error(
        "{separator:?} cannot separate cells: choose a comma, a semicolon, a tab or another mark of ASCII"
    )]
    Separator {
        /// What was asked for.
        separator: char,
    },
    /// Cells that can be read in two ways.
    #[error("{file}: line {line}: column {column:?} holds {cell:?}: it {problem}")]
    Unclear {
        /// The table's name.
        file: String,
        /// Line of the first such cell.
        line: usize,
        /// The column.
        column: String,
        /// What the cell holds.
        cell: String,
        /// What is unclear, and how to say what is meant.
        problem: String,
    },
    /// A column that differs from what training saw in most rows.
    #[error("{file}: column {column:?}: {problem}, or predict anyway with --lenient")]
    Unlike {
        /// The table's name.
        file: String,
        /// The column.
        column: String,
        /// Line of the first such cell.
        line: usize,
        /// What is wrong with how many of its cells, what the first one holds, and what to do.
        problem: String,
    },
    /// The file ends inside a quoted cell.
    #[error(
        "{file}: line {line}: a quoted cell of this row is never closed: add the missing quotation mark"
    )]
    UnclosedQuote {
        /// The table's name.
        file: String,
        /// Line on which the row starts.
        line: usize,
    },
    /// Two columns of one name.
    #[error("{file}: line {line}: two columns are named {column:?}: rename one of them")]
    DuplicateColumn {
        /// The table's name.
        file: String,
        /// Line of the header.
        line: usize,
        /// The name they share.
        column: String,
    },
    /// More columns than a table may have.
    #[error(
        "{file}: {found} columns, more than the {most} that a table may have: choose some, or divide the table"
    )]
    TooManyColumns {
        /// The table's name.
        file: String,
        /// Columns of the header.
        found: usize,
        /// The most that there may be.
        most: usize,
    },
    /// A column that the table does not have.
    #[error("{file}: no column {column:?}: the columns found are {found}")]
    UnknownColumn {
        /// The table's name.
        file: String,
        /// The column that was asked for.
        column: String,
        /// The columns there are, in order.
        found: String,
    },
    /// An unknown name.
    #[error("unknown {what} {name:?}: choose one of {known}")]
    Name {
        /// What the name stands for.
        what: &'static str,
        /// The name given.
        name: String,
        /// All known names, separated by commas.
        known: String,
    },
    /// A table to encode lacks a column that the encoder was fitted on.
    #[error("{file}: no column {column:?}, an input of the model: the columns found are {found}")]
    NoInputColumn {
        /// The table's name.
        file: String,
        /// The input column.
        column: String,
        /// The columns there are, in order.
        found: String,
    },
    /// No column was named, or a task without one.
    #[error("no column to predict: name at least one to regress or to classify")]
    NothingToPredict,
    /// An array of a data set that is too short or too long.
    #[error("the {array}: expected {rows} rows of {per_row}, got {got} elements")]
    Array {
        /// Which array.
        array: String,
        /// Rows of the data set.
        rows: usize,
        /// Elements of a row.
        per_row: usize,
        /// Elements of the array.
        got: usize,
    },
    /// A class of a data set that is not below the number of classes.
    #[error(
        "task {task}: row {row} has class {class}, but there are {n_classes} classes, counted from 0"
    )]
    NoSuchClass {
        /// Which task, counted from 0.
        task: usize,
        /// Which row, counted from 0.
        row: usize,
        /// Its class.
        class: u32,
        /// Number of classes.
        n_classes: usize,
    },
    /// A row of a split that the data set does not have.
    #[error(
        "the {part} part of the split has row {row}, but there are {n_rows} rows, counted from 0"
    )]
    SplitRow {
        /// Which part.
        part: &'static str,
        /// The row.
        row: usize,
        /// Rows of the data set.
        n_rows: usize,
    },
    /// A column that is named as a target twice.
    #[error(
        "column {column:?} is named as a target twice: name it once, to regress or to classify"
    )]
    TargetTwice {
        /// The column.
        column: String,
    },
    /// A scale for a column that is not regressed.
    #[error("{column:?} has no scale, since it is not regressed: the columns that are: {known}")]
    NoScale {
        /// The column.
        column: String,
        /// Those that are regressed.
        known: String,
    },
    /// Every column is a target, empty or left out.
    #[error(
        "{file}: no input columns are left beside the targets{left_out}: add a column with numbers or categories"
    )]
    NoInputs {
        /// The table's name.
        file: String,
        /// The columns that were left out though they have values, in parentheses; empty if there
        /// are none.
        left_out: String,
    },
    /// A number that is infinite, beyond [`LARGEST`](crate::LARGEST), or too far from all that
    /// training saw.
    #[error(
        "{file}: line {line}: column {column:?} holds {cell:?}, which {problem}: correct the cell or leave it empty"
    )]
    OutOfRange {
        /// The table's name.
        file: String,
        /// Line on which the row starts.
        line: usize,
        /// The column.
        column: String,
        /// What the cell holds.
        cell: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Text where a regression target needs a number.
    #[error(
        "{file}: line {line}: column {column:?} is to be regressed but holds {cell:?}: it needs numbers; an \
         empty cell is a missing target"
    )]
    TextTarget {
        /// The table's name.
        file: String,
        /// Line on which the row starts.
        line: usize,
        /// The column.
        column: String,
        /// What the cell holds.
        cell: String,
    },
    /// No row has the targets of a task.
    #[error("{file}: no row has a value in the target columns {columns}: fill some in")]
    NoTargets {
        /// The table's name.
        file: String,
        /// The target columns.
        columns: String,
    },
    /// No training row has the targets of a task.
    #[error(
        "{file}: no training row has a value in {columns:?}: fill some in, or divide the rows in another way"
    )]
    NoTrainingTargets {
        /// The table's name.
        file: String,
        /// The task's columns.
        columns: String,
    },
    /// A weight of a row that is none.
    #[error(
        "{file}: line {line}: column {column:?} holds {cell:?}, which is no weight of a row: it needs numbers, at least 0"
    )]
    SampleWeight {
        /// The table's name.
        file: String,
        /// The row's line.
        line: usize,
        /// The column's name.
        column: String,
        /// The cell.
        cell: String,
    },
    /// Weights of rows that leave nothing to train on.
    #[error("column {column:?} gives all training rows the weight 0: nothing can be learned")]
    NoSampleWeight {
        /// The column's name.
        column: String,
    },
    /// A class column with a single label.
    #[error(
        "{file}: column {column:?} has the one class {label:?} only: classification needs at least two"
    )]
    OneClass {
        /// The table's name.
        file: String,
        /// The column.
        column: String,
        /// Its only label.
        label: String,
    },
    /// A class column with too many labels for its rows.
    #[error("{file}: column {column:?} has {labels} classes in {rows} rows, {problem}")]
    TooManyClasses {
        /// The table's name.
        file: String,
        /// The column.
        column: String,
        /// Its distinct labels.
        labels: usize,
        /// Rows that have one.
        rows: usize,
        /// What it may be instead, and what to do.
        problem: String,
    },
    /// An input that has the name of a column of predictions.
    #[error(
        "{file}: the input {column:?} has the name that a prediction will have: rename it, or leave it out with --drop if it \
         holds predictions"
    )]
    InputIsPrediction {
        /// The table's name.
        file: String,
        /// The column.
        column: String,
    },
    /// A label that training never saw.
    #[error(
        "{file}: line {line}: column {column:?} holds the class {label:?}, which training never saw: expected one of \
         {known}"
    )]
    UnknownClass {
        /// The table's name.
        file: String,
        /// Line on which the row starts.
        line: usize,
        /// The column.
        column: String,
        /// The label.
        label: String,
        /// The labels that training saw.
        known: String,
    },
    /// A fraction out of range.
    #[error(
        "test fraction {test}, validation fraction {validation}: both must be at least 0, and their sum below 1"
    )]
    Fractions {
        /// The test fraction that was asked for.
        test: f64,
        /// The validation fraction that was asked for.
        validation: f64,
    },
    /// A cell of the column that divides the rows, which says nothing of the kind.
    #[error("{file}: line {line}: column {column:?} holds {cell:?}, which {problem}")]
    SplitCell {
        /// The table's name.
        file: String,
        /// Line on which the row starts.
        line: usize,
        /// The column.
        column: String,
        /// What the cell holds.
        cell: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A column that is to divide or to weigh the rows and to be predicted.
    #[error("column {column:?} divides or weighs the rows, and cannot be predicted too")]
    SplitTarget {
        /// The column.
        column: String,
    },
    /// Too few groups or times for a part of the split.
    #[error(
        "{file}: column {column:?} has {found} different values, which cannot be divided into {needed} parts: at least \
         one for each is needed"
    )]
    TooFewValues {
        /// The table's name.
        file: String,
        /// The column.
        column: String,
        /// Its different values.
        found: usize,
        /// Parts that are asked for.
        needed: usize,
    },
    /// Too few rows for a part of the split.
    #[error(
        "{rows} rows are too few: the split gives {train} to training, {validation} to validation and {test} to \
         testing: add rows (at least {needed} of a class), or change the fractions"
    )]
    TooFewRows {
        /// Rows to split.
        rows: usize,
        /// Rows of each part.
        train: usize,
        /// Rows of each part.
        validation: usize,
        /// Rows of each part.
        test: usize,
        /// Rows that a class needs to be split.
        needed: usize,
    },
    /// Batches of one row, whose variance BatchNorm cannot take.
    #[error(
        "a batch of one row cannot be normalised (BatchNorm): use a batch size of at least 2, not {batch_size}"
    )]
    BatchTooSmall {
        /// The batch size that was asked for.
        batch_size: usize,
    },
    /// One row or none to train on.
    #[error("training rows: {rows}: at least 2 are needed to form a batch: add rows")]
    TooFewTrainingRows {
        /// Training rows there are.
        rows: usize,
    },
}

/// A single row that does not fit an encoder.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// Too many or too few cells.
    #[error("a row of {found} cells: expected {expected}, one for each input column in order")]
    CellCount {
        /// Cells that came.
        found: usize,
        /// Input columns that the encoder has.
        expected: usize,
    },
    /// A buffer that does not hold an encoded row.
    #[error("an output of {found} numbers: expected {expected}, the encoder's width")]
    OutputLen {
        /// Length of the buffer.
        found: usize,
        /// The encoder's width.
        expected: usize,
    },
    /// A field that the encoder needs and the row lacks.
    #[error("no field {column:?}: give each input column a field (an unknown value as missing)")]
    MissingField {
        /// The input column.
        column: String,
    },
    /// A number that is infinite, beyond [`LARGEST`](crate::LARGEST), or too far from all that
    /// training saw.
    #[error("column {column:?} holds a number that {problem}: correct it, or give it as missing")]
    OutOfRange {
        /// The input column.
        column: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A record that has no cells for the columns.
    #[error(
        "the record cannot be read: {problem}: give a struct or a map of numbers, texts and options"
    )]
    Record {
        /// What is wrong with it.
        problem: String,
    },
    /// A number for a column of dates, or of categories that are not numbers.
    #[error("column {column:?} holds categories or dates, but a number was given: give it as text")]
    NumberForText {
        /// The input column.
        column: String,
    },
}

/// A stored encoder or target description that no training can have written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{column:?}: {problem}: the file is damaged, write it again")]
pub struct StoredError {
    /// The column that is wrong.
    pub(crate) column: String,
    /// What is wrong with it.
    pub(crate) problem: &'static str,
}

impl StoredError {
    pub(crate) fn new(column: &str, problem: &'static str) -> Self {
        Self { column: column.to_owned(), problem }
    }
}

/// Names in quotes, separated by commas; the first 50 of them.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 50;
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(|n| format!("{:?}", n.as_ref()))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text += &format!(" and {} more", names.len() - SHOWN);
    }
    text
}

/// A cell as a message quotes it: its first 40 characters.
pub(crate) fn excerpt(cell: &str) -> String {
    const SHOWN: usize = 40;
    let cell = cell.trim();
    match cell.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}
