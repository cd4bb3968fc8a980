//! The production network computes what float64 automatic differentiation computed; a case that is
//! off is noticed, and a file that is not a case is refused.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anabranch_graph::Fusion;
use anabranch_tensor::random::{Purpose, Random};
use anabranch_verify::oracle::{Case, OracleError, Precision, Report, verify};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle")
}

fn paths() -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let is_case = |path: &PathBuf| path.extension().is_some_and(|end| end == "safetensors");
    files.filter(is_case).collect()
}

fn fused(case: &Case, precision: Precision) -> Report {
    verify(case, precision, Fusion::Fused).unwrap()
}

#[test]
fn every_case_passes_in_both_precisions_fused_and_unfused() {
    assert_eq!(paths().len(), 14);
    for path in paths() {
        let case = Case::load(&path).unwrap();
        for precision in [Precision::F64, Precision::F32] {
            for fusion in [Fusion::Fused, Fusion::Unfused] {
                let report = verify(&case, precision, fusion).unwrap();
                assert!(report.pass, "{fusion:?}\n{report}");
            }
        }
        // Rounding alone, with scores of 1e4 in one case: three orders below what the format asks
        // for; two where Adagrad makes steps of what rounding leaves of gradients that are zero.
        let report = fused(&case, Precision::F64);
        let limit = if report.case == "zero_gradients" { 1e-11 } else { 1e-12 };
        assert!(report.max_error[&report.worst] < limit, "{report}");
    }
}

/// A case taken apart, to be put together otherwise.
#[derive(Clone)]
struct File {
    json: serde_json::Value,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl File {
    fn read(name: &str) -> Self {
        let bytes = std::fs::read(folder().join(name)).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let json = &header.metadata().as_ref().unwrap()["case"];
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let part = |view: &TensorView<'_>| (view.dtype(), view.shape().into(), view.data().into());
        Self {
            json: serde_json::from_str(json).unwrap(),
            tensors: file.iter().map(|(name, view)| (name.into(), part(&view))).collect(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, data))| {
            (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        let metadata = HashMap::from([("case".to_string(), self.json.to_string())]);
        safetensors::serialize(views, Some(metadata)).unwrap()
    }

    fn case(&self) -> Result<Case, OracleError> {
        Case::parse("changed", &self.bytes())
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        let (numbers, _) = self.tensors[name].2.as_chunks::<8>();
        numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
    }

    fn set_numbers(&mut self, name: &str, numbers: &[f64]) {
        let data = numbers.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensors.get_mut(name).unwrap().2 = data;
    }

    /// The case with block `step` of `steps` of a tensor multiplied by `factor`.
    fn scaled(&self, name: &str, (step, steps): (usize, usize), factor: f64) -> Case {
        let mut changed = self.clone();
        let mut numbers = self.numbers(name);
        let len = numbers.len() / steps;
        numbers[step * len..(step + 1) * len].iter_mut().for_each(|value| *value *= factor);
        changed.set_numbers(name, &numbers);
        changed.case().unwrap()
    }
}

/// Names of the tensors with a block for each step, and of those without.
fn expectations(file: &File) -> (Vec<&str>, Vec<&str>) {
    let names = file.tensors.keys().filter_map(|name| name.strip_prefix("expect."));
    names.partition(|name| {
        name.starts_with("grad.") || ["loss", "y_a_hat", "y_b_hat"].contains(name)
    })
}

#[test]
fn one_part_in_a_million_in_any_tensor_of_any_step_is_noticed() {
    let file = File::read("adam_decay.safetensors");
    let (each_step, at_the_end) = expectations(&file);
    let blocks = each_step.iter().flat_map(|name| (0..3).map(move |step| (*name, (step, 3))));
    let blocks: Vec<_> = blocks.chain(at_the_end.iter().map(|name| (*name, (0, 1)))).collect();
    assert_eq!(blocks.len(), 13 * 3 + 14);
    for (name, block) in blocks {
        let case = file.scaled(&format!("expect.{name}"), block, 1.000_001);
        let report = fused(&case, Precision::F64);
        assert!(!report.pass && report.worst == name, "{name} {block:?}\n{report}");
        // ‖a−1.000001a‖/(‖a‖+‖1.000001a‖) is half of 1e-6, less where the floor counts.
        assert!((1e-8..=5.1e-7).contains(&report.max_error[name]), "{report}");
        assert!(format!("{report}").contains("FAIL"));
    }
}

#[test]
fn what_is_no_number_never_passes() {
    let file = File::read("sgd.safetensors");
    for value in [f64::NAN, f64::INFINITY] {
        let mut changed = file.clone();
        let mut numbers = file.numbers("expect.grad.fc1a.bias");
        *numbers.last_mut().unwrap() = value;
        changed.set_numbers("expect.grad.fc1a.bias", &numbers);
        let report = fused(&changed.case().unwrap(), Precision::F64);
        assert!(!report.pass && report.worst == "grad.fc1a.bias");
        assert!(serde_json::to_value(&report).unwrap()["max_error"]["grad.fc1a.bias"].is_null());
        let text = report.to_string();
        assert!(text.starts_with("the expected grad.fc1a.bias is not finite"), "{text}");
    }
}

#[test]
fn single_precision_judges_what_an_adaptive_update_has_not_amplified() {
    let adam = File::read("adam_decay.safetensors");
    let (each_step, at_the_end) = expectations(&adam);
    let report = fused(&adam.case().unwrap(), Precision::F32);
    assert_eq!(report.max_error.keys().map(String::as_str).collect::<Vec<_>>(), each_step);
    let mut not_judged = report.not_judged;
    not_judged.sort();
    assert_eq!(not_judged, at_the_end);
    let name = "expect.grad.fc1b.weight";
    assert!(!fused(&adam.scaled(name, (0, 3), 1.01), Precision::F32).pass);
    assert!(fused(&adam.scaled(name, (1, 3), 1.01), Precision::F32).pass);

    let momentum = File::read("momentum_decay.safetensors");
    assert!(fused(&momentum.case().unwrap(), Precision::F32).not_judged.is_empty());
    for step in 0..3 {
        let case = momentum.scaled(name, (step, 3), 1.01);
        assert!(!fused(&case, Precision::F32).pass, "step {step}");
    }
}

#[test]
fn running_statistics_of_a_first_step_precede_every_update() {
    // The first step of the Adam case, as a case of its own.
    let mut file = File::read("adam_decay.safetensors");
    file.json["steps"] = 1.into();
    let mean = file.numbers("expect.bn1b.running_mean");
    for (name, (_, shape, data)) in &mut file.tensors {
        let is_param = name.contains("param.");
        if shape[0] == 3 && !is_param && !name.contains("bn1b.running") {
            data.truncate(data.len() / 3);
            shape[0] = 1;
        }
    }
    let report = fused(&file.case().unwrap(), Precision::F32);
    // The file still has the statistics after three steps: they are judged, and off.
    assert!(!report.pass && report.max_error["bn1b.running_mean"] > 1e-3, "{mean:?}\n{report}");
    assert!(report.not_judged.iter().all(|name| !name.starts_with("bn1b.running")));
    assert!(report.not_judged.contains(&"param.fc1a.weight".into()));
}

#[test]
fn json_has_the_promised_keys() {
    let case = Case::load(&folder().join("sgd.safetensors")).unwrap();
    let json = serde_json::to_value(fused(&case, Precision::F64)).unwrap();
    let object = json.as_object().unwrap();
    let mut keys: Vec<_> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["case", "max_error", "not_finite", "pass", "precision", "worst"]);
    assert_eq!((&json["case"], &json["precision"]), (&"sgd".into(), &"f64".into()));
    assert_eq!(json["pass"], true);
    let errors = json["max_error"].as_object().unwrap();
    assert_eq!(errors.len(), 13 + 14);
    assert!(errors.contains_key(json["worst"].as_str().unwrap()));
}

#[test]
fn a_file_that_is_no_case_is_refused_in_words() {
    type Change = fn(&mut File);
    let changes: [(Change, &str); 17] = [
        (|f| drop(f.tensors.remove("expect.loss")), "lacks the tensor `expect.loss` [3]"),
        (|f| drop(f.tensors.remove("param.bn1b.bias")), "lacks the tensor `param.bn1b.bias` [3]"),
        (|f| f.rename("mask", "masks"), "lacks the tensor `mask` [3, 6, 5]"),
        (
            |f| f.copy("mask", "masks"),
            "contains the tensor `masks`, which the format does not have",
        ),
        (|f| f.tensors.get_mut("x").unwrap().0 = Dtype::I64, "`x` holds I64, not F64"),
        (|f| f.tensors.get_mut("x").unwrap().1 = vec![3, 24], "[3, 24], but the sizes"),
        (|f| f.set_first("x", f64::NAN), "`x` holds NaN at index 0"),
        (|f| f.set_first("param.fc2b.bias", f64::INFINITY), "`param.fc2b.bias` holds inf"),
        (|f| f.set_first("mask", 2.5), "the mask holds 2.5 at index 0"),
        (|f| f.json["format"] = "anabranch-oracle-2".into(), "anabranch-oracle-2"),
        (|f| f.json["network"] = 3.into(), "`case` does not follow the format"),
        (|f| f.json["rows"] = "six".into(), "invalid type: string"),
        (|f| f.json["rows"] = (-6).into(), "`case` does not follow the format"),
        (|f| f.json["rows"] = 7.into(), "but the sizes in the metadata say [3, 7, 4]"),
        (|f| f.json["rows"] = u64::MAX.into(), "but the sizes in the metadata say"),
        (|f| f.json["steps"] = 0.into(), "`steps` must be at least 1"),
        (|f| drop(f.json["loss"].as_object_mut().unwrap().remove("weight_a")), "`weight_a`"),
    ];
    let file = File::read("sgd.safetensors");
    for (i, (change, expected)) in changes.into_iter().enumerate() {
        let mut changed = file.clone();
        change(&mut changed);
        let message = changed.case().unwrap_err().to_string();
        assert!(message.contains(expected), "change {i}: {message}");
    }
    let no_metadata = safetensors::serialize(Vec::<(&str, TensorView<'_>)>::new(), None).unwrap();
    assert!(matches!(Case::parse("", &no_metadata), Err(OracleError::NoCase)));
    assert!(matches!(Case::parse("", b"PK zip"), Err(OracleError::Safetensors(_))));
    assert!(matches!(Case::load(&folder()), Err(OracleError::Io(_))));
    assert!(matches!(Case::load(&folder().join("none")), Err(OracleError::Io(_))));
}

impl File {
    fn rename(&mut self, from: &str, to: &str) {
        let tensor = self.tensors.remove(from).unwrap();
        self.tensors.insert(to.into(), tensor);
    }

    fn copy(&mut self, from: &str, to: &str) {
        self.tensors.insert(to.into(), self.tensors[from].clone());
    }

    fn set_first(&mut self, name: &str, value: f64) {
        let mut numbers = self.numbers(name);
        numbers[0] = value;
        self.set_numbers(name, &numbers);
    }
}

#[test]
fn a_case_that_cannot_be_replayed_is_refused_in_words() {
    type Change = fn(&mut File);
    let changes: [(Change, &str); 7] = [
        (|f| f.json["optimizer"]["kind"] = "adamax".into(), "unknown optimizer `adamax`"),
        (|f| f.json["optimizer"]["lr"] = (-1.0).into(), "the learning rate must be"),
        (|f| f.json["optimizer"]["weight_decay"] = (-1.0).into(), "weight decay must be"),
        (
            |f| f.json["network"]["dropout"] = 1.5.into(),
            "probability of dropping must be in [0, 1]",
        ),
        (|f| f.json["network"]["bn_eps"] = (-0.1).into(), "eps must be"),
        (|f| f.set_first("y_b", -0.5), "step 0: node \"fc2b\": row 0 of the soft labels"),
        (|f| f.cut_to_one_row(), "a training batch needs at least 2 rows, not 1"),
    ];
    let file = File::read("sgd.safetensors");
    for (change, expected) in changes {
        let mut changed = file.clone();
        change(&mut changed);
        let case = changed.case().unwrap();
        for precision in [Precision::F32, Precision::F64] {
            let message = verify(&case, precision, Fusion::Fused).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}

impl File {
    fn cut_to_one_row(&mut self) {
        let rows = self.json["rows"].as_u64().unwrap() as usize;
        self.json["rows"] = 1.into();
        for (name, (_, shape, data)) in &mut self.tensors {
            // Everything of a batch has rows on its last axis but one.
            let axis = shape.len().saturating_sub(2);
            if shape[axis] == rows && !name.contains("param.") {
                shape[axis] = 1;
                data.truncate(data.len() / rows);
            }
        }
    }
}

#[test]
fn no_damage_to_a_file_makes_the_reader_panic() {
    let whole = std::fs::read(folder().join("widths_of_one.safetensors")).unwrap();
    for len in 0..whole.len() {
        assert!(Case::parse("cut", &whole[..len]).is_err(), "{len} bytes of {}", whole.len());
    }
    let mut random = Random::new(1, Purpose::Sample, 0);
    for _ in 0..3000 {
        let mut damaged = whole.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(whole.len() as u64) as usize;
            damaged[at] = random.next_u32() as u8;
        }
        // Whatever can still be read must also be replayed or refused.
        if let Ok(case) = Case::parse("damaged", &damaged) {
            for precision in [Precision::F32, Precision::F64] {
                let report = verify(&case, precision, Fusion::Fused);
                drop(report.map(|report| report.to_string()));
            }
        }
    }
}
