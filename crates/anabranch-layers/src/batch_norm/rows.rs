//! Row loops of batch normalisation within a chunk.

use anabranch_tensor::lanes::{
    LANES, for_lanes, is_narrow, load_lanes, repeat_side_by_side, store_lanes, sum_columns,
};
use anabranch_tensor::{Accum, Scalar};

/// The mean of each column of `x`, and M2 = Σ (x − mean)².
#[inline(always)]
pub(super) fn mean_and_m2<T: Scalar>(x: &[T], mean: &mut [T], m2: &mut [T]) {
    let units = mean.len();
    let one_over_n = T::from_f64(units as f64 / x.len() as f64);
    sum_columns(
        [x],
        [],
        [&mut *mean],
        #[inline(always)]
        |x, []| x,
    );
    mean.iter_mut().for_each(|mean| *mean *= one_over_n);
    sum_columns(
        [x],
        [mean],
        [m2],
        #[inline(always)]
        |[x], [mean]| {
            let d = x - mean;
            [d * d]
        },
    );
}

/// y = (x − mean)·scale + shift.
#[inline(always)]
pub(super) fn normalise_rows<T: Scalar>(x: &[T], y: &mut [T], vectors: [&[T]; 3]) {
    let units = vectors[0].len();
    let [mean, scale, shift] = vectors.map(|vector| &vector[..units]);
    for (y, x) in y.chunks_exact_mut(units).zip(x.chunks_exact(units)) {
        for j in 0..units {
            y[j] = (x[j] - mean[j]) * scale[j] + shift[j];
        }
    }
}

/// Σ dy and Σ dy⊙â of each column, where â = (x − mean)·r.
#[inline(always)]
pub(super) fn backward_sums<T: Scalar>(
    x: &[T],
    dy: &[T],
    vectors: [&[T]; 2],
    sums: (&mut [T], &mut [T]),
) {
    sum_columns(
        [x, dy],
        vectors,
        [sums.0, sums.1],
        #[inline(always)]
        |[x, dy], [mean, r]| {
            let a_hat = (x - mean) * r;
            [dy, dy * a_hat]
        },
    );
}

/// Elements of an array in the rows that are processed together.
const BLOCK_LEN: usize = 2048;

/// dx = scale·(dy − mean(dy) − â·mean(dy⊙â)), where scale = γ·r.
#[inline(always)]
pub(super) fn backward_rows<T: Scalar>(
    x: &[T],
    dy: &[T],
    dx: &mut [T],
    accum: Accum,
    vectors: [&[T]; 5],
) {
    let units = vectors[0].len();
    if is_narrow(units) {
        // Rows side by side form one wide row; the remaining rows are processed one by one.
        let repeated = vectors.map(repeat_side_by_side);
        let side_by_side = repeated.each_ref().map(|vector| &vector[..LANES * units]);
        let whole = x.len() - x.len() % (LANES * units);
        let (dx, dx_left) = dx.split_at_mut(whole);
        backward_wide_rows(&x[..whole], &dy[..whole], dx, accum, side_by_side);
        backward_wide_rows(&x[whole..], &dy[whole..], dx_left, accum, vectors);
    } else {
        backward_wide_rows(x, dy, dx, accum, vectors);
    }
}

/// The same, for rows that fill a vector, or for few rows.
#[inline(always)]
fn backward_wide_rows<T: Scalar>(
    x: &[T],
    dy: &[T],
    dx: &mut [T],
    accum: Accum,
    vectors: [&[T]; 5],
) {
    let units = vectors[0].len();
    let [mean, r, scale, mean_dy, mean_dy_a_hat] = vectors.map(|vector| &vector[..units]);
    // Blocks of rows stay in cache while one group of columns after the other is processed.
    let block = (BLOCK_LEN / units).max(1) * units;
    for ((dx, x), dy) in dx.chunks_mut(block).zip(x.chunks(block)).zip(dy.chunks(block)) {
        for_lanes(
            units,
            #[inline(always)]
            |j, len| {
                // Eight slices in one loop are too many for the compiler to prove distinct.
                let (mean, r) = (load_lanes(&mean[j..], len), load_lanes(&r[j..], len));
                let scale = load_lanes(&scale[j..], len);
                let mean_dy = load_lanes(&mean_dy[j..], len);
                let mean_dy_a_hat = load_lanes(&mean_dy_a_hat[j..], len);
                let rows = x.chunks_exact(units).zip(dy.chunks_exact(units));
                for (dx, (x, dy)) in dx.chunks_exact_mut(units).zip(rows) {
                    let (x, dy) = (load_lanes(&x[j..], len), load_lanes(&dy[j..], len));
                    let mut d = load_lanes(&dx[j..], len);
                    for lane in 0..LANES {
                        let a_hat = (x[lane] - mean[lane]) * r[lane];
                        let share =
                            scale[lane] * (dy[lane] - mean_dy[lane] - a_hat * mean_dy_a_hat[lane]);
                        d[lane] = accum.combine(d[lane], share);
                    }
                    store_lanes(&mut dx[j..], &d, len);
                }
            },
        );
    }
}
