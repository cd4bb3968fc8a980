//! A network: sizes, constants, parameters, and one batch.

use std::ops::{Index, IndexMut};

use crate::matrix::Matrix;

/// How branch A's prediction ŷa flows into branch B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// s = bn + ŷa; ŷa and bn have the same width.
    Add,
    /// s = bn + ŷa in every column; ŷa has one column.
    Broadcast,
    /// s = bn + ŷa·Wⱼᵀ, Wⱼ `[units of B, outputs of A]` learned.
    Project,
}

/// BatchNorm's γ and β.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affine {
    /// One γ and one β for each unit.
    PerUnit,
    /// One γ and one β for all units.
    Shared,
}

/// Sizes and constants of a two-branch network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    /// Columns of x.
    pub inputs: usize,
    /// Hidden units of branch A.
    pub hidden_a: usize,
    /// Columns of ŷa.
    pub outputs_a: usize,
    /// Hidden units of branch B.
    pub hidden_b: usize,
    /// Columns of ŷb.
    pub classes: usize,
    /// How ŷa flows into branch B.
    pub join: Join,
    /// The form of γ and β.
    pub affine: Affine,
    /// BatchNorm's ε.
    pub eps: f64,
    /// Probability p that dropout drops a value. The forward pass reads only the mask; the backward
    /// pass that forgets 1/(1−p) needs p.
    pub dropout: f64,
    /// wa, the weight of the regression loss.
    pub weight_a: f64,
    /// wb, the weight of the classification loss.
    pub weight_b: f64,
}

/// The parameters, in the order of the flat slice of a training run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Param {
    /// θ1a `[hidden_a, inputs]`.
    Theta1a,
    /// b1a `[1, hidden_a]`.
    B1a,
    /// θ2a `[outputs_a, hidden_a]`.
    Theta2a,
    /// b2a `[1, outputs_a]`.
    B2a,
    /// θ1b `[hidden_b, inputs]`.
    Theta1b,
    /// b1b `[1, hidden_b]`.
    B1b,
    /// γ `[1, hidden_b]`, or `[1, 1]` when shared.
    Gamma,
    /// β, shaped as γ.
    Beta,
    /// Wⱼ `[hidden_b, outputs_a]` for [`Join::Project`], else empty.
    JoinWeight,
    /// θ2b `[classes, hidden_b]`.
    Theta2b,
    /// b2b `[1, classes]`.
    B2b,
}

impl Param {
    /// Every parameter.
    pub const ALL: [Self; 11] = [
        Self::Theta1a,
        Self::B1a,
        Self::Theta2a,
        Self::B2a,
        Self::Theta1b,
        Self::B1b,
        Self::Gamma,
        Self::Beta,
        Self::JoinWeight,
        Self::Theta2b,
        Self::B2b,
    ];

    /// `[rows, columns]` in this network; `[0, 0]` if the network does not have the parameter.
    pub fn shape(self, net: &Network) -> [usize; 2] {
        let affine = match net.affine {
            Affine::PerUnit => [1, net.hidden_b],
            Affine::Shared => [1, 1],
        };
        match self {
            Self::Theta1a => [net.hidden_a, net.inputs],
            Self::B1a => [1, net.hidden_a],
            Self::Theta2a => [net.outputs_a, net.hidden_a],
            Self::B2a => [1, net.outputs_a],
            Self::Theta1b => [net.hidden_b, net.inputs],
            Self::B1b => [1, net.hidden_b],
            Self::Gamma | Self::Beta => affine,
            Self::JoinWeight if net.join == Join::Project => [net.hidden_b, net.outputs_a],
            Self::JoinWeight => [0, 0],
            Self::Theta2b => [net.classes, net.hidden_b],
            Self::B2b => [1, net.classes],
        }
    }
}

/// One matrix for each parameter: `params[Param::Theta1a]`. Gradients have the same form.
#[derive(Clone, Debug, PartialEq)]
pub struct Params<T = f64>([Matrix<T>; 11]);

impl<T> Params<T> {
    /// The parameters with the entries `entry(param, i, j)`.
    pub fn from_fn(net: &Network, mut entry: impl FnMut(Param, usize, usize) -> T) -> Self {
        Self(Param::ALL.map(|param| {
            let [rows, cols] = param.shape(net);
            Matrix::from_fn(rows, cols, |i, j| entry(param, i, j))
        }))
    }

    /// Applies `f` to every entry.
    pub fn map<U>(&self, mut f: impl FnMut(&T) -> U) -> Params<U> {
        Params(self.0.each_ref().map(|matrix| matrix.map(&mut f)))
    }
}

impl<T> Index<Param> for Params<T> {
    type Output = Matrix<T>;

    fn index(&self, param: Param) -> &Matrix<T> {
        &self.0[param as usize]
    }
}

impl<T> IndexMut<Param> for Params<T> {
    fn index_mut(&mut self, param: Param) -> &mut Matrix<T> {
        &mut self.0[param as usize]
    }
}

/// What one training step sees: m rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// x `[m, inputs]`.
    pub x: Matrix,
    /// ya `[m, outputs_a]`.
    pub y_a: Matrix,
    /// yb `[m, classes]`: each row non-negative, with sum 1.
    pub y_b: Matrix,
    /// M = keep/(1−p) `[m, hidden_a]`, as drawn for this step; in evaluation mode all 1.
    pub mask: Matrix,
    /// The statistics that BatchNorm uses in evaluation mode; `None` in training mode.
    pub running: Option<Running>,
}

/// BatchNorm's running statistics, `[1, hidden_b]` each.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// The running mean.
    pub mean: Matrix,
    /// The running variance.
    pub var: Matrix,
}

impl Batch {
    /// m, the number of rows.
    pub fn rows(&self) -> usize {
        self.x.rows()
    }
}
