//! Joins against plain loops, and what they need.

use anabranch_layers::{
    ArraySpec, Backward, Dx, Infer, Join, Layer, Linear, ParamGrads, Role, RowWise,
};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Accum, Executor, matrix, matrix_mut};

/// Enough rows for several tasks.
const ROWS: usize = 3000;
const UNITS: usize = 3;
/// `[UNITS, 2]`
const W: [f64; 6] = [1.0, 2.0, 3.0, -1.0, 0.0, 5.0];

/// Small whole numbers: every sum of them is exact.
fn numbers(cols: usize, seed: usize) -> Vec<f64> {
    (0..ROWS * cols).map(|i| ((i * 7919 + seed) % 13) as f64 - 6.0).collect()
}

/// Column `j` of what a join makes of a row of its right input.
fn joined(join: Join, right: &[f64], j: usize) -> f64 {
    match join {
        Join::Add => right[j],
        Join::Broadcast => right[0],
        Join::Project => W[2 * j] * right[0] + W[2 * j + 1] * right[1],
    }
}

#[test]
fn a_join_is_the_sum_of_its_inputs_forward_and_backward() {
    let exec = Executor::serial();
    for (join, columns) in [(Join::Add, 3), (Join::Broadcast, 1), (Join::Project, 2)] {
        assert_eq!(Join::for_widths(UNITS, columns), join);
        let params: &[f64] = if join == Join::Project { &W } else { &[] };
        let (left, right, dy) = (numbers(UNITS, 1), numbers(columns, 2), numbers(UNITS, 3));
        let memory = Layer::<f64>::memory(&join, &exec, ROWS, &[UNITS, columns]);
        let mut scratch = vec![f64::NAN; memory.scratch_len];
        let mut y = vec![f64::NAN; ROWS * UNITS];
        let mut grads = vec![f64::NAN; params.len()];
        for (input, (x, width)) in [(&left, UNITS), (&right, columns)].into_iter().enumerate() {
            join.infer(Infer {
                exec: &exec,
                input,
                x: matrix(x, ROWS, width),
                y: matrix_mut(&mut y, ROWS, UNITS),
                params,
                state: &[],
                scratch: &mut scratch,
            });
            // Replaced, then added to once more.
            let mut dx = vec![f64::NAN; ROWS * width];
            for accum in [Accum::Replace, Accum::Add] {
                join.backward(Backward {
                    exec: &exec,
                    input,
                    x: matrix(x, ROWS, width),
                    y: matrix(&y, ROWS, UNITS),
                    dy: matrix_mut(&mut dy.clone(), ROWS, UNITS),
                    dx: Some(Dx { values: matrix_mut(&mut dx, ROWS, width), accum }),
                    params,
                    saved: &[],
                    scratch: &mut scratch,
                });
            }
            join.param_grads(ParamGrads {
                exec: &exec,
                input,
                x: matrix(x, ROWS, width),
                dy: matrix(&dy, ROWS, UNITS),
                params,
                grads: &mut grads,
                accum: Accum::Replace,
                scratch: &mut scratch,
            });
            for i in 0..ROWS {
                let dy = &dy[i * UNITS..][..UNITS];
                for k in 0..width {
                    let expected = match join {
                        _ if input == 0 => dy[k],
                        Join::Add => dy[k],
                        Join::Broadcast => dy.iter().sum(),
                        Join::Project => (0..UNITS).map(|j| dy[j] * W[2 * j + k]).sum(),
                    };
                    assert_eq!(dx[i * width + k], 2.0 * expected, "{join}, input {input}, row {i}");
                }
            }
        }
        for i in 0..ROWS {
            for j in 0..UNITS {
                let right = &right[i * columns..][..columns];
                let expected = left[i * UNITS + j] + joined(join, right, j);
                assert_eq!(y[i * UNITS + j], expected, "{join}, row {i}");
            }
        }
        for (at, grad) in grads.iter().enumerate() {
            let (j, k) = (at / columns, at % columns);
            let expected: f64 = (0..ROWS).map(|i| dy[i * UNITS + j] * right[i * columns + k]).sum();
            assert_eq!(*grad, expected, "{join}, weight {j}, {k}");
        }
    }
}

/// A product with `[3, 2]` takes a multiplication and an addition for each weight, a sum or a bias
/// an addition for each column.
#[test]
fn a_projecting_join_has_a_weight_and_the_others_have_none() {
    let shape = |join: Join, columns| Layer::<f32>::shape(&join, &[3, columns]).unwrap();
    let weight = ArraySpec::matrix("weight", 3, 2, Role::Weight);
    let project = shape(Join::Project, 2);
    assert_eq!((project.outputs, project.params, project.flops_per_row), (3, vec![weight], 12));
    for (join, columns) in [(Join::Add, 3), (Join::Broadcast, 1)] {
        let shape = shape(join, columns);
        assert_eq!((shape.outputs, shape.params.len(), shape.flops_per_row), (3, 0, 3));
    }
    let linear = Layer::<f32>::shape(&Linear::new(3), &[2]).unwrap();
    assert_eq!((linear.params.len(), linear.flops_per_row), (2, 12 + 3));
    for (join, columns) in [(Join::Add, 2), (Join::Broadcast, 2), (Join::Project, 0)] {
        assert!(Layer::<f32>::shape(&join, &[3, columns]).is_err(), "{join}");
    }
}

/// Uniform on ±√(6/(inputs + outputs)), as Glorot and Bengio say: for 2 and 3, ±1.0955.
#[test]
fn a_projecting_join_begins_with_random_weights() {
    let mut weight = [0.0_f64; 6];
    let mut random = Random::new(1, Purpose::Init, 0);
    Join::Project.init(&mut random, &[3, 2], &mut weight, &mut []);
    assert!(weight.iter().all(|w| *w != 0.0 && w.abs() <= 1.0955), "{weight:?}");
    let before = weight;
    Join::Add.init(&mut random, &[3, 3], &mut weight, &mut []);
    assert_eq!(weight, before);
}
