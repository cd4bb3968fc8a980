//! Model files: safetensors with the names of a PyTorch `state_dict`, and everything else in the
//! metadata.
//!
//! The tensors are the network's parameters, such as `fc1a.weight` `[out, in]`, and its running
//! statistics, such as `bn1b.running_mean`, all little-endian `f32`. The metadata has one key,
//! `anabranch`: a JSON object with `format` (the version), `network` (a [`River`]), `encoder` and
//! `targets`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anabranch_graph::{Array, Fusion, Graph};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::TrainError;
use crate::file::replace_file;
use crate::format_1;
use crate::header::Header;
use crate::model::Model;
use crate::model_error::ModelError;

/// The name of the model file in a run's directory.
pub const MODEL_FILE: &str = "model.safetensors";

/// The format that this version writes, and the newest that it reads.
const FORMAT: u64 = 2;

const METADATA_KEY: &str = "anabranch";

/// The version alone, which every format has.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

/// The little-endian bytes of numbers.
fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// SHA-256 of the parameters' little-endian bytes in order, in hexadecimal.
pub fn weights_sha256(params: &[f32]) -> String {
    Sha256::digest(bytes(params)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file that a path given by a user means: itself, or the model in that directory.
pub fn model_path(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    if path.is_dir() { path.join(MODEL_FILE) } else { path.to_owned() }
}

impl Model {
    /// Writes the model to the file `path`, which [`replace_file`] replaces in one rename.
    ///
    /// # Errors
    /// [`ModelError::Io`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let path = path.as_ref();
        let failed = |reason| ModelError::Io { action: "write", path: path.to_owned(), reason };
        let header = Header {
            format: FORMAT,
            network: self.river().clone(),
            encoder: self.encoder().clone(),
            targets: self.targets().clone(),
        };
        let header = serde_json::to_string(&header).map_err(|e| failed(e.into()))?;
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), header)]);
        let arrays = self.graph().params().iter().map(|array| (array, self.params()));
        let arrays = arrays.chain(self.graph().state().iter().map(|array| (array, self.state())));
        let arrays: Vec<(&Array, Vec<u8>)> =
            arrays.map(|(array, values)| (array, bytes(&values[array.range.clone()]))).collect();
        let views = arrays.iter().map(|(array, bytes)| {
            TensorView::new(Dtype::F32, array.shape.clone(), bytes).map(|view| (&array.name, view))
        });
        let invalid = |e| failed(std::io::Error::other(e));
        let views: Vec<_> = views.collect::<Result<_, _>>().map_err(invalid)?;
        let file = safetensors::serialize(views, Some(metadata)).map_err(invalid)?;
        replace_file(path, &file).map_err(failed)
    }

    /// Reads a model file, or the model in a run's directory.
    ///
    /// # Errors
    /// If the file cannot be read, is no model file, is of a newer format, or its parts do not fit
    /// together.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = model_path(path);
        let file = fs::read(&path).map_err(|reason| ModelError::Io {
            action: "read",
            path: path.clone(),
            reason,
        })?;
        let model = Self::from_bytes(&path, &file)?;
        tracing::info!(file = ?path, bytes = file.len(), parameters = model.params().len(), "model read");
        Ok(model)
    }

    /// Reads the contents of a model file; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_bytes(path: &Path, file: &[u8]) -> Result<Self, ModelError> {
        let not_a_model = |reason: String| ModelError::NotAModel { path: path.to_owned(), reason };
        let (_, metadata) =
            SafeTensors::read_metadata(file).map_err(|e| not_a_model(e.to_string()))?;
        let header = metadata
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(METADATA_KEY))
            .ok_or_else(|| {
            not_a_model(format!("its metadata lacks the key {METADATA_KEY:?}"))
        })?;
        let invalid = |e: serde_json::Error| not_a_model(format!("its metadata: {e}"));
        let Version { format } = serde_json::from_str(header).map_err(invalid)?;
        if format > FORMAT {
            let path = path.to_owned();
            return Err(ModelError::Newer { path, version: format, supported: FORMAT });
        }
        let Header { network, encoder, targets, .. } = match format {
            1 => format_1::read(header).map_err(invalid)?,
            _ => serde_json::from_str(header).map_err(invalid)?,
        };
        let tensors = SafeTensors::deserialize(file).map_err(|e| not_a_model(e.to_string()))?;
        let failed = |reason: TrainError| {
            let reason = Box::new(reason);
            ModelError::Parts { path: path.to_owned(), reason }
        };
        // Widths in the metadata ask for no memory before the tensors have been found to have them.
        let graph: Graph<f32> = network.build(Fusion::Fused).map_err(|e| failed(e.into()))?;
        let params = read_arrays(&tensors, graph.params()).map_err(not_a_model)?;
        let state = read_arrays(&tensors, graph.state()).map_err(not_a_model)?;
        Self::new(network, params, state, encoder, targets).map_err(failed)
    }
}

/// The numbers of `arrays`, one after the other.
fn read_arrays(tensors: &SafeTensors<'_>, arrays: &[Array]) -> Result<Vec<f32>, String> {
    let mut values = Vec::new();
    for Array { name, shape, .. } in arrays {
        let tensor = tensors.tensor(name).map_err(|_| format!("it lacks the tensor {name:?}"))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(format!(
                "tensor {name:?} is {:?} {:?}, expected F32 {shape:?}",
                tensor.dtype(),
                tensor.shape()
            ));
        }
        let (numbers, _) = tensor.data().as_chunks::<4>();
        values.extend(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        if values.iter().any(|v| !v.is_finite()) {
            return Err(format!("tensor {name:?} holds a number that is infinite or NaN"));
        }
    }
    Ok(values)
}
