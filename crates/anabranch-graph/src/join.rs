//! Joins: one branch flows back into another by a residual add, y = left + J(right).
//!
//! # Derivation
//! The left input reaches y unchanged, so its derivative is dy. The right one reaches it through J:
//!
//! | join | J(r) | d(right) |
//! |---|---|---|
//! | add | r | dy |
//! | broadcast | r in every column (r has one) | Σ_columns dy |
//! | project | r·Wᵀ, W `[units, columns of r]` | dy·W, and dW = dyᵀ·r |

use anabranch_layers::outer_product;
use anabranch_tensor::gemm::{NoEpilogue, gemm};
use anabranch_tensor::parallel::{Part, rows_per_chunk};
use anabranch_tensor::rows::row_sums;
use anabranch_tensor::{
    Accum, ArrayView2, ArrayViewMut2, Executor, Scalar, flat, flat_mut, matrix, matrix_mut,
};
use serde::{Deserialize, Serialize};

/// Rows whose sums are computed together.
const ROWS: usize = 32;

/// How the right input of a join flows into the left one, `[rows, units]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// y = left + right, both equally wide.
    Add,
    /// y = left + right, where right has one column that is added to every column of left.
    Broadcast,
    /// y = left + right·Wᵀ with a learned W `[units, columns of right]` without bias, as a
    /// projection shortcut in a residual network.
    Project,
}

/// Arguments of [`Join::backward`].
pub(crate) struct JoinBackward<'a, T> {
    pub(crate) exec: &'a Executor,
    pub(crate) right: ArrayView2<'a, T>,
    pub(crate) dy: ArrayView2<'a, T>,
    pub(crate) d_right: Option<(ArrayViewMut2<'a, T>, Accum)>,
    pub(crate) params: &'a [T],
    pub(crate) grads: &'a mut [T],
    /// As in [`Backward`](anabranch_layers::Backward).
    pub(crate) rows_per_shard: usize,
    pub(crate) scratch: &'a mut [T],
}

impl Join {
    /// The name in configurations: `add`, `broadcast` or `project`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Broadcast => "broadcast",
            Self::Project => "project",
        }
    }

    /// The join that fits these widths: add where they agree, broadcast for one column, else
    /// project.
    pub fn for_widths(left: usize, right: usize) -> Self {
        match right {
            _ if left == right => Self::Add,
            1 => Self::Broadcast,
            _ => Self::Project,
        }
    }

    /// y += J(right), where y holds the left input.
    pub(crate) fn forward<T: Scalar>(
        self,
        exec: &Executor,
        right: ArrayView2<'_, T>,
        params: &[T],
        y: ArrayViewMut2<'_, T>,
        scratch: &mut [T],
    ) {
        let (n_rows, width) = y.dim();
        let chunk = rows_per_chunk(width);
        match self {
            Self::Add => {
                let right = flat(right);
                let parts = [Part::Rows(flat_mut(y), width)];
                exec.for_each_chunk(
                    n_rows,
                    chunk,
                    parts,
                    #[inline(always)]
                    |rows, [y]| {
                        for (y, right) in y.iter_mut().zip(&right[rows.start * width..]) {
                            *y += *right;
                        }
                    },
                );
            }
            Self::Broadcast => {
                let right = flat(right);
                let parts = [Part::Rows(flat_mut(y), width)];
                exec.for_each_chunk(
                    n_rows,
                    chunk,
                    parts,
                    #[inline(always)]
                    |rows, [y]| {
                        for (y, right) in y.chunks_exact_mut(width).zip(&right[rows.start..]) {
                            y.iter_mut().for_each(|y| *y += *right);
                        }
                    },
                );
            }
            Self::Project => {
                let w = matrix(params, width, right.ncols());
                gemm(exec, right, w.t(), Accum::Add, y, scratch, &NoEpilogue);
            }
        }
    }

    /// d(right) and dW from dy.
    pub(crate) fn backward<T: Scalar>(self, cx: JoinBackward<'_, T>) {
        let JoinBackward { exec, right, dy, d_right, params, grads, rows_per_shard, scratch } = cx;
        let (n_rows, width) = dy.dim();
        let columns = right.ncols();
        if self == Self::Project {
            let dw = matrix_mut(grads, width, columns);
            outer_product(exec, (dy, right), rows_per_shard, dw, scratch);
        }
        let Some((d_right, accum)) = d_right else { return };
        let chunk = rows_per_chunk(width);
        match self {
            Self::Add => {
                let dy = flat(dy);
                let parts = [Part::Rows(flat_mut(d_right), width)];
                exec.for_each_chunk(
                    n_rows,
                    chunk,
                    parts,
                    #[inline(always)]
                    |rows, [d]| {
                        for (d, dy) in d.iter_mut().zip(&dy[rows.start * width..]) {
                            *d = accum.combine(*d, *dy);
                        }
                    },
                );
            }
            Self::Broadcast => {
                let dy = flat(dy);
                let parts = [Part::Rows(flat_mut(d_right), 1)];
                exec.for_each_chunk(
                    n_rows,
                    chunk,
                    parts,
                    #[inline(always)]
                    |rows, [d]| {
                        let dy = &dy[rows.start * width..rows.end * width];
                        for (d, dy) in d.chunks_mut(ROWS).zip(dy.chunks(ROWS * width)) {
                            let mut sums = [T::ZERO; ROWS];
                            row_sums(dy, width, &mut sums[..d.len()]);
                            for (d, sum) in d.iter_mut().zip(sums) {
                                *d = accum.combine(*d, sum);
                            }
                        }
                    },
                );
            }
            Self::Project => {
                let w = matrix(params, width, columns);
                gemm(exec, dy, w, accum, d_right, scratch, &NoEpilogue);
            }
        }
    }
}
