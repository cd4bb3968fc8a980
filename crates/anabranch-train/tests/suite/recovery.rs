//! Runs whose numbers are no longer finite go back and on at a lower learning rate.

use std::ops::ControlFlow;

use anabranch_data::{Dataset, Split, TaskValues};
use anabranch_graph::{Branch, Fusion, Graph, River};
use anabranch_layers::{Activation, LossKind};
use anabranch_optim::{OptimizerKind, Schedule, ScheduleKind};
use anabranch_tensor::Executor;
use anabranch_tensor::random::{Purpose, Random};
use anabranch_train::{
    Checkpoint, EpochStart, MemberState, NoObserver, Observer, Recovery, RunState, StepView,
    TrainConfig, TrainError, Trainer,
};

/// Points of a square, what they add up to, and which is larger.
fn points() -> Dataset<f32> {
    let mut random = Random::new(1, Purpose::Sample, 0);
    let x: Vec<f32> = (0..400).map(|_| 2.0 * random.uniform() as f32 - 1.0).collect();
    let values = x.chunks(2).map(|p| p[0] + p[1]).collect();
    let class = x.chunks(2).map(|p| u32::from(p[0] > p[1])).collect();
    Dataset {
        tasks: vec![
            TaskValues::Numbers { values, n_columns: 1 },
            TaskValues::Classes { class, n_classes: 2 },
        ],
        x,
        present: Vec::new(),
        sample_weights: None,
        split: Split {
            train: (0..160).collect(),
            validation: (160..200).collect(),
            test: Vec::new(),
            ..Split::default()
        },
        n_rows: 200,
        n_inputs: 2,
    }
}

fn graph() -> Graph<f32> {
    let branches = [
        Branch::new("trunk").hidden(8, Activation::Relu).batch_norm(),
        Branch::new("sum").from("trunk").hidden(4, Activation::Relu).dropout(0.1).head(
            1,
            LossKind::HalfSquaredError,
            1.0,
        ),
        Branch::new("larger").from("trunk").head(2, LossKind::CROSS_ENTROPY, 1.0),
    ];
    River::new(2, branches).build(Fusion::Fused).unwrap()
}

/// Ten steps an epoch.
fn config(lr: f64) -> TrainConfig {
    TrainConfig {
        epochs: 6,
        batch_size: 16,
        optimizer: OptimizerKind::SGD,
        lr,
        schedule: ScheduleKind::Constant,
        patience: 0,
        ..TrainConfig::default()
    }
}

#[derive(Debug, Default)]
struct Diary {
    recoveries: Vec<Recovery>,
    /// Steps taken, those of an epoch that began again too, and after how many to stop.
    steps: usize,
    stop_after: usize,
}

impl Observer<f32> for Diary {
    fn step(&mut self, _: &StepView<'_, f32>) -> ControlFlow<()> {
        self.steps += 1;
        let is_last = self.steps == self.stop_after;
        if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn recovery(&mut self, recovery: &Recovery) {
        self.recoveries.push(*recovery);
    }
}

fn trained(lr: f64) -> Result<(RunState<f32>, Diary), TrainError> {
    let (data, exec) = (points(), Executor::serial());
    let mut trainer = Trainer::new(&data, graph(), &config(lr), &exec)?;
    let mut diary = Diary::default();
    trainer.run(&mut diary)?;
    Ok((trainer.run_state(), diary))
}

/// Where the first epoch fails, the run is the one of a lower rate from the beginning: halves are
/// exact.
#[test]
fn a_run_goes_on_as_at_the_rate_that_it_comes_down_to() {
    let rates = || (0..40).map(|exponent| f64::from(exponent).exp2());
    let n_recoveries = |lr: f64| trained(lr).map(|(_, diary)| diary.recoveries.len()).ok();
    // The least of these rates at which numbers do not stay finite.
    let lr = rates().find(|lr| n_recoveries(*lr) != Some(0)).unwrap();
    for halvings in 1..=3 {
        let (high, diary) = trained(lr * f64::from(1 << (halvings - 1))).unwrap();
        let (low, _) = trained(lr / 2.0).unwrap();
        let rates: Vec<f64> = diary.recoveries.iter().map(|recovery| recovery.lr).collect();
        let expected = [4.0, 2.0, 1.0].map(|factor| factor * lr / 2.0);
        assert_eq!(rates, expected[3 - halvings..]);
        assert!(diary.recoveries.iter().all(|recovery| recovery.epoch == 1));
        assert_eq!(high.recoveries as usize, halvings);
        assert!(RunState { recoveries: 0, ..high } == low, "{halvings}");
    }
    let error = trained(lr * 8.0).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { epoch: 1, recoveries: 3, .. }), "{error}");
}

/// A rate that rises with the third epoch, which begins again, and then the whole run. Stopped
/// anywhere, also in an attempt that is going to fail, the run goes on to the same bits: those of a
/// run at the rate that it comes down to.
#[test]
fn a_run_that_is_stopped_before_or_after_it_went_back_goes_on_to_the_same_bits() {
    let (data, exec, two_threads) = (points(), Executor::serial(), Executor::new(2).unwrap());
    let of_rate = |lr: f64, factor: f64, exec| {
        let rising = Schedule::from_fn(move |at| if at.epoch < 2 { 1.0 } else { factor });
        Trainer::new(&data, graph(), &config(lr), exec).unwrap().with_schedule(rising)
    };
    let trainer = |factor: f64, exec| of_rate(0.01, factor, exec);
    let recoveries = |factor: f64| {
        let mut diary = Diary::default();
        trainer(factor, &exec).run(&mut diary).map(|()| diary.recoveries).unwrap_or_default()
    };
    let factors = || (0..60).map(|exponent| f64::from(exponent).exp2());
    let factor = factors().find(|factor| recoveries(*factor).len() == 2).unwrap();
    let found: Vec<_> = recoveries(factor).iter().map(|r| (r.epoch, r.from, r.lr)).collect();
    assert_eq!(found, [(3, 3, 0.005), (3, 1, 0.0025)]);
    let mut whole = trainer(factor, &exec);
    let mut seen = Diary::default();
    whole.run(&mut seen).unwrap();
    assert_eq!(seen.steps, 100);
    let mut low = of_rate(0.0025, factor, &exec);
    low.run(&mut NoObserver).unwrap();
    assert!(RunState { recoveries: 0, ..whole.run_state() } == low.run_state());
    for stop_after in [20, 21, 29, 30, 31, 40, 41, 45, 50, 55, 70] {
        let mut first = trainer(factor, &exec);
        first.run(&mut Diary { stop_after, ..Diary::default() }).unwrap();
        let saved = first.run_state();
        assert_eq!(saved.start.is_some(), saved.position.batches > 0);
        let mut second = trainer(factor, &two_threads);
        second.restore(&saved).unwrap();
        // Where numbers are not finite, they are not equal to themselves.
        let [again, file] = [second.run_state(), saved].map(|state| postcard(&state));
        assert!(again == file, "{stop_after}");
        second.run(&mut NoObserver).unwrap();
        assert!(second.run_state() == whole.run_state(), "{stop_after}");
    }
}

/// A state as a checkpoint has it: by the bits of its numbers.
fn postcard(state: &RunState<f32>) -> Vec<u8> {
    let (dir, run) = (tempfile::tempdir().unwrap(), Some(state.clone()));
    let members = vec![MemberState { run, history: String::new() }];
    let path = dir.path().join("1");
    let checkpoint = Checkpoint { config: String::new(), data_sha256: String::new(), members };
    checkpoint.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// A state whose beginning of the epoch is of another network is refused.
#[test]
fn what_an_epoch_began_with_has_to_fit() {
    let (data, exec) = (points(), Executor::serial());
    let mut trainer = Trainer::new(&data, graph(), &config(0.01), &exec).unwrap();
    trainer.run(&mut Diary { stop_after: 3, ..Diary::default() }).unwrap();
    let before = trainer.run_state();
    let mut message = |change: fn(&mut EpochStart<f32>)| {
        let mut saved = before.clone();
        change(saved.start.as_mut().unwrap());
        let message = trainer.restore(&saved).unwrap_err().to_string();
        assert!(trainer.run_state() == before, "{message}");
        message
    };
    assert!(message(|start| _ = start.params.pop()).contains("parameters of an epoch's start"));
    assert!(message(|start| start.state.push(0.0)).contains("statistics of an epoch's start"));
    assert!(message(|start| start.log_variances.push(0.0)).contains("variances at an epoch's"));
    let unknown = |start: &mut EpochStart<f32>| {
        start.optimizer.moments.insert("none".into(), Vec::new());
    };
    assert!(message(unknown).contains("none"));
    let saved = RunState { recoveries: 4, ..before.clone() };
    let error = trainer.restore(&saved).unwrap_err().to_string();
    assert!(error.contains("expected 3 recoveries at most, got 4"), "{error}");
}

/// No learning rate helps a row without a loss: it is named.
#[test]
fn a_row_without_a_loss_is_named() {
    let exec = Executor::serial();
    let error = |change: fn(&mut Dataset<f32>), config: &TrainConfig| {
        let mut data = points();
        change(&mut data);
        let mut trainer = Trainer::new(&data, graph(), config, &exec).unwrap();
        trainer.run(&mut NoObserver).unwrap_err()
    };
    let named = |found: TrainError, expected: (usize, &str)| match found {
        TrainError::RowWithoutLoss { row, head, .. } => assert_eq!((row, &*head), expected),
        other => panic!("{other}"),
    };
    let plain = config(0.01);
    named(error(|data| data.x[2 * 17] = f32::NAN, &plain), (17, "sum"));
    let infinite = |data: &mut Dataset<f32>| {
        let TaskValues::Numbers { values, .. } = &mut data.tasks[0] else { panic!("numbers") };
        (values[99], values[140]) = (f32::INFINITY, f32::MAX);
    };
    named(error(infinite, &plain), (99, "sum"));
    // A row that judges: no epoch is ever the best.
    let judging = TrainConfig { patience: 2, ..config(0.01) };
    named(error(|data| data.x[2 * 170 + 1] = f32::NAN, &judging), (170, "sum"));
    // All rows: it is not them.
    let all = error(|data| data.x.fill(f32::NAN), &plain);
    assert!(matches!(all, TrainError::Diverged { recoveries: 3, .. }), "{all}");
}
