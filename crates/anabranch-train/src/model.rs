//! A trained network that predicts: encoders, weights and the names of what it predicts.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anabranch_data::{Cell, Encoder, RowError, RowNotes, Targets, TaskTarget};
use anabranch_graph::{Fusion, Graph, GraphError, Mode, River, Workspace};
use anabranch_layers::TargetKind;
use anabranch_tensor::{ArrayView2, Executor, flat, matrix};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::blend::Blend;
use crate::calibration::Calibration;
use crate::conformal::{Coverage, CoverageError};
use crate::error::{TrainError, check_len};
use crate::evaluate::CHUNK_ROWS;
use crate::head_mean::HeadMean;
use crate::prediction::{Prediction, Predictions, TaskPrediction};
use crate::snapshot::{Member, Snapshot};
use crate::trainer::Trainer;

/// A trained river, or several of one description (an ensemble), with the encoding of its inputs.
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
    members: Vec<Member<f32>>,
    encoder: Encoder,
    targets: Targets,
    /// What is told of its run.
    pub(crate) run_record: Option<Box<RawValue>>,
    blend: Option<Blend>,
    calibration: Calibration,
    exec: Executor,
    /// Rows that are predicted together.
    chunk_rows: usize,
    /// Caches that no thread uses at the moment.
    caches: Mutex<Vec<Cache>>,
}

/// The memory that one thread predicts in.
#[derive(Debug)]
struct Cache {
    x: Vec<f32>,
    workspace: Workspace<f32>,
    /// Of the linear models, if there are any.
    blend: Option<Workspace<f32>>,
    /// What each head predicts.
    heads: Vec<HeadMean>,
}

impl Model {
    /// A model of its parts, with one member or more.
    ///
    /// # Errors
    /// If the network's inputs and tasks do not fit the encoder and targets, or the members do not
    /// fit the network.
    pub fn new(
        river: River,
        members: Vec<Member<f32>>,
        encoder: Encoder,
        targets: Targets,
    ) -> Result<Self, TrainError> {
        let graph = river.build(Fusion::Fused)?;
        check_targets(&graph, &targets)?;
        check_len("inputs", graph.inputs(), encoder.width())?;
        check_members(&graph, &members)?;
        let (exec, caches) = (Executor::serial(), Mutex::new(Vec::new()));
        let chunk_rows = chunk_rows(&graph);
        let (blend, calibration, run_record) = (None, Calibration::default(), None);
        let model = Self {
            river,
            graph,
            members,
            encoder,
            targets,
            run_record,
            blend,
            calibration,
            exec,
            chunk_rows,
            caches,
        };
        // The first cache is made here, where a failure can be told.
        Ok(model.with_new_caches()?)
    }

    /// The model of a trainer's [`member`](Trainer::member); `river` is what its network was built
    /// from.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_trainer(
        trainer: &Trainer<'_, f32>,
        river: River,
        encoder: Encoder,
        targets: Targets,
    ) -> Result<Self, TrainError> {
        Self::new(river, vec![trainer.member()], encoder, targets)
    }

    /// Predicts tables and matrices with `exec`; without this they are predicted on the calling
    /// thread.
    ///
    /// # Errors
    /// If a layer refuses the sizes, which it did not when the model was made.
    pub fn with_executor(self, exec: Executor) -> Result<Self, GraphError> {
        Self { exec, ..self }.with_new_caches()
    }

    /// Counts linear models among the networks, usually those of
    /// [`Validation::blend`](crate::Validation::blend).
    ///
    /// # Errors
    /// If they are those of another model.
    pub fn with_blend(self, blend: Option<Blend>) -> Result<Self, TrainError> {
        if let Some(blend) = &blend {
            check_len("inputs of linear models", self.graph.inputs(), blend.graph().inputs())?;
            check_len("shares of linear models", self.graph.heads().len(), blend.shares().len())?;
            for (head, task) in blend.graph().heads().iter().zip(&blend.snapshot().tasks) {
                let expected = self.graph.heads()[*task].outputs();
                check_len("outputs of a linear model", expected, head.outputs())?;
            }
        }
        Ok(Self { blend, ..self }.with_new_caches()?)
    }

    /// The same with caches as it needs now.
    fn with_new_caches(self) -> Result<Self, GraphError> {
        let model = Self { caches: Mutex::new(Vec::new()), ..self };
        let cache = model.new_cache()?;
        model.put_back(cache);
        Ok(model)
    }

    /// Predicts with this calibration, usually [`Calibration::fit`] to the validation rows.
    ///
    /// # Errors
    /// [`TrainError::Calibration`] if it is that of other tasks.
    pub fn with_calibration(self, calibration: Calibration) -> Result<Self, TrainError> {
        calibration.check(&self.targets)?;
        Ok(Self { calibration, ..self })
    }

    /// The linear models that count among the networks, if any do.
    pub fn blend(&self) -> Option<&Blend> {
        self.blend.as_ref()
    }

    /// What validation rows told about the model; the default if they were not asked.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// What makes intervals and sets of predictions that hold the truth in this share of rows.
    ///
    /// # Errors
    /// If the model is not calibrated, or on too few rows for the share.
    pub fn coverage(&self, share: f64) -> Result<Coverage<'_>, CoverageError> {
        self.calibration.at(share, &self.targets)
    }

    /// The description of the network.
    pub fn river(&self) -> &River {
        &self.river
    }

    /// The network.
    pub fn graph(&self) -> &Graph<f32> {
        &self.graph
    }

    /// The networks whose predictions are averaged; a single one unless the model is an ensemble.
    pub fn members(&self) -> &[Member<f32>] {
        &self.members
    }

    /// The weights of all members, one after the other.
    pub fn snapshots(&self) -> impl Iterator<Item = &Snapshot<f32>> {
        self.members.iter().flat_map(|member| &member.snapshots)
    }

    /// The encoding of the inputs.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// What is predicted, task by task.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// What is told of the run that trained the model, in words of the program that ran it.
    pub fn run_record(&self) -> Option<Value> {
        serde_json::from_str(self.run_record.as_ref()?.get()).ok()
    }

    /// Has the model file tell this of the run that trained the model.
    pub fn record_run(&mut self, record: &Value) {
        self.run_record = RawValue::from_string(record.to_string()).ok();
    }

    /// What tables and matrices are predicted with.
    pub(crate) fn executor(&self) -> &Executor {
        &self.exec
    }

    /// The label of the class that is predicted in a class task; `None` for numbers, or if there is
    /// no such task.
    pub fn label(&self, task: usize, prediction: &Prediction) -> Option<&str> {
        let labels = self.targets.tasks().get(task)?.labels();
        labels.get(prediction.class(task)?).map(String::as_str)
    }

    /// A prediction to be filled by [`predict_row`](Self::predict_row).
    pub fn prediction(&self) -> Prediction {
        let tasks = self.targets.tasks().iter();
        let tasks = tasks.map(|target| TaskPrediction::new(target, self.members.len()));
        Prediction { tasks: tasks.collect() }
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
        self.predict_one(prediction, |x| self.encoder.encode_fields(fields, x))
    }

    /// Predicts one row, given as the cells of [`Encoder::input_columns`] in order, which are not
    /// searched for by name.
    ///
    /// # Errors
    /// If there are more or fewer cells, or one is not of its column's kind.
    ///
    /// # Panics
    /// If `prediction` is another model's.
    pub fn predict_cells(
        &self,
        cells: &[Cell<'_>],
        prediction: &mut Prediction,
    ) -> Result<RowNotes, RowError> {
        self.predict_one(prediction, |x| self.encoder.encode_row(cells, x))
    }

    /// Predicts one row, given as a struct or a map with a field for each input column:
    /// [`Encoder::encode_record`] says what a field can be.
    ///
    /// # Errors
    /// If an input column has no field, or a field is not of its column's kind.
    ///
    /// # Panics
    /// If `prediction` is another model's.
    pub fn predict_record(
        &self,
        record: &impl Serialize,
        prediction: &mut Prediction,
    ) -> Result<RowNotes, RowError> {
        self.predict_one(prediction, |x| self.encoder.encode_record(record, x))
    }

    fn predict_one(
        &self,
        prediction: &mut Prediction,
        encode: impl FnOnce(&mut [f32]) -> Result<RowNotes, RowError>,
    ) -> Result<RowNotes, RowError> {
        let mut cache = self.take();
        let width = self.encoder.width();
        let notes = encode(&mut cache.x[..width]);
        if notes.is_ok() {
            // One row is too little work to share.
            self.run(&Executor::serial(), &mut cache, 1, &self.targets);
            let heads = cache.heads.iter().zip(self.targets.tasks());
            for (task, (head, target)) in prediction.tasks.iter_mut().zip(heads) {
                task.read(head, target);
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
        predictions.resize(n_rows, self.targets.tasks(), self.members.len());
        let encode = |rows: Range<usize>, x: &mut [f32]| {
            for (row, x) in rows.zip(x.chunks_exact_mut(width)) {
                self.encoder.encode_numbers(&cells[row * n_columns..][..n_columns], x)?;
            }
            Ok(())
        };
        self.for_each_chunk(n_rows, &self.targets, encode, |rows, heads| {
            self.read(rows, heads, predictions);
        })
    }

    /// Predicts rows that the model's encoder has encoded, `[rows, width]`, row by row.
    ///
    /// # Panics
    /// If the last row is not whole.
    pub fn predict_encoded(&self, x: &[f32]) -> Predictions {
        let width = self.encoder.width();
        assert!(x.len().is_multiple_of(width), "{} numbers in rows of {width}", x.len());
        let mut predictions = Predictions::default();
        predictions.resize(x.len() / width, self.targets.tasks(), self.members.len());
        self.for_each_encoded(x, &self.targets, |rows, heads| {
            self.read(rows, heads, &mut predictions);
        });
        predictions
    }

    /// Runs the network on the encoded rows `x`, chunk by chunk; `read` gets what each head
    /// predicts.
    pub(crate) fn for_each_encoded(
        &self,
        x: &[f32],
        targets: &Targets,
        read: impl FnMut(Range<usize>, &[HeadMean]),
    ) {
        let width = self.encoder.width();
        let copy = |rows: Range<usize>, chunk: &mut [f32]| {
            chunk.copy_from_slice(&x[rows.start * width..rows.end * width]);
            Ok::<(), Infallible>(())
        };
        let Ok(()) = self.for_each_chunk(x.len() / width, targets, copy, read);
    }

    /// Runs the network on `n_rows` rows, which `encode` writes chunk by chunk; `read` gets what
    /// each head predicts.
    pub(crate) fn for_each_chunk<E>(
        &self,
        n_rows: usize,
        targets: &Targets,
        mut encode: impl FnMut(Range<usize>, &mut [f32]) -> Result<(), E>,
        mut read: impl FnMut(Range<usize>, &[HeadMean]),
    ) -> Result<(), E> {
        let mut cache = self.take();
        let mut result = Ok(());
        for start in (0..n_rows).step_by(self.chunk_rows) {
            let rows = start..n_rows.min(start + self.chunk_rows);
            result = encode(rows.clone(), &mut cache.x[..rows.len() * self.encoder.width()]);
            if result.is_err() {
                break;
            }
            self.run(&self.exec, &mut cache, rows.len(), targets);
            read(rows, &cache.heads);
        }
        self.put_back(cache);
        result
    }

    /// Reads the predictions of `rows` off the heads.
    fn read(&self, rows: Range<usize>, heads: &[HeadMean], predictions: &mut Predictions) {
        let heads = heads.iter().zip(self.targets.tasks());
        for (task, (head, target)) in predictions.tasks.iter_mut().zip(heads) {
            task.read(rows.clone(), head, target);
        }
    }

    /// Runs all members on the first `n_rows` encoded rows of the cache; `targets` say what their
    /// outputs mean.
    fn run(&self, exec: &Executor, cache: &mut Cache, n_rows: usize, targets: &Targets) {
        let width = self.encoder.width();
        let Cache { x, workspace, blend, heads } = cache;
        let x = matrix(&x[..n_rows * width], n_rows, width);
        // Entered once for all operations, not by each of them.
        exec.enter(|| {
            for (number, member) in self.members.iter().enumerate() {
                for Snapshot { tasks, params, state } in &member.snapshots {
                    self.graph.infer(exec, params, state, workspace, &[x]);
                    for &task in tasks {
                        let output = workspace.prediction(&self.graph.heads()[task]);
                        heads[task].add(number, output, &targets.tasks()[task]);
                    }
                }
            }
            if let (Some(lines), Some(workspace)) = (&self.blend, blend) {
                let Snapshot { tasks, params, state } = lines.snapshot();
                lines.graph().infer(exec, params, state, workspace, &[x]);
                for (head, &task) in lines.graph().heads().iter().zip(tasks) {
                    let (share, output) = (lines.shares()[task], workspace.prediction(head));
                    heads[task].blend(share, output, &targets.tasks()[task]);
                }
            }
        });
        for (head, temperature) in heads.iter_mut().zip(&self.calibration.temperatures) {
            if let Some(temperature) = temperature {
                head.temper(n_rows, *temperature);
            }
        }
    }

    fn new_cache(&self) -> Result<Cache, GraphError> {
        let n_rows = self.chunk_rows;
        let workspace = Workspace::new(&self.graph, &self.exec, n_rows, Mode::Inference)?;
        let workspace_of =
            |lines: &Blend| Workspace::new(lines.graph(), &self.exec, n_rows, Mode::Inference);
        let blend = self.blend.as_ref().map(workspace_of).transpose()?;
        let n_members = self.members.len();
        let head = |(task, target)| {
            let share = self.blend.as_ref().map_or(0.0, |lines| lines.shares()[task]);
            HeadMean::new(n_rows, target, n_members, n_members + usize::from(share > 0.0))
        };
        let heads = self.targets.tasks().iter().enumerate().map(head).collect();
        let x = vec![0.0; n_rows * self.encoder.width()];
        Ok(Cache { x, workspace, blend, heads })
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

/// Rows that are predicted together: fewer than usual where a cache of these would be larger than
/// the network and 16 MiB, since a network of a few parameters can be very wide.
fn chunk_rows(graph: &Graph<f32>) -> usize {
    let per_row = graph.summary().rows.iter().map(|row| row.outputs).sum::<usize>().max(1);
    let most_numbers = graph.params_len().max(1 << 22);
    (most_numbers / per_row).clamp(1, CHUNK_ROWS)
}

/// Checks that the heads of `graph` are the tasks of `targets`.
fn check_targets(graph: &Graph<f32>, targets: &Targets) -> Result<(), TrainError> {
    check_len("tasks", graph.heads().len(), targets.tasks().len())?;
    for (head, target) in graph.heads().iter().zip(targets.tasks()) {
        check_len("outputs of a head", head.outputs(), target.outputs())?;
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

/// Checks that the weights are those of `graph`, and that each member predicts each task once.
fn check_members(graph: &Graph<f32>, members: &[Member<f32>]) -> Result<(), TrainError> {
    if members.is_empty() {
        return Err(TrainError::Sizes { what: "members at least", expected: 1, got: 0 });
    }
    for Member { snapshots } in members {
        let mut tasks: Vec<usize> = Vec::new();
        for snapshot in snapshots {
            check_len("parameters", graph.params_len(), snapshot.params.len())?;
            check_len("running statistics", graph.state_len(), snapshot.state.len())?;
            tasks.extend(&snapshot.tasks);
        }
        tasks.sort_unstable();
        if !tasks.iter().copied().eq(0..graph.heads().len()) {
            return Err(TrainError::Snapshots { n_tasks: graph.heads().len(), tasks });
        }
    }
    Ok(())
}
