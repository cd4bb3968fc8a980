//! Rivers of any branches, activations and losses.

use anabranch_graph::{Branch, Join, LayerKind, River};
use anabranch_layers::{Activation, LossKind};

use super::data::Data;
use super::*;

/// Four branches on a trunk: two numbers, two classes, joins of each kind.
pub(super) fn four_branches() -> River {
    River::new(
        6,
        [
            Branch::new("trunk").hidden(7, Activation::Tanh).dropout(0.2),
            Branch::new("price").from("trunk").hidden(5, Activation::Relu).head(
                1,
                LossKind::HalfSquaredError,
                0.8,
            ),
            Branch::new("size")
                .from("trunk")
                .hidden(4, Activation::Gelu)
                .batch_norm()
                .dropout(0.3)
                .join("price", Join::Broadcast)
                .head(2, LossKind::Huber { delta: 1.5 }, 1.2),
            Branch::new("cut")
                .hidden(4, Activation::Silu)
                .batch_norm()
                .join("size", Join::Project)
                .head(4, LossKind::CROSS_ENTROPY, 1.0),
            Branch::new("color")
                .from("trunk")
                .hidden(6, Activation::Relu)
                .hidden(4, Activation::Relu)
                .batch_norm()
                .join("price", Join::Broadcast)
                .join("cut", Join::Add)
                .head(3, LossKind::CROSS_ENTROPY, 0.7),
        ],
    )
}

#[test]
fn a_river_of_four_branches_passes_all_routes_to_ten_digits() {
    let exec = Executor::new(2).unwrap();
    let instance = Data::<f64>::new(&four_branches(), 24, 3).instance();
    let report = gradcheck(&instance, &exec, DEFAULT_WORK).unwrap();
    assert!(report.pass && !report.sampled, "{report}");
    for tensor in &report.tensors {
        assert!(tensor.dual <= 1e-12 && tensor.difference <= 1e-10, "{report}");
        assert!(!tensor.zero && tensor.checked > tensor.left_out, "{report}");
    }
    assert!(report.identities.iter().all(|i| i.error <= 1e-13), "{report}");
    // Ten linear layers, three batch norms with two each, a projection, two softmaxes.
    assert_eq!(report.identities.len(), 9 + 6 + 1 + 2, "{report}");
}

#[test]
fn every_activation_and_loss() {
    let losses = [
        LossKind::HalfSquaredError,
        LossKind::AbsoluteError,
        LossKind::Huber { delta: 0.5 },
        LossKind::Pinball { quantile: 0.8 },
        LossKind::BinaryCrossEntropy,
        LossKind::CROSS_ENTROPY,
        LossKind::CrossEntropy { label_smoothing: 0.1, class_weights: vec![0.5, 2.0, 1.0] },
    ];
    for (i, loss) in losses.into_iter().enumerate() {
        let activation = Activation::ALL[i % Activation::ALL.len()];
        let river = River::new(
            4,
            [Branch::new("y")
                .layer("dropout", LayerKind::Dropout { p: 0.3 })
                .hidden(6, activation)
                .batch_norm()
                .hidden(5, activation)
                .head(3, loss, 1.3)],
        );
        let report = check(&Data::<f32>::new(&river, 11, i as u64).instance());
        assert!(report.pass, "{river:?}\n{report}");
    }
}

/// Layers whose means run along rows, and slopes that are learned; over rows of one unit, and of
/// two, whose x̂ is ±1 whatever they are.
#[test]
fn layer_norm_and_prelu() {
    for (seed, (rows, units)) in
        [(2, 1), (2, 2), (3, 7), (9, 2), (33, 12), (40, 3)].into_iter().enumerate()
    {
        let river = River::new(
            3,
            [
                Branch::new("a")
                    .hidden(units, Activation::Identity)
                    .layer("prelu", LayerKind::PRELU)
                    .layer("ln", LayerKind::LAYER_NORM)
                    .head(2, LossKind::HalfSquaredError, 1.0),
                Branch::new("b")
                    .layer("ln", LayerKind::LAYER_NORM)
                    .hidden(units + 1, Activation::Tanh)
                    .batch_norm()
                    .layer("prelu", LayerKind::PRELU)
                    .join("a", Join::Project)
                    .head(4, LossKind::CROSS_ENTROPY, 0.5),
            ],
        );
        let report = check(&Data::<f32>::new(&river, rows, seed as u64).instance());
        assert!(report.pass, "{rows} rows, {units} units\n{report}");
    }
}

/// Odd sizes and weights: none may be a false alarm.
#[test]
fn odd_configurations_pass() {
    let exec = Executor::new(2).unwrap();
    let mut seed = 0;
    for rows in [2, 3, 5, 31, 62] {
        for (outputs_a, hidden_b) in [(1, 1), (1, 4), (3, 3), (2, 5)] {
            for weight in [1e-12, 1.0, 1e12] {
                seed += 1;
                let net = TwoBranch {
                    dropout: [0.0, 0.05, 0.5][seed as usize % 3],
                    weight_a: weight,
                    ..TwoBranch::new(
                        1 + seed as usize % 4,
                        1 + seed as usize % 7,
                        outputs_a,
                        hidden_b,
                        3,
                    )
                };
                let instance = Data::<f32>::new(&net.river(), rows, seed).instance();
                for instance in [instance.perturbed(seed), instance] {
                    let report = gradcheck(&instance, &exec, 1_000_000).unwrap();
                    assert!(report.pass, "{rows} rows, {net:?}\n{report}");
                }
            }
        }
    }
}
