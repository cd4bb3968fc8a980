//! Masks that are given, and masks that are drawn for some rows of a batch.

use anabranch_layers::{Backward, Dropout, Dx, Forward, Mask, RowWise};
use anabranch_tensor::{Accum, Executor, matrix, matrix_mut};

/// y of a matrix of ones.
fn of_ones(p: f64, n_rows: usize, n_cols: usize, mask: Mask<'_, f32>) -> Vec<f32> {
    let ones = vec![1.0; n_rows * n_cols];
    let (mut y, mut saved) = (ones.clone(), ones.clone());
    Dropout::new(p).forward(Forward {
        exec: &Executor::serial(),
        input: 0,
        x: matrix(&ones, n_rows, n_cols),
        y: matrix_mut(&mut y, n_rows, n_cols),
        params: &[],
        state: &[],
        saved: &mut saved,
        scratch: &mut [],
        mask,
    });
    // M is what the backward pass multiplies by.
    assert_eq!(y, saved);
    y
}

/// 1/(1−p) where the mask is not 0, with p = 3/4; with p = 1, 0 everywhere.
#[test]
fn what_a_given_mask_keeps_is_scaled() {
    let mask = [1.0, 0.0, 0.0, 0.0, 2.0, 1.0];
    assert_eq!(of_ones(0.75, 2, 3, Mask::Given(&mask)), [4.0, 0.0, 0.0, 0.0, 4.0, 4.0]);
    assert_eq!(of_ones(1.0, 2, 3, Mask::Given(&mask)), [0.0; 6]);
    let jacobian = Dropout::new(0.75).jacobian(&mask[..2]);
    assert_eq!(jacobian.into_raw_vec_and_offset().0, [4.0, 0.0, 0.0, 0.0]);
}

/// Rows that are worked on by themselves get the mask that they have in the whole batch, given or
/// drawn. There are enough of them for several tasks.
#[test]
fn rows_by_themselves_have_the_mask_of_the_batch() {
    const ROWS: usize = 3000;
    const COLS: usize = 40;
    let drawn = |first_row| Mask::Drawn { seed: 7, layer: 2, step: 11, first_row };
    let whole = of_ones(0.5, ROWS, COLS, drawn(0));
    for from in [1, 2, 1500] {
        let rows = of_ones(0.5, ROWS - from, COLS, drawn(from));
        assert!(rows == whole[from * COLS..], "from row {from} on");
    }
    let given: Vec<f32> = whole.iter().map(|kept| kept / 2.0).collect();
    assert!(of_ones(0.5, ROWS, COLS, Mask::Given(&given)) == whole);
}

/// dx = dy⊙M, once replaced and once added; y = x⊙M, 0 even where x is infinite.
#[test]
fn values_and_derivatives_are_multiplied_by_the_mask() {
    let exec = Executor::serial();
    let (x, dy) = ([3.0, f64::INFINITY, 5.0, 7.0], [1.0, 2.0, -3.0, 0.5]);
    let (mut y, mut mask, mut dx) = ([0.0; 4], [0.0; 4], [f64::NAN; 4]);
    let dropout = Dropout::new(0.5);
    dropout.forward(Forward {
        exec: &exec,
        input: 0,
        x: matrix(&x, 2, 2),
        y: matrix_mut(&mut y, 2, 2),
        params: &[],
        state: &[],
        saved: &mut mask,
        scratch: &mut [],
        mask: Mask::Given(&[1.0, 0.0, 0.0, 1.0]),
    });
    assert_eq!(y, [6.0, 0.0, 0.0, 14.0]);
    for (accum, expected) in
        [(Accum::Replace, [2.0, 0.0, 0.0, 1.0]), (Accum::Add, [4.0, 0.0, 0.0, 2.0])]
    {
        dropout.backward(Backward {
            exec: &exec,
            input: 0,
            x: matrix(&x, 2, 2),
            y: matrix(&y, 2, 2),
            dy: matrix_mut(&mut dy.clone(), 2, 2),
            dx: Some(Dx { values: matrix_mut(&mut dx, 2, 2), accum }),
            params: &[],
            saved: &mask,
            scratch: &mut [],
        });
        assert_eq!(dx, expected);
    }
}
