//! One layer without a network: its vector-Jacobian product, and the Jacobian behind it.
//!
//! `cargo run -p anabranch-layers --example 01-one-layer-alone`

use anabranch_layers::{BatchNorm, LayerError, Linear, Mask, Softmax, Vjp, vjp};
use anabranch_tensor::matrix;

fn main() -> Result<(), LayerError> {
    // Only dropout uses the mask.
    let mask = Mask::Given(&[]);

    // 1. A linear layer y = x·wᵀ + b with 2 inputs, 1 output and 2 rows; its parameters are w, then
    //    b.
    let x = [1.0, 2.0, 3.0, 4.0];
    let params = [0.5, -1.0, 0.25];
    let dy = [1.0, 10.0];
    let Vjp { y, dx, grads } =
        vjp(&Linear::new(1), matrix(&x, 2, 2), &params, mask, matrix(&dy, 2, 1))?;
    println!("linear: y = {y}, dx = {dx}, (dw, db) = {grads:?}");
    assert_eq!(y.as_slice().unwrap(), [-1.25, -2.25]);
    assert_eq!(dx.as_slice().unwrap(), [0.5, -1.0, 5.0, -10.0]);
    // dw = dyᵀ·x and db = Σ dy: summed over the rows, never averaged.
    assert_eq!(grads, [1.0 + 30.0, 2.0 + 40.0, 1.0 + 10.0]);

    // 2. Softmax: the whole Jacobian diag(y) − y·yᵀ is small enough to look at.
    let z = [0.0, 1.0, -1.0];
    let dy = [0.3, -0.2, 0.7];
    let Vjp { y, dx, .. } = vjp(&Softmax, matrix(&z, 1, 3), &[], mask, matrix(&dy, 1, 3))?;
    let jacobian = Softmax.jacobian(y.as_slice().unwrap());
    println!("softmax: y = {y:.4}, J =\n{jacobian:.4}");
    for j in 0..3 {
        let product: f64 = (0..3).map(|i| jacobian[[i, j]] * dy[i]).sum();
        assert!((dx[[0, j]] - product).abs() < 1e-15);
    }

    // 3. Batch normalisation ties the rows of a column together: shifting all of them by the same
    //    amount changes nothing, so every row of its Jacobian sums to zero.
    let column: [f64; 4] = [0.1, -0.4, 2.0, 0.9];
    let jacobian = BatchNorm::new().jacobian(&column, 1.5);
    println!("batch norm: J =\n{jacobian:.4}");
    for row in jacobian.rows() {
        assert!(row.sum().abs() < 1e-14);
    }

    // 4. Invalid input is rejected: one row has no variance.
    let error = vjp(&BatchNorm::new(), matrix(&z, 1, 3), &[1.0; 6], mask, matrix(&dy, 1, 3));
    println!("one row: {}", error.as_ref().unwrap_err());
    assert!(matches!(error, Err(LayerError::Rows { expected: 2, rows: 1, .. })));
    Ok(())
}
