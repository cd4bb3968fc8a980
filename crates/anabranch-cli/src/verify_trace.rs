//! A trace trained again, by the trainer that `train` uses.

use std::ops::ControlFlow;

use anabranch::data::{Dataset, Presence, Split, Targets, TaskValues};
use anabranch::graph::{Fusion, Graph};
use anabranch::tensor::{Executor, Scalar};
use anabranch::train::{
    BatchOrder, EpochReport, Observer, TaskBalance, TaskMetrics, TrainConfig, TrainError, Trainer,
    Watch, baselines,
};
use anabranch::verify::trace::{Arrays, Data, Task, Trace};

use serde_json::json;

use crate::failure::Failure;
use crate::network::check_memory;

/// Trains as the trace says; returns the results under the names of its expectations.
pub(crate) fn replay<T: Scalar>(trace: &Trace, exec: &Executor) -> Result<Arrays, Failure> {
    let config = config(trace)?;
    let dataset = dataset::<T>(trace)?;
    let graph = trace.river.build::<T>(Fusion::Fused)?;
    check_memory(&graph, &dataset, &config, exec, 1)?;
    let weights = trace.data.weights.as_ref().map(|weights| start(&graph, weights)).transpose()?;
    let mut trainer = Trainer::new(&dataset, graph, &config, exec)?;
    if let Some((params, state)) = weights {
        trainer = trainer.with_weights(&params, &state)?;
    }
    if let Some(epochs) = &trace.order {
        trainer = trainer.with_batches(Given::new(epochs)?)?;
    }
    let mut diary = Diary::default();
    match trainer.run(&mut diary) {
        Err(TrainError::Diverged { epoch, .. }) => {
            return Ok(Arrays::from([("diverged".to_owned(), vec![epoch as f64])]));
        }
        trained => trained?,
    }
    let mut arrays = diary.0;
    let best_epoch = trainer.best_epoch(0).unwrap_or(0);
    arrays.insert("best_epoch".into(), vec![best_epoch as f64]);
    let moments = trainer.run_state().optimizer.moments;
    for array in trainer.graph().params() {
        let (name, range) = (&array.name, array.range.clone());
        arrays.insert(format!("params.{name}"), to_f64(&trainer.params()[range.clone()]));
        for (moment, values) in &moments {
            arrays.insert(format!("{moment}.{name}"), to_f64(&values[range.clone()]));
        }
    }
    for array in trainer.graph().state() {
        let values = &trainer.state()[array.range.clone()];
        arrays.insert(format!("state.{}", array.name), to_f64(values));
    }
    let targets = targets(&dataset)?;
    let simplest = baselines(&dataset, &targets);
    for (kind, tasks) in [("test", trainer.test_metrics(&targets)), ("baselines", simplest)] {
        for (task, metrics) in tasks.iter().enumerate() {
            arrays.insert(format!("{kind}.{task}"), figures(metrics));
        }
    }
    Ok(arrays)
}

fn config(trace: &Trace) -> Result<TrainConfig, Failure> {
    let train = &trace.train;
    Ok(TrainConfig {
        epochs: train.epochs,
        batch_size: train.batch_size,
        optimizer: train.optimizer.parse().map_err(Failure::input)?,
        lr: train.lr,
        schedule: train.schedule,
        weight_decay: train.weight_decay,
        clip: train.clip,
        patience: train.patience,
        watch: Watch::Sum,
        task_balance: TaskBalance::Fixed,
        seed: train.seed,
    })
}

fn dataset<T: Scalar>(trace: &Trace) -> Result<Dataset<T>, Failure> {
    let Data { x, tasks, train, validation, test, .. } = &trace.data;
    let rows = |rows: &[Vec<f64>], width: usize| -> Result<Vec<T>, Failure> {
        match rows.iter().position(|row| row.len() != width) {
            Some(row) => Err(Failure::input(format!("row {row} has not {width} numbers"))),
            None => Ok(rows.iter().flatten().map(|v| T::from_f64(*v)).collect()),
        }
    };
    let task = |task: &Task| match task {
        Task::Numbers { numbers, .. } => {
            let n_columns = numbers.first().map_or(0, Vec::len);
            Ok(TaskValues::Numbers { values: rows(numbers, n_columns)?, n_columns })
        }
        Task::Classes { classes, n_classes, .. } => {
            Ok(TaskValues::Classes { class: classes.clone(), n_classes: *n_classes })
        }
    };
    let presence = |(Task::Numbers { has, .. } | Task::Classes { has, .. }): &Task| {
        has.clone().map_or(Presence::All, Presence::Each)
    };
    let n_inputs = trace.river.inputs;
    Ok(Dataset {
        x: rows(x, n_inputs)?,
        tasks: tasks.iter().map(task).collect::<Result<_, Failure>>()?,
        present: tasks.iter().map(presence).collect(),
        sample_weights: None,
        split: Split {
            train: train.clone(),
            validation: validation.clone(),
            test: test.clone(),
            ..Split::default()
        },
        n_rows: x.len(),
        n_inputs,
    })
}

/// Columns in the units of the trace, named by their numbers.
fn targets<T>(dataset: &Dataset<T>) -> Result<Targets, Failure> {
    let task = |(task, values): (usize, &TaskValues<T>)| match values {
        TaskValues::Numbers { n_columns, .. } => {
            let column = |j| json!({"column": format!("{task}.{j}"), "mean": 0.0, "std": 1.0});
            json!({"regression": (0..*n_columns).map(column).collect::<Vec<_>>()})
        }
        TaskValues::Classes { n_classes, .. } => {
            let labels: Vec<String> = (0..*n_classes).map(|class| class.to_string()).collect();
            json!({"classification": {"column": task.to_string(), "labels": labels}})
        }
    };
    let tasks: Vec<_> = dataset.tasks.iter().enumerate().map(task).collect();
    serde_json::from_value(json!({"tasks": tasks})).map_err(Failure::input)
}

/// The parameters of the file, and the running statistics that every run begins with.
fn start<T: Scalar>(graph: &Graph<T>, weights: &Arrays) -> Result<(Vec<T>, Vec<T>), Failure> {
    let (mut params, state) = graph.init(0);
    for array in graph.params() {
        let found = weights.get(&array.name).filter(|values| values.len() == array.range.len());
        let Some(values) = found else {
            let (name, n) = (&array.name, array.range.len());
            return Err(Failure::input(format!("the weights need {n} numbers as {name:?}")));
        };
        for (param, value) in params[array.range.clone()].iter_mut().zip(values) {
            *param = T::from_f64(*value);
        }
    }
    Ok((params.to_vec(), state.to_vec()))
}

/// The batches of a trace, over and over.
#[derive(Debug)]
struct Given {
    epochs: Vec<Vec<Vec<usize>>>,
    epoch: usize,
}

impl Given {
    fn new(epochs: &[Vec<Vec<usize>>]) -> Result<Self, Failure> {
        let n_batches = epochs.first().map_or(0, Vec::len);
        if n_batches == 0 || epochs.iter().any(|epoch| epoch.len() != n_batches) {
            return Err(Failure::input(
                "the order needs as many batches in every epoch, some at least",
            ));
        }
        Ok(Self { epochs: epochs.to_vec(), epoch: 0 })
    }
}

impl BatchOrder for Given {
    fn start_epoch(&mut self, epoch: u64) {
        self.epoch = (epoch % self.epochs.len() as u64) as usize;
    }

    fn n_batches(&self) -> usize {
        self.epochs[0].len()
    }

    fn max_rows(&self) -> usize {
        self.epochs.iter().flatten().map(Vec::len).max().unwrap_or(0)
    }

    fn batch(&self, batch: usize) -> &[usize] {
        &self.epochs[self.epoch][batch]
    }
}

/// Records what the epochs report.
#[derive(Default)]
struct Diary(Arrays);

impl<T> Observer<T> for Diary {
    fn watches(&self, _step: u64) -> bool {
        false
    }

    fn epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        let mut add = |name: &str, values: &[f64]| {
            self.0.entry(format!("epochs.{name}")).or_default().extend(values);
        };
        add("train", &report.train);
        if let Some(validation) = &report.validation {
            add("validation", validation);
        }
        add("lr_factor", &[report.lr_factor]);
        add("is_best", &[f64::from(u8::from(report.is_best))]);
        ControlFlow::Continue(())
    }
}

/// Of each column; NaN where one is undefined.
fn figures(metrics: &TaskMetrics) -> Vec<f64> {
    let classes = match metrics {
        TaskMetrics::Regression(columns) => {
            let of_column = columns.iter().flat_map(|m| [m.rmse, m.mae, m.r2]);
            return of_column.map(|value| value.unwrap_or(f64::NAN)).collect();
        }
        TaskMetrics::Classification(class) => std::slice::from_ref(class),
        TaskMetrics::Binary(columns) => columns,
    };
    let of_column = classes.iter().flat_map(|m| [m.accuracy, m.log_loss, m.macro_f1]);
    of_column.map(|value| value.unwrap_or(f64::NAN)).collect()
}

fn to_f64<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}
