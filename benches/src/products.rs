//! The matrix products of a step, alone.

use std::ops::Range;

use anabranch_tensor::gemm::{Epilogue, NoEpilogue, gemm, gemm_scratch_len};
use anabranch_tensor::{Accum, Buffer, Executor, Scalar, matrix, matrix_mut};

use crate::shape::Shape;
use crate::workload::Lcg;

/// Which operands of C = A·B are stored transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// x·wᵀ, the forward pass: w is stored `[out, in]`.
    Nt,
    /// dy·w, the derivative with respect to a layer's input.
    Nn,
    /// dyᵀ·x, the derivative with respect to its weights.
    Tn,
}

impl Form {
    pub(crate) const ALL: [Self; 3] = [Self::Nt, Self::Nn, Self::Tn];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nt => "A·Bᵀ",
            Self::Nn => "A·B",
            Self::Tn => "Aᵀ·B",
        }
    }
}

/// An array of the step, by its place in [`array_sizes`].
type ArrayId = usize;

const X: ArrayId = 0;
const W: [ArrayId; 4] = [1, 2, 3, 4];
const DW: [ArrayId; 4] = [5, 6, 7, 8];
const H: ArrayId = 9;
const Y_A: ArrayId = 10;
const A: ArrayId = 11;
const S: ArrayId = 12;
const Z_B: ArrayId = 13;
const DH: ArrayId = 14;
const DY_A: ArrayId = 15;
const DA: ArrayId = 16;
const DS: ArrayId = 17;
const DZ_B: ArrayId = 18;

/// (rows, columns) of every matrix that a step multiplies, with the four layers in the order fc1a,
/// fc2a, fc1b, fc2b.
fn array_sizes(shape: Shape) -> [(usize, usize); 19] {
    let Shape { rows: r, inputs: i, hidden_a: h, outputs_a: o, classes: c } = shape;
    let w = [(h, i), (o, h), (o, i), (c, o)];
    let value = [(r, h), (r, o), (r, o), (r, o), (r, c)];
    let mut sizes = [(r, i); 19];
    sizes[1..5].copy_from_slice(&w);
    sizes[5..9].copy_from_slice(&w);
    sizes[9..14].copy_from_slice(&value);
    sizes[14..19].copy_from_slice(&value);
    sizes
}

/// One product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    /// What it computes.
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    a: ArrayId,
    b: ArrayId,
    c: ArrayId,
}

/// In the order of the step.
const PRODUCTS: [Product; 10] = {
    const fn product(name: &'static str, form: Form, [a, b, c]: [ArrayId; 3]) -> Product {
        Product { name, form, a, b, c }
    }
    [
        product("fc1a", Form::Nt, [X, W[0], H]),
        product("fc2a", Form::Nt, [H, W[1], Y_A]),
        product("fc1b", Form::Nt, [X, W[2], A]),
        product("fc2b", Form::Nt, [S, W[3], Z_B]),
        product("fc2b dw", Form::Tn, [DZ_B, S, DW[3]]),
        product("fc2b dx", Form::Nn, [DZ_B, W[3], DS]),
        product("fc1b dw", Form::Tn, [DA, X, DW[2]]),
        product("fc2a dw", Form::Tn, [DY_A, H, DW[1]]),
        product("fc2a dx", Form::Nn, [DY_A, W[1], DH]),
        product("fc1a dw", Form::Tn, [DH, X, DW[0]]),
    ]
};

impl Product {
    /// m, n and k of `C[m,n] = A[m,k]·B[k,n]`.
    pub(crate) fn dims(&self, shape: Shape) -> [usize; 3] {
        let sizes = array_sizes(shape);
        let (m, n) = sizes[self.c];
        let k = match self.form {
            Form::Nt | Form::Nn => sizes[self.a].1,
            Form::Tn => sizes[self.a].0,
        };
        [m, n, k]
    }
}

/// Sets elements up to a bound to zero, which leaves what ReLU and a dropout of one half leave of a
/// hidden layer, without the work of drawing a mask. The products skip zeros, and would be slower
/// without them than in the step.
struct KeepAbove<T>(T);

impl<T: Scalar> Epilogue<T> for KeepAbove<T> {
    #[inline(always)]
    fn apply(&self, _: usize, _: usize, c: &mut [T]) {
        for c in c {
            *c = if *c > self.0 { *c } else { T::ZERO };
        }
    }
}

/// The bound that a quarter of all sums of `terms` products exceed, if the numbers are uniform in
/// ±1: the sums are nearly normal, with variance 1/9 per term.
fn upper_quartile(terms: usize) -> f64 {
    0.6745 * (terms as f64 / 9.0).sqrt()
}

/// The products of a step, in matrices shared between them as in the step, with as many zeros.
#[derive(Debug)]
pub(crate) struct StepProducts<T> {
    sizes: [(usize, usize); 19],
    arrays: [Buffer<T>; 19],
    scratch: Buffer<T>,
}

impl<T: Scalar> StepProducts<T> {
    pub(crate) const ALL: [Product; 10] = PRODUCTS;
    /// Those of the forward pass.
    pub(crate) const FORWARD: Range<usize> = 0..4;
    /// Those of the backward pass.
    pub(crate) const BACKWARD: Range<usize> = 4..10;

    pub(crate) fn new(exec: &Executor, shape: Shape) -> Self {
        let sizes = array_sizes(shape);
        let mut lcg = Lcg(1);
        let mut arrays =
            sizes.map(|(rows, cols)| Buffer::from(&*lcg.uniform::<T>(rows * cols, 1.0)));
        // ReLU again.
        arrays[DA].iter_mut().filter(|d| **d < T::ZERO).for_each(|d| *d = T::ZERO);
        let scratch_len = PRODUCTS.iter().map(|product| {
            let [m, n, k] = product.dims(shape);
            gemm_scratch_len::<T>(exec, m, n, k)
        });
        let scratch = Buffer::zeros(scratch_len.max().unwrap_or(0));
        Self { sizes, arrays, scratch }
    }

    /// Computes all of them.
    pub(crate) fn run(&mut self, exec: &Executor) {
        self.run_part(exec, 0..Self::ALL.len());
    }

    /// Computes those of one pass.
    pub(crate) fn run_part(&mut self, exec: &Executor, part: Range<usize>) {
        for product in &Self::ALL[part] {
            let (m, n) = self.sizes[product.c];
            let mut c = std::mem::take(&mut self.arrays[product.c]);
            let operand =
                |id: ArrayId| matrix(&self.arrays[id], self.sizes[id].0, self.sizes[id].1);
            let (a, b) = (operand(product.a), operand(product.b));
            let (a, b) = match product.form {
                Form::Nt => (a, b.reversed_axes()),
                Form::Nn => (a, b),
                Form::Tn => (a.reversed_axes(), b),
            };
            let (accum, view, scratch) =
                (Accum::Replace, matrix_mut(&mut c, m, n), &mut self.scratch);
            if [H, DH].contains(&product.c) {
                let epilogue = KeepAbove(T::from_f64(upper_quartile(a.ncols())));
                gemm(exec, a, b, accum, view, scratch, &epilogue);
            } else {
                gemm(exec, a, b, accum, view, scratch, &NoEpilogue);
            }
            self.arrays[product.c] = c;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_products_are_the_flops_of_the_step() {
        for (name, shape) in Shape::NAMED {
            let flops = PRODUCTS.iter().map(|p| 2 * p.dims(shape).iter().product::<usize>());
            assert_eq!(flops.sum::<usize>() as f64, shape.flops(), "{name}");
        }
    }

    #[test]
    fn every_shape_agrees_with_its_operands() {
        let exec = Executor::serial();
        let mut products = StepProducts::<f64>::new(&exec, "6,2,3,4,5".parse().unwrap());
        products.run(&exec);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let [x, w, a] = [X, W[2], A].map(|id| &products.arrays[id]);
        assert!((a[4 + 1] - dot(&x[2..4], &w[2..4])).abs() < 1e-12);
    }

    #[test]
    fn hidden_layers_have_as_many_zeros_as_in_the_step() {
        let exec = Executor::serial();
        let mut products = StepProducts::<f32>::new(&exec, Shape::NAMED[1].1);
        products.run(&exec);
        for (array, share) in [(H, 0.75), (DH, 0.75), (DA, 0.5)] {
            let array = &products.arrays[array];
            let zeros = array.iter().filter(|x| **x == 0.0).count();
            assert!((zeros as f64 / array.len() as f64 - share).abs() < 0.02, "{zeros}");
        }
    }
}
