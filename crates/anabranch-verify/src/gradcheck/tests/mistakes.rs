//! Each classic mistake, in a backward pass by hand, is caught by at least two independent
//! detectors.

use std::path::Path;

use anabranch_audit::matrix::Matrix;
use anabranch_audit::measure::relative_error;
use anabranch_audit::mistakes::{Gradients as Derivatives, Mistake, backward_naive};
use anabranch_audit::reference::{Affine, Batch, Join, Network, Param, Params, forward};

use super::data::Data;
use super::{
    DEFAULT_WORK, DIFFERENCE_LIMIT, DUAL_LIMIT, Gradcheck, Gradients, IDENTITY_LIMIT, Instance,
    Subject, TensorCheck, TwoBranch, judge, network,
};
use crate::oracle::Case;
use anabranch_tensor::Executor;

/// The two-branch network with the join `add`, and one in each oracle case.
const NET: Network = Network {
    inputs: 5,
    hidden_a: 5,
    outputs_a: 4,
    hidden_b: 4,
    classes: 3,
    join: Join::Add,
    affine: Affine::PerUnit,
    eps: 0.5,
    dropout: 0.4,
    weight_a: 0.7,
    weight_b: 1.9,
};

const ORACLE_TOLERANCE: f64 = 1e-9;

const DOCUMENT: &str = include_str!("../../../../../docs/verification.md");

/// An instance for the audit's backward pass by hand.
struct ByHand {
    instance: Instance,
    net: Network,
    params: Params,
    batch: Batch,
}

impl ByHand {
    fn new(two_branch: &TwoBranch, seed: u64) -> Self {
        let mut data = Data::<f64>::new(&two_branch.river(), 9, seed);
        data.soften_labels(1);
        let instance = data.instance();
        let subject = Subject::new(&instance);
        let net = Network {
            outputs_a: two_branch.outputs_a,
            join: match two_branch.join {
                anabranch_graph::Join::Add => Join::Add,
                anabranch_graph::Join::Broadcast => Join::Broadcast,
                anabranch_graph::Join::Project => Join::Project,
            },
            ..NET
        };
        let mut params = Params::from_fn(&net, |_, _, _| 0.0);
        for (array, values) in subject.network.params.iter().zip(&subject.params) {
            let values = values.as_slice().unwrap();
            params[param(&array.name)].data_mut().copy_from_slice(values);
        }
        let matrix = |values: &ndarray::Array2<f64>| {
            let (rows, cols) = values.dim();
            Matrix::new(rows, cols, values.as_slice().unwrap().to_vec())
        };
        let [
            crate::reference::OwnedTarget::Values(y_a),
            crate::reference::OwnedTarget::Probabilities(y_b),
        ] = &instance.targets[..]
        else {
            panic!("numbers and soft labels")
        };
        let mask = subject.batch.masks.iter().flatten().next().unwrap();
        let batch = Batch {
            x: matrix(&instance.x),
            y_a: matrix(y_a),
            y_b: matrix(y_b),
            mask: matrix(mask),
            running: None,
        };
        Self { instance, net, params, batch }
    }

    /// What `gradcheck` says of the backward pass with this mistake.
    fn judge(&self, mistake: Option<Mistake>) -> Gradcheck {
        let Self { instance, net, params, batch } = self;
        let values = forward(net, params, batch, None);
        let found = backward_naive(net, params, batch, &values, mistake);
        let subject = Subject::new(instance);
        let arrays = subject.network.params.iter();
        let trained = arrays.flat_map(|a| found.params[param(&a.name)].data().to_vec()).collect();
        let Derivatives { delta_2b, delta_2a, d_s, d_a, delta_1b, delta_1a, .. } = &found;
        let deltas = [
            ("fc2b", delta_2b),
            ("fc2a", delta_2a),
            ("join", d_s),
            ("bn1b", d_s),
            ("relu1b", d_a),
            ("fc1b", delta_1b),
            ("fc1a", delta_1a),
        ];
        let by_number = deltas.map(|(name, delta)| {
            let dim = (delta.rows(), delta.cols());
            let values = ndarray::Array2::from_shape_vec(dim, delta.data().to_vec()).unwrap();
            let is_named = |node: &crate::reference::Node| node.name == name;
            (subject.network.nodes.iter().position(is_named).unwrap(), values)
        });
        let gradients = Gradients { trained, deltas: by_number.into(), others: Vec::new() };
        judge(instance, &Executor::serial(), &gradients, DEFAULT_WORK).unwrap()
    }
}

fn param(name: &str) -> Param {
    let names = ORACLE_NAMES.iter().find(|(_, other)| *other == name);
    names.map_or(Param::JoinWeight, |(param, _)| *param)
}

/// The parameters by their names in the production network and in oracle cases; these have no join
/// weight.
const ORACLE_NAMES: [(Param, &str); 10] = [
    (Param::Theta1a, "fc1a.weight"),
    (Param::B1a, "fc1a.bias"),
    (Param::Theta2a, "fc2a.weight"),
    (Param::B2a, "fc2a.bias"),
    (Param::Theta1b, "fc1b.weight"),
    (Param::B1b, "fc1b.bias"),
    (Param::Gamma, "bn1b.weight"),
    (Param::Beta, "bn1b.bias"),
    (Param::Theta2b, "fc2b.weight"),
    (Param::B2b, "fc2b.bias"),
];

/// The committed cases, by name; gradients in them come from another program's differentiation.
fn oracle_cases() -> Vec<Case> {
    ["sgd", "adam_decay", "nesterov_soft_labels"]
        .map(|name| {
            let file = format!("oracle/{name}.safetensors");
            Case::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect(name)
        })
        .into()
}

/// The parameters whose gradients in the first step of the case a backward pass with this mistake
/// misses.
fn caught_by_oracle(case: &Case, mistake: Option<Mistake>) -> Vec<String> {
    let (spec, rows) = (case.spec(), case.spec().rows);
    let net = Network {
        inputs: spec.network.inputs,
        hidden_a: spec.network.hidden_a,
        outputs_a: spec.network.outputs_a,
        hidden_b: spec.network.outputs_a,
        classes: spec.network.classes,
        eps: spec.network.bn_eps,
        dropout: spec.network.dropout,
        weight_a: spec.loss.weight_a,
        weight_b: spec.loss.weight_b,
        ..NET
    };
    let tensor = |name: &str| case.tensor(name).expect("the format has this tensor");
    let of_step =
        |name: &str, cols: usize| Matrix::new(rows, cols, tensor(name)[..rows * cols].to_vec());
    let keep = 1.0 - net.dropout;
    let batch = Batch {
        x: of_step("x", net.inputs),
        y_a: of_step("y_a", net.outputs_a),
        y_b: of_step("y_b", net.classes),
        mask: of_step("mask", net.hidden_a).map(|kept| kept / keep),
        running: None,
    };
    let mut params = Params::from_fn(&net, |_, _, _| 0.0);
    for (param, name) in ORACLE_NAMES {
        params[param].data_mut().copy_from_slice(tensor(&format!("param.{name}")));
    }
    let values = forward(&net, &params, &batch, None);
    let gradients = backward_naive(&net, &params, &batch, &values, mistake);
    ORACLE_NAMES
        .into_iter()
        .filter(|(param, name)| {
            let found = &gradients.params[*param];
            let expected = &tensor(&format!("expect.grad.{name}"))[..params[*param].data().len()];
            found.data().len() != expected.len()
                || relative_error(found.data(), expected) > ORACLE_TOLERANCE
        })
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// Names of the identities that do not hold.
fn violated(report: &Gradcheck) -> Vec<&str> {
    let violated = report.identities.iter().filter(|identity| identity.error > IDENTITY_LIMIT);
    violated.map(|identity| identity.name.as_str()).collect()
}

#[test]
fn each_mistake_is_caught_by_two_detectors() {
    let cases = oracle_cases();
    for case in &cases {
        assert_eq!(caught_by_oracle(case, None), [""; 0], "{}", case.name());
    }
    for join in [
        anabranch_graph::Join::Add,
        anabranch_graph::Join::Broadcast,
        anabranch_graph::Join::Project,
    ] {
        let by_hand = ByHand::new(&network(join), 1);
        let right = by_hand.judge(None);
        assert!(right.pass, "{right}");
        for mistake in Mistake::ALL {
            let report = by_hand.judge(Some(mistake));
            let beyond = |error: fn(&TensorCheck) -> f64, limit: f64| {
                report.tensors.iter().any(|tensor| error(tensor) > limit)
            };
            let detectors = [
                !violated(&report).is_empty(),
                beyond(|t| t.dual, DUAL_LIMIT),
                beyond(|t| t.difference, DIFFERENCE_LIMIT),
                cases.iter().any(|case| !caught_by_oracle(case, Some(mistake)).is_empty()),
            ];
            assert!(
                !report.pass && report.to_string().contains("FAIL"),
                "{mistake}, {join:?}\n{report}"
            );
            let by = detectors.iter().filter(|caught| **caught).count();
            assert!(by >= 2, "{mistake} with {join:?} is caught by {by} detectors");
            if join == anabranch_graph::Join::Add {
                let marks = detectors.map(|caught| if caught { "×" } else { "–" });
                let row = format!("| {mistake} | {} |", marks.join(" | "));
                assert!(DOCUMENT.contains(&row), "docs/verification.md has another row than {row}");
            }
        }
    }
}

/// The identities alone name these, which a gradient of the right size and direction would hide.
#[test]
fn identities_alone_catch_what_they_claim() {
    let by_hand = ByHand::new(&network(anabranch_graph::Join::Add), 1);
    for (mistake, expected) in [
        (Mistake::Theta2aFromUndropped, "fc1a.scale"),
        (Mistake::DropoutScaleMissing, "fc1a.scale"),
        (Mistake::DropoutMaskMissing, "fc1a.scale"),
        (Mistake::ReluMaskMissing, "fc1a.scale"),
        (Mistake::Theta2bWithoutJoin, "bn1b.scale"),
        (Mistake::BatchNormWithoutGamma, "fc1b.scale"),
        (Mistake::BatchNormWithoutMeanTerm, "bn1b.shift"),
        (Mistake::BatchNormWithoutVarianceTerm, "fc1b.scale"),
        (Mistake::BatchNormUnbiased, "fc1b.scale"),
    ] {
        let report = by_hand.judge(Some(mistake));
        assert!(violated(&report).contains(&expected), "{mistake}\n{report}");
    }
}
