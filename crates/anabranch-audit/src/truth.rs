//! A random network with every quantity's true value, from dual numbers.

mod differentials;

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::Evaluation;
use crate::matrix::Matrix;
use crate::mistakes::{Gradients, Mistake, backward_naive};
use crate::quantity::{JACOBIANS, Kind, LOCAL, Quantity, Target, Units};
use crate::reference::{
    Batch, Network, Node, Param, Params, Random, Running, Values, dual_batch_norm_jacobian,
    dual_delta, dual_dropout_jacobian, dual_entry_by_entry, dual_gradient, dual_layer_by_weight,
    dual_row_jacobian, dual_sample_gradients, dual_softmax_jacobian, forward, random_instance,
};
use crate::setting::{Labels, Mode, Probability, Setting, SquaredError};
use crate::task::Task;
use crate::value::Value;

/// One instance and its quantities.
pub(crate) struct Truth {
    pub(crate) net: Network,
    pub(crate) rows: usize,
    mode: Mode,
    /// What the derivatives of one quantity with respect to another are computed from.
    pub(crate) params: Params,
    pub(crate) batch: Batch,
    quantities: HashMap<&'static str, Value>,
    mistaken: Vec<(Mistake, Gradients)>,
    /// With another loss, made on first use.
    of_tasks: [OnceLock<Box<Self>>; 3],
    /// Along a random direction of the parameters, made on first use.
    differentials: OnceLock<HashMap<&'static str, Matrix>>,
    setting: Setting,
    seed: u64,
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

/// The values of the mask M.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaskReading {
    /// M = keep/(1−p).
    Scaled,
    /// M = keep, 0 or 1.
    Binary,
}

/// Where branch B's units are in the blocks in which a formula is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitAxis {
    Nowhere,
    Rows,
    Columns,
    Blocks,
}

impl Truth {
    /// The instance that `seed` determines.
    pub(crate) fn new(net: Network, setting: Setting, rows: usize, seed: u64) -> Self {
        let (params, batch) = random_instance(&net, rows, seed);
        Self::of(net, setting, params, batch, seed)
    }

    /// The network with these parameters on this batch; in evaluation mode, `seed` determines the
    /// running statistics.
    pub(crate) fn of(
        net: Network,
        setting: Setting,
        params: Params,
        mut batch: Batch,
        seed: u64,
    ) -> Self {
        let (mode, rows) = (setting.mode, batch.rows());
        if setting.labels == Labels::OneHot {
            batch.y_b = one_hot(&batch.y_b);
        }
        if mode == Mode::Evaluation {
            batch.mask = Matrix::filled(rows, net.hidden_a, 1.0);
            batch.running = Some(running(net.hidden_b, seed));
        }
        let values = forward(&net, &params, &batch, None);
        let mistaken = Mistake::ALL
            .map(|made| (made, backward_naive(&net, &params, &batch, &values, Some(made))))
            .into();
        let mut quantities = quantities(&net, params.clone(), batch.clone(), values);
        if setting.probability == Probability::Kept {
            quantities.insert("p", Value::number(1.0 - net.dropout));
        }
        if setting.squared_error == SquaredError::Whole {
            // The 2 belongs to the loss, not to the task's weight.
            quantities.insert("w_a", Value::number(net.weight_a / 2.0));
            let half = quantities.get("loss_a").map(|loss_a| loss_a.map(|loss| 2.0 * loss));
            quantities.extend(half.map(|whole| ("loss_a", whole)));
        }
        let of_tasks = [const { OnceLock::new() }; 3];
        let differentials = OnceLock::new();
        Self {
            net,
            rows,
            mode,
            params,
            batch,
            quantities,
            mistaken,
            of_tasks,
            differentials,
            setting,
            seed,
        }
    }

    /// The same network with another loss.
    pub(crate) fn of_task(&self, task: Task) -> &Self {
        self.of_tasks[task as usize].get_or_init(|| {
            let (weight_a, weight_b, m) = (self.net.weight_a, self.net.weight_b, self.rows as f64);
            let net = match task {
                Task::A => Network { weight_b: 0.0, ..self.net },
                Task::B => Network { weight_a: 0.0, ..self.net },
                Task::Sample => {
                    Network { weight_a: m * weight_a, weight_b: m * weight_b, ..self.net }
                }
            };
            let (params, batch) = (self.params.clone(), self.batch.clone());
            Box::new(Self::of(net, self.setting, params, batch, self.seed))
        })
    }

    /// The quantity's value over the whole batch.
    pub(crate) fn batch_value(&self, quantity: &Quantity) -> &Value {
        // Every name of the table is in `quantities`: a test asserts it.
        &self.quantities[quantity.name]
    }

    /// The quantity as a matrix over the whole batch; `None` for a family of matrices.
    pub(crate) fn matrix(&self, quantity: &Quantity) -> Option<&Matrix> {
        match self.batch_value(quantity) {
            Value::Matrix(matrix) => Some(matrix),
            _ => None,
        }
    }

    /// The entries of a vector of the network, such as γ.
    pub(crate) fn vector(&self, name: &str) -> &[f64] {
        match &self.quantities[name] {
            Value::Matrix(matrix) => matrix.data(),
            _ => &[],
        }
    }

    /// The quantity as `scope` sees it; `None` if it couples what the scope separates.
    pub(crate) fn value(
        &self,
        quantity: &Quantity,
        scope: Scope,
        mask: MaskReading,
    ) -> Option<Value> {
        self.seen(quantity, self.batch_value(quantity), scope, mask)
    }

    /// A value of the quantity's form as `scope` sees it.
    fn seen(
        &self,
        quantity: &Quantity,
        value: &Value,
        scope: Scope,
        mask: MaskReading,
    ) -> Option<Value> {
        let binary = quantity.name == "M" && mask == MaskReading::Binary;
        let matrix = match value {
            Value::Matrix(matrix) if binary => &matrix.map(|v| f64::from(u8::from(*v > 0.0))),
            Value::Matrix(matrix) => matrix,
            Value::Identity(_) => return Some(value.clone()),
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
            (Scope::Unit(unit), Kind::Rows | Kind::Vector, units)
                if (units == Units::Columns || quantity.name == "y_a_hat")
                    && matrix.cols() == self.net.hidden_b =>
            {
                matrix.column(unit)
            }
            _ => matrix.clone(),
        }))
    }

    /// What the indices of an entry run over: rows and columns, of a vector its entries twice.
    pub(crate) fn entry_shape(&self, quantity: &Quantity) -> [usize; 2] {
        match (self.batch_value(quantity), quantity.kind) {
            (Value::Matrix(matrix), Kind::Weight) => matrix.shape(),
            (Value::Matrix(matrix), _) => [matrix.cols(); 2],
            (Value::ForEachRow(of) | Value::ForEachUnit(of), _) => of[0].shape(),
            (Value::Identity(_), _) => [1, 1],
        }
    }

    /// BatchNorm with this network's γ, β, ε and, in evaluation mode, running statistics; `None`
    /// where the width is not that of branch B.
    pub(crate) fn batch_norm(&self, a: &Matrix) -> Option<Matrix> {
        if a.cols() != self.net.hidden_b {
            return None;
        }
        let (gamma, beta) = (self.vector("gamma"), self.vector("beta"));
        let of_unit = |v: &[f64], unit: usize| v[unit.min(v.len() - 1)];
        let mut output = a.clone();
        for unit in 0..a.cols() {
            let column: Vec<f64> = a.column(unit).data().to_vec();
            let count = column.len() as f64;
            let mean = column.iter().sum::<f64>() / count;
            let var = column.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / count;
            let (mean, var) = match self.mode {
                Mode::Training => (mean, var),
                Mode::Evaluation => (self.vector("mu")[unit], self.vector("var")[unit]),
            };
            for (row, a) in column.iter().enumerate() {
                let a_hat = (a - mean) / (var + self.net.eps).sqrt();
                output[(row, unit)] = of_unit(gamma, unit) * a_hat + of_unit(beta, unit);
            }
        }
        Some(output)
    }

    /// The target's true value in the blocks of an evaluation.
    pub(crate) fn expected(&self, target: Target, evaluation: Evaluation) -> Vec<Matrix> {
        match self.batch_value(target.0) {
            Value::Matrix(matrix) => blocks(matrix, target.0.kind, evaluation),
            Value::ForEachRow(of) | Value::ForEachUnit(of) => of.clone(),
            Value::Identity(_) => vec![],
        }
    }

    /// The target's value after a mistake, in the same blocks; `None` for what the forward pass
    /// gives.
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

    /// Where the units are in [`Self::expected`].
    pub(crate) fn unit_axis(&self, target: Target, evaluation: Evaluation) -> UnitAxis {
        let units = target.0.units;
        // One γ for all units.
        let is_shared = |of: &Matrix| of.cols() == 1 && units == Units::Columns;
        if target.0.kind == Kind::Rows && self.matrix(target.0).is_some_and(is_shared) {
            return UnitAxis::Nowhere;
        }
        match (target.0.kind, evaluation) {
            (Kind::UnitJacobian, _) | (_, Evaluation::PerUnit) => UnitAxis::Blocks,
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

/// One block for the batch; row by row, a column vector for each sample; unit by unit, one for each
/// unit.
fn blocks(matrix: &Matrix, kind: Kind, evaluation: Evaluation) -> Vec<Matrix> {
    match (evaluation, kind) {
        (Evaluation::PerRow, Kind::Rows) => (0..matrix.rows())
            .map(|row| Matrix::new(matrix.cols(), 1, matrix.row(row).to_vec()))
            .collect(),
        (Evaluation::PerRow, Kind::Vector) => vec![matrix.transposed()],
        (Evaluation::PerUnit, _) => (0..matrix.cols()).map(|unit| matrix.column(unit)).collect(),
        _ => vec![matrix.clone()],
    }
}

/// The intermediate of this name.
pub(crate) fn node_named(name: &str) -> Option<Node> {
    Some(match name {
        "z_1a" => Node::Z1a,
        "a_1a" => Node::A1a,
        "h" => Node::H,
        "y_a_hat" => Node::YAHat,
        "z_1b" => Node::Z1b,
        "a_1b" => Node::A1b,
        "mu" => Node::Mu,
        "var" => Node::Var,
        "a_hat" => Node::AHat,
        "bn" => Node::Bn,
        "s" => Node::S,
        "z_2b" => Node::Z2b,
        "y_b_hat" => Node::YBHat,
        _ => return None,
    })
}

/// A 1 where a row is largest.
fn one_hot(labels: &Matrix) -> Matrix {
    let largest = |i: usize| {
        let row = labels.row(i);
        (0..row.len()).fold(0, |best, j| if row[j] > row[best] { j } else { best })
    };
    Matrix::from_fn(labels.rows(), labels.cols(), |i, j| f64::from(u8::from(j == largest(i))))
}

/// Running statistics that differ from the batch's.
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

/// Derivatives of neighbours, one by the other.
fn local(
    net: &Network,
    params: &Params,
    batch: &Batch,
    values: &Values,
) -> HashMap<&'static str, Value> {
    let mut all = HashMap::new();
    for (name, u, v) in LOCAL {
        let param = PARAMS.iter().find(|(_, param, _)| *param == v).map(|(param, ..)| *param);
        let value = match (node_named(v), param) {
            (Some(node), _) => {
                dual_entry_by_entry(net, params, batch, (u, node)).map(Value::Matrix)
            }
            (None, Some(bias)) if params[bias].rows() == 1 => {
                // A bias is added to z as it is.
                let n = params[bias].cols();
                let one = Matrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j)));
                Some(Value::ForEachRow(vec![one; batch.rows()]))
            }
            (None, Some(weight)) => {
                dual_layer_by_weight(net, params, batch, (u, weight)).map(Value::Matrix)
            }
            (None, None) => None,
        };
        all.extend(value.map(|value| (name, value)));
    }
    let log_y = values.y_b_hat.map(|y| y.ln());
    let of_log = |(row, of): (usize, &Matrix)| {
        Matrix::from_fn(of.rows(), of.cols(), |i, j| of[(i, j)] / values.y_b_hat[(row, i)])
    };
    let of_softmax = dual_softmax_jacobian(net, params, batch);
    let by_z = of_softmax.iter().enumerate().map(of_log).collect();
    all.insert("log_y_b_hat", Value::Matrix(log_y));
    all.insert("dlog_y_dz_2b", Value::ForEachRow(by_z));
    let (mean, var) = (values.mu.clone(), values.var.clone());
    let fixed = Batch { running: Some(Running { mean, var }), ..batch.clone() };
    let by_itself = dual_entry_by_entry(net, params, &fixed, ("a_hat", Node::A1b));
    all.extend(by_itself.map(|value| ("da_hat_da", Value::Matrix(value))));
    all
}

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
        ("d_mu", delta(Node::Mu)),
        ("d_var", delta(Node::Var)),
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
    for (name, u, v) in JACOBIANS {
        if let (false, Some(node)) = (all.contains_key(name), node_named(v))
            && name != "jacobian_bn"
            && let Some(of) = dual_row_jacobian(net, &params, &batch, (u, node))
        {
            all.insert(name, Value::ForEachRow(of));
        }
    }
    for (param, _, gradient) in PARAMS {
        let Some(of) = Quantity::named(gradient).and_then(Quantity::of_sample) else { continue };
        let all_rows = dual_sample_gradients(net, &params, &batch, param);
        let value = match of.kind {
            Kind::RowWeight => Value::ForEachRow(all_rows),
            _ => {
                let cols = params[param].cols();
                let data = all_rows.iter().flat_map(|one| one.data()).copied().collect();
                Value::Matrix(Matrix::new(batch.rows(), cols, data))
            }
        };
        all.insert(of.name, value);
    }
    all.extend(local(net, &params, &batch, &values));
    let kept = batch.mask.map(|v| f64::from(u8::from(*v > 0.0)));
    let gamma = &params[Param::Gamma];
    let jacobian_bn: Vec<Matrix> = dual_batch_norm_jacobian(net, &params, &batch)
        .iter()
        .enumerate()
        .map(|(unit, of)| of.map(|v| v * gamma[(0, unit.min(gamma.cols() - 1))]))
        .collect();
    all.insert("jacobian_bn", Value::ForEachUnit(jacobian_bn));
    let Running { mean, var } =
        batch.running.unwrap_or(Running { mean: values.mu.clone(), var: values.var.clone() });
    // The losses of the tasks as they are before their weights.
    let half_square = |i: usize| -> f64 {
        let residual = |j: usize| values.y_a_hat[(i, j)] - batch.y_a[(i, j)];
        (0..net.outputs_a).map(|j| residual(j).powi(2)).sum::<f64>() / 2.0
    };
    let cross_entropy = |i: usize| -> f64 {
        let log = |j: usize| values.y_b_hat[(i, j)].ln();
        -(0..net.classes).map(|j| batch.y_b[(i, j)] * log(j)).sum::<f64>()
    };
    let m = batch.x.rows();
    let over_rows = |of: &dyn Fn(usize) -> f64| (0..m).map(of).sum::<f64>() / m as f64;
    all.insert("loss_a", Value::number(over_rows(&half_square)));
    all.insert("loss_b", Value::number(over_rows(&cross_entropy)));
    let loss_row = Matrix::from_fn(m, 1, |i, _| {
        net.weight_a * half_square(i) + net.weight_b * cross_entropy(i)
    });
    let matrices = [
        ("loss_row", loss_row),
        ("r", kept),
        ("ones_m", Matrix::filled(batch.x.rows(), 1, 1.0)),
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
