//! `--blend` and `--validate`: what is averaged with the networks, and which rows they stop by.

use anabranch::train::Model;
use serde_json::{Value, json};

use crate::program::{Dir, QUICK, shapes};

/// Of few steps, a line knows more: it counts. The networks are the same without it.
#[test]
fn a_linear_model_counts_unless_told_otherwise() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(90));
    let train = format!("train --data t.csv {QUICK}");
    let [with, without] = ["--out with", "--blend none --out without"]
        .map(|flags| dir.json(&format!("{train} {flags}")));
    assert_eq!(with["weights_sha256"], without["weights_sha256"]);
    let share = with["tasks"][0]["linear_share"].as_f64().unwrap();
    assert!(share > 0.0);
    assert_eq!(without["tasks"][0]["linear_share"], json!(0.0));
    let rmse = |run: &Value| run["test"]["price"]["rmse"].as_f64().unwrap();
    let [blended, networks] = [rmse(&with), rmse(&without)];
    assert!(blended < networks, "{blended} {networks}");
    let said = dir.succeed(&format!("{train} --out again")).stdout;
    assert!(said.contains(&format!("counts for {:.0} % of price", share * 100.0)), "{said}");
    let said = dir.succeed("inspect with").stdout;
    assert!(said.contains(&format!("counts for {:.0} % of price", share * 100.0)), "{said}");
}

/// Members that validate by turns are those that the library trains so; the first has the rows of a
/// single network. Where time divides the rows, all stop by the same ones.
#[test]
fn members_validate_by_turns_unless_told_otherwise() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(90));
    let quick = QUICK.replace("--ensemble 1", "--ensemble 2");
    let train = format!("train --data t.csv {quick}");
    let hash = |flags: &str, out: &str| {
        let run = dir.json(&format!("{train} {flags} --out {out}"));
        run["weights_sha256"].as_str().unwrap().to_owned()
    };
    let [turns, shared] = [hash("", "turns"), hash("--validate shared", "shared")];
    assert_ne!(turns, shared);
    assert_eq!(hash("--validate turns", "again"), turns);
    let first = |out: &str| {
        let model = Model::load(dir.path(out)).unwrap();
        model.members()[0].clone()
    };
    assert_eq!(first("turns"), first("shared"));
    let by_time = ["turns", "shared"]
        .map(|how| hash(&format!("--time size --validate {how}"), &format!("time-{how}")));
    assert_eq!(by_time[0], by_time[1]);
}
