//! A model with every kind of column, layer, join and scale, and its exports. With a folder as its
//! argument, it writes them there.

use anabranch_data::{
    AskedKind, ColumnRules, DataError, Fractions, MissingMarkers, ScaleKind, Table, TargetColumns,
    prepare,
};
use anabranch_export::{Format, export};
use anabranch_graph::{Branch, Fusion, Join, LayerKind, River};
use anabranch_layers::{Activation, Affine, LossKind, RunningVariance};
use anabranch_train::{Executor, Model, NoObserver, TrainConfig, Trainer};

/// Grapes, with all that tables do to them.
fn csv() -> String {
    let mut csv = String::from(
        "sugar,acid,sort,picked,organic,study,lot,type,parcel,vat,picker,alcohol,mass,must,grade,use\n",
    );
    for i in 0..600 {
        let sugar = (i * 11) % 23;
        let cell = if i % 13 == 5 { "-99".to_owned() } else { format!("{sugar}.5") };
        // One is absurdly far away.
        let acid = if i == 100 { "20000".to_owned() } else { format!("{}.25", (i * 7) % 10) };
        // Some are rare, and some have no name.
        let rare = ["riesling", "silvaner", "furmint", "kerner", "nebbiolo", "barbera"];
        let sort = match i {
            50..56 => rare[i - 50],
            i if i % 17 == 3 => "n/a",
            i => ["pinot noir", "merlot", "Müller-Thurgau"][i % 3],
        };
        let picked = format!("2024-{:02}-{:02} {:02}:15", 7 + i % 4, 1 + i % 28, 6 + i % 12);
        let picked = if i % 29 == 7 { String::new() } else { picked };
        let (organic, study) = (["TRUE", "false"][i % 2], ["1", "2.0", "7"][i % 3]);
        // Too many for an input each.
        let parcel = if i % 31 == 4 { String::new() } else { format!("p{}", i * 7 % 150) };
        let alcohol = sugar + i % 5;
        let size = (i * 5) % 37;
        let (mass, must) = (100 + size, 3 * sugar + i % 7);
        // Numbers that are names, in no order: 37, some of them rare, and 185.
        let vat = if i % 41 == 9 { String::new() } else { format!("{}", 100 + size * 35 % 37) };
        let vat = if i % 120 == 8 { format!("{}", 500 + i) } else { vat };
        let picker = 1000 + (5 * size + i % 5) * 124 % 187;
        let grade = ["fair", "good", "best"][(sugar / 8).min(2)];
        let purpose = if i % 2 == 0 { "wine" } else { "juice" };
        csv += &format!(
            "{cell},{acid},{sort},{picked},{organic},{study},{:05},t{},{parcel},{vat},{picker},{alcohol}.25,{mass},{must},{grade},{purpose}\n",
            (i % 7) * 1000 + i,
            i % 4
        );
    }
    csv
}

fn table() -> Result<Table, DataError> {
    let missing = Some(MissingMarkers::default().with(["-99"]));
    let kinds = vec![("study".to_owned(), AskedKind::Category)];
    let rules = ColumnRules { missing, kinds, ..ColumnRules::default() };
    Ok(Table::from_reader("grapes", csv().as_bytes())?.with_rules(rules))
}

/// Five tasks on a trunk.
fn river(inputs: usize) -> River {
    let shared = LayerKind::BatchNorm {
        eps: 1e-3,
        momentum: 0.2,
        affine: Affine::Shared,
        running: RunningVariance::Biased,
    };
    River::new(
        inputs,
        [
            Branch::new("trunk")
                .hidden(17, Activation::Gelu)
                .layer("ln", LayerKind::LAYER_NORM)
                .dropout(0.1),
            Branch::new("mass, must").from("trunk").hidden(9, Activation::Silu).batch_norm().head(
                2,
                LossKind::HalfSquaredError,
                1.0,
            ),
            Branch::new("alcohol")
                .hidden(8, Activation::Tanh)
                .layer("prelu", LayerKind::PRELU)
                .join("mass, must", Join::Project)
                .head(1, LossKind::HUBER, 1.0),
            Branch::new("grade")
                .from("trunk")
                .hidden(2, Activation::Relu)
                .join("mass, must", Join::Add)
                .join("alcohol", Join::Broadcast)
                .head(3, LossKind::CROSS_ENTROPY, 1.0),
            Branch::new("use")
                .hidden(5, Activation::Identity)
                .layer("bn", shared)
                .join("grade", Join::Project)
                .head(2, LossKind::CROSS_ENTROPY, 1.0),
        ],
    )
}

/// The model after a short training.
pub(crate) fn model() -> Result<Model, Box<dyn std::error::Error>> {
    let columns = TargetColumns::new()
        .regress(["mass", "must"])
        .regress(["alcohol"])
        .classify("grade")
        .classify("use")
        .scale("alcohol", ScaleKind::Log1p)
        .scale("must", ScaleKind::RankNormal);
    let exec = Executor::serial();
    let prepared = prepare::<f32>(&exec, &table()?, &columns, Fractions::default(), 1)?;
    let river = river(prepared.dataset.n_inputs);
    let config = TrainConfig { epochs: 6, batch_size: 32, ..TrainConfig::default() };
    let graph = river.build(Fusion::Fused)?;
    let mut trainer = Trainer::new(&prepared.dataset, graph, &config, &exec)?;
    trainer.run(&mut NoObserver)?;
    Ok(Model::from_trainer(&trainer, river, prepared.encoder, prepared.targets)?)
}

#[cfg_attr(test, allow(dead_code))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = model()?;
    let rust = export(&model, Format::Rust)?;
    let onnx = export(&model, Format::Onnx)?;
    // Rust passes over space around texts, as tables do; ONNX cannot.
    assert!(rust.differences.len() < onnx.differences.len());
    if let Some(folder) = std::env::args().nth(1) {
        let folder = std::path::Path::new(&folder);
        std::fs::write(folder.join("grapes.csv"), csv())?;
        model.save(folder.join("grapes.safetensors"))?;
    }
    Ok(())
}
