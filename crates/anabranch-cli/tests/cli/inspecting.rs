//! What `inspect` and `check` say about model files.

use serde_json::json;

use crate::program::{Dir, QUICK, keys, shapes};

fn trained() -> Dir {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    dir.succeed(&format!("train --data t.csv {QUICK} --out m"));
    dir
}

#[test]
fn a_model_file_tells_of_its_run() {
    let dir = trained();
    let json = dir.json("inspect m");
    let summary: serde_json::Value = serde_json::from_str(&dir.read("m/summary.json")).unwrap();
    let run = &json["run"];
    assert_eq!(keys(run), ["program", "config", "data_sha256", "schema", "summary"]);
    assert_eq!(json["weights_sha256"], summary["weights_sha256"]);
    for key in ["rows", "train_rows", "test_rows", "tasks", "members", "test"] {
        assert_eq!(run["summary"][key], summary[key], "{key}");
    }
    let schema: serde_json::Value = serde_json::from_str(&dir.read("m/schema.json")).unwrap();
    assert_eq!(run["schema"], schema);
    // The settings are enough to repeat the run to the byte, with all that its file tells.
    dir.write("again.toml", run["config"].as_str().unwrap());
    dir.succeed("train --config again.toml --out again");
    assert_eq!(dir.bytes("again/model.safetensors"), dir.bytes("m/model.safetensors"));
    // Other data have another hash, and the same file for the same data.
    dir.write("t.csv", shapes(61));
    dir.succeed("train --config again.toml --out other");
    assert_ne!(dir.json("inspect other")["run"]["data_sha256"], run["data_sha256"]);
}

#[test]
fn a_person_can_read_it() {
    let dir = trained();
    let text = dir.succeed("inspect m/model.safetensors").stdout;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        &["price", "number"][..],
        &["kind", "class", "large,", "small"],
        &["colour", "category", "blue,", "green,", "red", "3"],
        &["data", "=", "\"t.csv\""],
    ] {
        assert!(rows.iter().any(|found| found == row), "{row:?} in {text}");
    }
    assert!(text.contains("\nsize    number    0 to 16, "), "{text}");
    assert!(
        text.contains("trained by anabranch ") && text.contains("; epochs 3; seeds 1\n"),
        "{text}"
    );
    // Nothing that a terminal would take for a command.
    let name = "si\u{1b}[31mze";
    dir.write("odd.csv", shapes(60).replacen("size", name, 1));
    dir.succeed(&format!("train --data odd.csv {QUICK} --out odd"));
    let text = dir.succeed("inspect odd").stdout;
    assert!(text.contains("si\\u{1b}[31mze") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_file_is_whole_or_not() {
    let dir = trained();
    let check = |path: &str| {
        let run = dir.run(&format!("check {path}"));
        (run.code, run.stdout.lines().next().unwrap_or_default().to_owned())
    };
    assert_eq!(check("m"), (0, "m/model.safetensors is whole".to_owned()));
    let json = dir.json("check m/model.safetensors");
    assert_eq!((&json["whole"], &json["model"]), (&json!(true), &json!("m/model.safetensors")));
    let whole = dir.bytes("m/model.safetensors");
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (name, bytes, said) in [
        ("flipped", &flipped[..], "flipped is damaged: "),
        ("cut", &whole[..whole.len() - 4], "cut is not a model file: "),
        ("t.csv", &dir.bytes("t.csv")[..], "t.csv is not a model file: "),
    ] {
        dir.write(name, bytes);
        let (code, text) = check(name);
        assert!(code == 1 && text.starts_with(said), "{code}: {text}");
        let run = dir.run(&format!("check {name} --json"));
        assert_eq!((run.code, &run.json()["whole"]), (1, &json!(false)));
    }
    assert_eq!(check("none"), (2, String::new()));
}
