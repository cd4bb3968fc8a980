//! Model files: safetensors with the names of a PyTorch `state_dict`, and everything else in the
//! metadata.
//!
//! The tensors are the network's parameters, such as `fc1a.weight` `[out, in]`, and its running
//! statistics, such as `bn1b.running_mean`, all little-endian `f32`. In an ensemble, their names
//! begin with the member, as in `member.3.fc1a.weight`, counted from 0; where a member predicts its
//! tasks with weights of several epochs, also with the head whose best they are, as in
//! `best.b.fc1a.weight` for the task of the head `b`. Those of linear models that count among the
//! networks are named as in `b.linear.weight`.
//!
//! The metadata has one key, `anabranch`: a JSON object with `format` (the version), `sha256` (of
//! the whole file, with these 64 digits as zeros), `members` (for each member, the tasks that are
//! predicted with each of its snapshots, in the order of the tensors), `network` (a
//! [`River`](anabranch_graph::River)), `encoder`, `targets`, `linear_shares` (how much the linear
//! model of each task counts, if there are any), a `calibration` if there were validation rows,
//! and what is told of the run, if anything, as `run`. Files of format 4 have no statistics of
//! targets in their encoder, those of format 3 no linear models either; those of formats 1 and 2
//! have one member with one snapshot, and no checksum.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anabranch_data::{Encoding, InputColumn};
use anabranch_graph::{Array, Fusion, Graph};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::blend::Blend;
use crate::checksum::{self, UNSEALED, hex};
use crate::error::TrainError;
use crate::file::replace_file;
use crate::format_1;
use crate::header::{Header, Header2};
use crate::model::Model;
use crate::model_error::ModelError;
use crate::snapshot::{Member, Snapshot};

/// The name of the model file in a run's directory.
pub const MODEL_FILE: &str = "model.safetensors";

/// The newest format that this version reads, and writes if numbers are names as well.
const FORMAT: u64 = 6;

/// The first format in which statistics of targets stand for some categories.
const BY_TARGETS: u64 = 5;

/// The first format with linear models among the networks.
const BLENDED: u64 = 4;

/// The first format with a checksum, which holds all other models.
const SEALED: u64 = 3;

const METADATA_KEY: &str = "anabranch";

/// Bytes before the metadata: its length.
const LENGTH_BYTES: usize = 8;

/// Longer metadata is not read, as by any other reader of such files.
const LONGEST_METADATA: u64 = 100_000_000;

/// The version alone, which every format has.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

/// The little-endian bytes of numbers.
fn bytes(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of_val(values));
    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes
}

/// SHA-256 of the parameters' little-endian bytes in order, in hexadecimal.
pub fn weights_sha256(params: &[f32]) -> String {
    hex(&Sha256::digest(bytes(params)))
}

/// The file that a path given by a user means: itself, or the model in that directory.
pub fn model_path(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    if path.is_dir() { path.join(MODEL_FILE) } else { path.to_owned() }
}

impl Model {
    /// SHA-256 of the parameters of all members in order, in hexadecimal.
    pub fn weights_sha256(&self) -> String {
        let mut digest = Sha256::new();
        self.snapshots().for_each(|snapshot| digest.update(bytes(&snapshot.params)));
        hex(&digest.finalize())
    }

    /// What the names of the tensors of each of the [`snapshots`](Self::snapshots) begin with in a
    /// model file; nothing for a single one.
    pub fn tensor_prefixes(&self) -> Vec<String> {
        prefixes(self.graph(), &self.tasks_of_snapshots())
    }

    /// For each member, the tasks of each of its snapshots.
    fn tasks_of_snapshots(&self) -> Vec<Vec<Vec<usize>>> {
        let of_member = |member: &Member<f32>| {
            member.snapshots.iter().map(|snapshot| snapshot.tasks.clone()).collect()
        };
        self.members().iter().map(of_member).collect()
    }

    /// The oldest format that can hold the model.
    fn format(&self) -> u64 {
        let columns = self.encoder().input_columns();
        let has_names =
            |column: &InputColumn| matches!(column.encoding, Encoding::NamedNumber { .. });
        let has_statistics =
            |column: &InputColumn| matches!(column.encoding, Encoding::TargetStatistics { .. });
        if columns.iter().any(has_names) {
            FORMAT
        } else if columns.iter().any(has_statistics) {
            BY_TARGETS
        } else if self.blend().is_some() {
            BLENDED
        } else {
            SEALED
        }
    }

    /// Writes the model to the file `path`, which [`replace_file`] replaces in one rename.
    ///
    /// # Errors
    /// [`ModelError::Io`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        self.save_to(path.as_ref())
    }

    fn save_to(&self, path: &Path) -> Result<(), ModelError> {
        let failed = |reason| ModelError::Io { action: "write", path: path.to_owned(), reason };
        let members = self.tasks_of_snapshots();
        let prefixes = prefixes(self.graph(), &members);
        let header = Header {
            format: self.format(),
            sha256: UNSEALED.into(),
            members,
            network: self.river().clone(),
            encoder: self.encoder().clone(),
            targets: self.targets().clone(),
            run: self.run_record.clone(),
            linear_shares: self.blend().map_or(Vec::new(), |blend| blend.shares().to_vec()),
            calibration: self.calibration().clone(),
        };
        let header = serde_json::to_string(&header).map_err(|e| failed(e.into()))?;
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), header)]);
        let mut tensors: Vec<(String, &Array, Vec<u8>)> = Vec::new();
        let networks = self.snapshots().map(|snapshot| (self.graph(), snapshot));
        let lines = self.blend().map(|blend| (blend.graph(), blend.snapshot()));
        let prefixes = prefixes.iter().map(String::as_str).chain([""]);
        for (prefix, (graph, snapshot)) in prefixes.zip(networks.chain(lines)) {
            let Snapshot { params, state, .. } = snapshot;
            let arrays = graph.params().iter().map(|array| (array, params));
            let arrays = arrays.chain(graph.state().iter().map(|array| (array, state)));
            tensors.extend(arrays.map(|(array, values)| {
                let name = format!("{prefix}{}", array.name);
                (name, array, bytes(&values[array.range.clone()]))
            }));
        }
        let views = tensors.iter().map(|(name, array, bytes)| {
            TensorView::new(Dtype::F32, array.shape.clone(), bytes).map(|view| (name, view))
        });
        let invalid = |e| failed(io::Error::other(e));
        let views: Vec<_> = views.collect::<Result<_, _>>().map_err(invalid)?;
        let mut file = safetensors::serialize(views, Some(metadata)).map_err(invalid)?;
        checksum::seal(&mut file);
        replace_file(path, &file).map_err(failed)
    }

    /// Reads a model file, or the model in a run's directory. What is not a regular file, is longer
    /// than its metadata say, or has another checksum, is refused before it is read as a whole.
    ///
    /// # Errors
    /// If the file cannot be read, is no model file or a damaged one, is of a newer format, or its
    /// parts do not fit together.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Self::load_from(model_path(path))
    }

    fn load_from(path: PathBuf) -> Result<Self, ModelError> {
        let failed = |reason| ModelError::Io { action: "read", path: path.clone(), reason };
        let found = fs::metadata(&path).map_err(failed)?;
        if !found.is_file() {
            // A pipe, say, would be waited for.
            return Err(not_a_model(&path, "it is not a regular file"));
        }
        let mut source = File::open(&path).map_err(failed)?;
        let start = read_start(&path, &mut source, found.len())?;
        check_start(&path, &start, found.len(), &mut source)?;
        let file = fs::read(&path).map_err(failed)?;
        let model = Self::from_bytes(&path, &file)?;
        let parameters = model.graph().params_len() * model.snapshots().count();
        tracing::info!(file = ?path, bytes = file.len(), parameters, "model read");
        Ok(model)
    }

    /// Reads the contents of a model file; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_bytes(path: &Path, file: &[u8]) -> Result<Self, ModelError> {
        let len = file.len() as u64;
        let mut rest = file;
        let start = read_start(path, &mut rest, len)?;
        let header = check_start(path, &start, len, &mut rest)?;
        let Header { members, network, encoder, targets, linear_shares, calibration, run, .. } =
            header;
        let tensors = SafeTensors::deserialize(file).map_err(|e| not_a_model(path, e))?;
        let failed = |reason: TrainError| {
            let reason = Box::new(reason);
            ModelError::Parts { path: path.to_owned(), reason }
        };
        // Widths in the metadata ask for no memory before the tensors have been found to have them.
        let graph: Graph<f32> = network.build(Fusion::Fused).map_err(|e| failed(e.into()))?;
        let blend = (!linear_shares.is_empty())
            .then(|| Blend::unfilled(&network, &graph, linear_shares))
            .transpose()
            .map_err(failed)?;
        let prefixes = prefixes(&graph, &members);
        let n_arrays = graph.params().len() + graph.state().len();
        let n_linear = blend.as_ref().map_or(0, |blend| blend.graph().params().len());
        let expected = n_arrays.saturating_mul(prefixes.len()).saturating_add(n_linear);
        if tensors.len() != expected {
            let problem = format!("it holds {} tensors, expected {expected}", tensors.len());
            return Err(not_a_model(path, problem));
        }
        let mut prefixes = prefixes.into_iter();
        let mut snapshot = |tasks: Vec<usize>| {
            let prefix = prefixes.next().unwrap_or_default();
            let read = |arrays| {
                read_arrays(&tensors, &prefix, arrays).map_err(|reason| not_a_model(path, reason))
            };
            Ok(Snapshot { tasks, params: read(graph.params())?, state: read(graph.state())? })
        };
        let members = members.into_iter().map(|snapshots| {
            let snapshots = snapshots.into_iter().map(&mut snapshot);
            Ok(Member { snapshots: snapshots.collect::<Result<_, _>>()? })
        });
        let members = members.collect::<Result<_, ModelError>>()?;
        let fill = |mut blend: Blend| {
            let params = read_arrays(&tensors, "", blend.graph().params());
            blend.snapshot_mut().params = params.map_err(|reason| not_a_model(path, reason))?;
            Ok(blend)
        };
        let blend = blend.map(fill).transpose()?;
        let model = Self::new(network, members, encoder, targets);
        let model = model.and_then(|model| model.with_blend(blend));
        let model = model.and_then(|model| model.with_calibration(calibration));
        let mut model = model.map_err(failed)?;
        model.run_record = run;
        Ok(model)
    }
}

fn not_a_model(path: &Path, reason: impl ToString) -> ModelError {
    ModelError::NotAModel { path: path.to_owned(), reason: reason.to_string() }
}

/// The refusal of a file of `len` bytes that should have so many, or more.
fn cut(path: &Path, len: u64, expected: u64) -> ModelError {
    not_a_model(path, format!("it was cut short: it has {len} bytes of {expected} or more"))
}

/// What the names of the tensors of each snapshot of each member begin with; `members` holds their
/// tasks.
fn prefixes(graph: &Graph<f32>, members: &[Vec<Vec<usize>>]) -> Vec<String> {
    let mut prefixes = Vec::new();
    for (number, snapshots) in members.iter().enumerate() {
        let member = match members.len() {
            1 => String::new(),
            _ => format!("member.{number}."),
        };
        for tasks in snapshots {
            let head = tasks.first().and_then(|task| graph.heads().get(*task));
            prefixes.push(match head {
                Some(head) if snapshots.len() > 1 => format!("{member}best.{}.", head.name()),
                _ => member.clone(),
            });
        }
    }
    prefixes
}

/// Reads the length of the metadata, and the metadata, of a file of `len` bytes.
fn read_start(path: &Path, source: &mut dyn Read, len: u64) -> Result<Vec<u8>, ModelError> {
    let mut start = vec![0; LENGTH_BYTES];
    source.read_exact(&mut start).map_err(|_| cut(path, len, LENGTH_BYTES as u64))?;
    let n = start.iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    if n > LONGEST_METADATA {
        return Err(not_a_model(path, "it does not begin with the length of its metadata"));
    }
    if n > len.saturating_sub(LENGTH_BYTES as u64) {
        return Err(cut(path, len, n + LENGTH_BYTES as u64));
    }
    let read = source.take(n).read_to_end(&mut start);
    match read {
        Ok(read) if read as u64 == n => Ok(start),
        read => {
            let [found, expected] =
                [read.unwrap_or(0) as u64, n].map(|bytes| bytes + LENGTH_BYTES as u64);
            Err(cut(path, found, expected))
        }
    }
}

/// What the metadata in the start of a file of `len` bytes say, if the file is as long as they say
/// and has their checksum; `rest` is what follows.
fn check_start(
    path: &Path,
    start: &[u8],
    len: u64,
    rest: &mut dyn Read,
) -> Result<Header, ModelError> {
    let invalid = |e: serde_json::Error| not_a_model(path, format!("its metadata: {e}"));
    let metadata: safetensors::tensor::Metadata =
        serde_json::from_slice(&start[LENGTH_BYTES..]).map_err(invalid)?;
    let expected = start.len() as u64 + metadata.data_len() as u64;
    if len < expected {
        return Err(cut(path, len, expected));
    }
    if len > expected {
        return Err(not_a_model(path, format!("it has {len} bytes, expected {expected}")));
    }
    let header = metadata.metadata().as_ref().and_then(|metadata| metadata.get(METADATA_KEY));
    let header = header
        .ok_or_else(|| not_a_model(path, format!("its metadata lacks the key {METADATA_KEY:?}")))?;
    let Version { format } = serde_json::from_str(header).map_err(invalid)?;
    match format {
        0 => Err(not_a_model(path, "there is no format 0")),
        1 => format_1::read(header).map_err(invalid),
        2 => Ok(serde_json::from_str::<Header2>(header).map_err(invalid)?.into()),
        SEALED..=FORMAT => {
            let found: Header = serde_json::from_str(header).map_err(invalid)?;
            let at = checksum::place(start).ok_or_else(|| not_a_model(path, "no checksum"))?;
            let failed = |reason| ModelError::Io { action: "read", path: path.to_owned(), reason };
            if checksum::of_file(start, at, rest).map_err(failed)? != found.sha256 {
                return Err(ModelError::Damaged { path: path.to_owned() });
            }
            Ok(found)
        }
        _ => {
            let path = path.to_owned();
            Err(ModelError::Newer { path, version: format, supported: FORMAT })
        }
    }
}

/// The numbers of `arrays`, one after the other.
fn read_arrays(
    tensors: &SafeTensors<'_>,
    prefix: &str,
    arrays: &[Array],
) -> Result<Vec<f32>, String> {
    let mut values = Vec::new();
    for Array { name, shape, .. } in arrays {
        let name = format!("{prefix}{name}");
        let tensor = tensors.tensor(&name).map_err(|_| format!("it lacks the tensor {name:?}"))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(format!(
                "tensor {name:?} is {:?} {:?}, expected F32 {shape:?}",
                tensor.dtype(),
                tensor.shape()
            ));
        }
        let (numbers, _) = tensor.data().as_chunks::<4>();
        let numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes));
        if numbers.clone().any(|number| !number.is_finite()) {
            return Err(format!("tensor {name:?} holds a number that is infinite or NaN"));
        }
        if name.ends_with(".running_var") && numbers.clone().any(|number| number < 0.0) {
            return Err(format!("tensor {name:?} holds a variance below 0"));
        }
        values.extend(numbers);
    }
    Ok(values)
}
