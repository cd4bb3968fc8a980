//! Balanced tasks, and what a trainer tells of their gradients.

use std::ops::ControlFlow;

use anabranch_data::{Dataset, Presence, Split, TaskValues};
use anabranch_graph::{Branch, Fusion, Graph, River};
use anabranch_layers::{Activation, LossKind};
use anabranch_optim::{OptimizerKind, ScheduleKind};
use anabranch_tensor::Executor;
use anabranch_tensor::random::{Purpose, Random};
use anabranch_train::{
    EpochReport, NoObserver, Observer, RunState, StepView, TaskBalance, TrainConfig, TrainError,
    Trainer,
};

const ROWS: usize = 256;

/// Points in a square; their product, and their quadrant.
fn points() -> Dataset<f32> {
    let mut random = Random::new(3, Purpose::Sample, 0);
    let x: Vec<f32> = (0..2 * ROWS).map(|_| 2.0 * random.uniform() as f32 - 1.0).collect();
    let values = x.chunks(2).map(|p| 3.0 * p[0] * p[1]).collect();
    let class = x.chunks(2).map(|p| 2 * u32::from(p[0] > 0.0) + u32::from(p[1] > 0.0)).collect();
    Dataset {
        tasks: vec![
            TaskValues::Numbers { values, n_columns: 1 },
            TaskValues::Classes { class, n_classes: 4 },
        ],
        x,
        present: Vec::new(),
        sample_weights: None,
        split: Split {
            train: (0..192).collect(),
            validation: (192..ROWS).collect(),
            test: Vec::new(),
            ..Split::default()
        },
        n_rows: ROWS,
        n_inputs: 2,
    }
}

/// Two tasks that share a trunk, with these weights.
fn network(weights: [f64; 2]) -> Graph<f32> {
    let trunk = Branch::new("trunk").hidden(12, Activation::Relu).hidden(8, Activation::Relu);
    let task = |name: &str| Branch::new(name).from("trunk");
    let product = task("product").head(1, LossKind::HalfSquaredError, weights[0]);
    let quadrant = task("quadrant").head(4, LossKind::CROSS_ENTROPY, weights[1]);
    River::new(2, [trunk, product, quadrant]).build(Fusion::Fused).unwrap()
}

/// Steps against the whole gradient: the weights tell what it was.
fn plain(balance: TaskBalance) -> TrainConfig {
    TrainConfig {
        epochs: 1,
        batch_size: ROWS,
        optimizer: OptimizerKind::SGD,
        schedule: ScheduleKind::CONSTANT,
        lr: 1.0,
        weight_decay: 0.0,
        patience: 0,
        task_balance: balance,
        ..TrainConfig::default()
    }
}

#[derive(Default)]
struct Reports(Vec<EpochReport>);

impl Observer<f32> for Reports {
    fn watches(&self, _step: u64) -> bool {
        false
    }

    fn epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        self.0.push(report.clone());
        ControlFlow::Continue(())
    }
}

/// The gradient of the first step, which it is all of, and the report.
fn first_step(weights: [f64; 2], config: &TrainConfig) -> (Vec<f64>, EpochReport, RunState<f32>) {
    let (data, exec, mut reports) = (points(), Executor::serial(), Reports::default());
    let mut trainer = Trainer::new(&data, network(weights), config, &exec).unwrap();
    let before = trainer.params().to_vec();
    trainer.watch_cosines();
    trainer.run(&mut reports).unwrap();
    let moved = before.iter().zip(trainer.params()).map(|(p, q)| f64::from(p - q)).collect();
    (moved, reports.0.remove(0), trainer.run_state())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A step moves weights by f32 numbers of size 1: the gradients come back to about 1e-7.
const TOLERANCE: f64 = 2e-6;

#[test]
fn min_norm_is_the_shortest_combination_of_the_tasks_gradients() {
    let of_task = |weights| first_step(weights, &plain(TaskBalance::Fixed)).0;
    let (g0, g1) = (of_task([1.0, 0.0]), of_task([0.0, 1.0]));
    // The trunk is the part that both need: here, the first arrays.
    let graph = network([1.0, 1.0]);
    let shared = graph.param("product.head.weight").unwrap().range.start;
    assert_eq!(graph.shared_params().iter().map(ExactSizeIterator::len).sum::<usize>(), shared);
    let (trunk0, trunk1) = (&g0[..shared], &g1[..shared]);

    let norm = |a: f64| -> f64 {
        trunk0.iter().zip(trunk1).map(|(x, y)| (a * x + (1.0 - a) * y).powi(2)).sum()
    };
    let places = (0..=100_000).map(|i| f64::from(i) / 1e5);
    let best = places.min_by(|a, b| norm(*a).total_cmp(&norm(*b))).unwrap();
    assert!((0.05..0.95).contains(&best), "{best}: choose tasks that are balanced");
    let (moved, ..) = first_step([1.0, 1.0], &plain(TaskBalance::MinNorm));
    for ((moved, g0), g1) in moved.iter().zip(&g0).zip(&g1) {
        let expected = 2.0 * (best * g0 + (1.0 - best) * g1);
        // The place is known to 1e-5.
        assert!((moved - expected).abs() < TOLERANCE + 4e-5 * (g0.abs() + g1.abs()));
    }
}

#[test]
fn cosines_and_norms_are_those_of_the_gradients() {
    let config = TrainConfig { clip: Some(0.01), ..plain(TaskBalance::Fixed) };
    let of_task = |weights| first_step(weights, &plain(TaskBalance::Fixed)).0;
    let (g0, g1) = (of_task([1.0, 0.0]), of_task([0.0, 2.0]));
    let shared = network([1.0, 1.0]).param("product.head.weight").unwrap().range.start;
    let (trunk0, trunk1) = (&g0[..shared], &g1[..shared]);
    let cosine = dot(trunk0, trunk1) / (dot(trunk0, trunk0) * dot(trunk1, trunk1)).sqrt();
    let (_, report, _) = first_step([1.0, 2.0], &config);
    assert_eq!(report.cosines.len(), 1);
    assert!((report.cosines[0] - cosine).abs() < TOLERANCE, "{} {cosine}", report.cosines[0]);
    let both: Vec<f64> = g0.iter().zip(&g1).map(|(a, b)| a + b).collect();
    assert!((report.grad_norm - dot(&both, &both).sqrt()).abs() < TOLERANCE);
    // By hand: max_norm/(norm + 1e-6) of the norm.
    let clipped = report.grad_norm * 0.01 / (report.grad_norm + 1e-6);
    assert!((report.clipped_norm - clipped).abs() < 1e-15);
    assert_eq!(report.lr, 1.0);
}

/// The gradients of all steps of an epoch.
#[derive(Default)]
struct Steps(Vec<Vec<f64>>);

impl Observer<f32> for Steps {
    fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
        self.0.push(step.grads.iter().map(|grad| f64::from(*grad)).collect());
        ControlFlow::Continue(())
    }
}

/// At a rate of 0, all batches meet the same weights; cosines are those of every eighth batch.
#[test]
fn an_epoch_tells_means_over_its_batches() {
    let config = TrainConfig { batch_size: 16, lr: 0.0, ..plain(TaskBalance::Fixed) };
    let (data, exec) = (points(), Executor::serial());
    let of_task = |weights| {
        let mut steps = Steps::default();
        Trainer::new(&data, network(weights), &config, &exec).unwrap().run(&mut steps).unwrap();
        steps.0
    };
    let (g0, g1) = (of_task([1.0, 0.0]), of_task([0.0, 1.0]));
    assert_eq!(g0.len(), 12);
    let shared = network([1.0, 1.0]).param("product.head.weight").unwrap().range.start;
    let cosine = |batch: usize| {
        let (a, b) = (&g0[batch][..shared], &g1[batch][..shared]);
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let norm = |(a, b): (&Vec<f64>, &Vec<f64>)| {
        let both: Vec<f64> = a.iter().zip(b).map(|(a, b)| a + b).collect();
        dot(&both, &both).sqrt()
    };
    let (_, report, _) = first_step([1.0, 1.0], &config);
    assert!((report.cosines[0] - (cosine(0) + cosine(8)) / 2.0).abs() < TOLERANCE);
    let norms: f64 = g0.iter().zip(&g1).map(norm).sum();
    assert!((report.grad_norm - norms / 12.0).abs() < TOLERANCE);
    let quarter = TrainConfig { lr: 0.25, ..plain(TaskBalance::Fixed) };
    assert_eq!(first_step([1.0, 1.0], &quarter).1.lr, 0.25);
}

#[test]
fn variances_are_learned_from_the_losses() {
    let (fixed, ..) = first_step([1.0, 0.5], &plain(TaskBalance::Fixed));
    let (learned, report, state) = first_step([1.0, 0.5], &plain(TaskBalance::Uncertainty));
    // All variances are 1 in the first step.
    assert_eq!(learned, fixed);
    // By hand: s − 0.05·(½ − L), with the loss without its weight.
    let expected = [report.train[0], report.train[1] / 0.5].map(|loss| 0.05 * (loss - 0.5));
    assert!(expected.iter().all(|s| s.abs() < 0.1 && *s != 0.0), "{expected:?}");
    for (s, expected) in state.log_variances.iter().zip(expected) {
        assert!((s - expected).abs() < 1e-15);
    }
}

/// By hand: a head of two columns has ½·s for each, and where no row has a target, nothing is
/// learned.
#[test]
fn a_variance_is_that_of_all_columns_and_of_rows_with_a_target() {
    let mut data = points();
    data.tasks[0] = TaskValues::Numbers { values: data.x.clone(), n_columns: 2 };
    data.present = vec![Presence::All, Presence::Each((0..ROWS).map(|row| row >= 192).collect())];
    let task = |name: &str| Branch::new(name).hidden(8, Activation::Relu);
    let heads = [
        task("point").head(2, LossKind::HalfSquaredError, 1.0),
        task("quadrant").head(4, LossKind::CROSS_ENTROPY, 1.0),
    ];
    let graph = River::new(2, heads).build(Fusion::Fused).unwrap();
    let (exec, mut reports) = (Executor::serial(), Reports::default());
    let config = plain(TaskBalance::Uncertainty);
    let mut trainer = Trainer::new(&data, graph, &config, &exec).unwrap();
    trainer.run(&mut reports).unwrap();
    let learned = trainer.run_state().log_variances;
    assert!((learned[0] - 0.05 * (reports.0[0].train[0] - 1.0)).abs() < 1e-15, "{learned:?}");
    assert_eq!(learned[1], 0.0);
}

/// Stops after so many steps.
struct StopAfter(u64);

impl Observer<f32> for StopAfter {
    fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
        if step.step + 1 == self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn balanced_runs_go_on_to_the_same_bits_on_any_number_of_threads() {
    let data = points();
    let [serial, execs @ ..] = [1, 1, 3].map(|threads| Executor::new(threads).unwrap());
    let mut ends = Vec::new();
    for balance in TaskBalance::ALL {
        let config = TrainConfig {
            epochs: 4,
            batch_size: 80,
            task_balance: balance,
            ..TrainConfig::default()
        };
        let trainer = |exec| Trainer::new(&data, network([1.0, 1.0]), &config, exec).unwrap();
        let mut whole = trainer(&serial);
        whole.watch_cosines();
        whole.run(&mut NoObserver).unwrap();
        for exec in &execs {
            let mut stopped = trainer(exec);
            stopped.watch_cosines();
            stopped.run(&mut StopAfter(5)).unwrap();
            let mut resumed = trainer(exec);
            resumed.watch_cosines();
            resumed.restore(&stopped.run_state()).unwrap();
            resumed.run(&mut NoObserver).unwrap();
            assert!(resumed.run_state() == whole.run_state(), "{balance}");
        }
        // To look at the gradients changes nothing.
        let mut unwatched = trainer(&serial);
        unwatched.run(&mut NoObserver).unwrap();
        assert_eq!(unwatched.params(), whole.params());
        ends.push(whole.params().to_vec());
    }
    assert!(ends[0] != ends[1] && ends[1] != ends[2] && ends[0] != ends[2]);
}

#[test]
fn min_norm_is_for_two_tasks() {
    let mut data = points();
    data.tasks.truncate(1);
    let head = Branch::new("product").head(1, LossKind::HalfSquaredError, 1.0);
    let graph = River::new(2, [head]).build(Fusion::Fused).unwrap();
    let config = plain(TaskBalance::MinNorm);
    let error = Trainer::new(&data, graph, &config, &Executor::serial()).unwrap_err();
    assert!(matches!(error, TrainError::Sizes { expected: 2, got: 1, .. }), "{error}");
}
