use anabranch_graph::{GraphError, Join, TwoBranch};
use anabranch_layers::{Activation, Affine, Target};
use anabranch_tensor::{ArrayView2, Purpose, Random, Scalar, matrix};

use super::*;
use anabranch_audit::mistakes::{Mistake, backward_naive};
use anabranch_audit::reference::forward;

/// As many inputs as hidden units of A, so that a gradient made from the wrong activation has the right shape.
fn network(join: Join) -> TwoBranch {
    let outputs_a = match join {
        Join::Add => 4,
        Join::Broadcast => 1,
        Join::Project => 3,
    };
    let net = TwoBranch::new(5, 5, outputs_a, 4, 3);
    TwoBranch { join, dropout: 0.4, bn_eps: 0.5, weight_a: 0.7, weight_b: 1.9, ..net }
}

/// A batch and parameters away from every default.
struct Data<T> {
    net: TwoBranch,
    rows: usize,
    params: Vec<T>,
    x: Vec<T>,
    y_a: Vec<T>,
    classes: Vec<u32>,
}

impl<T: Scalar> Data<T> {
    fn new(net: &TwoBranch, rows: usize, seed: u64) -> Self {
        let mut random = Random::new(seed, Purpose::Sample, 0);
        let mut normals = |n: usize, mean: f64, scale: f64| -> Vec<T> {
            (0..n).map(|_| T::from_f64(mean + scale * random.normal())).collect()
        };
        let graph = net.build::<T>(Fusion::Fused).unwrap();
        let mut params = Vec::new();
        for array in graph.params() {
            let (mean, scale) = if array.name == "bn1b.weight" { (1.2, 0.3) } else { (0.1, 0.5) };
            params.extend(normals(array.range.len(), mean, scale));
        }
        let (x, y_a) =
            (normals(rows * net.inputs, 0.0, 1.0), normals(rows * net.outputs_a, 0.0, 1.0));
        let classes = (0..rows).map(|_| random.below(net.classes as u64) as u32).collect();
        Self { net: net.clone(), rows, params, x, y_a, classes }
    }

    fn x(&self) -> ArrayView2<'_, T> {
        matrix(&self.x, self.rows, self.net.inputs)
    }

    fn targets(&self) -> [Target<'_, T>; 2] {
        let y_a = matrix(&self.y_a, self.rows, self.net.outputs_a);
        [Target::Values(y_a), Target::Classes(&self.classes)]
    }

    fn instance(&self) -> Instance {
        Instance::new(&self.net, &self.params, self.x(), self.targets(), (7, 11)).unwrap()
    }

    /// What a run in `T` would hold after its backward pass.
    fn gradient(&self) -> Vec<T> {
        let gradient = Production::<T>::new(&self.instance(), Fusion::Fused).unwrap().gradient();
        gradient.into_iter().map(T::from_f64).collect()
    }
}

#[test]
fn the_production_gradient_passes_every_route() {
    let mut n_left_out = 0;
    for join in [Join::Add, Join::Broadcast, Join::Project] {
        for affine in [Affine::PerUnit, Affine::Shared] {
            for (bn_eps, dropout) in [(1e-5, 0.0), (0.5, 0.4), (1e-5, 0.9), (0.5, 1.0)] {
                let net = TwoBranch { affine, bn_eps, dropout, ..network(join) };
                let report =
                    gradcheck(&Data::<f64>::new(&net, 9, 1).instance(), DEFAULT_WORK).unwrap();
                assert!(report.pass && !report.sampled, "{net:?}\n{report}");
                assert_eq!(
                    (report.rows, report.tensors.len()),
                    (9, 10 + usize::from(join == Join::Project))
                );
                let seen: usize = report.tensors.iter().map(|t| t.checked + t.left_out).sum();
                assert_eq!(seen, report.parameters);
                n_left_out += report.tensors.iter().map(|t| t.left_out).sum::<usize>();
                // Two independent routes of full precision: rounding is all that lies between them.
                assert!(report.tensors.iter().all(|t| t.dual <= 1e-13), "{report}");
                assert!(report.identities.iter().all(|i| i.error <= 1e-13), "{report}");
                let expected =
                    5 + usize::from(affine == Affine::PerUnit) + usize::from(join == Join::Project);
                assert_eq!(report.identities.len(), expected);
            }
        }
    }
    // Steps shrink before an entry is left out: with ReLUs away from their kinks none should be.
    assert_eq!(n_left_out, 0);
}

#[test]
fn soft_labels_pass_too() {
    let data = Data::<f64>::new(&network(Join::Add), 8, 2);
    let first = (0..8).map(|i| 0.1 * f64::from(i));
    let y_b: Vec<f64> = first.flat_map(|y| [y, 0.2, 0.8 - y]).collect();
    let [y_a, _] = data.targets();
    let targets = [y_a, Target::Probabilities(matrix(&y_b, 8, 3))];
    let instance = Instance::new(&data.net, &data.params, data.x(), targets, (7, 11)).unwrap();
    let report = gradcheck(&instance, DEFAULT_WORK).unwrap();
    assert!(report.pass, "{report}");
}

#[test]
fn every_classic_mistake_is_caught_by_duals_and_by_differences() {
    for join in [Join::Add, Join::Broadcast, Join::Project] {
        let instance = Data::<f64>::new(&network(join), 9, 1).instance();
        let mut production = Production::<f64>::new(&instance, Fusion::Fused).unwrap();
        let (net, params, batch) = routes::reference(&instance, &mut production);
        let values = forward(&net, &params, &batch, None);
        let flat_gradient = |mistake| -> Vec<f64> {
            let gradients = backward_naive(&net, &params, &batch, &values, mistake);
            let arrays = production.graph().params().iter();
            arrays.flat_map(|a| gradients.params[routes::param(&a.name)].data().to_vec()).collect()
        };
        let right = judge(&instance, &flat_gradient(None), DEFAULT_WORK).unwrap();
        assert!(right.pass, "{right}");
        for mistake in Mistake::ALL {
            let report = judge(&instance, &flat_gradient(Some(mistake)), DEFAULT_WORK).unwrap();
            let caught = |error: fn(&TensorCheck) -> f64, limit: f64| {
                report.tensors.iter().any(|tensor| error(tensor) > limit)
            };
            assert!(!report.pass, "{mistake} with {join:?}\n{report}");
            assert!(caught(|t| t.dual, DUAL_LIMIT), "{mistake} with {join:?}\n{report}");
            assert!(
                caught(|t| t.difference, DIFFERENCE_LIMIT),
                "{mistake} with {join:?}\n{report}"
            );
            assert!(report.to_string().contains("FAIL"));
        }
    }
}

#[test]
fn a_relu_at_its_kink_is_left_out_and_counted() {
    let net = TwoBranch { dropout: 0.0, ..network(Join::Add) };
    let mut data = Data::<f64>::new(&net, 9, 3);
    // z1a of unit 1 is 0 in every row: any step of its weights or its bias switches a ReLU.
    data.params[5..10].fill(0.0);
    data.params[25 + 1] = 0.0;
    let report = gradcheck(&data.instance(), DEFAULT_WORK).unwrap();
    assert!(report.pass, "{report}");
    let [weight, bias] = [&report.tensors[0], &report.tensors[1]];
    assert_eq!((weight.checked, weight.left_out), (20, 5));
    assert_eq!((bias.checked, bias.left_out), (4, 1));
    assert!(report.tensors[2..].iter().all(|tensor| tensor.left_out == 0), "{report}");
}

#[test]
fn rounding_where_the_gradient_is_zero_is_no_mistake() {
    let mut data = Data::<f64>::new(&network(Join::Add), 4, 1);
    // Every ReLU of branch B is on in every row: BatchNorm takes the bias out again, and L does not depend on it.
    let graph = data.net.build::<f64>(Fusion::Fused).unwrap();
    data.params[graph.param("fc1b.bias").unwrap().range.clone()].fill(9.0);
    let report = gradcheck(&data.instance(), DEFAULT_WORK).unwrap();
    assert!(report.pass, "{report}");
    let bias = report.tensors.iter().find(|tensor| tensor.name == "fc1b.bias").unwrap();
    assert!(bias.single.unwrap() > SINGLE_LIMIT, "nothing to be forgiven\n{report}");
    let audit = audit_step(&data.instance(), &data.gradient()).unwrap();
    assert!(audit.pass, "{audit}");
}

#[test]
fn above_the_work_a_seeded_sample_is_checked_and_the_result_says_so() {
    let instance = Data::<f64>::new(&network(Join::Project), 9, 1).instance();
    let pass_work = 9 * (5 * (5 + 4) + 5 * 3 + 4 * 3 + 3 * 4);
    for (work, most) in [(22 * pass_work, 2), (1, 1)] {
        let report = gradcheck(&instance, work).unwrap();
        assert!(report.pass && report.sampled, "{report}");
        for tensor in &report.tensors {
            assert_eq!(tensor.checked + tensor.left_out, most, "{report}");
        }
        assert!(report.to_string().contains(&format!(
            "saw {} of {} entries",
            11 * most,
            report.parameters
        )));
        assert_eq!(report, gradcheck(&instance, work).unwrap());
    }
}

#[test]
fn a_step_of_a_run_is_audited_in_its_own_precision() {
    audit_steps::<f32>(1.01);
    audit_steps::<f64>(1.000_000_1);
}

fn audit_steps<T: Scalar>(factor: f64) {
    for join in [Join::Add, Join::Broadcast, Join::Project] {
        let data = Data::<T>::new(&network(join), 9, 1);
        let (instance, right) = (data.instance(), data.gradient());
        let audit = audit_step(&instance, &right).unwrap();
        assert!(audit.pass && audit.gradient.is_some(), "{audit}");
        let (first, last) = (0..5 * 5, right.len() - 3..right.len());
        for (range, name) in [(first, "fc1a.weight"), (last, "fc2b.bias")] {
            let mut wrong = right.clone();
            wrong[range].iter_mut().for_each(|g| *g = T::from_f64(g.to_f64() * factor));
            let audit = audit_step(&instance, &wrong).unwrap();
            assert!(!audit.pass && audit.worst == name, "{audit}");
        }
    }
}

#[test]
fn json_has_the_promised_keys() {
    let report = gradcheck(&Data::<f64>::new(&network(Join::Add), 9, 1).instance(), 1).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(keys(&json), ["rows", "parameters", "tensors", "identities", "sampled", "pass"]);
    let tensor = ["name", "dual", "difference", "checked", "left_out", "f32"];
    assert_eq!(keys(&json["tensors"][0]), tensor);
    assert_eq!(keys(&json["identities"][0]), ["name", "error"]);
}

#[test]
fn what_cannot_be_checked_is_refused() {
    let data = Data::<f64>::new(&network(Join::Add), 9, 1);
    let new = |net: &TwoBranch, params: &[f64], targets| {
        let instance = Instance::new(net, params, data.x(), targets, (7, 11))?;
        gradcheck(&instance, DEFAULT_WORK)
    };
    let [y_a, y_b] = data.targets();
    let tanh = TwoBranch { activation: Activation::Tanh, ..data.net.clone() };
    let error = new(&tanh, &data.params, [y_a, y_b]).unwrap_err();
    assert_eq!(error, GradcheckError::Activation("tanh"));
    assert_eq!(new(&data.net, &data.params, [y_b, y_a]), Err(GradcheckError::Targets));
    let error = new(&data.net, &data.params[1..], [y_a, y_b]).unwrap_err();
    let expected = data.params.len();
    assert_eq!(error, GradcheckError::Len { what: "parameters", expected, found: expected - 1 });
    let p = TwoBranch { dropout: 1.5, ..data.net.clone() };
    assert!(matches!(new(&p, &data.params, [y_a, y_b]), Err(GradcheckError::Graph(_))));
    let error = audit_step::<f32>(&data.instance(), &[0.0]).unwrap_err();
    assert_eq!(error, GradcheckError::Len { what: "gradients", expected, found: 1 });

    let one_row = Data::<f64>::new(&data.net, 1, 1).instance();
    let error = gradcheck(&one_row, DEFAULT_WORK).unwrap_err();
    assert_eq!(error, GradcheckError::Graph(GraphError::TooFewRows { min_rows: 2, rows: 1 }));
}
