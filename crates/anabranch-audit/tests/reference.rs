//! Dual numbers, the backward pass by hand and central differences agree.

use anabranch_audit::measure::relative_error;
use anabranch_audit::mistakes::{Gradients, backward_naive};
use anabranch_audit::reference::{
    Affine, Batch, Join, Network, Node, Param, Params, central_difference,
    dual_batch_norm_jacobian, dual_delta, dual_dropout_jacobian, dual_gradient,
    dual_softmax_jacobian, forward, random_instance,
};

const BASE: Network = Network {
    inputs: 4,
    hidden_a: 6,
    outputs_a: 5,
    hidden_b: 5,
    classes: 3,
    join: Join::Add,
    affine: Affine::PerUnit,
    eps: 0.5,
    dropout: 0.3,
    weight_a: 0.7,
    weight_b: 1.9,
};

/// All joins, affines, both ends of ε, no dropout and heavy dropout, widths down to 1.
fn networks() -> Vec<Network> {
    let mut all = Vec::new();
    for affine in [Affine::PerUnit, Affine::Shared] {
        for (join, outputs_a) in [(Join::Add, 5), (Join::Broadcast, 1), (Join::Project, 2)] {
            for (eps, dropout) in [(0.5, 0.3), (1e-5, 0.0), (0.1, 0.8)] {
                all.push(Network { affine, join, outputs_a, eps, dropout, ..BASE });
            }
        }
    }
    all.push(Network { inputs: 1, hidden_a: 1, outputs_a: 1, hidden_b: 1, classes: 1, ..BASE });
    all
}

struct Case {
    net: Network,
    params: Params,
    batch: Batch,
    gradients: Gradients,
}

fn cases() -> impl Iterator<Item = Case> {
    networks().into_iter().enumerate().map(|(seed, net)| {
        let (params, batch) = random_instance(&net, 7, seed as u64);
        let values = forward(&net, &params, &batch, None);
        let gradients = backward_naive(&net, &params, &batch, &values, None);
        Case { net, params, batch, gradients }
    })
}

#[test]
fn duals_and_the_hand_derived_backward_agree() {
    for Case { net, params, batch, gradients, .. } in cases() {
        let dual = dual_gradient(&net, &params, &batch);
        for param in Param::ALL {
            let error = relative_error(dual[param].data(), gradients.params[param].data());
            assert!(error <= 1e-12, "{param:?}: {error:e} in {net:?}");
        }
        for (node, delta) in [
            (Node::Z2b, &gradients.delta_2b),
            (Node::S, &gradients.d_s),
            (Node::YAHat, &gradients.delta_2a),
            (Node::A1b, &gradients.d_a),
            (Node::Z1b, &gradients.delta_1b),
            (Node::Z1a, &gradients.delta_1a),
        ] {
            let error =
                relative_error(dual_delta(&net, &params, &batch, node).data(), delta.data());
            assert!(error <= 1e-12, "{node:?}: {error:e} in {net:?}");
        }
    }
}

#[test]
fn central_differences_agree() {
    for Case { net, params, batch, gradients, .. } in cases() {
        for param in Param::ALL {
            let exact = gradients.params[param].data();
            // Truncation is O(h²) ≈ 1e-10, rounding O(1e-16/h) ≈ 1e-11.
            let (difference, exact): (Vec<f64>, Vec<f64>) = exact
                .iter()
                .enumerate()
                .filter_map(|(entry, exact)| {
                    let at = (param, entry);
                    Some((central_difference(&net, &params, &batch, at, 1e-5)?, *exact))
                })
                .unzip();
            let error = relative_error(&difference, &exact);
            assert!(error <= 1e-7, "{param:?}: {error:e} in {net:?}");
        }
    }
}

#[test]
fn a_difference_across_a_kink_is_left_out() {
    let (mut params, batch) = random_instance(&BASE, 7, 1);
    // z1a = 0 for unit 0 in every row: any step of b1a switches its ReLU.
    params[Param::Theta1a].data_mut()[..BASE.inputs].fill(0.0);
    params[Param::B1a].data_mut()[0] = 0.0;
    assert_eq!(central_difference(&BASE, &params, &batch, (Param::B1a, 0), 1e-5), None);
    assert!(central_difference(&BASE, &params, &batch, (Param::B2a, 0), 1e-5).is_some());
}

#[test]
fn jacobians_are_the_textbook_ones() {
    let (net, m) = (BASE, 7);
    let (params, batch) = random_instance(&net, m, 3);
    let values = forward(&net, &params, &batch, None);
    let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-14, "{a} and {b}");
    let kronecker = |i, j| f64::from(u8::from(i == j));
    for (row, jacobian) in dual_dropout_jacobian(&net, &params, &batch).iter().enumerate() {
        for (i, j) in (0..net.hidden_a).flat_map(|i| (0..net.hidden_a).map(move |j| (i, j))) {
            close(jacobian[(i, j)], kronecker(i, j) * batch.mask[(row, i)]);
        }
    }
    for (row, jacobian) in dual_softmax_jacobian(&net, &params, &batch).iter().enumerate() {
        let y = values.y_b_hat.row(row);
        for (i, j) in (0..net.classes).flat_map(|i| (0..net.classes).map(move |j| (i, j))) {
            close(jacobian[(i, j)], y[i] * (kronecker(i, j) - y[j]));
        }
    }
    for (unit, jacobian) in dual_batch_norm_jacobian(&net, &params, &batch).iter().enumerate() {
        let deviation = (values.var[(0, unit)] + net.eps).sqrt();
        for (i, j) in (0..m).flat_map(|i| (0..m).map(move |j| (i, j))) {
            let product = values.a_hat[(i, unit)] * values.a_hat[(j, unit)];
            let expected = (kronecker(i, j) - (1.0 + product) / m as f64) / deviation;
            close(jacobian[(i, j)], expected);
        }
    }
}

#[test]
fn forward_matches_a_network_calculated_on_paper() {
    // One unit everywhere, two rows, x = ±1, all weights 1, all biases 0, no dropout.
    let net = Network {
        inputs: 1,
        hidden_a: 1,
        outputs_a: 1,
        hidden_b: 1,
        classes: 2,
        dropout: 0.0,
        eps: 0.75,
        weight_a: 1.0,
        weight_b: 1.0,
        ..BASE
    };
    let (mut params, mut batch) = random_instance(&net, 2, 0);
    params = params.map(|_| 0.0);
    for param in [Param::Theta1a, Param::Theta2a, Param::Theta1b, Param::Gamma] {
        params[param].data_mut().fill(1.0);
    }
    params[Param::Theta2b].data_mut().copy_from_slice(&[1.0, 0.0]);
    batch.x.data_mut().copy_from_slice(&[1.0, -1.0]);
    batch.y_a.data_mut().copy_from_slice(&[0.0, 0.0]);
    batch.y_b.data_mut().copy_from_slice(&[1.0, 0.0, 0.0, 1.0]);
    let values = forward(&net, &params, &batch, None);
    // a1b = (1, 0): μ = ½, σ² = ¼, √(¼+¾) = 1, â = ±½; ŷa = (1, 0); s = (1½, −½); z2b = (s, 0).
    assert_eq!(values.a_hat.data(), [0.5, -0.5]);
    assert_eq!(values.s.data(), [1.5, -0.5]);
    let cross_entropy = (1.0 + (-1.5f64).exp()).ln() + (1.0 + (-0.5f64).exp()).ln();
    assert!((values.loss - 0.5 * (0.5 + cross_entropy)).abs() <= 1e-15);
}

#[test]
fn huge_logits_stay_finite() {
    let (mut params, batch) = random_instance(&BASE, 7, 2);
    params[Param::B2b].data_mut()[0] = 1e4;
    assert!(forward(&BASE, &params, &batch, None).loss.is_finite());
    let dual = dual_gradient(&BASE, &params, &batch);
    assert!(Param::ALL.iter().all(|p| dual[*p].data().iter().all(|v| v.is_finite())));
}
