//! `export`: models for other programs. That they predict the same is checked in these programs:
//! `cargo xtask ci exports`.

use serde_json::json;

use crate::program::{Dir, QUICK, shapes};

fn trained() -> Dir {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    dir.succeed(&format!("train --data t.csv {QUICK} --out m"));
    dir
}

#[test]
fn a_graph_has_the_columns_of_the_table() {
    let dir = trained();
    let run = dir.succeed("export onnx --model m --out m.onnx");
    let (first, rest) = run.stdout.split_once('\n').unwrap();
    assert_eq!(first, "exported: m.onnx");
    assert!(rest.contains("\n- \"colour\": space around a text is not passed over"), "{rest}");
    let file = dir.bytes("m.onnx");
    let names = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    for name in ["size", "colour", "green", "price_pred", "kind_pred", "kind_p", "fc2b.weight"] {
        assert!(names(name), "{name}");
    }
    assert!(names(r#"kind_labels"#) && names(r#"["large","small"]"#));
    assert!(!names("size_pred"));
}

#[test]
fn source_and_module_have_the_columns_of_the_table() {
    let dir = trained();
    dir.succeed("export rust --model m --out m.rs");
    let source = dir.read("m.rs");
    for line in [
        "    pub size: f64,\n    /// \"colour\": a text",
        "static KIND_LABELS: [&str; 2] = [\"large\", \"small\"];",
    ] {
        assert!(source.contains(line), "{line}");
    }
    dir.succeed("export pytorch --model m --out m.py");
    let module = dir.read("m.py");
    for line in ["self.add(\"fc1a\", nn.Linear(4, 6))", "\"labels\":[\"large\",\"small\"]"] {
        assert!(module.contains(line), "{line}");
    }
    assert_eq!(dir.run("export tflite --model m --out m.tflite").code, 2);
}

#[test]
fn programs_read_what_was_written() {
    let dir = trained();
    let json = dir.json("export onnx --model m/model.safetensors --out m.onnx");
    assert_eq!(json["out"], "m.onnx");
    assert_eq!(json["bytes"], json!(dir.bytes("m.onnx").len()));
    assert_eq!(json["differences"].as_array().unwrap().len(), 2);
}

#[test]
fn the_model_is_not_replaced() {
    let dir = trained();
    let model = dir.bytes("m/model.safetensors");
    for (out, start) in [
        ("m/model.safetensors", "m/model.safetensors is the model itself"),
        ("m", "m is a directory"),
        ("none/m.onnx", "the directory none does not exist"),
    ] {
        let run = dir.run(&format!("export onnx --model m --out {out}"));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""));
        assert!(run.stderr.starts_with(&format!("error: {start}")), "{}", run.stderr);
    }
    assert_eq!(dir.bytes("m/model.safetensors"), model);
}
