//! The value of an expression on one instance, under one reading.

use crate::Evaluation;
use crate::matrix::Matrix;
use crate::parser::{Axis, Expr, Fold, Function, Node};
use crate::quantity::{Kind, Target};
use crate::truth::{MaskReading, Scope, Truth};
use crate::value::{MAX_ENTRIES, Undefined, Value, outer};

/// How to read what a formula leaves open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) evaluation: Evaluation,
    /// By which a sum over `rows` is one over the batch: the formula's own, where only `evaluation` is another.
    pub(crate) stated: Evaluation,
    /// Bit i: the i-th sum without an axis goes over all entries. Else it is Σ over the batch.
    pub(crate) over_entries: u32,
    pub(crate) mask: MaskReading,
    pub(crate) sums: Sums,
}

/// Where sums over the batch are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sums {
    /// Where the formula has them.
    InPlace,
    /// Once, around the whole formula: what a derivation that averages too early should have done.
    Hoisted,
}

/// An operation without a value, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EvalError {
    pub(crate) column: usize,
    pub(crate) undefined: Undefined,
}

/// Entries calculated in one evaluation; a formula of this network needs a few thousand.
const BUDGET: usize = 400_000;

/// The blocks that [`Truth::expected`] is compared with: for a Jacobian one for each row (unit);
/// row by row one column vector for each sample if the target has a row for each, else the sum.
pub(crate) fn evaluate(
    expr: &Expr,
    target: Target,
    truth: &Truth,
    reading: Reading,
) -> Result<Vec<Matrix>, EvalError> {
    let mut evaluator = Evaluator { truth, reading, left: BUDGET };
    let matrix = |value: Value| {
        let undefined = |undefined| EvalError { column: expr.column, undefined };
        value.matrix("the result").map_err(undefined)
    };
    let mut at = |scope| evaluator.value(expr, scope).and_then(matrix);
    let rows = 0..truth.rows;
    match (target.0.kind, reading.evaluation) {
        (Kind::UnitJacobian, _) => (0..truth.net.hidden_b).map(|u| at(Scope::Unit(u))).collect(),
        (Kind::RowJacobian, _) => rows.map(|row| at(Scope::Row(row))).collect(),
        (kind, Evaluation::Batch) => {
            let value = at(Scope::Batch)?;
            let around = reading.sums == Sums::Hoisted && kind != Kind::Rows;
            let sum = around && value.rows() == truth.rows;
            Ok(vec![if sum { value.sum_over_rows() } else { value }])
        }
        (Kind::Rows, Evaluation::PerRow) => rows.map(|row| at(Scope::Row(row))).collect(),
        // Nothing that belongs to a sample stands outside of a sum.
        (_, Evaluation::PerRow) if !mentions_a_row(expr, reading) => Ok(vec![at(Scope::Row(0))?]),
        (_, Evaluation::PerRow) => {
            let mut sum = at(Scope::Row(0))?;
            for row in 1..truth.rows {
                let value = at(Scope::Row(row))?;
                sum.data_mut().iter_mut().zip(value.data()).for_each(|(sum, v)| *sum += v);
            }
            Ok(vec![sum])
        }
    }
}

/// Whether a quantity of a single row stands outside of every sum over the batch.
fn mentions_a_row(expr: &Expr, reading: Reading) -> bool {
    match &expr.node {
        Node::Quantity(quantity) => matches!(quantity.kind, Kind::Rows | Kind::RowJacobian),
        Node::Fold(_, axis, _) if goes_over_the_batch(*axis, reading) => {
            reading.sums == Sums::Hoisted
        }
        _ => expr.children().iter().any(|child| mentions_a_row(child, reading)),
    }
}

/// Whether a sum over `axis` is a Σ over the samples.
pub(crate) fn goes_over_the_batch(axis: Axis, reading: Reading) -> bool {
    match axis {
        Axis::Unstated(index) => reading.over_entries >> index & 1 == 0,
        // Row by row, the rows of a column vector are its entries.
        Axis::Rows => reading.stated == Evaluation::Batch,
        Axis::Cols | Axis::All => false,
    }
}

struct Evaluator<'a> {
    truth: &'a Truth,
    reading: Reading,
    left: usize,
}

impl Evaluator<'_> {
    fn value(&mut self, expr: &Expr, scope: Scope) -> Result<Value, EvalError> {
        let error = |undefined| EvalError { column: expr.column, undefined };
        let value = match &expr.node {
            Node::Number(number) => Value::number(*number),
            Node::Quantity(quantity) => {
                self.truth.value(quantity, scope, self.reading.mask).ok_or_else(|| {
                    error(Undefined::Shapes(match scope {
                        Scope::Unit(_) => format!("`{}` of a single unit", quantity.name),
                        _ => format!(
                            "`{}` couples the rows of a batch: it has no part for a single row",
                            quantity.name
                        ),
                    }))
                })?
            }
            Node::Negate(inner) => self.value(inner, scope)?.map(|v| -v),
            Node::Transpose(inner) => self.value(inner, scope)?.transposed(),
            Node::Binary(operator, sides) => {
                let [left, right] = &**sides;
                let (left, right) = (self.value(left, scope)?, self.value(right, scope)?);
                Value::combined(*operator, left, right).map_err(error)?
            }
            Node::Function(function, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.value(argument, scope)?);
                }
                applied(*function, values, scope).map_err(error)?
            }
            Node::Fold(fold, axis, inner) => self.folded(expr, (*fold, *axis), inner, scope)?,
        };
        let entries = match &value {
            Value::Matrix(matrix) => matrix.data().len(),
            Value::ForEachRow(of) | Value::ForEachUnit(of) => {
                of.iter().map(|matrix| matrix.data().len()).sum()
            }
        };
        self.left = self.left.checked_sub(entries).ok_or_else(|| error(Undefined::TooLarge))?;
        Ok(value)
    }

    fn folded(
        &mut self,
        expr: &Expr,
        (fold, axis): (Fold, Axis),
        inner: &Expr,
        scope: Scope,
    ) -> Result<Value, EvalError> {
        let error = |undefined| EvalError { column: expr.column, undefined };
        let over_the_batch = goes_over_the_batch(axis, self.reading);
        if over_the_batch && self.reading.sums == Sums::Hoisted {
            return self.value(inner, scope);
        }
        if over_the_batch && matches!(scope, Scope::Row(_)) {
            let name = "a sum over the batch";
            let mut total = self.value(inner, Scope::Row(0))?.matrix(name).map_err(error)?;
            for row in 1..self.truth.rows {
                let value = self.value(inner, Scope::Row(row))?.matrix(name).map_err(error)?;
                total.data_mut().iter_mut().zip(value.data()).for_each(|(sum, v)| *sum += v);
            }
            let count = self.truth.rows as f64;
            return Ok(Value::Matrix(match fold {
                Fold::Sum => total,
                Fold::Mean => total.map(|sum| sum / count),
            }));
        }
        let matrix = self.value(inner, scope)?.matrix("a sum or mean").map_err(error)?;
        let (sum, count) = match axis {
            Axis::Rows => (matrix.sum_over_rows(), matrix.rows()),
            Axis::Unstated(_) if over_the_batch => (matrix.sum_over_rows(), matrix.rows()),
            Axis::Cols => (matrix.transposed().sum_over_rows().transposed(), matrix.cols()),
            Axis::All | Axis::Unstated(_) => {
                (Matrix::filled(1, 1, matrix.data().iter().sum()), matrix.data().len())
            }
        };
        Ok(Value::Matrix(match fold {
            Fold::Sum => sum,
            Fold::Mean => sum.map(|sum| sum / count as f64),
        }))
    }
}

/// A function of its arguments, as many as the parser let through.
fn applied(function: Function, values: Vec<Value>, scope: Scope) -> Result<Value, Undefined> {
    let mut values = values.into_iter();
    let mut next = || values.next().unwrap_or_else(|| Value::number(f64::NAN));
    let first = next();
    Ok(match function {
        Function::Relu => first.map(|v| if v > 0.0 { v } else { 0.0 * v }),
        Function::ReluPrime => {
            first.map(|v| if v.is_nan() { v } else { f64::from(u8::from(v > 0.0)) })
        }
        Function::Exp => first.map(f64::exp),
        Function::Log => first.map(f64::ln),
        Function::Sqrt => first.map(f64::sqrt),
        Function::Abs => first.map(f64::abs),
        Function::Softmax => {
            let z = first.matrix("softmax")?;
            // Row by row, the classes of a sample lie in a column.
            let is_column = matches!(scope, Scope::Row(_)) && z.cols() == 1;
            Value::Matrix(if is_column {
                softmax(&z.transposed()).transposed()
            } else {
                softmax(&z)
            })
        }
        Function::Diag => Value::Matrix(diag(&first.matrix("diag")?)?),
        Function::Outer => Value::Matrix(outer(&first.matrix("outer")?, &next().matrix("outer")?)?),
        Function::Eye => {
            let n = size(&first)?;
            within_limit(n, n)?;
            Value::Matrix(Matrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j))))
        }
        Function::Ones | Function::Zeros => {
            let (rows, cols) = (size(&first)?, size(&next())?);
            within_limit(rows, cols)?;
            let value = if function == Function::Ones { 1.0 } else { 0.0 };
            Value::Matrix(Matrix::filled(rows, cols, value))
        }
    })
}

/// The softmax of each row.
fn softmax(z: &Matrix) -> Matrix {
    let exponentials: Vec<Vec<f64>> = (0..z.rows())
        .map(|i| {
            let largest = z.row(i).iter().copied().fold(f64::NEG_INFINITY, f64::max);
            z.row(i).iter().map(|z| (z - largest).exp()).collect()
        })
        .collect();
    Matrix::from_fn(z.rows(), z.cols(), |i, j| {
        exponentials[i][j] / exponentials[i].iter().sum::<f64>()
    })
}

/// Of a vector, the diagonal matrix; of a square matrix, its diagonal as a column.
fn diag(v: &Matrix) -> Result<Matrix, Undefined> {
    let n = v.data().len();
    if v.rows() == 1 || v.cols() == 1 {
        within_limit(n, n)?;
        Ok(Matrix::from_fn(n, n, |i, j| if i == j { v.data()[i] } else { 0.0 }))
    } else if v.rows() == v.cols() {
        Ok(Matrix::from_fn(v.rows(), 1, |i, _| v[(i, i)]))
    } else {
        let shape = crate::value::shown(v);
        Err(Undefined::Shapes(format!("`diag` of {shape}: it takes a vector or a square matrix")))
    }
}

fn within_limit(rows: usize, cols: usize) -> Result<(), Undefined> {
    if rows.saturating_mul(cols) > MAX_ENTRIES { Err(Undefined::TooLarge) } else { Ok(()) }
}

/// A number of rows or columns.
fn size(value: &Value) -> Result<usize, Undefined> {
    match value {
        Value::Matrix(matrix) if matrix.shape() == [1, 1] => {
            let number = matrix[(0, 0)];
            if number > MAX_ENTRIES as f64 {
                Err(Undefined::TooLarge)
            } else if number >= 1.0 && number.fract() == 0.0 {
                Ok(number as usize)
            } else {
                Err(Undefined::Shapes(format!("a size of {number}: it is a whole number from 1")))
            }
        }
        other => Err(Undefined::Shapes(format!("a size of {}", other.shown()))),
    }
}
