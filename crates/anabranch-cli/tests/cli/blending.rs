//! `--blend`: what is averaged with the networks.

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
    assert!(said.contains(&format!("counts for {} % of price", share * 100.0)), "{said}");
    let said = dir.succeed("inspect with").stdout;
    assert!(said.contains(&format!("counts for {} % of price", share * 100.0)), "{said}");
}
