//! A random network with every quantity's true value, from dual numbers.

use std::collections::HashMap;

use crate::Evaluation;
use crate::matrix::Matrix;
use crate::mistakes::{Gradients, Mistake, backward_naive};
use crate::quantity::{Kind, Quantity, Target, Units};
use crate::reference::{
    Batch, Network, Node, Param, Params, Random, Running, Values, dual_batch_norm_jacobian,
    dual_delta, dual_dropout_jacobian, dual_gradient, dual_softmax_jacobian, forward,
    random_instance,
};
use crate::setting::Mode;
use crate::value::Value;

/// What one instance knows.
pub(crate) struct Truth {
    pub(crate) net: Network,
    pub(crate) rows: usize,
    quantities: HashMap<&'static str, Value>,
    mistaken: Vec<(Mistake, Gradients)>,
}

/// What an expression is evaluated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The whole batch, `[m, n]`.
    Batch,
    /// One row, as column vectors.
    Row(usize),
    /// One unit of branch B over the whole batch, `[m, 1]`.
    Unit(usize),
}

/// Which values the mask M has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaskReading {
    /// M = keep/(1−p).
    Scaled,
    /// M = keep, 0 or 1.
    Binary,
}

/// Where branch B's units lie in the blocks that a formula is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitAxis {
    Nowhere,
    Rows,
    Columns,
    Blocks,
}

impl Truth {
    /// The instance that `seed` decides.
    pub(crate) fn new(net: Network, mode: Mode, rows: usize, seed: u64) -> Self {
        let (params, mut batch) = random_instance(&net, rows, seed);
        if mode == Mode::Evaluation {
            batch.mask = Matrix::filled(rows, net.hidden_a, 1.0);
            batch.running = Some(running(net.hidden_b, seed));
        }
        let values = forward(&net, &params, &batch, None);
        let mistaken = Mistake::ALL
            .map(|made| (made, backward_naive(&net, &params, &batch, &values, Some(made))))
            .into();
        let quantities = quantities(&net, params, batch, values);
        Self { net, rows, quantities, mistaken }
    }

    /// The quantity's value over the whole batch.
    pub(crate) fn batch_value(&self, quantity: &Quantity) -> &Value {
        // Every name of the table is in `quantities`: a test asserts it.
        &self.quantities[quantity.name]
    }

    /// The entries of a vector of the network, such as γ.
    pub(crate) fn vector(&self, name: &str) -> &[f64] {
        match &self.quantities[name] {
            Value::Matrix(matrix) => matrix.data(),
            _ => &[],
        }
    }

    /// The quantity as `scope` sees it; `None` where it couples what the scope takes apart.
    pub(crate) fn value(
        &self,
        quantity: &Quantity,
        scope: Scope,
        mask: MaskReading,
    ) -> Option<Value> {
        let value = self.batch_value(quantity);
        let binary = quantity.name == "M" && mask == MaskReading::Binary;
        let matrix = match value {
            Value::Matrix(matrix) if binary => &matrix.map(|v| f64::from(u8::from(*v > 0.0))),
            Value::Matrix(matrix) => matrix,
            Value::ForEachRow(of) => {
                return match scope {
                    Scope::Row(row) => Some(Value::Matrix(of[row].clone())),
                    Scope::Batch => Some(value.clone()),
                    Scope::Unit(_) => None,
                };
            }
            Value::ForEachUnit(of) => {
                return match scope {
                    Scope::Unit(unit) => Some(Value::Matrix(of[unit].clone())),
                    Scope::Batch => Some(value.clone()),
                    Scope::Row(_) => None,
                };
            }
        };
        Some(Value::Matrix(match (scope, quantity.kind, quantity.units) {
            (Scope::Row(row), Kind::Rows, _) => {
                Matrix::new(matrix.cols(), 1, matrix.row(row).to_vec())
            }
            (Scope::Row(_), Kind::Vector, _) => matrix.transposed(),
            (Scope::Unit(unit), Kind::Rows | Kind::Vector, Units::Columns)
                if matrix.cols() == self.net.hidden_b =>
            {
                matrix.column(unit)
            }
            _ => matrix.clone(),
        }))
    }

    /// The target's true value in the blocks that an evaluation gives.
    pub(crate) fn expected(&self, target: Target, evaluation: Evaluation) -> Vec<Matrix> {
        match self.batch_value(target.0) {
            Value::Matrix(matrix) => blocks(matrix, target.0.kind, evaluation),
            Value::ForEachRow(of) | Value::ForEachUnit(of) => of.clone(),
        }
    }

    /// The target's value after a mistake, in the same blocks; `None` for what the forward pass gives.
    pub(crate) fn mistaken(
        &self,
        target: Target,
        evaluation: Evaluation,
    ) -> impl Iterator<Item = (Mistake, Option<Vec<Matrix>>)> {
        self.mistaken.iter().map(move |(mistake, gradients)| {
            let value = gradient(gradients, target.name());
            (*mistake, value.map(|matrix| blocks(matrix, target.0.kind, evaluation)))
        })
    }

    /// Where the units lie in [`Self::expected`].
    pub(crate) fn unit_axis(&self, target: Target, evaluation: Evaluation) -> UnitAxis {
        let units = target.0.units;
        match (target.0.kind, evaluation) {
            (Kind::UnitJacobian, _) => UnitAxis::Blocks,
            (Kind::Vector, _) if self.vector(target.name()).len() != self.net.hidden_b => {
                UnitAxis::Nowhere
            }
            (Kind::Rows | Kind::Vector, Evaluation::PerRow) if units == Units::Columns => {
                UnitAxis::Rows
            }
            _ => match units {
                Units::Nowhere => UnitAxis::Nowhere,
                Units::Rows => UnitAxis::Rows,
                Units::Columns => UnitAxis::Columns,
            },
        }
    }
}

/// One block for the batch; row by row, a column vector for each sample.
fn blocks(matrix: &Matrix, kind: Kind, evaluation: Evaluation) -> Vec<Matrix> {
    match (evaluation, kind) {
        (Evaluation::PerRow, Kind::Rows) => (0..matrix.rows())
            .map(|row| Matrix::new(matrix.cols(), 1, matrix.row(row).to_vec()))
            .collect(),
        (Evaluation::PerRow, Kind::Vector) => vec![matrix.transposed()],
        _ => vec![matrix.clone()],
    }
}

/// Running statistics that are not those of the batch.
fn running(units: usize, seed: u64) -> Running {
    let mut random = Random::new(seed.wrapping_add(0x5eed));
    Running {
        mean: Matrix::from_fn(1, units, |_, _| 0.3 + 0.4 * random.normal()),
        var: Matrix::from_fn(1, units, |_, _| 0.4 + random.uniform()),
    }
}

fn gradient<'a>(gradients: &'a Gradients, name: &str) -> Option<&'a Matrix> {
    Some(match name {
        "delta_2b" => &gradients.delta_2b,
        "delta_2a" => &gradients.delta_2a,
        "delta_1b" => &gradients.delta_1b,
        "delta_1a" => &gradients.delta_1a,
        "d_s" => &gradients.d_s,
        "d_a" => &gradients.d_a,
        "d_bn" => &gradients.d_s,
        name => {
            let (param, ..) = PARAMS.iter().find(|(_, _, gradient)| *gradient == name)?;
            &gradients.params[*param]
        }
    })
}

/// Parameters with their names, and those of their gradients.
const PARAMS: [(Param, &str, &str); 11] = [
    (Param::Theta1a, "theta_1a", "d_theta_1a"),
    (Param::B1a, "b_1a", "d_b_1a"),
    (Param::Theta2a, "theta_2a", "d_theta_2a"),
    (Param::B2a, "b_2a", "d_b_2a"),
    (Param::Theta1b, "theta_1b", "d_theta_1b"),
    (Param::B1b, "b_1b", "d_b_1b"),
    (Param::Gamma, "gamma", "d_gamma"),
    (Param::Beta, "beta", "d_beta"),
    (Param::JoinWeight, "theta_j", "d_theta_j"),
    (Param::Theta2b, "theta_2b", "d_theta_2b"),
    (Param::B2b, "b_2b", "d_b_2b"),
];

fn quantities(
    net: &Network,
    params: Params,
    batch: Batch,
    values: Values,
) -> HashMap<&'static str, Value> {
    let d_params = dual_gradient(net, &params, &batch);
    let delta = |node| Value::Matrix(dual_delta(net, &params, &batch, node));
    let mut all = HashMap::from([
        ("delta_2b", delta(Node::Z2b)),
        ("delta_2a", delta(Node::YAHat)),
        ("delta_1b", delta(Node::Z1b)),
        ("delta_1a", delta(Node::Z1a)),
        ("d_s", delta(Node::S)),
        ("d_a", delta(Node::A1b)),
        ("d_y_b_hat", delta(Node::YBHat)),
        ("d_bn", delta(Node::Bn)),
        ("d_a_hat", delta(Node::AHat)),
        ("d_h", delta(Node::H)),
        ("d_a_1a", delta(Node::A1a)),
        ("dy_dgamma", Value::Matrix(values.a_hat.clone())),
        ("dy_dbeta", Value::Matrix(Matrix::filled(batch.rows(), net.hidden_b, 1.0))),
        ("jacobian_dropout", Value::ForEachRow(dual_dropout_jacobian(net, &params, &batch))),
        ("jacobian_softmax", Value::ForEachRow(dual_softmax_jacobian(net, &params, &batch))),
        ("jacobian_batchnorm", Value::ForEachUnit(dual_batch_norm_jacobian(net, &params, &batch))),
        ("m", Value::number(batch.rows() as f64)),
        ("p", Value::number(net.dropout)),
        ("eps", Value::number(net.eps)),
        ("w_a", Value::number(net.weight_a)),
        ("w_b", Value::number(net.weight_b)),
        ("loss", Value::number(values.loss)),
    ]);
    for (param, name, gradient) in PARAMS {
        all.insert(name, Value::Matrix(params[param].clone()));
        all.insert(gradient, Value::Matrix(d_params[param].clone()));
    }
    let Running { mean, var } =
        batch.running.unwrap_or(Running { mean: values.mu.clone(), var: values.var.clone() });
    let matrices = [
        ("mu_run", mean),
        ("var_run", var),
        ("x", batch.x),
        ("y_a", batch.y_a),
        ("y_b", batch.y_b),
        ("M", batch.mask),
        ("z_1a", values.z_1a),
        ("a_1a", values.a_1a),
        ("h", values.h),
        ("y_a_hat", values.y_a_hat),
        ("z_1b", values.z_1b),
        ("a_1b", values.a_1b),
        ("mu", values.mu),
        ("var", values.var),
        ("a_hat", values.a_hat),
        ("bn", values.bn),
        ("s", values.s),
        ("z_2b", values.z_2b),
        ("y_b_hat", values.y_b_hat),
    ];
    all.extend(matrices.map(|(name, matrix)| (name, Value::Matrix(matrix))));
    all
}
