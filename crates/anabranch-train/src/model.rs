//! A trained network that predicts: encoders, weights and the names of what it predicts.

use std::sync::{Mutex, PoisonError};

use anabranch_data::{Cell, Encoder, RowError, RowNotes, Table, Targets, Warning};
use anabranch_graph::{Fusion, Graph, GraphError, Mode, TwoBranch, Workspace};
use anabranch_tensor::{ArrayView2, Executor, flat, matrix, row_max, row_sum};

use crate::error::TrainError;
use crate::evaluate::{CHUNK_ROWS, LogLosses, Metrics, Sums, argmax, head_nodes};
use crate::trainer::Trainer;

/// A trained two-branch network with the encoding of its inputs.
///
/// Prediction takes `&self`, from any number of threads, and allocates nothing once there is a cache for each thread
/// that predicts at the same time.
///
/// A model file, and one row or a matrix predicted in three lines:
///
/// ```
/// use anabranch_train::{Model, Predictions};
/// # use anabranch_train::{NoObserver, TrainConfig, Trainer};
/// # use anabranch_data::{Fractions, Table, TargetColumns, prepare};
/// # use anabranch_graph::TwoBranch;
/// # use anabranch_tensor::{Executor, matrix};
/// # let table = Table::from_reader("grapes", "sugar,sort,alcohol,grade\n9,red,11,good\n7,white,9,fair\n".repeat(9).replace("\nsugar,sort,alcohol,grade", "").as_bytes())?;
/// # let columns = TargetColumns { regress: vec!["alcohol".into()], classify: "grade".into() };
/// # let exec = Executor::serial();
/// # let prepared = prepare::<f32>(&exec, &table, &columns, Fractions::default(), 1)?;
/// # let network = TwoBranch::new(prepared.encoder.width(), 4, 1, 4, 2);
/// # let config = TrainConfig { epochs: 1, ..TrainConfig::default() };
/// # let mut trainer = Trainer::new(&prepared.dataset, &network, &config, &exec)?;
/// # trainer.run(&mut NoObserver)?;
/// # let file = tempfile::NamedTempFile::new()?;
/// # let path = file.path();
/// # Model::from_trainer(&trainer, prepared.encoder, prepared.targets)?.save(path)?;
///
/// let model = Model::load(path)?;
/// let mut prediction = model.prediction();
/// model.predict_row(&[("sugar", 8.5.into()), ("sort", "red".into())], &mut prediction)?;
///
/// println!("{} {}", prediction.values[0], model.label(prediction.class));
/// # assert!(prediction.values[0].is_finite() && prediction.probabilities.len() == 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Model {
    network: TwoBranch,
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

/// What a model predicts for one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The regression columns in their order and units.
    pub values: Vec<f64>,
    /// The most probable class: its place in the model's labels.
    pub class: usize,
    /// The probability of each class.
    pub probabilities: Vec<f32>,
}

/// What a model predicts for the rows of a table or matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// `[rows, regression columns]`, row by row, in the columns' units.
    pub values: Vec<f64>,
    /// The most probable class of each row.
    pub classes: Vec<usize>,
    /// `[rows, classes]`, row by row.
    pub probabilities: Vec<f32>,
}

/// What a model is worth on the rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Rows that have all targets.
    pub rows: usize,
    /// Rows that lack a target.
    pub rows_left_out: usize,
    /// The metrics, in the columns' units.
    pub metrics: Metrics,
    /// What the user should know about the table.
    pub warnings: Vec<Warning>,
}

impl Model {
    /// A model of its parts.
    ///
    /// # Errors
    /// If the network's widths do not fit the encoder and targets, or the numbers do not fit the network.
    pub fn new(
        network: TwoBranch,
        params: Vec<f32>,
        state: Vec<f32>,
        encoder: Encoder,
        targets: Targets,
    ) -> Result<Self, TrainError> {
        let graph = network.build(Fusion::Fused)?;
        let n_labels = targets.class().labels.len();
        for (what, expected, got) in [
            ("inputs", network.inputs, encoder.width()),
            ("regression outputs", network.outputs_a, targets.regression().len()),
            ("classes", network.classes, n_labels),
            ("parameters", graph.params_len(), params.len()),
            ("running statistics", graph.state_len(), state.len()),
        ] {
            if expected != got {
                return Err(TrainError::Sizes { what, expected, got });
            }
        }
        let caches = Mutex::new(Vec::new());
        let exec = Executor::serial();
        let model = Self { network, graph, params, state, encoder, targets, exec, caches };
        // The first cache is made here, where a failure can be told.
        let cache = model.new_cache()?;
        model.put_back(cache);
        Ok(model)
    }

    /// The model of a trainer's current weights.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_trainer(
        trainer: &Trainer<'_, f32>,
        encoder: Encoder,
        targets: Targets,
    ) -> Result<Self, TrainError> {
        let (params, state) = (trainer.params().to_vec(), trainer.state().to_vec());
        Self::new(trainer.network().clone(), params, state, encoder, targets)
    }

    /// Lets `exec` predict tables and matrices; without this they are predicted on the calling thread.
    ///
    /// # Errors
    /// If a layer refuses the sizes, which it did not when the model was made.
    pub fn with_executor(self, exec: Executor) -> Result<Self, GraphError> {
        let model = Self { exec, caches: Mutex::new(Vec::new()), ..self };
        let cache = model.new_cache()?;
        model.put_back(cache);
        Ok(model)
    }

    /// The sizes and hyperparameters of the network.
    pub fn network(&self) -> &TwoBranch {
        &self.network
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

    /// What is predicted.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The label of a class.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn label(&self, class: usize) -> &str {
        &self.targets.class().labels[class]
    }

    /// A prediction to be filled by [`predict_row`](Self::predict_row).
    pub fn prediction(&self) -> Prediction {
        Prediction {
            values: vec![0.0; self.network.outputs_a],
            class: 0,
            probabilities: vec![0.0; self.network.classes],
        }
    }

    /// Predicts one row, given as named fields in any order; fields that the model does not know are passed over.
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
            let Prediction { values, class, probabilities } = prediction;
            // One row is too little work to share.
            self.run(&Executor::serial(), &mut cache, 1);
            self.read_row(&cache.workspace, 0, values, class, probabilities);
        }
        self.put_back(cache);
        notes
    }

    /// Predicts the rows of a matrix of plain numbers `[rows, input columns]`, in the order of
    /// [`Encoder::input_columns`]; NaN is a missing cell.
    ///
    /// # Errors
    /// If the matrix has another number of columns, a number is infinite, or an input column holds categories.
    pub fn predict_matrix(
        &self,
        cells: ArrayView2<'_, f64>,
        predictions: &mut Predictions,
    ) -> Result<(), RowError> {
        let (n_rows, n_columns) = cells.dim();
        let width = self.encoder.width();
        let cells = cells.as_standard_layout();
        let cells = flat(cells.view());
        self.predict_chunks(n_rows, predictions, |rows, x| {
            for (row, x) in rows.zip(x.chunks_exact_mut(width)) {
                self.encoder.encode_numbers(&cells[row * n_columns..][..n_columns], x)?;
            }
            Ok(())
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
        let width = self.encoder.width();
        let copied = self.predict_chunks(table.n_rows(), &mut predictions, |rows, x| {
            x.copy_from_slice(&encoded.x[rows.start * width..rows.end * width]);
            Ok::<(), std::convert::Infallible>(())
        });
        match copied {
            Ok(()) => Ok((predictions, encoded.warnings)),
            Err(never) => match never {},
        }
    }

    /// Judges the model on the rows of a table that have all targets.
    ///
    /// # Errors
    /// If a column is missing, a cell cannot be read, a class is one that training never saw, or no row has targets.
    pub fn evaluate(&self, table: &Table) -> Result<Evaluation, TrainError> {
        let found = self.targets.read(table)?;
        let encoded = self.encoder.encode::<f32>(&self.exec, table, &found.rows)?;
        let regression = self.targets.regression();
        let n_outputs = regression.len();
        let y: Vec<f32> = found
            .values
            .iter()
            .enumerate()
            .map(|(i, value)| regression[i % n_outputs].standardise(*value) as f32)
            .collect();
        let [head_a, head_b] = head_nodes(&self.graph);
        let mut sums = Sums::new(n_outputs, self.network.classes);
        let mut log_losses = LogLosses::new(self.network.classes);
        let mut cache = self.take();
        let width = self.encoder.width();
        let chunks = encoded.x.chunks(CHUNK_ROWS * width);
        let y = y.chunks(CHUNK_ROWS * n_outputs);
        for ((x, y), class) in chunks.zip(y).zip(found.class.chunks(CHUNK_ROWS)) {
            cache.x[..x.len()].copy_from_slice(x);
            self.run(&self.exec, &mut cache, class.len());
            let (y_a, z_b) = (cache.workspace.value(head_a), cache.workspace.value(head_b));
            let log_losses = log_losses.read(&self.exec, z_b, class);
            sums.add((y, y_a), (class, z_b), log_losses);
        }
        self.put_back(cache);
        Ok(Evaluation {
            rows: found.rows.len(),
            rows_left_out: found.rows_left_out,
            metrics: sums.metrics(regression),
            warnings: encoded.warnings,
        })
    }

    /// Predicts `n_rows` rows, which `encode` writes chunk by chunk.
    fn predict_chunks<E>(
        &self,
        n_rows: usize,
        predictions: &mut Predictions,
        mut encode: impl FnMut(std::ops::Range<usize>, &mut [f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (n_outputs, n_classes) = (self.network.outputs_a, self.network.classes);
        predictions.values.resize(n_rows * n_outputs, 0.0);
        predictions.classes.resize(n_rows, 0);
        predictions.probabilities.resize(n_rows * n_classes, 0.0);
        let mut cache = self.take();
        let mut result = Ok(());
        for start in (0..n_rows).step_by(CHUNK_ROWS) {
            let rows = start..n_rows.min(start + CHUNK_ROWS);
            let n = rows.len();
            result = encode(rows.clone(), &mut cache.x[..n * self.encoder.width()]);
            if result.is_err() {
                break;
            }
            self.run(&self.exec, &mut cache, n);
            for (i, row) in rows.enumerate() {
                self.read_row(
                    &cache.workspace,
                    i,
                    &mut predictions.values[row * n_outputs..][..n_outputs],
                    &mut predictions.classes[row],
                    &mut predictions.probabilities[row * n_classes..][..n_classes],
                );
            }
        }
        self.put_back(cache);
        result
    }

    /// Runs the network on the first `n_rows` encoded rows of the cache.
    fn run(&self, exec: &Executor, cache: &mut Cache, n_rows: usize) {
        let width = self.encoder.width();
        let Cache { x, workspace } = cache;
        let x = matrix(&x[..n_rows * width], n_rows, width);
        // Entered once for all operations, not by each of them.
        exec.enter(|| self.graph.infer(exec, &self.params, &self.state, workspace, x));
    }

    /// Reads the prediction of one row off the workspace.
    fn read_row(
        &self,
        workspace: &Workspace<f32>,
        row: usize,
        values: &mut [f64],
        class: &mut usize,
        probabilities: &mut [f32],
    ) {
        let [head_a, head_b] = head_nodes(&self.graph);
        let (n_outputs, n_classes) = (self.network.outputs_a, self.network.classes);
        let y_a = &flat(workspace.value(head_a))[row * n_outputs..][..n_outputs];
        let z_b = &flat(workspace.value(head_b))[row * n_classes..][..n_classes];
        for ((value, y), target) in values.iter_mut().zip(y_a).zip(self.targets.regression()) {
            *value = target.unscale(f64::from(*y));
        }
        *class = argmax(z_b);
        let max = row_max(z_b);
        for (p, z) in probabilities.iter_mut().zip(z_b) {
            *p = anabranch_tensor::Scalar::exp(*z - max);
        }
        let sum = row_sum(probabilities);
        probabilities.iter_mut().for_each(|p| *p /= sum);
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
