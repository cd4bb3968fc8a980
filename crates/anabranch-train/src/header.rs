//! The metadata of a model file.

use anabranch_data::{Encoder, Targets};
use anabranch_graph::River;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::calibration::Calibration;

/// The metadata.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) format: u64,
    /// Of the whole file: see [`checksum`](crate::checksum).
    pub(crate) sha256: String,
    /// For each member, the tasks of each of its snapshots.
    pub(crate) members: Vec<Vec<Vec<usize>>>,
    pub(crate) network: River,
    pub(crate) encoder: Encoder,
    pub(crate) targets: Targets,
    /// What is told of the run; not parsed before somebody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<Box<RawValue>>,
    /// How much the linear model of each task counts; none if there are no linear models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) linear_shares: Vec<f64>,
    #[serde(default, skip_serializing_if = "Calibration::is_none")]
    pub(crate) calibration: Calibration,
}

/// The metadata of format 2, which holds a single network.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header2 {
    #[serde(rename = "format")]
    _format: u64,
    pub(crate) network: River,
    pub(crate) encoder: Encoder,
    pub(crate) targets: Targets,
}

impl From<Header2> for Header {
    fn from(header: Header2) -> Self {
        let Header2 { network, encoder, targets, .. } = header;
        Self::of_one_network(2, network, encoder, targets)
    }
}

impl Header {
    /// The metadata of a format that holds a single network, without a checksum.
    pub(crate) fn of_one_network(
        format: u64,
        network: River,
        encoder: Encoder,
        targets: Targets,
    ) -> Self {
        let members = vec![vec![(0..targets.tasks().len()).collect()]];
        Self {
            format,
            sha256: String::new(),
            members,
            network,
            encoder,
            targets,
            run: None,
            linear_shares: Vec::new(),
            calibration: Calibration::default(),
        }
    }
}
