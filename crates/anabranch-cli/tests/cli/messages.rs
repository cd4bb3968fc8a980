//! What programs read: warnings and errors as JSON, and the page that lists their codes.

use serde_json::{Value, json};

use crate::program::{Dir, QUICK, shapes};

#[test]
fn errors_are_json_too() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(30).replacen(",10.5,", ",ten,", 1));
    let error = |flags: &str, exit: i32| {
        let run = dir.run(&format!("{flags} --json"));
        assert_eq!(run.code, exit, "{flags}: {run:?}");
        let error = run.json()["error"].clone();
        assert_eq!(run.stderr, format!("error: {}\n", error["message"].as_str().unwrap()));
        [error["code"].clone(), error["line"].clone(), error["column"].clone()]
    };
    let none = Value::Null;
    let train = format!("train --data t.csv {QUICK}");
    assert_eq!(error(&train, 2), [json!("text_target"), json!(19), json!("price")]);
    assert_eq!(
        error(&format!("{train} --drop shape"), 2),
        [json!("unknown_column"), none.clone(), json!("shape")]
    );
    for (flags, code, exit) in [
        ("train --data none.csv --classify kind", "read", 2),
        ("train --epochs none", "usage", 2),
        ("train", "diverged", 1),
        ("train --hidden-a 1000000 --hidden-b 1000000", "memory", 2),
        ("train --batch-size 1", "batch_too_small", 2),
        ("train --join add", "network", 2),
        ("evaluate --model t.csv --data t.csv", "not_a_model", 2),
        ("train --task-weight none=1", "input", 2),
        ("train --out t.csv", "output", 2),
    ] {
        let more = if exit == 1 { " --epochs 1 --optimizer sgd --lr 1e30" } else { "" };
        assert_eq!(
            error(&format!("{flags}{more}"), exit),
            [json!(code), none.clone(), none.clone()]
        );
    }
    assert_eq!(dir.run(&train).stdout, "", "nothing for people");
}

#[test]
fn predictions_have_their_warnings_in_json() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    dir.succeed(&format!("train --data t.csv {QUICK} --out m"));
    dir.write("new.csv", "size,colour\n3,purple\n4,red\n");
    let json = dir.json("predict --model m --data new.csv --out p.csv");
    assert_eq!(json["columns"], json!(["price_pred", "kind_pred", "kind_p_large", "kind_p_small"]));
    let message = "column \"colour\": cells with a category that training saw rarely or never: 1 of 2 (the first on line \
                   2: \"purple\"): encoded as different from all known ones";
    assert_eq!(
        json["warnings"],
        json!([{
            "code": "unseen_categories", "column": "colour", "line": 2, "text": "purple", "count": 1,
            "share": 0.5, "message": message,
        }])
    );
}

/// The words in `start word end` of a source.
fn words<'a>(source: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    source.split(start).skip(1).filter_map(|rest| rest.split_once(end)).map(|(w, _)| w).collect()
}

#[test]
fn the_page_lists_every_code() {
    let page = include_str!("../../../../docs/messages.md");
    let listed = |heading: &str| {
        let section = page.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
        let mut codes = words(section, "\n| `", "`");
        codes.sort_unstable();
        codes
    };
    let errors = include_str!("../../../anabranch-data/src/error_code.rs");
    let failures = include_str!("../../src/failure.rs");
    let network = include_str!("../../src/network.rs");
    let run_dir = include_str!("../../src/run_dir.rs");
    let mut codes = words(errors, "=> \"", "\"");
    let outputs = include_str!("../../src/output.rs");
    let config = include_str!("../../src/config/file.rs");
    let checkpoints = include_str!("../../src/checkpoints.rs");
    for source in [failures, network, run_dir, outputs, config, checkpoints] {
        codes.extend(words(source, ".coded(\"", "\""));
    }
    codes.extend(words(failures, "Self::new(2, \"", "\""));
    codes.extend(words(failures, "Self::new(1, \"", "\""));
    codes.extend(words(failures, "Self::new(exit, \"", "\""));
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(listed("## Errors"), codes);

    let warnings = include_str!("../../../anabranch-data/src/warning.rs");
    let variants = warnings.split("pub enum WarningCode {").nth(1).unwrap().split("\n}").next();
    let variants = variants.unwrap().lines().map(str::trim).filter(|line| line.ends_with(','));
    let snake = |variant: &str| {
        let mut code = String::new();
        for letter in variant.trim_end_matches(',').chars() {
            if letter.is_uppercase() && !code.is_empty() {
                code.push('_');
            }
            code.extend(letter.to_lowercase());
        }
        code
    };
    let mut codes: Vec<String> = variants.map(snake).collect();
    codes.sort_unstable();
    assert_eq!(listed("## Warnings"), codes);
}
