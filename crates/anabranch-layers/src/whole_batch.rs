//! The training passes of layers whose rows depend on each other, on a batch that is cut into
//! shards of rows.

use std::fmt::Debug;
use std::ops::Range;

use anabranch_tensor::{Accum, ArrayView2, ArrayViewMut2, Executor, Scalar};

use crate::row_wise::Dx;

/// The training passes of a layer with one input that needs sums over all rows of a batch, which
/// may lie on several threads or machines.
///
/// A pass has three parts. Each shard is *summarised*, the summaries are *merged* in the order of
/// the shards, and the result is *applied* to each shard.
pub trait WholeBatch<T: Scalar>: Debug + Send + Sync {
    /// Elements of a shard's summary, in either direction, for an input of `inputs` columns.
    fn summary_len(&self, inputs: usize) -> usize;

    /// What the rows of `x` `[rows, inputs]` tell of the batch.
    fn summarise(
        &self,
        exec: &Executor,
        x: ArrayView2<'_, T>,
        summary: &mut [T],
        scratch: &mut [T],
    );

    /// What all rows tell: into `saved`, which is as long as the layer's plan says, and into the
    /// running state.
    fn merge(&self, cx: Merge<'_, T>);

    /// y from x for the rows of a shard `[rows, inputs]`.
    fn apply(&self, exec: &Executor, x: ArrayView2<'_, T>, y: ArrayViewMut2<'_, T>, saved: &[T]);

    /// What the rows of a shard tell of the batch's derivatives, and their part of dL/dparams.
    fn summarise_backward(&self, cx: SummariseBackward<'_, T>);

    /// What all rows tell, into `merged`, as long as a summary.
    fn merge_backward(&self, summaries: Summaries<'_, T>, merged: &mut [T]);

    /// dL/dx from dL/dy for the rows of a shard.
    fn apply_backward(&self, cx: ApplyBackward<'_, T>);
}

/// The summaries of all shards of a batch.
#[derive(Clone, Debug)]
pub struct Summaries<'a, T> {
    /// What each shard tells, of several layers perhaps, one shard after the other.
    pub all: &'a [T],
    /// Elements of each shard.
    pub stride: usize,
    /// Where this layer's summary lies among them.
    pub range: Range<usize>,
    /// Rows of the batch.
    pub n_rows: usize,
    /// Rows of each shard but the last.
    pub rows_per_shard: usize,
}

impl<'a, T> Summaries<'a, T> {
    /// Of a batch that is one shard of `n_rows` rows.
    pub(crate) fn of_one(summary: &'a [T], n_rows: usize) -> Self {
        let stride = summary.len();
        Self { all: summary, stride, range: 0..stride, n_rows, rows_per_shard: n_rows }
    }

    /// The rows and the summary of each shard, in order.
    ///
    /// # Panics
    /// If the shards have fewer elements than the range.
    pub fn iter(&self) -> impl Iterator<Item = (Range<usize>, &'a [T])> {
        self.all.chunks_exact(self.stride).enumerate().map(|(shard, all)| {
            let start = shard * self.rows_per_shard;
            (start..self.n_rows.min(start + self.rows_per_shard), &all[self.range.clone()])
        })
    }
}

/// Arguments of [`WholeBatch::merge`].
#[derive(Debug)]
pub struct Merge<'a, T> {
    /// Of all shards.
    pub summaries: Summaries<'a, T>,
    /// The learned arrays.
    pub params: &'a [T],
    /// The arrays that are kept but not learned, to be updated.
    pub state: &'a mut [T],
    /// For `apply` and the backward pass.
    pub saved: &'a mut [T],
}

/// Arguments of [`WholeBatch::summarise_backward`].
#[derive(Debug)]
pub struct SummariseBackward<'a, T> {
    /// Executor that runs the loops.
    pub exec: &'a Executor,
    /// The input `[rows, inputs]` of the shard.
    pub x: ArrayView2<'a, T>,
    /// dL/dy `[rows, outputs]`.
    pub dy: ArrayView2<'a, T>,
    /// What `merge` left.
    pub saved: &'a [T],
    /// The shard's part of dL/dparams.
    pub grads: &'a mut [T],
    /// Whether to replace what is there or to add to it.
    pub accum: Accum,
    /// To be filled.
    pub summary: &'a mut [T],
    /// Memory for this call, as much as [`Layer::memory`](crate::Layer::memory) says, with any
    /// contents.
    pub scratch: &'a mut [T],
}

/// Arguments of [`WholeBatch::apply_backward`].
#[derive(Debug)]
pub struct ApplyBackward<'a, T> {
    /// Executor that runs the loops.
    pub exec: &'a Executor,
    /// The input `[rows, inputs]` of the shard.
    pub x: ArrayView2<'a, T>,
    /// dL/dy `[rows, outputs]`.
    pub dy: ArrayView2<'a, T>,
    /// Where dL/dx of the rows goes.
    pub dx: Dx<'a, T>,
    /// What `merge` left.
    pub saved: &'a [T],
    /// What `merge_backward` left.
    pub merged: &'a [T],
}
