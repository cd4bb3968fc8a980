//! A river of four tasks on a trunk, with a join of each kind: checked, trained, saved, loaded, and
//! asked.

use anabranch::graph::{Branch, Fusion, Join, River};
use anabranch::layers::{Activation, LossKind};
use anabranch::train::{Predictions, TaskPredictions};
use anabranch::verify::gradcheck::{DEFAULT_WORK, Instance, gradcheck};
use anabranch::{
    Executor, Fractions, Model, NoObserver, Table, TargetColumns, TrainConfig, Trainer, prepare,
};

/// Houses: three inputs, two numbers and two classes that follow from them.
fn table() -> String {
    let mut csv = "area,age,distance,rent,heating,kind,grade\n".to_owned();
    for i in 0..240_u32 {
        let (area, age, distance) = (30 + i * 37 % 90, i * 53 % 80, i * 29 % 40);
        let rent = 12 * area - 3 * age - 5 * distance;
        let heating = 2 * area + 4 * age;
        let kind = ["flat", "house"][usize::from(area > 75)];
        let grade = ["a", "b", "c"][(age / 27) as usize];
        csv += &format!("{area},{age},{distance},{rent},{heating},{kind},{grade}\n");
    }
    csv
}

fn river(inputs: usize) -> River {
    let relu = Activation::Relu;
    River::new(
        inputs,
        [
            Branch::new("trunk").hidden(12, Activation::Tanh),
            Branch::new("rent").from("trunk").hidden(8, relu).dropout(0.05).head(
                1,
                LossKind::HalfSquaredError,
                1.0,
            ),
            Branch::new("heating")
                .from("trunk")
                .hidden(6, Activation::Gelu)
                .join("rent", Join::Broadcast)
                .head(1, LossKind::Huber { delta: 1.0 }, 1.0),
            Branch::new("kind").hidden(7, relu).batch_norm().join("heating", Join::Project).head(
                2,
                LossKind::CROSS_ENTROPY,
                0.5,
            ),
            Branch::new("grade")
                .from("trunk")
                .hidden(2, Activation::Silu)
                .batch_norm()
                .join("rent", Join::Broadcast)
                .join("kind", Join::Add)
                .head(3, LossKind::CROSS_ENTROPY, 0.5),
        ],
    )
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let exec = Executor::new(2)?;
    let table = Table::from_reader("houses", table().as_bytes())?;
    let columns = TargetColumns::new()
        .regress(["rent"])
        .regress(["heating"])
        .classify("kind")
        .classify("grade");
    let prepared = prepare::<f32>(&exec, &table, &columns, Fractions::default(), 1)?;
    let data = &prepared.dataset;
    let river = river(data.n_inputs);

    let config = TrainConfig { epochs: 20, batch_size: 32, ..TrainConfig::default() };
    let graph = river.build::<f32>(Fusion::Fused)?;
    let mut trainer = Trainer::new(data, graph, &config, &exec)?;
    let mut first = FirstStep { river: &river, instance: None };
    trainer.run(&mut first)?;
    let instance = first.instance.ok_or("training took no step")?;
    let report = gradcheck(&instance.perturbed(1), &exec, DEFAULT_WORK)?;
    println!("{report}");
    assert!(report.pass);

    trainer.run(&mut NoObserver)?;
    let metrics = trainer.test_metrics(&prepared.targets);
    let r2 = metrics[0].regression()[0].r2;
    println!("rent: R² {r2:?}");
    assert!(r2 > Some(0.8));

    let dir = tempfile::tempdir()?;
    let path = dir.path().join("houses.safetensors");
    Model::from_trainer(&trainer, river, prepared.encoder, prepared.targets)?.save(&path)?;
    let model = Model::load(&path)?;
    let (predictions, _): (Predictions, _) = model.predict_table(&table)?;
    for (task, predicted) in model.targets().tasks().iter().zip(&predictions.tasks) {
        match predicted {
            TaskPredictions::Values { values, .. } => println!("{}: {:.1}", task.name(), values[0]),
            TaskPredictions::Classes { classes, .. } => {
                println!("{}: {}", task.name(), task.labels()[classes[0]]);
            }
        }
    }
    assert_eq!((predictions.n_rows, predictions.tasks.len()), (240, 4));
    Ok(())
}

/// Takes the first step out of a run, which goes on afterwards.
struct FirstStep<'a> {
    river: &'a River,
    instance: Option<Instance>,
}

impl anabranch::Observer<f32> for FirstStep<'_> {
    fn step(&mut self, step: &anabranch::train::StepView<'_, f32>) -> std::ops::ControlFlow<()> {
        let drawn_by = (step.seed, step.step);
        self.instance =
            Some(Instance::new(self.river, step.params, step.x, step.targets, drawn_by));
        std::ops::ControlFlow::Break(())
    }
}
