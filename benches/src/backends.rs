//! The matrix products that are compared: ours, plain matrixmultiply's, faer's.

use anabranch_tensor::gemm::{NoEpilogue, gemm, gemm_scratch_len};
use anabranch_tensor::{Accum, ArrayView2, Executor, matrix, matrix_mut};
use ndarray::linalg::general_mat_mul;

use crate::products::Form;
use crate::workload::Lcg;

/// A library that multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Anabranch,
    /// Through ndarray, whose own loops handle products of at most 7×7×7.
    Matrixmultiply,
    #[cfg(feature = "faer")]
    Faer,
}

impl Backend {
    pub(crate) const ALL: &[Self] = &[
        Self::Anabranch,
        Self::Matrixmultiply,
        #[cfg(feature = "faer")]
        Self::Faer,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anabranch => "anabranch",
            Self::Matrixmultiply => "matrixmultiply",
            #[cfg(feature = "faer")]
            Self::Faer => "faer",
        }
    }
}

/// One product with operands of its own, on one thread.
#[derive(Debug)]
pub(crate) struct Multiplication {
    form: Form,
    m: usize,
    n: usize,
    k: usize,
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
    scratch: Vec<f32>,
}

impl Multiplication {
    pub(crate) fn new(form: Form, [m, n, k]: [usize; 3]) -> Self {
        let mut lcg = Lcg(1);
        let scratch = vec![0.0; gemm_scratch_len::<f32>(&Executor::serial(), m, n, k)];
        let (a, b) = (lcg.uniform(m * k, 1.0), lcg.uniform(k * n, 1.0));
        Self { form, m, n, k, a, b, c: vec![0.0; m * n], scratch }
    }

    /// C = A·B by `backend`.
    pub(crate) fn run(&mut self, backend: Backend) {
        let (m, n) = (self.m, self.n);
        let (a, b) = operands(self.form, [m, n, self.k], &self.a, &self.b);
        let mut c = matrix_mut(&mut self.c, m, n);
        match backend {
            Backend::Anabranch => {
                let exec = Executor::serial();
                gemm(&exec, a, b, Accum::Replace, c, &mut self.scratch, &NoEpilogue);
            }
            Backend::Matrixmultiply => general_mat_mul(1.0, &a, &b, 0.0, &mut c),
            #[cfg(feature = "faer")]
            Backend::Faer => {
                use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
                let stored = |data, (rows, cols)| MatRef::from_row_major_slice(data, rows, cols);
                let (a, b) = match self.form {
                    Form::Nt => {
                        (stored(&self.a, (m, self.k)), stored(&self.b, (n, self.k)).transpose())
                    }
                    Form::Nn => (stored(&self.a, (m, self.k)), stored(&self.b, (self.k, n))),
                    Form::Tn => {
                        (stored(&self.a, (self.k, m)).transpose(), stored(&self.b, (self.k, n)))
                    }
                };
                let c = MatMut::from_row_major_slice_mut(&mut self.c, m, n);
                matmul(c, Accum::Replace, a, b, 1.0, Par::Seq);
            }
        }
    }
}

/// A `[m, k]` and B `[k, n]`, stored as `form` says.
fn operands<'a>(
    form: Form,
    [m, n, k]: [usize; 3],
    a: &'a [f32],
    b: &'a [f32],
) -> (ArrayView2<'a, f32>, ArrayView2<'a, f32>) {
    match form {
        Form::Nt => (matrix(a, m, k), matrix(b, n, k).reversed_axes()),
        Form::Nn => (matrix(a, m, k), matrix(b, k, n)),
        Form::Tn => (matrix(a, k, m).reversed_axes(), matrix(b, k, n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_computes_the_same() {
        for form in Form::ALL {
            let mut product = Multiplication::new(form, [9, 17, 33]);
            product.run(Backend::Anabranch);
            let ours = product.c.clone();
            for backend in Backend::ALL {
                product.c.fill(f32::NAN);
                product.run(*backend);
                for (a, b) in ours.iter().zip(&product.c) {
                    // Sums of 33 terms below 1, rounded in different orders.
                    assert!((a - b).abs() < 33.0 * f32::EPSILON, "{form:?} {backend:?}");
                }
            }
        }
    }
}
