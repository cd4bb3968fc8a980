//! Equations: the lines of a display, joined and split at their `=`.

use super::layout::{Atom, Base, Place};
use super::reader::index_letter;

/// `A = B = C`, or a condition such as i ≠ j.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    Chain(Vec<Vec<Atom>>),
    Condition(Vec<Atom>),
    /// A comparison such as z > 0: it belongs to what is before it.
    Comparison(Vec<Atom>),
    /// An expression by itself, or prose.
    Other,
}

impl Statement {
    /// Where it begins.
    pub(crate) fn start(&self) -> Option<Place> {
        match self {
            Self::Chain(members) => members.first().and_then(|first| start(first)),
            Self::Condition(atoms) => start(atoms),
            Self::Comparison(_) | Self::Other => None,
        }
    }
}

/// The statements of one formula.
pub(crate) fn statements(atoms: &[Atom]) -> Vec<Statement> {
    // Braces around everything group nothing.
    if let [Atom { base: Base::Group('{', inner), .. }] = atoms
        && atoms[0].is_bare()
    {
        return statements(inner);
    }
    let mut all = Vec::new();
    for line in lines(atoms) {
        for part in parts(&line) {
            match named(&part) {
                Some(both) => all.extend(both.map(|part| statement(&part))),
                None => all.push(statement(&part)),
            }
        }
    }
    all
}

/// `A = B =: C` is A = B, and then C = B.
fn named(part: &[Atom]) -> Option<[Vec<Atom>; 2]> {
    let at = part.iter().rposition(|atom| atom.is_operator("=:"))?;
    let value = part[..at].rsplit(|atom| atom.is_operator("=")).next()?;
    let equals = Atom { base: Base::Operator("=".to_owned()), ..part[at].clone() };
    Some([part[..at].to_vec(), [&part[at + 1..], &[equals], value].concat()])
}

/// Lines, joined where one continues the one before.
fn lines(atoms: &[Atom]) -> Vec<Vec<Atom>> {
    let mut all: Vec<Vec<Atom>> = Vec::new();
    for line in atoms.split(|atom| matches!(atom.base, Base::Break)) {
        let line: Vec<Atom> = line.to_vec();
        let first = line.iter().find(|atom| !matches!(atom.base, Base::Quad));
        let goes_on = first.is_some_and(joins)
            || all.last().is_some_and(|before| before.last().is_some_and(joins));
        // A line without `=` belongs to the one before.
        let is_rest = !line.iter().any(|atom| atom.is_operator("="));
        match all.last_mut() {
            Some(before) if goes_on || is_rest => before.extend(line),
            _ => all.push(line),
        }
    }
    all
}

/// Whether a line that begins or ends with this atom continues another.
fn joins(atom: &Atom) -> bool {
    match &atom.base {
        Base::Operator(symbol) => {
            matches!(symbol.as_str(), "=" | "=:" | "+" | "-" | "(+)" | "*" | "∗" | ".*" | "/" | "⊗")
        }
        Base::Sum => false,
        _ => false,
    }
}

/// What commas, semicolons, wide spaces and words separate.
fn parts(line: &[Atom]) -> Vec<Vec<Atom>> {
    let mut parts: Vec<Vec<Atom>> = vec![vec![]];
    for atom in line {
        let separates = match &atom.base {
            Base::Operator(symbol) => matches!(symbol.as_str(), "," | ";" | ":"),
            Base::Quad => true,
            Base::Word(text) => is_prose(text),
            _ => false,
        };
        if separates {
            parts.push(vec![]);
        } else if let Some(part) = parts.last_mut() {
            part.push(atom.clone());
        }
    }
    // A wide space in the middle of an equation separates nothing.
    let mut joined: Vec<Vec<Atom>> = Vec::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let open = |part: &Vec<Atom>| part.last().is_some_and(joins);
        let goes_on = part.first().is_some_and(joins);
        match joined.last_mut() {
            Some(before) if goes_on || open(before) => before.extend(part),
            _ => joined.push(part),
        }
    }
    joined
}

/// Words that stand between equations, in English, German, French, Spanish, Italian and
/// Portuguese.
const BETWEEN: [&str; 71] = [
    "if",
    "for",
    "where",
    "and",
    "when",
    "with",
    "then",
    "so",
    "since",
    "as",
    "otherwise",
    "or",
    "thus",
    "hence",
    "therefore",
    "that",
    "because",
    "here",
    "let",
    "i.e",
    "also",
    "und",
    "mit",
    "für",
    "wobei",
    "wo",
    "dann",
    "daher",
    "somit",
    "damit",
    "sowie",
    "denn",
    "falls",
    "also",
    "d.h",
    "et",
    "avec",
    "où",
    "donc",
    "puis",
    "car",
    "soit",
    "ainsi",
    "pour",
    "alors",
    "con",
    "donde",
    "luego",
    "entonces",
    "pues",
    "además",
    "para",
    "como",
    "si",
    "por",
    "dove",
    "quindi",
    "dunque",
    "allora",
    "per",
    "se",
    "ovvero",
    "onde",
    "com",
    "então",
    "logo",
    "pois",
    "portanto",
    "assim",
    "e",
    "y",
];

fn is_prose(text: &str) -> bool {
    let text = text.trim().trim_matches(['.', ',', ':', '(', ')']).trim();
    // SO is a symbol.
    text.contains(' ') || BETWEEN.iter().any(|word| *word == text || is_capitalised(word, text))
}

/// Whether the text is the word with a capital.
fn is_capitalised(word: &str, text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_lowercase().chain(chars).collect::<String>());
    text.chars().skip(1).all(char::is_lowercase) && first.is_some_and(|text| text == word)
}

fn statement(part: &[Atom]) -> Statement {
    // Of which set it is an element, changes nothing.
    let part = match part.iter().position(|atom| atom.is_operator("∈")) {
        Some(at) if part[..at].iter().any(|atom| atom.is_operator("=")) => &part[..at],
        _ => part,
    };
    let members: Vec<Vec<Atom>> =
        part.split(|atom| atom.is_operator("=")).map(<[Atom]>::to_vec).collect();
    let is_index = |atoms: &[Atom]| matches!(atoms, [atom] if index_letter(atom).is_some_and(|c| !matches!(c, 'm' | 'p' | 's' | 'x' | 'h')));
    let unequal = part.iter().position(|atom| atom.is_operator("!="));
    if let Some(at) = unequal {
        return if is_index(&part[..at]) && is_index(&part[at + 1..]) {
            Statement::Condition(part.to_vec())
        } else {
            Statement::Other
        };
    }
    match &members[..] {
        [left, right] if is_index(left) && is_index(right) => Statement::Condition(part.to_vec()),
        [_, _, ..] if members.iter().all(|member| !member.is_empty()) => Statement::Chain(members),
        // `= B` continues nothing: the left side is missing.
        [first, rest @ ..] if first.is_empty() && !rest.is_empty() => Statement::Other,
        [_, _, ..] => Statement::Chain(members.into_iter().filter(|m| !m.is_empty()).collect()),
        _ if part.iter().any(|atom| [">", "<", ">=", "<="].iter().any(|c| atom.is_operator(c))) => {
            Statement::Comparison(part.to_vec())
        }
        _ => Statement::Other,
    }
}

/// Where a list of atoms begins.
pub(crate) fn start(atoms: &[Atom]) -> Option<Place> {
    atoms.iter().map(|atom| atom.place).min()
}
