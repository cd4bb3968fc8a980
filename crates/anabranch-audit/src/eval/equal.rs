//! Whether two expressions have the same value, for every sample and whatever their letters pick.

use super::{BUDGET, Evaluator, Reading};
use crate::expr::{Expr, Slot};
use crate::matrix::Matrix;
use crate::truth::{Scope, Truth};

/// How far apart equal numbers may be: sums of a few dozen terms of about 1.
const ROUNDING: f64 = 1e-12;

/// Whether both sides have a value, and the same.
pub(crate) fn are_equal(sides: [&Expr; 2], truth: &Truth, reading: Reading, scope: Scope) -> bool {
    let mut letters = sides[0].unbound_letters(Slot::Component);
    letters.extend(sides[1].unbound_letters(Slot::Component));
    letters.sort_unstable();
    letters.dedup();
    let mut evaluator = Evaluator { truth, reading, bound: Vec::new(), samples: 0, left: BUDGET };
    letters.len() <= 2 && evaluator.agree(sides, &letters, scope).unwrap_or(false)
}

impl Evaluator<'_> {
    /// Whether the sides are equal for all values of the letters; `None` where one has no value.
    fn agree(&mut self, sides: [&Expr; 2], letters: &[char], scope: Scope) -> Option<bool> {
        if let [name, rest @ ..] = letters {
            let mut size = None;
            for side in sides {
                size = size.or(self.size(*name, side, scope).ok()?);
            }
            for at in 0..size? {
                self.bound.push((*name, at));
                let agree = self.agree(sides, rest, scope);
                self.bound.pop();
                if agree != Some(true) {
                    return agree;
                }
            }
            return Some(true);
        }
        let [left, right] = sides
            .map(|side| self.value(side, scope).ok().and_then(|value| value.matrix("a side").ok()));
        Some(same(&left?, &right?))
    }
}

/// Whether two matrices are the same; a number stands for one of equal entries.
fn same(a: &Matrix, b: &Matrix) -> bool {
    let shape = if a.shape() == [1, 1] { b.shape() } else { a.shape() };
    let whole = |of: &Matrix| match of.shape() == [1, 1] {
        true => Matrix::filled(shape[0], shape[1], of[(0, 0)]),
        false => of.clone(),
    };
    let (a, b) = (whole(a), whole(b));
    let are_near = |(a, b): (&f64, &f64)| (a - b).abs() <= ROUNDING * (1.0 + a.abs() + b.abs());
    a.shape() == b.shape() && a.data().iter().zip(b.data()).all(are_near)
}
