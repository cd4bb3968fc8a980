//! `verify`, `gradcheck` and `audit`: verdicts and exit codes.

use anabranch::data::{SplitRules, Table, TargetColumns, prepare_split};
use anabranch::tensor::Executor;
use anabranch::train::weights_sha256;
use serde_json::Value;

use crate::program::{Dir, QUICK, keys, shapes};

/// An oracle case that the library's own tests replay too.
const CASE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../anabranch-verify/oracle/sgd.safetensors");

#[test]
fn verify_replays_a_case() {
    let dir = Dir::new();
    for precision in ["f64", "f32"] {
        let json = dir.json(&format!("verify {CASE} --precision {precision}"));
        assert_eq!(keys(&json), ["case", "precision", "max_error", "worst", "pass", "not_finite"]);
        assert_eq!(
            (json["precision"].as_str(), json["pass"].as_bool()),
            (Some(precision), Some(true))
        );
        let worst = &json["max_error"][json["worst"].as_str().unwrap()];
        assert!(worst.as_f64().unwrap() <= if precision == "f64" { 1e-9 } else { 1e-3 });
    }
    let text = dir.succeed(&format!("verify {CASE}")).stdout;
    assert!(text.contains(": pass "), "{text}");

    // Another number at the start of an expectation, and it is off. Safetensors: the header's
    // length, the header, the tensors.
    let mut bytes = std::fs::read(CASE).unwrap();
    let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + header_len]).unwrap();
    let (_, tensor) =
        header.as_object().unwrap().iter().find(|(name, _)| name.starts_with("expect.")).unwrap();
    let start = 8 + header_len + tensor["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[start..start + 8].copy_from_slice(&1e9f64.to_le_bytes());
    dir.write("off.safetensors", &bytes);
    let run = dir.run("verify off.safetensors --json");
    assert_eq!((run.code, run.json()["pass"].as_bool()), (1, Some(false)), "{run:?}");
}

#[test]
fn unreadable_cases_have_exit_code_2() {
    let dir = Dir::new();
    dir.write("text", "no case");
    for (path, start) in
        [("none", "error: none cannot be read: "), ("text", "error: text is not a whole")]
    {
        let run = dir.run(&format!("verify {path}"));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""));
        assert!(run.stderr.starts_with(start) && run.stderr.lines().count() == 1, "{}", run.stderr);
    }
    assert_eq!(dir.run("verify text --precision f16").code, 2);
}

#[test]
fn audit_without_a_file_finds_what_it_must() {
    let dir = Dir::new();
    let findings = dir.json("audit");
    for finding in findings.as_array().unwrap() {
        assert_eq!(
            keys(finding),
            [
                "name",
                "target",
                "verdict",
                "factor",
                "error",
                "mistake",
                "shape",
                "expected_shape",
                "mistakes",
                "readings",
                "example",
                "explanation"
            ]
        );
    }
    dir.succeed("audit --seed 7");
}

#[test]
fn audit_of_a_file_says_whether_all_is_exact() {
    let dir = Dir::new();
    let formula = |expression: &str| {
        format!(
            "[[formula]]\nname = \"f\"\ntarget = \"d_theta_2b\"\nexpression = \"{expression}\"\n"
        )
    };
    dir.write("right.toml", formula("delta_2b' * s"));
    dir.write("double.toml", formula("2 * delta_2b' * s"));
    dir.write("broken.toml", formula("delta_2b' *"));
    assert_eq!(dir.json("audit right.toml")[0]["verdict"], "exact");
    let run = dir.run("audit double.toml --json");
    assert_eq!((run.code, run.json()[0]["factor"].as_str()), (1, Some("2")));
    for file in ["broken.toml", "none.toml"] {
        let run = dir.run(&format!("audit {file}"));
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.lines().count()), (2, "", 1));
        assert!(run.stderr.starts_with(&format!("error: {file}:")), "{}", run.stderr);
    }
}

#[test]
fn audit_grades_derivations() {
    let dir = Dir::new();
    let right = "% audit: points = 2\n\\[ \\delta_{2b} = (\\hat y_b - y_b)/m \\]\n";
    let slip = "<!-- audit: points = 3 -->\n$$\\delta_{2b} = \\frac{\\partial L}{\\partial z_{2b}} = \\hat y_b - y_b$$\n";
    dir.write("right.tex", right);
    dir.write("slip.md", slip);
    dir.write("expected.md", format!("<!-- audit: expected = factor -->\n{slip}"));
    dir.write("unread.md", "$$\\delta_{2b} = \\dots$$");
    dir.write("prose.md", "No formula.");
    let json = dir.json("audit right.tex");
    assert_eq!(
        (json["equations"][0]["verdict"].as_str(), json["pass"].as_bool()),
        (Some("exact"), Some(true))
    );
    assert_eq!(json["points"]["earned"], 2.0);
    let run = dir.run("audit slip.md --json");
    let equation = &run.json()["equations"][0];
    assert_eq!(
        (run.code, equation["line"].as_u64(), equation["broken"].as_u64()),
        (1, Some(2), Some(2))
    );
    assert_eq!(equation["members"][2]["factor"], "m");
    assert_eq!(dir.run("audit expected.md").code, 0);
    let unread = dir.run("audit unread.md");
    assert!(unread.code == 1 && unread.stdout.contains("line 1, column 17"), "{unread:?}");
    assert_eq!(dir.run("audit prose.md").code, 2);
    let table = dir.run("audit right.tex slip.md");
    assert_eq!(table.code, 1);
    assert!(table.stdout.contains("2 of 2") && table.stdout.contains("0 of 3"), "{}", table.stdout);
    let csv = dir.run("audit right.tex slip.md --csv").stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "file,line,name,target,verdict,factor,mistakes,expected,points,earned");
    assert!(lines[1].starts_with("right.tex,2,") && lines[1].ends_with(",2,2"), "{csv}");
    assert!(lines[2].contains(",factor,m,") && lines[2].ends_with(",3,0"), "{csv}");
}

#[test]
fn audit_reads_on_past_what_it_cannot_read() {
    let dir = Dir::new();
    let formula = |points: u8, expression: &str| {
        format!(
            "[[formula]]\nname = \"f\"\ntarget = \"d_b_2b\"\npoints = {points}\n\
             expression = \"{expression}\"\n"
        )
    };
    dir.write("half.toml", formula(1, "sum(delta_2b)") + &formula(2, "sum(delta_9)"));
    dir.write("right.toml", formula(4, "sum(δ_2b)"));
    dir.write("half.md", "$$\\delta_{2b} = (\\hat y_b - y_b)/m$$ $$\\delta_{1b} = \\int$$");
    dir.write("prose.md", "No formula.");
    let run = dir.run("audit half.toml");
    assert!(run.code == 1 && run.stdout.contains("half.toml:10:14"), "{run:?}");
    assert!(run.stdout.contains("1 of 3 points"), "{run:?}");
    let json = dir.run("audit half.toml --json").json();
    assert_eq!((json["findings"].as_array().unwrap().len(), &json["pass"]), (1, &false.into()));
    assert_eq!(json["unread"].as_array().unwrap().len(), 1);
    assert_eq!(json["points"], serde_json::json!({"earned": 1.0, "possible": 3.0}));
    // A file that cannot be read at all: exit code 2, and the others are judged.
    let files = "half.toml right.toml half.md prose.md none.toml";
    let all = dir.run(&format!("audit {files}"));
    assert_eq!(all.code, 2);
    for part in ["4 of 4", "1 of 3", "prose.md: contains no equation", "none.toml: cannot be read"]
    {
        assert!(all.stdout.contains(part), "{part}: {}", all.stdout);
    }
    let json = dir.run(&format!("audit {files} --json")).json();
    assert!(json[3]["error"].is_string() && json[1]["pass"] == true, "{json}");
    let csv = dir.run(&format!("audit {files} --csv")).stdout;
    let verdicts: Vec<&str> = csv.lines().map(|line| line.split(',').nth(4).unwrap()).collect();
    let expected = ["verdict", "exact", "unread", "exact", "exact", "unread", "unread", "unread"];
    assert_eq!(verdicts, expected, "{csv}");
    assert!(csv.lines().nth(2).unwrap().starts_with("half.toml,10,f,"), "{csv}");
    assert!(csv.lines().nth(2).unwrap().ends_with(",2,0"), "{csv}");
    assert_eq!(dir.run("audit right.toml").code, 0);
}

#[test]
fn names_from_files_forge_no_verdict() {
    let dir = Dir::new();
    let forged = "[[formula]]\nname = \"f\\n✓ g: exact\\u001b[2J\"\ntarget = \"d_b_2b\"\nexpression = \"delta_2b\"\n";
    dir.write("forged.toml", forged);
    let run = dir.run("audit forged.toml");
    assert!(!run.stdout.lines().any(|line| line.starts_with("✓ g")), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}'));
}

#[test]
fn gradcheck_of_the_first_batch() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let flags = format!("gradcheck --data t.csv {QUICK} --dropout 0.3");
    let json = dir.json(&flags);
    for key in ["rows", "parameters", "tensors", "identities", "values", "points", "limits", "pass"]
    {
        assert!(!json[key].is_null(), "no {key}");
    }
    let parameters = 6 * 4 + 6 + 6 + 1 + 5 * 4 + 5 + 2 * 5 + 5 * 2 + 2;
    assert_eq!((json["rows"].as_u64(), json["parameters"].as_u64()), (Some(16), Some(parameters)));
    let names: Vec<&str> =
        json["tensors"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "fc1a.weight",
            "fc1a.bias",
            "fc2a.weight",
            "fc2a.bias",
            "fc1b.weight",
            "fc1b.bias",
            "bn1b.weight",
            "bn1b.bias",
            "fc2b.weight",
            "fc2b.bias"
        ]
    );
    let text = dir.succeed(&flags).stdout;
    assert!(text.trim_end().ends_with(": pass"), "{text}");
    // Every other join, too.
    dir.succeed(&flags.replace("--regress price", "--regress price,size --join project"));
    dir.succeed(
        &flags
            .replace("--regress price", "--regress price,size --join add")
            .replace("-b 5", "-b 2"),
    );
}

#[test]
fn gradcheck_of_four_tasks_later_steps_and_saved_models() {
    let dir = Dir::new();
    let lines = shapes(60)
        .lines()
        .enumerate()
        .map(|(i, line)| format!("{},{line}\n", i * 13 % 29))
        .collect::<String>();
    dir.write("t.csv", lines.replacen('0', "number", 1));
    let tasks = "--data t.csv --batch-size 16 --hidden 6 --regress price --regress size --classify kind --classify colour";
    let json = dir.json(&format!("gradcheck {tasks}"));
    assert_eq!((json["pass"].as_bool(), json["step"].as_u64()), (Some(true), Some(0)));
    for tensor in json["tensors"].as_array().unwrap() {
        for route in ["dual", "by_hand"] {
            assert!(tensor[route].as_f64().unwrap() <= 1e-12, "{tensor}");
        }
    }
    // 42 rows to train, in three steps an epoch.
    let json = dir.json(&format!("gradcheck {tasks} --step 4 --certificate c.json"));
    assert_eq!(json["step"].as_u64(), Some(4));
    let saved: serde_json::Value = serde_json::from_str(&dir.read("c.json")).unwrap();
    assert_eq!(saved["certificate"], json);
    assert_eq!(saved["inputs_sha256"].as_str().map(str::len), Some(64));
    dir.succeed(&format!("train {tasks} --epochs 2 --out m"));
    let at_model = dir.json(&format!("gradcheck {tasks} --model m"));
    assert_eq!(at_model["pass"].as_bool(), Some(true));
    assert_ne!(at_model["points"], json["points"]);
    let run = dir.run(&format!("gradcheck {tasks} --epochs 2 --step 6"));
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("ends before step 6"), "{}", run.stderr);
}

#[test]
fn a_certificate_is_kept_in_the_model() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let flags = format!("--data t.csv {}", QUICK.replace("--ensemble 1", "--ensemble 2"));
    dir.succeed(&format!("gradcheck {flags} --certificate c.json"));
    let expected: Value = serde_json::from_str(&dir.read("c.json")).unwrap();
    assert_eq!(expected["certificate"]["pass"], true);
    let json = dir.json(&format!("train {flags} --certify --out m"));
    assert_eq!(json["certificate"], expected);
    let words = "certificate: the gradient is right at 2 points (step 0, seed 1)\n";
    // The model file holds it, wherever it is.
    std::fs::copy(dir.path("m/model.safetensors"), dir.path("copy")).unwrap();
    assert!(dir.succeed("inspect copy").stdout.contains(words));
    assert_eq!(dir.json("inspect copy")["run"]["certificate"], expected);
    // Without it, the same weights and no certificate.
    let plain = dir.succeed(&format!("train {flags} --out plain")).stdout;
    assert!(!plain.contains("certificate"), "{plain}");
    assert!(dir.json("inspect plain")["run"]["certificate"].is_null());
    assert!(!dir.succeed("inspect plain").stdout.contains("certificate"));
    let summary: Value = serde_json::from_str(&dir.read("plain/summary.json")).unwrap();
    assert_eq!(summary["weights_sha256"], json["weights_sha256"]);
    assert!(summary["certificate"].is_null());
    let text = dir.succeed(&format!("train {flags} --certify --out m --force")).stdout;
    assert!(text.contains(words), "{text}");
}

/// Of all rows: those that train first are far from all that a run is about.
#[test]
fn a_certificate_names_all_data_by_their_hash() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    dir.succeed(&format!("gradcheck --data t.csv {QUICK} --certificate c.json"));
    let certificate: Value = serde_json::from_str(&dir.read("c.json")).unwrap();
    let table = Table::read(dir.path("t.csv")).unwrap();
    let columns = TargetColumns::new().regress(["price"]).classify("kind");
    let rules = SplitRules { seed: 1, ..SplitRules::default() };
    let prepared =
        prepare_split::<f32>(&Executor::serial(), &table, &columns, &rules, None).unwrap();
    assert_eq!(prepared.dataset.x.len(), 60 * prepared.dataset.n_inputs);
    assert_eq!(certificate["inputs_sha256"], weights_sha256(&prepared.dataset.x));
}

#[test]
fn what_is_not_certified_is_not_trained() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let run = dir.run(&format!("train --data t.csv {QUICK} --weight-a 1e39 --certify --out m"));
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.starts_with("error: the gradient of the first step is not right"),
        "{run:?}"
    );
    assert!(!dir.path("m").exists());
}

/// What balanced tasks minimise is no fixed function: there is nothing to compare a gradient with.
#[test]
fn gradients_of_balanced_tasks_are_not_checked() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    for check in ["--certify", "--audit-every 1"] {
        for balance in ["uncertainty", "min-norm"] {
            let train = format!("train --data t.csv {QUICK} {check} --task-balance {balance}");
            let run = dir.run(&format!("{train} --out m"));
            let message = "error: --audit-every and --certify check gradients of fixed weights: leave --task-balance out\n";
            assert_eq!((run.code, run.stderr.as_str()), (2, message), "{train}");
            assert_eq!(dir.run(&format!("{train} --json")).json()["error"]["code"], "usage");
            assert!(!dir.path("m").exists());
        }
    }
    dir.succeed(&format!("train --data t.csv {QUICK} --certify --task-balance fixed --out m"));
}

#[test]
fn gradcheck_that_does_not_pass_has_exit_code_1() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    // Without a number there is no gradient: what is not finite is named.
    let run =
        dir.run(&format!("gradcheck --data t.csv {QUICK} --optimizer sgd --lr 1e30 --step 2"));
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("not finite"), "{}", run.stdout);
    let json = dir
        .run(&format!("gradcheck --data t.csv {QUICK} --optimizer sgd --lr 1e30 --step 2 --json"));
    assert_eq!((json.code, json.json()["pass"].as_bool()), (1, Some(false)));
}

#[test]
fn a_run_that_diverges_is_not_said_to_have_a_wrong_gradient() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let run = dir.run(&format!(
        "train --data t.csv {QUICK} --optimizer sgd --lr 1e30 --audit-every 1 --out m"
    ));
    assert_eq!(run.code, 1);
    assert!(run.stderr.starts_with("error: training diverged in epoch 1 "), "{}", run.stderr);
}

#[test]
fn a_run_can_be_audited_step_by_step() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let flags = format!("train --data t.csv {QUICK} --patience 0 --force --out m");
    let text = dir.succeed(&format!("{flags} --audit-every 2")).stdout;
    // 42 rows to train, in steps of 16: 9 steps.
    assert!(text.contains("audited 5 steps: "), "{text}");
    let hash = |flags: &str| dir.json(flags)["weights_sha256"].clone();
    assert_eq!(hash(&format!("{flags} --audit-every 1")), hash(&flags));
}
