//! Model files of format 1, which hold the two-branch network by its settings.

use anabranch_data::{Encoder, Targets};
use anabranch_graph::{Join, TwoBranch};
use anabranch_layers::{Activation, Affine};
use serde::Deserialize;

use crate::header::Header;

/// The metadata of format 1.
#[derive(Deserialize)]
struct Header1 {
    network: Network1,
    encoder: Encoder,
    targets: Targets,
}

/// What a network has beside the widths that encoder and targets tell.
#[derive(Deserialize)]
struct Network1 {
    hidden_a: usize,
    hidden_b: usize,
    dropout: f64,
    activation: Activation,
    join: Join,
    affine: Affine,
    bn_eps: f64,
    bn_momentum: f64,
    weight_a: f64,
    weight_b: f64,
}

/// Reads the metadata.
///
/// # Errors
/// If it is not of format 1.
pub(crate) fn read(header: &str) -> Result<Header, serde_json::Error> {
    let Header1 { network, encoder, targets } = serde_json::from_str(header)?;
    let [numbers, class] = targets.tasks() else {
        let problem = "expected a regression and a class as targets";
        return Err(serde::de::Error::custom(problem));
    };
    let network = TwoBranch {
        inputs: encoder.width(),
        hidden_a: network.hidden_a,
        outputs_a: numbers.outputs(),
        hidden_b: network.hidden_b,
        classes: class.outputs(),
        dropout: network.dropout,
        activation: network.activation,
        join: network.join,
        affine: network.affine,
        bn_eps: network.bn_eps,
        bn_momentum: network.bn_momentum,
        weight_a: network.weight_a,
        weight_b: network.weight_b,
    };
    Ok(Header::of_one_network(1, network.river(), encoder, targets))
}
