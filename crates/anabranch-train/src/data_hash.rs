//! A hash of data, to notice that they have changed.

use anabranch_data::{Dataset, Prepared, Presence, Split, TaskValues};
use anabranch_tensor::Scalar;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::checksum::hex;

/// Numbers whose bytes are hashed in one call.
const CHUNK: usize = 4096;

/// SHA-256, in hexadecimal, of all that a run sees of its data: the numbers of every row, which
/// rows are for what, and the scales and labels of inputs and targets.
pub fn data_sha256<T: Scalar>(prepared: &Prepared<T>) -> String {
    let mut hash = Sha256::new();
    let Dataset { x, tasks, present, sample_weights, split, n_rows, n_inputs } = &prepared.dataset;
    let Split { train, validation, test, rare_classes: _, turns: _ } = split;
    hash_counts(&mut hash, [*n_rows, *n_inputs]);
    hash_numbers(&mut hash, x);
    for task in tasks {
        match task {
            TaskValues::Numbers { values, .. } => hash_numbers(&mut hash, values),
            TaskValues::Classes { class, .. } => {
                hash_counts(&mut hash, class.iter().map(|class| *class as usize));
            }
        }
    }
    for presence in present {
        // What stands for a missing target is a number or class like any other.
        if let Presence::Each(has) = presence {
            hash_counts(&mut hash, has.iter().map(|has| usize::from(*has)));
        }
    }
    hash_numbers(&mut hash, sample_weights.as_deref().unwrap_or_default());
    for rows in [train, validation, test] {
        hash_counts(&mut hash, [rows.len()].iter().chain(rows).copied());
    }
    hash_json(&mut hash, &prepared.encoder);
    hash_json(&mut hash, &prepared.targets);
    hex(&hash.finalize())
}

fn hash_counts(hash: &mut Sha256, counts: impl IntoIterator<Item = usize>) {
    counts.into_iter().for_each(|count| hash.update((count as u64).to_le_bytes()));
}

fn hash_numbers<T: Scalar>(hash: &mut Sha256, numbers: &[T]) {
    let mut bytes = Vec::with_capacity(CHUNK * size_of::<f64>());
    for chunk in numbers.chunks(CHUNK) {
        bytes.clear();
        chunk.iter().for_each(|number| bytes.extend(number.to_f64().to_le_bytes()));
        hash.update(&bytes);
    }
}

fn hash_json(hash: &mut Sha256, value: &impl Serialize) {
    // Of numbers and texts: there is nothing in them that JSON cannot hold.
    hash.update(serde_json::to_vec(value).unwrap_or_default());
}
