//! Σ: what it goes over, and how far.

use super::differential::derivative_of_component;
use super::{Reader, at, index_letter, relation, unreadable};
use crate::expr::{Axis, Expr, Fold, Node, Slot};
use crate::latex::layout::{Atom, Outcome};
use crate::latex::symbols::{Letter, is_batch_size};

impl Reader<'_> {
    /// Σ and its body, to the end of the product.
    pub(super) fn sum(&mut self, atom: &Atom, body: &[Atom]) -> Outcome<Expr> {
        let place = atom.place;
        let names: Vec<char> = atom
            .sub
            .iter()
            .take_while(|a| !(a.is_operator("=") || relation(a).is_some() || a.is_operator("∈")))
            .filter_map(index_letter)
            .collect();
        let except = atom
            .sub
            .iter()
            .position(|a| a.is_operator("!="))
            .and_then(|at| atom.sub.get(at + 1))
            .and_then(index_letter);
        let of_set = atom.sub.iter().position(|a| a.is_operator("∈"));
        let over_samples = match (&atom.sup[..], of_set) {
            ([], Some(of)) if atom.sub[of..].iter().any(is_batch_size) => Some(true),
            ([], _) => None,
            (sup, _) => Some(sup.iter().any(is_batch_size)),
        };
        if names.is_empty() && !atom.sub.is_empty() && except.is_none() && !is_range(&atom.sub) {
            return unreadable(place, "a sum over something other than an index");
        }
        let before = self.slots.clone();
        for name in &names {
            let slot = match (over_samples, except) {
                (Some(true), _) => Some(Slot::Sample),
                (Some(false), _) => Some(Slot::Component),
                (None, Some(other)) => self.slots.get(&other).copied().or(Some(Slot::Component)),
                // Σₓ goes over the training examples.
                (None, None) if *name == 'x' => Some(Slot::Sample),
                (None, None) => None,
            };
            if let Some(slot) = slot {
                self.slots.insert(*name, slot);
            }
        }
        let mut inner = self.term(body)?;
        if names.is_empty() && over_samples.is_none() && !belongs_to_a_sample(&inner) {
            // The samples are already summed: this Σ goes over what is left.
            return Ok(at(place, Node::Fold(Fold::Sum, Axis::All, Box::new(inner))));
        }
        if names.is_empty() {
            self.unstated += 1;
            let axis = match over_samples {
                Some(true) => Axis::Samples(None),
                _ => Axis::Unstated(self.unstated - 1),
            };
            return Ok(at(place, Node::Fold(Fold::Sum, axis, Box::new(inner))));
        }
        for name in names.iter().rev() {
            let slot = self.slot(Letter { name: *name, in_parentheses: false });
            inner = match slot {
                Slot::Sample => {
                    at(place, Node::Fold(Fold::Sum, Axis::Samples(Some(*name)), Box::new(inner)))
                }
                Slot::Component => {
                    let inner = derivative_of_component(inner, *name);
                    at(place, Node::Over(*name, except, Box::new(inner)))
                }
            };
        }
        // Outside, the letters may mean something else.
        for name in &names {
            if let Some(slot) = before.get(name) {
                self.slots.insert(*name, *slot);
            }
        }
        Ok(inner)
    }
}

/// Whether a quantity of a sample stands outside every sum over the samples.
fn belongs_to_a_sample(expr: &Expr) -> bool {
    match &expr.node {
        Node::Quantity(of) | Node::Differential(of) => of.is_of_a_sample(),
        Node::Fold(_, Axis::Samples(_), _) => false,
        _ => expr.children().iter().any(belongs_to_a_sample),
    }
}

fn is_range(atoms: &[Atom]) -> bool {
    atoms.iter().any(|a| a.is_operator("=") || a.is_operator("∈"))
}
