//! Trains a network on the built-in table, judges it, and saves the model.

use std::ops::ControlFlow;

use anabranch_data::{Fractions, Table, TargetColumns, prepare};
use anabranch_graph::TwoBranch;
use anabranch_tensor::Executor;
use anabranch_train::{EpochReport, Model, Observer, TrainConfig, Trainer, baselines};

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
    let (data, targets) = (&prepared.dataset, prepared.targets.regression());

    let network = TwoBranch::new(data.n_inputs, 32, data.n_outputs, 16, data.n_classes);
    let network = TwoBranch { dropout: 0.1, ..network };
    let config = TrainConfig { epochs: 10, ..TrainConfig::default() };

    let mut trainer = Trainer::new(data, &network, &config, &exec)?;
    let mut losses = Losses(Vec::new());
    trainer.run(&mut losses)?;
    assert!(losses.0.last() < losses.0.first(), "{:?}", losses.0);

    let (network, baseline) = (trainer.test_metrics(targets), baselines(data, targets));
    println!("R² {:?}, of the mean {:?}", network.regression[0].r2, baseline.regression[0].r2);
    assert!(network.regression[0].r2 > Some(0.4));
    assert!(network.classification.accuracy > baseline.classification.accuracy);

    let dir = tempfile::tempdir()?;
    let path = dir.path().join("wine.safetensors");
    let model = Model::from_trainer(&trainer, prepared.encoder, prepared.targets)?;
    model.save(&path)?;
    println!("{} bytes", std::fs::metadata(&path)?.len());
    Ok(())
}
