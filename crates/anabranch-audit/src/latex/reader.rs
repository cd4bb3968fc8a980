//! From what is on the page to the tree of an expression.

mod activation;
mod conditions;
mod defined;
mod derivative;
mod differential;
mod entries;
mod functions;
mod inner;
mod pattern;
mod sums;
mod words;
mod written;

use std::collections::HashMap;

use differential::{couple, gradient_of, is_differential, is_variance};
use inner::{inner_product, is_vector};
use words::{is_connective, relation};

use super::layout::{Atom, Base, Outcome, Place, Unreadable};
use super::symbols::{Letter, Symbols, is_batch_size, is_transpose};
use crate::expr::{Axis, Expr, Fold, Function, Index, Node, Operator, Slot};
use crate::letters::{primed, unprimed};
use crate::parser::MAX_DEPTH;
use crate::quantity::{Kind, Quantity};
use crate::task::Task;

/// Which products are taken first. A derivation does not say; the first grouping whose shapes fit
/// is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// Factors written side by side first, then `·` and `⊙` from the left.
    SideBySideFirst,
    /// All matrix products, then `⊙`.
    EntryByEntryLast,
    /// All from the left.
    FromTheLeft,
    /// As the first, with `*` as another ⊙.
    Starred,
    /// As the first, with `u · v` of two vectors as uᵀv.
    Dotted,
}

/// Finds the quantity that an expression is, with the indices in it.
pub(crate) type Identify<'a> = &'a dyn Fn(&Expr, &[char]) -> Option<Expr>;

/// Reads the members of one equation.
pub(crate) struct Reader<'a> {
    pub(crate) symbols: &'a mut Symbols,
    pub(crate) grouping: Grouping,
    /// What each index runs over, as far as known.
    pub(crate) slots: HashMap<char, Slot>,
    /// What an index runs over if nothing is known about it: the samples for these letters,
    /// otherwise the components.
    pub(crate) sample_letters: &'a [char],
    pub(crate) identify: Identify<'a>,
    /// In a derivation of BatchNorm alone, x is its input and y its output.
    pub(crate) in_batch_norm: bool,
    pub(crate) unstated: usize,
    /// Factors within factors, here.
    pub(crate) depth: usize,
}

/// Atoms of a product: more are no formula, and reading recurses.
const MAX_ATOMS: usize = 500;

impl Reader<'_> {
    /// The tree of a member, ready to be evaluated.
    pub(crate) fn whole(&mut self, atoms: &[Atom]) -> Outcome<Expr> {
        self.expression(atoms).map(couple)
    }

    /// The tree of a list of atoms.
    pub(crate) fn expression(&mut self, atoms: &[Atom]) -> Outcome<Expr> {
        let Some(first) = atoms.first() else {
            return Err(Unreadable {
                place: Place { line: 0, column: 0 },
                message: "something is missing here".into(),
            });
        };
        let mut sum: Option<Expr> = None;
        let terms = terms(atoms);
        if terms.len() > MAX_DEPTH {
            return unreadable(first.place, "a sum of that many terms");
        }
        for (sign, place, term) in terms {
            if term.is_empty() {
                return unreadable(place, "a term is missing");
            }
            let term = self.term(term)?;
            let operator = if sign == '-' { Operator::Subtract } else { Operator::Add };
            sum = Some(match sum {
                None if sign == '-' => at(place, Node::Negate(Box::new(term))),
                None => term,
                Some(sum) => at(place, Node::Binary(operator, Box::new([sum, term]))),
            });
        }
        sum.map_or_else(|| unreadable(first.place, "something is missing here"), Ok)
    }

    /// A product.
    fn term(&mut self, atoms: &[Atom]) -> Outcome<Expr> {
        let mut factors: Vec<(Join, Place, Expr)> = Vec::new();
        if atoms.len() > MAX_ATOMS || atoms.iter().filter(|a| a.base == Base::Sum).count() > 9 {
            return unreadable(atoms[0].place, "a product of that many factors");
        }
        let mut join = Join::SideBySide;
        let mut negative = false;
        let mut i = 0;
        while i < atoms.len() {
            let atom = &atoms[i];
            let place = atom.place;
            match &atom.base {
                Base::Operator(symbol) => {
                    join = match symbol.as_str() {
                        "∗" if self.grouping == Grouping::Starred => Join::EntryByEntry,
                        "*" | "∗" => Join::Product,
                        ".*" => Join::EntryByEntry,
                        "⊗" => Join::Outer,
                        "/" => Join::Over,
                        "-" => {
                            negative = !negative;
                            i += 1;
                            continue;
                        }
                        other => return unreadable(place, &format!("`{other}` here")),
                    };
                    if factors.is_empty() {
                        return unreadable(place, "a factor is missing");
                    }
                    i += 1;
                }
                Base::Sum => {
                    let body = &atoms[i + 1..];
                    if body.is_empty() {
                        return unreadable(place, "a sum of nothing");
                    }
                    let sum = self.sum(atom, body)?;
                    factors.push((join, place, sum));
                    break;
                }
                Base::Break | Base::Quad => i += 1,
                _ => {
                    let (factor, used) = self.factor(&atoms[i..])?;
                    factors.push((join, place, factor));
                    join = Join::SideBySide;
                    i += used;
                }
            }
        }
        if join != Join::SideBySide && factors.len() < 2 {
            let place = atoms.first().map_or(NOWHERE, |a| a.place);
            return unreadable(place, "a factor is missing");
        }
        let product = self.product(factors)?;
        Ok(if negative {
            Expr::new(Node::Negate(Box::new(product.clone())), product.column)
        } else {
            product
        })
    }

    fn product(&self, factors: Vec<(Join, Place, Expr)>) -> Outcome<Expr> {
        let passes: &[&[Join]] = match self.grouping {
            Grouping::SideBySideFirst | Grouping::Starred | Grouping::Dotted => &[
                &[Join::SideBySide, Join::Over],
                &[Join::Product, Join::EntryByEntry, Join::Outer],
            ],
            Grouping::EntryByEntryLast => &[
                &[Join::SideBySide, Join::Over, Join::Product, Join::Outer],
                &[Join::EntryByEntry],
            ],
            Grouping::FromTheLeft => {
                &[&[Join::SideBySide, Join::Over, Join::Product, Join::EntryByEntry, Join::Outer]]
            }
        };
        let mut factors = factors;
        for pass in passes {
            let mut joined: Vec<(Join, Place, Expr)> = Vec::new();
            for (join, place, right) in factors {
                match joined.last_mut() {
                    Some((_, _, left)) if pass.contains(&join) => {
                        let sides = [left.clone(), right];
                        let binary = |operator| Node::Binary(operator, Box::new(sides.clone()));
                        let is_dot = join == Join::Product && self.grouping == Grouping::Dotted;
                        if is_dot && sides.iter().all(is_vector) {
                            let [u, v] = sides;
                            *left = inner_product(u, v);
                            continue;
                        }
                        let node = match join {
                            Join::SideBySide | Join::Product => binary(Operator::Multiply),
                            Join::EntryByEntry => binary(Operator::Hadamard),
                            Join::Over => binary(Operator::Divide),
                            Join::Outer => Node::Function(Function::Outer, sides.to_vec()),
                        };
                        *left = at(place, node);
                    }
                    _ => joined.push((join, place, right)),
                }
            }
            factors = joined;
        }
        match factors.pop() {
            Some((.., product)) if factors.is_empty() => Ok(product),
            _ => unreadable(NOWHERE, "a factor is missing"),
        }
    }

    fn slot(&mut self, letter: Letter) -> Slot {
        if letter.in_parentheses {
            self.slots.insert(letter.name, Slot::Sample);
        }
        // i′ is another i.
        let base = unprimed(letter.name);
        let plain = base.unwrap_or(letter.name);
        let default = match self.sample_letters.contains(&plain) {
            true => Slot::Sample,
            false => Slot::Component,
        };
        let default = base.and_then(|base| self.slots.get(&base).copied()).unwrap_or(default);
        *self.slots.entry(letter.name).or_insert(default)
    }

    /// The first factor of `atoms`, and how many atoms it takes.
    fn factor(&mut self, atoms: &[Atom]) -> Outcome<(Expr, usize)> {
        self.depth += 1;
        let factor = match self.depth > MAX_DEPTH {
            true => unreadable(atoms[0].place, "an expression nested that deep"),
            false => self.factor_of(atoms),
        };
        self.depth -= 1;
        factor
    }

    fn factor_of(&mut self, atoms: &[Atom]) -> Outcome<(Expr, usize)> {
        let atom = &atoms[0];
        let place = atom.place;
        let next = atoms.get(1);
        // v̄: the gradient by v.
        if let Some(of) = self.symbols.adjoint(atom) {
            let value = self.gradient(&of)?;
            let value =
                if is_variance(&of) { value } else { self.transposed_or_power(value, &of)? };
            return Ok((value, 1));
        }
        match &atom.base {
            Base::Number(number) => {
                let value = at(place, Node::Number(*number));
                Ok((self.scripts(value, atom)?, 1))
            }
            Base::Fraction(above, below) => {
                if let (Some(first), Some(second)) = (above.first(), below.first())
                    && is_differential(first)
                    && is_differential(second)
                {
                    if above.len() == 1 {
                        let Some(next) = next else {
                            return unreadable(place, "a derivative of nothing");
                        };
                        let value =
                            self.derivative(std::slice::from_ref(next), &below[1..], place)?;
                        return Ok((self.scripts(value, atom)?, 2));
                    }
                    let value = self.derivative(&above[1..], &below[1..], place)?;
                    let value = self.scripts(value, atom)?;
                    return match next {
                        Some(bar) if bar.is_symbol("fixed") => Ok((self.held(value, bar)?, 2)),
                        _ => Ok((value, 1)),
                    };
                }
                let sides = [
                    self.expression(above).map_err(|e| e.or(place))?,
                    self.expression(below).map_err(|e| e.or(place))?,
                ];
                let value = at(place, Node::Binary(Operator::Divide, Box::new(sides)));
                Ok((self.scripts(value, atom)?, 1))
            }
            Base::Root(inner) => {
                let inner = self.expression(inner).map_err(|e| e.or(place))?;
                Ok((self.scripts(at(place, Node::Function(Function::Sqrt, vec![inner])), atom)?, 1))
            }
            Base::Group('‖', inner) => {
                let inner = self.expression(inner).map_err(|e| e.or(place))?;
                let square = at(
                    place,
                    Node::Binary(Operator::Power, Box::new([inner, at(place, Node::Number(2.0))])),
                );
                let sum = at(place, Node::Fold(Fold::Sum, Axis::All, Box::new(square)));
                match &atom.sup[..] {
                    [Atom { base: Base::Number(2.0), .. }] => Ok((sum, 1)),
                    [] => Ok((at(place, Node::Function(Function::Sqrt, vec![sum])), 1)),
                    _ => unreadable(place, "a power of a norm other than its square"),
                }
            }
            Base::Group('|', inner) => {
                let inner = self.expression(inner).map_err(|e| e.or(place))?;
                Ok((self.scripts(at(place, Node::Function(Function::Abs, vec![inner])), atom)?, 1))
            }
            // (z)₊ is z where it is positive.
            Base::Group('(' | '[', inner) if matches!(&atom.sub[..], [plus] if plus.is_operator("+")) =>
            {
                let inner = self.expression(inner).map_err(|e| e.or(place))?;
                let value = at(place, Node::Function(Function::Relu, vec![inner]));
                Ok((self.scripts(value, &Atom { sub: vec![], ..atom.clone() })?, 1))
            }
            Base::Group('(', inner)
                if atom.sup.iter().any(is_transpose)
                    && let Some(column) = self.list(inner, place) =>
            {
                Ok((column?, 1))
            }
            Base::Matrix(rows) => {
                let value = self.written_out(rows, place)?;
                Ok((self.scripts(value, atom)?, 1))
            }
            Base::Group(open, inner) => {
                let compares = inner.iter().any(|a| relation(a).is_some());
                let value = if compares && *open != '{' {
                    self.condition(inner)?
                } else {
                    self.expression(inner).map_err(|e| e.or(place))?
                };
                if let Some(whole) = gathered(&value, atom) {
                    let atom = Atom { sub: vec![], sup: vec![], ..atom.clone() };
                    return Ok((self.scripts(whole, &atom)?, 1));
                }
                Ok((self.scripts(value, atom)?, 1))
            }
            Base::Cases(rows) => {
                let mut parts = Vec::new();
                for row in rows {
                    let (value, condition) = match &row[..] {
                        [value, condition] => (value, &condition[..]),
                        [value] => (value, &[][..]),
                        _ => {
                            return unreadable(place, "a row of more than a value and a condition");
                        }
                    };
                    let value: Vec<Atom> =
                        value.iter().filter(|a| !a.is_operator(",")).cloned().collect();
                    let condition: Vec<Atom> = condition
                        .iter()
                        .filter(|a| !is_connective(a) && !a.is_operator(";"))
                        .cloned()
                        .collect();
                    parts.push(self.expression(&value).map_err(|e| e.or(place))?);
                    parts.push(if condition.is_empty() {
                        at(place, Node::Number(1.0))
                    } else {
                        self.condition(&condition)?
                    });
                }
                Ok((at(place, Node::Cases(parts)), 1))
            }
            // e_b^{(i)} is no power.
            Base::Symbol(name) if name == "e" && !atom.sup.is_empty() && atom.sub.is_empty() => {
                let inner = self.expression(&atom.sup)?;
                Ok((at(place, Node::Function(Function::Exp, vec![inner])), 1))
            }
            Base::Symbol(name) if name == "partial" || name == "nabla" => {
                self.inline_derivative(atoms)
            }
            Base::Symbol(_) if self.is_step(atoms) => {
                let step = Atom { base: Base::Word("step".into()), sub: vec![], ..atom.clone() };
                self.applied("step", &[&[step], &atoms[1..]].concat())
            }
            Base::Symbol(name) if matches!(name.as_str(), "ones" | "I" | "chi") => {
                let compares = |atoms: &[Atom]| atoms.iter().any(|a| relation(a).is_some());
                let below = match &atom.sub[..] {
                    [Atom { base: Base::Group(_, inner), .. }] => inner,
                    sub => sub,
                };
                if compares(below) {
                    return Ok((self.condition(below)?, 1));
                }
                if let Some(Atom { base: Base::Group(_, inner), .. }) = next
                    && compares(inner)
                {
                    let value = self.condition(inner)?;
                    return Ok((self.scripts(value, &atoms[1])?, 2));
                }
                if let Some(equal) = Self::kronecker(atom) {
                    return Ok((equal, 1));
                }
                if name == "I" {
                    return Ok((at(place, Node::Identity), 1));
                }
                self.symbol(atom, next)
            }
            // E[u]: the mean.
            Base::Symbol(name)
                if name == "E" && matches!(next, Some(Atom { base: Base::Group('[', _), .. })) =>
            {
                let [index] = &atom.sub[..] else { return self.applied("mean", atoms) };
                if is_batch_size(index) {
                    let atom = Atom { sub: vec![], ..atom.clone() };
                    return self.applied("mean", &[&[atom], &atoms[1..]].concat());
                }
                let (Some(letter), Base::Group(_, inner)) = (index_letter(index), &atoms[1].base)
                else {
                    return unreadable(place, "a mean over something other than the samples");
                };
                self.slots.insert(letter, Slot::Sample);
                let inner = Box::new(self.expression(inner).map_err(|e| e.or(place))?);
                let axis = Axis::Samples(Some(letter));
                let value = at(place, Node::Fold(Fold::Mean, axis, inner));
                Ok((self.scripts(value, &atoms[1])?, 2))
            }
            // dW: the gradient by W.
            Base::Symbol(name) if name == "d" && atom.is_bare() && next.is_some() => {
                let operand = &atoms[1..2];
                if self.symbols.reads_differentials {
                    return Ok((self.differential(&operand[0])?, 2));
                }
                match self.symbols.resolve(&operand[0]) {
                    Some(resolved) if gradient_of(&resolved.meaning).is_some() => {
                        if self.symbols.has_differentials {
                            return unreadable(place, DIFFERENTIAL);
                        }
                        let mut value = self.gradient(&operand[0])?;
                        let is_row = as_entry(&value).is_some_and(|(of, _)| of.kind == Kind::Rows);
                        if self.symbols.sums_losses && is_row {
                            value = at(place, Node::OfTask(Task::Sample, Box::new(value)));
                        }
                        if is_variance(&operand[0]) {
                            return Ok((value, 2));
                        }
                        Ok((self.transposed_or_power(value, &operand[0])?, 2))
                    }
                    _ => self.symbol(atom, next),
                }
            }
            Base::Word(_) | Base::Symbol(_) => {
                if let Some(value) = self.activation(atoms) {
                    return value;
                }
                // var by itself is σ².
                let is_of = matches!(next, Some(Atom { base: Base::Group(..), .. }));
                if let Some(function) = self.function_name(atom).filter(|f| is_of || f != "var") {
                    return self.applied(&function, atoms);
                }
                self.symbol(atom, next)
            }
            Base::Unknown(why) => unreadable(place, why),
            Base::Operator(_) | Base::Sum | Base::Break | Base::Quad => {
                unreadable(place, "a factor is missing")
            }
        }
    }
}

/// What stands between two factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    SideBySide,
    Product,
    EntryByEntry,
    Over,
    /// u ⊗ v = uvᵀ.
    Outer,
}

/// Why dW is not read in a file that has dL.
const DIFFERENTIAL: &str = "a differential: only derivatives are read, such as ∂L/∂W";

const NOWHERE: Place = Place { line: 0, column: 0 };

impl Unreadable {
    /// At `place` if it has no place of its own.
    pub(crate) fn or(self, place: Place) -> Self {
        if self.place == NOWHERE { Self { place, ..self } } else { self }
    }
}

fn unreadable<T>(place: Place, message: &str) -> Outcome<T> {
    Err(Unreadable { place, message: message.to_owned() })
}

fn at(place: Place, node: Node) -> Expr {
    Expr::new(node, place.column)
}

fn quantity(name: &str, place: Place) -> Expr {
    match Quantity::named(name) {
        Some(found) => at(place, Node::Quantity(found)),
        None => at(place, Node::Number(f64::NAN)),
    }
}

fn with_indices(value: Expr, indices: Vec<Index>) -> Expr {
    if indices.is_empty() {
        return value;
    }
    let column = value.column;
    Expr::new(Node::Entry(Box::new(value), indices), column)
}

/// A quantity with its indices, if the tree is one.
pub(crate) fn as_entry(expr: &Expr) -> Option<(&'static Quantity, Vec<Index>)> {
    match &expr.node {
        Node::Quantity(quantity) => Some((quantity, vec![])),
        Node::Entry(inner, indices) => match inner.node {
            Node::Quantity(quantity) => Some((quantity, indices.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// (uₖ)ₖ, or with the range of k: all entries of u together.
fn gathered(value: &Expr, bracket: &Atom) -> Option<Expr> {
    let Node::Entry(whole, indices) = &value.node else { return None };
    let end = bracket.sub.iter().position(|a| a.is_operator("=")).unwrap_or(bracket.sub.len());
    let names = bracket.sub[..end].iter().filter(|a| !a.is_operator(",")).map(index_letter);
    let names: Vec<char> = names.collect::<Option<_>>()?;
    let is_range = end < bracket.sub.len() || bracket.sup.is_empty();
    let own: Vec<char> = indices.iter().map(|index| index.name).collect();
    (is_range && names == own).then(|| (**whole).clone())
}

/// A lower-case letter by itself, or with a prime.
pub(crate) fn index_letter(atom: &Atom) -> Option<char> {
    match &atom.base {
        Base::Symbol(name) if atom.sub.is_empty() && atom.sup.is_empty() => {
            let mut chars = name.chars();
            let (letter, None) = (chars.next()?, chars.next()) else { return None };
            match atom.primes {
                0 => letter.is_ascii_lowercase().then_some(letter),
                1 => primed(letter),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The symbol without these letters, and without a sample's in parentheses.
pub(crate) fn without(atom: &Atom, letters: &[char]) -> Atom {
    let keep = |atoms: &[Atom]| -> Vec<Atom> {
        atoms
            .iter()
            .filter(|a| index_letter(a).is_none_or(|letter| !letters.contains(&letter)))
            .filter(|a| {
                !matches!(&a.base, Base::Group('(', inner)
                    if matches!(&inner[..], [one] if index_letter(one).is_some()))
            })
            .cloned()
            .collect()
    };
    Atom { sub: keep(&atom.sub), sup: keep(&atom.sup), ..atom.clone() }
}

/// The terms of a sum, each with its sign and place.
pub(crate) fn terms(atoms: &[Atom]) -> Vec<(char, Place, &[Atom])> {
    let mut all = Vec::new();
    let (mut sign, mut start) = ('+', 0);
    let mut place = atoms.first().map_or(NOWHERE, |a| a.place);
    for (i, atom) in atoms.iter().enumerate() {
        let Base::Operator(symbol) = &atom.base else { continue };
        let next = match symbol.as_str() {
            "+" | "(+)" => '+',
            "-" => '-',
            _ => continue,
        };
        // A sign after an operator or Σ belongs to the factor.
        let takes_sign = |before: &Atom| match &before.base {
            Base::Operator(s) => matches!(s.as_str(), "*" | "∗" | ".*" | "/" | "⊗"),
            before => *before == Base::Sum,
        };
        if i > 0 && takes_sign(&atoms[i - 1]) {
            continue;
        }
        if i > 0 && (i > start || !all.is_empty()) {
            all.push((sign, place, &atoms[start..i]));
        }
        (sign, start, place) = (next, i + 1, atom.place);
    }
    all.push((sign, place, &atoms[start..]));
    all
}
