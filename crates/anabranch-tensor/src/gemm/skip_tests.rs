//! Products that skip zeros against plain loops, and to the bit against the same products row by
//! row: a single row is too small to skip any.

use ndarray::{Array2, ArrayView2};

use super::blocking::Product;
use super::kernels::Kernels;
use super::kernels::available;
use super::pack::Panels;
use super::skip::Sparse;
use super::tests::{ACCUMS, CountAndDouble, LAYOUTS, Layout, fractions, matrix, pairs, product};
use super::*;
use crate::{Accum, Executor, Scalar};

/// Whether the element [i, l] of an operand stays: two in seven do.
fn is_left(i: usize, l: usize) -> bool {
    (i * 3 + l * 5 + i * l) % 7 < 2
}

/// `element`, with most of them replaced by zeros of both signs.
fn with_zeros(element: impl Fn(usize, usize) -> f64) -> impl Fn(usize, usize) -> f64 {
    move |i, l| {
        let zero = if (i + l) % 2 == 0 { 0.0 } else { -0.0 };
        if is_left(i, l) { element(i, l) } else { zero }
    }
}

/// A and B of fractions, one of them with zeros.
fn operands<T: Scalar>(
    (m, n, k): (usize, usize, usize),
    (layout_a, layout_b): (Layout, Layout),
    sparse: Sparse,
) -> (Array2<T>, Array2<T>) {
    match sparse {
        Sparse::A => {
            (matrix((m, k), layout_a, with_zeros(fractions)), matrix((k, n), layout_b, fractions))
        }
        Sparse::B => {
            (matrix((m, k), layout_a, fractions), matrix((k, n), layout_b, with_zeros(fractions)))
        }
    }
}

/// The operand whose zeros a product skips.
fn skips<T: Scalar>(
    kernels: &Kernels<T>,
    a: ArrayView2<'_, T>,
    b: ArrayView2<'_, T>,
) -> Option<Sparse> {
    let ((m, k), n) = (a.dim(), b.ncols());
    Product {
        kernels,
        exec: &Executor::serial(),
        m,
        n,
        k,
        kc: plan::kc::<T>(k),
        a: Matrix::of(a),
        b: Matrix::of(b),
        accum: Accum::Replace,
        c: std::ptr::null_mut(),
        c_transposed: false,
    }
    .sparse_operand()
}

/// The product row by row, which skips nothing.
fn row_by_row<T: Scalar>(
    kernels: &Kernels<T>,
    a: &Array2<T>,
    b: &Array2<T>,
    accum: Accum,
) -> Vec<T> {
    let exec = Executor::serial();
    let row =
        |i| product(kernels, &exec, a.slice(ndarray::s![i..=i, ..]), b.view(), accum, &NoEpilogue);
    (0..a.nrows()).flat_map(row).collect()
}

/// The bits of a number; all NaN have the same.
fn bits<T: Scalar>(x: &T) -> u64 {
    let x = x.to_f64();
    if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }
}

fn same_bits<T: Scalar>(got: &[T], want: &[T]) -> bool {
    got.iter().map(bits).eq(want.iter().map(bits))
}

/// More and fewer columns and rows than a panel and a block of rows have, one k-block and several,
/// in whole vectors and not.
const SHAPES: [(usize, usize, usize); 9] = [
    (64, 64, 64),
    (150, 128, 21),
    (150, 128, 70),
    (17, 150, 100),
    (300, 33, 90),
    (150, 40, 600),
    (60, 300, 530),
    (290, 290, 130),
    (33, 34, 1100),
];

fn skipping_changes_no_bit<T: Scalar>() {
    let executors = [1, 3].map(|threads| Executor::new(threads).unwrap());
    let layouts: Vec<_> = pairs(LAYOUTS, LAYOUTS).collect();
    for ((m, n, k), (layout_a, layout_b)) in pairs(SHAPES, layouts) {
        for sparse in [Sparse::A, Sparse::B] {
            let (a, b) = operands::<T>((m, n, k), (layout_a, layout_b), sparse);
            for (kernels, accum) in pairs(available::<T>(), ACCUMS) {
                assert_eq!(skips(kernels, a.view(), b.view()), Some(sparse), "{m}×{n}×{k}");
                let want = row_by_row(kernels, &a, &b, accum);
                for exec in &executors {
                    let got = product(kernels, exec, a.view(), b.view(), accum, &NoEpilogue);
                    assert!(
                        same_bits(&got, &want),
                        "{} {:?} {m}×{n}×{k} A {layout_a:?} B {layout_b:?} {sparse:?} {accum:?}",
                        T::NAME,
                        kernels.instruction_set
                    );
                }
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn skipping_changes_no_bit_of_f32() {
    skipping_changes_no_bit::<f32>();
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn skipping_changes_no_bit_of_f64() {
    skipping_changes_no_bit::<f64>();
}

/// Sums of integers, exact in any order, against plain loops. Like dW of a first layer with ReLU
/// and one-hot inputs: A has more zeros, but skipping B's saves more, since a row of B does not
/// fill its vectors.
#[test]
fn the_operand_whose_zeros_spare_more_is_chosen() {
    let one_in_four =
        |i: usize, l: usize| if (i + l).is_multiple_of(4) { fractions(i, l) } else { 0.0 };
    for kernels in available::<f32>().filter(|kernels| kernels.lanes == 16) {
        let dy = matrix::<f32>((128, 128), Layout::Rows, one_in_four);
        let x = matrix((128, 21), Layout::Rows, with_zeros(fractions));
        assert_eq!(skips(kernels, dy.t(), x.view()), Some(Sparse::B));
        assert_eq!(skips(kernels, x.t(), dy.view()), Some(Sparse::A));
    }
}

#[test]
fn products_that_skip_zeros_are_exact() {
    let exec = Executor::serial();
    let integer = |i: usize, j: usize| ((i * 7 + j * 5 + 3) % 17) as f64 - 8.5;
    let (m, n, k) = (40, 70, 64);
    for (layout_a, layout_b) in pairs(LAYOUTS, LAYOUTS) {
        let a = matrix::<f32>((m, k), layout_a, with_zeros(integer));
        let b = matrix::<f32>((k, n), layout_b, integer);
        let mut want = Array2::zeros((m, n));
        gemm_naive(a.view(), b.view(), Accum::Replace, want.view_mut());
        for kernels in available::<f32>() {
            assert_eq!(skips(kernels, a.view(), b.view()), Some(Sparse::A));
            let got = product(kernels, &exec, a.view(), b.view(), Accum::Replace, &NoEpilogue);
            assert_eq!(got, want.as_slice().unwrap());
            // (A·B)ᵀ = Bᵀ·Aᵀ: now the zeros are B's.
            let got = product(kernels, &exec, b.t(), a.t(), Accum::Replace, &NoEpilogue);
            assert_eq!(got, want.t().as_standard_layout().as_slice().unwrap());
        }
    }
}

/// Zeros are not skipped if they would be multiplied with non-finite numbers.
#[test]
fn zero_times_infinity_is_nan() {
    let exec = Executor::serial();
    let (m, n, k) = (40, 300, 100);
    let (infinite, nan) = ((70, 2), (3, 290));
    let a = matrix::<f32>((m, k), Layout::Rows, with_zeros(fractions));
    let b = matrix::<f32>((k, n), Layout::Rows, |l, j| match (l, j) {
        at if at == infinite => f64::INFINITY,
        at if at == nan => f64::NAN,
        _ => fractions(l, j),
    });
    for kernels in available::<f32>() {
        assert_eq!(skips(kernels, a.view(), b.view()), Some(Sparse::A));
        let got = product(kernels, &exec, a.view(), b.view(), Accum::Replace, &NoEpilogue);
        assert!(same_bits(&got, &row_by_row(kernels, &a, &b, Accum::Replace)));
        for i in 0..m {
            assert!(got[i * n + nan.1].is_nan());
            assert_eq!(got[i * n + infinite.1].is_nan(), !is_left(i, infinite.0));
        }
    }
}

/// Padding beyond a panel's columns is multiplied too: if it were not finite, no zero would be
/// skipped.
#[test]
fn packed_panels_are_filled() {
    let (rows, cols) = (20, 59);
    for (layout, kernels) in pairs(LAYOUTS, available::<f32>().collect::<Vec<_>>()) {
        let b = matrix::<f32>((rows, cols), layout, fractions);
        let width = cols.next_multiple_of(kernels.lanes);
        let mut panel = vec![f32::NAN; rows.next_multiple_of(kernels.lanes) * width];
        let panels = Panels { width, row: width, step: rows * width };
        let src = Matrix::of(b.view());
        // SAFETY: an available instruction set; the panel has more rows than the matrix.
        unsafe { (kernels.pack)(src, rows, cols, panel.as_mut_ptr(), panels) };
        assert!(panel[..rows * width].iter().all(|x| x.is_finite()), "{layout:?}");
    }
}

/// A negative product too small for the number type rounds to −0, which it stays or not as zeros of
/// one sign or the other are added.
#[test]
fn a_sum_that_underflows_is_positive_zero() {
    let exec = Executor::serial();
    // More terms than a word of bits has; the product is in the last one.
    let (m, n, k) = (40, 60, 150);
    let a = matrix::<f32>((m, k), Layout::Rows, |_, l| if l == k - 9 { -1e-30 } else { -0.0 });
    let b = matrix::<f32>((k, n), Layout::Rows, |_, j| if j % 2 == 0 { 1e-30 } else { -1e-30 });
    for kernels in available::<f32>() {
        assert_eq!(skips(kernels, a.view(), b.view()), Some(Sparse::A));
        let got = product(kernels, &exec, a.view(), b.view(), Accum::Replace, &NoEpilogue);
        assert!(got.iter().all(|x| x.to_bits() == 0));
        assert!(same_bits(&got, &row_by_row(kernels, &a, &b, Accum::Replace)));
    }
}

/// Blocks too short to skip zeros in leave −0 as it is, in a product that is computed transposed
/// too: all rows, or a few that are not.
#[test]
fn short_blocks_leave_negative_zero() {
    let exec = Executor::serial();
    let (m, n, k) = (100, 5, 1200);
    let kc = plan::kc::<f32>(k);
    assert!(kc < k);
    let a = matrix::<f32>((m, k), Layout::Columns, |_, l| if l % kc == 9 { -1e-30 } else { -0.0 });
    let b = matrix::<f32>((k, n), Layout::Rows, |_, _| 1e-30);
    for kernels in available::<f32>() {
        let part = |rows| {
            let (a, accum) = (a.slice(ndarray::s![..rows, ..]), Accum::Replace);
            product(kernels, &exec, a, b.view(), accum, &NoEpilogue)
        };
        assert!(same_bits(&part(m)[..5 * n], &part(5)), "{:?}", kernels.instruction_set);
    }
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn epilogue_sees_every_element_once_where_zeros_are_skipped() {
    let (m, n, k) = (300, 290, 600);
    for (threads, sparse) in pairs([1, 3], [Sparse::A, Sparse::B]) {
        let exec = Executor::new(threads).unwrap();
        let (a, b) = operands::<f32>((m, n, k), (Layout::Rows, Layout::Rows), sparse);
        for kernels in available::<f32>() {
            assert_eq!(skips(kernels, a.view(), b.view()), Some(sparse));
            let epilogue = CountAndDouble::new(m, n);
            let got = product(kernels, &exec, a.view(), b.view(), Accum::Replace, &epilogue);
            let want = product(kernels, &exec, a.view(), b.view(), Accum::Replace, &NoEpilogue);
            assert!(epilogue.saw_all_once());
            assert!(got.iter().zip(&want).all(|(got, want)| *got == 2.0 * want));
        }
    }
}
