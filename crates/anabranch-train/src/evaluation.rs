//! What a model is worth on the rows of a table or data set.

use std::convert::Infallible;
use std::ops::Range;

use anabranch_data::{
    Dataset, Table, TargetValues, Targets, TaskTarget, TaskValues, Warning, WarningCode,
};
use anabranch_layers::Target;
use anabranch_tensor::matrix;
use anabranch_tensor::rows::gather_rows;

use crate::baselines::simplest;
use crate::error::TrainError;
use crate::evaluate::CHUNK_ROWS;
use crate::model::Model;
use crate::rows::Rows;
use crate::task_metrics::{JudgedTask, TaskMetrics};

/// What a model is worth on the rows of a table.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Rows that are judged: those that have the targets of some task that is judged.
    pub rows: usize,
    /// Rows that lack all targets, or are of a class that training never saw.
    pub rows_left_out: usize,
    /// Rows that have the targets of each task; 0 for a task that is not judged.
    pub task_rows: Vec<usize>,
    /// The metrics of each task, in the columns' units; undefined for a task that is not judged, or
    /// was not trained since its weight is 0.
    pub metrics: Vec<TaskMetrics>,
    /// What the training mean of numbers and the most frequent class are worth on these rows;
    /// undefined for a model of format 1, which does not know them.
    pub baselines: Vec<TaskMetrics>,
    /// What was predicted for the rows, and what was true: metrics of a part of them follow.
    pub judged: Vec<JudgedTask>,
    /// The rows of the table that are judged, in order.
    pub table_rows: Vec<usize>,
    /// What the user should know about the table.
    pub warnings: Vec<Warning>,
}

impl Model {
    /// Judges the model on the rows of a table, in those tasks whose columns the table has: each
    /// task on the rows that have its targets.
    ///
    /// # Errors
    /// If an input column or those of all tasks are missing, a cell cannot be read, or no row has
    /// targets of known classes.
    pub fn evaluate(&self, table: &Table) -> Result<Evaluation, TrainError> {
        // Without any of their columns, reading them says which there are.
        let (targets, places) = self.targets().in_table(table).unwrap_or_else(|| {
            (self.targets().clone(), (0..self.targets().tasks().len()).collect())
        });
        let mut found = targets.read(table)?;
        let mut warnings = std::mem::take(&mut found.warnings);
        let tasks = self.targets().tasks().iter().enumerate();
        let absent = tasks.filter(|(place, _)| !places.contains(place));
        warnings.extend(absent.map(|(_, task)| {
            let name = task.name();
            let message =
                format!("{name:?} is not in the table: what is predicted for it is not judged");
            Warning::new(WarningCode::NotJudged, message).column(&name)
        }));
        let encoded = self.encoder().encode::<f32>(self.executor(), table, &found.rows)?;
        warnings.extend(encoded.warnings);
        let tasks = standardised(&found, &targets);
        let mut judged_tasks = self.nothing_judged(self.targets());
        self.for_each_encoded(&encoded.x, self.targets(), |rows, heads| {
            for ((values, present), place) in tasks.iter().zip(&found.present).zip(&places) {
                let target = match values {
                    TaskValues::Numbers { values, n_columns: width } => {
                        let values = &values[rows.start * width..rows.end * width];
                        Target::Values(matrix(values, rows.len(), *width))
                    }
                    TaskValues::Classes { class, .. } => Target::Classes(&class[rows.clone()]),
                };
                let has_target = |row: usize| present.has(rows.start + row);
                let head = &heads[*place];
                let apart: Vec<f64> = head.deviations(rows.len()).collect();
                judged_tasks[*place].add(head.output(rows.len()), target, &apart, has_target);
            }
        });
        // Undefined where a task is not judged.
        let nothing = self.nothing_judged(self.targets());
        let mut baselines: Vec<TaskMetrics> = nothing.iter().map(JudgedTask::metrics).collect();
        let (rows, rows_left_out) = (found.rows.len(), found.rows_left_out);
        let mut task_rows = vec![0; judged_tasks.len()];
        let known = tasks.iter().zip(&found.present).zip(targets.tasks()).zip(&places);
        for (((values, present), target), place) in known {
            baselines[*place] = simplest(values, present, target);
            task_rows[*place] = present.count(0..rows);
        }
        let metrics = judged_tasks.iter().map(JudgedTask::metrics).collect();
        let (judged, table_rows) = (judged_tasks, found.rows);
        Ok(Evaluation {
            rows,
            rows_left_out,
            task_rows,
            metrics,
            baselines,
            judged,
            table_rows,
            warnings,
        })
    }

    /// The metrics of each task on some rows of the data set that the model was trained on, in the
    /// units of `targets`; undefined for a task of weight 0, which is not trained.
    ///
    /// # Panics
    /// If the data set lacks a row or has other inputs than the model.
    pub fn metrics(
        &self,
        dataset: &Dataset<f32>,
        row_idx: &[usize],
        targets: &Targets,
    ) -> Vec<TaskMetrics> {
        self.judged(dataset, row_idx, targets).iter().map(JudgedTask::metrics).collect()
    }

    /// What is predicted in each task for some rows of the data set that the model was trained on,
    /// and what is true; nothing for a task of weight 0.
    ///
    /// # Panics
    /// As [`metrics`](Self::metrics).
    pub fn judged(
        &self,
        dataset: &Dataset<f32>,
        row_idx: &[usize],
        targets: &Targets,
    ) -> Vec<JudgedTask> {
        let mut rows = Rows::new(dataset, CHUNK_ROWS);
        let mut judged = self.nothing_judged(targets);
        let gather = |places: Range<usize>, x: &mut [f32]| {
            gather_rows(&dataset.x, dataset.n_inputs, &row_idx[places], x);
            Ok::<(), Infallible>(())
        };
        let Ok(()) = self.for_each_chunk(row_idx.len(), targets, gather, |places, heads| {
            // No loss is computed, and no weight needed.
            rows.gather(dataset, &[], &row_idx[places]);
            let of_rows = rows.targets().zip(rows.present());
            for ((judged, head), (target, present)) in judged.iter_mut().zip(heads).zip(of_rows) {
                let apart: Vec<f64> = head.deviations(rows.n_rows()).collect();
                judged.add(head.output(rows.n_rows()), target, &apart, |row| present.has(row));
            }
        });
        judged
    }

    /// Each task without rows.
    fn nothing_judged(&self, targets: &Targets) -> Vec<JudgedTask> {
        let heads = self.graph().heads().iter().zip(targets.tasks());
        heads.map(|(head, target)| JudgedTask::of_head(head, target.regression())).collect()
    }
}

/// The targets of rows in the network's units.
fn standardised(found: &TargetValues, targets: &Targets) -> Vec<TaskValues<f32>> {
    let of_task = |(values, target): (&TaskValues<f64>, &TaskTarget)| match values {
        TaskValues::Classes { class, n_classes } => {
            TaskValues::Classes { class: class.clone(), n_classes: *n_classes }
        }
        TaskValues::Numbers { values, n_columns } => {
            let columns = target.regression();
            let scaled = values.iter().enumerate();
            let scaled = scaled.map(|(i, y)| columns[i % n_columns].standardise(*y) as f32);
            TaskValues::Numbers { values: scaled.collect(), n_columns: *n_columns }
        }
    };
    found.tasks.iter().zip(targets.tasks()).map(of_task).collect()
}
