//! Reading a case: whatever the file contains, the result is a complete case or an error.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::error::OracleError;
use super::spec::{FORMAT, Spec, TensorSpec, Timing};

/// A case with all of its tensors, in the shapes that its sizes call for.
#[derive(Clone, Debug)]
pub struct Case {
    name: String,
    spec: Spec,
    /// By name in the file; row-major.
    tensors: BTreeMap<String, Vec<f64>>,
}

impl Case {
    /// Reads a file; the case is named after the file, without its extension.
    ///
    /// # Errors
    /// If the file cannot be read, or [`parse`](Self::parse) refuses it.
    pub fn load(path: &Path) -> Result<Self, OracleError> {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        Self::parse(&name, &fs::read(path)?)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// If they are not a safetensors file; the metadata does not follow the format; a tensor is
    /// missing, unknown, or of another type or shape; or an input is not finite. Expected tensors
    /// may contain anything: a case that expects NaN can never pass.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, OracleError> {
        let file = SafeTensors::deserialize(bytes)?;
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let metadata = header.metadata().as_ref();
        let json = metadata.and_then(|map| map.get("case")).ok_or(OracleError::NoCase)?;
        let spec: Spec = serde_json::from_str(json)?;
        if spec.format != FORMAT {
            return Err(OracleError::Format { found: spec.format });
        }
        // With no size zero, the length of the file bounds every size.
        if let Some((name, _)) = spec.sizes().into_iter().find(|(_, size)| *size == 0) {
            return Err(OracleError::EmptySize { name });
        }
        let mut tensors = BTreeMap::new();
        for tensor in spec.tensors() {
            let data = read_tensor(&file, &tensor)?;
            tensors.insert(tensor.name, data);
        }
        if let Some(name) = file.names().into_iter().find(|name| !tensors.contains_key(*name)) {
            return Err(OracleError::UnknownTensor { name: name.into() });
        }
        let is_kept_or_dropped = |value: &f64| *value == 0.0 || *value == 1.0;
        if let Some(index) = tensors["mask"].iter().position(|value| !is_kept_or_dropped(value)) {
            return Err(OracleError::Mask { index, value: tensors["mask"][index] });
        }
        Ok(Self { name: name.into(), spec, tensors })
    }

    /// The name of the case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sizes, hyperparameters and optimizer.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The tensor `name` in the file, row-major; `None` if the format has none with that name.
    pub fn tensor(&self, name: &str) -> Option<&[f64]> {
        self.tensors.get(name).map(Vec::as_slice)
    }

    /// A tensor that every case has.
    ///
    /// # Panics
    /// If the format has no such tensor.
    pub(super) fn whole(&self, name: &str) -> &[f64] {
        &self.tensors[name]
    }

    /// The part of a tensor with one block for each step that belongs to `step`.
    ///
    /// # Panics
    /// If the format has no such tensor, or the case no such step.
    pub(super) fn step(&self, name: &str, step: usize) -> &[f64] {
        let len = self.tensors[name].len() / self.spec.steps;
        &self.tensors[name][step * len..(step + 1) * len]
    }
}

fn read_tensor(file: &SafeTensors<'_>, spec: &TensorSpec) -> Result<Vec<f64>, OracleError> {
    let TensorSpec { name, shape, timing } = spec.clone();
    let Ok(view) = file.tensor(&name) else {
        return Err(OracleError::MissingTensor { name, shape });
    };
    if view.dtype() != Dtype::F64 {
        return Err(OracleError::Dtype { name, found: format!("{:?}", view.dtype()) });
    }
    if view.shape() != shape {
        return Err(OracleError::Shape { name, expected: shape, found: view.shape().into() });
    }
    let (numbers, _) = view.data().as_chunks::<8>();
    let data: Vec<f64> = numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    match data.iter().position(|value| !value.is_finite()) {
        Some(index) if timing == Timing::Given => {
            Err(OracleError::NotFinite { name, index, value: data[index] })
        }
        _ => Ok(data),
    }
}
