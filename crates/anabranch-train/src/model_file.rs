//! Model files: safetensors with the names of a PyTorch `state_dict`, and everything else in the metadata.
//!
//! The tensors are `fc1a.weight` … `fc2b.bias` `[out, in]` and `[out]`, `bn1b.running_mean` and `bn1b.running_var`, all
//! little-endian `f32`. The metadata has one key, `anabranch`: a JSON object with `format` (the version), `network`,
//! `encoder` and `targets`.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anabranch_data::{Encoder, Targets};
use anabranch_graph::{Array, Fusion, Graph, Join, TwoBranch};
use anabranch_layers::{Activation, Affine};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::TrainError;
use crate::model::Model;
use crate::model_error::ModelError;

/// The name of the model file in a run's directory.
pub const MODEL_FILE: &str = "model.safetensors";

/// The format that this version writes, and the newest that it reads.
const FORMAT: u64 = 1;

const METADATA_KEY: &str = "anabranch";

/// The metadata.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u64,
    network: StoredNetwork,
    encoder: Encoder,
    targets: Targets,
}

/// The version alone, which every format has.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

/// What a network has beside the widths that its tensors and columns tell.
#[derive(Serialize, Deserialize)]
struct StoredNetwork {
    hidden_a: usize,
    hidden_b: usize,
    dropout: f64,
    activation: StoredActivation,
    join: StoredJoin,
    affine: StoredAffine,
    bn_eps: f64,
    bn_momentum: f64,
    weight_a: f64,
    weight_b: f64,
}

/// A name for each variant of a configuration type of another crate.
macro_rules! stored_enum {
    ($stored:ident for $type:ident { $($variant:ident),* }) => {
        #[derive(Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum $stored { $($variant),* }

        impl From<$type> for $stored {
            fn from(value: $type) -> Self {
                match value { $($type::$variant => Self::$variant),* }
            }
        }

        impl From<$stored> for $type {
            fn from(stored: $stored) -> Self {
                match stored { $($stored::$variant => Self::$variant),* }
            }
        }
    };
}

stored_enum!(StoredActivation for Activation { Relu, Gelu, Silu, Tanh, Identity });
stored_enum!(StoredJoin for Join { Add, Broadcast, Project });
stored_enum!(StoredAffine for Affine { PerUnit, Shared });

impl StoredNetwork {
    fn new(network: &TwoBranch) -> Self {
        Self {
            hidden_a: network.hidden_a,
            hidden_b: network.hidden_b,
            dropout: network.dropout,
            activation: network.activation.into(),
            join: network.join.into(),
            affine: network.affine.into(),
            bn_eps: network.bn_eps,
            bn_momentum: network.bn_momentum,
            weight_a: network.weight_a,
            weight_b: network.weight_b,
        }
    }

    fn network(self, encoder: &Encoder, targets: &Targets) -> TwoBranch {
        TwoBranch {
            inputs: encoder.width(),
            hidden_a: self.hidden_a,
            outputs_a: targets.regression().len(),
            hidden_b: self.hidden_b,
            classes: targets.class().labels.len(),
            dropout: self.dropout,
            activation: self.activation.into(),
            join: self.join.into(),
            affine: self.affine.into(),
            bn_eps: self.bn_eps,
            bn_momentum: self.bn_momentum,
            weight_a: self.weight_a,
            weight_b: self.weight_b,
        }
    }
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
    /// Writes the model to the file `path`: first to a new file beside it, which then takes its place at once.
    ///
    /// # Errors
    /// [`ModelError::Io`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let path = path.as_ref();
        let failed = |source| ModelError::Io { action: "write", path: path.to_owned(), source };
        let header = Header {
            format: FORMAT,
            network: StoredNetwork::new(self.network()),
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
    /// If the file cannot be read, is no model file, is of a newer format, or its parts do not fit together.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = model_path(path);
        let file = fs::read(&path).map_err(|source| ModelError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        Self::from_bytes(&path, &file)
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
        let header: Header = serde_json::from_str(header).map_err(invalid)?;
        let tensors = SafeTensors::deserialize(file).map_err(|e| not_a_model(e.to_string()))?;
        check_hidden(&tensors, &header.network).map_err(not_a_model)?;
        let network = header.network.network(&header.encoder, &header.targets);
        let failed = |source: TrainError| {
            let source = Box::new(source);
            ModelError::Parts { path: path.to_owned(), source }
        };
        let graph: Graph<f32> = network.build(Fusion::Fused).map_err(|e| failed(e.into()))?;
        let params = read_arrays(&tensors, graph.params()).map_err(not_a_model)?;
        let state = read_arrays(&tensors, graph.state()).map_err(not_a_model)?;
        Self::new(network, params, state, header.encoder, header.targets).map_err(failed)
    }
}

/// Checks the hidden widths against the tensors, which the file holds in full: a wrong number in the metadata then
/// cannot ask for more memory than the file has.
fn check_hidden(tensors: &SafeTensors<'_>, network: &StoredNetwork) -> Result<(), String> {
    for (name, n) in [("fc1a.bias", network.hidden_a), ("fc1b.bias", network.hidden_b)] {
        let tensor = tensors.tensor(name).map_err(|_| format!("it lacks the tensor {name:?}"))?;
        if tensor.shape() != [n] {
            return Err(format!("tensor {name:?} has shape {:?}, expected [{n}]", tensor.shape()));
        }
    }
    Ok(())
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

/// Writes `contents` to a new file beside `path`, which then takes its place at once: nobody ever sees half a file, and
/// after a failure the old one is still there. A symbolic link is followed; what is no regular file, such as
/// `/dev/stdout`, is written in place.
///
/// # Errors
/// What the file system says.
pub fn replace_file(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return fs::write(path, contents);
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(new);
    let write = || {
        let mut file = fs::File::create(&new)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().inspect_err(|_| {
        // The error to tell is the first one.
        let _ = fs::remove_file(&new);
    })
}
