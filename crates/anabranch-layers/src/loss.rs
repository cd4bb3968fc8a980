//! The loss trait: one number from predictions and targets, and its derivative with respect to the
//! predictions.

use std::fmt::Debug;

use anabranch_tensor::lanes::LANES;
use anabranch_tensor::parallel::Part;
use anabranch_tensor::rows::row_sum;
use anabranch_tensor::{ArrayView2, ArrayViewMut2, Executor, Scalar, flat, flat_mut};
use ndarray::Array2;

use crate::error::LayerError;
use crate::target::{Target, TargetKind};

/// Arguments of [`Loss::gradient`].
#[derive(Debug)]
pub struct LossGradient<'a, 't, T> {
    /// Executor that runs the loops.
    pub exec: &'a Executor,
    /// The predictions `[rows, outputs]`; scores for classes.
    pub prediction: ArrayView2<'a, T>,
    /// The target, with as many rows.
    pub target: Target<'t, T>,
    /// The factor of ∂ℓ/∂prediction: the task's weight divided by the rows of the batch.
    pub scale: T,
    /// scale·∂ℓ/∂prediction `[rows, outputs]`, to be overwritten.
    pub d: ArrayViewMut2<'a, T>,
    /// ℓ of each row, without the scale, to be overwritten.
    pub row_losses: &'a mut [T],
}

impl<'t, T: Scalar> LossGradient<'_, 't, T> {
    /// The target's numbers in row-major order.
    ///
    /// # Panics
    /// If the target is not numbers in the shape of the predictions.
    #[track_caller]
    pub(crate) fn values(&self) -> &'t [T] {
        match self.target {
            Target::Values(y) if y.dim() == self.prediction.dim() => flat(y),
            target => panic!("numbers {:?} expected, got {target:?}", self.prediction.dim()),
        }
    }

    /// Runs `f(numbers, d, row losses)` for chunks of rows; `numbers` is a range of elements.
    pub(crate) fn for_each_chunk(
        self,
        f: impl Fn(std::ops::Range<usize>, &mut [T], &mut [T]) + Sync,
    ) {
        let dim = self.prediction.dim();
        let parts = [Part::Rows(flat_mut(self.d), dim.1), Part::Rows(self.row_losses, 1)];
        self.exec.for_each_span(
            dim,
            parts,
            #[inline(always)]
            |span, [d, losses]| f(span, d, losses),
        );
    }
}

/// The cost of predictions, row by row, and its derivative.
pub trait Loss<T: Scalar>: Debug + Send + Sync {
    /// The kind of target it takes.
    fn target_kind(&self) -> TargetKind;

    /// Writes scale·∂ℓ/∂prediction and ℓ of each row.
    ///
    /// # Panics
    /// If the target fails [`check_target`](Self::check_target).
    fn gradient(&self, cx: LossGradient<'_, '_, T>);

    /// The kind and hyperparameters in readable form: `huber delta=1`.
    fn describe(&self) -> String;

    /// Checks the hyperparameters for a head with `outputs` outputs. The default is for losses
    /// without hyperparameters.
    ///
    /// # Errors
    /// If one is out of range.
    fn check(&self, outputs: usize) -> Result<(), LayerError> {
        let _ = outputs;
        Ok(())
    }

    /// Checks that a target can be compared with predictions `[rows, outputs]`. The default checks
    /// it against the [kind](Self::target_kind).
    ///
    /// # Errors
    /// If it is of another kind or shape, or holds an invalid value.
    fn check_target(
        &self,
        target: &Target<'_, T>,
        rows: usize,
        outputs: usize,
    ) -> Result<(), LayerError> {
        target.check(self.target_kind(), rows, outputs)
    }

    /// The mean loss of predictions `[rows, outputs]` and its derivative with respect to them, for
    /// exploring.
    ///
    /// # Errors
    /// If a hyperparameter is out of range, or the target does not fit.
    fn value_and_gradient(
        &self,
        prediction: ArrayView2<'_, T>,
        target: Target<'_, T>,
    ) -> Result<(f64, Array2<T>), LayerError> {
        let (rows, outputs) = prediction.dim();
        self.check(outputs)?;
        self.check_target(&target, rows, outputs)?;
        let mut d = Array2::from_elem((rows, outputs), T::ZERO);
        let mut row_losses = vec![T::ZERO; rows];
        self.gradient(LossGradient {
            exec: &Executor::serial(),
            prediction: prediction.as_standard_layout().view(),
            target,
            scale: T::from_f64(1.0 / rows as f64),
            d: d.view_mut(),
            row_losses: &mut row_losses,
        });
        Ok((mean_loss(1.0, &row_losses), d))
    }
}

impl<T: Scalar> Loss<T> for Box<dyn Loss<T>> {
    fn target_kind(&self) -> TargetKind {
        (**self).target_kind()
    }

    fn gradient(&self, cx: LossGradient<'_, '_, T>) {
        (**self).gradient(cx);
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn check(&self, outputs: usize) -> Result<(), LayerError> {
        (**self).check(outputs)
    }

    fn check_target(
        &self,
        target: &Target<'_, T>,
        rows: usize,
        outputs: usize,
    ) -> Result<(), LayerError> {
        (**self).check_target(target, rows, outputs)
    }
}

/// The loss of a batch from the losses of its rows: weight·Σ ℓ/m, summed in f64.
pub fn mean_loss<T: Scalar>(weight: f64, row_losses: &[T]) -> f64 {
    // Several sums side by side, since a single one would wait for each addition.
    let mut sums = [0.0; LANES];
    for block in row_losses.chunks(LANES) {
        for (sum, loss) in sums.iter_mut().zip(block) {
            *sum += loss.to_f64();
        }
    }
    weight * row_sum(&sums) / row_losses.len() as f64
}

/// A loss that is a sum over columns, each with a prediction ŷ and a target y: `of_element(ŷ, y)`
/// is the column's part of ℓ, and its derivative with respect to ŷ.
#[inline(always)]
pub(crate) fn sum_over_columns<T: Scalar>(
    cx: LossGradient<'_, '_, T>,
    of_element: impl Fn(T, T) -> (T, T) + Sync,
) {
    let (prediction, y, scale) = (flat(cx.prediction), cx.values(), cx.scale);
    cx.for_each_chunk(
        #[inline(always)]
        |span, d, losses| {
            let width = d.len() / losses.len();
            let rows =
                prediction[span.clone()].chunks_exact(width).zip(y[span].chunks_exact(width));
            for ((d, loss), (prediction, y)) in d.chunks_exact_mut(width).zip(losses).zip(rows) {
                *loss = T::ZERO;
                for ((d, prediction), y) in d.iter_mut().zip(prediction).zip(y) {
                    let (of_column, derivative) = of_element(*prediction, *y);
                    *d = derivative * scale;
                    *loss += of_column;
                }
            }
        },
    );
}
