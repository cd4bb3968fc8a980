//! Running statistics of batch normalisation, by hand and in each convention, and their use in
//! evaluation.

use anabranch_layers::{
    Affine, BatchNorm, Forward, Infer, Layer, Mask, RunningVariance, forward_batch,
};
use anabranch_tensor::{Executor, Scalar, matrix, matrix_mut};

/// One training pass from `state`, on two columns; returns y.
fn forward<T: Scalar>(layer: &BatchNorm, x: &[T], params: &[T], state: &mut [T]) -> Vec<T> {
    let exec = Executor::serial();
    let rows = x.len() / 2;
    let memory = Layer::<T>::memory(layer, &exec, rows, &[2]);
    let nan = T::from_f64(f64::NAN);
    let (mut y, mut saved) = (vec![nan; x.len()], vec![nan; memory.saved_len]);
    let forward = Forward {
        exec: &exec,
        input: 0,
        x: matrix(x, rows, 2),
        y: matrix_mut(&mut y, rows, 2),
        params,
        state: &[],
        saved: &mut saved,
        scratch: &mut vec![nan; memory.scratch_len],
        mask: Mask::Given(&[]),
    };
    forward_batch(layer, forward, state);
    y
}

fn infer<T: Scalar>(layer: &BatchNorm, x: &[T], params: &[T], state: &[T]) -> Vec<T> {
    let exec = Executor::serial();
    let rows = x.len() / 2;
    let memory = Layer::<T>::memory(layer, &exec, rows, &[2]);
    let nan = T::from_f64(f64::NAN);
    let mut y = vec![nan; x.len()];
    layer.infer(Infer {
        exec: &exec,
        input: 0,
        x: matrix(x, rows, 2),
        y: matrix_mut(&mut y, rows, 2),
        params,
        state,
        scratch: &mut vec![nan; memory.scratch_len],
    });
    y
}

/// Columns (1, 2, 3, 6) and (0, 0, 4, 4): means 3 and 2, Σ(x−μ)² 14 and 16, so biased variances 3.5
/// and 4, unbiased ones 14/3 and 16/3.
const X: [f64; 8] = [1.0, 0.0, 2.0, 0.0, 3.0, 4.0, 6.0, 4.0];

#[test]
fn running_statistics_in_both_conventions() {
    for (convention, divisor) in [(RunningVariance::Unbiased, 3.0), (RunningVariance::Biased, 4.0)]
    {
        let layer = BatchNorm::new().with_momentum(0.25).with_running_variance(convention);
        let mut state = [10.0, 20.0, 30.0, 40.0];
        forward(&layer, &X, &[1.0, 1.0, 0.0, 0.0], &mut state);
        let expected = [
            0.75 * 10.0 + 0.25 * 3.0,
            0.75 * 20.0 + 0.25 * 2.0,
            0.75 * 30.0 + 0.25 * 14.0 / divisor,
            0.75 * 40.0 + 0.25 * 16.0 / divisor,
        ];
        for (got, expected) in state.iter().zip(expected) {
            assert!((got - expected).abs() <= 1e-14 * expected, "{convention:?}: {got} {expected}");
        }
    }
}

#[test]
fn the_defaults_are_pytorchs() {
    let mut state = [0.0, 0.0, 1.0, 1.0];
    let y = forward(&BatchNorm::default(), &X, &[1.0, 1.0, 0.0, 0.0], &mut state);
    // Normalised with the biased variance and ε = 1e-5; running statistics take the unbiased one
    // with weight 0.1.
    assert!((y[0] - -2.0 / (3.5f64 + 1e-5).sqrt()).abs() < 1e-15, "{y:?}");
    assert!((state[2] - (0.9 + 0.1 * 14.0 / 3.0)).abs() < 1e-15, "{state:?}");
}

#[test]
fn initial_parameters_and_state_are_neutral() {
    let (mut params, mut state) = ([f64::NAN; 4], [f64::NAN; 4]);
    let mut random =
        anabranch_tensor::random::Random::new(1, anabranch_tensor::random::Purpose::Init, 0);
    BatchNorm::new().init(&mut random, &[2], &mut params, &mut state);
    assert_eq!(params, [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(state, [0.0, 0.0, 1.0, 1.0]);
}

#[test]
fn evaluation_is_an_affine_map_of_the_running_statistics() {
    // (x − mean)/√(var + ε)·γ + β with var + ε = 4 and 9.
    let layer = BatchNorm::new().with_eps(0.5);
    let state = [1.0, 2.0, 3.5, 8.5];
    let y = infer(&layer, &[3.0, 5.0, 1.0, -1.0], &[10.0, 6.0, 0.5, -1.0], &state);
    assert_eq!(y, [10.5, 5.0, 0.5, -7.0]);
    let shared = layer.with_affine(Affine::Shared);
    let y = infer(&shared, &[3.0, 5.0, 1.0, -1.0], &[12.0, 0.5], &state);
    assert_eq!(y, [12.5, 12.5, 0.5, -11.5]);
}

/// Many rows are cut into chunks whose statistics are merged; a large common offset would ruin a
/// sum of squares.
#[test]
fn merged_statistics_keep_their_digits_under_an_offset() {
    let n_rows = 20_000;
    // 0, 1, …, 9 again and again: mean 4.5, biased variance 8.25, exactly.
    let x: Vec<f64> =
        (0..n_rows).flat_map(|i| [1e6 + f64::from(i % 10), -f64::from(i % 10)]).collect();
    let layer = BatchNorm::new().with_momentum(1.0).with_running_variance(RunningVariance::Biased);
    let mut state = [0.0; 4];
    forward(&layer, &x, &[1.0, 1.0, 0.0, 0.0], &mut state);
    // The mean is of size 1e6, so its rounding is 1e-10; the variance depends on the square alone.
    assert!((state[0] - 1_000_004.5).abs() < 1e-8 && (state[1] + 4.5).abs() < 1e-13, "{state:?}");
    assert!((state[2] - 8.25).abs() < 1e-10 && (state[3] - 8.25).abs() < 1e-12, "{state:?}");
}
