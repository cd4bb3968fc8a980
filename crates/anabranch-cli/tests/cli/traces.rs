//! `verify` on traces: PyTorch's whole runs, gone through by the trainer.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anabranch::graph::{Join, LayerKind};
use anabranch::layers::LossKind;
use anabranch::optim::{OptimizerKind, ScheduleKind};
use anabranch::verify::trace::Trace;
use serde_json::{Value, json};

use crate::program::{Dir, keys};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../anabranch-verify/traces");

fn traces() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut traces: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    traces.sort();
    traces
}

fn read(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(format!("{FOLDER}/{name}.json")).unwrap())
        .unwrap()
}

#[test]
fn the_trainer_goes_where_pytorch_goes() {
    let dir = Dir::new();
    for path in traces() {
        for precision in ["f64", "f32"] {
            let run = dir.run(&format!("verify {} --precision {precision}", path.display()));
            assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
            assert!(run.stdout.contains(&format!("in {precision}: pass")), "{}", run.stdout);
        }
    }
}

#[test]
fn there_is_a_trace_of_everything_that_a_run_can_be_set_to() {
    let traces: Vec<Trace> = traces()
        .iter()
        .map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        .collect();
    let all = |of: &dyn Fn(&Trace) -> Vec<String>| -> BTreeSet<String> {
        traces.iter().flat_map(of).collect()
    };
    let optimizers = all(&|trace| vec![trace.train.optimizer.clone()]);
    assert_eq!(optimizers, OptimizerKind::ALL.map(|kind| kind.name().to_owned()).into());
    let schedules = all(&|trace| vec![trace.train.schedule.name().to_owned()]);
    assert_eq!(schedules, ScheduleKind::ALL.map(|kind| kind.name().to_owned()).into());
    let losses = all(&|trace| trace.river.tasks().map(|(_, head)| head.loss.to_string()).collect());
    assert_eq!(losses, LossKind::ALL.map(|kind| kind.name().to_owned()).into());
    let joins = all(&|trace| {
        let joins = trace.river.branches.iter().flat_map(|branch| &branch.joins);
        joins.map(|join| join.join.name().to_owned()).collect()
    });
    assert_eq!(joins, Join::ALL.map(|join| join.name().to_owned()).into());
    let steps =
        |trace: &Trace| trace.train.epochs * (trace.data.train.len() / trace.train.batch_size);
    for (what, is_there) in [
        ("clipping", traces.iter().any(|trace| trace.train.clip.is_some())),
        ("early stopping", traces.iter().any(|trace| trace.train.patience > 0)),
        ("given batches", traces.iter().any(|trace| trace.order.is_some())),
        ("drawn weights", traces.iter().any(|trace| trace.data.weights.is_none())),
        ("no validation", traces.iter().any(|trace| trace.data.validation.is_empty())),
        ("a hundred steps", traces.iter().any(|trace| steps(trace) >= 100)),
    ] {
        assert!(is_there, "no trace of {what}");
    }
    let layers = |trace: &Trace| -> Vec<String> {
        let layers = trace.river.branches.iter().flat_map(|branch| &branch.layers);
        let name = |layer: &LayerKind| match layer {
            LayerKind::Activation(f) => f.name(),
            LayerKind::Dropout { .. } => "dropout",
            LayerKind::BatchNorm { .. } => "batch norm",
            _ => "linear",
        };
        layers.map(|layer| name(&layer.layer).to_owned()).collect()
    };
    let known = ["batch norm", "dropout", "gelu", "identity", "linear", "relu", "silu", "tanh"];
    assert_eq!(all(&layers), known.map(ToOwned::to_owned).into());
}

#[test]
fn a_trace_that_is_off_fails_and_says_where() {
    let dir = Dir::new();
    let mut trace = read("early_stopping");
    trace["expect"]["state.bn1b.running_var"][0] = json!(0.123);
    dir.write("off.json", trace.to_string());
    let run = dir.run("verify off.json --json");
    let report = run.json();
    assert_eq!(run.code, 1);
    assert_eq!(keys(&report), ["case", "precision", "max_error", "limits", "worst", "pass"]);
    assert_eq!(
        (report["case"].as_str(), report["worst"].as_str(), report["pass"].as_bool()),
        (Some("off"), Some("state.bn1b.running_var"), Some(false))
    );
    let text = dir.run("verify off.json").stdout;
    assert_eq!(text.lines().filter(|line| line.ends_with("<- off")).count(), 1, "{text}");
}

#[test]
fn unusable_traces_have_exit_code_2() {
    let dir = Dir::new();
    let refused = |change: &dyn Fn(&mut Value), why: &str| {
        let mut trace = read("own_order");
        change(&mut trace);
        dir.write("t.json", trace.to_string());
        let run = dir.run("verify t.json");
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
        assert!(
            run.stderr.starts_with("error: t.json: ") && run.stderr.contains(why),
            "{}",
            run.stderr
        );
    };
    refused(&|trace| trace["format"] = json!("anabranch-trace-9"), "is not a trace: ");
    refused(&|trace| trace["train"]["optimizer"] = json!("newton"), "unknown optimizer");
    refused(&|trace| trace["train"]["lr"] = json!(-1.0), "learning rate");
    refused(&|trace| trace["data"]["x"][3] = json!([1.0]), "row 3 has not 3 numbers");
    refused(&|trace| trace["data"]["train"][0] = json!(999), "row 999");
    refused(&|trace| _ = trace["data"]["weights"]["fc1a.bias"].take(), "is not a trace: ");
    refused(
        &|trace| trace["data"]["weights"]["fc1a.bias"] = json!([1]),
        "need 5 numbers as \"fc1a.bias\"",
    );
    refused(&|trace| trace["order"] = json!([]), "as many batches in every epoch");
    refused(&|trace| trace["order"][1] = json!([[0, 1]]), "as many batches in every epoch");
    refused(&|trace| trace["order"][1][0] = json!([0, 999]), "row 999");
    refused(&|trace| trace["order"][1][0] = json!([0]), "got 1");
    refused(&|trace| trace["river"]["inputs"] = json!(4), "row 0 has not 4 numbers");
    assert_eq!(dir.run("verify none.json").code, 2);
}
