//! The network's sizes, and the data that every peer starts from.

use std::str::FromStr;

const SEED: u32 = 12345;
pub const LEARNING_RATE: f64 = 1e-3;
pub const MOMENTUM: f64 = 0.9;
pub const DROPOUT: f64 = 0.5;

/// Rows of the batch and widths of the two branches; `outputs_a` is also the width of branch B's
/// hidden layer.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub rows: usize,
    pub inputs: usize,
    pub hidden_a: usize,
    pub outputs_a: usize,
    pub classes: usize,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sizes: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
        match sizes.as_deref() {
            Ok(&[rows, inputs, hidden_a, outputs_a, classes]) => {
                Ok(Self { rows, inputs, hidden_a, outputs_a, classes })
            }
            _ => Err(format!("expected a shape R,I,H,O,C of five whole numbers, got `{text}`")),
        }
    }
}

/// Row-major.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub data: Vec<f32>,
    pub rows: usize,
    pub cols: usize,
}

impl Matrix {
    pub fn transposed(&self) -> Self {
        let column = |c| (0..self.rows).map(move |r| self.data[r * self.cols + c]);
        Self { data: (0..self.cols).flat_map(column).collect(), rows: self.cols, cols: self.rows }
    }
}

/// One batch and the initial parameters, in the order drawn; weights are `[out, in]`.
#[derive(Clone, Debug)]
pub struct Workload {
    pub x: Matrix,
    pub y_a: Matrix,
    pub y_b: Vec<u32>,
    pub w1a: Matrix,
    pub b1a: Vec<f32>,
    pub w2a: Matrix,
    pub b2a: Vec<f32>,
    pub w1b: Matrix,
    pub b1b: Vec<f32>,
    pub w2b: Matrix,
    pub b2b: Vec<f32>,
}

impl Workload {
    pub fn new(shape: Shape) -> Self {
        let Shape { rows, inputs, hidden_a, outputs_a, classes } = shape;
        let mut rng = Lcg(SEED);
        let x = rng.matrix(rows, inputs, 1.7);
        let y_a = rng.matrix(rows, outputs_a, 1.7);
        let y_b = (0..rows).map(|_| rng.draw() % classes as u32).collect();
        let (w1a, b1a) = rng.linear(hidden_a, inputs);
        let (w2a, b2a) = rng.linear(outputs_a, hidden_a);
        let (w1b, b1b) = rng.linear(outputs_a, inputs);
        let (w2b, b2b) = rng.linear(classes, outputs_a);
        Self { x, y_a, y_b, w1a, b1a, w2a, b2a, w1b, b1b, w2b, b2b }
    }
}

/// x ← 1664525·x + 1013904223 (mod 2³²); the upper 24 bits are the number.
struct Lcg(u32);

impl Lcg {
    fn draw(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1664525).wrapping_add(1013904223);
        self.0 >> 8
    }

    /// Uniform in ±`bound`: exact in f32 up to the one product.
    fn uniform(&mut self, count: usize, bound: f32) -> Vec<f32> {
        let unit = |draw: u32| draw as f32 / 16_777_216.0;
        (0..count).map(|_| (2.0 * unit(self.draw()) - 1.0) * bound).collect()
    }

    fn matrix(&mut self, rows: usize, cols: usize, bound: f32) -> Matrix {
        Matrix { data: self.uniform(rows * cols, bound), rows, cols }
    }

    fn linear(&mut self, outs: usize, ins: usize) -> (Matrix, Vec<f32>) {
        let bound = 1.0 / (ins as f32).sqrt();
        (self.matrix(outs, ins, bound), self.uniform(outs, bound))
    }
}
