//! Reading the targets of a table: the rows that have some of them, as numbers and classes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::cell::{Cell, Reading, value_of};
use crate::encoder::NOT_FINITE;
use crate::error::{DataError, excerpt, list};
use crate::labels::{Categories, Numbering};
use crate::presence::Presence;
use crate::profile::Tally;
use crate::regression_target::RegressionTarget;
use crate::table::Table;
use crate::target::{ClassTarget, Targets, TaskTarget};
use crate::warning::{Warning, WarningCode};

/// The targets of one task for some rows.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskValues<T> {
    /// Numbers `[rows, n_columns]`, row-major.
    Numbers {
        /// The numbers.
        values: Vec<T>,
        /// Columns of the task.
        n_columns: usize,
    },
    /// A class for each row.
    Classes {
        /// The place of the row's label among the labels.
        class: Vec<u32>,
        /// Number of labels.
        n_classes: usize,
    },
}

impl<T> TaskValues<T> {
    /// Outputs of the head that predicts them: one for each column of numbers, or for each class.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Numbers { n_columns, .. } => *n_columns,
            Self::Classes { n_classes, .. } => *n_classes,
        }
    }
}

/// The rows of a table that have the targets of some task, and the targets of these rows.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetValues {
    /// Rows of the table, ascending.
    pub rows: Vec<usize>,
    /// The targets of these rows, task by task; numbers in the columns' units.
    pub tasks: Vec<TaskValues<f64>>,
    /// Which of these rows have the targets of each task.
    pub present: Vec<Presence>,
    /// Rows of the table that lack all targets, or are of a class that is not known.
    pub rows_left_out: usize,
    /// What a user should know about them.
    pub warnings: Vec<Warning>,
}

impl TargetValues {
    /// The rows that have the targets of a task, counted in [`rows`](Self::rows).
    pub(crate) fn rows_with(&self, task: usize) -> impl Iterator<Item = usize> {
        (0..self.rows.len()).filter(move |row| self.present[task].has(*row))
    }
}

/// The targets of a table before the classes are numbered by their labels.
pub(crate) struct RawTargets<'a> {
    /// Rows of the table that have the targets of some task.
    rows: Vec<usize>,
    tasks: Vec<RawTask<'a>>,
    /// For each task, which of the rows have its targets.
    present: Vec<Vec<bool>>,
}

enum RawTask<'a> {
    /// 0 where a number is missing.
    Numbers {
        columns: Vec<usize>,
        values: Vec<f64>,
    },
    Labels {
        column: usize,
        labels: Categories<'a>,
    },
}

impl Targets {
    /// Reads the targets of a table that a trained network is to be judged on. A row of a class
    /// that training never saw has no target in that task, which is said.
    ///
    /// # Errors
    /// [`DataError`] for a target column that the table lacks, text or infinity in a regression
    /// column, or a table in which no row has a number or a known class to judge by.
    pub fn read(&self, table: &Table) -> Result<TargetValues, DataError> {
        RawTargets::read(table, self)?.numbered(table, self)
    }
}

impl<'a> RawTargets<'a> {
    /// Reads the rows that have a value in all columns of some task of `targets`, in the formats
    /// that these have.
    ///
    /// # Errors
    /// [`DataError`] for a column that the table lacks, text or infinity in a regression column, or
    /// no row with a target.
    pub(crate) fn read(table: &'a Table, targets: &Targets) -> Result<Self, DataError> {
        let mut readers = Vec::with_capacity(targets.tasks().len());
        for target in targets.tasks() {
            readers.push(TaskReader::new(table, target)?);
        }
        let (mut rows, mut present) = (Vec::new(), vec![Vec::new(); readers.len()]);
        for row in 0..table.n_rows() {
            for task in &mut readers {
                task.read(table, row)?;
            }
            if readers.iter().any(TaskReader::has_target) {
                rows.push(row);
                for (task, present) in readers.iter_mut().zip(&mut present) {
                    present.push(task.has_target());
                    task.take();
                }
            }
        }
        if rows.is_empty() {
            return Err(no_targets(table, targets.tasks().iter().flat_map(TaskTarget::columns)));
        }
        let tasks = readers.into_iter().map(TaskReader::finish).collect();
        Ok(Self { rows, tasks, present })
    }

    /// `targets`, whose tasks these are, with the labels of every class task.
    ///
    /// # Errors
    /// [`DataError::OneClass`], or [`DataError::NoTargets`] for a task that no row has a target of.
    pub(crate) fn labelled(&self, table: &Table, targets: &Targets) -> Result<Targets, DataError> {
        for (has, target) in self.present.iter().zip(targets.tasks()) {
            if !has.contains(&true) {
                return Err(no_targets(table, target.columns()));
            }
        }
        let tasks = self.tasks.iter().zip(targets.tasks()).map(|task| match task {
            (RawTask::Labels { labels, .. }, TaskTarget::Classification(target)) => {
                let labels = labels_in_order(labels);
                if let [label] = &labels[..] {
                    let (file, label) = (table.name().to_owned(), excerpt(label));
                    return Err(DataError::OneClass { file, column: target.column.clone(), label });
                }
                Ok(TaskTarget::Classification(ClassTarget { labels, ..target.clone() }))
            }
            (_, target) => Ok(target.clone()),
        });
        Ok(Targets::new(tasks.collect::<Result<_, _>>()?))
    }

    /// Numbers the classes by the labels of `targets`, whose tasks these are. A row of a class that
    /// is not among them has no target in that task, which is said.
    ///
    /// # Errors
    /// [`DataError::UnknownClass`] if no row is left.
    pub(crate) fn numbered(
        self,
        table: &Table,
        targets: &Targets,
    ) -> Result<TargetValues, DataError> {
        let Self { mut rows, tasks, mut present } = self;
        let mut first_unknown = None;
        let mut warnings = Vec::new();
        let mut numbered = Vec::with_capacity(tasks.len());
        for ((raw, target), present) in tasks.into_iter().zip(targets.tasks()).zip(&mut present) {
            numbered.push(match raw {
                RawTask::Numbers { values, columns } => {
                    TaskValues::Numbers { values, n_columns: columns.len() }
                }
                RawTask::Labels { labels, column } => {
                    let found = Found { table, rows: &rows, column, labels };
                    let class = found.classes(target);
                    let unknown = found.unknown(&class);
                    if unknown.count > 0 {
                        warnings.push(found.left_out(unknown));
                        first_unknown.get_or_insert(found.error(unknown.first, target));
                    }
                    *present = class.iter().map(Option::is_some).collect();
                    let class = class.into_iter().map(Option::unwrap_or_default).collect();
                    TaskValues::Classes { class, n_classes: target.outputs() }
                }
            });
        }
        if let Some(error) = first_unknown {
            let has_some = |row| present.iter().any(|present| present[row]);
            let is_known: Vec<bool> = (0..rows.len()).map(has_some).collect();
            if !is_known.contains(&true) {
                return Err(error);
            }
            rows = kept(&rows, 1, &is_known);
            for (task, present) in numbered.iter_mut().zip(&mut present) {
                *present = kept(present, 1, &is_known);
                match task {
                    TaskValues::Numbers { values, n_columns } => {
                        *values = kept(values, *n_columns, &is_known);
                    }
                    TaskValues::Classes { class, .. } => *class = kept(class, 1, &is_known),
                }
            }
        }
        let rows_left_out = table.n_rows() - rows.len();
        let present = present.into_iter().map(Presence::of).collect();
        Ok(TargetValues { rows, tasks: numbered, present, rows_left_out, warnings })
    }
}

fn no_targets<'t>(table: &Table, columns: impl Iterator<Item = &'t str>) -> DataError {
    let columns: Vec<&str> = columns.collect();
    DataError::NoTargets { file: table.name().to_owned(), columns: list(&columns) }
}

/// Those of the rows, of so many elements each, that are kept.
fn kept<T: Copy>(values: &[T], width: usize, is_kept: &[bool]) -> Vec<T> {
    let rows = values.chunks_exact(width).zip(is_kept);
    rows.filter(|(_, is_kept)| **is_kept).flat_map(|(row, _)| row.iter().copied()).collect()
}

/// A task while rows are read: what the current row has, and what those that were taken have.
enum TaskReader<'a, 't> {
    Numbers {
        columns: Vec<usize>,
        targets: &'t [RegressionTarget],
        /// Those of the current row, in the order of the columns.
        row: Vec<Option<f64>>,
        values: Vec<f64>,
    },
    Labels {
        column: usize,
        target: &'t ClassTarget,
        label: Option<&'a str>,
        numbering: Numbering<'a>,
    },
}

impl<'a, 't> TaskReader<'a, 't> {
    fn new(table: &'a Table, target: &'t TaskTarget) -> Result<Self, DataError> {
        Ok(match target {
            TaskTarget::Regression(targets) => {
                let columns = targets.iter().map(|target| table.column_index(&target.column));
                let columns = columns.collect::<Result<_, _>>()?;
                Self::Numbers { columns, targets, row: Vec::new(), values: Vec::new() }
            }
            TaskTarget::Classification(target) => {
                let column = table.column_index(&target.column)?;
                Self::Labels { column, target, label: None, numbering: Numbering::default() }
            }
        })
    }

    /// Reads a row, which becomes the current one.
    fn read(&mut self, table: &'a Table, row: usize) -> Result<(), DataError> {
        match self {
            Self::Numbers { columns, targets, row: numbers, .. } => {
                numbers.clear();
                for (column, target) in columns.iter().zip(*targets) {
                    numbers.push(number(table, row, *column, target)?);
                }
            }
            Self::Labels { column, target, label, .. } => {
                *label = value_of(table.cell(row, *column), &target.missing_markers);
            }
        }
        Ok(())
    }

    /// Whether the current row has all that is predicted.
    fn has_target(&self) -> bool {
        match self {
            Self::Numbers { row, .. } => row.iter().all(Option::is_some),
            Self::Labels { label, .. } => label.is_some(),
        }
    }

    /// Takes the current row.
    fn take(&mut self) {
        match self {
            Self::Numbers { row, values, .. } => {
                values.extend(row.iter().map(|number| number.unwrap_or(0.0)));
            }
            Self::Labels { label, numbering, .. } => numbering.push(*label),
        }
    }

    fn finish(self) -> RawTask<'a> {
        match self {
            Self::Numbers { columns, values, .. } => RawTask::Numbers { columns, values },
            Self::Labels { column, target, numbering, .. } => {
                let labels = numbering.finish().merged(target.compared_as);
                RawTask::Labels { column, labels }
            }
        }
    }
}

/// The number in a cell; `None` if it is missing.
fn number(
    table: &Table,
    row: usize,
    column: usize,
    target: &RegressionTarget,
) -> Result<Option<f64>, DataError> {
    let RegressionTarget { format, missing_markers, .. } = target;
    match Cell::Text(table.cell(row, column)).read_number(format, missing_markers) {
        Reading::Number(value) => Ok(Some(value)),
        Reading::Missing => Ok(None),
        Reading::OutOfRange => Err(DataError::out_of_range(table, row, column, NOT_FINITE)),
        Reading::Text => Err(DataError::TextTarget {
            file: table.name().to_owned(),
            line: table.line(row),
            column: table.columns()[column].trim().to_owned(),
            cell: excerpt(table.cell(row, column)),
        }),
    }
}

/// The distinct labels in class order.
fn labels_in_order(labels: &Categories<'_>) -> Vec<String> {
    let mut labels: Vec<String> = labels.values.iter().map(|label| (*label).to_owned()).collect();
    let number = |label: &str| label.parse::<f64>().ok().filter(|n| n.is_finite());
    if labels.iter().all(|label| number(label).is_some()) {
        labels.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(Ordering::Equal));
    }
    labels
}

/// The labels that were found in a column.
struct Found<'a> {
    table: &'a Table,
    rows: &'a [usize],
    column: usize,
    labels: Categories<'a>,
}

impl Found<'_> {
    /// The class of each row: its label's place among the known ones; `None` without one.
    fn classes(&self, target: &TaskTarget) -> Vec<Option<u32>> {
        let known = target.labels();
        let compared_as = match target {
            TaskTarget::Classification(target) => target.compared_as,
            TaskTarget::Regression(_) => crate::Labels::Text,
        };
        let places: BTreeMap<&str, u32> = known.iter().map(String::as_str).zip(0u32..).collect();
        let place = |label: &&str| {
            let by_text = places.get(label).copied();
            by_text.or_else(|| Some(compared_as.find(known, label)? as u32))
        };
        let classes: Vec<Option<u32>> = self.labels.values.iter().map(place).collect();
        self.labels.numbers.iter().map(|number| classes[(*number)? as usize]).collect()
    }

    /// The rows with a label that is no known class, counted from the first row of the targets.
    fn unknown(&self, class: &[Option<u32>]) -> Tally {
        let mut unknown = Tally::default();
        for (i, (label, class)) in self.labels.numbers.iter().zip(class).enumerate() {
            if label.is_some() && class.is_none() {
                unknown.add(i);
            }
        }
        unknown
    }

    fn left_out(&self, unknown: Tally) -> Warning {
        let row = self.rows[unknown.first];
        let (name, line) = (self.table.columns()[self.column].trim(), self.table.line(row));
        let text = excerpt(self.table.cell(row, self.column));
        let message = format!(
            "column {name:?}: rows of classes that training never saw: {} (the first on line {line}: {text:?}): left out",
            unknown.count
        );
        let warning = Warning::new(WarningCode::UnseenClass, message).column(name);
        warning.cell(line, &text).share(unknown.count, self.rows.len())
    }

    fn error(&self, first: usize, target: &TaskTarget) -> DataError {
        let row = self.rows[first];
        DataError::UnknownClass {
            file: self.table.name().to_owned(),
            line: self.table.line(row),
            column: self.table.columns()[self.column].trim().to_owned(),
            label: excerpt(self.table.cell(row, self.column)),
            known: list(target.labels()),
        }
    }
}
