//! The training loop: what it minimises, when it stops, what it depends on.

use std::ops::ControlFlow;

use anabranch_data::{Fractions, Prepared, Presence, TaskValues};
use anabranch_graph::{Fusion, TwoBranch};
use anabranch_optim::OptimizerKind;
use anabranch_tensor::Executor;
use anabranch_train::{
    EpochReport, NoObserver, Observer, StepView, TaskMetrics, TrainConfig, TrainError, Trainer,
    Watch, baselines,
};

use crate::grapes::{config, graph, network, prepared};

/// Keeps what it sees, and stops after an epoch or a step if asked to.
#[derive(Default)]
struct Diary {
    reports: Vec<EpochReport>,
    batch_rows: Vec<usize>,
    stop_after_epoch: Option<usize>,
    stop_at_step: Option<u64>,
}

fn flow(stop: bool) -> ControlFlow<()> {
    if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

impl Observer<f32> for Diary {
    fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
        assert_eq!(step.step as usize, self.batch_rows.len());
        assert_eq!((step.params.len(), step.losses.len()), (step.grads.len(), 2));
        self.batch_rows.push(step.x.nrows());
        flow(self.stop_at_step == Some(step.step))
    }

    fn epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        self.reports.push(report.clone());
        flow(self.stop_after_epoch == Some(report.epoch))
    }
}

/// The weights after a run, and what was seen of it.
fn run(data: &Prepared<f32>, config: &TrainConfig, mut diary: Diary) -> (Vec<f32>, Diary) {
    let exec = Executor::serial();
    let mut trainer = Trainer::new(&data.dataset, graph(data, 6), config, &exec).unwrap();
    trainer.run(&mut diary).unwrap();
    assert_eq!(trainer.epochs_run(), diary.reports.len());
    ([trainer.params(), trainer.state()].concat(), diary)
}

#[test]
fn training_reduces_both_losses_and_beats_the_baselines() {
    let data = prepared(200, Fractions::default());
    let exec = Executor::serial();
    let mut diary = Diary::default();
    let network = TwoBranch { dropout: 0.0, ..network(&data, 12) };
    let graph = network.build(Fusion::Fused).unwrap();
    let mut trainer = Trainer::new(&data.dataset, graph, &config(40), &exec).unwrap();
    trainer.run(&mut diary).unwrap();
    let (first, last) = (&diary.reports[0], &diary.reports[39]);
    for task in 0..2 {
        assert!(last.train[task] < 0.7 * first.train[task], "{first:?} {last:?}");
    }
    assert!(last.validation.as_ref().unwrap()[1] < first.validation.as_ref().unwrap()[1]);
    let targets = &data.targets;
    let (network, baseline) = (trainer.test_metrics(targets), baselines(&data.dataset, targets));
    let r2 = |metrics: &[TaskMetrics]| metrics[0].regression()[0].r2;
    let accuracy = |metrics: &[TaskMetrics]| metrics[1].classification().unwrap().accuracy;
    assert!(r2(&network) > Some(0.8), "{network:?}");
    assert!(accuracy(&network) > Some(0.9), "{network:?}");
    // The mean explains nothing, and the classes are nearly even.
    assert!(r2(&baseline) <= Some(0.0), "{baseline:?}");
    assert!(accuracy(&baseline) < Some(0.7), "{baseline:?}");
}

#[test]
fn early_stopping_returns_the_best_weights() {
    let data = prepared(120, Fractions::default());
    // A learning rate at which the validation loss goes up and down.
    let rough = TrainConfig { lr: 0.1, ..config(100) };
    let stopping = TrainConfig { patience: 3, ..rough };
    let (weights, diary) = run(&data, &stopping, Diary::default());
    let n_epochs = diary.reports.len();
    let best = diary.reports.iter().rfind(|report| report.is_best).unwrap().epoch;
    assert!(n_epochs < 100 && best == n_epochs - 3, "best {best} of {n_epochs}");
    let sum = |report: &EpochReport| report.validation.as_ref().unwrap().iter().sum::<f64>();
    assert!(diary.reports.iter().all(|report| sum(report) >= sum(&diary.reports[best - 1])));

    // The same weights as those of a run that ends there, running statistics included.
    let (at_best, _) = run(&data, &TrainConfig { epochs: best, ..rough }, Diary::default());
    assert_eq!(weights, at_best);
    // Without patience, all epochs run and the last weights stay.
    let (last, diary) = run(&data, &TrainConfig { epochs: n_epochs, ..rough }, Diary::default());
    assert_eq!(diary.reports.len(), n_epochs);
    assert_ne!(last, at_best);
}

/// Each task keeps the weights of its own best epoch: those that a run which watches it alone
/// returns to.
#[test]
fn each_task_keeps_its_own_best_weights() {
    let data = prepared(120, Fractions::default());
    let exec = Executor::serial();
    let member = |watch: Watch| {
        let config = TrainConfig { lr: 0.1, patience: 1000, watch, seed: 2, ..config(14) };
        let mut trainer = Trainer::new(&data.dataset, graph(&data, 6), &config, &exec).unwrap();
        let mut diary = Diary::default();
        trainer.run(&mut diary).unwrap();
        let best = [0, 1].map(|task| trainer.best_epoch(task).unwrap());
        assert_eq!(trainer.best_epoch(2), None);
        (trainer.member(), best, diary.reports)
    };
    let (each, best, reports) = member(Watch::Each);
    for task in 0..2 {
        let loss = |epoch: usize| reports[epoch - 1].validation.as_ref().unwrap()[task];
        assert!((1..=14).all(|epoch| loss(epoch) >= loss(best[task])));
        let (alone, best_alone, _) = member(Watch::Task(task));
        assert_eq!((alone.snapshots.len(), best_alone), (1, [best[task]; 2]));
        assert_eq!(each.snapshots[task].tasks, [task]);
        assert_eq!(each.snapshots[task].params, alone.snapshots[0].params);
        assert_eq!(each.snapshots[task].state, alone.snapshots[0].state);
    }
    assert_ne!(best[0], best[1], "choose a run in which they differ");
    let (sum, [best, _], _) = member(Watch::Sum);
    let total = |epoch: usize| reports[epoch - 1].validation.as_ref().unwrap().iter().sum::<f64>();
    assert!((1..=14).all(|epoch| total(epoch) >= total(best)));
    assert_eq!(sum.snapshots[0].tasks, [0, 1]);

    let config = TrainConfig { watch: Watch::Task(2), ..config(1) };
    let error = Trainer::new(&data.dataset, graph(&data, 6), &config, &exec).unwrap_err();
    assert_eq!(error.to_string(), "expected 3 tasks, of which one is watched, got 2");
}

/// Of a task that no validation row has a target of, the training loss is watched; its validation
/// loss is 0, which no epoch could beat.
#[test]
fn a_task_without_validation_targets_is_judged_by_its_training_loss() {
    let mut data = prepared(120, Fractions::default());
    let is_trained = |row| !data.dataset.split.validation.contains(&row);
    let has = (0..data.dataset.n_rows).map(is_trained).collect();
    data.dataset.present = vec![Presence::All, Presence::Each(has)];
    let exec = Executor::serial();
    for watch in [Watch::Each, Watch::Task(1)] {
        let config = TrainConfig { lr: 0.02, patience: 1000, watch, ..config(14) };
        let mut trainer = Trainer::new(&data.dataset, graph(&data, 6), &config, &exec).unwrap();
        let mut diary = Diary::default();
        trainer.run(&mut diary).unwrap();
        assert!(diary.reports.iter().all(|report| report.validation.as_ref().unwrap()[1] == 0.0));
        let train = |epoch: &usize| diary.reports[epoch - 1].train[1];
        let best = (1..=14).min_by(|a, b| train(a).total_cmp(&train(b))).unwrap();
        assert!(best > 1, "choose a run that learns");
        assert_eq!(trainer.best_epoch(1), Some(best));
    }
}

/// Rows of weight 0 teach nothing, and a loss is the mean by the weights: with a learning rate of 0
/// the losses of all epochs are those of the initial weights, which metrics tell by other sums.
#[test]
fn rows_count_by_their_weights_in_losses_but_not_in_metrics() {
    let mut data = prepared(120, Fractions::default());
    let exec = Executor::serial();
    let config = TrainConfig { lr: 0.0, batch_size: 120, ..config(1) };
    let network = TwoBranch { dropout: 0.0, ..network(&data, 6) };
    let run = |data: &Prepared<f32>| {
        let graph = network.build(Fusion::Fused).unwrap();
        let mut trainer = Trainer::new(&data.dataset, graph, &config, &exec).unwrap();
        let mut diary = Diary::default();
        trainer.run(&mut diary).unwrap();
        let validation = data.dataset.split.validation.clone();
        let metrics = trainer.metrics(&validation, &data.targets);
        (diary.reports[0].validation.clone().unwrap(), metrics)
    };
    let (_, all) = run(&data);
    // Half of the validation rows count, three times each.
    let split = data.dataset.split.clone();
    let (some, others): (Vec<usize>, Vec<usize>) =
        split.validation.iter().partition(|row| **row % 2 == 0);
    assert!(!some.is_empty() && !others.is_empty());
    let weight = |row: usize| if others.contains(&row) { 0.0 } else { 3.0 };
    data.dataset.sample_weights = Some((0..data.dataset.n_rows).map(weight).collect());
    let (weighted, metrics) = run(&data);
    assert_eq!(metrics, all);
    data.dataset.sample_weights = None;
    data.dataset.split.validation = some;
    let (alone, _) = run(&data);
    for (weighted, alone) in weighted.iter().zip(&alone) {
        assert!((weighted / alone - 1.0).abs() < 1e-6, "{weighted} instead of {alone}");
    }
}

/// With every task watched for itself, a run goes on while one of them improves.
#[test]
fn a_run_stops_when_no_task_improves() {
    let data = prepared(120, Fractions::default());
    let config = TrainConfig { lr: 0.1, patience: 3, watch: Watch::Each, ..config(100) };
    let (_, diary) = run(&data, &config, Diary::default());
    let best = |task: usize, upto: usize| {
        let loss = |epoch: &usize| diary.reports[*epoch].validation.as_ref().unwrap()[task];
        (0..upto).min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap() + 1
    };
    let n_epochs = diary.reports.len();
    let last_best = |upto: usize| best(0, upto).max(best(1, upto));
    assert_eq!(n_epochs - last_best(n_epochs), 3);
    assert!((1..n_epochs).all(|upto| upto - last_best(upto) < 3));
}

#[test]
fn best_weights_return_also_when_the_epochs_run_out() {
    let data = prepared(120, Fractions::default());
    let rough = TrainConfig { lr: 0.1, ..config(12) };
    let patient = TrainConfig { patience: 1000, ..rough };
    let (weights, diary) = run(&data, &patient, Diary::default());
    let best = diary.reports.iter().rfind(|report| report.is_best).unwrap().epoch;
    assert!(best < 12, "choose a run whose last epoch is not its best");
    assert_eq!(weights, run(&data, &TrainConfig { epochs: best, ..rough }, Diary::default()).0);
}

#[test]
fn without_validation_rows_there_is_no_early_stopping() {
    let data = prepared(60, Fractions { validation: 0.0, test: 0.2 });
    let (_, diary) = run(&data, &config(2), Diary::default());
    assert!(diary.reports.iter().all(|report| report.validation.is_none()));
    let exec = Executor::serial();
    let stopping = TrainConfig { patience: 2, ..config(2) };
    let error = Trainer::new(&data.dataset, graph(&data, 6), &stopping, &exec).unwrap_err();
    assert!(matches!(error, TrainError::NoValidation { patience: 2 }), "{error}");
}

#[test]
fn a_last_batch_of_one_row_joins_the_one_before() {
    // Three batches and one row.
    let mut sizes = (100..).map(|n_rows| prepared(n_rows, Fractions::default()));
    let data = sizes.find(|data| data.dataset.split.train.len() % 3 == 1).unwrap();
    let batch_size = data.dataset.split.train.len() / 3;
    let (_, diary) = run(&data, &TrainConfig { batch_size, ..config(2) }, Diary::default());
    let epoch = [batch_size, batch_size, batch_size + 1];
    assert_eq!(diary.batch_rows, [epoch, epoch].concat());
}

#[test]
fn an_observer_stops_a_run() {
    let data = prepared(120, Fractions::default());
    let diary = Diary { stop_after_epoch: Some(2), ..Diary::default() };
    let (weights, diary) = run(&data, &config(9), diary);
    assert_eq!(diary.reports.len(), 2);
    assert_eq!(weights, run(&data, &config(2), Diary::default()).0);
    // An epoch that is cut short is not done.
    let (_, diary) = run(&data, &config(9), Diary { stop_at_step: Some(3), ..Diary::default() });
    assert_eq!((diary.batch_rows.len(), diary.reports.len()), (4, 0));
}

#[test]
fn a_run_goes_on_where_it_stopped() {
    let data = prepared(120, Fractions::default());
    let exec = Executor::serial();
    let mut trainer = Trainer::new(&data.dataset, graph(&data, 6), &config(5), &exec).unwrap();
    let mut stopping = Diary { stop_after_epoch: Some(2), ..Diary::default() };
    trainer.run(&mut stopping).unwrap();
    trainer.run(&mut NoObserver).unwrap();
    assert_eq!(trainer.epochs_run(), 5);
    let weights = [trainer.params(), trainer.state()].concat();
    assert_eq!(weights, run(&data, &config(5), Diary::default()).0);
}

#[test]
fn weights_depend_on_the_seed_and_not_on_the_threads() {
    let data = prepared(700, Fractions::default());
    // Steps wide enough to be shared by threads.
    let config = TrainConfig { batch_size: 400, clip: Some(0.5), ..config(2) };
    let weights = |threads: usize, config: &TrainConfig| {
        let exec = Executor::new(threads).unwrap();
        let mut trainer = Trainer::new(&data.dataset, graph(&data, 300), config, &exec).unwrap();
        trainer.run(&mut NoObserver).unwrap();
        let metrics = trainer.test_metrics(&data.targets);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        (bits(trainer.params()), bits(trainer.state()), metrics)
    };
    let one = weights(1, &config);
    for threads in [1, 2, 3, 4] {
        assert!(weights(threads, &config) == one, "{threads} threads");
    }
    assert_ne!(weights(1, &TrainConfig { seed: 2, ..config }).0, one.0);
}

#[test]
fn divergence_is_an_error() {
    let data = prepared(60, Fractions::default());
    let exec = Executor::serial();
    // One step an epoch: the loss was still finite, the weights no longer are.
    let config = TrainConfig {
        optimizer: OptimizerKind::SGD,
        lr: 1e38,
        batch_size: 1000,
        weight_decay: 1e10,
        ..config(1)
    };
    let mut trainer = Trainer::new(&data.dataset, graph(&data, 6), &config, &exec).unwrap();
    let error = trainer.run(&mut NoObserver).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { epoch: 1, .. }), "{error}");
}

/// Validation targets whose losses overflow: no epoch is the best one, and none is kept unseen.
#[test]
fn a_run_without_a_best_epoch_has_diverged() {
    let mut data = prepared(80, Fractions::default());
    let TaskValues::Numbers { values, n_columns } = &mut data.dataset.tasks[0] else {
        panic!("the first task is a regression")
    };
    for row in &data.dataset.split.validation {
        values[row * *n_columns] = f32::MAX;
    }
    let exec = Executor::serial();
    let config = TrainConfig { patience: 5, ..config(3) };
    let mut trainer = Trainer::new(&data.dataset, graph(&data, 4), &config, &exec).unwrap();
    let error = trainer.run(&mut NoObserver).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { epoch: 3, .. }), "{error}");
}

#[test]
fn a_network_of_other_sizes_is_refused() {
    let data = prepared(60, Fractions::default());
    let exec = Executor::serial();
    let message = |network: TwoBranch| {
        let graph = network.build(Fusion::Fused).unwrap();
        Trainer::new(&data.dataset, graph, &config(1), &exec).unwrap_err().to_string()
    };
    assert_eq!(message(TwoBranch { inputs: 9, ..network(&data, 6) }), "expected 9 inputs, got 3");
    let wider = TwoBranch { outputs_a: 7, ..network(&data, 6) };
    assert_eq!(message(wider), "expected 7 outputs of a head, got 2");
}
