//! Training passes of layers whose rows depend on each other, on a batch split into shards of rows.

use std::fmt::Debug;
use std::ops::Range;

use anabranch_tensor::{Accum, ArrayView2, ArrayViewMut2, Executor, Scalar};

use crate::row_wise::Dx;

/// The training passes of a single-input layer that needs sums over all rows of a batch, which may
/// be spread over several threads or machines.
///
/// A pass has three parts: each shard is *summarised*, the summaries are *merged* in shard order,
/// and the result is *applied* to each shard.
pub trait WholeBatch<T: Scalar>: Debug + Send + Sync {
    /// Elements of a shard's summary, in either pass, for an input of `inputs` columns.
    fn summary_len(&self, inputs: usize) -> usize;

    /// Summary statistics of the rows of `x` `[rows, inputs]`.
    fn summarise(
        &self,
        exec: &Executor,
        x: ArrayView2<'_, T>,
        summary: &mut [T],
        scratch: &mut [T],
    );

    /// Merges all summaries into `saved` ([`Memory::saved_len`](crate::Memory::saved_len) elements)
    /// and the running state.
    fn merge(&self, cx: Merge<'_, T>);

    /// Computes y from x for the rows of a shard `[rows, inputs]`.
    fn apply(&self, exec: &Executor, x: ArrayView2<'_, T>, y: ArrayViewMut2<'_, T>, saved: &[T]);

    /// Summarises the derivatives of a shard's rows, and computes their part of dL/dparams.
    fn summarise_backward(&self, cx: SummariseBackward<'_, T>);

    /// Merges all summaries into `merged`, which is as long as one summary.
    fn merge_backward(&self, summaries: Summaries<'_, T>, merged: &mut [T]);

    /// Computes dL/dx from dL/dy for the rows of a shard.
    fn apply_backward(&self, cx: ApplyBackward<'_, T>);
}

/// The summaries of all shards of a batch.
#[derive(Clone, Debug)]
pub struct Summaries<'a, T> {
    /// The summaries, shard after shard; a shard may summarise several layers.
    pub all: &'a [T],
    /// Elements per shard.
    pub stride: usize,
    /// Range of this layer's summary within a shard's elements.
    pub range: Range<usize>,
    /// Rows in the batch.
    pub n_rows: usize,
    /// Rows in every shard but the last.
    pub rows_per_shard: usize,
}

impl<'a, T> Summaries<'a, T> {
    /// The summary of a batch that is a single shard of `n_rows` rows.
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
    /// The summaries of all shards.
    pub summaries: Summaries<'a, T>,
    /// The learned arrays.
    pub params: &'a [T],
    /// The non-learned arrays, to be updated.
    pub state: &'a mut [T],
    /// Output for `apply` and the backward pass.
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
    /// What `merge` saved.
    pub saved: &'a [T],
    /// The shard's part of dL/dparams.
    pub grads: &'a mut [T],
    /// Whether to overwrite `grads` or add to it.
    pub accum: Accum,
    /// The shard's summary, to be overwritten.
    pub summary: &'a mut [T],
    /// Scratch memory of the size given by [`Layer::memory`](crate::Layer::memory), with any
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
    /// Destination of dL/dx of the rows.
    pub dx: Dx<'a, T>,
    /// What `merge` saved.
    pub saved: &'a [T],
    /// The output of `merge_backward`.
    pub merged: &'a [T],
}
