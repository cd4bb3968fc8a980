//! Training passes on an undivided batch, for layers of either kind.

use anabranch_tensor::{Accum, Scalar};

use crate::layer::{Layer, Training};
use crate::row_wise::{Backward, Dx, Forward, ParamGrads};
use crate::whole_batch::{ApplyBackward, Merge, Summaries, SummariseBackward};

/// The training pass of a single-input layer on a whole batch; updates `state`, which is used
/// instead of `cx.state`.
///
/// # Panics
/// If an array is shorter than the layer's shape and memory require.
pub fn forward_batch<T: Scalar>(layer: &dyn Layer<T>, cx: Forward<'_, T>, state: &mut [T]) {
    match layer.training() {
        Training::RowWise(rows) => {
            rows.forward(Forward { state, ..cx });
            rows.update_state(state);
        }
        Training::WholeBatch(batch) => {
            let (n_rows, inputs) = cx.x.dim();
            let mut summary = vec![T::ZERO; batch.summary_len(inputs)];
            batch.summarise(cx.exec, cx.x, &mut summary, cx.scratch);
            let summaries = Summaries::of_one(&summary, n_rows);
            batch.merge(Merge { summaries, params: cx.params, state, saved: &mut *cx.saved });
            batch.apply(cx.exec, cx.x, cx.y, cx.saved);
        }
    }
}

/// The backward pass after [`forward_batch`]: dL/dx, and dL/dparams into `grads`.
///
/// # Panics
/// As for [`forward_batch`].
pub fn backward_batch<T: Scalar>(layer: &dyn Layer<T>, cx: Backward<'_, T>, grads: &mut [T]) {
    let Backward { exec, input, x, y, mut dy, mut dx, params, saved, scratch } = cx;
    match layer.training() {
        Training::RowWise(rows) => {
            rows.backward(Backward {
                exec,
                input,
                x,
                y,
                dy: dy.view_mut(),
                dx: dx.as_mut().map(Dx::reborrow),
                params,
                saved,
                scratch: &mut *scratch,
            });
            let (dy, accum) = (dy.view(), Accum::Replace);
            rows.param_grads(ParamGrads { exec, input, x, dy, params, grads, accum, scratch });
        }
        Training::WholeBatch(batch) => {
            let (dy, accum) = (dy.view(), Accum::Replace);
            let len = batch.summary_len(x.ncols());
            let mut sums = vec![T::ZERO; 2 * len];
            let (summary, merged) = sums.split_at_mut(len);
            batch.summarise_backward(SummariseBackward {
                exec,
                x,
                dy,
                saved,
                grads,
                accum,
                summary: &mut *summary,
                scratch,
            });
            let Some(dx) = dx.as_mut().map(Dx::reborrow) else { return };
            batch.merge_backward(Summaries::of_one(summary, x.nrows()), merged);
            batch.apply_backward(ApplyBackward { exec, x, dy, dx, saved, merged });
        }
    }
}
