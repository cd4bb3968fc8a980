//! Optimizers, schedules and clipping against PyTorch: `fixtures/make_fixtures.py` wrote the
//! expected values.

use anabranch_optim::rules::Adam;
use anabranch_optim::{
    ClipNorm, Optimizer, OptimizerKind, ParamGroup, Progress, Scales, Schedule, ScheduleKind,
    global_norm,
};
use anabranch_tensor::{Executor, Scalar};
use serde_json::Value;

/// Twenty steps of a few roundings each, some on parameters that gradients of 1000 drove to
/// hundreds and back; measured: 2e-14.
const TOLERANCE_F64: f64 = 1e-13;

/// |found − expected| relative to the larger of the expected value and what `floor` gives for those near 0.
fn assert_close(found: &[f64], expected: &[f64], floor: f64, tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let error = (f - e).abs() / e.abs().max(floor);
        assert!(error <= tolerance, "{what}[{i}]: {f} instead of {e}, off by {error:.1e}");
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    // JSON has no NaN: it is written as null.
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn cast<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&v| T::from_f64(v)).collect()
}

fn to_f64<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|v| v.to_f64()).collect()
}

fn optimizers() -> Value {
    serde_json::from_str(include_str!("fixtures/optimizers.json")).unwrap()
}

/// Runs a case of the fixture; returns the parameters after each step, and the optimizer.
fn replay<T: Scalar>(fixture: &Value, case: &Value) -> (Vec<Vec<f64>>, Optimizer<T>) {
    let kind: OptimizerKind = case["optimizer"].as_str().unwrap().parse().unwrap();
    let mut end = 0;
    let groups: Vec<ParamGroup> = case["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let start = end;
            end += group["len"].as_u64().unwrap() as usize;
            ParamGroup {
                range: start..end,
                weight_decay: group["weight_decay"].as_f64().unwrap(),
                lr_scale: group["lr_scale"].as_f64().unwrap(),
            }
        })
        .collect();
    let mut optimizer =
        Optimizer::<T>::new(kind, fixture["lr"].as_f64().unwrap(), end, &groups).unwrap();
    let mut params: Vec<T> = cast(&numbers(&fixture["start"]));
    let trajectory = numbers(&fixture["lr_factors"])
        .into_iter()
        .zip(rows(&fixture["grads"]))
        .map(|(lr, grads)| {
            let scales = Scales { lr, ..Scales::default() };
            optimizer.step(&Executor::serial(), &mut params, &cast::<T>(&grads), scales);
            to_f64(&params)
        })
        .collect();
    (trajectory, optimizer)
}

#[test]
fn optimizers_follow_pytorch() {
    let fixture = optimizers();
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3 * OptimizerKind::ALL.len());
    for case in cases {
        let what = format!("{} {}", case["optimizer"], case["case"]);
        let (trajectory, optimizer) = replay::<f64>(&fixture, case);
        let expected = rows(&case["params"]);
        assert_eq!(trajectory.len(), expected.len());
        for (t, (found, expected)) in trajectory.iter().zip(&expected).enumerate() {
            // Parameters start near 1: one that crosses 0 keeps the rounding from where it came.
            assert_close(found, expected, 0.1, TOLERANCE_F64, &format!("{what} step {t}"));
        }
        let moments = case["moments"].as_object().unwrap();
        let state = optimizer.state();
        assert_eq!(state.moments.len(), moments.len(), "{what}");
        for (name, values) in &state.moments {
            let expected = numbers(&moments[name]);
            assert_close(values, &expected, 1e-12, TOLERANCE_F64, &format!("{what} {name}"));
        }
        assert_eq!(optimizer.steps(), expected.len() as u64);
    }
}

#[test]
fn f32_follows_f64() {
    let fixture = optimizers();
    for case in fixture["cases"].as_array().unwrap() {
        let what = format!("{} {}", case["optimizer"], case["case"]);
        let (trajectory, _) = replay::<f32>(&fixture, case);
        for (t, (found, expected)) in trajectory.iter().zip(rows(&case["params"])).enumerate() {
            // As TOLERANCE_F64, with the roundings of f32; measured: 4e-6.
            assert_close(found, &expected, 1.0, 1e-5, &format!("{what} step {t}"));
        }
    }
}

/// Where g·g overflows f32, PyTorch's order of operations still gives a finite mean square: the
/// parameter goes on.
#[test]
fn f32_goes_on_after_gradients_whose_squares_overflow() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/float32.json")).unwrap();
    let lr = fixture["lr"].as_f64().unwrap();
    let start = numbers(&fixture["start"]);
    for case in fixture["cases"].as_array().unwrap() {
        let name = case["optimizer"].as_str().unwrap();
        let kind = match name {
            "adam_without_mean" => {
                OptimizerKind::Adam(Adam { beta1: 0.0, beta2: 0.999, eps: 1e-8 })
            }
            _ => name.parse().unwrap(),
        };
        // PyTorch's default for AdamW alone.
        let weight_decay = if name == "adamw" { 0.01 } else { 0.0 };
        let groups = [ParamGroup::new(0..start.len(), weight_decay)];
        let mut optimizer = Optimizer::<f32>::new(kind, lr, start.len(), &groups).unwrap();
        let mut params: Vec<f32> = cast(&start);
        for (grads, expected) in rows(&fixture["grads"]).iter().zip(rows(&case["params"])) {
            let exec = Executor::serial();
            optimizer.step(&exec, &mut params, &cast::<f32>(grads), Scales::default());
            // Eight steps of a few roundings each, those of PyTorch with fused multiply-adds.
            assert_close(&to_f64(&params), &expected, 0.1, 2e-6, name);
        }
        for (moment, values) in &optimizer.state().moments {
            for (value, expected) in to_f64(values).iter().zip(numbers(&case["moments"][moment])) {
                if expected.is_finite() {
                    assert_close(&[*value], &[expected], 1e-30, 2e-6, &format!("{name} {moment}"));
                } else {
                    assert_eq!((*value, name), (f64::INFINITY, "adagrad"), "{moment}");
                }
            }
        }
    }
}

fn factors(kind: ScheduleKind, n: usize) -> Vec<f64> {
    let schedule = Schedule::new(kind, n as u64).unwrap();
    (0..n as u64)
        .map(|t| match kind {
            // What a schedule must ignore is set to nonsense.
            ScheduleKind::Step { .. } | ScheduleKind::Exponential { .. } => {
                schedule.factor(Progress { step: 1_000_000, epoch: t })
            }
            _ => schedule.factor(Progress { step: t, epoch: 1_000_000 }),
        })
        .collect()
}

#[test]
fn schedules_give_the_factors_of_pytorch() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/schedules.json")).unwrap();
    for (name, kind) in [
        ("step", ScheduleKind::STEP),
        ("step_7_half", ScheduleKind::Step { every_epochs: 7, gamma: 0.5 }),
        ("exponential", ScheduleKind::EXPONENTIAL),
        ("cosine", ScheduleKind::COSINE),
        ("cosine_floor", ScheduleKind::Cosine { warmup: 0.0, floor: 0.1 }),
        ("one_cycle", ScheduleKind::ONE_CYCLE),
        (
            "one_cycle_other",
            ScheduleKind::OneCycle { rise: 0.17, start_divisor: 10.0, end_divisor: 50.0 },
        ),
    ] {
        let expected = numbers(&fixture[name]);
        assert!(expected.len() >= 50);
        // PyTorch multiplies from epoch to epoch where we compute each factor afresh, and loses
        // digits of the small ones at the end of a cosine: 1e-13 of a factor, 1e-15 of the learning
        // rate.
        assert_close(&factors(kind, expected.len()), &expected, 1e-2, 1e-13, name);
    }
}

#[test]
fn plateaus_are_found_where_pytorch_finds_them() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/schedules.json")).unwrap();
    let losses = numbers(&fixture["plateau_losses"]);
    for (name, kind) in [
        ("plateau", ScheduleKind::PLATEAU),
        ("plateau_other", ScheduleKind::Plateau { gamma: 0.5, patience: 3, threshold: 0.01 }),
    ] {
        let mut schedule = Schedule::new(kind, 0).unwrap();
        let mut found = Vec::new();
        for &loss in &losses {
            found.push(schedule.factor(Progress::default()));
            schedule.observe(loss);
        }
        let expected = numbers(&fixture[name]);
        assert!(expected.last() < expected.first());
        assert_close(&found, &expected, 0.0, 1e-15, name);
    }
}

#[test]
fn gradients_are_clipped_as_by_pytorch() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/clipping.json")).unwrap();
    for case in fixture["cases"].as_array().unwrap() {
        let grads = numbers(&case["grads"]);
        let norm = global_norm(&Executor::serial(), &grads);
        assert_close(&[norm], &[case["norm"].as_f64().unwrap()], 1e-300, 1e-14, "norm");
        let scale = ClipNorm::new(case["max_norm"].as_f64().unwrap()).unwrap().scale(norm);
        let clipped: Vec<f64> = grads.iter().map(|g| g * scale).collect();
        assert_close(&clipped, &numbers(&case["clipped"]), 1e-300, 1e-14, "clipped");
    }
}
