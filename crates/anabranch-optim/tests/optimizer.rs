//! What every optimizer must satisfy, whatever its formula.

use anabranch_optim::rules::Adam;
use anabranch_optim::{
    Executor, Gradients, OptimError, Optimizer, OptimizerKind, OptimizerState, ParamGroup, Scales,
    global_norm,
};

/// Numbers between −1 and 1 without a pattern that two chunks could share.
fn rough(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
}

fn optimizer(kind: OptimizerKind, groups: &[ParamGroup]) -> Optimizer<f32> {
    let n_params = groups.last().unwrap().range.end;
    Optimizer::new(kind, 0.01, n_params, groups).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn the_number_of_threads_and_the_cutting_into_chunks_change_no_bit() {
    // Groups that end inside, at the end of, and far past a chunk; some chunks have one group, some
    // three.
    let ends = [10, 16_384, 20_000, 20_001, 70_000, 100_003];
    let mut start = 0;
    let groups: Vec<ParamGroup> = ends
        .into_iter()
        .enumerate()
        .map(|(i, end)| {
            let range = start..end;
            start = end;
            ParamGroup { range, weight_decay: 0.1 * i as f64, lr_scale: 1.0 + i as f64 }
        })
        .collect();
    for kind in OptimizerKind::ALL {
        // Group by group, which cuts some of them into other chunks.
        let mut alone = rough(start, 0);
        for group in &groups {
            let local = ParamGroup { range: 0..group.range.len(), ..group.clone() };
            let mut small = optimizer(kind, &[local]);
            for step in 1..4 {
                let grads = rough(start, step);
                let (params, grads) =
                    (&mut alone[group.range.clone()], &grads[group.range.clone()]);
                small.step(&Executor::serial(), params, grads, Scales::default());
            }
        }
        for threads in [1, 2, 3] {
            let exec = Executor::new(threads).unwrap();
            let mut params = rough(start, 0);
            let mut whole = optimizer(kind, &groups);
            for step in 1..4 {
                whole.step(&exec, &mut params, &rough(start, step), Scales::default());
            }
            assert!(bits(&params) == bits(&alone), "{kind}, {threads} threads");
        }
    }
}

#[test]
fn scaled_gradients_are_as_gradients_scaled_before() {
    let groups = [ParamGroup::new(0..100, 0.1)];
    for kind in OptimizerKind::ALL {
        let mut inside = (rough(100, 0), optimizer(kind, &groups));
        let mut before = inside.clone();
        for step in 1..4 {
            let grads = rough(100, step);
            let scaled: Vec<f32> = grads.iter().map(|g| g * 0.3).collect();
            let exec = Executor::serial();
            inside.1.step(&exec, &mut inside.0, &grads, Scales { lr: 1.0, grads: 0.3 });
            before.1.step(&exec, &mut before.0, &scaled, Scales::default());
        }
        assert!(bits(&inside.0) == bits(&before.0), "{kind}");
    }
}

/// A gradient with these parts.
fn gradients(parts: &[Vec<f32>]) -> Gradients<f32> {
    let mut gradients = Gradients::zeros(parts[0].len());
    gradients.cut(parts.len());
    Executor::serial().for_each_chunk(parts.len(), 1, [gradients.part()], |i, [values]| {
        values[..parts[0].len()].copy_from_slice(&parts[i.start]);
    });
    gradients
}

#[test]
fn a_step_and_a_norm_by_parts_are_those_by_their_sum() {
    // Several chunks; a group ends in the last one.
    let groups = [ParamGroup::new(0..2_500, 0.1), ParamGroup::new(2_500..2_600, 0.0)];
    let exec = Executor::new(2).unwrap();
    for kind in OptimizerKind::ALL {
        for n_parts in 1..4 {
            let mut by_parts = (rough(2_600, 0), optimizer(kind, &groups));
            let mut by_sum = by_parts.clone();
            for step in 1..4 {
                let parts: Vec<Vec<f32>> =
                    (0..n_parts).map(|i| rough(2_600, 10 * step + i)).collect();
                // From the first on: 0 + g would lose the sign of −0.
                let sum_of = |i: usize| parts[1..].iter().fold(parts[0][i], |sum, g| sum + g[i]);
                let sum: Vec<f32> = (0..2_600).map(sum_of).collect();
                let (gradients, scales) = (gradients(&parts), Scales { lr: 0.5, grads: 0.3 });
                assert_eq!(global_norm(&exec, &gradients), global_norm(&exec, &sum));
                by_parts.1.step(&exec, &mut by_parts.0, &gradients, scales);
                by_sum.1.step(&exec, &mut by_sum.0, &sum, scales);
            }
            assert!(bits(&by_parts.0) == bits(&by_sum.0), "{kind}, {n_parts} parts");
        }
    }
}

#[test]
fn a_group_without_rate_is_frozen_and_one_without_decay_rests_without_gradient() {
    let frozen = ParamGroup { range: 0..10, weight_decay: 0.1, lr_scale: 0.0 };
    let groups = [frozen, ParamGroup::new(10..20, 0.0), ParamGroup::new(20..30, 0.1)];
    for kind in OptimizerKind::ALL {
        let start = rough(30, 0);
        let mut params = start.clone();
        let mut grads = rough(30, 1);
        grads[10..].fill(0.0);
        let mut optimizer = optimizer(kind, &groups);
        optimizer.step(&Executor::serial(), &mut params, &grads, Scales::default());
        assert_eq!(params[..20], start[..20], "{kind}");
        for (now, then) in params[20..].iter().zip(&start[20..]) {
            assert!(now.abs() < then.abs(), "{kind}: decay must shrink {then}, not give {now}");
        }
    }
}

#[test]
fn a_restored_optimizer_goes_on_with_the_same_bits() {
    let groups = [ParamGroup::new(0..30, 0.1), ParamGroup::new(30..50, 0.0)];
    for kind in OptimizerKind::ALL {
        let exec = Executor::serial();
        let mut params = rough(50, 0);
        let mut whole = optimizer(kind, &groups);
        whole.step(&exec, &mut params, &rough(50, 1), Scales::default());
        whole.step(&exec, &mut params, &rough(50, 2), Scales::default());

        let mut resumed_params = params.clone();
        let mut resumed = optimizer(kind, &groups);
        // As a file would hold it.
        let saved = serde_json::to_string(&whole.state()).unwrap();
        resumed.restore(&serde_json::from_str(&saved).unwrap()).unwrap();
        whole.step(&exec, &mut params, &rough(50, 3), Scales::default());
        resumed.step(&exec, &mut resumed_params, &rough(50, 3), Scales::default());
        assert!(bits(&params) == bits(&resumed_params), "{kind}");
        assert_eq!(resumed.steps(), 3);
    }
}

#[test]
fn state_that_does_not_fit_is_refused_and_changes_nothing() {
    let groups = [ParamGroup::new(0..3, 0.0)];
    let mut adam = optimizer(OptimizerKind::ADAM, &groups);
    let mut restored = |moments: &[(&str, usize)]| {
        let moments = moments.iter().map(|(name, len)| ((*name).into(), vec![1.0; *len])).collect();
        adam.restore(&OptimizerState { steps: 1, moments })
    };
    assert_eq!(
        restored(&[("exp_avg", 3)]),
        Err(OptimError::MissingMoment { name: "exp_avg_sq", optimizer: "adam" })
    );
    assert_eq!(
        restored(&[("exp_avg", 3), ("exp_avg_sq", 4)]),
        Err(OptimError::MomentLen { name: "exp_avg_sq", expected: 3, found: 4 })
    );
    assert_eq!(
        restored(&[("sum", 3)]),
        Err(OptimError::UnknownMoment { name: "sum".to_owned(), optimizer: "adam" })
    );
    let OptimizerState { steps, moments } = adam.state();
    assert!(steps == 0 && moments.values().all(|values| values == &[0.0; 3]));
}

/// Worked out by hand from the paper's Algorithm 2, with β₁ = 0.9, β₂ = 0.99, η = 0.1 and λ = 0.1:
/// c = 0.9m + 0.1g, p ← 0.99p − 0.1 sign(c), m ← 0.99m + 0.01g.
///
/// | g | c | p | m |
/// |---|---|---|---|
/// | | | 1 | 0 |
/// | 1 | 0.1 | 0.89 | 0.01 |
/// | −1 | −0.091 | 0.9811 | −0.0001 |
/// | 0.001 | 0.00001 | 0.871289 | −0.000089 |
///
/// The second parameter has no gradient in the first two steps: sign(0) = 0, and it only decays.
#[test]
fn lion_steps_by_the_sign_of_a_mean_that_it_does_not_keep() {
    let groups = [ParamGroup::new(0..2, 0.1)];
    let mut lion = Optimizer::<f64>::new(OptimizerKind::LION, 0.1, 2, &groups).unwrap();
    let mut params = [1.0, -2.0];
    for (grads, expected, means) in [
        ([1.0, 0.0], [0.89, -1.98], [0.01, 0.0]),
        ([-1.0, 0.0], [0.9811, -1.9602], [-0.0001, 0.0]),
        ([0.001, 2.0], [0.871_289, -2.040_598], [-0.000_089, 0.02]),
    ] {
        lion.step(&Executor::serial(), &mut params, &grads, Scales::default());
        let state = lion.state();
        let found = params.iter().chain(&state.moments["exp_avg"]);
        for (found, expected) in found.zip(expected.iter().chain(&means)) {
            // A few roundings of numbers near 1.
            assert!((found - expected).abs() < 1e-15, "{found}, not {expected}");
        }
    }
}

/// m ← β₁m + (1−β₁)g, by hand: 0.25·0 + 0.75·4 = 3, then 0.25·3 + 0.75·(−8) = −5.25. Where β₁ is
/// the smaller weight, the mean is taken from the gradient's end, as `torch.lerp` does: with β₁ = 0
/// it is the gradient to the last bit, and with 0.9 it is (1−β₁)·3, not 3 − β₁·3, which rounds
/// otherwise.
#[test]
fn adams_mean_is_taken_from_the_nearer_end() {
    let groups = [ParamGroup::new(0..1, 0.0)];
    let means = |beta1: f64, grads: &[f64]| {
        let kind = OptimizerKind::Adam(Adam { beta1, beta2: 0.5, eps: 1e-8 });
        let mut adam = Optimizer::<f64>::new(kind, 0.1, 1, &groups).unwrap();
        let mut params = [1.0];
        let mut mean = |g: &f64| {
            adam.step(&Executor::serial(), &mut params, &[*g], Scales::default());
            adam.state().moments["exp_avg"][0]
        };
        grads.iter().map(&mut mean).collect::<Vec<f64>>()
    };
    assert_eq!(means(0.25, &[4.0, -8.0]), [3.0, -5.25]);
    assert_eq!(means(0.0, &[1e16, 1.0, 0.1]), [1e16, 1.0, 0.1]);
    assert_eq!(means(0.9, &[3.0]), [(1.0 - 0.9) * 3.0]);
    assert_ne!((1.0 - 0.9) * 3.0, 3.0 - 0.9 * 3.0);
}

#[test]
fn an_optimizer_tells_its_name_rate_and_moments() {
    let groups = [ParamGroup::new(0..3, 0.0)];
    for kind in OptimizerKind::ALL {
        let optimizer = optimizer(kind, &groups);
        assert_eq!((optimizer.name(), optimizer.lr()), (kind.name(), 0.01));
        assert_eq!(optimizer.n_moments(), optimizer.state().moments.len());
    }
    assert_eq!(optimizer(OptimizerKind::ADAM, &groups).n_moments(), 2);
}

#[test]
fn invalid_learning_rates_are_refused() {
    let groups = [ParamGroup::new(0..3, 0.0)];
    for lr in [-0.1, f64::NAN, f64::INFINITY] {
        let error = Optimizer::<f32>::new(OptimizerKind::SGD, lr, 3, &groups).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the learning rate must be finite and at least 0, not {lr}")
        );
    }
}
