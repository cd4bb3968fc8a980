//! Work on a product's elements while they are in cache.

/// Work on the elements of C right after they have been computed, while they are in cache.
///
/// Each element is passed exactly once, in a run of consecutive elements of one row (all of it, or
/// a large part of a long one), or in several whole rows at once. Only `apply` is required; an
/// epilogue that can do better on several rows also overrides `apply_rows` or `apply_whole_rows`.
/// Mark them `#[inline(always)]`: they are then compiled for the kernels' vector instructions.
pub trait Epilogue<T>: Sync {
    /// Whether it leaves all elements as they are: such products are compiled once, in this crate.
    const IS_NONE: bool = false;

    /// `c` holds the finished elements `C[row, col .. col + c.len()]` and may be changed.
    fn apply(&self, row: usize, col: usize, c: &mut [T]);

    /// [`apply`](Self::apply) for the runs at `col` of `n_rows` rows, starting at `row`, which
    /// `next_run` yields one after the other, and only empty ones afterwards.
    #[inline(always)]
    fn apply_rows<'c>(
        &self,
        row: usize,
        col: usize,
        n_rows: usize,
        mut next_run: impl FnMut() -> &'c mut [T],
    ) where
        T: 'c,
    {
        for i in 0..n_rows {
            self.apply(row + i, col, next_run());
        }
    }

    /// The same for whole rows of `width` elements, starting at `row`, which `c` holds one after
    /// the other.
    ///
    /// # Panics
    /// If `width` is 0.
    #[inline(always)]
    fn apply_whole_rows(&self, row: usize, width: usize, c: &mut [T]) {
        let n_rows = c.len() / width;
        let mut rows = c.chunks_exact_mut(width);
        self.apply_rows(
            row,
            0,
            n_rows,
            #[inline(always)]
            || rows.next().unwrap_or_default(),
        );
    }
}

/// The epilogue that leaves C as it is.
#[derive(Clone, Copy, Debug)]
pub struct NoEpilogue;

impl<T> Epilogue<T> for NoEpilogue {
    const IS_NONE: bool = true;

    #[inline(always)]
    fn apply(&self, _: usize, _: usize, _: &mut [T]) {}
}
