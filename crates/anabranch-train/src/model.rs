//! A trained network that predicts: encoders, weights and the names of what it predicts.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anabranch_data::{
    Cell, Encoder, RowError, RowNotes, Table, TargetValues, Targets, TaskTarget, TaskValues,
    Warning, WarningCode,
};
use anabranch_graph::{Fusion, Graph, GraphError, Head, Mode, River, Workspace};
use anabranch_layers::{Target, TargetKind};
use anabranch_tensor::{ArrayView2, Executor, flat, matrix};

use crate::baselines::simplest;
use crate::error::TrainError;
use crate::evaluate::CHUNK_ROWS;
use crate::prediction::{Prediction, Predictions, TaskPrediction};
use crate::task_metrics::{TaskMetrics, TaskSums};
use crate::trainer::Trainer;

/// A trained river with the encoding of its inputs.
///
/// Prediction takes `&self`, from any number of threads, and allocates nothing once there is a
/// cache for each thread that predicts at the same time.
///
/// A model file, and one row or a matrix predicted in three lines:
///
/// ```
/// use anabranch_train::{Model, Predictions};
/// # use anabranch_train::{NoObserver, TrainConfig, Trainer};
/// # use anabranch_data::{Fractions, Table, TargetColumns, prepare};
/// # use anabranch_graph::{Fusion, TwoBranch};
/// # use anabranch_tensor::{Executor, matrix};
/// # let table = Table::from_reader("grapes", "sugar,sort,alcohol,grade\n9,red,11,good\n7,white,9,fair\n".repeat(9).replace("\nsugar,sort,alcohol,grade", "").as_bytes())?;
/// # let columns = TargetColumns::new().regress(["alcohol"]).classify("grade");
/// # let exec = Executor::serial();
/// # let prepared = prepare::<f32>(&exec, &table, &columns, Fractions::default(), 1)?;
/// # let river = TwoBranch::new(prepared.encoder.width(), 4, 1, 4, 2).river();
/// # let config = TrainConfig { epochs: 1, ..TrainConfig::default() };
/// # let mut trainer = Trainer::new(&prepared.dataset, river.build(Fusion::Fused)?, &config, &exec)?;
/// # trainer.run(&mut NoObserver)?;
/// # let file = tempfile::NamedTempFile::new()?;
/// # let path = file.path();
/// # Model::from_trainer(&trainer, river, prepared.encoder, prepared.targets)?.save(path)?;
///
/// let model = Model::load(path)?;
/// let mut prediction = model.prediction();
/// model.predict_row(&[("sugar", 8.5.into()), ("sort", "red".into())], &mut prediction)?;
///
/// // Task 0 is a number, task 1 a class.
/// println!("{} {:?}", prediction.values(0)[0], model.label(1, &prediction));
/// # assert!(prediction.values(0)[0].is_finite() && prediction.probabilities(1).len() == 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Model {
    river: River,
    graph: Graph<f32>,
    params: Vec<f32>,
    state: Vec<f32>,
    encoder: Encoder,
    targets: Targets,
    exec: Executor,
    /// Caches that no thread uses at the moment.
    caches: Mutex<Vec<Cache>>,
}

/// The memory that one thread predicts in.
#[derive(Debug)]
struct Cache {
    x: Vec<f32>,
    workspace: Workspace<f32>,
}

/// What a model is worth on the rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Rows that are judged: those that have a target of every task that is judged.
    pub rows: usize,
    /// Rows that lack a target, or are of a class that training never saw.
    pub rows_left_out: usize,
    /// The metrics of each task, in the columns' units; undefined for a task that is not judged, or
    /// was not trained since its weight is 0.
    pub metrics: Vec<TaskMetrics>,
    /// What the training mean of numbers and the most frequent class are worth on these rows;
    /// undefined for a model of format 1, which does not know them.
    pub baselines: Vec<TaskMetrics>,
    /// What the user should know about the table.
    pub warnings: Vec<Warning>,
}

impl Model {
    /// A model of its parts.
    ///
    /// # Errors
    /// If the network's inputs and tasks do not fit the encoder and targets, or the numbers do not
    /// fit the network.
    pub fn new(
        river: River,
        params: Vec<f32>,
        state: Vec<f32>,
        encoder: Encoder,
        targets: Targets,
    ) -> Result<Self, TrainError> {
        let graph = river.build(Fusion::Fused)?;
        check_targets(&graph, &targets)?;
        for (what, expected, got) in [
            ("inputs", graph.inputs(), encoder.width()),
            ("parameters", graph.params_len(), params.len()),
            ("running statistics", graph.state_len(), state.len()),
        ] {
            if expected != got {
                return Err(TrainError::Sizes { what, expected, got });
            }
        }
        let caches = Mutex::new(Vec::new());
        let exec = Executor::serial();
        let model = Self { river, graph, params, state, encoder, targets, exec, caches };
        // The first cache is made here, where a failure can be told.
        let cache = model.new_cache()?;
        model.put_back(cache);
        Ok(model)
    }

    /// The model of a trainer's current weights; `river` is what its network was built from.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_trainer(
        trainer: &Trainer<'_, f32>,
        river: River,
        encoder: Encoder,
        targets: Targets,
    ) -> Result<Self, TrainError> {
        let (params, state) = (trainer.params().to_vec(), trainer.state().to_vec());
        Self::new(river, params, state, encoder, targets)
    }

    /// Predicts tables and matrices with `exec`; without this they are predicted on the calling
    /// thread.
    ///
    /// # Errors
    /// If a layer refuses the sizes, which it did not when the model was made.
    pub fn with_executor(self, exec: Executor) -> Result<Self, GraphError> {
        let model = Self { exec, caches: Mutex::new(Vec::new()), ..self };
        let cache = model.new_cache()?;
        model.put_back(cache);
        Ok(model)
    }

    /// The description of the network.
    pub fn river(&self) -> &River {
        &self.river
    }

    /// The network.
    pub fn graph(&self) -> &Graph<f32> {
        &self.graph
    }

    /// The parameters, in the order of [`Graph::params`].
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    /// The running statistics, in the order of [`Graph::state`].
    pub fn state(&self) -> &[f32] {
        &self.state
    }

    /// The encoding of the inputs.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// What is predicted, task by task.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The label of the class that is predicted in a class task; `None` for numbers, or if there is
    /// no such task.
    pub fn label(&self, task: usize, prediction: &Prediction) -> Option<&str> {
        let labels = self.targets.tasks().get(task)?.labels();
        labels.get(prediction.class(task)?).map(String::as_str)
    }

    /// A prediction to be filled by [`predict_row`](Self::predict_row).
    pub fn prediction(&self) -> Prediction {
        Prediction { tasks: self.targets.tasks().iter().map(TaskPrediction::new).collect() }
    }

    /// Predicts one row, given as named fields in any order; fields that the model does not know
    /// are ignored.
    ///
    /// # Errors
    /// If an input column has no field, or a field is not of its column's kind.
    ///
    /// # Panics
    /// If `prediction` is another model's.
    pub fn predict_row(
        &self,
        fields: &[(&str, Cell<'_>)],
        prediction: &mut Prediction,
    ) -> Result<RowNotes, RowError> {
        let mut cache = self.take();
        let width = self.encoder.width();
        let notes = self.encoder.encode_fields(fields, &mut cache.x[..width]);
        if notes.is_ok() {
            // One row is too little work to share.
            self.run(&Executor::serial(), &mut cache, 1);
            let heads = self.graph.heads().iter().zip(self.targets.tasks());
            for (task, (head, target)) in prediction.tasks.iter_mut().zip(heads) {
                task.read(cache.workspace.prediction(head), target);
            }
        }
        self.put_back(cache);
        notes
    }

    /// Predicts the rows of a matrix of plain numbers `[rows, input columns]`, in the order of
    /// [`Encoder::input_columns`]; NaN is a missing cell.
    ///
    /// # Errors
    /// If the matrix has another number of columns, a number is infinite, or an input column holds
    /// categories.
    pub fn predict_matrix(
        &self,
        cells: ArrayView2<'_, f64>,
        predictions: &mut Predictions,
    ) -> Result<(), RowError> {
        let (n_rows, n_columns) = cells.dim();
        let width = self.encoder.width();
        let cells = cells.as_standard_layout();
        let cells = flat(cells.view());
        predictions.resize(n_rows, self.targets.tasks());
        let encode = |rows: Range<usize>, x: &mut [f32]| {
            for (row, x) in rows.zip(x.chunks_exact_mut(width)) {
                self.encoder.encode_numbers(&cells[row * n_columns..][..n_columns], x)?;
            }
            Ok(())
        };
        self.for_each_chunk(n_rows, encode, |rows, workspace| {
            self.read(rows, workspace, predictions);
        })
    }

    /// Predicts every row of a table. It needs the input columns only, in any order.
    ///
    /// # Errors
    /// If an input column is missing or a number is infinite.
    pub fn predict_table(&self, table: &Table) -> Result<(Predictions, Vec<Warning>), TrainError> {
        let rows: Vec<usize> = (0..table.n_rows()).collect();
        let encoded = self.encoder.encode::<f32>(&self.exec, table, &rows)?;
        let mut predictions = Predictions::default();
        predictions.resize(table.n_rows(), self.targets.tasks());
        self.for_each_encoded(&encoded.x, |rows, workspace| {
            self.read(rows, workspace, &mut predictions);
        });
        Ok((predictions, encoded.warnings))
    }

    /// Predicts rows that the model's encoder has encoded, `[rows, width]`, row by row.
    ///
    /// # Panics
    /// If the last row is not whole.
    pub fn predict_encoded(&self, x: &[f32]) -> Predictions {
        let width = self.encoder.width();
        assert!(x.len().is_multiple_of(width), "{} numbers in rows of {width}", x.len());
        let mut predictions = Predictions::default();
        predictions.resize(x.len() / width, self.targets.tasks());
        self.for_each_encoded(x, |rows, workspace| self.read(rows, workspace, &mut predictions));
        predictions
    }

    /// Judges the model on the rows of a table that have all targets, in those tasks whose columns
    /// the table has.
    ///
    /// # Errors
    /// If an input column or those of all tasks are missing, a cell cannot be read, or no row has
    /// targets of known classes.
    pub fn evaluate(&self, table: &Table) -> Result<Evaluation, TrainError> {
        // Without any of their columns, reading them says which there are.
        let (targets, places) = self
            .targets
            .in_table(table)
            .unwrap_or_else(|| (self.targets.clone(), (0..self.targets.tasks().len()).collect()));
        let mut found = targets.read(table)?;
        let mut warnings = std::mem::take(&mut found.warnings);
        let tasks = self.targets.tasks().iter().enumerate();
        let absent = tasks.filter(|(place, _)| !places.contains(place));
        warnings.extend(absent.map(|(_, task)| {
            let name = task.name();
            let message =
                format!("{name:?} is not in the table: what is predicted for it is not judged");
            Warning::new(WarningCode::NotJudged, message).column(&name)
        }));
        let encoded = self.encoder.encode::<f32>(&self.exec, table, &found.rows)?;
        warnings.extend(encoded.warnings);
        let tasks = standardised(&found, &targets);
        let heads: Vec<&Head<f32>> =
            places.iter().map(|place| &self.graph.heads()[*place]).collect();
        let sums_of = |head: &Head<f32>, target: &TaskTarget| {
            TaskSums::new(head.loss().target_kind(), head.outputs(), target.regression())
        };
        let all = self.graph.heads().iter().zip(self.targets.tasks());
        let mut sums: Vec<TaskSums> = all.map(|(head, target)| sums_of(head, target)).collect();
        self.for_each_encoded(&encoded.x, |rows, workspace| {
            for ((head, values), place) in heads.iter().zip(&tasks).zip(&places) {
                let target = match values {
                    TaskValues::Numbers { values, n_columns: width } => {
                        let values = &values[rows.start * width..rows.end * width];
                        Target::Values(matrix(values, rows.len(), *width))
                    }
                    TaskValues::Classes { class, .. } => Target::Classes(&class[rows.clone()]),
                };
                sums[*place].add(workspace.prediction(head), target);
            }
        });
        let metrics = sums.iter().zip(self.graph.heads());
        let metrics = metrics.map(|(sums, head)| sums.metrics().of_weight(head.weight()));
        let metrics: Vec<TaskMetrics> = metrics.collect();
        // Undefined where a task is not judged.
        let mut baselines: Vec<TaskMetrics> =
            metrics.iter().map(|metrics| metrics.clone().of_weight(0.0)).collect();
        let judged = tasks.iter().zip(targets.tasks()).zip(&places);
        for ((values, target), place) in judged {
            baselines[*place] = simplest(values, target);
        }
        let (rows, rows_left_out) = (found.rows.len(), found.rows_left_out);
        Ok(Evaluation { rows, rows_left_out, metrics, baselines, warnings })
    }

    /// Runs the network on the encoded rows `x`, chunk by chunk; `read` gets what it predicts.
    fn for_each_encoded(&self, x: &[f32], read: impl FnMut(Range<usize>, &Workspace<f32>)) {
        let width = self.encoder.width();
        let copy = |rows: Range<usize>, chunk: &mut [f32]| {
            chunk.copy_from_slice(&x[rows.start * width..rows.end * width]);
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(()) = self.for_each_chunk(x.len() / width, copy, read);
    }

    /// Runs the network on `n_rows` rows, which `encode` writes chunk by chunk; `read` gets what it
    /// predicts.
    fn for_each_chunk<E>(
        &self,
        n_rows: usize,
        mut encode: impl FnMut(Range<usize>, &mut [f32]) -> Result<(), E>,
        mut read: impl FnMut(Range<usize>, &Workspace<f32>),
    ) -> Result<(), E> {
        let mut cache = self.take();
        let mut result = Ok(());
        for start in (0..n_rows).step_by(CHUNK_ROWS) {
            let rows = start..n_rows.min(start + CHUNK_ROWS);
            result = encode(rows.clone(), &mut cache.x[..rows.len() * self.encoder.width()]);
            if result.is_err() {
                break;
            }
            self.run(&self.exec, &mut cache, rows.len());
            read(rows, &cache.workspace);
        }
        self.put_back(cache);
        result
    }

    /// Reads the predictions of `rows` off the workspace.
    fn read(&self, rows: Range<usize>, workspace: &Workspace<f32>, predictions: &mut Predictions) {
        let heads = self.graph.heads().iter().zip(self.targets.tasks());
        for (task, (head, target)) in predictions.tasks.iter_mut().zip(heads) {
            task.read(rows.clone(), workspace.prediction(head), target);
        }
    }

    /// Runs the network on the first `n_rows` encoded rows of the cache.
    fn run(&self, exec: &Executor, cache: &mut Cache, n_rows: usize) {
        let width = self.encoder.width();
        let Cache { x, workspace } = cache;
        let x = matrix(&x[..n_rows * width], n_rows, width);
        // Entered once for all operations, not by each of them.
        exec.enter(|| self.graph.infer(exec, &self.params, &self.state, workspace, &[x]));
    }

    fn new_cache(&self) -> Result<Cache, GraphError> {
        let workspace = Workspace::new(&self.graph, &self.exec, CHUNK_ROWS, Mode::Inference)?;
        Ok(Cache { x: vec![0.0; CHUNK_ROWS * self.encoder.width()], workspace })
    }

    /// A cache of one's own.
    fn take(&self) -> Cache {
        // A thread that panicked cannot have left a broken cache behind: it had taken it out.
        let free = self.caches.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.unwrap_or_else(|| {
            self.new_cache().expect("the first cache was made when the model was")
        })
    }

    fn put_back(&self, cache: Cache) {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner).push(cache);
    }
}

/// Checks that the heads of `graph` are the tasks of `targets`.
fn check_targets(graph: &Graph<f32>, targets: &Targets) -> Result<(), TrainError> {
    let (expected, got) = (graph.heads().len(), targets.tasks().len());
    if expected != got {
        return Err(TrainError::Sizes { what: "tasks", expected, got });
    }
    for (head, target) in graph.heads().iter().zip(targets.tasks()) {
        let (expected, got) = (head.outputs(), target.outputs());
        if expected != got {
            return Err(TrainError::Sizes { what: "outputs of a head", expected, got });
        }
        let (got, is_of_kind) = match (target, head.loss().target_kind()) {
            (TaskTarget::Regression(_), kind) => ("numbers", kind == TargetKind::Values),
            (TaskTarget::Classification(_), kind) => ("classes", kind == TargetKind::Classes),
        };
        if !is_of_kind {
            let (head, expected) = (head.name().to_owned(), "another kind of target");
            return Err(TrainError::Kind { head, expected, got });
        }
    }
    Ok(())
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
