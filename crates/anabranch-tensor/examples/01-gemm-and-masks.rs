//! Products that process each element while it is in cache, and random masks that any thread can
//! ask for.
//!
//! `cargo run -p anabranch-tensor --example 01-gemm-and-masks`

use anabranch_tensor::gemm::{Epilogue, NoEpilogue, gemm, gemm_naive, gemm_scratch_len};
use anabranch_tensor::parallel::ExecutorError;
use anabranch_tensor::random::DrawnMask;
use anabranch_tensor::{Accum, Executor, matrix, matrix_mut};

/// max(0, c), applied by the multiplication.
struct Relu;

impl Epilogue<f32> for Relu {
    fn apply(&self, _row: usize, _col: usize, c: &mut [f32]) {
        c.iter_mut().for_each(|c| *c = c.max(0.0));
    }
}

fn main() -> Result<(), ExecutorError> {
    // 1. C[m,n] = A[m,k]·B[k,n] on flat slices. B is the transpose of a weight matrix [n, k]: only
    //    the view changes.
    let (m, n, k) = (200, 120, 150);
    let a: Vec<f32> = (0..m * k).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect();
    let w: Vec<f32> = (0..n * k).map(|i| (i % 13) as f32 / 13.0 - 0.5).collect();
    let (a, w) = (matrix(&a, m, k), matrix(&w, n, k));
    let product = |exec: &Executor| {
        let mut c = vec![f32::NAN; m * n];
        let mut scratch = vec![0.0; gemm_scratch_len::<f32>(exec, m, n, k)];
        let c_view = matrix_mut(&mut c, m, n);
        gemm(exec, a, w.t(), Accum::Replace, c_view, &mut scratch, &NoEpilogue);
        c
    };
    let c = product(&Executor::serial());
    let mut expected = vec![f32::NAN; m * n];
    gemm_naive(a, w.t(), Accum::Replace, matrix_mut(&mut expected, m, n));
    let largest = c.iter().zip(&expected).map(|(c, e)| (c - e).abs()).fold(0.0, f32::max);
    println!("{m}x{n}x{k}: off from three plain loops by {largest:.1e}");
    // 150 products below 1/4, rounded in another order.
    assert!(largest < 1e-4);

    // 2. The number of threads changes who computes an element, never its bits.
    for threads in [2, 3] {
        assert_eq!(product(&Executor::new(threads)?), c);
    }

    // 3. An epilogue sees every element once, while it is in cache.
    let exec = Executor::serial();
    let mut rectified = vec![f32::NAN; m * n];
    let mut scratch = vec![0.0; gemm_scratch_len::<f32>(&exec, m, n, k)];
    let c_view = matrix_mut(&mut rectified, m, n);
    gemm(&exec, a, w.t(), Accum::Replace, c_view, &mut scratch, &Relu);
    assert!(rectified.iter().zip(&c).all(|(r, c)| *r == c.max(0.0)));

    // 4. A dropout mask is a function of (seed, layer, step, element): a part of a row gets the
    //    same elements as the whole row.
    let mask = DrawnMask::new(7, 0, 64, 3, 0.25);
    let (mut whole, mut part) = ([1.0f32; 64], [1.0f32; 24]);
    let mut run = Some(&mut whole[..]);
    mask.apply(5, 0, 1, || run.take().unwrap_or_default(), 1.0 / 0.75);
    let mut run = Some(&mut part[..]);
    mask.apply(5, 40, 1, || run.take().unwrap_or_default(), 1.0 / 0.75);
    println!("kept {} of 64", whole.iter().filter(|v| **v > 0.0).count());
    assert_eq!(whole[40..], part);
    Ok(())
}
