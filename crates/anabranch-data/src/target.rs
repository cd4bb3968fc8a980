//! What is to be predicted: numbers in their own units, and classes by their labels.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cell::{Cell, LARGEST, Reading, value_of};
use crate::column::{Categories, Numbering, mean_and_std, out_of_range_error};
use crate::error::{DataError, StoredError, excerpt, list};
use crate::table::Table;

/// The columns that a user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetColumns {
    /// Columns to regress, one at least. The network's outputs have this order.
    pub regress: Vec<String>,
    /// The column to classify.
    pub classify: String,
}

/// The target columns of a trained network: the scale of its numbers and the names of its classes. A model file holds
/// it (`serde`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredTargets")]
pub struct Targets {
    regression: Vec<RegressionTarget>,
    class: ClassTarget,
}

/// A column of numbers, standardised on the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegressionTarget {
    /// The column's name.
    pub column: String,
    /// Mean of the training rows, in the column's units.
    pub mean: f64,
    /// Their population standard deviation in the column's units, or 1 where it is 0.
    pub std: f64,
}

/// A column of class labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassTarget {
    /// The column's name.
    pub column: String,
    /// The labels in class order: by number if all of them are numbers, else in text order.
    pub labels: Vec<String>,
}

/// The rows of a table that have all targets, and the targets of these rows.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetValues {
    /// Rows of the table, ascending.
    pub rows: Vec<usize>,
    /// `[rows, regression columns]`, row-major, in the columns' units.
    pub values: Vec<f64>,
    /// Class of each row: its label's place in [`ClassTarget::labels`].
    pub class: Vec<u32>,
    /// Rows of the table that lack a target.
    pub rows_left_out: usize,
}

impl RegressionTarget {
    /// Takes the scale from training values.
    pub(crate) fn fit(column: &str, values: impl Iterator<Item = f64> + Clone) -> Self {
        let (mean, std) = mean_and_std(values);
        Self { column: column.to_owned(), mean, std }
    }

    /// From the column's units to the network's: (value − mean)/std.
    pub fn standardise(&self, value: f64) -> f64 {
        (value - self.mean) / self.std
    }

    /// From the network's units to the column's: z·std + mean.
    pub fn unscale(&self, z: f64) -> f64 {
        z * self.std + self.mean
    }
}

impl Targets {
    pub(crate) fn new(regression: Vec<RegressionTarget>, class: ClassTarget) -> Self {
        Self { regression, class }
    }

    /// The regression columns, in the order of the network's outputs.
    pub fn regression(&self) -> &[RegressionTarget] {
        &self.regression
    }

    /// The class column.
    pub fn class(&self) -> &ClassTarget {
        &self.class
    }

    /// Reads the targets of a table that a trained network is to be judged on.
    ///
    /// # Errors
    /// [`DataError`] for a target column that the table lacks, text or infinity in a regression column, a class that
    /// training never saw, or a table in which no row has all targets.
    pub fn read(&self, table: &Table) -> Result<TargetValues, DataError> {
        let regress = self.regression.iter().map(|target| table.column_index(&target.column));
        let regress: Vec<usize> = regress.collect::<Result<_, _>>()?;
        let raw = RawTargets::read(table, &regress, table.column_index(&self.class.column)?)?;
        raw.with_classes(table, &self.class)
    }
}

/// The targets of a table before the classes are numbered.
pub(crate) struct RawTargets<'a> {
    rows: Vec<usize>,
    values: Vec<f64>,
    labels: Categories<'a>,
}

impl<'a> RawTargets<'a> {
    /// Reads the rows that have a value in all of the given columns.
    pub(crate) fn read(
        table: &'a Table,
        regress: &[usize],
        classify: usize,
    ) -> Result<Self, DataError> {
        let (mut rows, mut values, mut labels) = (Vec::new(), Vec::new(), Numbering::default());
        for row in 0..table.n_rows() {
            let before = values.len();
            for &column in regress {
                match Cell::Text(table.cell(row, column)).read_number() {
                    Reading::Number(value) => values.push(value),
                    Reading::Missing => {}
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
            match value_of(table.cell(row, classify)) {
                Some(label) if values.len() == before + regress.len() => {
                    rows.push(row);
                    labels.push(Some(label));
                }
                _ => values.truncate(before),
            }
        }
        if rows.is_empty() {
            let columns = regress.iter().chain([&classify]).map(|i| table.columns()[*i].trim());
            return Err(DataError::NoTargets {
                file: table.name().to_owned(),
                columns: list(&columns.collect::<Vec<_>>()),
            });
        }
        Ok(Self { rows, values, labels: labels.finish() })
    }

    /// The distinct labels in class order.
    ///
    /// # Errors
    /// [`DataError::OneClass`].
    pub(crate) fn classes(&self, table: &Table, classify: usize) -> Result<ClassTarget, DataError> {
        let column = table.columns()[classify].trim().to_owned();
        let mut labels: Vec<String> =
            self.labels.values.iter().map(|label| (*label).to_owned()).collect();
        if let [label] = &labels[..] {
            let (file, label) = (table.name().to_owned(), excerpt(label));
            return Err(DataError::OneClass { file, column, label });
        }
        let number = |label: &str| label.parse::<f64>().ok().filter(|n| n.is_finite());
        if labels.iter().all(|label| number(label).is_some()) {
            // A stable sort: labels of one number, as 1 and 1.0, stay in text order.
            labels.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(Ordering::Equal));
        }
        Ok(ClassTarget { column, labels })
    }

    /// Numbers the classes.
    ///
    /// # Errors
    /// [`DataError::UnknownClass`].
    pub(crate) fn with_classes(
        self,
        table: &Table,
        target: &ClassTarget,
    ) -> Result<TargetValues, DataError> {
        let Self { rows, values, labels: Categories { values: found, numbers } } = self;
        let known: BTreeMap<&str, u32> =
            target.labels.iter().map(String::as_str).zip(0u32..).collect();
        let classes: Vec<Option<u32>> =
            found.iter().map(|label| known.get(label).copied()).collect();
        let class_of = |(number, row): (Option<u32>, &usize)| {
            // Every row has a label.
            let number = number.unwrap_or_default() as usize;
            classes[number].ok_or_else(|| DataError::UnknownClass {
                file: table.name().to_owned(),
                line: table.line(*row),
                column: target.column.clone(),
                label: excerpt(found[number]),
                known: list(&target.labels),
            })
        };
        let class = numbers.into_iter().zip(&rows).map(class_of).collect::<Result<_, _>>()?;
        let rows_left_out = table.n_rows() - rows.len();
        Ok(TargetValues { rows, values, class, rows_left_out })
    }
}

/// [`Targets`] as a file holds them, before they are checked.
#[derive(Deserialize)]
struct StoredTargets {
    regression: Vec<RegressionTarget>,
    class: ClassTarget,
}

impl TryFrom<StoredTargets> for Targets {
    type Error = StoredError;

    fn try_from(stored: StoredTargets) -> Result<Self, StoredError> {
        let StoredTargets { regression, class } = stored;
        if regression.is_empty() {
            return Err(StoredError::new("", "no regression column"));
        }
        let mut names = BTreeSet::from([class.column.as_str()]);
        for target in &regression {
            let wrong = |problem| Err(StoredError::new(&target.column, problem));
            if !names.insert(&target.column) {
                return wrong("a column that is a target twice");
            }
            // NaN fails every comparison.
            let in_range = target.mean.abs() <= LARGEST && target.std <= LARGEST;
            if !(in_range && target.std > 0.0) {
                return wrong("a mean or deviation that is not finite or not positive");
            }
        }
        let labels: BTreeSet<&String> = class.labels.iter().collect();
        if labels.len() < 2 || labels.len() != class.labels.len() {
            return Err(StoredError::new(&class.column, "fewer than two classes, or one twice"));
        }
        Ok(Self { regression, class })
    }
}
