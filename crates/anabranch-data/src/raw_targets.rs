//! Reading the targets of a table: the rows that have all of them, as numbers and classes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::cell::{Cell, Reading, value_of};
use crate::encoder::NOT_FINITE;
use crate::error::{DataError, excerpt, list};
use crate::labels::{Categories, Numbering};
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

/// The rows of a table that have all targets, and the targets of these rows.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetValues {
    /// Rows of the table, ascending.
    pub rows: Vec<usize>,
    /// The targets of these rows, task by task; numbers in the columns' units.
    pub tasks: Vec<TaskValues<f64>>,
    /// Rows of the table that lack a target, or are of a class that is not known.
    pub rows_left_out: usize,
    /// What a user should know about them.
    pub warnings: Vec<Warning>,
}

/// The targets of a table before the classes are numbered by their labels.
pub(crate) struct RawTargets<'a> {
    /// Rows of the table that have all targets.
    rows: Vec<usize>,
    tasks: Vec<RawTask<'a>>,
}

enum RawTask<'a> {
    Numbers { columns: Vec<usize>, values: Vec<f64> },
    Labels { column: usize, labels: Categories<'a> },
}

impl Targets {
    /// Reads the targets of a table that a trained network is to be judged on. Rows of a class that
    /// training never saw are left out, which is said.
    ///
    /// # Errors
    /// [`DataError`] for a target column that the table lacks, text or infinity in a regression
    /// column, or a table in which no row has all targets of known classes.
    pub fn read(&self, table: &Table) -> Result<TargetValues, DataError> {
        RawTargets::read(table, self)?.numbered(table, self)
    }
}

impl<'a> RawTargets<'a> {
    /// Reads the rows that have a value in all columns of `targets`, in the formats that these
    /// have.
    ///
    /// # Errors
    /// [`DataError`] for a column that the table lacks, text or infinity in a regression column, or
    /// no row with all targets.
    pub(crate) fn read(table: &'a Table, targets: &Targets) -> Result<Self, DataError> {
        let mut numbers: Vec<Numbers<'_>> = Vec::new();
        let mut labels: Vec<Labels<'_, '_>> = Vec::new();
        for task in targets.tasks() {
            match task {
                TaskTarget::Regression(targets) => {
                    let columns = targets.iter().map(|target| table.column_index(&target.column));
                    let columns = columns.collect::<Result<_, _>>()?;
                    numbers.push(Numbers { columns, targets, values: Vec::new() });
                }
                TaskTarget::Classification(target) => {
                    let column = table.column_index(&target.column)?;
                    labels.push(Labels { column, target, numbering: Numbering::default() });
                }
            }
        }
        let mut rows = Vec::new();
        let mut of_row = Vec::with_capacity(labels.len());
        for row in 0..table.n_rows() {
            let mut is_whole = true;
            for task in &mut numbers {
                is_whole &= task.read(table, row)?;
            }
            of_row.clear();
            of_row.extend(labels.iter().map_while(|Labels { column, target, .. }| {
                value_of(table.cell(row, *column), &target.missing_markers)
            }));
            if is_whole && of_row.len() == labels.len() {
                rows.push(row);
                for (task, label) in labels.iter_mut().zip(&of_row) {
                    task.numbering.push(Some(label));
                }
            } else {
                for task in &mut numbers {
                    task.values.truncate(rows.len() * task.columns.len());
                }
            }
        }
        if rows.is_empty() {
            let columns: Vec<&str> = targets.tasks().iter().flat_map(TaskTarget::columns).collect();
            let (file, columns) = (table.name().to_owned(), list(&columns));
            return Err(DataError::NoTargets { file, columns });
        }
        let (mut numbers, mut labels) = (numbers.into_iter(), labels.into_iter());
        let raw = targets.tasks().iter().filter_map(|task| match task {
            TaskTarget::Regression(_) => numbers
                .next()
                .map(|Numbers { columns, values, .. }| RawTask::Numbers { columns, values }),
            TaskTarget::Classification(_) => {
                labels.next().map(|Labels { column, target, numbering }| {
                    let labels = numbering.finish().merged(target.compared_as);
                    RawTask::Labels { column, labels }
                })
            }
        });
        Ok(Self { rows, tasks: raw.collect() })
    }

    /// `targets`, whose tasks these are, with the labels of every class task.
    ///
    /// # Errors
    /// [`DataError::OneClass`].
    pub(crate) fn labelled(&self, table: &Table, targets: &Targets) -> Result<Targets, DataError> {
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

    /// Numbers the classes by the labels of `targets`, whose tasks these are, and leaves out rows
    /// of classes that are not among them, which is said.
    ///
    /// # Errors
    /// [`DataError::UnknownClass`] if no row is left.
    pub(crate) fn numbered(
        self,
        table: &Table,
        targets: &Targets,
    ) -> Result<TargetValues, DataError> {
        let Self { mut rows, tasks } = self;
        let mut is_known = vec![true; rows.len()];
        let mut first_unknown = None;
        let mut warnings = Vec::new();
        let mut numbered = Vec::with_capacity(tasks.len());
        for (raw, target) in tasks.into_iter().zip(targets.tasks()) {
            numbered.push(match raw {
                RawTask::Numbers { values, columns } => {
                    TaskValues::Numbers { values, n_columns: columns.len() }
                }
                RawTask::Labels { labels, column } => {
                    let found = Found { table, rows: &rows, column, labels };
                    let class = found.classes(target);
                    let unknown = found.unknown(&class);
                    if unknown.count > 0 {
                        class.iter().zip(&mut is_known).for_each(|(c, is)| *is &= c.is_some());
                        warnings.push(found.left_out(unknown));
                        first_unknown.get_or_insert(found.error(unknown.first, target));
                    }
                    let class = class.into_iter().map(Option::unwrap_or_default).collect();
                    TaskValues::Classes { class, n_classes: target.outputs() }
                }
            });
        }
        if let Some(error) = first_unknown {
            if !is_known.contains(&true) {
                return Err(error);
            }
            rows = kept(&rows, 1, &is_known);
            for task in &mut numbered {
                match task {
                    TaskValues::Numbers { values, n_columns } => {
                        *values = kept(values, *n_columns, &is_known);
                    }
                    TaskValues::Classes { class, .. } => *class = kept(class, 1, &is_known),
                }
            }
        }
        let rows_left_out = table.n_rows() - rows.len();
        Ok(TargetValues { rows, tasks: numbered, rows_left_out, warnings })
    }
}

/// Those of the rows, of so many elements each, that are kept.
fn kept<T: Copy>(values: &[T], width: usize, is_kept: &[bool]) -> Vec<T> {
    let rows = values.chunks_exact(width).zip(is_kept);
    rows.filter(|(_, is_kept)| **is_kept).flat_map(|(row, _)| row.iter().copied()).collect()
}

/// A regression task while rows are read.
struct Numbers<'t> {
    columns: Vec<usize>,
    targets: &'t [RegressionTarget],
    values: Vec<f64>,
}

impl Numbers<'_> {
    /// Appends the numbers of a row; false if one is missing.
    fn read(&mut self, table: &Table, row: usize) -> Result<bool, DataError> {
        let mut is_whole = true;
        for (&column, RegressionTarget { format, missing_markers, .. }) in
            self.columns.iter().zip(self.targets)
        {
            match Cell::Text(table.cell(row, column)).read_number(format, missing_markers) {
                Reading::Number(value) => self.values.push(value),
                Reading::Missing => is_whole = false,
                Reading::OutOfRange => {
                    return Err(DataError::out_of_range(table, row, column, NOT_FINITE));
                }
                Reading::Text => {
                    return Err(DataError::TextTarget {
                        file: table.name().to_owned(),
                        line: table.line(row),
                        column: table.columns()[column].trim().to_owned(),
                        cell: excerpt(table.cell(row, column)),
                    });
                }
            }
        }
        Ok(is_whole)
    }
}

/// A class task while rows are read.
struct Labels<'a, 't> {
    column: usize,
    target: &'t ClassTarget,
    numbering: Numbering<'a>,
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
    /// The class of each row: its label's place among the known ones.
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
        // Every row has a label.
        self.labels.numbers.iter().map(|number| classes[(*number)? as usize]).collect()
    }

    /// The rows without a class, counted from the first row of the targets.
    fn unknown(&self, class: &[Option<u32>]) -> Tally {
        let mut unknown = Tally::default();
        (0..).zip(class).filter(|(_, class)| class.is_none()).for_each(|(i, _)| unknown.add(i));
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
