//! What is to be predicted: tasks, each one or more columns of numbers in their own units, or a
//! column of classes by their labels.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cell::LARGEST;
use crate::column_kind::ColumnKind;
use crate::error::{DataError, StoredError};
use crate::labels::Labels;
use crate::missing::MissingMarkers;
use crate::regression_target::RegressionTarget;
use crate::schema::{ColumnSchema, Schema};
use crate::table::Table;
use crate::target_scale::ScaleKind;

/// The columns that a user asks for, task by task.
///
/// ```
/// use anabranch_data::TargetColumns;
///
/// let columns = TargetColumns::new().regress(["alcohol"]).classify("quality");
/// assert_eq!(columns.names().collect::<Vec<_>>(), ["alcohol", "quality"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetColumns {
    /// The tasks, in the order of the network's heads.
    pub tasks: Vec<TaskColumns>,
    /// On which scale some columns are predicted; the others are standardised.
    pub scales: Vec<(String, ScaleKind)>,
    /// A column that says how much each row counts in the losses: numbers from 0. It is not an
    /// input, and metrics count all rows alike.
    pub sample_weight: Option<String>,
}

/// The columns of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskColumns {
    /// Columns of numbers that one head predicts together; at least one.
    Regress(Vec<String>),
    /// A column of classes.
    Classify(String),
}

impl TargetColumns {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task that regresses `columns`.
    #[must_use]
    pub fn regress<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.tasks.push(TaskColumns::Regress(columns.into_iter().map(Into::into).collect()));
        self
    }

    /// Adds a task that classifies `column`.
    #[must_use]
    pub fn classify(mut self, column: impl Into<String>) -> Self {
        self.tasks.push(TaskColumns::Classify(column.into()));
        self
    }

    /// Predicts a column of numbers on this scale.
    #[must_use]
    pub fn scale(mut self, column: impl Into<String>, kind: ScaleKind) -> Self {
        self.scales.push((column.into(), kind));
        self
    }

    /// Weighs rows in the losses by the numbers in this column.
    #[must_use]
    pub fn sample_weight(self, column: impl Into<String>) -> Self {
        Self { sample_weight: Some(column.into()), ..self }
    }

    /// The scale that is asked for a column; the last one counts.
    pub(crate) fn scale_of(&self, column: &str) -> ScaleKind {
        let of_column = self.scales.iter().rev().find(|(name, _)| name.trim() == column);
        of_column.map_or(ScaleKind::Standard, |(_, kind)| *kind)
    }

    /// The names of all columns, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tasks.iter().flat_map(TaskColumns::names)
    }
}

impl TaskColumns {
    /// The names of the task's columns, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Regress(columns) => columns.as_slice(),
            Self::Classify(column) => std::slice::from_ref(column),
        };
        names.iter().map(String::as_str)
    }
}

/// The tasks of a trained network: the scales of its numbers and the labels of its classes. A model
/// file holds it (`serde`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredTargets")]
pub struct Targets {
    tasks: Vec<TaskTarget>,
}

/// What one head of a network predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskTarget {
    /// Columns of numbers, in the order of the head's outputs.
    Regression(Vec<RegressionTarget>),
    /// A column of classes.
    Classification(ClassTarget),
}

/// A column of class labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassTarget {
    /// The column's name.
    pub column: String,
    /// The labels in class order: by number if all of them are numbers, else in text order.
    pub labels: Vec<String>,
    /// When a cell is one of them.
    #[serde(default)]
    pub compared_as: Labels,
    /// Training rows of each label; none in model files of format 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<usize>,
    /// What stands for a missing value.
    #[serde(default = "MissingMarkers::format_1")]
    pub missing_markers: MissingMarkers,
}

impl ClassTarget {
    /// A column whose labels are not known yet.
    fn unlabelled(schema: &ColumnSchema) -> Self {
        let compared_as = match &schema.kind {
            ColumnKind::Category { labels } => *labels,
            ColumnKind::Number { .. } => Labels::Numbers,
            _ => Labels::Text,
        };
        let (column, missing_markers) = (schema.name.clone(), schema.missing_markers.clone());
        let (labels, rows) = (Vec::new(), Vec::new());
        Self { column, labels, compared_as, rows, missing_markers }
    }

    /// The column with the number of training rows of each label.
    pub(crate) fn counted(&self, classes: impl Iterator<Item = u32>) -> Self {
        let mut rows = vec![0; self.labels.len()];
        classes.for_each(|class| rows[class as usize] += 1);
        Self { rows, ..self.clone() }
    }
}

impl TaskTarget {
    /// The task's name: its column, or its columns separated by commas.
    pub fn name(&self) -> String {
        self.columns().collect::<Vec<_>>().join(",")
    }

    /// The names of the task's columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let class = match self {
            Self::Regression(_) => None,
            Self::Classification(class) => Some(class.column.as_str()),
        };
        self.regression().iter().map(|target| target.column.as_str()).chain(class)
    }

    /// The columns of a regression task, in the order of the head's outputs; none for classes.
    pub fn regression(&self) -> &[RegressionTarget] {
        match self {
            Self::Regression(columns) => columns,
            Self::Classification(_) => &[],
        }
    }

    /// The labels of a class task, in class order; none for numbers.
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Regression(_) => &[],
            Self::Classification(class) => &class.labels,
        }
    }

    /// The names of the columns that predictions of the task are written to: `COL_pred` for each
    /// column, then `COL_p_LABEL` for each label.
    pub fn prediction_columns(&self) -> impl Iterator<Item = String> {
        let name = self.name();
        let of_labels = self.labels().iter().map(move |label| format!("{name}_p_{label}"));
        self.columns().map(|column| format!("{column}_pred")).chain(of_labels)
    }

    /// The names of the columns that the deviations of an ensemble's members are written to:
    /// `COL_std` for each column, of a class that of the probability of the predicted one.
    pub fn deviation_columns(&self) -> impl Iterator<Item = String> {
        self.columns().map(|column| format!("{column}_std"))
    }

    /// The names of the columns that hold the truth in a stated share of rows: `COL_lower` and
    /// `COL_upper` of numbers, of a class `COL_set`.
    pub fn coverage_columns(&self) -> Vec<String> {
        match self {
            Self::Regression(columns) => {
                let ends = |target: &RegressionTarget| {
                    ["lower", "upper"].map(|end| format!("{}_{end}", target.column))
                };
                columns.iter().flat_map(ends).collect()
            }
            Self::Classification(class) => vec![format!("{}_set", class.column)],
        }
    }

    /// Outputs of the head: one for each column of numbers, or one for each class.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Regression(columns) => columns.len(),
            Self::Classification(class) => class.labels.len(),
        }
    }
}

impl Targets {
    pub(crate) fn new(tasks: Vec<TaskTarget>) -> Self {
        Self { tasks }
    }

    /// What the columns of a table are to be read as, before their scales and labels are known.
    ///
    /// # Errors
    /// [`DataError::UnknownColumn`].
    pub(crate) fn unread(
        table: &Table,
        schema: &Schema,
        columns: &TargetColumns,
    ) -> Result<Self, DataError> {
        let column = |name: &String| Ok(&schema.columns()[table.column_index(name)?]);
        let tasks = columns.tasks.iter().map(|task| match task {
            TaskColumns::Regress(names) => {
                let columns =
                    names.iter().map(|name| Ok(RegressionTarget::unscaled(column(name)?)));
                Ok(TaskTarget::Regression(columns.collect::<Result<_, DataError>>()?))
            }
            TaskColumns::Classify(name) => {
                Ok(TaskTarget::Classification(ClassTarget::unlabelled(column(name)?)))
            }
        });
        Ok(Self::new(tasks.collect::<Result<_, DataError>>()?))
    }

    /// These, without a limit to what is predicted on a linear scale: there it shows what training
    /// has come to.
    #[must_use]
    pub fn unbounded(&self) -> Self {
        let mut targets = self.clone();
        for task in &mut targets.tasks {
            if let TaskTarget::Regression(columns) = task {
                let linear = columns.iter_mut().filter(|column| column.scale.is_linear());
                linear.for_each(|column| column.range = None);
            }
        }
        targets
    }

    /// The tasks, in the order of the network's heads.
    pub fn tasks(&self) -> &[TaskTarget] {
        &self.tasks
    }

    /// Those of the tasks whose columns `table` has, if there are any, and their places among all.
    pub fn in_table(&self, table: &Table) -> Option<(Self, Vec<usize>)> {
        let is_there = |(_, task): &(usize, &TaskTarget)| {
            task.columns().all(|column| table.column_index(column).is_ok())
        };
        let (places, tasks): (Vec<_>, Vec<_>) = self
            .tasks
            .iter()
            .enumerate()
            .filter(is_there)
            .map(|(i, task)| (i, task.clone()))
            .unzip();
        (!tasks.is_empty()).then_some((Self { tasks }, places))
    }
}

/// [`Targets`] as a file holds them, before they are checked.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredTargets {
    Tasks {
        tasks: Vec<TaskTarget>,
    },
    /// Of format 1: one regression head and one class.
    TwoBranch {
        regression: Vec<RegressionTarget>,
        class: ClassTarget,
    },
}

impl TryFrom<StoredTargets> for Targets {
    type Error = StoredError;

    fn try_from(stored: StoredTargets) -> Result<Self, StoredError> {
        let tasks = match stored {
            StoredTargets::Tasks { tasks } => tasks,
            StoredTargets::TwoBranch { regression, class } => {
                vec![TaskTarget::Regression(regression), TaskTarget::Classification(class)]
            }
        };
        if tasks.is_empty() {
            return Err(StoredError::new("", "no task"));
        }
        let mut names = BTreeSet::new();
        for task in &tasks {
            for column in task.columns() {
                if !names.insert(column) {
                    return Err(StoredError::new(column, "a column that is a target twice"));
                }
            }
            check_stored(task)?;
        }
        Ok(Self { tasks })
    }
}

fn check_stored(task: &TaskTarget) -> Result<(), StoredError> {
    match task {
        TaskTarget::Regression(columns) => {
            if columns.is_empty() {
                return Err(StoredError::new("", "a regression without a column"));
            }
            for target in columns {
                // NaN fails every comparison.
                let in_range = target.mean.abs() <= LARGEST && target.std <= LARGEST;
                if !(in_range && target.std > 0.0) {
                    let problem = "a mean or deviation that is not finite or not positive";
                    return Err(StoredError::new(&target.column, problem));
                }
                let is_range = |[min, max]: [f64; 2]| {
                    min.abs() <= LARGEST && max.abs() <= LARGEST && min <= max
                };
                if !(target.range.is_none_or(is_range) && target.scale.is_sound()) {
                    let problem = "a scale or a range that cannot be";
                    return Err(StoredError::new(&target.column, problem));
                }
                if target.center.is_some_and(|center| center.is_nan() || center.abs() > LARGEST) {
                    return Err(StoredError::new(&target.column, "a mean that is not finite"));
                }
            }
        }
        TaskTarget::Classification(class) => {
            let labels: BTreeSet<&String> = class.labels.iter().collect();
            if labels.len() < 2 || labels.len() != class.labels.len() {
                let problem = "fewer than two classes, or one twice";
                return Err(StoredError::new(&class.column, problem));
            }
            if ![0, labels.len()].contains(&class.rows.len()) {
                let problem = "rows of more or fewer classes than there are";
                return Err(StoredError::new(&class.column, problem));
            }
        }
    }
    Ok(())
}
