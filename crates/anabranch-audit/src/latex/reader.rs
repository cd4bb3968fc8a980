//! From what is on the page to the tree of an expression.

use std::collections::HashMap;

use super::layout::{Atom, Base, Outcome, Place, Unreadable};
use super::symbols::{Letter, Meaning, Symbols, is_power, is_transpose};
use crate::expr::{Axis, Expr, Fold, Function, Index, Node, Operator, Slot};
use crate::quantity::{Kind, Quantity};

/// Which products are taken first. A derivation does not say; the first whose shapes fit is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// What stands side by side, then `·` and `⊙` from the left.
    SideBySideFirst,
    /// All matrix products, then `⊙`.
    EntryByEntryLast,
    /// All from the left.
    FromTheLeft,
}

/// Finds the quantity that an expression is, with the indices in it.
pub(crate) type Identify<'a> = &'a dyn Fn(&Expr, &[char]) -> Option<Expr>;

/// Reads the members of one equation.
pub(crate) struct Reader<'a> {
    pub(crate) symbols: &'a mut Symbols,
    pub(crate) grouping: Grouping,
    /// What each index runs over, as far as it is known.
    pub(crate) slots: HashMap<char, Slot>,
    /// What an index runs over of which nothing is known: the samples for these letters, else the components.
    pub(crate) sample_letters: &'a [char],
    pub(crate) identify: Identify<'a>,
    /// Inside a derivation of BatchNorm alone, x is its input and y its output.
    pub(crate) in_batch_norm: bool,
    pub(crate) unstated: usize,
}

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
                message: "nothing stands here".into(),
            });
        };
        let mut sum: Option<Expr> = None;
        for (sign, place, term) in terms(atoms) {
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
        sum.map_or_else(|| unreadable(first.place, "nothing stands here"), Ok)
    }

    /// A comparison, or several joined by `and`.
    pub(crate) fn condition(&mut self, atoms: &[Atom]) -> Outcome<Expr> {
        let mut all: Option<Expr> = None;
        for part in atoms.split(|a| a.is_operator("and") || a.is_operator(",") || is_word(a, "and"))
        {
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

    /// A product.
    fn term(&mut self, atoms: &[Atom]) -> Outcome<Expr> {
        let mut factors: Vec<(Join, Place, Expr)> = Vec::new();
        let mut join = Join::SideBySide;
        let mut negative = false;
        let mut i = 0;
        while i < atoms.len() {
            let atom = &atoms[i];
            let place = atom.place;
            match &atom.base {
                Base::Operator(symbol) => {
                    join = match symbol.as_str() {
                        "*" => Join::Product,
                        ".*" => Join::EntryByEntry,
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
            Grouping::SideBySideFirst => {
                &[&[Join::SideBySide, Join::Over], &[Join::Product, Join::EntryByEntry]]
            }
            Grouping::EntryByEntryLast => {
                &[&[Join::SideBySide, Join::Over, Join::Product], &[Join::EntryByEntry]]
            }
            Grouping::FromTheLeft => {
                &[&[Join::SideBySide, Join::Over, Join::Product, Join::EntryByEntry]]
            }
        };
        let mut factors = factors;
        for pass in passes {
            let mut joined: Vec<(Join, Place, Expr)> = Vec::new();
            for (join, place, right) in factors {
                match joined.last_mut() {
                    Some((_, _, left)) if pass.contains(&join) => {
                        let operator = match join {
                            Join::SideBySide | Join::Product => Operator::Multiply,
                            Join::EntryByEntry => Operator::Hadamard,
                            Join::Over => Operator::Divide,
                        };
                        *left = at(place, Node::Binary(operator, Box::new([left.clone(), right])));
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

    /// Σ and its body, to the end of the product.
    fn sum(&mut self, atom: &Atom, body: &[Atom]) -> Outcome<Expr> {
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
        let over_samples = match &atom.sup[..] {
            [] => None,
            sup => Some(
                sup.iter()
                    .any(|a| ["m", "N", "n", "M"].iter().any(|s| a.is_symbol(s) && a.is_bare())),
            ),
        };
        if names.is_empty() && !atom.sub.is_empty() && except.is_none() && !is_range(&atom.sub) {
            return unreadable(place, "a sum over something else than an index");
        }
        let before = self.slots.clone();
        for name in &names {
            let slot = match (over_samples, except) {
                (Some(true), _) => Some(Slot::Sample),
                (Some(false), _) => Some(Slot::Component),
                (None, Some(other)) => self.slots.get(&other).copied().or(Some(Slot::Component)),
                (None, None) => None,
            };
            if let Some(slot) = slot {
                self.slots.insert(*name, slot);
            }
        }
        let mut inner = self.term(body)?;
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

    fn slot(&mut self, letter: Letter) -> Slot {
        if letter.in_parentheses {
            self.slots.insert(letter.name, Slot::Sample);
        }
        let default = match self.sample_letters.contains(&letter.name) {
            true => Slot::Sample,
            false => Slot::Component,
        };
        *self.slots.entry(letter.name).or_insert(default)
    }

    /// The first factor of `atoms`, and how many atoms it takes.
    fn factor(&mut self, atoms: &[Atom]) -> Outcome<(Expr, usize)> {
        let atom = &atoms[0];
        let place = atom.place;
        let next = atoms.get(1);
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
                    return Ok((self.scripts(value, atom)?, 1));
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
            Base::Group(open, inner) => {
                let compares = inner.iter().any(|a| relation(a).is_some());
                let value = if compares && *open != '{' {
                    self.condition(inner)?
                } else {
                    self.expression(inner).map_err(|e| e.or(place))?
                };
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
            Base::Symbol(name) if name == "e" && !atom.sup.is_empty() => {
                let inner = self.expression(&atom.sup)?;
                Ok((at(place, Node::Function(Function::Exp, vec![inner])), 1))
            }
            Base::Symbol(name) if name == "partial" || name == "nabla" => {
                self.inline_derivative(atoms)
            }
            Base::Symbol(name) if matches!(name.as_str(), "ones" | "I" | "chi") => {
                let compares = |atoms: &[Atom]| atoms.iter().any(|a| relation(a).is_some());
                if compares(&atom.sub) {
                    return Ok((self.condition(&atom.sub)?, 1));
                }
                if let Some(Atom { base: Base::Group(_, inner), .. }) = next
                    && compares(inner)
                {
                    let value = self.condition(inner)?;
                    return Ok((self.scripts(value, &atoms[1])?, 2));
                }
                if name == "I" {
                    return Ok((at(place, Node::Identity), 1));
                }
                self.symbol(atom, next)
            }
            // dW: the gradient by W.
            Base::Symbol(name) if name == "d" && atom.is_bare() && next.is_some() => {
                let operand = &atoms[1..2];
                match self.symbols.resolve(&operand[0]) {
                    Some(resolved) if gradient_of(&resolved.meaning).is_some() => {
                        let value = self.gradient(&operand[0])?;
                        Ok((value, 2))
                    }
                    _ => self.symbol(atom, next),
                }
            }
            Base::Word(_) | Base::Symbol(_) => {
                if let Some(function) = self.function_name(atom) {
                    return self.applied(&function, atoms);
                }
                self.symbol(atom, next)
            }
            Base::Operator(_) | Base::Sum | Base::Break | Base::Quad => {
                unreadable(place, "a factor is missing")
            }
        }
    }

    /// The name of a function, where the atom is one.
    fn function_name(&self, atom: &Atom) -> Option<String> {
        if let Some(name) = self.symbols.function(atom) {
            return Some(name.to_owned());
        }
        let Base::Word(name) = &atom.base else { return None };
        let name = name.to_lowercase();
        const KNOWN: [&str; 15] = [
            "relu",
            "softmax",
            "exp",
            "log",
            "ln",
            "diag",
            "max",
            "bn",
            "batchnorm",
            "abs",
            "sqrt",
            "mean",
            "sum",
            "avg",
            "outer",
        ];
        KNOWN.contains(&name.as_str()).then_some(name)
    }

    fn applied(&mut self, function: &str, atoms: &[Atom]) -> Outcome<(Expr, usize)> {
        let atom = &atoms[0];
        let place = atom.place;
        if matches!(function, "bn" | "batchnorm") {
            return self.batch_norm(atoms);
        }
        // A bracket, or what stands next: log y.
        let (argument, scripts, used) = match atoms.get(1) {
            Some(group @ Atom { base: Base::Group('(' | '[', inner), .. }) => {
                (inner.clone(), Some(group), 2)
            }
            Some(_) => {
                let next = &atoms[1..];
                let (_, used) = self.factor(next)?;
                (next[..used].to_vec(), None, 1 + used)
            }
            None => return unreadable(place, &format!("`{function}` of nothing")),
        };
        if function == "max" {
            let [zero, z] = &argument.split(|a| a.is_operator(",")).collect::<Vec<_>>()[..] else {
                return unreadable(place, "`max` other than max(0, z)");
            };
            let is_zero = |atoms: &[Atom]| matches!(atoms, [Atom { base: Base::Number(0.0), .. }]);
            let z = match (is_zero(zero), is_zero(z)) {
                (true, false) => z,
                (false, true) => zero,
                _ => return unreadable(place, "`max` other than max(0, z)"),
            };
            let z = self.expression(z).map_err(|e| e.or(place))?;
            return Ok((at(place, Node::Function(Function::Relu, vec![z])), used));
        }
        if function == "outer" {
            let parts = argument.split(|a| a.is_operator(",")).map(|part| self.expression(part));
            let parts = parts.collect::<Outcome<Vec<_>>>()?;
            if parts.len() != 2 {
                return unreadable(place, "`outer` takes two vectors");
            }
            return Ok((at(place, Node::Function(Function::Outer, parts)), used));
        }
        let argument = self.expression(&argument).map_err(|e| e.or(place))?;
        let fold = |fold, unstated: &mut usize| {
            *unstated += 1;
            Node::Fold(fold, Axis::Unstated(*unstated - 1), Box::new(argument.clone()))
        };
        let node = match (function, atom.primes) {
            ("relu", 1) => Node::Function(Function::ReluPrime, vec![argument]),
            (_, 1..) => return unreadable(place, &format!("the derivative of `{function}`")),
            ("mean" | "avg", _) => fold(Fold::Mean, &mut self.unstated),
            ("sum", _) => fold(Fold::Sum, &mut self.unstated),
            (name, _) => Node::Function(
                match name {
                    "relu" => Function::Relu,
                    "softmax" => Function::Softmax,
                    "exp" => Function::Exp,
                    "log" | "ln" => Function::Log,
                    "diag" => Function::Diag,
                    "abs" => Function::Abs,
                    _ => Function::Sqrt,
                },
                vec![argument],
            ),
        };
        let value = at(place, node);
        // softmax(z)_k: the bracket carries the result's scripts; so may the name, softmax_k(z).
        let value = match scripts {
            Some(group) => self.scripts(value, group)?,
            None => value,
        };
        let own = Atom { primes: 0, ..atom.clone() };
        Ok((self.scripts(value, &own)?, used))
    }

    fn batch_norm(&mut self, atoms: &[Atom]) -> Outcome<(Expr, usize)> {
        let atom = &atoms[0];
        let place = atom.place;
        let (mut value, used) = match atoms.get(1) {
            Some(Atom { base: Base::Group('(' | '[', inner), .. }) => {
                let a = self.expression(inner).map_err(|e| e.or(place))?;
                let value = if matches!(a.node, Node::Quantity(q) if q.name == "a_1b") {
                    quantity("bn", place)
                } else {
                    at(place, Node::Function(Function::BatchNorm, vec![a]))
                };
                (value, 2)
            }
            _ => (quantity("bn", place), 1),
        };
        if atom.primes == 1 {
            if !matches!(value.node, Node::Quantity(_)) {
                return unreadable(place, "the derivative of BN at something else than a_1b");
            }
            value = quantity(self.symbols.batch_norm_prime, place);
        } else if atom.primes > 1 {
            return unreadable(place, "a second derivative");
        }
        // BN_{γ,β} names its parameters, BN_j an entry.
        let names_parameters = atom.sub.iter().any(|a| a.is_symbol("gamma") || a.is_symbol("beta"));
        let own = Atom {
            primes: 0,
            sub: if names_parameters { vec![] } else { atom.sub.clone() },
            ..atom.clone()
        };
        let value = self.scripts(value, &own)?;
        let value = if used == 2 { self.scripts(value, &atoms[1])? } else { value };
        Ok((value, used))
    }

    /// A symbol with its indices, transpose and power.
    fn symbol(&mut self, atom: &Atom, next: Option<&Atom>) -> Outcome<(Expr, usize)> {
        let place = atom.place;
        let is_target = matches!(
            self.symbols.clone().resolve(atom).map(|r| r.meaning),
            Some(Meaning::Quantity(q)) if matches!(q.name, "y_a" | "y_b")
        );
        if self.in_batch_norm
            && !is_target
            && let Some(name) = match &atom.base {
                Base::Symbol(name) if name == "x" => Some("a_1b"),
                Base::Symbol(name) if name == "y" => Some("bn"),
                _ => None,
            }
        {
            let value = self.scripts(quantity(name, place), atom)?;
            return Ok((value, 1));
        }
        let Some(resolved) = self.symbols.resolve(atom) else {
            let name = super::symbols::base_name(atom).unwrap_or_default();
            let message = format!(
                "`{name}` with these scripts is no quantity that is known; say what it is in a line \
                 `audit: symbol = quantity`"
            );
            return unreadable(place, &message);
        };
        if atom.primes > 0 {
            return unreadable(place, "a prime on what is no function");
        }
        let value = match resolved.meaning {
            Meaning::Quantity(found) => {
                let value = self.picked(found, &resolved.letters, place)?;
                // L(x, y; θ)
                if found.name == "loss"
                    && let Some(Atom { base: Base::Group('(', _), .. }) = next
                    && atom.sup.is_empty()
                {
                    return Ok((value, 2));
                }
                // σ² is one symbol; σ alone is its root.
                if super::symbols::base_name(atom).as_deref() == Some("sigma")
                    && found.name == "var"
                {
                    return Ok((self.deviation(value, atom)?, 1));
                }
                value
            }
            Meaning::Defined(expr) => self.entry(expr, &resolved.letters, place),
            Meaning::Function(name) => {
                return unreadable(
                    place,
                    &format!("`{name}` is a function, and has no argument here"),
                );
            }
        };
        Ok((self.transposed_or_power(value, atom)?, 1))
    }

    fn deviation(&self, var: Expr, atom: &Atom) -> Outcome<Expr> {
        let place = atom.place;
        match &atom.sup[..] {
            [Atom { base: Base::Number(2.0), .. }] => Ok(var),
            _ => Ok(at(place, Node::Function(Function::Sqrt, vec![var]))),
        }
    }

    /// A quantity, and what its letters pick of it.
    fn picked(
        &mut self,
        found: &'static Quantity,
        letters: &[Letter],
        place: Place,
    ) -> Outcome<Expr> {
        let value = at(place, Node::Quantity(found));
        if letters.is_empty() {
            return Ok(value);
        }
        let most = match found.kind {
            Kind::Rows | Kind::Weight => 2,
            Kind::Vector => 1,
            Kind::RowJacobian | Kind::UnitJacobian => 3,
            Kind::Scalar => 0,
        };
        if letters.len() > most {
            return unreadable(place, &format!("more indices than `{}` has", found.name));
        }
        match (found.kind, letters) {
            (Kind::Weight | Kind::Vector, letters) => {
                for letter in letters {
                    self.slots.insert(letter.name, Slot::Component);
                }
            }
            (Kind::Rows, [first, second]) => {
                // A sample and a component, in this order where nothing else is known.
                let slots = [self.slot(*first), self.slot(*second)];
                if slots[0] == slots[1] {
                    self.slots.insert(first.name, Slot::Sample);
                    self.slots.insert(second.name, Slot::Component);
                }
            }
            _ => {}
        }
        Ok(self.entry(value, letters, place))
    }

    fn entry(&mut self, value: Expr, letters: &[Letter], place: Place) -> Expr {
        if letters.is_empty() {
            return value;
        }
        let indices = letters
            .iter()
            .map(|letter| Index { name: letter.name, slot: self.slot(*letter) })
            .collect();
        at(place, Node::Entry(Box::new(value), indices))
    }

    /// Scripts on a whole expression: indices, a transpose, a power.
    fn scripts(&mut self, value: Expr, atom: &Atom) -> Outcome<Expr> {
        let mut letters = Vec::new();
        let scripts = atom.sub.iter().chain(atom.sup.iter().filter(|_| !is_power(&atom.sup)));
        for script in scripts {
            match &script.base {
                Base::Operator(symbol) if symbol == "," => {}
                _ if is_transpose(script) => {}
                Base::Group('(', inner)
                    if inner.len() == 1 && index_letter(&inner[0]).is_some() =>
                {
                    let name = index_letter(&inner[0]).unwrap_or('i');
                    letters.push(Letter { name, in_parentheses: true });
                }
                _ => match index_letter(script) {
                    Some(name) => letters.push(Letter { name, in_parentheses: false }),
                    None => {
                        return unreadable(
                            script.place,
                            "a script that is no index, transpose or number",
                        );
                    }
                },
            }
        }
        if atom.primes > 0 {
            return unreadable(atom.place, "a prime on what is no function");
        }
        let value = match (&value.node, letters.len()) {
            (_, 0) => value,
            (Node::Quantity(found), _) => self.picked(found, &letters, atom.place)?,
            _ => self.entry(value, &letters, atom.place),
        };
        self.transposed_or_power(value, atom)
    }

    fn transposed_or_power(&mut self, value: Expr, atom: &Atom) -> Outcome<Expr> {
        let place = atom.place;
        if is_power(&atom.sup) {
            let power = self.expression(&atom.sup)?;
            return Ok(at(place, Node::Binary(Operator::Power, Box::new([value, power]))));
        }
        Ok(if atom.sup.iter().any(is_transpose) {
            at(place, Node::Transpose(Box::new(value)))
        } else {
            value
        })
    }

    /// `\partial L / \partial \theta`, `\nabla_\theta L`.
    fn inline_derivative(&mut self, atoms: &[Atom]) -> Outcome<(Expr, usize)> {
        let place = atoms[0].place;
        if !atoms[0].sub.is_empty() {
            let of_loss = atoms.get(1).is_some_and(|a| self.is_loss(std::slice::from_ref(a)));
            if !of_loss {
                return unreadable(place, "a derivative of something else than the loss");
            }
            let by = atoms[0].sub.clone();
            return Ok((self.derivative(&atoms[1..2], &by, place)?, 2));
        }
        match atoms {
            [_, above, slash, partial, below, ..]
                if slash.is_operator("/") && is_differential(partial) =>
            {
                let value = self.derivative(
                    std::slice::from_ref(above),
                    std::slice::from_ref(below),
                    place,
                )?;
                Ok((value, 5))
            }
            _ => unreadable(place, "a ∂ without its fraction"),
        }
    }

    fn is_loss(&mut self, atoms: &[Atom]) -> bool {
        let atoms: Vec<&Atom> =
            atoms.iter().filter(|a| !matches!(a.base, Base::Group('(', _))).collect();
        match &atoms[..] {
            [atom] => matches!(
                self.symbols.resolve(atom).map(|r| r.meaning),
                Some(Meaning::Quantity(q)) if q.name == "loss"
            ),
            _ => false,
        }
    }

    /// The gradient of the loss by what one atom is.
    fn gradient(&mut self, by: &Atom) -> Outcome<Expr> {
        let place = by.place;
        let by = match &by.base {
            Base::Group('{' | '(', inner) if inner.len() == 1 && by.is_bare() => &inner[0],
            _ => by,
        };
        if let Base::Word(_) = &by.base
            && self.function_name(by).is_some()
        {
            return self.derivative_by(std::slice::from_ref(by), place);
        }
        let Some(resolved) = self.symbols.resolve(by) else {
            return unreadable(by.place, "a derivative by what is no known quantity");
        };
        match gradient_of(&resolved.meaning) {
            Some(gradient) => self.picked(gradient, &resolved.letters, place),
            None => unreadable(by.place, "a derivative by what has none"),
        }
    }

    fn derivative_by(&mut self, by: &[Atom], place: Place) -> Outcome<Expr> {
        let by = self.expression(by).map_err(|e| e.or(place))?;
        let (found, indices) = as_entry(&by).map_or((None, vec![]), |(q, i)| (Some(q), i));
        match found.and_then(|q| gradient_of(&Meaning::Quantity(q))) {
            Some(gradient) => Ok(with_indices(at(place, Node::Quantity(gradient)), indices)),
            None => unreadable(place, "a derivative by what is no quantity of the network"),
        }
    }

    /// ∂above/∂below.
    fn derivative(&mut self, above: &[Atom], below: &[Atom], place: Place) -> Outcome<Expr> {
        if self.is_loss(above) {
            return match below {
                [one] => self.gradient(one),
                _ => self.derivative_by(below, place),
            };
        }
        let mut symbols = self.symbols.clone();
        let mut of_norm = |atom: &Atom, wanted: &[&str]| match &atom.base {
            Base::Symbol(name) => {
                let is_target = matches!(
                    symbols.resolve(atom).map(|r| r.meaning),
                    Some(Meaning::Quantity(q)) if matches!(q.name, "y_a" | "y_b")
                );
                wanted.contains(&name.as_str()) && !is_target
            }
            Base::Word(name) => wanted.contains(&name.as_str()),
            _ => false,
        };
        // BatchNorm by itself: y = BN(x).
        if let ([above], [below]) = (above, below)
            && of_norm(below, &["x", "gamma", "beta"])
            && (of_norm(above, &["y", "BN", "hat x"])
                || (self.in_batch_norm && matches!(above.base, Base::Fraction(..))))
        {
            self.in_batch_norm = true;
            if below.is_symbol("x") {
                for letter in above.sub.iter().chain(&below.sub).filter_map(index_letter) {
                    self.slots.insert(letter, Slot::Sample);
                }
            }
        }
        let mut above_tree = self.expression(above).map_err(|e| e.or(place))?;
        let below_tree = self.expression(below).map_err(|e| e.or(place))?;
        if as_entry(&above_tree).is_none() {
            let letters: Vec<char> = self.slots.keys().copied().collect();
            if let Some(found) = (self.identify)(&above_tree, &letters) {
                above_tree = found;
            }
        }
        let (Some((u, of_u)), Some((v, by_v))) = (as_entry(&above_tree), as_entry(&below_tree))
        else {
            return unreadable(place, "a derivative of or by what is no quantity of the network");
        };
        let jacobian = match (u.name, v.name) {
            ("h", "a_1a") => Some("jacobian_dropout"),
            ("y_b_hat", "z_2b") => Some("jacobian_softmax"),
            ("a_hat" | "bn", "a_1b") => Some("jacobian_batchnorm"),
            ("bn", "gamma") => Some("dy_dgamma"),
            ("bn", "beta") => Some("dy_dbeta"),
            _ => None,
        };
        let Some(name) = jacobian else {
            return Ok(at(place, Node::Partial(u, v)));
        };
        let mut indices = of_u;
        indices.extend(by_v);
        match name {
            "jacobian_dropout" | "jacobian_softmax" => {
                // The components are what it is about; a sample's index may stand beside them.
                if indices.len() == 2 {
                    for index in &mut indices {
                        index.slot = Slot::Component;
                        self.slots.insert(index.name, Slot::Component);
                    }
                } else if let [index] = &mut indices[..] {
                    index.slot = Slot::Component;
                }
            }
            "jacobian_batchnorm" => {
                for index in &mut indices {
                    index.slot = Slot::Sample;
                    self.slots.insert(index.name, Slot::Sample);
                }
            }
            // y_i by γ: of a sample, or of a unit.
            _ => {}
        }
        Ok(with_indices(quantity(name, place), indices))
    }
}

/// What stands between two factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    SideBySide,
    Product,
    EntryByEntry,
    Over,
}

const NOWHERE: Place = Place { line: 0, column: 0 };

impl Unreadable {
    /// At `place` where it has none of its own.
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

/// A quantity with its indices, where the tree is one.
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

/// The gradient of the loss by a quantity.
fn gradient_of(meaning: &Meaning) -> Option<&'static Quantity> {
    let Meaning::Quantity(by) = meaning else { return None };
    let name = match by.name {
        "z_1a" => "delta_1a",
        "y_a_hat" => "delta_2a",
        "z_1b" => "delta_1b",
        "z_2b" => "delta_2b",
        "a_1b" => "d_a",
        name @ ("a_1a" | "h" | "a_hat" | "bn" | "s" | "y_b_hat" | "theta_1a" | "b_1a"
        | "theta_2a" | "b_2a" | "theta_1b" | "b_1b" | "gamma" | "beta" | "theta_j"
        | "theta_2b" | "b_2b") => {
            return Quantity::named(&format!("d_{name}"));
        }
        _ => return None,
    };
    Quantity::named(name)
}

/// Σⱼ … ∂u/∂v without an index of its own: of the component that the sum is over.
fn derivative_of_component(expr: Expr, name: char) -> Expr {
    let column = expr.column;
    match expr.node {
        Node::Quantity(found) if found.kind == Kind::RowJacobian => Expr::new(
            Node::Entry(
                Box::new(Expr::new(Node::Quantity(found), column)),
                vec![Index { name, slot: Slot::Component }],
            ),
            column,
        ),
        Node::Binary(operator, sides) => {
            let [left, right] = *sides;
            let sides = [derivative_of_component(left, name), derivative_of_component(right, name)];
            Expr::new(Node::Binary(operator, Box::new(sides)), column)
        }
        Node::Negate(inner) => {
            Expr::new(Node::Negate(Box::new(derivative_of_component(*inner, name))), column)
        }
        node => Expr::new(node, column),
    }
}

/// Products with BatchNorm's Jacobian, bracketed from the right and with transposes taken inside: (θJ)ᵀδ = Jᵀ(θᵀδ), for
/// J takes what stands behind it from all rows of the batch.
fn couple(expr: Expr) -> Expr {
    fn factors(expr: &Expr, transposed: bool, into: &mut Vec<Expr>) {
        match &expr.node {
            Node::Binary(Operator::Multiply, sides) => {
                let order = if transposed { [1, 0] } else { [0, 1] };
                order.iter().for_each(|at| factors(&sides[*at], transposed, into));
            }
            Node::Transpose(inner) => factors(inner, !transposed, into),
            _ if transposed => {
                into.push(Expr::new(Node::Transpose(Box::new(expr.clone())), expr.column));
            }
            _ => into.push(expr.clone()),
        }
    }
    let is_jacobian =
        |part: &Expr| matches!(part.node, Node::Quantity(q) if q.kind == Kind::UnitJacobian);
    if !expr.any(&is_jacobian) {
        return expr;
    }
    expr.replaced(&|part| {
        let is_product = matches!(part.node, Node::Binary(Operator::Multiply, _))
            || matches!(&part.node, Node::Transpose(_));
        if !is_product {
            return None;
        }
        let mut all = Vec::new();
        factors(part, false, &mut all);
        let mut product = all.pop()?;
        while let Some(left) = all.pop() {
            let column = left.column;
            let sides = Box::new([left, product]);
            product = Expr::new(Node::Binary(Operator::Multiply, sides), column);
        }
        Some(product)
    })
}

/// ∂ or the d of d/dx.
fn is_differential(atom: &Atom) -> bool {
    atom.is_symbol("partial") || (atom.is_symbol("d") && atom.is_bare())
}

/// A lower-case letter by itself.
pub(crate) fn index_letter(atom: &Atom) -> Option<char> {
    match &atom.base {
        Base::Symbol(name) if atom.is_bare() => {
            let mut chars = name.chars();
            let (letter, None) = (chars.next()?, chars.next()) else { return None };
            letter.is_ascii_lowercase().then_some(letter)
        }
        _ => None,
    }
}

fn relation(atom: &Atom) -> Option<Operator> {
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

fn is_range(atoms: &[Atom]) -> bool {
    atoms.iter().any(|a| a.is_operator("=") || a.is_operator("∈"))
}

fn is_word(atom: &Atom, word: &str) -> bool {
    matches!(&atom.base, Base::Word(text) if text == word)
}

/// `if`, `otherwise`, `for` in a row of cases.
fn is_connective(atom: &Atom) -> bool {
    matches!(&atom.base, Base::Word(text)
        if ["if", "for", "when", "otherwise", "else", "where", "if ", "for "].contains(&text.trim()))
        || matches!(&atom.base, Base::Quad)
}

/// The terms of a sum, each with its sign and place.
fn terms(atoms: &[Atom]) -> Vec<(char, Place, &[Atom])> {
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
        // A sign behind an operator belongs to the factor.
        if i > 0
            && matches!(&atoms[i - 1].base, Base::Operator(s) if matches!(s.as_str(), "*" | ".*" | "/"))
        {
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
