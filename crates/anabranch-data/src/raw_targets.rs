//! Reading the targets of a table: the rows that have all of them, as numbers and classes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::cell::{Cell, Reading, value_of};
use crate::column::{Categories, Numbering, out_of_range_error};
use crate::error::{DataError, excerpt, list};
use crate::table::Table;
use crate::target::{ClassTarget, RegressionTarget, Targets, TaskColumns, TaskTarget};

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
    /// Rows of the table that lack a target.
    pub rows_left_out: usize,
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

impl<'a> RawTargets<'a> {
    /// Reads the rows that have a value in all of the columns.
    ///
    /// # Errors
    /// [`DataError`] for a column that the table lacks, text or infinity in a regression column, or
    /// no row with all targets.
    pub(crate) fn read(table: &'a Table, tasks: &[TaskColumns]) -> Result<Self, DataError> {
        let mut numbers: Vec<Numbers> = Vec::new();
        let mut labels: Vec<Labels<'_>> = Vec::new();
        for task in tasks {
            let columns = task.names().map(|name| table.column_index(name));
            let columns: Vec<usize> = columns.collect::<Result<_, _>>()?;
            match task {
                TaskColumns::Regress(_) => numbers.push(Numbers { columns, values: Vec::new() }),
                TaskColumns::Classify(_) => {
                    labels.push(Labels { column: columns[0], numbering: Numbering::default() });
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
            of_row.extend(labels.iter().map_while(|task| value_of(table.cell(row, task.column))));
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
            let columns: Vec<&str> =
                tasks.iter().flat_map(TaskColumns::names).map(str::trim).collect();
            let (file, columns) = (table.name().to_owned(), list(&columns));
            return Err(DataError::NoTargets { file, columns });
        }
        let (mut numbers, mut labels) = (numbers.into_iter(), labels.into_iter());
        let raw = tasks.iter().filter_map(|task| match task {
            TaskColumns::Regress(_) => numbers
                .next()
                .map(|Numbers { columns, values }| RawTask::Numbers { columns, values }),
            TaskColumns::Classify(_) => labels.next().map(|Labels { column, numbering }| {
                RawTask::Labels { column, labels: numbering.finish() }
            }),
        });
        Ok(Self { rows, tasks: raw.collect() })
    }

    /// What a network is to predict, except for the scales: the labels of every class task, and
    /// the columns of the others with mean 0 and deviation 1.
    ///
    /// # Errors
    /// [`DataError::OneClass`].
    pub(crate) fn unscaled(&self, table: &Table) -> Result<Targets, DataError> {
        let name = |column: usize| table.columns()[column].trim().to_owned();
        let tasks = self.tasks.iter().map(|task| match task {
            RawTask::Numbers { columns, .. } => {
                let unscaled = |column: &usize| RegressionTarget {
                    column: name(*column),
                    mean: 0.0,
                    std: 1.0,
                };
                Ok(TaskTarget::Regression(columns.iter().map(unscaled).collect()))
            }
            RawTask::Labels { column, labels } => {
                let labels = labels_in_order(labels);
                if let [label] = &labels[..] {
                    let (file, label) = (table.name().to_owned(), excerpt(label));
                    return Err(DataError::OneClass { file, column: name(*column), label });
                }
                Ok(TaskTarget::Classification(ClassTarget { column: name(*column), labels }))
            }
        });
        Ok(Targets::new(tasks.collect::<Result<_, _>>()?))
    }

    /// Numbers the classes by the labels of `targets`, whose tasks these are.
    ///
    /// # Errors
    /// [`DataError::UnknownClass`].
    pub(crate) fn numbered(
        self,
        table: &Table,
        targets: &Targets,
    ) -> Result<TargetValues, DataError> {
        let Self { rows, tasks } = self;
        let tasks = tasks.into_iter().zip(targets.tasks()).map(|(raw, target)| match raw {
            RawTask::Numbers { values, columns } => {
                Ok(TaskValues::Numbers { values, n_columns: columns.len() })
            }
            RawTask::Labels { labels, column } => {
                let known = target.labels();
                let class = classes(table, &rows, column, labels, known)?;
                Ok(TaskValues::Classes { class, n_classes: known.len() })
            }
        });
        let tasks = tasks.collect::<Result<_, _>>()?;
        let rows_left_out = table.n_rows() - rows.len();
        Ok(TargetValues { rows, tasks, rows_left_out })
    }
}

/// A regression task while rows are read.
struct Numbers {
    columns: Vec<usize>,
    values: Vec<f64>,
}

impl Numbers {
    /// Appends the numbers of a row; false if one is missing.
    fn read(&mut self, table: &Table, row: usize) -> Result<bool, DataError> {
        let mut is_whole = true;
        for &column in &self.columns {
            match Cell::Text(table.cell(row, column)).read_number() {
                Reading::Number(value) => self.values.push(value),
                Reading::Missing => is_whole = false,
                Reading::OutOfRange => return Err(out_of_range_error(table, row, column)),
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
struct Labels<'a> {
    column: usize,
    numbering: Numbering<'a>,
}

/// The distinct labels in class order.
fn labels_in_order(labels: &Categories<'_>) -> Vec<String> {
    let mut labels: Vec<String> = labels.values.iter().map(|label| (*label).to_owned()).collect();
    let number = |label: &str| label.parse::<f64>().ok().filter(|n| n.is_finite());
    if labels.iter().all(|label| number(label).is_some()) {
        // A stable sort: labels of one number, as 1 and 1.0, stay in text order.
        labels.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(Ordering::Equal));
    }
    labels
}

/// The class of each row: its label's place among the known ones.
fn classes(
    table: &Table,
    rows: &[usize],
    column: usize,
    labels: Categories<'_>,
    known: &[String],
) -> Result<Vec<u32>, DataError> {
    let Categories { values: found, numbers } = labels;
    let places: BTreeMap<&str, u32> = known.iter().map(String::as_str).zip(0u32..).collect();
    let classes: Vec<Option<u32>> = found.iter().map(|label| places.get(label).copied()).collect();
    let class_of = |(number, row): (Option<u32>, &usize)| {
        // Every row has a label.
        let number = number.unwrap_or_default() as usize;
        classes[number].ok_or_else(|| DataError::UnknownClass {
            file: table.name().to_owned(),
            line: table.line(*row),
            column: table.columns()[column].trim().to_owned(),
            label: excerpt(found[number]),
            known: list(known),
        })
    };
    numbers.into_iter().zip(rows).map(class_of).collect()
}
