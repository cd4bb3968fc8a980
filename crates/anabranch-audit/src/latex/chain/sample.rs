//! A δ of one sample's loss: `\delta = \partial L_i/\partial z`, and what follows from one.

use super::Judge;
use crate::expr::{Expr, Node};
use crate::latex::layout::{Atom, Base};
use crate::latex::reader::{as_entry, without};
use crate::latex::symbols::Meaning;
use crate::quantity::{Kind, Target};
use crate::task::Task;

impl Judge<'_> {
    /// A δ that equals ∂Lᵢ/∂z, or follows from one that does, is meant in this way.
    pub(super) fn is_from_now_of_sample(&mut self, atom: &Atom, target: Target) {
        let Some(resolved) = self.symbols.resolve(atom) else { return };
        let letters: Vec<char> = resolved.letters.iter().map(|letter| letter.name).collect();
        let quantity = Expr::new(Node::Quantity(target.0), atom.place.column);
        let node = Node::OfTask(Task::Sample, Box::new(quantity));
        let meaning = Meaning::Defined(Expr::new(node, atom.place.column), vec![]);
        self.symbols.give(&without(atom, &letters), meaning);
    }

    /// Whether it is the target as a derivative of one sample's loss.
    pub(super) fn is_of_sample(expr: &Expr, target: Target) -> bool {
        matches!(&expr.node, Node::OfTask(Task::Sample, inner)
            if as_entry(inner).is_some_and(|(of, _)| of.name == target.name()))
    }

    /// Whether the left side is a letter for a derivative by something that each sample has.
    pub(super) fn names_delta(left: &[Atom], target: Target) -> bool {
        let is_letter = matches!(left, [Atom { base: Base::Symbol(_), .. }]);
        is_letter && target.is_gradient() && target.0.kind == Kind::Rows
    }

    /// Whether a derivative of one sample's loss is in it.
    pub(super) fn is_of_some_sample(expr: &Expr) -> bool {
        expr.any(&|part| matches!(part.node, Node::OfTask(Task::Sample, _)))
    }
}
