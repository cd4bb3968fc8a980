//! The Rust source of a model, compiled and run.

#[path = "../examples/01-every-layer.rs"]
mod every_layer;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anabranch_data::{Executor, Fractions, Table, TargetColumns, prepare};
use anabranch_export::{Format, export};
use anabranch_graph::{Branch, Fusion, River, TwoBranch};
use anabranch_layers::{Activation, LossKind};
use anabranch_train::{Model, NoObserver, Snapshot, TrainConfig, Trainer};

/// Calls the compiler; warnings are errors.
fn rustc(folder: &Path, args: &[&str]) -> Output {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(folder).args(["--edition", "2021", "--deny", "warnings"]).args(args);
    rustc.output().unwrap()
}

fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Compiles a file with its test, and runs that.
fn tested(folder: &Path, source: &str) -> Output {
    fs::write(folder.join("model.rs"), source).unwrap();
    succeeds(&rustc(folder, &["--test", "model.rs", "-o", "tested"]));
    Command::new(folder.join("tested")).output().unwrap()
}

fn source(model: &Model) -> String {
    String::from_utf8(export(model, Format::Rust).unwrap().file).unwrap()
}

/// A file predicts as the model does, without the standard library, and without an allocator, which
/// `core` has none of.
fn check(source: &str) {
    let folder = tempfile::tempdir().unwrap();
    let run = tested(folder.path(), source);
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");

    fs::write(folder.path().join("lib.rs"), "#![no_std]\npub mod model;\n").unwrap();
    succeeds(&rustc(folder.path(), &["--crate-type", "lib", "-O", "lib.rs"]));
    // In a program that uses nothing of it.
    fs::write(folder.path().join("main.rs"), "mod model;\nfn main() {}\n").unwrap();
    succeeds(&rustc(folder.path(), &["main.rs"]));
}

#[test]
fn every_column_layer_and_scale_predicts_as_the_model() {
    let source = source(&every_layer::model().unwrap());
    for part in [
        "Cycle::Month",
        "fn on_lines",
        "fn from_log1p",
        "fn gelu",
        "fn silu",
        "fn hyperbolic_tangent",
        "fn prelu",
        "fn layer_norm",
        "fn normalise",
        "fn project",
        "fn broadcast",
        "fn add",
        "same_number,",
        "same_letters,",
        "same_prefix::<",
        "clipped(",
        "from_table(",
        "named(",
        "named_from_table(",
        "unseen_place: Some(",
        "pub type_: ",
        "-99.0",
    ] {
        assert!(source.contains(part), "{part}");
    }
    check(&source);
}

/// A model of networks with these seeds.
fn wine(seeds: &[u64]) -> Model {
    let (wine, exec) = (Table::wine().unwrap(), Executor::serial());
    let columns = TargetColumns::wine();
    let prepared = prepare::<f32>(&exec, &wine, &columns, Fractions::default(), 1).unwrap();
    let river = TwoBranch::new(prepared.dataset.n_inputs, 128, 1, 64, 6).river();
    let members = seeds.iter().map(|seed| {
        let graph = river.build(Fusion::Fused).unwrap();
        let config = TrainConfig { epochs: 2, seed: *seed, ..TrainConfig::default() };
        let mut trainer = Trainer::new(&prepared.dataset, graph, &config, &exec).unwrap();
        trainer.run(&mut NoObserver).unwrap();
        trainer.member()
    });
    let members = members.collect();
    Model::new(river, members, prepared.encoder, prepared.targets).unwrap()
}

/// Scores of some tens, which are rounded to millionths: the sums of the file have to be those of
/// the model, in their order.
#[test]
fn the_scores_of_many_classes_are_rounded_as_in_the_model() {
    let classes = (0..600).map(|i| format!("{},{},k{}\n", i % 37, i % 23, i % 60));
    let file = "a,b,kind\n".to_owned() + &classes.collect::<String>();
    let table = Table::from_reader("t", file.as_bytes()).unwrap();
    let (columns, exec) = (TargetColumns::new().classify("kind"), Executor::serial());
    let prepared = prepare::<f32>(&exec, &table, &columns, Fractions::default(), 1).unwrap();
    let inputs = prepared.dataset.n_inputs;
    let branch = Branch::new("kind").hidden(64, Activation::Relu);
    let river = River::new(inputs, [branch.head(60, LossKind::CROSS_ENTROPY, 1.0)]);
    let graph = river.build(Fusion::Fused).unwrap();
    let config = TrainConfig::default();
    let trainer = Trainer::new(&prepared.dataset, graph, &config, &exec).unwrap();
    let mut member = trainer.member();
    member.snapshots[0].params.iter_mut().for_each(|weight| *weight *= 12.0);
    check(&source(&Model::new(river, vec![member], prepared.encoder, prepared.targets).unwrap()));
}

/// The second network has weights of its own for each task.
#[test]
fn an_ensemble_predicts_as_the_model() {
    let model = wine(&[1, 2, 3]);
    let mut members = model.members().to_vec();
    let Snapshot { params, state, .. } = members.pop().unwrap().snapshots.remove(0);
    members[1].snapshots[0].tasks = vec![0];
    members[1].snapshots.push(Snapshot { tasks: vec![1], params, state });
    let (river, encoder) = (model.river().clone(), model.encoder().clone());
    let model = Model::new(river, members, encoder, model.targets().clone()).unwrap();
    let ensemble = source(&model);
    check(&ensemble);
    assert!(ensemble.contains("mean(all_") && ensemble.contains("fn network_2("));
    assert!(!ensemble.contains("tempered"));
    // A calibration as a model file holds it, whose temperature is one that no training would find.
    let scores = r#"{ "n_rows": 1, "sorted": [0.5] }"#;
    let calibration = format!(
        r#"{{ "temperatures": [null, 1.75],
             "scores": [{{ "numbers": [{{ "scores": {scores} }}] }}, {{ "class": {scores} }}] }}"#
    );
    let calibration = serde_json::from_str(&calibration).unwrap();
    let tempered = source(&model.with_calibration(calibration).unwrap());
    check(&tempered);
    assert!(tempered.contains("1.75)"));
}

/// Intervals on every scale, around a single network and around an ensemble as wide as its members
/// are apart, and sets; whatever the coverage of the made-up scores really is.
#[test]
fn intervals_and_sets_are_those_of_the_model() {
    let scores = r#"{ "n_rows": 3, "sorted": [0.25, 0.5, 0.75] }"#;
    let calibrated = |model: Model, tasks: &[&str]| {
        let of_task = tasks.iter().map(|task| match *task {
            "class" => format!(r#"{{ "class": {scores} }}"#),
            columns => format!(r#"{{ "numbers": [{columns}] }}"#),
        });
        let temperatures = vec!["null"; tasks.len()].join(", ");
        let of_tasks: Vec<String> = of_task.collect();
        let calibration = format!(
            r#"{{ "coverage": 0.5, "temperatures": [{temperatures}], "scores": [{}] }}"#,
            of_tasks.join(", ")
        );
        model.with_calibration(serde_json::from_str(&calibration).unwrap()).unwrap()
    };
    let plain = format!(r#"{{ "scores": {scores} }}"#);
    let two = format!("{plain}, {plain}");
    let every_scale = every_layer::model().unwrap();
    let every_scale = source(&calibrated(every_scale, &[&two, &plain, "class", "class"]));
    check(&every_scale);
    for part in ["alcohol_interval: [f64; 2]", "to_log1p(", "[0, 1], &", "grade_set: [bool; "] {
        assert!(every_scale.contains(part), "{part}");
    }
    assert!(!every_scale.contains("_std"));
    let by_spread = format!(r#"{{ "spread": 0.1, "scores": {scores} }}"#);
    let ensemble = source(&calibrated(wine(&[1, 2]), &[&by_spread, "class"]));
    check(&ensemble);
    for part in ["alcohol_std: f64", "quality_std: f64", "quality_set: [bool; 6]"] {
        assert!(ensemble.contains(part), "{part}");
    }
}

#[test]
fn wine_predicts_as_the_model() {
    let model = wine(&[1]);
    let source = source(&model);
    check(&source);
    // What is not needed is not there.
    for part in ["fn erf", "fn dated", "fn sqrt", "fn one_hot", "Row<", "fn on_lines"] {
        assert!(!source.contains(part), "{part}");
    }
    let folder = tempfile::tempdir().unwrap();
    // A number that no network can predict from, and the test of another model.
    let refused = "
#[test]
fn what_the_model_refuses_is_refused() {
    let row = Row { ROW };
    assert!(predict(&row).is_ok());
    assert_eq!(predict(&Row { ph: f64::INFINITY, ..row }).unwrap_err().column, \"pH\");
    assert_eq!(predict(&Row { ph: 1e9, ..row }).unwrap_err().column, \"pH\");
}
";
    let fields =
        ["fixed_acidity", "volatile_acidity", "citric_acid", "residual_sugar", "chlorides"];
    let more = ["free_sulfur_dioxide", "total_sulfur_dioxide", "density", "ph", "sulphates"];
    let row: String = fields.iter().chain(&more).map(|field| format!("{field}: 1.0, ")).collect();
    let with_more = source.clone() + &refused.replace("ROW", row.trim_end_matches(", "));
    let said = tested(folder.path(), &with_more);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    let other = source.replacen(
        "static FC2A_BIAS: [f32; 1] = [",
        "static FC2A_BIAS: [f32; 1] = [0.01 + ",
        1,
    );
    assert_ne!(other, source);
    assert!(!tested(folder.path(), &other).status.success());
}
