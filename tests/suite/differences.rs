//! Every layer and loss, and the Jacobians, against central differences in f64.
//!
//! The difference quotient (f(x+h) − f(x−h))/2h is off by h²f‴/6 and by rounding, about
//! 1e-16·|f|/h: at h = 1e-5 and values of size 1 both stay near 1e-10, far below the tolerance.

use anabranch_layers::{
    Activation, Affine, BatchNorm, CrossEntropy, Dropout, HalfSquaredError, Layer, LayerNorm,
    Linear, Loss, LossGradient, Mask, PRelu, Pointwise, Softmax, Target, Vjp, mean_loss, vjp,
};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Executor, matrix, matrix_mut};
use ndarray::{Array2, ArrayView2};

use crate::measure::relative_error;

const H: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;
/// Rows and inputs: one column, a few, and more than one group of random numbers wide.
const SIZES: [(usize, usize); 4] = [(3, 1), (2, 3), (7, 5), (4, 37)];

#[track_caller]
fn assert_close(what: &str, analytic: &[f64], difference: &[f64], tolerance: f64) {
    let error = relative_error(analytic, difference);
    // Written so that NaN fails.
    assert!(error <= tolerance, "{what}: {error:.1e}\n{analytic:?}\n{difference:?}");
}

/// A value, and which ReLUs were open when it was computed.
type Sample = (f64, Vec<bool>);

/// Compares `analytic` with the difference quotient of `f` in each element of `at`; an element
/// whose two samples open different ReLUs has no derivative in between and is left out.
#[track_caller]
fn check(what: &str, analytic: &[f64], at: &[f64], f: impl Fn(&[f64]) -> Sample) {
    assert_eq!(analytic.len(), at.len(), "{what}");
    let mut point = at.to_vec();
    let (mut kept, mut quotients) = (Vec::new(), Vec::new());
    for i in 0..at.len() {
        let mut sample = |step: f64| {
            point[i] = at[i] + step;
            let sample = f(&point);
            point[i] = at[i];
            sample
        };
        let ((above, open_above), (below, open_below)) = (sample(H), sample(-H));
        if open_above == open_below {
            kept.push(analytic[i]);
            quotients.push((above - below) / (2.0 * H));
        }
    }
    assert!(2 * kept.len() >= at.len(), "{what}: most entries left out");
    assert_close(what, &kept, &quotients, TOLERANCE);
}

fn draw(random: &mut Random, len: usize) -> Vec<f64> {
    (0..len).map(|_| random.normal()).collect()
}

fn dot(a: &Array2<f64>, b: ArrayView2<'_, f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Layers with and without parameters, and those that fusion makes, each with the fewest rows that
/// differences can work with: two rows that differ are normalised to ±1, whatever they are, and the
/// derivative, near ε, is beyond them.
fn layers() -> Vec<(Box<dyn Layer<f64>>, usize)> {
    let linear_relu = Layer::<f64>::fuse(&Linear::new(4), Pointwise::Relu).unwrap();
    let linear_relu_dropout = linear_relu.fuse(Pointwise::Dropout(0.4)).unwrap();
    let mut layers: Vec<Box<dyn Layer<f64>>> = vec![
        Box::new(Linear::new(1)),
        Box::new(Linear::new(6)),
        linear_relu,
        linear_relu_dropout,
        Box::new(Activation::Relu),
        Box::new(Activation::Gelu),
        Box::new(Activation::Silu),
        Box::new(Activation::Tanh),
        Box::new(Activation::Identity),
        Box::new(Softmax),
        Box::new(PRelu::new()),
    ];
    for p in [0.0, 0.4, 1.0] {
        layers.push(Box::new(Dropout::new(p)));
    }
    let mut layers: Vec<_> = layers.into_iter().map(|layer| (layer, 1)).collect();
    // Two units that differ are normalised to ±1 as two rows are: an ε beside which they count.
    layers.push((Box::new(LayerNorm::new().with_eps(0.5)), 1));
    for affine in [Affine::PerUnit, Affine::Shared] {
        for (eps, min_rows) in [(1e-5, 3), (0.5, 2)] {
            let batch_norm = BatchNorm::new().with_eps(eps).with_affine(affine);
            layers.push((Box::new(batch_norm), min_rows));
        }
    }
    layers
}

#[test]
fn every_layer_against_differences() {
    let mask = Mask::Drawn { seed: 3, layer: 1, step: 5, first_row: 0 };
    let mut random = Random::new(1, Purpose::Sample, 0);
    for (layer, min_rows) in layers() {
        let layer = layer.as_ref();
        let has_relu = layer.describe().contains("relu");
        for (rows, inputs) in SIZES.into_iter().filter(|(rows, _)| *rows >= min_rows) {
            let what = format!("{} {rows}x{inputs}", layer.describe());
            let plan = layer.shape(&[inputs]).unwrap();
            let n_params = plan.params.iter().map(|spec| spec.n_elements()).sum();
            let (x, params) = (draw(&mut random, rows * inputs), draw(&mut random, n_params));
            let dy = draw(&mut random, rows * plan.outputs);
            let dy = matrix(&dy, rows, plan.outputs);
            let run = |x: &[f64], params: &[f64]| -> Vjp<f64> {
                vjp(layer, matrix(x, rows, inputs), params, mask, dy).unwrap()
            };
            let sample = |x: &[f64], params: &[f64]| -> Sample {
                let y = run(x, params).y;
                let open = y.iter().filter(|_| has_relu).map(|y| *y > 0.0).collect();
                (dot(&y, dy), open)
            };
            let Vjp { dx, grads, .. } = run(&x, &params);
            let dx: Vec<f64> = dx.into_iter().collect();
            check(&format!("{what}: dx"), &dx, &x, |x| sample(x, &params));
            let mut start = 0;
            for spec in &plan.params {
                let range = start..start + spec.n_elements();
                start = range.end;
                check(
                    &format!("{what}: {}", spec.name),
                    &grads[range.clone()],
                    &params[range.clone()],
                    |values| {
                        let mut params = params.clone();
                        params[range.clone()].copy_from_slice(values);
                        sample(&x, &params)
                    },
                );
            }
        }
    }
}

#[test]
fn every_loss_against_differences() {
    let exec = Executor::serial();
    let mut random = Random::new(2, Purpose::Sample, 0);
    for (rows, outputs) in [(1, 1), (3, 1), (1, 4), (7, 5), (3, 40)] {
        let values = draw(&mut random, rows * outputs);
        let classes: Vec<u32> = (0..rows).map(|_| random.below(outputs as u64) as u32).collect();
        let mut labels: Vec<f64> = (0..rows * outputs).map(|_| random.uniform()).collect();
        for row in labels.chunks_exact_mut(outputs) {
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|v| *v /= sum);
        }
        for weight in [1.0, 0.3] {
            let entropy = CrossEntropy::default();
            let targets: [(&str, &dyn Loss<f64>, Target<'_, f64>); 3] = [
                (
                    "squared error",
                    &HalfSquaredError,
                    Target::Values(matrix(&values, rows, outputs)),
                ),
                ("classes", &entropy, Target::Classes(&classes)),
                ("soft labels", &entropy, Target::Probabilities(matrix(&labels, rows, outputs))),
            ];
            for (what, loss, target) in targets {
                loss.check_target(&target, rows, outputs).unwrap();
                let run = |z: &[f64]| {
                    let (mut d, mut scratch) = (vec![f64::NAN; z.len()], vec![f64::NAN; rows]);
                    loss.gradient(LossGradient {
                        exec: &exec,
                        prediction: matrix(z, rows, outputs),
                        target,
                        scale: weight / rows as f64,
                        d: matrix_mut(&mut d, rows, outputs),
                        row_losses: &mut scratch,
                    });
                    (mean_loss(weight, &scratch), d)
                };
                let z = draw(&mut random, rows * outputs);
                let (_, d) = run(&z);
                check(&format!("{what} {rows}x{outputs}"), &d, &z, |z| (run(z).0, Vec::new()));
            }
        }
    }
}

/// Checks `jacobian[i, j]` = ∂yᵢ/∂xⱼ of the function that `layer` is on `x`, given as
/// `[rows, inputs]`: its columns against differences, and its transpose times dy against the
/// layer's own backward pass.
fn check_jacobian(
    layer: &dyn Layer<f64>,
    (rows, inputs): (usize, usize),
    x: &[f64],
    params: &[f64],
    mask: Mask<'_, f64>,
    jacobian: &Array2<f64>,
) {
    let what = format!("Jacobian of {}", layer.describe());
    let n = x.len();
    assert_eq!(jacobian.dim(), (n, n), "{what}");
    let mut random = Random::new(9, Purpose::Sample, n as u64);
    let dy = draw(&mut random, n);
    let run = |x: &[f64]| {
        vjp(layer, matrix(x, rows, inputs), params, mask, matrix(&dy, rows, inputs)).unwrap()
    };
    for j in 0..n {
        let column = |step: f64| -> Vec<f64> {
            let mut x = x.to_vec();
            x[j] += step;
            run(&x).y.into_iter().collect()
        };
        let quotient: Vec<f64> =
            column(H).iter().zip(column(-H)).map(|(a, b)| (a - b) / (2.0 * H)).collect();
        assert_close(&what, &jacobian.column(j).to_vec(), &quotient, TOLERANCE);
    }
    let product: Vec<f64> =
        (0..n).map(|j| (0..n).map(|i| jacobian[[i, j]] * dy[i]).sum()).collect();
    let dx: Vec<f64> = run(x).dx.into_iter().collect();
    // The same numbers, summed in another order.
    assert_close(&what, &dx, &product, 1e-13);
}

#[test]
fn jacobians_against_differences_and_the_backward_pass() {
    let mut random = Random::new(4, Purpose::Sample, 0);
    let drawn = Mask::Drawn { seed: 0, layer: 0, step: 0, first_row: 0 };
    for n in [1, 2, 5, 9] {
        let x = draw(&mut random, n);

        let kept: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i % 3 != 1))).collect();
        for p in [0.0, 0.4, 0.95] {
            let dropout = Dropout::new(p);
            let jacobian = dropout.jacobian(&kept);
            check_jacobian(&dropout, (1, n), &x, &[], Mask::Given(&kept), &jacobian);
        }

        let y = vjp(&Softmax, matrix(&x, 1, n), &[], drawn, matrix(&x, 1, n)).unwrap().y;
        let jacobian = Softmax.jacobian(y.as_slice().unwrap());
        check_jacobian(&Softmax, (1, n), &x, &[], drawn, &jacobian);

        for eps in [1e-5, 0.5] {
            // Below three rows and with a small ε, the derivative is too small for differences (see
            // above).
            if n > 2 || (n == 2 && eps == 0.5) {
                let batch_norm = BatchNorm::new().with_eps(eps);
                let (gamma, beta) = (-1.7, 0.6);
                let jacobian = batch_norm.jacobian(&x, gamma);
                check_jacobian(&batch_norm, (n, 1), &x, &[gamma, beta], drawn, &jacobian);
            }
        }
    }
}

#[test]
fn a_mask_of_p_1_drops_everything_and_its_jacobian_is_zero() {
    let dropout = Dropout::new(1.0);
    assert_eq!(dropout.jacobian(&[1.0, 0.0]), Array2::<f64>::zeros((2, 2)));
    let x = [f64::INFINITY, 2.0];
    let mask = Mask::Drawn { seed: 0, layer: 0, step: 0, first_row: 0 };
    let Vjp { y, dx, .. } =
        vjp(&dropout, matrix(&x, 1, 2), &[], mask, matrix(&[3.0, 4.0], 1, 2)).unwrap();
    assert_eq!((y, dx), (Array2::zeros((1, 2)), Array2::zeros((1, 2))));
}
