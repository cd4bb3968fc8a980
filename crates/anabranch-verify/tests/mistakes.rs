//! Each classic mistake is caught by at least two independent detectors.
//!
//! `cargo test -p anabranch-verify --test mistakes -- --nocapture` prints who catches what.

use std::path::Path;

use anabranch_audit::matrix::Matrix;
use anabranch_audit::measure::relative_error;
use anabranch_audit::mistakes::{Gradients, Mistake, backward_naive};
use anabranch_audit::reference::{
    Affine, Batch, Join, Network, Param, Params, central_difference, dual_gradient, forward,
    random_instance,
};
use anabranch_verify::identities::{Quantities, identities};
use anabranch_verify::oracle::Case;

/// `inputs == hidden_a`: dθ2a from x has the right shape and must be caught by its numbers.
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
    weight_a: 1.0,
    weight_b: 1.0,
};

/// What the detectors of the program use.
const IDENTITY_TOLERANCE: f64 = 1e-10;
const DUAL_TOLERANCE: f64 = 1e-10;
const DIFFERENCE_TOLERANCE: f64 = 1e-6;
const ORACLE_TOLERANCE: f64 = 1e-9;

const DOCUMENT: &str = include_str!("../../../docs/verification.md");

/// For each detector, what it says of a gradient: names of identities, or of parameters.
struct Catches {
    identities: Vec<String>,
    duals: Vec<String>,
    differences: Vec<String>,
}

fn catches(params: &Params, batch: &Batch, mistake: Option<Mistake>) -> Catches {
    let values = forward(&NET, params, batch, None);
    let gradients = backward_naive(&NET, params, batch, &values, mistake);
    let q = Quantities::of_reference(&NET, params, &values, &gradients);
    let identities = identities(&q)
        .into_iter()
        .filter(|identity| identity.error > IDENTITY_TOLERANCE)
        .map(|identity| identity.name.to_owned())
        .collect();
    let duals = dual_gradient(&NET, params, batch);
    let duals = wrong(&gradients, DUAL_TOLERANCE, |param, entry| Some(duals[param].data()[entry]));
    let differences = wrong(&gradients, DIFFERENCE_TOLERANCE, |param, entry| {
        central_difference(&NET, params, batch, (param, entry), 1e-5)
    });
    Catches { identities, duals, differences }
}

fn wrong(
    gradients: &Gradients,
    tolerance: f64,
    truth: impl Fn(Param, usize) -> Option<f64>,
) -> Vec<String> {
    let off = |param: &Param| {
        let (found, truth): (Vec<f64>, Vec<f64>) = gradients.params[*param]
            .data()
            .iter()
            .enumerate()
            .filter_map(|(entry, found)| Some((*found, truth(*param, entry)?)))
            .unzip();
        relative_error(&found, &truth) > tolerance
    };
    Param::ALL.iter().filter(|param| off(param)).map(|param| format!("{param:?}")).collect()
}

/// Names of parameters in an oracle case.
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

/// The parameters whose gradients in the first step of the case a backward pass with this mistake misses.
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

#[test]
fn each_mistake_is_caught_by_two_detectors() {
    let cases = oracle_cases();
    for case in &cases {
        assert_eq!(caught_by_oracle(case, None), [""; 0], "{}", case.name());
    }
    for seed in 0..8 {
        let (params, batch) = random_instance(&NET, 8, seed);
        let right = catches(&params, &batch, None);
        assert!(right.identities.is_empty(), "{:?}", right.identities);
        assert!(right.duals.is_empty(), "{:?}", right.duals);
        assert!(right.differences.is_empty(), "{:?}", right.differences);
        for mistake in Mistake::ALL {
            let caught = catches(&params, &batch, Some(mistake));
            let by_oracle =
                cases.iter().any(|case| !caught_by_oracle(case, Some(mistake)).is_empty());
            let detectors = [
                !caught.identities.is_empty(),
                !caught.duals.is_empty(),
                !caught.differences.is_empty(),
                by_oracle,
            ];
            if seed == 0 {
                let marks = detectors.map(|caught| if caught { "×" } else { "–" });
                let row = format!("| {mistake} | {} |", marks.join(" | "));
                println!("{row} {}", caught.identities.join(" "));
                assert!(DOCUMENT.contains(&row), "docs/verification.md has another row than {row}");
            }
            let by = detectors.iter().filter(|caught| **caught).count();
            assert!(by >= 2, "{mistake} with seed {seed} is caught by {by} detectors");
        }
    }
}

/// The identities alone name these, which a gradient of the right size and direction would hide.
#[test]
fn identities_alone_catch_what_they_claim() {
    let (params, batch) = random_instance(&NET, 8, 0);
    for (mistake, expected) in [
        (Mistake::Theta2aFromUndropped, "relu_homogeneous_a"),
        (Mistake::DropoutScaleMissing, "relu_homogeneous_a"),
        (Mistake::DropoutMaskMissing, "relu_homogeneous_a"),
        (Mistake::ReluMaskMissing, "relu_homogeneous_a"),
        (Mistake::Theta2bWithoutJoin, "join"),
        (Mistake::BatchNormWithoutGamma, "batch_norm_scale_b"),
        (Mistake::BatchNormWithoutMeanTerm, "batch_norm_dx"),
        (Mistake::BatchNormWithoutVarianceTerm, "batch_norm_scale_b"),
        (Mistake::BatchNormUnbiased, "batch_norm_scale_b"),
    ] {
        let caught = catches(&params, &batch, Some(mistake)).identities;
        assert!(caught.iter().any(|name| name == expected), "{mistake}: {caught:?}");
    }
}
