//! The output of a head of an ensemble: that of its members, averaged.

use anabranch_data::TaskTarget;
use anabranch_layers::{Infer, Layer, Softmax};
use anabranch_tensor::{ArrayView2, Executor, flat, matrix, matrix_mut};

/// What the members of an ensemble predict for some rows in one task.
///
/// A number is the mean of the members' numbers in the column's units, a probability the mean of
/// their probabilities; how far the members are apart is the sample standard deviation of the same.
/// Both are updated member by member (Welford, *Technometrics* 1962): with d = x − mean, before the
/// n-th member is added,
///
/// ```text
/// mean += d/n        squares += d·(x − mean)
/// ```
///
/// A linear model that counts beside them (see [`Blend`](crate::blend::Blend)) moves the mean.
#[derive(Debug)]
pub(crate) struct HeadMean {
    width: usize,
    n_members: usize,
    /// `[rows, width]`, as a head gives them: numbers in the network's units, scores of classes.
    outputs: Vec<f32>,
    /// What it takes to average; no rows for a single network alone.
    spread: Spread,
}

/// All `[rows, width]`, row by row.
#[derive(Debug)]
struct Spread {
    /// The outputs of a member.
    scores: Vec<f64>,
    /// What they mean: numbers in the column's units, or probabilities.
    x: Vec<f64>,
    mean: Vec<f64>,
    /// The sum of squared distances from the mean.
    squares: Vec<f64>,
}

impl HeadMean {
    /// Room for `max_rows` rows of a task, which `n_parts` predict: the members, and the linear
    /// model if there is one.
    pub(crate) fn new(
        max_rows: usize,
        target: &TaskTarget,
        n_members: usize,
        n_parts: usize,
    ) -> Self {
        let width = target.outputs();
        let zeros = || vec![0.0; if n_parts > 1 { max_rows * width } else { 0 }];
        let spread = Spread { scores: zeros(), x: zeros(), mean: zeros(), squares: zeros() };
        Self { width, n_members, outputs: vec![0.0; max_rows * width], spread }
    }

    /// Adds the output `[rows, width]` of the member with this number; they come in order, from 0.
    pub(crate) fn add(&mut self, member: usize, output: ArrayView2<'_, f32>, target: &TaskTarget) {
        let len = output.len();
        let outputs = &mut self.outputs[..len];
        let is_alone = self.spread.mean.is_empty();
        if is_alone {
            outputs.copy_from_slice(flat(output));
            return;
        }
        self.spread.read(output, target);
        let Spread { x, mean, squares, .. } = &mut self.spread;
        let [x, mean, squares] = [x, mean, squares].map(|all| &mut all[..len]);
        if member == 0 {
            mean.fill(0.0);
            squares.fill(0.0);
        }
        let n = (member + 1) as f64;
        for ((mean, squares), x) in mean.iter_mut().zip(squares).zip(&*x) {
            let d = x - *mean;
            *mean += d / n;
            *squares += d * (x - *mean);
        }
        if member + 1 == self.n_members {
            write_outputs(mean, outputs, target);
        }
    }

    /// Gives the output `[rows, width]` of a linear model a share of the prediction, once all
    /// members have been added.
    pub(crate) fn blend(&mut self, share: f64, output: ArrayView2<'_, f32>, target: &TaskTarget) {
        let len = output.len();
        self.spread.read(output, target);
        let Spread { x, mean, .. } = &mut self.spread;
        let mean = &mut mean[..len];
        for (mean, x) in mean.iter_mut().zip(&*x) {
            *mean = (1.0 - share) * *mean + share * x;
        }
        write_outputs(mean, &mut self.outputs[..len], target);
    }

    /// Divides the averaged scores of classes by a temperature.
    pub(crate) fn temper(&mut self, n_rows: usize, temperature: f64) {
        for z in &mut self.outputs[..n_rows * self.width] {
            *z = (f64::from(*z) / temperature) as f32;
        }
    }

    /// The averaged output `[rows, width]`, once all members have been added.
    pub(crate) fn output(&self, n_rows: usize) -> ArrayView2<'_, f32> {
        matrix(&self.outputs[..n_rows * self.width], n_rows, self.width)
    }

    /// How far the members are apart in each number or probability `[rows, width]`, row by row;
    /// none for a single network.
    pub(crate) fn deviations(&self, n_rows: usize) -> impl Iterator<Item = f64> {
        let n = self.n_members;
        let n_rows = if n > 1 { n_rows } else { 0 };
        let squares = self.spread.squares.iter().take(n_rows * self.width);
        squares.map(move |squares| f64::sqrt(squares / (n - 1) as f64))
    }
}

impl Spread {
    /// Makes `x` what an output `[rows, width]` means.
    fn read(&mut self, output: ArrayView2<'_, f32>, target: &TaskTarget) {
        let len = output.len();
        let (scores, x) = (&mut self.scores[..len], &mut self.x[..len]);
        scores.iter_mut().zip(flat(output)).for_each(|(score, z)| *score = f64::from(*z));
        meanings(scores, x, target);
    }
}

/// Compiled for this machine's vectors, where layers are.
fn softmax() -> Box<dyn Layer<f64>> {
    Softmax.boxed()
}

/// What a head's outputs `scores` mean.
fn meanings(scores: &[f64], x: &mut [f64], target: &TaskTarget) {
    let width = target.outputs();
    match target {
        TaskTarget::Regression(columns) => {
            for (x, scores) in x.chunks_exact_mut(width).zip(scores.chunks_exact(width)) {
                for ((x, z), column) in x.iter_mut().zip(scores).zip(columns) {
                    *x = column.predicted(*z);
                }
            }
        }
        TaskTarget::Classification(_) => softmax().infer(Infer {
            exec: &Executor::serial(),
            input: 0,
            x: matrix(scores, scores.len() / width, width),
            y: matrix_mut(x, scores.len() / width, width),
            params: &[],
            state: &[],
            scratch: &mut [],
        }),
    }
}

/// The outputs of a single network that would mean the same.
fn write_outputs(mean: &[f64], outputs: &mut [f32], target: &TaskTarget) {
    let width = target.outputs();
    match target {
        TaskTarget::Regression(columns) => {
            for (y, mean) in outputs.chunks_exact_mut(width).zip(mean.chunks_exact(width)) {
                for ((y, mean), column) in y.iter_mut().zip(mean).zip(columns) {
                    *y = column.standardise(*mean) as f32;
                }
            }
        }
        TaskTarget::Classification(_) => {
            Softmax::scores(mean, outputs);
        }
    }
}
