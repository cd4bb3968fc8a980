//! The crate's GEMM against the library `matrixmultiply`, which works on every machine.
#![allow(unsafe_code)]

use anabranch_tensor::gemm::{NoEpilogue, gemm, gemm_scratch_len};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Accum, Executor, matrix, matrix_mut};

/// A product that crosses blocks of every kind, one of a network's size, and thin ones.
const SHAPES: [(usize, usize, usize); 6] =
    [(130, 70, 520), (32, 16, 32), (1, 40, 300), (257, 1, 33), (40, 300, 1), (61, 129, 257)];

macro_rules! agrees {
    ($name:ident, $t:ty, $library:path) => {
        #[test]
        fn $name() {
            let exec = Executor::serial();
            let mut random = Random::new(5, Purpose::Sample, 0);
            for (m, n, k) in SHAPES {
                let mut draw = |len: usize| -> Vec<$t> {
                    (0..len).map(|_| (2.0 * random.uniform() - 1.0) as $t).collect()
                };
                // B is stored transposed, as the weights of a layer are.
                let (a, b, start) = (draw(m * k), draw(n * k), draw(m * n));
                let mut c = start.clone();
                let mut scratch = vec![0.0; gemm_scratch_len::<$t>(&exec, m, n, k)];
                let (a_view, b_view) = (matrix(&a, m, k), matrix(&b, n, k));
                let c_view = matrix_mut(&mut c, m, n);
                gemm(&exec, a_view, b_view.t(), Accum::Add, c_view, &mut scratch, &NoEpilogue);

                let mut expected = start;
                let (k_step, n_step) = (k as isize, n as isize);
                // SAFETY: the slices have m·k, k·n and m·n elements, in the given strides.
                unsafe {
                    let (a, b, c) = (a.as_ptr(), b.as_ptr(), expected.as_mut_ptr());
                    $library(m, k, n, 1.0, a, k_step, 1, b, 1, k_step, 1.0, c, n_step, 1);
                }
                // Two orders of one sum of k + 1 terms below 1 differ by at most k + 1 roundings of
                // numbers below k + 1; this bound is far from reached.
                let bound = (k + 1) as $t * <$t>::EPSILON * (k as $t).sqrt().max(1.0);
                for (c, expected) in c.iter().zip(&expected) {
                    assert!((c - expected).abs() <= bound, "{m}×{n}×{k}: {c} and {expected}");
                }
            }
        }
    };
}

agrees!(f32_agrees, f32, matrixmultiply::sgemm);
agrees!(f64_agrees, f64, matrixmultiply::dgemm);
