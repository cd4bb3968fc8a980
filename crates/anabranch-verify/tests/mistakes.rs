//! Each classic mistake is caught by at least two independent detectors.
//!
//! `cargo test -p anabranch-verify --test mistakes -- --nocapture` prints who catches what.

use anabranch_verify::identities::{Quantities, identities};
use anabranch_verify::measure::relative_error;
use anabranch_verify::mistakes::{Gradients, Mistake, backward_naive};
use anabranch_verify::reference::{
    Affine, Batch, Join, Network, Param, Params, central_difference, dual_gradient, forward,
    random_instance,
};

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

#[test]
fn each_mistake_is_caught_by_two_detectors() {
    for seed in 0..8 {
        let (params, batch) = random_instance(&NET, 8, seed);
        let right = catches(&params, &batch, None);
        assert!(right.identities.is_empty(), "{:?}", right.identities);
        assert!(right.duals.is_empty(), "{:?}", right.duals);
        assert!(right.differences.is_empty(), "{:?}", right.differences);
        if seed == 0 {
            println!("{:52} {:11} {:6} {:11}", "mistake", "identities", "duals", "differences");
        }
        for mistake in Mistake::ALL {
            let caught = catches(&params, &batch, Some(mistake));
            let detectors = [&caught.identities, &caught.duals, &caught.differences];
            let by = detectors.iter().filter(|names| !names.is_empty()).count();
            if seed == 0 {
                let mark = |names: &[String]| if names.is_empty() { "–" } else { "×" };
                println!(
                    "{:52} {:11} {:6} {:11}  {}",
                    mistake.name(),
                    mark(&caught.identities),
                    mark(&caught.duals),
                    mark(&caught.differences),
                    caught.identities.join(" ")
                );
            }
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
