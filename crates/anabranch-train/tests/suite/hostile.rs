//! Model files that somebody has made on purpose, with a checksum that is right: they are refused,
//! or predict something, but never end the program.

use std::path::Path;

use anabranch_train::{MODEL_FILE, Model};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::grapes::{ensemble, table};

/// A file taken apart: the tensors' names and places, our metadata, and the bytes of the tensors.
struct Parts {
    tensors: Value,
    metadata: Value,
    data: Vec<u8>,
}

impl Parts {
    fn of(model: &Model) -> Self {
        let dir = tempfile::tempdir().unwrap();
        model.save(dir.path().join(MODEL_FILE)).unwrap();
        let file = std::fs::read(dir.path().join(MODEL_FILE)).unwrap();
        let (len, rest) = file.split_first_chunk::<8>().unwrap();
        let (header, data) = rest.split_at(u64::from_le_bytes(*len) as usize);
        let mut tensors: Value = serde_json::from_slice(header).unwrap();
        let ours = tensors.as_object_mut().unwrap().remove("__metadata__").unwrap();
        let metadata = serde_json::from_str(ours["anabranch"].as_str().unwrap()).unwrap();
        Self { tensors, metadata, data: data.to_vec() }
    }

    /// The file of these parts, sealed.
    fn file(&self) -> Vec<u8> {
        let mut header = self.tensors.clone();
        let mut metadata = self.metadata.clone();
        if let Some(digits) = metadata.get_mut("sha256") {
            *digits = "0".repeat(64).into();
        }
        header["__metadata__"] = json!({ "anabranch": metadata.to_string() });
        let mut text = header.to_string();
        // The tensors begin at a multiple of eight bytes.
        text += &" ".repeat(text.len().next_multiple_of(8) - text.len());
        let len = (text.len() as u64).to_le_bytes();
        let mut file = [&len[..], text.as_bytes(), &self.data].concat();
        let key = br#"\"sha256\":\""#;
        if let Some(at) = file.windows(key.len()).position(|part| part == key) {
            let digest = sha2::Sha256::digest(&file);
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            file[at + key.len()..][..64].copy_from_slice(digits.as_bytes());
        }
        file
    }

    /// Whether the file is read; whatever it then predicts, it ends.
    fn is_read(&self) -> bool {
        let model = Model::from_bytes(Path::new("m"), &self.file());
        model.is_ok_and(|model| {
            let _ = model.predict_table(&table(3));
            true
        })
    }
}

/// The places of all values in it, as JSON pointers.
fn places(value: &Value) -> Vec<String> {
    fn add(value: &Value, at: &str, places: &mut Vec<String>) {
        places.push(at.to_owned());
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| add(value, &format!("{at}/{key}"), places));
            }
            Value::Array(list) => {
                let values = list.iter().enumerate();
                values.for_each(|(i, value)| add(value, &format!("{at}/{i}"), places));
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    add(value, "", &mut all);
    all
}

/// What stands in the place of another value.
fn nasty() -> [Value; 16] {
    let deep = (0..100).fold(Value::Null, |inner, _| json!([inner]));
    [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(0.5),
        json!(1e308),
        json!(-1e-320),
        json!(u64::MAX),
        json!(1u64 << 32),
        json!(""),
        json!("a"),
        json!("\u{0}\u{1b}[31m"),
        json!([]),
        json!({}),
        deep,
    ]
}

#[test]
fn any_value_in_any_place_is_refused_or_predicts() {
    let whole = Parts::of(&ensemble());
    assert!(whole.is_read(), "sealed as the library seals it");
    let mut n_refused = 0;
    for place in places(&whole.metadata) {
        for value in nasty() {
            let mut metadata = whole.metadata.clone();
            *metadata.pointer_mut(&place).unwrap() = value;
            let parts =
                Parts { metadata, tensors: whole.tensors.clone(), data: whole.data.clone() };
            n_refused += usize::from(!parts.is_read());
        }
    }
    for place in places(&whole.tensors).into_iter().skip(1) {
        for value in nasty() {
            let mut tensors = whole.tensors.clone();
            let old = std::mem::replace(tensors.pointer_mut(&place).unwrap(), value.clone());
            let parts =
                Parts { tensors, metadata: whole.metadata.clone(), data: whole.data.clone() };
            // Names, shapes and places of tensors follow from the network.
            assert_eq!(parts.is_read(), old == value, "{place}: {old} {value}");
        }
    }
    assert!(n_refused > 1000, "{n_refused}");
}

#[test]
fn what_is_missing_or_unknown_is_refused() {
    let whole = Parts::of(&ensemble());
    for place in places(&whole.metadata) {
        let mut metadata = whole.metadata.clone();
        let parent = metadata.pointer_mut(place.rsplit_once('/').map_or("", |(at, _)| at)).unwrap();
        if let Value::Object(map) = parent {
            map.remove(place.rsplit('/').next().unwrap_or_default());
        }
        let parts = Parts { metadata, tensors: whole.tensors.clone(), data: whole.data.clone() };
        // Some keys may be left out; that of a whole part may not.
        let is_read = parts.is_read();
        assert!(!is_read || place.is_empty() || place.matches('/').count() > 1, "{place}");
    }
    for place in ["", "/network", "/network/branches/0"] {
        let mut metadata = whole.metadata.clone();
        metadata.pointer_mut(place).unwrap()["unknown"] = json!(1);
        let parts = Parts { metadata, tensors: whole.tensors.clone(), data: whole.data.clone() };
        assert!(!parts.is_read(), "{place}");
    }
    // A tensor too many, and a variance below 0.
    let mut more = Parts::of(&ensemble());
    let len = more.data.len();
    more.tensors["more"] = json!({ "dtype": "F32", "shape": [1], "data_offsets": [len, len + 4] });
    more.data.extend([0; 4]);
    assert!(!more.is_read());
    let mut negative = Parts::of(&ensemble());
    let tensors = negative.tensors.as_object().unwrap();
    let name = tensors.keys().find(|name| name.ends_with(".running_var")).unwrap();
    let at = tensors[name]["data_offsets"][0].as_u64().unwrap() as usize;
    negative.data[at..at + 4].copy_from_slice(&(-1.0f32).to_le_bytes());
    assert!(!negative.is_read());
    // A weight that is no number.
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut parts = Parts::of(&ensemble());
        parts.data[..4].copy_from_slice(&number.to_le_bytes());
        assert!(!parts.is_read(), "{number}");
    }
}
