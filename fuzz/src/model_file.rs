//! Model files.

use std::path::Path;

use anabranch::data::Cell;
use anabranch::train::Model;
use sha2::{Digest, Sha256};

/// What stands before the 64 digits of a file's checksum.
const KEY: &[u8] = br#"\"sha256\":\""#;

/// Reads a model file; with its checksum put right, since hardly any change would get past it
/// otherwise, and predicts a row with what was read.
pub fn run(bytes: &[u8]) {
    let path = Path::new("model");
    let _ = Model::from_bytes(path, bytes);
    let Ok(model) = Model::from_bytes(path, &sealed(bytes)) else { return };
    let mut prediction = model.prediction();
    let cells = vec![Cell::Missing; model.encoder().input_columns().len()];
    // Some encodings refuse some cells, none a missing one.
    model.predict_cells(&cells, &mut prediction).expect("missing cells can be predicted");
    let Ok(coverage) = model.coverage(0.5) else { return };
    for task in 0..model.targets().tasks().len() {
        match prediction.class(task) {
            Some(_) => {
                let set = coverage.set(task, prediction.probabilities(task));
                assert!(!set.is_empty(), "a set has the most probable class");
            }
            None => {
                for (column, value) in prediction.values(task).iter().enumerate() {
                    coverage.interval(task, column, *value, 0.0);
                }
            }
        }
    }
}

/// The file with the checksum of its contents, if it has a place for one.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut file = bytes.to_vec();
    let found = file.windows(KEY.len()).position(|window| window == KEY);
    let Some(at) = found.map(|at| at + KEY.len()).filter(|at| at + 64 <= file.len()) else {
        return file;
    };
    file[at..at + 64].fill(b'0');
    let digest = Sha256::digest(&file);
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    file[at..at + 64].copy_from_slice(digits.as_bytes());
    file
}
