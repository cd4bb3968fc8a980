//! Runs that stop and go on, on arrays in memory, with tasks of every kind.

use std::ops::ControlFlow;

use anabranch_data::{Batches, Dataset, Presence, Split, TaskValues};
use anabranch_graph::{Branch, Fusion, Graph, GraphBuilder, Join, River};
use anabranch_layers::{
    Activation, BatchNorm, BinaryCrossEntropy, CrossEntropy, Dropout, HalfSquaredError, Linear,
    LossKind,
};
use anabranch_optim::rules::RmsProp;
use anabranch_optim::{OptimizerKind, Schedule, ScheduleKind};
use anabranch_tensor::Executor;
use anabranch_tensor::random::{Purpose, Random};
use anabranch_train::{
    BatchOrder, BestState, EpochReport, NoObserver, Observer, RunState, StepView, TaskMetrics,
    TrainConfig, TrainError, Trainer, Watch,
};

const ROWS: usize = 300;

/// Points in a square, and four questions about each: its product and sum, its quadrant, which
/// coordinates are positive, and the distance from the origin.
fn points() -> Dataset<f32> {
    let mut random = Random::new(1, Purpose::Sample, 0);
    let x: Vec<f32> = (0..2 * ROWS).map(|_| 2.0 * random.uniform() as f32 - 1.0).collect();
    let of = |f: fn(f32, f32) -> Vec<f32>| x.chunks(2).flat_map(|p| f(p[0], p[1])).collect();
    let class = x.chunks(2).map(|p| 2 * u32::from(p[0] > 0.0) + u32::from(p[1] > 0.0)).collect();
    let yes = |v: f32| f32::from(u8::from(v > 0.0));
    let yes_no = x.chunks(2).flat_map(|p| [yes(p[0]), yes(p[1])]).collect();
    Dataset {
        tasks: vec![
            TaskValues::Numbers { values: of(|u, v| vec![u * v, u + v]), n_columns: 2 },
            TaskValues::Classes { class, n_classes: 4 },
            TaskValues::Numbers { values: yes_no, n_columns: 2 },
            TaskValues::Numbers { values: of(|u, v| vec![u.hypot(v)]), n_columns: 1 },
        ],
        x,
        present: Vec::new(),
        sample_weights: None,
        split: Split {
            train: (0..200).collect(),
            validation: (200..250).collect(),
            test: (250..ROWS).collect(),
            ..Split::default()
        },
        n_rows: ROWS,
        n_inputs: 2,
    }
}

fn river() -> River {
    let relu = Activation::Relu;
    River::new(
        2,
        [
            Branch::new("trunk").hidden(24, relu).batch_norm(),
            Branch::new("numbers").from("trunk").hidden(16, relu).head(2, LossKind::HUBER, 1.0),
            Branch::new("quadrant")
                .from("trunk")
                .hidden(16, relu)
                .dropout(0.1)
                .join("numbers", Join::Project)
                .head(4, LossKind::CROSS_ENTROPY, 1.0),
            Branch::new("signs").hidden(8, relu).head(2, LossKind::BinaryCrossEntropy, 1.0),
            Branch::new("distance")
                .hidden(24, Activation::Tanh)
                .batch_norm()
                .join("numbers", Join::Project)
                .head(1, LossKind::HalfSquaredError, 2.0),
        ],
    )
}

/// The same tasks by hand, in a graph that no river describes: two joins into one hidden layer.
fn by_hand() -> Graph<f32> {
    let mut g = GraphBuilder::new(2);
    let x = g.input();
    let h = g.layer("h", Linear::new(16), x).unwrap();
    let h = g.layer("relu", Activation::Relu, h).unwrap();
    let numbers = g.layer("numbers", Linear::new(2), h).unwrap();
    let n = g.layer("bn", BatchNorm::new(), h).unwrap();
    let n = g.join("join", Join::Project, n, numbers).unwrap();
    let n = g.layer("dropout", Dropout::new(0.2), n).unwrap();
    let quadrant = g.layer("quadrant", Linear::new(4), n).unwrap();
    let signs = g.layer("signs", Linear::new(2), n).unwrap();
    let distance = g.layer("distance", Linear::new(1), n).unwrap();
    g.head("numbers", numbers, 1.0, HalfSquaredError).unwrap();
    g.head("quadrant", quadrant, 1.0, CrossEntropy::default()).unwrap();
    g.head("signs", signs, 1.0, BinaryCrossEntropy).unwrap();
    g.head("distance", distance, 1.0, HalfSquaredError).unwrap();
    g.build(Fusion::Fused).unwrap()
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 9,
        batch_size: 32,
        schedule: ScheduleKind::PLATEAU,
        patience: 4,
        clip: Some(0.5),
        ..TrainConfig::default()
    }
}

/// Stops after so many steps.
struct StopAfter {
    steps: u64,
    reports: Vec<EpochReport>,
}

impl Observer<f32> for StopAfter {
    fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
        assert_eq!((step.targets.len(), step.losses.len()), (4, 4));
        if step.step + 1 == self.steps { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        self.reports.push(report.clone());
        ControlFlow::Continue(())
    }
}

#[test]
fn four_tasks_of_every_kind_are_learned() {
    let (data, exec) = (points(), Executor::new(2).unwrap());
    let config = TrainConfig { epochs: 60, patience: 0, clip: None, ..config() };
    let graph = river().build(Fusion::Fused).unwrap();
    let mut trainer = Trainer::new(&data, graph, &config, &exec).unwrap();
    trainer.run(&mut NoObserver).unwrap();
    let targets =
        serde_json::from_str(r#"{"tasks":[{"regression":[{"column":"y","mean":0,"std":1}]}]}"#);
    let metrics = trainer.test_metrics(&targets.unwrap());
    let [numbers, quadrant, TaskMetrics::Binary(signs), distance] = &metrics[..] else {
        panic!("{metrics:?}");
    };
    assert!(numbers.regression().iter().all(|m| m.r2 > Some(0.8)), "{numbers:?}");
    assert!(quadrant.classification().unwrap().accuracy > Some(0.8), "{quadrant:?}");
    assert!(signs.iter().all(|m| m.accuracy > Some(0.9)), "{signs:?}");
    assert!(distance.regression()[0].r2 > Some(0.8), "{distance:?}");
}

/// Stopped anywhere, within an epoch too, taken out, put into another trainer, and gone on with.
#[test]
fn a_run_that_is_stopped_anywhere_goes_on_to_the_same_bits() {
    let mut data = points();
    // Some rows lack the targets of two tasks.
    let has = |step: usize| Presence::Each((0..ROWS).map(|row| row % step != 0).collect());
    data.present = vec![Presence::All, has(3), has(2), Presence::All];
    let exec = Executor::serial();
    for graph in [|| river().build(Fusion::Fused).unwrap(), by_hand] {
        let whole = |exec| {
            let mut trainer = Trainer::new(&data, graph(), &config(), exec).unwrap();
            let mut seen = StopAfter { steps: 0, reports: Vec::new() };
            trainer.run(&mut seen).unwrap();
            (trainer.run_state(), seen.reports)
        };
        let (expected, reports) = whole(&exec);
        // 200 rows in batches of 32 are seven steps an epoch.
        for steps in [1, 6, 7, 8, 20, 35] {
            let mut first = Trainer::new(&data, graph(), &config(), &exec).unwrap();
            let mut seen = StopAfter { steps, reports: Vec::new() };
            first.run(&mut seen).unwrap();
            let saved: RunState<f32> = first.run_state();
            assert_eq!(saved.position.epochs * 7 + saved.position.batches, steps as usize);
            assert_eq!(saved.position.rows, (saved.position.batches * 32).min(200));

            let other_threads = Executor::new(3).unwrap();
            let mut second = Trainer::new(&data, graph(), &config(), &other_threads).unwrap();
            // By way of a file.
            let file = serde_json::to_string(&saved).unwrap();
            second.restore(&serde_json::from_str(&file).unwrap()).unwrap();
            assert_eq!(second.run_state(), saved);
            let mut rest = StopAfter { steps: 0, reports: Vec::new() };
            second.run(&mut rest).unwrap();
            assert!(second.run_state() == expected, "stopped after {steps} steps");
            assert_eq!([seen.reports, rest.reports].concat(), reports);
        }
    }
}

/// Taken out at its end, when the weights of the best epoch are in place: it goes on from the last
/// ones, as a run does that was to have so many epochs from the beginning.
#[test]
fn a_run_that_is_complete_goes_on_for_more_epochs() {
    let (data, exec) = (points(), Executor::serial());
    let config = |epochs| TrainConfig { epochs, patience: 30, lr: 0.1, ..config() };
    let trainer = |epochs| {
        let graph = river().build(Fusion::Fused).unwrap();
        Trainer::new(&data, graph, &config(epochs), &exec).unwrap()
    };
    let mut long = trainer(20);
    long.run(&mut NoObserver).unwrap();
    let mut short = trainer(12);
    short.run(&mut NoObserver).unwrap();
    let best = short.best_epoch(0).unwrap();
    assert!(best < 12, "the last epoch must not be the best, or this test shows nothing: {best}");
    let mut rest = trainer(20);
    rest.restore(&short.run_state()).unwrap();
    rest.run(&mut NoObserver).unwrap();
    assert!(rest.run_state() == long.run_state());
    assert!(rest.params() == long.params() && rest.state() == long.state());
}

#[test]
fn a_state_of_another_run_is_refused_and_changes_nothing() {
    let (data, exec) = (points(), Executor::serial());
    let mut trainer =
        Trainer::new(&data, river().build(Fusion::Fused).unwrap(), &config(), &exec).unwrap();
    let before = trainer.run_state();
    let mut message = |change: fn(&mut RunState<f32>)| {
        let mut saved = before.clone();
        change(&mut saved);
        let message = trainer.restore(&saved).unwrap_err().to_string();
        assert!(trainer.run_state() == before, "{message}");
        message
    };
    assert!(message(|saved| _ = saved.params.pop()).contains("parameters, got"));
    assert!(message(|saved| saved.log_variances.push(0.0)).contains("variances of tasks, got 1"));
    assert!(message(|saved| saved.state.push(0.0)).contains("running statistics, got"));
    assert!(
        message(|saved| saved.position.loss_sums.truncate(1)).contains("expected 4 tasks, got 1")
    );
    assert!(
        message(|saved| saved.position.row_totals.truncate(1)).contains("expected 4 tasks, got 1")
    );
    assert!(
        message(|saved| saved.position.batches = 8).contains("expected 7 batches at most, got 8")
    );
    assert!(message(|saved| saved.position.rows = 1).contains("expected 0 rows at most, got 1"));
    let best = |saved: &mut RunState<f32>| {
        let RunState { params, state, .. } = saved.clone();
        saved.best = vec![Some(BestState { loss: 1.0, epoch: 2, params, state })];
    };
    assert!(message(best).contains("expected 0 as the best epoch at most, got 2"));
    assert!(message(|saved| saved.optimizer.moments.clear()).contains("lacks `exp_avg`"));
}

/// A task of weight 0 has a loss of 0 that never falls; the distance is learned better with every
/// epoch.
#[test]
fn a_plateau_is_that_of_the_watched_task() {
    let (data, exec) = (points(), Executor::serial());
    let heads = |weights: [f64; 4]| {
        let head = |name: &str, outputs, loss, task: usize| {
            Branch::new(name).hidden(8, Activation::Tanh).head(outputs, loss, weights[task])
        };
        let mse = || LossKind::HalfSquaredError;
        let branches = [
            head("numbers", 2, mse(), 0),
            head("quadrant", 4, LossKind::CROSS_ENTROPY, 1),
            head("signs", 2, LossKind::BinaryCrossEntropy, 2),
            head("distance", 1, mse(), 3),
        ];
        River::new(2, branches).build(Fusion::Fused).unwrap()
    };
    let last_factor = |task: usize| {
        let schedule = ScheduleKind::Plateau { gamma: 0.5, patience: 1, threshold: 0.0 };
        let watch = Watch::Task(task);
        let config = TrainConfig { schedule, watch, patience: 0, lr: 1e-3, ..config() };
        let mut seen = StopAfter { steps: 0, reports: Vec::new() };
        let mut trainer = Trainer::new(&data, heads([0.0, 0.0, 0.0, 1.0]), &config, &exec).unwrap();
        trainer.run(&mut seen).unwrap();
        seen.reports.last().unwrap().lr_factor
    };
    assert_eq!(last_factor(3), 1.0);
    assert!(last_factor(0) < 1.0);
}

/// The variance of numbers of 10²⁵ is infinite in f32, and divides all of them to 0: losses and
/// weights stay finite.
#[test]
fn running_statistics_that_are_not_finite_end_a_run() {
    let (mut data, exec) = (points(), Executor::serial());
    data.x.iter_mut().for_each(|x| *x *= 1e25);
    data.tasks.truncate(1);
    let branch = Branch::new("numbers").hidden(4, Activation::Relu).batch_norm();
    let head = branch.head(2, LossKind::HalfSquaredError, 1.0);
    let graph = River::new(2, [head]).build(Fusion::Fused).unwrap();
    let config = TrainConfig { epochs: 1, patience: 0, weight_decay: 0.0, ..config() };
    let mut trainer = Trainer::new(&data, graph, &config, &exec).unwrap();
    let error = trainer.run(&mut NoObserver).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { loss, .. } if loss.is_finite()), "{error}");
    assert!(trainer.params().iter().all(|param| param.is_finite()));
}

/// A rule and a schedule of one's own: here, built-in ones that the settings do not name.
#[test]
fn rules_and_schedules_may_be_ones_own() {
    let (data, exec) = (points(), Executor::serial());
    let trained = |config: &TrainConfig, change: fn(Trainer<'_, f32>) -> Trainer<'_, f32>| {
        let graph = river().build(Fusion::Fused).unwrap();
        let mut trainer = change(Trainer::new(&data, graph, config, &exec).unwrap());
        trainer.run(&mut NoObserver).unwrap();
        trainer.run_state()
    };
    let settings = TrainConfig { epochs: 4, patience: 0, ..config() };
    let own = trained(&settings, |trainer| {
        // An order of batches that is given later keeps both.
        let batches = Batches::new((0..200).collect(), 32, config().seed).unwrap();
        let halved = Schedule::from_fn(|at| if at.epoch < 2 { 1.0 } else { 0.5 });
        let trainer = trainer.with_rule(RmsProp { alpha: 0.99, eps: 1e-8 }).unwrap();
        trainer.with_schedule(halved).with_batches(batches).unwrap()
    });
    let named = TrainConfig {
        optimizer: OptimizerKind::RMSPROP,
        schedule: ScheduleKind::Step { every_epochs: 2, gamma: 0.5 },
        ..settings
    };
    assert!(own == trained(&named, |trainer| trainer));
    assert!(own != trained(&settings, |trainer| trainer));
}

/// The rows of each batch in order, the same in every epoch.
#[derive(Debug)]
struct InOrder(Vec<Vec<usize>>);

impl BatchOrder for InOrder {
    fn start_epoch(&mut self, _epoch: u64) {}

    fn n_batches(&self) -> usize {
        self.0.len()
    }

    fn max_rows(&self) -> usize {
        self.0.iter().map(Vec::len).max().unwrap_or(0)
    }

    fn batch(&self, batch: usize) -> &[usize] {
        &self.0[batch]
    }
}

#[test]
fn batches_may_come_in_an_order_of_ones_own() {
    struct Rows(Vec<Vec<f32>>);
    impl Observer<f32> for Rows {
        fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
            self.0.push(step.x.column(0).to_vec());
            ControlFlow::Continue(())
        }
    }
    let (data, exec) = (points(), Executor::serial());
    let config = TrainConfig { epochs: 2, patience: 0, ..config() };
    let trainer = |order: Vec<Vec<usize>>| {
        let graph = river().build(Fusion::Fused).unwrap();
        Trainer::new(&data, graph, &config, &exec).unwrap().with_batches(InOrder(order))
    };
    let order = vec![vec![3, 1, 4], (10..90).collect(), vec![5, 9]];
    let mut seen = Rows(Vec::new());
    trainer(order.clone()).unwrap().run(&mut seen).unwrap();
    let expected = order.iter().chain(&order);
    let expected: Vec<Vec<f32>> =
        expected.map(|rows| rows.iter().map(|row| data.x[2 * row]).collect()).collect();
    assert_eq!(seen.0, expected);

    let message = |order| trainer(order).unwrap().run(&mut NoObserver).unwrap_err().to_string();
    assert_eq!(
        message(vec![vec![1, 2], vec![7, 300]]),
        "epoch 0, batch 1: row 300 of a data set of 300 rows, counted from 0"
    );
    assert_eq!(message(vec![vec![1, 2], vec![7]]), "epoch 0, batch 1: expected 2 to 2 rows, got 1");
    assert!(trainer(vec![vec![1]]).is_err(), "no batch of one row can be normalised");
}

#[test]
fn a_run_may_start_from_weights_of_ones_own() {
    let (data, exec) = (points(), Executor::serial());
    let graph = || river().build(Fusion::Fused).unwrap();
    let (params, state) = graph().init(77);
    let config =
        TrainConfig { epochs: 1, patience: 0, optimizer: OptimizerKind::SGD, lr: 0.0, ..config() };
    let trainer = || Trainer::new(&data, graph(), &config, &exec).unwrap();
    let mut own = trainer().with_weights(&params, &state).unwrap();
    own.run(&mut NoObserver).unwrap();
    assert_eq!(own.params(), &*params);
    assert_ne!(own.state(), &*state, "running statistics follow the data");
    let error = trainer().with_weights(&params[1..], &state).unwrap_err();
    assert!(matches!(error, TrainError::Sizes { what: "parameters", .. }), "{error}");
}

#[test]
fn targets_that_a_head_cannot_be_compared_with_are_refused() {
    let exec = Executor::serial();
    let message = |change: fn(&mut Dataset<f32>)| {
        let mut data = points();
        change(&mut data);
        let graph = river().build(Fusion::Fused).unwrap();
        Trainer::new(&data, graph, &config(), &exec).unwrap_err().to_string()
    };
    assert_eq!(message(|data| _ = data.tasks.pop()), "expected 4 tasks, got 3");
    assert_eq!(
        message(|data| data.tasks[1] =
            TaskValues::Numbers { values: vec![0.0; 4 * ROWS], n_columns: 4 }),
        "head \"quadrant\" predicts a class, but its targets are numbers"
    );
    assert_eq!(
        message(|data| data.tasks[2] =
            TaskValues::Numbers { values: vec![2.0; 2 * ROWS], n_columns: 2 }),
        "head \"signs\": row 0, column 0 holds 2: yes is 1, no is 0, and a probability lies between"
    );
    assert_eq!(
        message(|data| data.tasks[1] = TaskValues::Classes { class: vec![7; ROWS], n_classes: 4 }),
        "task 1: row 0 has class 7, but there are 4 classes, counted from 0"
    );
    assert_eq!(
        message(|data| data.split.test.push(ROWS)),
        "the test part of the split has row 300, but there are 300 rows, counted from 0"
    );
}
