//! Conditions: `z > 0`, `i = j`, and the words around them.

use super::words::{is_and, relation, relation_of};
use super::{NOWHERE, Reader, at, index_letter, unreadable};
use crate::expr::{Expr, Node, Operator};
use crate::latex::layout::{Atom, Outcome};

impl Reader<'_> {
    /// A comparison, or several joined by `and`.
    pub(crate) fn condition(&mut self, atoms: &[Atom]) -> Outcome<Expr> {
        let mut all: Option<Expr> = None;
        for part in atoms.split(|a| a.is_operator("and") || a.is_operator(",") || is_and(a)) {
            if part.is_empty() {
                continue;
            }
            let Some(relation) = part.iter().position(|a| relation(a).is_some()) else {
                let place = part.first().or(atoms.first()).map_or(NOWHERE, |a| a.place);
                return unreadable(place, "a condition without a relation");
            };
            let operator = relation_of(&part[relation]);
            let (left, right) = (&part[..relation], &part[relation + 1..]);
            let left = self.compared(left)?;
            let right = self.compared(right)?;
            let place = part[relation].place;
            let one = at(place, Node::Binary(operator, Box::new([left, right])));
            all = Some(match all {
                None => one,
                Some(all) => at(place, Node::Binary(Operator::And, Box::new([all, one]))),
            });
        }
        all.map_or_else(|| unreadable(NOWHERE, "a condition is missing"), Ok)
    }

    /// A side of a comparison: an index by itself is its number.
    fn compared(&mut self, atoms: &[Atom]) -> Outcome<Expr> {
        if let [atom] = atoms
            && let Some(letter) = index_letter(atom)
            && self.slots.contains_key(&letter)
        {
            return Ok(at(atom.place, Node::Index(letter)));
        }
        self.expression(atoms)
    }
}
