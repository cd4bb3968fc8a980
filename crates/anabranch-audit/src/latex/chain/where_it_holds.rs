//! What holds under a condition behind it: `f'(z) = 1` where `z > 0`.

use std::collections::HashMap;

use super::Judge;
use crate::expr::{Expr, Function, Index, Node, Slot};
use crate::latex::layout::Atom;
use crate::quantity::{Quantity, Target};

impl Judge<'_> {
    /// The condition of a comparison, and what to take where it does not hold: a value of ReLU or
    /// of its derivative as it is. `None` if the target is neither, or the comparison is not read.
    pub(super) fn elsewhere(
        &mut self,
        comparison: &[Atom],
        (target, free): (Target, &[Index]),
        letters: &[char],
        slots: &HashMap<char, Slot>,
    ) -> Option<[Expr; 2]> {
        let (function, of) = match target.name() {
            "a_1a" => (Function::Relu, "z_1a"),
            "a_1b" => (Function::Relu, "z_1b"),
            "da_dz_1a" => (Function::ReluPrime, "z_1a"),
            "da_dz_1b" => (Function::ReluPrime, "z_1b"),
            _ => return None,
        };
        let condition = self.condition(comparison, letters, slots)?;
        let z = Expr::new(Node::Quantity(Quantity::named(of)?), condition.column);
        // Of a Jacobian, both letters pick the same entry.
        let is_jacobian = function == Function::ReluPrime;
        let own = if is_jacobian { free.get(..1).unwrap_or(&[]) } else { free };
        let z = match own.is_empty() {
            true => z,
            false => Expr::new(Node::Entry(Box::new(z), own.to_vec()), condition.column),
        };
        let value = Expr::new(Node::Function(function, vec![z]), condition.column);
        Some([condition, value])
    }
}

/// The value where the condition holds, the other elsewhere.
pub(super) fn under(value: Expr, [condition, elsewhere]: &[Expr; 2]) -> Expr {
    let column = value.column;
    let always = Expr::new(Node::Number(1.0), column);
    Expr::new(Node::Cases(vec![value, condition.clone(), elsewhere.clone(), always]), column)
}
