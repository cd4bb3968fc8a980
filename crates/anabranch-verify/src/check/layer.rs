//! Checks of a single layer.

use anabranch_layers::{
    Backward, Dx, Forward, Infer, Layer, LayerError, Mask, Shape, backward_batch, forward_batch,
};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Accum, Executor, Scalar, matrix, matrix_mut};

use super::report::Report;
use super::{ORDER, SINGLE, THREADS, difference, draw, executor, nan, same, widen, written};

/// Everything that a layer can compute on one batch.
struct Results<T> {
    y: Vec<T>,
    dx: Vec<T>,
    grads: Vec<T>,
    state: Vec<T>,
    evaluation: Vec<T>,
}

/// A batch, parameters, and a derivative with respect to the output.
struct Inputs<T> {
    rows: usize,
    inputs: usize,
    x: Vec<T>,
    params: Vec<T>,
    dy: Vec<T>,
    /// The step that masks are drawn for.
    step: u64,
}

/// Checks `layer` on a batch of `rows` rows of `inputs` columns, with random parameters.
///
/// Sizes worth trying: one column, a few, and several hundred rows, where loops are cut into tasks.
///
/// # Errors
/// If the layer refuses the size.
pub fn check_layer<L: Layer<f32> + Layer<f64>>(
    layer: &L,
    rows: usize,
    inputs: usize,
) -> Result<Report, LayerError> {
    let serial = Executor::serial();
    let shape = Layer::<f64>::shape(layer, &[inputs])?;
    if rows < shape.min_rows {
        return Err(LayerError::Rows { layer: "check", expected: shape.min_rows, rows });
    }
    let mut report =
        Report::new(format!("{}, {rows} rows of {inputs}", Layer::<f64>::describe(layer)));
    let given = Inputs::<f64>::draw(&shape, rows, inputs);
    let results = given.run(layer, &serial, Accum::Replace)?;
    let Results { y, dx, grads, state, evaluation } = &results;
    let all = results.all();
    report.add("written", written(&all), 0.0);

    let value = |y: &[f64]| y.iter().zip(&given.dy).map(|(y, dy)| y * dy).sum::<f64>();
    let value_at = |given: &Inputs<f64>| match given.run(layer, &serial, Accum::Replace) {
        Ok(results) => value(&results.y),
        Err(_) => f64::NAN,
    };
    difference::compare(&mut report, "x", (&given.x, dx), sample(dx.len()), |x| {
        value_at(&Inputs { x: x.to_vec(), ..given.clone() })
    });
    let mut start = 0;
    for spec in &shape.params {
        let entries = sample(spec.n_elements()).map(|entry| start + entry);
        difference::compare(&mut report, spec.name, (&given.params, grads), entries, |params| {
            value_at(&Inputs { params: params.to_vec(), ..given.clone() })
        });
        start += spec.n_elements();
    }

    let added = given.run(layer, &serial, Accum::Add)?;
    let expected: Vec<f64> = dx.iter().map(|dx| 1.0 + dx).collect();
    report.compare("added", &added.dx, &expected, ORDER);
    for threads in THREADS {
        let exec = executor(threads);
        let on_threads = exec.enter(|| given.run(layer, &exec, Accum::Replace))?.all();
        report.add(format!("{threads} threads"), same(&all, &on_threads), 0.0);
    }
    let single = Inputs::<f32>::draw(&shape, rows, inputs);
    let single = single.run(layer, &serial, Accum::Replace)?;
    report.compare("f32, y", &widen(&single.y), y, SINGLE);
    report.compare("f32, dx", &widen(&single.dx), dx, SINGLE);
    report.compare("f32, parameters", &widen(&single.grads), grads, SINGLE);

    // A layer that drops has another output with other masks, or zero with all dropped; its
    // evaluation is neither.
    let mut drops = y.iter().all(|y| *y == 0.0);
    for step in 0..8 {
        let masked = Inputs { step, ..given.clone() };
        drops |= masked.run(layer, &serial, Accum::Replace)?.y != *y;
    }
    if state.is_empty() && !drops {
        report.compare("evaluation", evaluation, y, ORDER);
    }
    Ok(report)
}

/// At most 40 entries, evenly spaced.
fn sample(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(len.div_ceil(40).max(1))
}

impl<T: Clone> Clone for Inputs<T> {
    fn clone(&self) -> Self {
        let Self { rows, inputs, ref x, ref params, ref dy, step } = *self;
        Self { rows, inputs, x: x.clone(), params: params.clone(), dy: dy.clone(), step }
    }
}

impl<T: Scalar> Inputs<T> {
    fn draw(shape: &Shape, rows: usize, inputs: usize) -> Self {
        let mut random = Random::new(1, Purpose::Sample, rows as u64);
        let n_params = shape.params.iter().map(|spec| spec.n_elements()).sum();
        let x = draw(&mut random, rows * inputs);
        let params = draw(&mut random, n_params);
        let dy = draw(&mut random, rows * shape.outputs);
        Self { rows, inputs, x, params, dy, step: 3 }
    }

    fn run(
        &self,
        layer: &dyn Layer<T>,
        exec: &Executor,
        accum: Accum,
    ) -> Result<Results<T>, LayerError> {
        let Self { rows, inputs, ref x, ref params, ref dy, step } = *self;
        let shape = layer.shape(&[inputs])?;
        let memory = layer.memory(exec, rows, &[inputs]);
        let (mut y, mut evaluation) = (nan(dy.len()), nan(dy.len()));
        let (mut saved, mut scratch) = (nan(memory.saved_len), nan(memory.scratch_len));
        let mut state =
            vec![T::ONE; shape.state.iter().map(|spec| spec.n_elements()).sum::<usize>()];
        let mut dx = match accum {
            Accum::Replace => nan(x.len()),
            Accum::Add => vec![T::ONE; x.len()],
        };
        let (mut grads, mut dy) = (nan(params.len()), dy.clone());
        let x = matrix(x, rows, inputs);
        let forward = Forward {
            exec,
            input: 0,
            x,
            y: matrix_mut(&mut y, rows, shape.outputs),
            params,
            state: &[],
            saved: &mut saved,
            scratch: &mut scratch,
            mask: Mask::Drawn { seed: 1, layer: 2, step, first_row: 0 },
        };
        forward_batch(layer, forward, &mut state);
        scratch.fill(T::from_f64(f64::NAN));
        let backward = Backward {
            exec,
            input: 0,
            x,
            y: matrix(&y, rows, shape.outputs),
            dy: matrix_mut(&mut dy, rows, shape.outputs),
            dx: Some(Dx { values: matrix_mut(&mut dx, rows, inputs), accum }),
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
            y: matrix_mut(&mut evaluation, rows, shape.outputs),
            params,
            state: &state,
            scratch: &mut scratch,
        });
        Ok(Results { y, dx, grads, state, evaluation })
    }
}

impl<T: Scalar> Results<T> {
    fn all(&self) -> Vec<T> {
        let Self { y, dx, grads, state, evaluation } = self;
        [y, dx, grads, state, evaluation].into_iter().flatten().copied().collect()
    }
}
