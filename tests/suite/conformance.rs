//! One table of layers and sizes, and everything that must hold for each: in f32 and f64, on 1, 2,
//! 3 and 8 threads.

use anabranch_layers::{
    Activation, Affine, Backward, BatchNorm, Dropout, Dx, Forward, Infer, Layer, LayerNorm, Linear,
    Loss, LossGradient, LossKind, Mask, PRelu, Pointwise, RunningVariance, Shape, Softmax, Target,
    backward_batch, forward_batch, mean_loss,
};
use anabranch_tensor::columns::n_row_chunks;
use anabranch_tensor::{Accum, Executor, Scalar, matrix, matrix_mut};

use crate::measure::{central_difference, draw, draw_distributions, random, relative_error};

const THREADS: [usize; 4] = [1, 2, 3, 8];

/// (rows, inputs): one column, sizes below one task, and one that every loop cuts into several
/// tasks: 8 chunks of rows for the element-wise ones, and 2·1801·37·83 operations, over the GEMM's
/// gate of 4 million, in the products.
const SIZES: [(usize, usize); 4] = [(2, 1), (3, 7), (33, 20), (1801, 37)];

/// Outputs of the linear layers.
const OUTPUTS: usize = 83;

/// A row of the table.
struct Case<T> {
    layer: Box<dyn Layer<T>>,
    /// What a training pass of this layer must agree with the evaluation of the first: itself, or
    /// without dropout.
    evaluates_as: Box<dyn Layer<T>>,
    /// Whether it has ReLUs: a difference is refused where they switch.
    has_relu: bool,
}

fn case<T: Scalar>(layer: impl Layer<T> + Clone + 'static) -> Case<T> {
    let has_relu = layer.shape(&[1]).expect("a valid layer").pointwise == Some(Pointwise::Relu);
    Case { evaluates_as: Box::new(layer.clone()), layer: Box::new(layer), has_relu }
}

/// The table. Batch normalisation takes over the batch's statistics as they are, so that evaluation
/// can be compared.
fn cases<T: Scalar>() -> Vec<Case<T>> {
    let linear = Linear::new(OUTPUTS);
    let fused_relu = || Layer::<T>::fuse(&linear, Pointwise::Relu).expect("linear + relu");
    let fused_dropout = || fused_relu().fuse(Pointwise::Dropout(0.4)).expect("+ dropout");
    let mut cases = vec![
        case(linear.clone()),
        case(Linear::new(1)),
        Case { layer: fused_relu(), evaluates_as: fused_relu(), has_relu: true },
        Case { layer: fused_dropout(), evaluates_as: fused_relu(), has_relu: true },
        case(Softmax),
        case(LayerNorm::new()),
        Case { has_relu: true, ..case(PRelu::new()) },
    ];
    for activation in Activation::ALL {
        cases.push(case(activation));
    }
    for p in [0.0, 0.4, 1.0] {
        let dropout = Dropout::new(p);
        cases.push(Case { evaluates_as: Box::new(Activation::Identity), ..case(dropout) });
    }
    for affine in [Affine::PerUnit, Affine::Shared] {
        let batch_norm = BatchNorm::new().with_eps(0.5).with_affine(affine);
        let exact = batch_norm.with_momentum(1.0).with_running_variance(RunningVariance::Biased);
        cases.push(case(exact));
    }
    cases
}

/// All that a layer can be asked for on one batch.
#[derive(Debug, PartialEq)]
struct Results<T> {
    y: Vec<T>,
    dx: Vec<T>,
    grads: Vec<T>,
    state: Vec<T>,
    infer: Vec<T>,
}

/// The input of a pass.
struct Instance<T> {
    rows: usize,
    inputs: usize,
    x: Vec<T>,
    params: Vec<T>,
    dy: Vec<T>,
}

impl<T: Scalar> Instance<T> {
    fn draw(shape: &Shape, rows: usize, inputs: usize) -> Self {
        let mut random = random(rows);
        let x = draw(&mut random, rows * inputs);
        let n_params = shape.params.iter().map(|spec| spec.n_elements()).sum();
        let params = draw(&mut random, n_params);
        Self { rows, inputs, x, params, dy: draw(&mut random, rows * shape.outputs) }
    }

    /// Every output and every scratch begins as NaN: what a layer reads before it has written it
    /// shows.
    fn run(&self, layer: &dyn Layer<T>, exec: &Executor, accum: Accum) -> Results<T> {
        let Self { rows, inputs, x, params, dy } = self;
        let shape = layer.shape(&[*inputs]).expect("a valid layer");
        let memory = layer.memory(exec, *rows, &[*inputs]);
        let nan = |len: usize| vec![T::from_f64(f64::NAN); len];
        let (mut y, mut infer) = (nan(dy.len()), nan(dy.len()));
        let (mut saved, mut scratch) = (nan(memory.saved_len), nan(memory.scratch_len));
        let mut state =
            vec![T::ZERO; shape.state.iter().map(|spec| spec.n_elements()).sum::<usize>()];
        let mut dx = match accum {
            Accum::Replace => nan(x.len()),
            Accum::Add => vec![T::ONE; x.len()],
        };
        let mut grads = nan(params.len());
        let mut dy = dy.clone();
        let x = matrix(x, *rows, *inputs);
        let forward = Forward {
            exec,
            input: 0,
            x,
            y: matrix_mut(&mut y, *rows, shape.outputs),
            params,
            state: &[],
            saved: &mut saved,
            scratch: &mut scratch,
            mask: Mask::Drawn { seed: 1, layer: 2, step: 3, first_row: 0 },
        };
        forward_batch(layer, forward, &mut state);
        scratch.fill(T::from_f64(f64::NAN));
        let backward = Backward {
            exec,
            input: 0,
            x,
            y: matrix(&y, *rows, shape.outputs),
            dy: matrix_mut(&mut dy, *rows, shape.outputs),
            dx: Some(Dx { values: matrix_mut(&mut dx, *rows, *inputs), accum }),
            params,
            saved: &saved,
            scratch: &mut scratch,
        };
        backward_batch(layer, backward, &mut grads);
        scratch.fill(T::from_f64(f64::NAN));
        layer.infer(Infer {
            exec,
            input: 0,
            x,
            y: matrix_mut(&mut infer, *rows, shape.outputs),
            params,
            state: &state,
            scratch: &mut scratch,
        });
        Results { y, dx, grads, state, infer }
    }
}

fn is_finite<T: Scalar>(values: &[T]) -> bool {
    values.iter().all(|v| v.is_finite())
}

/// Calls `f` with each case, its instance of each size, and a name for messages.
fn for_each_instance<T: Scalar>(mut f: impl FnMut(&Case<T>, &Instance<T>, &str)) {
    for case in cases::<T>() {
        for (rows, inputs) in SIZES {
            let shape = case.layer.shape(&[inputs]).expect("a valid layer");
            let what = format!("{} {} {rows}x{inputs}", case.layer.describe(), T::NAME);
            f(&case, &Instance::draw(&shape, rows, inputs), &what);
        }
    }
}

#[test]
fn everything_is_written_and_dx_is_replaced_or_added_to() {
    fn check<T: Scalar>() {
        let exec = Executor::serial();
        for_each_instance::<T>(|case, instance, what| {
            let replaced = instance.run(case.layer.as_ref(), &exec, Accum::Replace);
            let Results { y, dx, grads, state, infer } = &replaced;
            for values in [y, dx, grads, state, infer] {
                assert!(is_finite(values), "{what}");
            }
            let added = instance.run(case.layer.as_ref(), &exec, Accum::Add);
            // 1 + dx, whatever was there before; one rounding, or another order of a product's sum.
            let expected: Vec<T> = dx.iter().map(|dx| *dx + T::ONE).collect();
            let tolerance = if T::NAME == "f32" { 1e-6 } else { 1e-14 };
            let error = relative_error(&added.dx, &expected);
            assert!(error <= tolerance, "{what}: {error:.1e}");
            assert_eq!(added.grads, *grads, "{what}: gradients of parameters are replaced");
        });
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    fn check<T: Scalar>() {
        let execs = THREADS.map(|threads| Executor::new(threads).expect("a few threads"));
        for_each_instance::<T>(|case, instance, what| {
            let run = |exec: &Executor| instance.run(case.layer.as_ref(), exec, Accum::Replace);
            let expected = run(&execs[0]);
            for exec in &execs[1..] {
                // Equal and finite (above): the same bits, but for the sign of zero.
                assert!(run(exec) == expected, "{what} on {} threads", exec.threads());
                let inside = exec.enter(|| run(exec));
                assert!(inside == expected, "{what} inside {} threads", exec.threads());
            }
        });
    }
    check::<f32>();
    check::<f64>();
}

/// The derivative along a random direction, of all inputs and of each array of parameters, in f64.
#[test]
fn gradients_agree_with_differences_along_random_directions() {
    let exec = Executor::serial();
    let (mut n_checked, mut n_left_out) = (0, 0);
    for_each_instance::<f64>(|case, instance, what| {
        let layer = case.layer.as_ref();
        let results = instance.run(layer, &exec, Accum::Replace);
        let shape = layer.shape(&[instance.inputs]).expect("a valid layer");
        let mut directions = vec![("x", 0..instance.x.len())];
        let mut start = 0;
        for spec in &shape.params {
            directions.push((spec.name, start..start + spec.n_elements()));
            start += spec.n_elements();
        }
        let mut random = random(7);
        for (i, (name, range)) in directions.into_iter().enumerate() {
            let is_input = i == 0;
            let v: Vec<f64> = draw(&mut random, range.len());
            let n = (v.len() as f64).sqrt();
            let sample = |t: f64| {
                let (mut x, mut params) = (instance.x.clone(), instance.params.clone());
                let moved = if is_input { &mut x } else { &mut params[range.clone()] };
                moved.iter_mut().zip(&v).for_each(|(value, v)| *value += t * v / n);
                let instance = Instance { x, params, dy: instance.dy.clone(), ..*instance };
                instance.run(layer, &exec, Accum::Replace).y
            };
            let value = |t: f64| sample(t).iter().zip(&instance.dy).map(|(y, dy)| y * dy).sum();
            let h = 1e-5;
            if case.has_relu {
                // A ReLU that opens between the samples has no derivative there.
                let open = |t: f64| sample(t).into_iter().map(|y| y > 0.0).collect::<Vec<_>>();
                if open(-2.0 * h) != open(2.0 * h) {
                    n_left_out += 1;
                    continue;
                }
            }
            n_checked += 1;
            let gradient = if is_input { &results.dx } else { &results.grads[range.clone()] };
            let analytic: f64 = gradient.iter().zip(&v).map(|(g, v)| g * v / n).sum();
            let difference = central_difference(h, value);
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            // Relative to the largest derivative along a direction of this length; rounding of a
            // sum of some thousand terms over h is about 1e-9, so that is the size below which
            // nothing can be said.
            let error = (analytic - difference).abs() / (norm + 1e-2);
            assert!(error <= 1e-6, "{what} {name}: {analytic} {difference} of {norm}");
        }
    });
    assert!(10 * n_left_out <= n_checked, "{n_left_out} left out, {n_checked} checked");
}

/// f32 against f64 on the same numbers: sums of up to 1801 terms, each rounded to 6e-8.
#[test]
fn f32_agrees_with_f64() {
    let exec = Executor::serial();
    for (narrow, wide) in cases::<f32>().into_iter().zip(cases::<f64>()) {
        for (rows, inputs) in SIZES {
            let shape = narrow.layer.shape(&[inputs]).expect("a valid layer");
            let instance = Instance::<f32>::draw(&shape, rows, inputs);
            let widen = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect();
            let instance_f64 = Instance::<f64> {
                rows,
                inputs,
                x: widen(&instance.x),
                params: widen(&instance.params),
                dy: widen(&instance.dy),
            };
            let a = instance.run(narrow.layer.as_ref(), &exec, Accum::Replace);
            let b = instance_f64.run(wide.layer.as_ref(), &exec, Accum::Replace);
            for (name, a, b) in [
                ("y", &a.y, &b.y),
                ("dx", &a.dx, &b.dx),
                ("grads", &a.grads, &b.grads),
                ("state", &a.state, &b.state),
                ("infer", &a.infer, &b.infer),
            ] {
                let error = relative_error(a, b);
                let layer = narrow.layer.describe();
                assert!(error <= 1e-6, "{layer} {rows}x{inputs} {name}: {error:.1e}");
            }
        }
    }
}

#[test]
fn evaluation_agrees_with_training_without_dropout() {
    fn check<T: Scalar>() {
        let exec = Executor::serial();
        for_each_instance::<T>(|case, instance, what| {
            let infer = instance.run(case.layer.as_ref(), &exec, Accum::Replace).infer;
            let trained = instance.run(case.evaluates_as.as_ref(), &exec, Accum::Replace).y;
            // Batch normalisation divides by a square root in one and multiplies by its inverse in
            // the other.
            let tolerance = if T::NAME == "f32" { 1e-6 } else { 1e-14 };
            let error = relative_error(&infer, &trained);
            assert!(error <= tolerance, "{what}: {error:.1e}");
        });
    }
    check::<f32>();
    check::<f64>();
}

/// (rows, outputs) of the losses, the last cut into several tasks.
const LOSS_SIZES: [(usize, usize); 4] = [(1, 1), (5, 3), (40, 100), (1801, 37)];

/// Value and gradient of a loss, each with its name, on every executor.
fn losses<T: Scalar>(
    exec: &Executor,
    rows: usize,
    outputs: usize,
) -> Vec<(&'static str, f64, Vec<T>)> {
    let mut random = random(rows);
    let prediction = draw::<T>(&mut random, rows * outputs);
    let values = draw::<T>(&mut random, rows * outputs);
    let classes: Vec<u32> = (0..rows).map(|_| random.below(outputs as u64) as u32).collect();
    let labels = draw_distributions::<T>(&mut random, rows, outputs);
    let yes_no: Vec<T> = classes
        .iter()
        .flat_map(|c| (0..outputs as u32).map(|j| T::from_f64((j <= *c).into())))
        .collect();
    let weighted = LossKind::CrossEntropy {
        label_smoothing: 0.1,
        class_weights: (0..outputs).map(|class| 0.5 + class as f64).collect(),
    };
    let numbers = Target::Values(matrix(&values, rows, outputs));
    [
        ("squared error", LossKind::HalfSquaredError, numbers),
        ("absolute error", LossKind::AbsoluteError, numbers),
        ("huber", LossKind::HUBER, numbers),
        ("pinball", LossKind::Pinball { quantile: 0.9 }, numbers),
        ("yes or no", LossKind::BinaryCrossEntropy, Target::Values(matrix(&yes_no, rows, outputs))),
        ("classes", LossKind::CROSS_ENTROPY, Target::Classes(&classes)),
        (
            "soft labels",
            LossKind::CROSS_ENTROPY,
            Target::Probabilities(matrix(&labels, rows, outputs)),
        ),
        ("weighted classes", weighted, Target::Classes(&classes)),
    ]
    .map(|(name, loss, target)| {
        let loss = loss.boxed();
        let nan = T::from_f64(f64::NAN);
        let (mut d, mut scratch) = (vec![nan; rows * outputs], vec![nan; rows]);
        loss.gradient(LossGradient {
            exec,
            prediction: matrix(&prediction, rows, outputs),
            target,
            scale: T::from_f64(0.7 / rows as f64),
            d: matrix_mut(&mut d, rows, outputs),
            row_losses: &mut scratch,
        });
        (name, mean_loss(0.7, &scratch), d)
    })
    .into()
}

#[test]
fn losses_do_not_depend_on_threads_and_f32_agrees_with_f64() {
    let execs = THREADS.map(|threads| Executor::new(threads).expect("a few threads"));
    for (rows, outputs) in LOSS_SIZES {
        let wide = losses::<f64>(&execs[0], rows, outputs);
        let narrow = losses::<f32>(&execs[0], rows, outputs);
        for ((name, value, d), (_, value_f32, d_f32)) in wide.iter().zip(&narrow) {
            assert!(value.is_finite() && is_finite(d), "{name}");
            assert!((value - value_f32).abs() <= 1e-6 * value.abs() + 1e-7, "{name}: {value_f32}");
            assert!(relative_error(d, d_f32) <= 1e-6, "{name} {rows}x{outputs}");
        }
        for exec in &execs[1..] {
            assert!(losses::<f64>(exec, rows, outputs) == wide, "{rows}x{outputs}");
            assert!(losses::<f32>(exec, rows, outputs) == narrow, "{rows}x{outputs}");
        }
    }
}

/// What the table's last size promises: every kind of loop is cut into several tasks.
#[test]
fn the_largest_size_is_cut_into_tasks() {
    let (rows, inputs) = SIZES[3];
    for width in [inputs, OUTPUTS] {
        // The number of chunks from which the executor shares them out.
        assert!(n_row_chunks(rows, width) >= 8);
    }
    // The gate below which a product stays on one thread.
    assert!(2 * rows * inputs * OUTPUTS >= 4_000_000);
}
