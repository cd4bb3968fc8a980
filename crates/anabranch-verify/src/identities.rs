//! Equations that every exact gradient of the two-branch network satisfies.
//!
//! They need no step size, no second evaluation of the network and no tolerance beyond rounding, and
//! cost O(parameters + activations). `docs/verification.md` derives them. The gradient is that of the
//! loss alone: before clipping, and without weight decay. BatchNorm uses batch statistics.
//!
//! | name | equation | holds because | needs |
//! |---|---|---|---|
//! | `softmax_ce_rows` | Σⱼ δ2bᵢⱼ = 0 for each row | softmax does not see a constant added to its row | labels with sum 1 |
//! | `relu_homogeneous_a` | ⟨θ1a,dθ1a⟩ + b1a·db1a = ⟨θ2a,dθ2a⟩ for each hidden unit | ReLU(cz) = cReLU(z), c > 0 | ReLU, any fixed mask |
//! | `batch_norm_scale_b` | ⟨θ1b,dθ1b⟩ + b1b·db1b = γ·dγ·ε/(σ²+ε) for each unit | BatchNorm undoes a scale, up to ε | ReLU, batch statistics, one γ for each unit |
//! | `batch_norm_dx` | Σᵢ daᵢⱼ = 0 for each unit | BatchNorm undoes a shift | batch statistics |
//! | `join` | γ·dγ + β·dβ + ⟨J(ŷa),ds⟩ = ⟨θ2b,dθ2b⟩ for each unit; over all units when γ is shared | both sides are ⟨s,ds⟩ | none |
//! | `head_a` | ⟨θ2a,dθ2a⟩ + b2a·db2a = ⟨ŷa,δ2a⟩ for each output | ŷa is linear in θ2a, b2a | no activation after FC2A |
//! | `join_weight` | ⟨Wⱼ,dWⱼ⟩ = ⟨J(ŷa),ds⟩ for each unit | J is linear in Wⱼ | join `project` |
//!
//! In `batch_norm_scale_b` the right side is small for a small ε: γ·dγ − γ·dγ·σ²/(σ²+ε), two terms that
//! nearly cancel, as those of dx do in BatchNorm's backward pass. What it then checks is that they do.

use serde::Serialize;

use anabranch_audit::mistakes::Gradients;
use anabranch_audit::reference::{Affine, Join, Network, Param, Params, Values};

/// A row-major matrix that lies in somebody else's memory; a vector has one row.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    data: &'a [f64],
    rows: usize,
    cols: usize,
}

impl<'a> View<'a> {
    /// `data` as `rows` × `cols`, row by row.
    ///
    /// # Panics
    /// When `data` does not hold `rows * cols` entries.
    pub fn new(data: &'a [f64], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows}×{cols} view of {} entries", data.len());
        Self { data, rows, cols }
    }

    fn at(&self, row: usize, col: usize) -> f64 {
        self.data[row * self.cols + col]
    }
}

impl<'a> From<&'a anabranch_audit::matrix::Matrix> for View<'a> {
    fn from(matrix: &'a anabranch_audit::matrix::Matrix) -> Self {
        Self::new(matrix.data(), matrix.rows(), matrix.cols())
    }
}

/// Parameters, gradients and intermediates of one training step, under the names of the equations.
///
/// Shapes: θ `[out, in]`, vectors `[1, n]`, everything of the batch `[m, n]`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the names are those of the equations
pub struct Quantities<'a> {
    pub theta_1a: View<'a>,
    pub d_theta_1a: View<'a>,
    pub b_1a: View<'a>,
    pub d_b_1a: View<'a>,
    pub theta_2a: View<'a>,
    pub d_theta_2a: View<'a>,
    pub b_2a: View<'a>,
    pub d_b_2a: View<'a>,
    pub theta_1b: View<'a>,
    pub d_theta_1b: View<'a>,
    pub b_1b: View<'a>,
    pub d_b_1b: View<'a>,
    pub gamma: View<'a>,
    pub d_gamma: View<'a>,
    pub beta: View<'a>,
    pub d_beta: View<'a>,
    pub theta_2b: View<'a>,
    pub d_theta_2b: View<'a>,
    /// Wⱼ and dWⱼ `[hidden_b, outputs_a]`; `Some` exactly when the join is `project`.
    pub join_weight: Option<(View<'a>, View<'a>)>,
    pub y_a_hat: View<'a>,
    pub var: View<'a>,
    pub delta_2b: View<'a>,
    pub delta_2a: View<'a>,
    pub d_s: View<'a>,
    pub d_a: View<'a>,
    pub eps: f64,
    pub weight_b: f64,
    pub join: Join,
    pub affine: Affine,
}

impl<'a> Quantities<'a> {
    /// Those of the naive reference: its forward pass, and a backward pass right or wrong.
    pub fn of_reference(
        net: &Network,
        params: &'a Params,
        values: &'a Values,
        gradients: &'a Gradients,
    ) -> Self {
        let (p, d) =
            (|param| View::from(&params[param]), |param| View::from(&gradients.params[param]));
        Self {
            theta_1a: p(Param::Theta1a),
            d_theta_1a: d(Param::Theta1a),
            b_1a: p(Param::B1a),
            d_b_1a: d(Param::B1a),
            theta_2a: p(Param::Theta2a),
            d_theta_2a: d(Param::Theta2a),
            b_2a: p(Param::B2a),
            d_b_2a: d(Param::B2a),
            theta_1b: p(Param::Theta1b),
            d_theta_1b: d(Param::Theta1b),
            b_1b: p(Param::B1b),
            d_b_1b: d(Param::B1b),
            gamma: p(Param::Gamma),
            d_gamma: d(Param::Gamma),
            beta: p(Param::Beta),
            d_beta: d(Param::Beta),
            theta_2b: p(Param::Theta2b),
            d_theta_2b: d(Param::Theta2b),
            join_weight: (net.join == Join::Project)
                .then(|| (p(Param::JoinWeight), d(Param::JoinWeight))),
            y_a_hat: (&values.y_a_hat).into(),
            var: (&values.var).into(),
            delta_2b: (&gradients.delta_2b).into(),
            delta_2a: (&gradients.delta_2a).into(),
            d_s: (&gradients.d_s).into(),
            d_a: (&gradients.d_a).into(),
            eps: net.eps,
            weight_b: net.weight_b,
            join: net.join,
            affine: net.affine,
        }
    }
}

/// How well an identity holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Identity {
    /// Its name in the table above.
    pub name: &'static str,
    /// |left − right| / Σ|terms|, the terms being the single products that both sides add up; the
    /// largest over rows or units. 0 where all terms are zero, ∞ where a term is no number.
    pub error: f64,
}

/// Every identity that applies to this join and affine.
///
/// # Panics
/// When the shapes do not fit together.
pub fn identities(q: &Quantities<'_>) -> Vec<Identity> {
    let hidden_b = q.theta_2b.cols;
    let mut found = vec![
        Identity {
            name: "softmax_ce_rows",
            error: worst(q.delta_2b.rows, |i, balance| {
                (0..q.delta_2b.cols).for_each(|j| balance.left(q.delta_2b.at(i, j)));
                // The terms are wb·ŷb/m and wb·yb/m, each with sum wb/m: where the network is sure and right, δ2b is what
                // rounding leaves of their difference.
                balance.size = 2.0 * q.weight_b.abs() / q.delta_2b.rows as f64;
            }),
        },
        Identity {
            name: "relu_homogeneous_a",
            error: worst(q.theta_1a.rows, |unit, balance| {
                (0..q.theta_1a.cols)
                    .for_each(|k| balance.left(q.theta_1a.at(unit, k) * q.d_theta_1a.at(unit, k)));
                balance.left(q.b_1a.at(0, unit) * q.d_b_1a.at(0, unit));
                (0..q.theta_2a.rows)
                    .for_each(|k| balance.right(q.theta_2a.at(k, unit) * q.d_theta_2a.at(k, unit)));
            }),
        },
    ];
    if q.affine == Affine::PerUnit {
        let error = worst(hidden_b, |unit, balance| {
            (0..q.theta_1b.cols)
                .for_each(|k| balance.left(q.theta_1b.at(unit, k) * q.d_theta_1b.at(unit, k)));
            balance.left(q.b_1b.at(0, unit) * q.d_b_1b.at(0, unit));
            // ε/(σ²+ε) as 1 − σ²/(σ²+ε): what is left of dθ1b when σ² ≫ ε is the difference of terms of this size.
            let (var, gamma_term) =
                (q.var.at(0, unit), q.gamma.at(0, unit) * q.d_gamma.at(0, unit));
            balance.right(gamma_term);
            balance.right(-gamma_term * (var / (var + q.eps)));
        });
        found.push(Identity { name: "batch_norm_scale_b", error });
    }
    found.push(Identity {
        name: "batch_norm_dx",
        error: worst(hidden_b, |unit, balance| {
            (0..q.d_a.rows).for_each(|i| balance.left(q.d_a.at(i, unit)));
        }),
    });
    found.push(Identity { name: "join", error: join_error(q) });
    found.push(Identity {
        name: "head_a",
        error: worst(q.theta_2a.rows, |output, balance| {
            (0..q.theta_2a.cols)
                .for_each(|k| balance.left(q.theta_2a.at(output, k) * q.d_theta_2a.at(output, k)));
            balance.left(q.b_2a.at(0, output) * q.d_b_2a.at(0, output));
            (0..q.y_a_hat.rows)
                .for_each(|i| balance.right(q.y_a_hat.at(i, output) * q.delta_2a.at(i, output)));
        }),
    });
    if let Some((weight, d_weight)) = q.join_weight {
        let error = worst(hidden_b, |unit, balance| {
            (0..weight.cols).for_each(|k| balance.left(weight.at(unit, k) * d_weight.at(unit, k)));
            add_joined(q, unit, |term| balance.right(term));
        });
        found.push(Identity { name: "join_weight", error });
    }
    found
}

fn join_error(q: &Quantities<'_>) -> f64 {
    let hidden_b = q.theta_2b.cols;
    let unit_terms = |unit: usize, balance: &mut Balance| {
        add_joined(q, unit, |term| balance.left(term));
        (0..q.theta_2b.rows)
            .for_each(|k| balance.right(q.theta_2b.at(k, unit) * q.d_theta_2b.at(k, unit)));
    };
    let affine_terms = |unit: usize, balance: &mut Balance| {
        balance.left(q.gamma.at(0, unit) * q.d_gamma.at(0, unit));
        balance.left(q.beta.at(0, unit) * q.d_beta.at(0, unit));
    };
    match q.affine {
        Affine::PerUnit => worst(hidden_b, |unit, balance| {
            affine_terms(unit, balance);
            unit_terms(unit, balance);
        }),
        Affine::Shared => worst(1, |_, balance| {
            affine_terms(0, balance);
            (0..hidden_b).for_each(|unit| unit_terms(unit, balance));
        }),
    }
}

/// The terms of ⟨J(ŷa), ds⟩ that belong to one unit of s.
fn add_joined(q: &Quantities<'_>, unit: usize, mut term: impl FnMut(f64)) {
    for i in 0..q.d_s.rows {
        let d_s = q.d_s.at(i, unit);
        match (q.join, q.join_weight) {
            (Join::Add, _) => term(q.y_a_hat.at(i, unit) * d_s),
            (Join::Broadcast, _) => term(q.y_a_hat.at(i, 0) * d_s),
            (Join::Project, weight) => {
                let (weight, _) = weight.expect("join `project` has a weight");
                (0..weight.cols).for_each(|k| term(weight.at(unit, k) * q.y_a_hat.at(i, k) * d_s));
            }
        }
    }
}

/// Both sides of one equation.
#[derive(Default)]
struct Balance {
    residual: f64,
    size: f64,
}

impl Balance {
    fn left(&mut self, term: f64) {
        self.residual += term;
        self.size += term.abs();
    }

    fn right(&mut self, term: f64) {
        self.residual -= term;
        self.size += term.abs();
    }

    fn error(&self) -> f64 {
        if !(self.residual.is_finite() && self.size.is_finite()) {
            f64::INFINITY
        } else if self.residual == 0.0 {
            0.0
        } else {
            self.residual.abs() / self.size
        }
    }
}

/// The largest error of `count` equations.
fn worst(count: usize, terms: impl Fn(usize, &mut Balance)) -> f64 {
    (0..count)
        .map(|index| {
            let mut balance = Balance::default();
            terms(index, &mut balance);
            balance.error()
        })
        .fold(0.0, f64::max)
}
