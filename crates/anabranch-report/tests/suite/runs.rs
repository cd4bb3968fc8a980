//! Trained runs to report on.

use anabranch_data::{Executor, Fractions, Prepared, Table, TargetColumns, prepare};
use anabranch_graph::{Branch, Fusion, Join, LayerKind, River};
use anabranch_report::{Epoch, History, Run};
use anabranch_train::layers::{Activation, LossKind};
use anabranch_train::{
    LinearModels, Model, TaskMetrics, TrainConfig, Trainer, Validate, baselines,
};

/// A trained run with what its report needs.
pub(crate) struct Trained {
    pub(crate) name: String,
    pub(crate) prepared: Prepared<f32>,
    pub(crate) model: Model,
    epochs: Vec<Epoch>,
    best_epochs: Vec<Vec<Option<usize>>>,
    scores: [Vec<TaskMetrics>; 3],
}

impl Trained {
    /// Trains one network or more on a table, so many epochs each.
    pub(crate) fn new(csv: &str, columns: &TargetColumns, epochs: usize, members: usize) -> Self {
        let exec = Executor::serial();
        let table = Table::from_reader("t.csv", csv.as_bytes()).unwrap();
        let prepared = prepare::<f32>(&exec, &table, columns, Fractions::default(), 1).unwrap();
        let river = river(&prepared);
        let (mut trained, mut history, mut best_epochs) = (Vec::new(), Vec::new(), Vec::new());
        for member in 0..members {
            let seed = member as u64;
            let config = TrainConfig { epochs, seed, batch_size: 32, ..TrainConfig::default() };
            let graph = river.build(Fusion::Fused).unwrap();
            let mut trainer = Trainer::new(&prepared.dataset, graph, &config, &exec).unwrap();
            let mut seen = History { member, epochs: Vec::new() };
            trainer.run(&mut seen).unwrap();
            history.extend(seen.epochs);
            let tasks = 0..prepared.targets.tasks().len();
            best_epochs.push(tasks.map(|task| trainer.best_epoch(task)).collect());
            trained.push(trainer.member());
        }
        let (encoder, targets) = (prepared.encoder.clone(), prepared.targets.clone());
        let model = Model::new(river, trained, encoder, targets).unwrap();
        let (data, targets) = (&prepared.dataset, &prepared.targets);
        let scores = [
            model.metrics(data, &data.split.test, targets),
            LinearModels::fit(data).metrics(data, &data.split.test, targets),
            baselines(data, targets),
        ];
        let name = "t.csv".to_owned();
        Self { name, prepared, model, epochs: history, best_epochs, scores }
    }

    pub(crate) fn run(&self) -> Run<'_> {
        let [metrics, linear, baselines] = &self.scores;
        Run {
            name: &self.name,
            prepared: &self.prepared,
            model: &self.model,
            validate: Validate::Shared,
            metrics,
            intervals: &[],
            coverage: None,
            linear,
            baselines,
            epochs: &self.epochs,
            best_epochs: &self.best_epochs,
            lr: 0.01,
            seed: 1,
            lines: &[],
            groupings: &[],
            findings: &[],
            facts: &[],
            config: "[data]\ndata = \"<t>.csv\"\n",
        }
    }
}

/// A branch for each task, the last joined by all before it.
fn river(prepared: &Prepared<f32>) -> River {
    let tasks = prepared.targets.tasks();
    let mut river = River::new(prepared.encoder.width(), []);
    for (i, task) in tasks.iter().enumerate() {
        let mut branch = Branch::new(format!("task {i}")).hidden(8, Activation::Relu);
        if i + 1 == tasks.len() {
            branch = branch.layer("bn", LayerKind::BATCH_NORM);
            for earlier in 0..i {
                branch = branch.join(&format!("task {earlier}"), Join::Project);
            }
        }
        let loss = match task.labels() {
            [] => LossKind::HalfSquaredError,
            _ => LossKind::CROSS_ENTROPY,
        };
        river.push(branch.head(task.outputs(), loss, 1.0));
    }
    river
}
