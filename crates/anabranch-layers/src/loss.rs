//! Losses: one number from predictions and targets, and its derivative by the predictions.
//!
//! Both are means over the rows of a batch, times a weight w.
//!
//! # Half squared error
//! L = w/m Σ_rows ½‖ŷ − y‖², so ∂L/∂ŷ = w·(ŷ − y)/m.
//!
//! # Softmax cross-entropy
//! With ŷ = softmax(z), L = −w/m Σ_rows Σ_j y_j·log ŷ_j. Since log ŷ_j = z_j − log Σ_k e^(z_k) and the y_j of a row sum
//! to 1, a row's loss is log Σ_k e^(z_k) − Σ_j y_j·z_j, and
//!
//! ```text
//! ∂L/∂z_k = −w/m Σ_j y_j/ŷ_j·∂ŷ_j/∂z_k = w/m·( −(y_k/ŷ_k)·ŷ_k(1−ŷ_k) + Σ_{j≠k} (y_j/ŷ_j)·ŷ_j·ŷ_k )
//!         = w/m·( −y_k + ŷ_k·Σ_j y_j ) = w·(ŷ_k − y_k)/m
//! ```
//!
//! Nothing is divided by ŷ and no logarithm of it is taken: scores of any size are fine.

use std::ops::Range;

use anabranch_tensor::{
    ArrayView2, ArrayViewMut2, Executor, LANES, Part, Scalar, flat, flat_mut, gather_rows, matrix,
    row_dots, row_sum, row_sums, rows_per_chunk,
};

use ndarray::Axis;

use crate::error::LayerError;
use crate::softmax::{SOFTMAX_ROWS, shifted_exp};

/// What predictions are compared with.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a, T> {
    /// A number for each output `[rows, outputs]`, for [`Loss::HalfSquaredError`].
    Values(ArrayView2<'a, T>),
    /// The class of each row, below the number of classes, for [`Loss::SoftmaxCrossEntropy`].
    Classes(&'a [u32]),
    /// A probability for each class `[rows, classes]`, for [`Loss::SoftmaxCrossEntropy`].
    Probabilities(ArrayView2<'a, T>),
}

impl<'a, T: Scalar> Target<'a, T> {
    /// The target of some rows.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn rows(&self, rows: Range<usize>) -> Self {
        let of = |view: &ArrayView2<'a, T>| {
            let (to_end, _) = view.split_at(Axis(0), rows.end);
            to_end.split_at(Axis(0), rows.start).1
        };
        match self {
            Self::Values(view) => Self::Values(of(view)),
            Self::Classes(classes) => Self::Classes(&classes[rows]),
            Self::Probabilities(view) => Self::Probabilities(of(view)),
        }
    }

    /// Copies the targets of the rows `row_idx`, in this order, to the front of `values` or `classes`.
    ///
    /// # Panics
    /// If there are no such rows, or the copy is longer than where it goes.
    pub fn gather<'b>(
        &self,
        row_idx: &[usize],
        (values, classes): (&'b mut [T], &'b mut [u32]),
    ) -> Target<'b, T> {
        let n_rows = row_idx.len();
        let of = |view: &ArrayView2<'a, T>, values: &'b mut [T]| {
            let width = view.ncols();
            let values = &mut values[..n_rows * width];
            gather_rows(flat(*view), width, row_idx, values);
            matrix(values, n_rows, width)
        };
        match self {
            Self::Values(view) => Target::Values(of(view, values)),
            Self::Classes(all) => {
                gather_rows(all, 1, row_idx, &mut classes[..n_rows]);
                Target::Classes(&classes[..n_rows])
            }
            Self::Probabilities(view) => Target::Probabilities(of(view, values)),
        }
    }

    /// Checks what a step relies on: the shape, that classes exist, and that soft labels are distributions.
    ///
    /// # Errors
    /// If the target does not have `rows` rows and `outputs` columns, a class is not below `outputs`, or a row of
    /// soft labels has a negative value or a sum further than 1e-4 from 1.
    pub fn check(&self, rows: usize, outputs: usize) -> Result<(), LayerError> {
        let expected = [rows, outputs];
        let (got, classes) = match self {
            Self::Values(view) | Self::Probabilities(view) => (view.dim().into(), &[][..]),
            Self::Classes(classes) => ([classes.len(), outputs], *classes),
        };
        if got != expected {
            return Err(LayerError::Shape { what: "the target", expected, got });
        }
        if let Some(row) = classes.iter().position(|class| *class as usize >= outputs) {
            return Err(LayerError::Class { row, class: classes[row], classes: outputs });
        }
        if let Self::Probabilities(view) = self {
            for (row, labels) in view.rows().into_iter().enumerate() {
                let min = labels.iter().fold(f64::INFINITY, |min, v| min.min(v.to_f64()));
                let sum = labels.iter().map(|v| v.to_f64()).sum::<f64>();
                // Written so that NaN is refused; f32 labels are rounded.
                let is_distribution = min >= 0.0 && (sum - 1.0).abs() <= 1e-4;
                if !is_distribution {
                    return Err(LayerError::SoftLabels { row, min, sum });
                }
            }
        }
        Ok(())
    }
}

/// A loss and its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// w·½‖ŷ − y‖², for numbers.
    HalfSquaredError {
        /// w.
        weight: f64,
    },
    /// −w·Σ y log softmax(z), for classes.
    SoftmaxCrossEntropy {
        /// w.
        weight: f64,
    },
}

impl Loss {
    /// The weight.
    pub fn weight(self) -> f64 {
        match self {
            Self::HalfSquaredError { weight } | Self::SoftmaxCrossEntropy { weight } => weight,
        }
    }

    /// Writes ∂L/∂`prediction` `[rows, outputs]` (the scores z for classes) to `d`, and the loss of each row, without weight,
    /// to `row_losses` `[rows]`. The rows are all or some of those of a batch of `batch_rows`.
    ///
    /// # Panics
    /// If the target has another shape, a class is not below the number of outputs ([`Target::check`] tells), or the
    /// target is not of the loss's kind.
    pub fn gradient<T: Scalar>(
        self,
        exec: &Executor,
        prediction: ArrayView2<'_, T>,
        target: Target<'_, T>,
        batch_rows: usize,
        d: ArrayViewMut2<'_, T>,
        row_losses: &mut [T],
    ) {
        let (n_rows, width) = prediction.dim();
        let prediction = flat(prediction);
        let scale = T::from_f64(self.weight() / batch_rows as f64);
        let parts = [Part::Rows(flat_mut(d), width), Part::Rows(row_losses, 1)];
        let chunk = rows_per_chunk(width);
        match (self, target) {
            (Self::HalfSquaredError { .. }, Target::Values(y)) => {
                let y = flat(y);
                exec.for_each_chunk(
                    n_rows,
                    chunk,
                    parts,
                    #[inline(always)]
                    |rows, [d, losses]| {
                        let span = rows.start * width..rows.end * width;
                        squared_error_rows(&prediction[span.clone()], &y[span], scale, d, losses);
                    },
                );
            }
            (Self::SoftmaxCrossEntropy { .. }, Target::Classes(classes)) => {
                exec.for_each_chunk(
                    n_rows,
                    chunk,
                    parts,
                    #[inline(always)]
                    |rows, [d, losses]| {
                        let z = &prediction[rows.start * width..rows.end * width];
                        softmax_rows(z, scale, d, losses);
                        subtract_classes(z, &classes[rows], scale, d, losses);
                    },
                );
            }
            (Self::SoftmaxCrossEntropy { .. }, Target::Probabilities(y)) => {
                let y = flat(y);
                exec.for_each_chunk(
                    n_rows,
                    chunk,
                    parts,
                    #[inline(always)]
                    |rows, [d, losses]| {
                        let span = rows.start * width..rows.end * width;
                        let (z, y) = (&prediction[span.clone()], &y[span]);
                        softmax_rows(z, scale, d, losses);
                        subtract_probabilities(z, y, scale, d, losses);
                    },
                );
            }
            (loss, target) => panic!("{loss:?} cannot be compared with {target:?}"),
        }
    }

    /// The loss of a batch, from that of each row.
    pub fn value<T: Scalar>(self, row_losses: &[T]) -> f64 {
        // Side by side: one running sum would wait for each of its additions.
        let mut sums = [0.0; LANES];
        for block in row_losses.chunks(LANES) {
            for (sum, loss) in sums.iter_mut().zip(block) {
                *sum += loss.to_f64();
            }
        }
        self.weight() * row_sum(&sums) / row_losses.len() as f64
    }
}

/// `d` becomes (ŷ − y)·scale; `losses` ½‖ŷ − y‖² of each row.
#[inline(always)]
fn squared_error_rows<T: Scalar>(
    prediction: &[T],
    y: &[T],
    scale: T,
    d: &mut [T],
    losses: &mut [T],
) {
    let width = d.len() / losses.len();
    // So few rows that what one loop has written is in the cache for the next.
    let n_rows = (ROWS_LEN / width).max(1);
    let block = n_rows * width;
    let rows = prediction.chunks(block).zip(y.chunks(block));
    let written = d.chunks_mut(block).zip(losses.chunks_mut(n_rows));
    let half = T::from_f64(0.5);
    for ((d, losses), (prediction, y)) in written.zip(rows) {
        for ((d, prediction), y) in d.iter_mut().zip(prediction).zip(y) {
            *d = *prediction - *y;
        }
        row_dots(d, d, width, losses);
        losses.iter_mut().for_each(|loss| *loss *= half);
        d.iter_mut().for_each(|d| *d *= scale);
    }
}

/// Numbers in the rows that a loss works on together.
const ROWS_LEN: usize = 2048;

/// `d` becomes softmax(z)·scale; `losses` log Σ e^z of each row.
#[inline(always)]
fn softmax_rows<T: Scalar>(z: &[T], scale: T, d: &mut [T], losses: &mut [T]) {
    let width = d.len() / losses.len();
    let block = SOFTMAX_ROWS * width;
    let rows = z.chunks(block).zip(d.chunks_mut(block)).zip(losses.chunks_mut(SOFTMAX_ROWS));
    let mut classes = [[T::ZERO; SOFTMAX_ROWS]; LANES];
    for ((z, d), losses) in rows {
        if width < LANES {
            softmax_narrow_rows(z, scale, d, losses, &mut classes[..width]);
        } else {
            softmax_wide_rows(z, scale, d, losses);
        }
    }
}

/// [`softmax_rows`] of at most [`SOFTMAX_ROWS`] rows.
#[inline(always)]
fn softmax_wide_rows<T: Scalar>(z: &[T], scale: T, d: &mut [T], losses: &mut [T]) {
    let width = d.len() / losses.len();
    let mut maxima = [T::ZERO; SOFTMAX_ROWS];
    // Rows that are missing have the sum 1.
    let mut sums = [T::ONE; SOFTMAX_ROWS];
    shifted_exp(z, d, &mut maxima[..losses.len()]);
    row_sums(d, width, &mut sums[..losses.len()]);
    let factors = finish_softmax(scale, &mut maxima, &sums, losses);
    for (d, factor) in d.chunks_exact_mut(width).zip(&factors) {
        d.iter_mut().for_each(|d| *d *= *factor);
    }
}

/// The same for rows of fewer than [`LANES`] classes, class by class: rows that short would leave vectors empty. Rows that
/// are missing have some scores in `classes`.
#[inline(always)]
fn softmax_narrow_rows<T: Scalar>(
    z: &[T],
    scale: T,
    d: &mut [T],
    losses: &mut [T],
    classes: &mut [[T; SOFTMAX_ROWS]],
) {
    let (n_rows, width) = (losses.len(), classes.len());
    for (c, class) in classes.iter_mut().enumerate() {
        for i in 0..n_rows {
            class[i] = z[i * width + c];
        }
    }
    let mut maxima = [T::NEG_INFINITY; SOFTMAX_ROWS];
    for class in classes.iter() {
        for i in 0..SOFTMAX_ROWS {
            // NaN is left out, as in a row's maximum.
            maxima[i] = if class[i] > maxima[i] { class[i] } else { maxima[i] };
        }
    }
    let mut sums = [T::ZERO; SOFTMAX_ROWS];
    for class in classes.iter_mut() {
        for i in 0..SOFTMAX_ROWS {
            class[i] = T::exp(class[i] - maxima[i]);
            sums[i] += class[i];
        }
    }
    let factors = finish_softmax(scale, &mut maxima, &sums, losses);
    for (c, class) in classes.iter_mut().enumerate() {
        for i in 0..SOFTMAX_ROWS {
            class[i] *= factors[i];
        }
        for i in 0..n_rows {
            d[i * width + c] = class[i];
        }
    }
}

/// log Σ e^z of each row to `losses`, and what turns e^(z − max) into softmax(z)·scale.
#[inline(always)]
fn finish_softmax<T: Scalar>(
    scale: T,
    maxima: &mut [T; SOFTMAX_ROWS],
    sums: &[T; SOFTMAX_ROWS],
    losses: &mut [T],
) -> [T; SOFTMAX_ROWS] {
    let mut factors = [T::ZERO; SOFTMAX_ROWS];
    for i in 0..SOFTMAX_ROWS {
        factors[i] = scale / sums[i];
        maxima[i] += T::ln(sums[i]);
    }
    losses.copy_from_slice(&maxima[..losses.len()]);
    factors
}

/// From softmax(z)·scale and log Σ e^z to (softmax(z) − y)·scale and −log softmax(z)[class], where y is 1 for the class
/// of a row and else 0.
#[inline(always)]
fn subtract_classes<T: Scalar>(z: &[T], classes: &[u32], scale: T, d: &mut [T], losses: &mut [T]) {
    let width = d.len() / losses.len();
    for (row, (class, loss)) in classes.iter().zip(losses).enumerate() {
        // Within the row: a class that there is not must not reach into the next one.
        let i = row * width + (*class as usize);
        assert!((*class as usize) < width, "class {class} of {width}");
        d[i] -= scale;
        *loss -= z[i];
    }
}

/// The same for soft labels y: the loss of a row is Σ y·(log Σ e^z − z).
#[inline(always)]
fn subtract_probabilities<T: Scalar>(z: &[T], y: &[T], scale: T, d: &mut [T], losses: &mut [T]) {
    let width = d.len() / losses.len();
    let rows = z.chunks_exact(width).zip(y.chunks_exact(width));
    for ((d, (z, y)), loss) in d.chunks_exact_mut(width).zip(rows).zip(losses) {
        let log_sum = *loss;
        *loss = T::ZERO;
        for ((d, z), y) in d.iter_mut().zip(z).zip(y) {
            *d -= scale * *y;
            *loss += *y * (log_sum - *z);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_tensor::{matrix, matrix_mut};

    fn gradient(loss: Loss, z: &[f64], rows: usize, target: Target<'_, f64>) -> (f64, Vec<f64>) {
        let mut d = vec![f64::NAN; z.len()];
        let width = z.len() / rows;
        let mut scratch = vec![f64::NAN; rows];
        let exec = Executor::serial();
        let d_view = matrix_mut(&mut d, rows, width);
        loss.gradient(&exec, matrix(z, rows, width), target, rows, d_view, &mut scratch);
        (loss.value(&scratch), d)
    }

    #[test]
    fn squared_error_by_hand() {
        let loss = Loss::HalfSquaredError { weight: 2.0 };
        let y = [1.0, 0.0, 0.0, 4.0];
        let target = Target::Values(matrix(&y, 2, 2));
        let (value, d) = gradient(loss, &[2.0, 0.0, 3.0, 2.0], 2, target);
        // 2/2·½·(1 + 0 + 9 + 4), and 2·(ŷ − y)/2.
        assert_eq!((value, d), (7.0, vec![1.0, 0.0, 3.0, -2.0]));
    }

    #[test]
    fn classes_and_one_hot_labels_agree_and_huge_scores_are_finite() {
        let loss = Loss::SoftmaxCrossEntropy { weight: 1.0 };
        let z = [1e4, -1e4, 0.0, 0.3, 0.1, -2.0];
        let (by_class, d_class) = gradient(loss, &z, 2, Target::Classes(&[1, 0]));
        let labels = [0.0, 1.0, 0.0, 1.0, 0.0, 0.0];
        let (by_label, d_label) =
            gradient(loss, &z, 2, Target::Probabilities(matrix(&labels, 2, 3)));
        // The first row costs 2e4; the second log(1 + e^−0.2 + e^−2.3).
        let second = (1.0 + (-0.2f64).exp() + (-2.3f64).exp()).ln();
        assert!((by_class - (2e4 + second) / 2.0).abs() < 1e-11, "{by_class}");
        assert!((by_label - by_class).abs() < 1e-11);
        for (a, b) in d_class.iter().zip(&d_label) {
            assert!((a - b).abs() < 1e-16 && a.is_finite());
        }
        assert_eq!(&d_class[..3], [0.5, -0.5, 0.0]);
    }

    /// Rows are worked on together: many of them, also where the last are few, give what each gives alone.
    #[test]
    fn many_rows_give_what_each_gives_alone() {
        let rows = 70;
        for width in [1, 3, 15, 16, 37] {
            let z: Vec<f64> = (0..rows * width).map(|i| ((i * 37) % 101) as f64 * 0.07).collect();
            let y: Vec<f64> = (0..rows * width).map(|i| ((i * 17) % 23) as f64 * 0.1).collect();
            let classes: Vec<u32> = (0..rows).map(|i| ((i * 7) % width) as u32).collect();
            let values = |range: std::ops::Range<usize>| {
                let n = range.len();
                Target::Values(matrix(&y[range.start * width..range.end * width], n, width))
            };
            let squared = Loss::HalfSquaredError { weight: 1.0 };
            let cross_entropy = Loss::SoftmaxCrossEntropy { weight: 1.0 };
            let (all_a, d_a) = gradient(squared, &z, rows, values(0..rows));
            let (all_b, d_b) = gradient(cross_entropy, &z, rows, Target::Classes(&classes));
            let mut sums = [0.0; 2];
            for row in 0..rows {
                let span = row * width..(row + 1) * width;
                let z = &z[span.clone()];
                let (loss_a, alone_a) = gradient(squared, z, 1, values(row..row + 1));
                let class = Target::Classes(&classes[row..=row]);
                let (loss_b, alone_b) = gradient(cross_entropy, z, 1, class);
                sums = [sums[0] + loss_a, sums[1] + loss_b];
                for (d, alone) in [(&d_a[span.clone()], alone_a), (&d_b[span], alone_b)] {
                    for (d, alone) in d.iter().zip(alone) {
                        // The scale 1/70 is rounded once, and multiplied earlier or later.
                        assert!((d * rows as f64 - alone).abs() <= 4e-16 * alone.abs().max(1.0));
                    }
                }
            }
            for (all, sum) in [(all_a, sums[0]), (all_b, sums[1])] {
                assert!((all - sum / rows as f64).abs() <= 1e-14 * all.abs().max(1.0), "{width}");
            }
        }
    }

    #[test]
    fn bad_targets_are_named() {
        let labels = [0.5, 0.5, 0.7, 0.7, -0.1, 1.1];
        let rows = |range: std::ops::Range<usize>| {
            Target::Probabilities(matrix(&labels[2 * range.start..2 * range.end], range.len(), 2))
        };
        assert_eq!(rows(0..1).check(1, 2), Ok(()));
        assert!(matches!(rows(0..2).check(2, 2), Err(LayerError::SoftLabels { row: 1, .. })));
        assert!(matches!(rows(2..3).check(1, 2), Err(LayerError::SoftLabels { row: 0, .. })));
        assert!(matches!(rows(0..1).check(1, 3), Err(LayerError::Shape { .. })));
        assert!(matches!(
            Target::<f64>::Classes(&[0, 3]).check(2, 3),
            Err(LayerError::Class { row: 1, class: 3, classes: 3 })
        ));
    }
}
