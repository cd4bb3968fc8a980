//! An instance as the independent routes want it.

use anabranch_graph::{Fusion, Join as GraphJoin};
use anabranch_layers::Affine as LayerAffine;

use super::error::GradcheckError;
use super::instance::Instance;
use super::production::Production;
use crate::identities::{self, Identity, Quantities, View};
use anabranch_audit::matrix::Matrix;
use anabranch_audit::reference::{Affine, Batch, Join, Network, Param, Params};

/// The parameter called `name` in the production network.
pub(super) fn param(name: &str) -> Param {
    match name {
        "fc1a.weight" => Param::Theta1a,
        "fc1a.bias" => Param::B1a,
        "fc2a.weight" => Param::Theta2a,
        "fc2a.bias" => Param::B2a,
        "fc1b.weight" => Param::Theta1b,
        "fc1b.bias" => Param::B1b,
        "bn1b.weight" => Param::Gamma,
        "bn1b.bias" => Param::Beta,
        "join.weight" => Param::JoinWeight,
        "fc2b.weight" => Param::Theta2b,
        "fc2b.bias" => Param::B2b,
        name => unreachable!("the two-branch network has no parameter {name:?}"),
    }
}

/// The instance as the naive reference takes it, with the mask that the production network draws.
pub(super) fn reference(
    instance: &Instance,
    production: &mut Production<f64>,
) -> (Network, Params, Batch) {
    let net = network(instance);
    let mut params = Params::from_fn(&net, |_, _, _| 0.0);
    for array in production.graph().params() {
        let values = &instance.params()[array.range.clone()];
        params[param(&array.name)].data_mut().copy_from_slice(values);
    }
    let batch = Batch {
        x: instance.x().clone(),
        y_a: instance.y_a().clone(),
        y_b: instance.y_b().probabilities(net.classes),
        mask: production.mask(),
        running: None,
    };
    (net, params, batch)
}

fn network(instance: &Instance) -> Network {
    let net = instance.network();
    Network {
        inputs: net.inputs,
        hidden_a: net.hidden_a,
        outputs_a: net.outputs_a,
        hidden_b: net.hidden_b,
        classes: net.classes,
        join: match net.join {
            GraphJoin::Add => Join::Add,
            GraphJoin::Broadcast => Join::Broadcast,
            GraphJoin::Project => Join::Project,
        },
        affine: match net.affine {
            LayerAffine::PerUnit => Affine::PerUnit,
            LayerAffine::Shared => Affine::Shared,
        },
        eps: net.bn_eps,
        dropout: net.dropout,
        weight_a: net.weight_a,
        weight_b: net.weight_b,
    }
}

/// Multiplications of a forward pass in plain loops.
pub(super) fn multiplications(net: &Network, rows: usize) -> u64 {
    let joined = if net.join == Join::Project { net.outputs_a * net.hidden_b } else { 0 };
    let per_row = net.inputs * (net.hidden_a + net.hidden_b)
        + net.hidden_a * net.outputs_a
        + net.hidden_b * net.classes
        + joined;
    (rows * per_row) as u64
}

/// The identities on the production values: parameter `gradient` of the fused graph, deltas of the unfused one.
pub(super) fn identities(
    instance: &Instance,
    gradient: &[f64],
) -> Result<Vec<Identity>, GradcheckError> {
    let mut production = Production::<f64>::new(instance, Fusion::Unfused)?;
    production.gradient();
    let net = network(instance);
    let graph = production.graph();
    let view = |name: &str, flat| -> View<'_> {
        let array = graph.param(name).expect("the two-branch network has this parameter");
        let (rows, cols) = match array.shape[..] {
            [out, inputs] => (out, inputs),
            _ => (1, array.range.len()),
        };
        let flat: &[f64] = flat;
        View::new(&flat[array.range.clone()], rows, cols)
    };
    let (p, d) = (|name| view(name, instance.params()), |name| view(name, gradient));
    let y_a_hat = production.value("fc2a");
    let var = variance(&production.value("relu1b"));
    let [delta_2b, delta_2a, d_s, d_a] =
        ["fc2b", "fc2a", "join", "relu1b"].map(|name| production.delta(name));
    Ok(identities::identities(&Quantities {
        theta_1a: p("fc1a.weight"),
        d_theta_1a: d("fc1a.weight"),
        b_1a: p("fc1a.bias"),
        d_b_1a: d("fc1a.bias"),
        theta_2a: p("fc2a.weight"),
        d_theta_2a: d("fc2a.weight"),
        b_2a: p("fc2a.bias"),
        d_b_2a: d("fc2a.bias"),
        theta_1b: p("fc1b.weight"),
        d_theta_1b: d("fc1b.weight"),
        b_1b: p("fc1b.bias"),
        d_b_1b: d("fc1b.bias"),
        gamma: p("bn1b.weight"),
        d_gamma: d("bn1b.weight"),
        beta: p("bn1b.bias"),
        d_beta: d("bn1b.bias"),
        theta_2b: p("fc2b.weight"),
        d_theta_2b: d("fc2b.weight"),
        join_weight: (net.join == Join::Project).then(|| (p("join.weight"), d("join.weight"))),
        y_a_hat: (&y_a_hat).into(),
        var: (&var).into(),
        delta_2b: (&delta_2b).into(),
        delta_2a: (&delta_2a).into(),
        d_s: (&d_s).into(),
        d_a: (&d_a).into(),
        eps: net.eps,
        weight_b: net.weight_b,
        join: net.join,
        affine: net.affine,
    }))
}

/// σ² of each column of `a`, with divisor m, `[1, columns]`.
fn variance(a: &Matrix) -> Matrix {
    let m = a.rows() as f64;
    Matrix::from_fn(1, a.cols(), |_, j| {
        let mean = (0..a.rows()).map(|i| a[(i, j)]).sum::<f64>() / m;
        (0..a.rows()).map(|i| (a[(i, j)] - mean).powi(2)).sum::<f64>() / m
    })
}
