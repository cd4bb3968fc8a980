//! Trains a network on the built-in table, judges it, and saves the model.

use std::ops::ControlFlow;

use anabranch_data::{Fractions, Table, TargetColumns, prepare};
use anabranch_graph::{Fusion, TwoBranch};
use anabranch_tensor::Executor;
use anabranch_train::{EpochReport, Model, Observer, TaskMetrics, TrainConfig, Trainer, baselines};

/// An observer sees each step and each epoch, and may end the run.
struct Losses(Vec<f64>);

impl Observer<f32> for Losses {
    fn epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        self.0.push(report.train.iter().sum());
        ControlFlow::Continue(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wine = Table::wine()?;
    let exec = Executor::new(2)?;
    let prepared = prepare::<f32>(&exec, &wine, &TargetColumns::wine(), Fractions::default(), 1)?;
    let data = &prepared.dataset;

    // Wine's tasks: alcohol, a number, and quality, one of six classes.
    let [outputs, classes] = [0, 1].map(|task| data.tasks[task].outputs());
    let network = TwoBranch::new(data.n_inputs, 32, outputs, 16, classes);
    let river = TwoBranch { dropout: 0.1, ..network }.river();
    let config = TrainConfig { epochs: 10, ..TrainConfig::default() };

    let mut trainer = Trainer::new(data, river.build(Fusion::Fused)?, &config, &exec)?;
    let mut losses = Losses(Vec::new());
    trainer.run(&mut losses)?;
    assert!(losses.0.last() < losses.0.first(), "{:?}", losses.0);

    let targets = &prepared.targets;
    let (network, baseline) = (trainer.test_metrics(targets), baselines(data, targets));
    let r2 = |metrics: &[TaskMetrics]| metrics[0].regression()[0].r2;
    let accuracy = |metrics: &[TaskMetrics]| metrics[1].classification().and_then(|m| m.accuracy);
    println!("R² {:?}, of the mean {:?}", r2(&network), r2(&baseline));
    assert!(r2(&network) > Some(0.4));
    assert!(accuracy(&network) > accuracy(&baseline));

    let dir = tempfile::tempdir()?;
    let path = dir.path().join("wine.safetensors");
    let model = Model::from_trainer(&trainer, river, prepared.encoder, prepared.targets)?;
    model.save(&path)?;
    println!("{} bytes", std::fs::metadata(&path)?.len());
    Ok(())
}
