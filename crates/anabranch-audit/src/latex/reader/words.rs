//! Words and relations that stand in conditions and cases.

use crate::expr::Operator;
use crate::latex::layout::{Atom, Base};

/// The comparison that an atom is.
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

pub(super) fn relation_of(atom: &Atom) -> Operator {
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
pub(super) fn is_and(atom: &Atom) -> bool {
    matches!(&atom.base, Base::Word(text) if ["and", "und", "et", "y", "e"].contains(&text.trim()))
}

/// `if`, `otherwise`, `for` in a row of cases.
pub(super) fn is_connective(atom: &Atom) -> bool {
    matches!(&atom.base, Base::Word(text)
        if CONNECTIVES.contains(&text.trim().trim_end_matches(['.', ','])))
        || matches!(&atom.base, Base::Quad)
}
