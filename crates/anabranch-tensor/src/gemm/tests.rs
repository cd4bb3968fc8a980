//! Every instruction set of this machine against plain loops.
//!
//! Results compared for equality are of small integers, whose sums are exact in any order. What
//! must not be read, such as an overwritten output or fresh scratch, holds NaN.

use std::sync::atomic::{AtomicU32, Ordering};

use ndarray::{Array2, ArrayView2, s};

use super::kernels::Kernels;
use super::kernels::available;
use super::multiply::gemm_with;
use super::*;
use crate::{Accum, Executor, Scalar};
use ndarray::ArrayViewMut2;

/// Whether a matrix is row-major or column-major.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layout {
    Rows,
    Columns,
}

pub(super) const LAYOUTS: [Layout; 2] = [Layout::Rows, Layout::Columns];
pub(super) const ACCUMS: [Accum; 2] = [Accum::Replace, Accum::Add];

/// What C holds before a product that adds to it.
const BEFORE: f64 = 100.0;

/// A matrix of `element(row, col)`.
pub(super) fn matrix<T: Scalar>(
    (rows, cols): (usize, usize),
    layout: Layout,
    element: impl Fn(usize, usize) -> f64,
) -> Array2<T> {
    match layout {
        Layout::Rows => Array2::from_shape_fn((rows, cols), |(i, j)| T::from_f64(element(i, j))),
        Layout::Columns => {
            Array2::from_shape_fn((cols, rows), |(j, i)| T::from_f64(element(i, j))).reversed_axes()
        }
    }
}

fn integers_a(i: usize, l: usize) -> f64 {
    ((i * 7 + l * 5 + 3) % 17) as f64 - 8.0
}

fn integers_b(l: usize, j: usize) -> f64 {
    ((l * 11 + j * 3 + 1) % 13) as f64 - 6.0
}

pub(super) fn fractions(i: usize, j: usize) -> f64 {
    1.0 / (((i * 31 + j * 17) % 101) as f64 - 50.5)
}

fn integers<T: Scalar>(
    (m, n, k): (usize, usize, usize),
    layout_a: Layout,
    layout_b: Layout,
) -> (Array2<T>, Array2<T>) {
    (matrix((m, k), layout_a, integers_a), matrix((k, n), layout_b, integers_b))
}

/// The kernels of this machine, and `None` for the library's multiplication.
fn all_ways<T: Scalar>() -> impl Iterator<Item = Option<&'static Kernels<T>>> + Clone {
    available::<T>().map(Some).chain([None]).collect::<Vec<_>>().into_iter()
}

fn name<T>(kernels: Option<&Kernels<T>>) -> String {
    kernels.map_or("the library".into(), |kernels| format!("{:?}", kernels.instruction_set))
}

/// The product with `kernels`; checks that nothing is written beyond C.
pub(super) fn product<'k, T: Scalar>(
    kernels: impl Into<Option<&'k Kernels<T>>>,
    exec: &Executor,
    a: ArrayView2<'_, T>,
    b: ArrayView2<'_, T>,
    accum: Accum,
    epilogue: &impl Epilogue<T>,
) -> Vec<T> {
    let (m, n, k) = (a.nrows(), b.ncols(), a.ncols());
    let nan = T::from_f64(f64::NAN);
    let before = if accum == Accum::Add { T::from_f64(BEFORE) } else { nan };
    let beyond = T::from_f64(-77.0);
    let mut c = vec![before; m * n];
    c.extend([beyond; 64]);
    let kernels = kernels.into();
    let scratch_len =
        kernels.map_or(0, |kernels| plan::scratch_len(kernels, exec.threads(), (m, n, k)));
    let mut scratch = vec![nan; scratch_len];
    let view = ArrayViewMut2::from_shape((m, n), &mut c[..m * n]).unwrap();
    gemm_with(kernels, exec, a, b, accum, view, &mut scratch, epilogue);
    assert!(c.drain(m * n..).all(|x| x == beyond), "written beyond C");
    c
}

/// Checks products of corners of two matrices, `(m, n, k)` each, in all layouts and both modes.
fn check_corners<T: Scalar>(shapes: impl Fn(Option<&Kernels<T>>) -> Vec<(usize, usize, usize)>) {
    let exec = Executor::serial();
    for kernels in all_ways::<T>() {
        let mut shapes = shapes(kernels);
        shapes.sort_by_key(|&(_, _, k)| k);
        let (m_max, n_max, k_max) = shapes
            .iter()
            .fold((0, 0, 0), |max, &(m, n, k)| (max.0.max(m), max.1.max(n), max.2.max(k)));
        for (layout_a, layout_b) in pairs(LAYOUTS, LAYOUTS) {
            let (a, b) = integers::<T>((m_max, n_max, k_max), layout_a, layout_b);
            let mut want = Array2::<f64>::zeros((m_max, n_max));
            let mut summed = 0;
            for &(m, n, k) in &shapes {
                for l in summed..k {
                    for ((i, j), x) in want.indexed_iter_mut() {
                        *x += integers_a(i, l) * integers_b(l, j);
                    }
                }
                summed = k;
                for accum in ACCUMS {
                    let (a, b) = (a.slice(s![..m, ..k]), b.slice(s![..k, ..n]));
                    let got = product(kernels, &exec, a, b, accum, &NoEpilogue);
                    let before = if accum == Accum::Add { BEFORE } else { 0.0 };
                    let equal =
                        (0..m * n).all(|e| got[e].to_f64() == want[[e / n, e % n]] + before);
                    assert!(
                        equal,
                        "{} {} {m}×{n}×{k} A {layout_a:?} B {layout_b:?} {accum:?}",
                        T::NAME,
                        name(kernels)
                    );
                }
            }
        }
    }
}

pub(super) fn pairs<A: Copy, B: Copy>(
    left: impl IntoIterator<Item = A>,
    right: impl IntoIterator<Item = B> + Clone,
) -> impl Iterator<Item = (A, B)> {
    left.into_iter().flat_map(move |a| right.clone().into_iter().map(move |b| (a, b)))
}

/// All heights and widths up to twice the tile, at an empty, a short and a longer sum; and all
/// widths and sums at a height within and one beyond a tile. Height and sum need no more crossing:
/// the micro-kernel runs the sum in one loop whatever its height, and packing of B depends on
/// widths and sums, not on heights.
fn up_to_two_tiles<T: Scalar>(kernels: Option<&Kernels<T>>) -> Vec<(usize, usize, usize)> {
    // The library's tiles have about 8 rows and columns.
    let (mr, nr, lanes) =
        kernels.map_or((8, 8, 4), |kernels| (kernels.mr(), kernels.nr(), kernels.lanes));
    let mut shapes = Vec::new();
    for (m, n) in pairs(0..=2 * mr + 1, 0..=2 * nr + 1) {
        shapes.extend([0, 1, lanes + 3].map(|k| (m, n, k)));
    }
    for (n, k) in pairs(0..=2 * nr + 1, 0..=2 * lanes + 1) {
        shapes.extend([1, mr + 1].map(|m| (m, n, k)));
    }
    shapes
}

#[test]
fn f32_is_exact_up_to_two_tiles() {
    check_corners::<f32>(up_to_two_tiles);
}

#[test]
fn f64_is_exact_up_to_two_tiles() {
    check_corners::<f64>(up_to_two_tiles);
}

/// Several k-blocks, blocks of packed A, B with contiguous rows packed and in place, column blocks,
/// phases of B in both directions, and products computed transposed, with operands laid out for
/// that and others.
const BLOCKED: [(usize, usize, usize); 5] =
    [(50, 20, 600), (70, 3, 530), (13, 1100, 17), (61, 850, 530), (2, 530, 4500)];

#[test]
#[cfg_attr(miri, ignore = "large")]
fn blocked_products_are_exact() {
    for shape in BLOCKED {
        check_corners::<f32>(|_| vec![shape]);
        check_corners::<f64>(|_| vec![shape]);
    }
}

#[test]
fn any_strides_are_exact() {
    let exec = Executor::serial();
    let shape = (5, 9, 6);
    for kernels in all_ways::<f32>() {
        let (a, b) = integers::<f32>((10, 27, 12), Layout::Rows, Layout::Rows);
        // Every second row and column of A, from the last on; every third column of B, rows from
        // the last on.
        let a = a.slice(s![..;-2, ..;-2]);
        let b = b.slice(s![..6;-1, ..;3]);
        let want = product(
            kernels,
            &exec,
            a.to_owned().view(),
            b.to_owned().view(),
            Accum::Replace,
            &NoEpilogue,
        );
        let mut naive = Array2::zeros((shape.0, shape.1));
        gemm_naive(a, b, Accum::Replace, naive.view_mut());
        assert_eq!(product(kernels, &exec, a, b, Accum::Replace, &NoEpilogue), want);
        assert_eq!(naive.into_raw_vec_and_offset().0, want);
    }
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn bits_do_not_depend_on_threads_tiles_or_layout() {
    let executors = [1, 2, 3, 8].map(|threads| Executor::new(threads).unwrap());
    let (m, k) = (150, 300);
    for (kernels, n) in pairs(all_ways::<f32>(), [170, 21, 3]) {
        let mut first: Option<Vec<f32>> = None;
        for (layout_a, layout_b) in pairs(LAYOUTS, LAYOUTS) {
            let a = matrix::<f32>((m, k), layout_a, fractions);
            let b = matrix::<f32>((k, n), layout_b, fractions);
            for exec in &executors {
                let got = product(kernels, exec, a.view(), b.view(), Accum::Add, &NoEpilogue);
                let first = first.get_or_insert_with(|| got.clone());
                assert!(got == *first, "{} {} threads", name(kernels), exec.threads());
            }
            // Some of the rows, like a shard of a batch: another tiling of the same sums.
            let rows = a.slice(s![31..50, ..]);
            let got = product(kernels, &executors[0], rows, b.view(), Accum::Add, &NoEpilogue);
            assert!(got == first.as_ref().unwrap()[31 * n..50 * n]);
        }
    }
}

/// One thread packs B in phases of other sizes than several threads do.
#[test]
#[cfg_attr(miri, ignore = "large")]
fn bits_do_not_depend_on_phases() {
    let (m, n, k) = (50, 900, 1300);
    let a = matrix::<f32>((m, k), Layout::Rows, fractions);
    for layout in LAYOUTS {
        let b = matrix::<f32>((k, n), layout, fractions);
        let [alone, shared] = [1, 3].map(|threads| {
            let exec = Executor::new(threads).unwrap();
            product(kernels::kernels(), &exec, a.view(), b.view(), Accum::Replace, &NoEpilogue)
        });
        assert!(alone == shared);
    }
}

#[test]
fn instruction_sets_with_fused_multiply_add_agree_to_the_bit() {
    let exec = Executor::serial();
    let a = matrix::<f64>((15, 40), Layout::Rows, fractions);
    let b = matrix::<f64>((40, 37), Layout::Columns, fractions);
    let results: Vec<Vec<f64>> = available::<f64>()
        .map(|kernels| product(kernels, &exec, a.view(), b.view(), Accum::Replace, &NoEpilogue))
        .collect();
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn rounding_stays_within_the_bound_of_a_sum_of_k_terms() {
    let exec = Executor::serial();
    let k = 600;
    let a = matrix::<f32>((14, k), Layout::Rows, fractions);
    let b = matrix::<f32>((k, 35), Layout::Rows, |l, j| fractions(j, l));
    let wide = |x: &Array2<f32>| x.mapv(f64::from);
    let mut want = Array2::zeros((14, 35));
    gemm_naive(wide(&a).view(), wide(&b).view(), Accum::Replace, want.view_mut());
    // |error| ≤ k·u·Σ|a||b| with u = 2⁻²⁴ (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).
    let mut bound = Array2::zeros((14, 35));
    gemm_naive(
        wide(&a).mapv(f64::abs).view(),
        wide(&b).mapv(f64::abs).view(),
        Accum::Replace,
        bound.view_mut(),
    );
    for kernels in all_ways::<f32>() {
        let got = product(kernels, &exec, a.view(), b.view(), Accum::Replace, &NoEpilogue);
        for ((got, want), bound) in got.iter().zip(&want).zip(&bound) {
            assert!(
                (f64::from(*got) - want).abs() <= k as f64 * 0.5 * f64::from(f32::EPSILON) * bound
            );
        }
    }
}

/// Counts how often each element is passed, and doubles it.
pub(super) struct CountAndDouble {
    n: usize,
    counts: Vec<AtomicU32>,
}

impl CountAndDouble {
    pub(super) fn new(m: usize, n: usize) -> Self {
        Self { n, counts: (0..m * n).map(|_| AtomicU32::new(0)).collect() }
    }

    pub(super) fn saw_all_once(&self) -> bool {
        self.counts.iter().all(|count| count.load(Ordering::Relaxed) == 1)
    }
}

impl<T: Scalar> Epilogue<T> for CountAndDouble {
    fn apply(&self, row: usize, col: usize, c: &mut [T]) {
        for (j, x) in c.iter_mut().enumerate() {
            assert!(col + j < self.n, "a run goes beyond its row");
            self.counts[row * self.n + col + j].fetch_add(1, Ordering::Relaxed);
            *x += *x;
        }
    }
}

/// Asks for more rows than there are, and keeps everything it gets.
struct AskTooOften;

impl Epilogue<f32> for AskTooOften {
    fn apply(&self, _: usize, _: usize, _: &mut [f32]) {}

    fn apply_rows<'c>(
        &self,
        _: usize,
        _: usize,
        n_rows: usize,
        mut next_run: impl FnMut() -> &'c mut [f32],
    ) {
        let mut runs: Vec<_> = (0..n_rows + 3).map(|_| next_run()).collect();
        assert!(runs[n_rows..].iter().all(|run| run.is_empty()));
        for run in &mut runs {
            run.iter_mut().for_each(|x| *x += 1.0);
        }
    }
}

#[test]
fn an_epilogue_gets_no_row_twice_and_none_that_is_not_there() {
    // Whole rows, and the last columns of rows that are split: into blocks of B's columns, and into
    // tasks.
    let exec = Executor::new(2).unwrap();
    for (m, n, k) in [(9, 5, 4), (20, 1100, 300)] {
        let (a, b) = (Array2::<f32>::ones((m, k)), Array2::ones((k, n)));
        for (kernels, exec) in pairs(all_ways::<f32>(), [&Executor::serial(), &exec]) {
            let c = product(kernels, exec, a.view(), b.view(), Accum::Replace, &AskTooOften);
            assert!(c.iter().all(|x| *x == k as f32 + 1.0), "{m}x{n}");
        }
    }
}

#[test]
fn epilogue_sees_every_finished_element_once() {
    let shapes: &[(usize, usize, usize)] = if cfg!(miri) {
        &[(3, 5, 0), (5, 9, 3)]
    } else {
        &[(3, 5, 0), (32, 17, 32), (60, 3, 70), (150, 170, 300), (40, 1100, 50)]
    };
    for (&(m, n, k), threads) in pairs(shapes, [1, 3]) {
        let exec = Executor::new(threads).unwrap();
        for (kernels, accum) in pairs(all_ways::<f32>(), ACCUMS) {
            let (a, b) = integers::<f32>((m, n, k), Layout::Rows, Layout::Columns);
            let epilogue = CountAndDouble::new(m, n);
            let got = product(kernels, &exec, a.view(), b.view(), accum, &epilogue);
            let want = product(kernels, &exec, a.view(), b.view(), accum, &NoEpilogue);
            assert!(epilogue.saw_all_once());
            assert!(got.iter().zip(&want).all(|(got, want)| *got == 2.0 * want));
        }
    }
}

#[test]
fn scratch_of_a_shape_serves_every_smaller_one() {
    let exec = Executor::new(2).unwrap();
    let sizes = [1, 31, 300, 5000, 100_000];
    for (n, k) in pairs(sizes, sizes) {
        let len = gemm_scratch_len::<f32>(&exec, 100_000, n, k);
        for (n_less, k_less) in pairs(sizes, sizes).filter(|&(n2, k2)| n2 <= n && k2 <= k) {
            assert!(gemm_scratch_len::<f32>(&exec, 50, n_less, k_less) <= len);
        }
    }
}

#[test]
#[should_panic(expected = "expected A m×k, B k×n, C m×n")]
fn shapes_must_agree() {
    let (a, b) = (Array2::<f32>::zeros((2, 3)), Array2::<f32>::zeros((4, 5)));
    let mut c = Array2::<f32>::zeros((2, 5));
    gemm(&Executor::serial(), a.view(), b.view(), Accum::Add, c.view_mut(), &mut [], &NoEpilogue);
}

#[test]
#[should_panic(expected = "gemm_scratch_len")]
fn scratch_must_be_long_enough() {
    // A transposed B is packed, a small product otherwise needs no scratch.
    let (a, b) = (Array2::<f32>::zeros((2, 3)), Array2::<f32>::zeros((5, 3)));
    let mut c = Array2::<f32>::zeros((2, 5));
    gemm(&Executor::serial(), a.view(), b.t(), Accum::Add, c.view_mut(), &mut [], &NoEpilogue);
}

#[test]
#[should_panic(expected = "gemm_scratch_len")]
fn scratch_of_a_large_product_must_be_long_enough() {
    let (a, b) = (Array2::<f32>::zeros((70, 60)), Array2::<f32>::zeros((60, 50)));
    let mut c = Array2::<f32>::zeros((70, 50));
    let mut scratch = vec![0.0; gemm_scratch_len::<f32>(&Executor::serial(), 70, 50, 60) - 1];
    let (a, b) = (a.view(), b.view());
    gemm(&Executor::serial(), a, b, Accum::Add, c.view_mut(), &mut scratch, &NoEpilogue);
}
