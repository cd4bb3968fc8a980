//! Layers, a loss and optimizers against ONNX's operator definitions, as ONNX's own reference
//! evaluator computes them in f64 (`fixtures/make_onnx.py`).
//!
//! Where conventions differ, the tests name both and check both:
//!
//! | operator | ONNX | here, as PyTorch | ONNX's from here |
//! |---|---|---|---|
//! | BatchNormalization | `momentum` is what is kept | weight of the new batch | 1 − momentum |
//! | | running variance biased | unbiased | [`RunningVariance::Biased`] |
//! | Adam | ε added before bias correction | after | ε/√(1−β₂ᵗ) at step t |
//! | | no correction in update t = 0 | t counts from 1 | a factor of the learning rate |
//! | Adagrad | rate lr/(1 + t·decay) | constant | a factor of the learning rate |
//! | Momentum | new gradient times `beta` after the first update | times 1 | `beta` = 1 only |

use anabranch_layers::{
    Activation, BatchNorm, CrossEntropy, Dropout, Forward, Infer, Layer, Linear, Loss,
    LossGradient, Mask, RunningVariance, Softmax, Target, forward_batch, mean_loss,
};
use anabranch_optim::rules::{Adagrad, Adam, Momentum, Nesterov};
use anabranch_optim::{Optimizer, OptimizerKind, ParamGroup, Scales};
use anabranch_tensor::{Executor, Scalar, matrix, matrix_mut};
use serde_json::Value;

use crate::measure::relative_error;

/// Sums of up to 20 terms, in another order.
const TOLERANCE_F64: f64 = 1e-14;
/// f32 rounds to 6e-8.
const TOLERANCE_F32: f64 = 1e-6;

fn tolerance<T: Scalar>() -> f64 {
    if T::NAME == "f32" { TOLERANCE_F32 } else { TOLERANCE_F64 }
}

fn fixtures() -> Value {
    serde_json::from_str(include_str!("../fixtures/onnx.json")).unwrap()
}

/// The cases for one operator.
fn cases(kind: &str, op: &str) -> Vec<Value> {
    let all = fixtures();
    let cases = all[kind].as_array().unwrap().iter().filter(|case| case["op"] == op);
    let cases: Vec<_> = cases.cloned().collect();
    assert!(!cases.is_empty(), "no case for {op}");
    cases
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// An attribute: ONNX keeps floating-point attributes as f32.
fn attribute(value: &Value) -> f64 {
    f64::from(number(value) as f32)
}

fn numbers<T: Scalar>(value: &Value) -> Vec<T> {
    value.as_array().unwrap().iter().map(|v| T::from_f64(number(v))).collect()
}

#[track_caller]
fn assert_close<T: Scalar>(what: &str, got: &[T], expected: &Value) {
    let error = relative_error(got, &numbers::<f64>(expected));
    assert!(error <= tolerance::<T>(), "{what} {}: {error:.1e}", T::NAME);
}

/// A layer on the case's `x`: (training pass, state after it, evaluation with that state).
fn run<T: Scalar>(
    layer: &dyn Layer<T>,
    case: &Value,
    params: &[T],
    mut state: Vec<T>,
    mask: &[T],
) -> (Vec<T>, Vec<T>, Vec<T>) {
    let exec = Executor::serial();
    let size = |key: &str| case[key].as_u64().unwrap() as usize;
    let (rows, inputs) = (size("rows"), size("inputs"));
    let x = numbers::<T>(&case["x"]);
    let x = matrix(&x, rows, inputs);
    let outputs = layer.shape(&[inputs]).unwrap().outputs;
    let memory = layer.memory(&exec, rows, &[inputs]);
    let nan = |len: usize| vec![T::from_f64(f64::NAN); len];
    let (mut y, mut evaluated) = (nan(rows * outputs), nan(rows * outputs));
    let (mut saved, mut scratch) = (nan(memory.saved_len), nan(memory.scratch_len));
    let before = state.clone();
    let forward = Forward {
        exec: &exec,
        input: 0,
        x,
        y: matrix_mut(&mut y, rows, outputs),
        params,
        state: &[],
        saved: &mut saved,
        scratch: &mut scratch,
        mask: Mask::Given(mask),
    };
    forward_batch(layer, forward, &mut state);
    layer.infer(Infer {
        exec: &exec,
        input: 0,
        x,
        y: matrix_mut(&mut evaluated, rows, outputs),
        params,
        state: &before,
        scratch: &mut scratch,
    });
    (y, state, evaluated)
}

fn in_both_precisions(f32: fn(), f64: fn()) {
    f32();
    f64();
}

#[test]
fn gemm_activations_and_softmax() {
    fn check<T: Scalar>() {
        for case in cases("forward", "Gemm") {
            let params = [numbers::<T>(&case["w"]), numbers(&case["b"])].concat();
            let outputs = case["outputs"].as_u64().unwrap() as usize;
            let (y, _, evaluated) = run(&Linear::new(outputs), &case, &params, Vec::new(), &[]);
            assert_close("Gemm", &y, &case["y"]);
            assert_eq!(y, evaluated);
        }
        let layers: [(&str, &dyn Layer<T>); 3] =
            [("Relu", &Activation::Relu), ("Tanh", &Activation::Tanh), ("Softmax", &Softmax)];
        for (op, layer) in layers {
            for case in cases("forward", op) {
                let (y, _, evaluated) = run(layer, &case, &[], Vec::new(), &[]);
                assert_close(op, &y, &case["y"]);
                assert_eq!(y, evaluated);
            }
        }
    }
    in_both_precisions(check::<f32>, check::<f64>);
}

#[test]
fn dropout_in_training_mode() {
    fn check<T: Scalar>() {
        for case in cases("forward", "Dropout") {
            let layer = Dropout::new(number(&case["ratio"]));
            let mask = numbers::<T>(&case["mask"]);
            let (y, _, evaluated) = run(&layer, &case, &[], Vec::new(), &mask);
            assert_close("Dropout", &y, &case["y"]);
            assert_close("Dropout in evaluation", &evaluated, &case["x"]);
        }
    }
    in_both_precisions(check::<f32>, check::<f64>);
}

#[test]
fn batch_normalization_in_training_mode() {
    fn check<T: Scalar>() {
        for case in cases("forward", "BatchNormalization") {
            let (epsilon, keep) = (attribute(&case["epsilon"]), attribute(&case["momentum"]));
            let params = [numbers::<T>(&case["scale"]), numbers(&case["bias"])].concat();
            let state = [numbers::<T>(&case["mean"]), numbers(&case["var"])].concat();
            let pytorch = BatchNorm::new().with_eps(epsilon).with_momentum(1.0 - keep);
            let onnx = pytorch.clone().with_running_variance(RunningVariance::Biased);

            let (y, after, evaluated) = run(&onnx, &case, &params, state.clone(), &[]);
            let units = state.len() / 2;
            assert_close("BatchNormalization", &y, &case["y"]);
            assert_close("mean", &after[..units], &case["new_mean"]);
            assert_close("var", &after[units..], &case["new_var"]);
            assert_close("evaluation", &evaluated, &case["evaluated"]);

            // PyTorch's convention: the same but for the running variance, whose new part is
            // m/(m−1) times as large.
            let (y_pytorch, after_pytorch, _) = run(&pytorch, &case, &params, state.clone(), &[]);
            assert_eq!(y_pytorch, y);
            assert_eq!(after_pytorch[..units], after[..units]);
            let m = number(&case["rows"]);
            for unit in units..2 * units {
                let part = |after: &[T]| after[unit].to_f64() - keep * state[unit].to_f64();
                let ratio = part(&after_pytorch) / part(&after);
                // The old part cancels some digits.
                let tolerance = 100.0 * tolerance::<T>();
                assert!((ratio / (m / (m - 1.0)) - 1.0).abs() <= tolerance, "{ratio}");
            }
        }
    }
    in_both_precisions(check::<f32>, check::<f64>);
}

#[test]
fn softmax_cross_entropy_loss() {
    fn check<T: Scalar>() {
        let exec = Executor::serial();
        for case in cases("forward", "SoftmaxCrossEntropyLoss") {
            let size = |key: &str| case[key].as_u64().unwrap() as usize;
            let (rows, classes) = (size("rows"), size("inputs"));
            let z = numbers::<T>(&case["x"]);
            let labels: Vec<u32> =
                numbers::<f64>(&case["labels"]).iter().map(|v| *v as u32).collect();
            let (mut d, mut scratch) = (z.clone(), vec![T::ZERO; rows]);
            CrossEntropy::default().gradient(LossGradient {
                exec: &exec,
                prediction: matrix(&z, rows, classes),
                target: Target::Classes(&labels),
                scale: T::from_f64(1.0 / rows as f64),
                d: matrix_mut(&mut d, rows, classes),
                row_losses: &mut scratch,
            });
            let loss = mean_loss(1.0, &scratch);
            let expected = number(&case["loss"]);
            assert!(
                (loss - expected).abs() <= tolerance::<T>() * (1.0 + expected),
                "{loss} {expected}"
            );
            // The operator's second output, the logarithms of the probabilities, is in the
            // derivative.
            let probability = |(i, d): (usize, &T)| {
                let one_hot = f64::from(u8::from(labels[i / classes] as usize == i % classes));
                d.to_f64() * rows as f64 + one_hot
            };
            let probabilities: Vec<f64> = d.iter().enumerate().map(probability).collect();
            let expected: Vec<f64> =
                numbers::<f64>(&case["log_prob"]).iter().map(|log| log.exp()).collect();
            let error = relative_error(&probabilities, &expected);
            assert!(error <= tolerance::<T>(), "{error:.1e}");
        }
    }
    in_both_precisions(check::<f32>, check::<f64>);
}

/// Replays a case's updates with the optimizer that `settings` gives for the step (counted from 1)
/// and ONNX's t, and the factor of the learning rate; returns the largest error of parameters and
/// moments.
fn replay<T: Scalar>(case: &Value, settings: impl Fn(u64, u64) -> (OptimizerKind, f64)) -> f64 {
    let exec = Executor::serial();
    let mut params = numbers::<T>(&case["start"]);
    let n = params.len();
    let decay = attribute(&case["attributes"]["norm_coefficient"]);
    let first_t = case["first_t"].as_u64().unwrap();
    let mut saved = None;
    let mut worst = 0f64;
    for (i, grads) in case["grads"].as_array().unwrap().iter().enumerate() {
        let (kind, lr_factor) = settings(i as u64 + 1, first_t + i as u64);
        let groups = [ParamGroup::new(0..n, decay)];
        let mut optimizer = Optimizer::<T>::new(kind, number(&case["lr"]), n, &groups).unwrap();
        if let Some(saved) = &saved {
            optimizer.restore(saved).unwrap();
        }
        let scales = Scales { lr: lr_factor, grads: 1.0 };
        optimizer.step(&exec, &mut params, &numbers::<T>(grads), scales);
        let state = optimizer.state();
        let mut errors = vec![relative_error(&params, &numbers::<f64>(&case["params"][i]))];
        let moments = case["moments"][i].as_array().unwrap();
        for (got, expected) in state.moments.values().zip(moments) {
            errors.push(relative_error(got, &numbers::<f64>(expected)));
        }
        assert!(errors.iter().all(|error| error.is_finite()));
        worst = errors.into_iter().fold(worst, f64::max);
        saved = Some(state);
    }
    worst
}

#[test]
fn momentum() {
    fn check<T: Scalar>() {
        for case in cases("optimizers", "Momentum") {
            let momentum = attribute(&case["attributes"]["alpha"]);
            let kind = match case["attributes"]["mode"].as_str() {
                Some("standard") => OptimizerKind::Momentum(Momentum { momentum }),
                _ => OptimizerKind::Nesterov(Nesterov { momentum }),
            };
            let error = replay::<T>(&case, |_, _| (kind, 1.0));
            assert!(error <= tolerance::<T>(), "{kind}: {error:.1e}");
        }
    }
    in_both_precisions(check::<f32>, check::<f64>);
}

#[test]
fn adagrad() {
    fn check<T: Scalar>() {
        for case in cases("optimizers", "Adagrad") {
            let attributes = &case["attributes"];
            let kind = OptimizerKind::Adagrad(Adagrad { eps: attribute(&attributes["epsilon"]) });
            let decay = attribute(&attributes["decay_factor"]);
            let error = replay::<T>(&case, |_, t| (kind, 1.0 / (1.0 + t as f64 * decay)));
            assert!(error <= tolerance::<T>(), "{error:.1e}");
            // PyTorch's convention has a constant rate: the same only without decay.
            let constant_rate = replay::<T>(&case, |_, _| (kind, 1.0));
            assert_eq!(constant_rate <= tolerance::<T>(), decay == 0.0, "{constant_rate:.1e}");
        }
    }
    in_both_precisions(check::<f32>, check::<f64>);
}

#[test]
fn adam() {
    fn check<T: Scalar>() {
        for case in cases("optimizers", "Adam") {
            let attributes = &case["attributes"];
            let [beta1, beta2, eps] =
                ["alpha", "beta", "epsilon"].map(|key| attribute(&attributes[key]));
            // What bias correction does to the rate in update t = 1, 2, …; ONNX corrects nothing in
            // update 0.
            let correction = |t: u64| match t {
                0 => 1.0,
                _ => (1.0 - beta2.powi(t as i32)).sqrt() / (1.0 - beta1.powi(t as i32)),
            };
            let onnx = |step: u64, t: u64| {
                let eps = eps / (1.0 - beta2.powi(step as i32)).sqrt();
                (OptimizerKind::Adam(Adam { beta1, beta2, eps }), correction(t) / correction(step))
            };
            let error = replay::<T>(&case, onnx);
            assert!(error <= tolerance::<T>(), "{error:.1e}");
            // PyTorch's convention: the same where ε is 0 and t counts from 1.
            let pytorch = |_, _| (OptimizerKind::Adam(Adam { beta1, beta2, eps }), 1.0);
            let same = eps == 0.0 && case["first_t"] == 1;
            let error = replay::<T>(&case, pytorch);
            assert_eq!(error <= tolerance::<T>(), same, "{error:.1e}");
        }
    }
    in_both_precisions(check::<f32>, check::<f64>);
}
