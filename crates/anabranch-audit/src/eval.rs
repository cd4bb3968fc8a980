//! The value of an expression on one instance, under one reading.

mod equal;
mod indices;
mod products;

pub(crate) use equal::are_equal;
use products::{is_coupled, is_ones, product_with_ones, sum_by_ones};

use crate::Evaluation;
use crate::expr::{Axis, Expr, Fold, Function, Index, Node, Operator, Slot};
use crate::formula::Indices;
use crate::functions::applied;
use crate::letters::index_name;
use crate::matrix::Matrix;
use crate::quantity::{Kind, Quantity, Target};
use crate::truth::{MaskReading, Scope, Truth};
use crate::value::{Undefined, Value, shown};

/// How to read whatever a formula leaves open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) evaluation: Evaluation,
    /// By which a sum over `rows` is one over the batch: the formula's own, where only `evaluation`
    /// is another.
    pub(crate) stated: Evaluation,
    /// Bit i: the i-th sum without an axis goes over all entries; otherwise it is Σ over the batch.
    pub(crate) over_entries: u32,
    pub(crate) mask: MaskReading,
    pub(crate) sums: Sums,
    pub(crate) direction: Direction,
}

impl Reading {
    /// As printed.
    pub(crate) fn in_place(evaluation: Evaluation, mask: MaskReading) -> Self {
        Self {
            evaluation,
            stated: evaluation,
            over_entries: 0,
            mask,
            sums: Sums::InPlace,
            direction: Direction::Parameters,
        }
    }
}

/// Where sums over the batch are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sums {
    /// Where the formula has them.
    InPlace,
    /// Once, around the whole formula, as a derivation that averages too early should have done.
    Hoisted,
}

/// What varies where a formula has differentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// All parameters, and whatever follows from them.
    Parameters,
    /// One quantity alone.
    Of(&'static str),
}

/// An operation without a value, and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EvalError {
    pub(crate) column: usize,
    pub(crate) undefined: Undefined,
}

/// What a letter stands for that picks the unit of which all quantities are.
const THIS_UNIT: usize = usize::MAX;

/// Entries calculated in one evaluation; a formula of this network needs a few thousand.
const BUDGET: usize = 400_000;

/// The blocks that [`Truth::expected`] is compared with: for a Jacobian one for each row (unit);
/// row by row one column vector for each sample if the target has a row for each, else the sum.
pub(crate) fn evaluate(
    expr: &Expr,
    (target, indices): (Target, &Indices),
    truth: &Truth,
    reading: Reading,
) -> Result<Vec<Matrix>, EvalError> {
    let mut evaluator = Evaluator { truth, reading, bound: Vec::new(), samples: 0, left: BUDGET };
    let expected = truth.expected(target, reading.evaluation);
    let mut at = |scope| evaluator.block(expr, indices, &expected, scope);
    let rows = 0..truth.rows;
    match (target.0.kind, reading.evaluation) {
        (Kind::UnitJacobian, _) | (_, Evaluation::PerUnit) => {
            (0..truth.net.hidden_b).map(|u| at(Scope::Unit(u))).collect()
        }
        (Kind::RowJacobian | Kind::RowWeight, _) => rows.map(|row| at(Scope::Row(row))).collect(),
        (kind, Evaluation::Batch) => {
            let value = at(Scope::Batch)?;
            let around = reading.sums == Sums::Hoisted && kind != Kind::Rows;
            let sum = around && value.rows() == truth.rows;
            Ok(vec![if sum { value.sum_over_rows() } else { value }])
        }
        (Kind::Rows, Evaluation::PerRow) => rows.map(|row| at(Scope::Row(row))).collect(),
        // Nothing that belongs to a sample stands outside a sum.
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

/// The value of a part of a formula by itself; `None` where it has none.
pub(crate) fn part(expr: &Expr, truth: &Truth, reading: Reading, scope: Scope) -> Option<Matrix> {
    let mut evaluator = Evaluator { truth, reading, bound: Vec::new(), samples: 0, left: BUDGET };
    evaluator.value(expr, scope).ok()?.matrix("a part").ok()
}

/// Whether a quantity of a single row stands outside every sum over the batch.
fn mentions_a_row(expr: &Expr, reading: Reading) -> bool {
    match &expr.node {
        Node::Quantity(of) | Node::Differential(of) => of.is_of_a_sample(),
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
        Axis::Samples(_) => true,
        Axis::Cols | Axis::All => false,
    }
}

/// Whether it is a sum that has no letter.
fn is_bare_fold(part: &Expr) -> bool {
    matches!(part.node, Node::Fold(_, Axis::Samples(None) | Axis::Unstated(_) | Axis::Rows, _))
}

struct Evaluator<'a> {
    truth: &'a Truth,
    reading: Reading,
    /// The indices in scope and their values, the innermost last.
    bound: Vec<(char, usize)>,
    /// How many of them pick a sample.
    samples: usize,
    left: usize,
}

impl Evaluator<'_> {
    /// The value for one block of the target, assembled entry by entry if the formula has free
    /// indices.
    fn block(
        &mut self,
        expr: &Expr,
        indices: &Indices,
        expected: &[Matrix],
        scope: Scope,
    ) -> Result<Matrix, EvalError> {
        let error = |undefined| EvalError { column: expr.column, undefined };
        let (samples, components) = (indices.of(Slot::Sample), indices.of(Slot::Component));
        let before = self.bound.len();
        if matches!(scope, Scope::Unit(_)) {
            self.bound.extend(components.iter().map(|name| (*name, THIS_UNIT)));
        }
        let entries = if matches!(scope, Scope::Unit(_)) { samples.clone() } else { components };
        // Where the left side has no letter for the sample, it is that of the formula.
        let own = expr.unbound_letters(Slot::Sample);
        let own = own.first().filter(|_| !expr.any(&is_bare_fold));
        if let (Scope::Row(row), Some(name)) = (scope, samples.first().or(own)) {
            self.bound.push((*name, row));
            self.samples = 1;
        }
        let value = if entries.is_empty() {
            let row = if let Scope::Row(row) = scope { row.min(expected.len() - 1) } else { 0 };
            match self.value(expr, scope)? {
                Value::Identity(scale) if expected[row].rows() == expected[row].cols() => {
                    let n = expected[row].rows();
                    Matrix::from_fn(n, n, |i, j| if i == j { scale } else { 0.0 })
                }
                value => value.matrix("the result").map_err(error)?,
            }
        } else {
            let block = match scope {
                Scope::Row(row) if expected.len() > 1 => &expected[row],
                Scope::Unit(unit) => &expected[unit],
                Scope::Row(_) | Scope::Batch => &expected[0],
            };
            if matches!(scope, Scope::Batch) && expected[0].rows() == self.truth.rows {
                let message = "an entry of one sample has no value for the batch".to_owned();
                return Err(error(Undefined::Shapes(message)));
            }
            let mut value = block.clone();
            let [rows, cols] = block.shape();
            // One letter for a matrix: the formula is for each of its rows.
            if let ([name], true) = (&entries[..], rows > 1 && cols > 1) {
                for row in 0..rows {
                    self.bound.push((*name, row));
                    let of_row = self.value(expr, scope)?.matrix("the result").map_err(error)?;
                    self.bound.pop();
                    if of_row.data().len() != cols || !of_row.shape().contains(&1) {
                        let shape = shown(&of_row);
                        let message = format!("the formula for one row is {shape}");
                        return Err(error(Undefined::Shapes(message)));
                    }
                    value.data_mut()[row * cols..][..cols].copy_from_slice(of_row.data());
                }
                self.bound.truncate(before);
                return Ok(value);
            }
            for row in 0..block.rows() {
                for col in 0..block.cols() {
                    // A vector has one index, row or column.
                    let places = if entries.len() == 1 { [row.max(col), 0] } else { [row, col] };
                    let outer = self.bound.len();
                    let names = entries.iter().copied().zip(places);
                    self.bound.extend(names);
                    let is_meant = match &indices.condition {
                        Some(condition) => {
                            let holds = self.value(condition, scope)?;
                            holds.matrix("a condition").map_err(error)?.data() == [1.0]
                        }
                        None => true,
                    };
                    if is_meant {
                        let entry = self.value(expr, scope)?.matrix("the result").map_err(error)?;
                        let [number] = entry.data() else {
                            let shape = shown(&entry);
                            let message = format!("the formula for one entry is {shape}");
                            return Err(error(Undefined::Shapes(message)));
                        };
                        value[(row, col)] = *number;
                    }
                    self.bound.truncate(outer);
                }
            }
            value
        };
        self.bound.truncate(before);
        Ok(value)
    }

    /// What the index stands for.
    fn index(&self, name: char) -> Result<usize, Undefined> {
        self.bound
            .iter()
            .rev()
            .find(|(bound, _)| *bound == name)
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                Undefined::Shapes(format!("the index `{}` is bound by no sum", index_name(name)))
            })
    }
    fn value(&mut self, expr: &Expr, scope: Scope) -> Result<Value, EvalError> {
        let error = |undefined| EvalError { column: expr.column, undefined };
        let value = match &expr.node {
            Node::Number(number) => Value::number(*number),
            Node::Quantity(quantity) => {
                self.truth.value(quantity, scope, self.reading.mask).ok_or_else(|| {
                    error(Undefined::Shapes(match scope {
                        Scope::Unit(_) => format!("`{}` of a single unit", quantity.name),
                        _ => format!(
                            "`{}` couples the rows of a batch: a single row has no part of it",
                            quantity.name
                        ),
                    }))
                })?
            }
            Node::Differential(of) => {
                let value = self.truth.varied(of, scope, self.reading.direction);
                let message = || format!("a differential of `{}`", of.name);
                value.ok_or_else(|| error(Undefined::Shapes(message())))?
            }
            Node::Identity => Value::Identity(1.0),
            Node::Index(name) => Value::number(self.index(*name).map_err(error)? as f64),
            Node::Negate(inner) => self.value(inner, scope)?.map(|v| -v),
            Node::Transpose(inner) => self.value(inner, scope)?.transposed(),
            Node::OfTask(task, inner) => {
                let truth = self.truth.of_task(*task);
                let whole = std::mem::replace(&mut self.truth, truth);
                let value = self.value(inner, scope);
                self.truth = whole;
                value?
            }
            Node::Entry(inner, indices) => self.entry(inner, indices, scope)?,
            Node::Over(name, except, inner) => self.over(expr, (*name, *except), inner, scope)?,
            Node::Cases(parts) => self.cases(parts, scope)?,
            Node::Gather(names, inner) => self.gathered(names, inner, scope)?,
            Node::Partial(u, v, _) => {
                let message =
                    format!("d {}/d {} stands outside a product of derivatives", u.name, v.name);
                return Err(error(Undefined::Shapes(message)));
            }
            Node::Binary(Operator::Multiply, sides)
                if matches!(scope, Scope::Row(_)) && is_coupled(&sides[0]) =>
            {
                self.coupled_product(sides, scope)?
            }
            // 1ᵀv of one sample adds up the entries of v, however many there are.
            Node::Binary(Operator::Multiply, sides)
                if matches!(scope, Scope::Row(_)) && sides.iter().any(is_ones) =>
            {
                let [left, right] = &**sides;
                let other = if is_ones(left) { right } else { left };
                let value = self.value(other, scope)?.matrix("a sum").map_err(error)?;
                sum_by_ones(sides, &value)
            }
            // Of a batch, a one for each entry, where there are not as many as samples.
            Node::Binary(Operator::Multiply, sides)
                if scope == Scope::Batch && sides.iter().any(is_ones) =>
            {
                let [left, right] = &**sides;
                let (left, right) = (self.value(left, scope)?, self.value(right, scope)?);
                product_with_ones(self.truth.rows, sides, left, right).map_err(error)?
            }
            Node::Function(Function::BatchNorm, arguments) => {
                self.batch_norm(&arguments[0], scope)?
            }
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
            Value::Identity(_) => 1,
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
        if over_the_batch && (matches!(scope, Scope::Row(_)) || matches!(axis, Axis::Samples(_))) {
            let name = "a sum over the batch";
            let rows = self.truth.rows;
            let mut of_sample = |row: usize| {
                let before = self.bound.len();
                let outer = self.samples;
                if let Axis::Samples(Some(name)) = axis {
                    self.bound.push((name, row));
                    self.samples += 1;
                }
                // Of one unit of branch B, a sample is an entry that its index picks.
                let scope = if matches!(scope, Scope::Unit(_)) { scope } else { Scope::Row(row) };
                let value = self.value(inner, scope)?.matrix(name).map_err(error);
                self.bound.truncate(before);
                self.samples = outer;
                value
            };
            let mut total = of_sample(0)?;
            for row in 1..rows {
                let value = of_sample(row)?;
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
            // Stated for the batch, of one sample: its entries, which are in a column here.
            Axis::Cols
                if matches!(scope, Scope::Row(_)) && self.reading.stated == Evaluation::Batch =>
            {
                (Matrix::filled(1, 1, matrix.data().iter().sum()), matrix.data().len())
            }
            Axis::Cols => (matrix.transposed().sum_over_rows().transposed(), matrix.cols()),
            Axis::All | Axis::Unstated(_) | Axis::Samples(_) => {
                (Matrix::filled(1, 1, matrix.data().iter().sum()), matrix.data().len())
            }
        };
        Ok(Value::Matrix(match fold {
            Fold::Sum => sum,
            Fold::Mean => sum.map(|sum| sum / count as f64),
        }))
    }

    /// What indices pick from a value.
    fn entry(&mut self, inner: &Expr, indices: &[Index], scope: Scope) -> Result<Value, EvalError> {
        let error = |undefined| EvalError { column: inner.column, undefined };
        let mut places = [Vec::new(), Vec::new()];
        for index in indices {
            let place = match (self.index(index.name), index.slot, scope) {
                // Row by row, the index of no sum is that of the row.
                (Err(_), Slot::Sample, Scope::Row(row)) if self.samples == 0 => row,
                (place, ..) => place.map_err(error)?,
            };
            if place != THIS_UNIT {
                places[usize::from(index.slot == Slot::Component)].push(place);
            }
        }
        let [samples, components] = places;
        let of_family =
            matches!(inner.node, Node::Quantity(Quantity { kind: Kind::UnitJacobian, .. }));
        let is_jacobian = of_family
            || matches!(inner.node, Node::Quantity(Quantity { kind: Kind::RowJacobian, .. }));
        let scope = match (samples[..].first(), scope) {
            (Some(row), Scope::Batch | Scope::Row(_)) => Scope::Row(*row),
            _ => scope,
        };
        let value = self.value(inner, scope)?.matrix("an entry").map_err(error)?;
        let outside = || error(Undefined::Shapes(format!("an index beyond {}", shown(&value))));
        let entry = |i: usize, j: usize| {
            let inside = i < value.rows() && j < value.cols();
            inside.then(|| Value::number(value[(i, j)])).ok_or_else(outside)
        };
        match (scope, &samples[..], &components[..]) {
            (Scope::Unit(_), [i, j], []) if of_family => entry(*i, *j),
            (Scope::Unit(_), [i], []) => entry(*i, 0),
            (_, _, []) => Ok(Value::Matrix(value)),
            (_, _, [j]) if value.cols() == 1 => entry(*j, 0),
            (_, _, [j]) if value.rows() == 1 => entry(0, *j),
            // The derivatives of one output: a column, as every gradient.
            (_, _, [i]) if is_jacobian && *i < value.rows() => {
                Ok(Value::Matrix(Matrix::new(value.cols(), 1, value.row(*i).to_vec())))
            }
            (_, _, [i, j]) => entry(*i, *j),
            (Scope::Batch, [], [j]) if value.rows() == self.truth.rows && *j < value.cols() => {
                Ok(Value::Matrix(value.column(*j)))
            }
            (_, _, [i]) if *i < value.rows() => {
                Ok(Value::Matrix(Matrix::new(1, value.cols(), value.row(*i).to_vec())))
            }
            _ => Err(outside()),
        }
    }

    /// J·v for the Jacobian of BatchNorm, which takes v from every row of the batch: row by row,
    /// the part of this row.
    fn coupled_product(&mut self, sides: &[Expr; 2], scope: Scope) -> Result<Value, EvalError> {
        let error = |undefined| EvalError { column: sides[0].column, undefined };
        let Scope::Row(row) = scope else { return self.value(&sides[1], scope) };
        let mut columns = Vec::with_capacity(self.truth.rows);
        for other in 0..self.truth.rows {
            let value = self.value(&sides[1], Scope::Row(other))?;
            columns.push(value.matrix("`*`").map_err(error)?);
        }
        let jacobian = self.value(&sides[0], Scope::Batch)?;
        let units = self.truth.net.hidden_b;
        if columns.iter().any(|column| column.shape() != [units, 1]) {
            let shape = shown(&columns[0]);
            let message = format!("`*` of {} and {shape}", jacobian.shown());
            return Err(error(Undefined::Shapes(message)));
        }
        let Value::ForEachUnit(of) = jacobian else {
            return Err(error(Undefined::Shapes("`*` of no Jacobian".to_owned())));
        };
        Ok(Value::Matrix(Matrix::from_fn(units, 1, |unit, _| {
            columns.iter().enumerate().map(|(q, v)| of[unit][(row, q)] * v[(unit, 0)]).sum()
        })))
    }

    /// γ(a−μ)/√(σ²+ε)+β for any a, with its own statistics.
    fn batch_norm(&mut self, a: &Expr, scope: Scope) -> Result<Value, EvalError> {
        let error = |undefined| EvalError { column: a.column, undefined };
        let rows = self.truth.rows;
        let batch = match scope {
            Scope::Row(_) => {
                // aᵢ is that of each sample in turn.
                let letters = a.unbound_letters(Slot::Sample);
                let before = self.bound.len();
                let mut all = Vec::with_capacity(rows);
                for row in 0..rows {
                    self.bound.extend(letters.iter().map(|name| (*name, row)));
                    let value = self.value(a, Scope::Row(row))?.matrix("BN").map_err(error)?;
                    self.bound.truncate(before);
                    all.push(value.data().to_vec());
                }
                let cols = all[0].len();
                if all.iter().any(|row| row.len() != cols) {
                    return Err(error(Undefined::Shapes("`BN` of rows of several sizes".into())));
                }
                Matrix::new(rows, cols, all.concat())
            }
            _ => self.value(a, scope)?.matrix("BN").map_err(error)?,
        };
        let output = self.truth.batch_norm(&batch).ok_or_else(|| {
            let shape = shown(&batch);
            error(Undefined::Shapes(format!("`BN` of {shape}: it takes the units of branch B")))
        })?;
        Ok(Value::Matrix(match scope {
            Scope::Row(row) => Matrix::new(output.cols(), 1, output.row(row).to_vec()),
            _ => output,
        }))
    }
}
