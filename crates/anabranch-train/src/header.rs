//! The metadata of a model file.

use anabranch_data::{Encoder, Targets};
use anabranch_graph::River;
use serde::{Deserialize, Serialize};

/// The metadata.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u64,
    pub(crate) network: River,
    pub(crate) encoder: Encoder,
    pub(crate) targets: Targets,
}
