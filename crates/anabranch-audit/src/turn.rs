//! Which way round matrices are written: samples as rows or as columns, a weight as [out, in] or
//! [in, out], a Jacobian in one layout or the other.
//!
//! A formula is evaluated with a row for each sample, or with the column vectors of one sample.
//! Written the other way round, it is the same formula with its quantities transposed, and its
//! value transposed back.

use crate::Evaluation;
use crate::expr::{Axis, Expr, Function, Index, Node, Operator, Slot};
use crate::quantity::{Kind, Quantity, Target};

/// Which quantities a formula has transposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) data: Data,
    pub(crate) weights: Weights,
    pub(crate) jacobians: Jacobians,
    pub(crate) ones: Ones,
}

/// Of what has a part for each sample, and of biases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Data {
    /// A batch has rows, one sample is a column vector.
    #[default]
    AsEvaluated,
    /// A batch has columns, one sample is a row vector.
    Turned,
    /// One sample is a column vector, a derivative with respect to it a row vector.
    Gradients,
    /// So, and a derivative with respect to a weight is its transpose.
    AllGradients,
}

/// The order of a weight's indices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Weights {
    #[default]
    OutIn,
    InOut,
}

/// Which index of ∂u/∂v is the row's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Jacobians {
    /// That of u.
    #[default]
    Numerator,
    /// That of v.
    Denominator,
}

/// What a product with a vector of ones means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ones {
    /// What it says.
    #[default]
    Exactly,
    /// On paper, 1bᵀ is the bias b for each sample, whatever b is.
    AsPrinted,
}

impl Turn {
    /// The tree to evaluate for a target.
    pub(crate) fn applied(self, expr: &Expr, target: Target, evaluation: Evaluation) -> Expr {
        let value = self.of_part(expr, evaluation);
        match (Turning { turn: self, evaluation }).turns(target.0) {
            true => transposed(value),
            false => value,
        }
    }

    /// Whether the letters of a target pick its entries in the other order.
    pub(crate) fn swaps_letters(self, target: Target) -> bool {
        match target.0.kind {
            // Letters pick from the weight, whichever way its derivative lies.
            Kind::Weight | Kind::RowWeight => self.weights == Weights::InOut,
            Kind::RowJacobian => self.jacobians == Jacobians::Denominator,
            _ => false,
        }
    }

    /// A part of a formula by itself.
    pub(crate) fn of_part(self, expr: &Expr, evaluation: Evaluation) -> Expr {
        let expr = with_ones(expr, evaluation, self);
        if self == Self::default() {
            return expr;
        }
        Turning { turn: self, evaluation }.turned(&expr)
    }
}

#[derive(Clone, Copy)]
struct Turning {
    turn: Turn,
    evaluation: Evaluation,
}

impl Turning {
    fn turns(self, of: &'static Quantity) -> bool {
        match of.kind {
            Kind::Rows | Kind::Vector if of.name == "ones_m" => false,
            Kind::Rows | Kind::Vector => match self.turn.data {
                Data::AsEvaluated => false,
                Data::Turned => true,
                Data::Gradients | Data::AllGradients => Target(of).is_gradient(),
            },
            Kind::Weight | Kind::RowWeight => self.has_other_weight(of),
            Kind::RowJacobian => self.turn.jacobians == Jacobians::Denominator,
            Kind::Scalar | Kind::UnitJacobian => false,
        }
    }

    /// Whether a weight, or the derivative by one, is not [out, in].
    fn has_other_weight(self, of: &'static Quantity) -> bool {
        let is_turned = self.turn.data == Data::AllGradients && Target(of).is_gradient();
        is_turned != (self.turn.weights == Weights::InOut)
    }

    /// Whether the whole batch is there, with a column for each sample.
    fn has_columns(self) -> bool {
        self.turn.data == Data::Turned && self.evaluation == Evaluation::Batch
    }

    fn turned(self, expr: &Expr) -> Expr {
        let again = |part: &Expr| self.turned(part);
        let node = |node| Expr::new(node, expr.column);
        // With a row for each sample, as the evaluator has it, and back.
        let in_rows =
            |of: &dyn Fn(Expr) -> Node, part: &Expr| transposed(node(of(transposed(again(part)))));
        let is_data = self.turn.data == Data::Turned;
        match &expr.node {
            Node::Quantity(of) | Node::Differential(of) if self.turns(of) => {
                transposed(expr.clone())
            }
            Node::Entry(inner, indices) => self.entry(expr, inner, indices),
            // Over the samples, each is a column vector.
            Node::Fold(_, Axis::Samples(_), _) if self.has_columns() => expr.clone(),
            Node::Fold(fold, axis @ (Axis::Unstated(_) | Axis::Rows), inner)
                if self.has_columns() =>
            {
                in_rows(&|part| Node::Fold(*fold, *axis, Box::new(part)), inner)
            }
            Node::Function(function @ (Function::Softmax | Function::BatchNorm), arguments)
                if self.has_columns() =>
            {
                in_rows(&|part| Node::Function(*function, vec![part]), &arguments[0])
            }
            Node::Function(Function::BatchNorm, arguments) if is_data => {
                let of_rows = vec![again(&arguments[0])];
                transposed(node(Node::Function(Function::BatchNorm, of_rows)))
            }
            Node::Function(Function::Outer, arguments) if self.has_columns() => {
                let sides = arguments.iter().map(|side| transposed(again(side))).collect();
                node(Node::Function(Function::Outer, sides))
            }
            Node::Binary(Operator::Multiply, sides) if is_data && is_family(&sides[0]) => {
                let family = again(&sides[0]);
                let product =
                    |right| Node::Binary(Operator::Multiply, Box::new([family.clone(), right]));
                in_rows(&product, &sides[1])
            }
            _ => {
                let mut whole = expr.clone();
                for part in whole.children_mut() {
                    *part = again(part);
                }
                whole
            }
        }
    }

    fn entry(self, whole: &Expr, inner: &Expr, indices: &[Index]) -> Expr {
        let of_sample = indices.iter().any(|index| index.slot == Slot::Sample);
        let of_component = indices.iter().any(|index| index.slot == Slot::Component);
        let with =
            |inner: Expr| Expr::new(Node::Entry(Box::new(inner), indices.to_vec()), whole.column);
        match inner.node {
            Node::Quantity(of) if matches!(of.kind, Kind::Weight | Kind::RowWeight) => {
                match of_component {
                    true if self.turn.weights == Weights::InOut => with(transposed(inner.clone())),
                    true => whole.clone(),
                    false => with(self.turned(inner)),
                }
            }
            // One sample of a batch is a column vector.
            _ if self.has_columns() && of_sample => whole.clone(),
            Node::Quantity(of) | Node::Differential(of)
                if matches!(of.kind, Kind::Rows | Kind::Vector) =>
            {
                match of_component && !self.has_columns() {
                    true => whole.clone(),
                    false if self.turns(of) => transposed(whole.clone()),
                    false => whole.clone(),
                }
            }
            _ => with(self.turned(inner)),
        }
    }
}

fn transposed(expr: Expr) -> Expr {
    let column = expr.column;
    match expr.node {
        Node::Transpose(inner) => *inner,
        node => Expr::new(Node::Transpose(Box::new(Expr::new(node, column))), column),
    }
}

/// A matrix for each sample or unit, or its transpose.
fn is_family(expr: &Expr) -> bool {
    match &expr.node {
        Node::Quantity(of) => matches!(of.kind, Kind::RowJacobian | Kind::UnitJacobian),
        Node::Transpose(inner) => is_family(inner),
        _ => false,
    }
}

fn is_ones(expr: &Expr) -> bool {
    matches!(expr.node, Node::Quantity(of) if of.name == "ones_m")
}

/// Whether a formula adds samples up, or repeats a bias for each of them, by a vector of ones: what
/// only a batch has.
pub(crate) fn has_ones_of_batch(expr: &Expr) -> bool {
    expr.any(&|part| match &part.node {
        Node::Binary(Operator::Multiply, sides) => match (&sides[0].node, &sides[1].node) {
            (Node::Quantity(of), Node::Transpose(ones)) => of.kind == Kind::Vector && is_ones(ones),
            _ => is_ones(&sides[1]) && has_samples(&sides[0]),
        },
        _ => false,
    })
}

/// A vector of ones times a row: 1bᵀ is b for each sample, 1ŷᵀ a matrix of equal rows. Of one
/// sample, as in δ1 and b1ᵀ, it is a one for each of them.
fn with_ones(expr: &Expr, evaluation: Evaluation, turn: Turn) -> Expr {
    let of_sample = evaluation == Evaluation::PerRow;
    if turn.ones == Ones::Exactly || (!of_sample && turn.data == Data::Turned) {
        return expr.clone();
    }
    expr.replaced(&|part| {
        let Node::Binary(Operator::Multiply, sides) = &part.node else { return None };
        match (&sides[0].node, &sides[1].node) {
            (Node::Quantity(of), Node::Transpose(ones))
                if of_sample && of.kind == Kind::Vector && is_ones(ones) =>
            {
                return Some(sides[0].clone());
            }
            _ if of_sample && is_ones(&sides[1]) && has_samples(&sides[0]) => {
                return Some(sides[0].clone());
            }
            // δ1 is summed over the samples: what is multiplied by it is not.
            (Node::Binary(Operator::Multiply, inner), _)
                if of_sample && is_ones(&inner[1]) && has_samples(&inner[0]) =>
            {
                return Some(part.clone());
            }
            _ => {}
        }
        let Node::Transpose(row) = &sides[1].node else { return None };
        let Node::Quantity(of) = row.node else { return None };
        if !is_ones(&sides[0]) {
            return None;
        }
        match of.kind {
            Kind::Vector => Some((**row).clone()),
            Kind::Rows if of_sample => {
                let one =
                    Node::Binary(Operator::Divide, Box::new([(**row).clone(), (**row).clone()]));
                let parts = vec![Expr::new(one, part.column), (**row).clone()];
                Some(Expr::new(Node::Function(Function::Outer, parts), part.column))
            }
            _ => None,
        }
    })
}

/// Whether an expression has a column for each sample, where samples are columns.
fn has_samples(expr: &Expr) -> bool {
    match &expr.node {
        Node::Quantity(of) => of.kind == Kind::Rows && of.name != "ones_m",
        Node::Negate(inner) => has_samples(inner),
        Node::Binary(Operator::Multiply, sides) => has_samples(&sides[1]),
        Node::Binary(
            Operator::Add | Operator::Subtract | Operator::Hadamard | Operator::Divide,
            sides,
        ) => sides.iter().any(has_samples),
        _ => false,
    }
}
