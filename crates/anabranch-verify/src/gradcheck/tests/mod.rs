mod data;
mod missing;
mod mistakes;
mod rivers;

use anabranch_graph::{GraphError, Join, TwoBranch};
use anabranch_layers::{Affine, Target};
use anabranch_tensor::{Scalar, matrix};

use super::*;
use data::Data;

/// As many inputs as hidden units of A, so that a gradient made from the wrong activation has the
/// right shape.
fn network(join: Join) -> TwoBranch {
    let outputs_a = match join {
        Join::Add => 4,
        Join::Broadcast => 1,
        Join::Project => 3,
    };
    let net = TwoBranch::new(5, 5, outputs_a, 4, 3);
    TwoBranch { join, dropout: 0.4, bn_eps: 0.5, weight_a: 0.7, weight_b: 1.9, ..net }
}

fn check(instance: &Instance) -> Gradcheck {
    gradcheck(instance, &Executor::serial(), DEFAULT_WORK).unwrap()
}

#[test]
fn the_production_gradient_passes_every_route() {
    let mut n_left_out = 0;
    let exec = Executor::new(2).unwrap();
    for join in Join::ALL {
        for affine in [Affine::PerUnit, Affine::Shared] {
            for (bn_eps, dropout) in [(1e-5, 0.0), (0.5, 0.4), (1e-5, 0.8), (0.5, 1.0)] {
                let net = TwoBranch { affine, bn_eps, dropout, ..network(join) };
                let instance = Data::<f64>::new(&net.river(), 9, 1).instance();
                let report = gradcheck(&instance, &exec, DEFAULT_WORK).unwrap();
                assert!(report.pass && !report.sampled, "{net:?}\n{report}");
                assert_eq!(
                    (report.rows, report.tensors.len()),
                    (9, 10 + usize::from(join == Join::Project))
                );
                let seen: usize = report.tensors.iter().map(|t| t.checked + t.left_out).sum();
                assert_eq!(seen, report.parameters);
                n_left_out += report.tensors.iter().map(|t| t.left_out).sum::<usize>();
                // Two independent routes of full precision: rounding is all that lies between them.
                assert!(report.tensors.iter().all(|t| t.dual.max(t.by_hand) <= 1e-12), "{report}");
                assert!(report.identities.iter().all(|i| i.error <= 1e-13), "{report}");
                assert!(report.values.iter().all(|v| v.error <= 1e-12), "{report}");
                // Dropping all leaves A no gradient but that of its head's bias.
                let zeros: Vec<&str> = report.zeros().collect();
                let dropped = ["fc1a.weight", "fc1a.bias", "fc2a.weight"];
                assert_eq!(zeros, if dropout == 1.0 { &dropped[..] } else { &[] });
                // Five layers with parameters, the shift of batch norm, softmax.
                assert_eq!(report.identities.len(), 7 + usize::from(join == Join::Project));
            }
        }
    }
    // Steps shrink before an entry is left out: with ReLUs away from their kinks none should be.
    assert_eq!(n_left_out, 0);
}

#[test]
fn soft_labels_pass_too() {
    let mut data = Data::<f64>::new(&network(Join::Add).river(), 8, 2);
    data.soften_labels(1);
    let report = check(&data.instance());
    assert!(report.pass, "{report}");
}

#[test]
fn a_relu_at_its_kink_is_left_out_and_counted() {
    let net = TwoBranch { dropout: 0.0, ..network(Join::Add) };
    let mut data = Data::<f64>::new(&net.river(), 9, 3);
    // z1a of unit 1 is 0 in every row: any step of its weights or its bias switches a ReLU.
    data.params[5..10].fill(0.0);
    data.params[25 + 1] = 0.0;
    let report = check(&data.instance());
    assert!(report.pass, "{report}");
    let [weight, bias] = [&report.tensors[0], &report.tensors[1]];
    assert_eq!((weight.checked, weight.left_out), (20, 5));
    assert_eq!((bias.checked, bias.left_out), (4, 1));
    assert!(report.tensors[2..].iter().all(|tensor| tensor.left_out == 0), "{report}");
}

/// A batch norm over two rows leaves an ε-th of its terms, and where every ReLU is on nothing at
/// all of the bias in front of it: what is left is rounding, and passes, in f32 too.
#[test]
fn what_cancels_is_judged_by_its_terms() {
    for (rows, bias) in [(2, 0.1), (2, 9.0), (4, 9.0)] {
        for seed in 0..12 {
            let net = TwoBranch { bn_eps: 1e-5, ..network(Join::Add) };
            let mut data = Data::<f32>::new(&net.river(), rows, seed);
            let graph = net.build::<f64>(Fusion::Fused).unwrap();
            data.params[graph.param("fc1b.bias").unwrap().range.clone()].fill(bias);
            let report = check(&data.instance());
            assert!(report.pass, "{rows} rows, seed {seed}\n{report}");
            assert!(report.tensors.iter().all(|t| t.dual <= 1e-11), "{report}");
            let audit = audit_step(&data.instance(), &data.gradient()).unwrap();
            assert!(audit.pass, "{rows} rows, seed {seed}: {audit}");
        }
    }
}

#[test]
fn above_the_work_a_seeded_sample_is_checked_and_the_result_says_so() {
    let instance = Data::<f64>::new(&network(Join::Project).river(), 9, 1).instance();
    let n_params = instance.params().len();
    for (work, most) in [(22 * 9 * n_params as u64, 2), (1, 1)] {
        let report = gradcheck(&instance, &Executor::serial(), work).unwrap();
        assert!(report.pass && report.sampled, "{report}");
        for tensor in &report.tensors {
            assert_eq!(tensor.checked + tensor.left_out, most, "{report}");
        }
        assert!(report.to_string().contains(&format!("{} of {n_params} parameters", 11 * most)));
        assert_eq!(report, gradcheck(&instance, &Executor::serial(), work).unwrap());
    }
}

/// One entry of a large tensor that the sample does not hold is wrong by a tenth.
#[test]
fn directions_see_what_a_sample_does_not() {
    let instance = Data::<f64>::new(&TwoBranch::new(40, 30, 1, 20, 3).river(), 12, 1).instance();
    let mut gradients = gradients(&instance, &Executor::serial()).unwrap();
    let largest = (0..40 * 30)
        .max_by(|a, b| gradients.trained[*a].abs().total_cmp(&gradients.trained[*b].abs()));
    gradients.trained[largest.unwrap()] *= 1.1;
    let report = judge(&instance, &Executor::serial(), &gradients, 1).unwrap();
    assert!(!report.pass && report.tensors[0].dual > DUAL_LIMIT, "{report}");
    assert!(report.tensors[1..].iter().all(|tensor| tensor.pass), "{report}");
}

#[test]
fn a_step_of_a_run_is_audited_in_its_own_precision() {
    audit_steps::<f32>(1.01);
    audit_steps::<f64>(1.000_000_1);
}

fn audit_steps<T: Scalar>(factor: f64) {
    for join in Join::ALL {
        let data = Data::<T>::new(&network(join).river(), 9, 1);
        let (instance, right) = (data.instance(), data.gradient());
        let audit = audit_step(&instance, &right).unwrap();
        assert!(audit.pass, "{audit}");
        let (first, last) = (0..5 * 5, right.len() - 3..right.len());
        for (range, name) in [(first, "fc1a.weight"), (last, "fc2b.bias")] {
            let mut wrong = right.clone();
            wrong[range].iter_mut().for_each(|g| *g = T::from_f64(g.to_f64() * factor));
            let audit = audit_step(&instance, &wrong).unwrap();
            assert!(!audit.pass && audit.worst == name, "{audit}");
        }
    }
}

/// Numbers that are not finite come before any verdict on a gradient.
#[test]
fn a_run_that_diverged_is_told_from_a_wrong_gradient() {
    let mut data = Data::<f32>::new(&network(Join::Add).river(), 9, 1);
    data.params[0] = f32::INFINITY;
    let report = check(&data.instance());
    assert_eq!(report.not_finite.as_deref(), Some("the parameter fc1a.weight"));
    assert!(!report.pass && report.to_string().contains("not finite"));
    let audit = audit_step(&data.instance(), &data.gradient()).unwrap();
    assert!(!audit.pass && audit.to_string().contains("fc1a.weight is not finite"), "{audit}");
}

#[test]
fn a_check_that_had_nothing_to_check_fails() {
    let net = TwoBranch { weight_a: 0.0, weight_b: 0.0, ..network(Join::Add) };
    let report = check(&Data::<f64>::new(&net.river(), 9, 1).instance());
    assert!(!report.pass && report.to_string().contains("nothing to check"), "{report}");
    let weighted = TwoBranch { weight_b: 1e12, ..network(Join::Add) };
    let report = check(&Data::<f64>::new(&weighted.river(), 9, 1).instance());
    assert!(report.pass, "{report}");
}

#[test]
fn json_has_the_promised_keys() {
    let instance = Data::<f64>::new(&network(Join::Add).river(), 9, 1).instance();
    let report = gradcheck(&instance, &Executor::serial(), 1).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let expected = "rows parameters tensors identities values sampled not_finite pass";
    assert_eq!(keys(&json).join(" "), expected);
    let expected = "name dual by_hand difference checked left_out f32 zero";
    assert_eq!(keys(&json["tensors"][0]).join(" "), expected);
    assert_eq!(keys(&json["identities"][0]), ["name", "error"]);
    assert_eq!(keys(&json["values"][0]), ["name", "error"]);
}

#[test]
fn what_cannot_be_checked_is_refused() {
    let data = Data::<f64>::new(&network(Join::Add).river(), 9, 1);
    let new = |net: &TwoBranch, params: &[f64], targets: &[Target<'_, f64>]| {
        let instance = Instance::new(&net.river(), params, data.x(), targets, (7, 11));
        gradcheck(&instance, &Executor::serial(), DEFAULT_WORK)
    };
    let targets = data.targets();
    let swapped = [targets[1], targets[0]];
    assert!(matches!(
        new(&network(Join::Add), &data.params, &swapped),
        Err(GradcheckError::Graph(_))
    ));
    let error = new(&network(Join::Add), &data.params[1..], &targets).unwrap_err();
    let expected = data.params.len();
    assert_eq!(error, GradcheckError::Len { what: "parameters", expected, found: expected - 1 });
    let p = TwoBranch { dropout: 1.5, ..network(Join::Add) };
    assert!(matches!(new(&p, &data.params, &targets), Err(GradcheckError::Graph(_))));
    let error = audit_step::<f32>(&data.instance(), &[0.0]).unwrap_err();
    assert_eq!(error, GradcheckError::Len { what: "gradients", expected, found: 1 });

    let one_row = Data::<f64>::new(&network(Join::Add).river(), 1, 1).instance();
    let error = gradcheck(&one_row, &Executor::serial(), DEFAULT_WORK).unwrap_err();
    assert_eq!(error, GradcheckError::Graph(GraphError::TooFewRows { min_rows: 2, rows: 1 }));
    let x = matrix(&data.x, 5, 9);
    let instance = Instance::new(&network(Join::Add).river(), &data.params, x, &targets, (7, 11));
    assert!(gradcheck(&instance, &Executor::serial(), 1).is_err());
}
