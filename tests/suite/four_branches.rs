//! A river of four branches, two regressions and two classes on a trunk, with joins of each kind:
//! from the check of its gradient to a model that was loaded again.

use std::ops::ControlFlow;

use anabranch::graph::{Branch, Fusion, Join, River};
use anabranch::layers::{Activation, LossKind};
use anabranch::train::{Observer, StepView};
use anabranch::verify::gradcheck::{DEFAULT_WORK, Instance, gradcheck};
use anabranch::{
    Executor, Fractions, Model, NoObserver, Table, TargetColumns, TrainConfig, Trainer, prepare,
};

fn table() -> Table {
    let mut csv = "u,v,w,one,two,left,right\n".to_owned();
    for i in 0..200_u32 {
        let [u, v, w] = [i * 37 % 90, i * 53 % 80, i * 29 % 40];
        let (left, right) = (u > 45, (v / 20, w > 20));
        csv += &format!("{u},{v},{w}.25,{},{},{left},{right:?}\n", 3 * u + v, u * v + w)
            .replace("(", "\"(")
            .replace(")\n", ")\"\n");
    }
    Table::from_reader("made", csv.as_bytes()).unwrap()
}

fn river(inputs: usize, classes: [usize; 2]) -> River {
    River::new(
        inputs,
        [
            Branch::new("trunk").hidden(9, Activation::Tanh),
            Branch::new("one").from("trunk").hidden(6, Activation::Relu).dropout(0.2).head(
                1,
                LossKind::HalfSquaredError,
                0.8,
            ),
            Branch::new("two")
                .from("trunk")
                .hidden(5, Activation::Gelu)
                .join("one", Join::Broadcast)
                .head(1, LossKind::Huber { delta: 1.5 }, 1.2),
            Branch::new("left")
                .hidden(7, Activation::Relu)
                .batch_norm()
                .join("two", Join::Project)
                .head(classes[0], LossKind::CROSS_ENTROPY, 1.0),
            Branch::new("right")
                .from("trunk")
                .hidden(classes[0], Activation::Silu)
                .batch_norm()
                .join("one", Join::Broadcast)
                .join("left", Join::Add)
                .head(classes[1], LossKind::CROSS_ENTROPY, 0.7),
        ],
    )
}

/// Takes a step out of a run, and stops it there.
struct OneStep<'a>(&'a River, Option<Instance>);

impl Observer<f32> for OneStep<'_> {
    fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
        let by = (step.seed, step.step);
        let instance = Instance::new(self.0, step.params, step.x, step.targets, by);
        self.1 = Some(instance.with_row_weights(step.row_weights));
        ControlFlow::Break(())
    }
}

#[test]
fn four_branches_are_checked_trained_saved_loaded_and_predict() {
    let (table, exec) = (table(), Executor::new(2).unwrap());
    let columns =
        TargetColumns::new().regress(["one"]).regress(["two"]).classify("left").classify("right");
    let prepared = prepare::<f32>(&exec, &table, &columns, Fractions::default(), 1).unwrap();
    let data = &prepared.dataset;
    let river = river(data.n_inputs, [data.tasks[2].outputs(), data.tasks[3].outputs()]);
    let config = TrainConfig { epochs: 6, batch_size: 32, ..TrainConfig::default() };
    let graph = river.build(Fusion::Fused).unwrap();
    let mut trainer = Trainer::new(data, graph, &config, &exec).unwrap();

    let mut one = OneStep(&river, None);
    trainer.run(&mut one).unwrap();
    let instance = one.1.unwrap();
    for instance in [instance.perturbed(5), instance] {
        let report = gradcheck(&instance, &exec, DEFAULT_WORK).unwrap();
        assert!(report.pass && !report.sampled, "{report}");
        for tensor in &report.tensors {
            assert!(tensor.dual.max(tensor.by_hand) <= 1e-10 && tensor.checked > 0, "{report}");
            // Differences of losses lose digits.
            assert!(tensor.difference <= 1e-9, "{report}");
        }
        assert!(report.identities.iter().all(|identity| identity.error <= 1e-10), "{report}");
    }

    trainer.run(&mut NoObserver).unwrap();
    assert_eq!(trainer.epochs_run(), 6);
    let model = Model::from_trainer(&trainer, river, prepared.encoder, prepared.targets).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("four.safetensors");
    model.save(&path).unwrap();
    let loaded = Model::load(&path).unwrap();
    assert_eq!((loaded.river(), loaded.members()), (model.river(), model.members()));
    let (predictions, _) = loaded.predict_table(&table).unwrap();
    assert_eq!((predictions.n_rows, predictions.tasks.len()), (200, 4));
    assert_eq!(predictions, model.predict_table(&table).unwrap().0);
}
