//! Symbols, and what their scripts pick, transpose or raise to a power.

use super::{DIFFERENTIAL, Reader, as_entry, at, index_letter, quantity, unreadable};
use crate::expr::{Axis, Expr, Fold, Function, Index, Node, Operator, Slot};
use crate::latex::layout::{Atom, Base, Outcome, Place};
use crate::latex::symbols::{Letter, Meaning, base_name, is_power, is_transpose};
use crate::quantity::{Kind, Quantity};
use crate::task::Task;

impl Reader<'_> {
    /// A symbol with its indices, transpose and power.
    pub(super) fn symbol(&mut self, atom: &Atom, next: Option<&Atom>) -> Outcome<(Expr, usize)> {
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
        if atom.is_symbol("delta")
            && let Some(equal) = Self::kronecker(atom)
        {
            return Ok((equal, 1));
        }
        // A bar over a symbol that has no such name is its mean over the batch.
        if let Base::Symbol(name) = &atom.base
            && let Some(below) = name.strip_prefix("bar ")
            && self.symbols.clone().resolve(atom).is_none()
        {
            let below = Atom { base: Base::Symbol(below.to_owned()), ..atom.clone() };
            let (value, _) = self.symbol(&below, None)?;
            self.unstated += 1;
            let axis = Axis::Unstated(self.unstated - 1);
            return Ok((at(place, Node::Fold(Fold::Mean, axis, Box::new(value))), 1));
        }
        let Some(resolved) = self.symbols.resolve(atom) else {
            let name = base_name(atom).unwrap_or_default();
            let message = match &*name {
                "d" => DIFFERENTIAL.to_owned(),
                "vec" => "`vec`: only matrices as they are can be read, not as vectors".to_owned(),
                _ => format!(
                    "`{name}` with these scripts is not a known quantity; say what it is in a line \
                     `audit: symbol = quantity`"
                ),
            };
            return unreadable(place, &message);
        };
        // θ' and s' are transposes, as in statistics; σ'(z) is the derivative of some function.
        let is_matrix = matches!(&resolved.meaning, Meaning::Quantity(found)
            if matches!(found.kind, Kind::Rows | Kind::Weight));
        let is_called = matches!(next, Some(Atom { base: Base::Group('(', _), .. }));
        if atom.primes > 0 && !(atom.primes == 1 && is_matrix && !is_called) {
            return unreadable(place, "a prime on something that is not a function");
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
                if base_name(atom).as_deref() == Some("sigma") && found.name == "var" {
                    return Ok((self.deviation(value, atom)?, 1));
                }
                value
            }
            Meaning::Defined(expr, own) => match of_task(&expr) {
                // A δ of one sample's loss.
                Some((task, of)) => {
                    let value = self.picked(of, &resolved.letters, place)?;
                    at(place, Node::OfTask(task, Box::new(value)))
                }
                None => self.defined(&expr, &own, &resolved.letters, place),
            },
            Meaning::Unread => {
                let name = base_name(atom).unwrap_or_default();
                let message = format!("`{name}`, which is defined by something that is not read");
                return unreadable(place, &message);
            }
            Meaning::Function(name) => {
                return unreadable(
                    place,
                    &format!("`{name}` is a function, and has no argument here"),
                );
            }
        };
        Ok((self.transposed_or_power(value, atom)?, 1))
    }

    pub(super) fn deviation(&self, var: Expr, atom: &Atom) -> Outcome<Expr> {
        let place = atom.place;
        match &atom.sup[..] {
            [Atom { base: Base::Number(2.0), .. }] => Ok(var),
            _ => Ok(at(place, Node::Function(Function::Sqrt, vec![var]))),
        }
    }

    /// A quantity, and what its letters pick from it.
    pub(super) fn picked(
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
            Kind::RowJacobian | Kind::UnitJacobian | Kind::RowWeight => 3,
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
                // A sample and a component, in this order if nothing else is known.
                let slots = [self.slot(*first), self.slot(*second)];
                if slots[0] == slots[1] {
                    let [sample, component] = match (first.in_parentheses, second.in_parentheses) {
                        (false, true) => [second, first],
                        _ => [first, second],
                    };
                    self.slots.insert(sample.name, Slot::Sample);
                    self.slots.insert(component.name, Slot::Component);
                }
            }
            _ => {}
        }
        Ok(self.entry(value, letters, place))
    }

    pub(super) fn entry(&mut self, value: Expr, letters: &[Letter], place: Place) -> Expr {
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
    pub(super) fn scripts(&mut self, value: Expr, atom: &Atom) -> Outcome<Expr> {
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
                            "a script that is not an index, a transpose or a number",
                        );
                    }
                },
            }
        }
        let is_bracket = matches!(atom.base, Base::Group(..));
        if atom.primes > 1 || (atom.primes == 1 && !is_bracket) {
            return unreadable(atom.place, "a prime on something that is not a function");
        }
        let value = match (&value.node, letters.len()) {
            (_, 0) => value,
            (Node::Quantity(found), _) => self.picked(found, &letters, atom.place)?,
            _ => self.entry(value, &letters, atom.place),
        };
        self.transposed_or_power(value, atom)
    }

    pub(super) fn transposed_or_power(&mut self, value: Expr, atom: &Atom) -> Outcome<Expr> {
        let place = atom.place;
        if is_power(&atom.sup) {
            if atom.primes > 0 {
                return unreadable(place, "a prime beside a power");
            }
            let power = self.expression(&atom.sup)?;
            // The power of a diagonal matrix is that of its diagonal.
            if let Node::Function(Function::Diag, diagonal) = value.node {
                let entries = diagonal.into_iter().map(|entry| {
                    at(place, Node::Binary(Operator::Power, Box::new([entry, power.clone()])))
                });
                return Ok(at(place, Node::Function(Function::Diag, entries.collect())));
            }
            return Ok(at(place, Node::Binary(Operator::Power, Box::new([value, power]))));
        }
        Ok(if atom.sup.iter().any(is_transpose) || atom.primes == 1 {
            match value.node {
                Node::Transpose(inner) => *inner,
                _ => at(place, Node::Transpose(Box::new(value))),
            }
        } else {
            value
        })
    }
}

/// A derivative of another loss than the whole, and of which.
fn of_task(expr: &Expr) -> Option<(Task, &'static Quantity)> {
    match &expr.node {
        Node::OfTask(task, inner) => as_entry(inner).map(|(of, _)| (*task, of)),
        _ => None,
    }
}

impl Reader<'_> {
    /// Kronecker's δ, or a 1, of two indices: whether they are equal.
    pub(crate) fn kronecker(atom: &Atom) -> Option<Expr> {
        let letters = atom.sub.iter().filter(|a| !a.is_operator(",")).map(index_letter);
        let [i, j] = letters.collect::<Option<Vec<char>>>()?[..] else { return None };
        // δ with respect to s, a, h or z has an index behind it.
        if !atom.sup.is_empty() || matches!(i, 's' | 'a' | 'h' | 'z') {
            return None;
        }
        let sides = [i, j].map(|letter| at(atom.place, Node::Index(letter)));
        Some(at(atom.place, Node::Binary(Operator::Equal, Box::new(sides))))
    }
}
