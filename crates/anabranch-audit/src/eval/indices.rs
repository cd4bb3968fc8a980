//! What goes over the values of an index: sums, written-out vectors, and cases.

use super::{EvalError, Evaluator};
use crate::expr::{Expr, Node, Operator, Slot};
use crate::matrix::Matrix;
use crate::truth::Scope;
use crate::value::{Undefined, Value, shown};

impl Evaluator<'_> {
    /// Σ over an index of components; of what has no such index, over all entries.
    pub(super) fn over(
        &mut self,
        expr: &Expr,
        (name, except): (char, Option<char>),
        inner: &Expr,
        scope: Scope,
    ) -> Result<Value, EvalError> {
        let error = |undefined| EvalError { column: expr.column, undefined };
        let Some(size) = self.size(name, inner, scope)? else {
            let value = self.value(inner, scope)?.matrix("a sum").map_err(error)?;
            return Ok(Value::number(value.data().iter().sum()));
        };
        let except = except.map(|name| self.index(name)).transpose().map_err(error)?;
        let mut total: Option<Matrix> = None;
        for place in (0..size).filter(|place| Some(*place) != except) {
            self.bound.push((name, place));
            let value = self.value(inner, scope)?.matrix("a sum").map_err(error)?;
            self.bound.pop();
            match &mut total {
                Some(total) => {
                    total.data_mut().iter_mut().zip(value.data()).for_each(|(sum, v)| *sum += v);
                }
                None => total = Some(value),
            }
        }
        Ok(Value::Matrix(total.unwrap_or_else(|| Matrix::filled(1, 1, 0.0))))
    }

    /// The number of values of the index: the size of what it picks from; `None` if it picks
    /// nothing.
    pub(super) fn size(
        &mut self,
        name: char,
        expr: &Expr,
        scope: Scope,
    ) -> Result<Option<usize>, EvalError> {
        if let Node::Entry(inner, indices) = &expr.node {
            let of = |slot| indices.iter().filter(move |index| index.slot == slot);
            if let Some(at) = of(Slot::Component).position(|index| index.name == name) {
                let shape = match &inner.node {
                    Node::Quantity(quantity) => self.truth.entry_shape(quantity),
                    _ => {
                        let row = match scope {
                            Scope::Row(row) => row,
                            _ => 0,
                        };
                        let undefined = |undefined| EvalError { column: expr.column, undefined };
                        let value = self.value(inner, Scope::Row(row))?;
                        value.matrix("an entry").map_err(undefined)?.shape()
                    }
                };
                // A single index of one row picks its columns.
                let is_of_row = shape[0] == 1 && of(Slot::Component).count() == 1;
                return Ok(Some(if is_of_row { shape[1] } else { shape[at.min(1)] }));
            }
            if of(Slot::Sample).any(|index| index.name == name) {
                return Ok(Some(self.truth.rows));
            }
        }
        let is_own = matches!(expr.node, Node::Over(..) | Node::Gather(..));
        if is_own && expr.binds().contains(&name) {
            return Ok(None);
        }
        for child in expr.children() {
            if let Some(size) = self.size(name, child, scope)? {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }

    /// The value of the first condition that holds; entry by entry where the conditions are.
    pub(super) fn cases(&mut self, parts: &[Expr], scope: Scope) -> Result<Value, EvalError> {
        let mut chosen: Option<Matrix> = None;
        // Where no condition held yet.
        let mut open: Option<Matrix> = None;
        for pair in parts.chunks(2) {
            let [value, condition] = pair else { break };
            let error = |undefined| EvalError { column: condition.column, undefined };
            let holds = self.value(condition, scope)?;
            let one = holds.clone().matrix("a condition").map_err(error)?;
            if one.shape() == [1, 1] && open.is_none() {
                if one[(0, 0)] != 0.0 {
                    return self.value(value, scope);
                }
                continue;
            }
            let left = open.unwrap_or_else(|| Matrix::filled(1, 1, 1.0));
            let applies = Value::combined(Operator::And, holds, Value::Matrix(left.clone()))
                .and_then(|applies| applies.matrix("a condition"))
                .map_err(error)?;
            let value = self.value(value, scope)?.matrix("a case").map_err(error)?;
            let shape = applies.shape();
            let fits = |of: &Matrix| of.shape() == shape || of.shape() == [1, 1];
            if !fits(&value) || !fits(&left) {
                let message =
                    format!("a case of {} under a condition of {}", shown(&value), shown(&applies));
                return Err(error(Undefined::Shapes(message)));
            }
            let at = |of: &Matrix, i: usize, j: usize| {
                if of.shape() == [1, 1] { of[(0, 0)] } else { of[(i, j)] }
            };
            let before = chosen.unwrap_or_else(|| Matrix::filled(shape[0], shape[1], 0.0));
            chosen = Some(Matrix::from_fn(shape[0], shape[1], |i, j| {
                if applies[(i, j)] != 0.0 { at(&value, i, j) } else { before[(i, j)] }
            }));
            open = Some(Matrix::from_fn(shape[0], shape[1], |i, j| {
                f64::from(u8::from(at(&left, i, j) != 0.0 && applies[(i, j)] == 0.0))
            }));
        }
        Ok(chosen.map_or_else(|| Value::number(0.0), Value::Matrix))
    }

    /// An entry's values for all values of its letters, in a column or a matrix.
    pub(super) fn gathered(
        &mut self,
        names: &[char],
        inner: &Expr,
        scope: Scope,
    ) -> Result<Value, EvalError> {
        let error = |undefined| EvalError { column: inner.column, undefined };
        let mut shape = [1, 1];
        // A letter that only the other entries have is as long as theirs: the matrix is square.
        let mut sizes = [None, None];
        for (size, name) in sizes.iter_mut().zip(names) {
            *size = self.size(*name, inner, scope)?;
        }
        for (at, _) in names.iter().enumerate().take(2) {
            shape[at] = sizes[at].or(sizes[1 - at]).ok_or_else(|| {
                error(Undefined::Shapes("a written-out matrix of unknown size".to_owned()))
            })?;
        }
        let before = self.bound.len();
        let mut value = Matrix::filled(shape[0], shape[1], 0.0);
        for row in 0..shape[0] {
            for column in 0..shape[1] {
                self.bound.extend(names.iter().copied().zip([row, column]));
                let entry = self.value(inner, scope)?.matrix("an entry").map_err(error)?;
                self.bound.truncate(before);
                let [number] = entry.data() else {
                    let message = format!("a written-out entry that is {}", shown(&entry));
                    return Err(error(Undefined::Shapes(message)));
                };
                value[(row, column)] = *number;
            }
        }
        Ok(Value::Matrix(value))
    }
}
