//! A small table, and what is trained on it.

use anabranch_data::{Fractions, Prepared, Table, TargetColumns, prepare};
use anabranch_graph::{Fusion, Graph, TwoBranch};
use anabranch_tensor::Executor;
use anabranch_train::{Member, Model, NoObserver, Snapshot, TrainConfig, Trainer};

/// `n_rows` grapes: alcohol grows with sugar and is higher for red ones; the grade tells sweet from
/// sour.
pub(crate) fn table(n_rows: usize) -> Table {
    let mut csv = String::from("sugar,colour,alcohol,mass,grade\n");
    for i in 0..n_rows {
        let (sugar, red) = ((i * 11) % 23, i % 2);
        let sort = if red == 1 { "red" } else { "white" };
        let grade = if sugar > 11 { "sweet" } else { "sour" };
        csv += &format!("{sugar},{sort},{}.25,{},{grade}\n", sugar + 3 * red, 7 + (i * 5) % 9);
    }
    Table::from_reader("grapes", csv.as_bytes()).unwrap()
}

pub(crate) fn columns() -> TargetColumns {
    TargetColumns::new().regress(["alcohol", "mass"]).classify("grade")
}

pub(crate) fn prepared(n_rows: usize, fractions: Fractions) -> Prepared<f32> {
    prepare(&Executor::serial(), &table(n_rows), &columns(), fractions, 3).unwrap()
}

pub(crate) fn network(prepared: &Prepared<f32>, hidden: usize) -> TwoBranch {
    let data = &prepared.dataset;
    TwoBranch::new(data.n_inputs, hidden, 2, hidden + 1, 2)
}

/// The network in training.
pub(crate) fn graph(prepared: &Prepared<f32>, hidden: usize) -> Graph<f32> {
    network(prepared, hidden).build(Fusion::Fused).unwrap()
}

/// A short run whose learning rate does not depend on its length.
pub(crate) fn config(epochs: usize) -> TrainConfig {
    let schedule = anabranch_optim::ScheduleKind::CONSTANT;
    TrainConfig { epochs, batch_size: 16, schedule, patience: 0, ..TrainConfig::default() }
}

/// A model after a few epochs.
pub(crate) fn model() -> Model {
    let prepared = prepared(120, Fractions::default());
    let river = network(&prepared, 6).river();
    let exec = Executor::serial();
    let graph = river.build(Fusion::Fused).unwrap();
    let mut trainer = Trainer::new(&prepared.dataset, graph, &config(4), &exec).unwrap();
    trainer.run(&mut NoObserver).unwrap();
    Model::from_trainer(&trainer, river, prepared.encoder, prepared.targets).unwrap()
}

/// Two members, of which the second has weights of its own for each task.
pub(crate) fn ensemble() -> Model {
    let single = model();
    let Snapshot { params, state, .. } = &single.members()[0].snapshots[0];
    let other = |tasks: &[usize], factor: f32| Snapshot {
        tasks: tasks.to_vec(),
        params: params.iter().map(|value| value * factor).collect(),
        state: state.iter().map(|value| value * factor).collect(),
    };
    let members = vec![
        single.members()[0].clone(),
        Member { snapshots: vec![other(&[0], 0.75), other(&[1], 1.5)] },
    ];
    let (encoder, targets) = (single.encoder().clone(), single.targets().clone());
    Model::new(single.river().clone(), members, encoder, targets).unwrap()
}
