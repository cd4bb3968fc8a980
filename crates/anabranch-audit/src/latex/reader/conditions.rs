//! Conditions: `z > 0`, `i = j`, and the words around them.

use super::{NOWHERE, Reader, at, index_letter, unreadable};
use crate::expr::{Expr, Node, Operator};
use crate::latex::layout::{Atom, Base, Outcome};

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

pub(super) fn relation(atom: &Atom) -> Option<Operator> {
    let Base::Operator(symbol) = &atom.base else { return None };
    Some(match symbol.as_str() {
        "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        ">" => Operator::Greater,
        "<" => Operator::Less,
        ">=" => Operator::GreaterEqual,
        "<=" => Operator::LessEqual,
        _ => return None,
    })
}

fn relation_of(atom: &Atom) -> Operator {
    relation(atom).unwrap_or(Operator::Equal)
}

const CONNECTIVES: [&str; 31] = [
    "if",
    "for",
    "when",
    "otherwise",
    "else",
    "where",
    "falls",
    "wenn",
    "für",
    "sonst",
    "ansonsten",
    "andernfalls",
    "si",
    "pour",
    "sinon",
    "quand",
    "autrement",
    "cuando",
    "para",
    "si no",
    "en otro caso",
    "en caso contrario",
    "de lo contrario",
    "se",
    "quando",
    "per",
    "altrimenti",
    "caso contrário",
    "elsewhere",
    "if and only if",
    "in all other cases",
];

/// `and` between conditions.
fn is_and(atom: &Atom) -> bool {
    matches!(&atom.base, Base::Word(text) if ["and", "und", "et", "y", "e"].contains(&text.trim()))
}

/// `if`, `otherwise`, `for` in a row of cases.
pub(super) fn is_connective(atom: &Atom) -> bool {
    matches!(&atom.base, Base::Word(text)
        if CONNECTIVES.contains(&text.trim().trim_end_matches(['.', ','])))
        || matches!(&atom.base, Base::Quad)
}
