//! Derivatives: of the loss, of one quantity with respect to another, and products of them.

use super::differential::{gradient_of, is_differential};
use super::{Reader, as_entry, at, index_letter, quantity, unreadable, with_indices};
use crate::expr::{Expr, Node, Slot};
use crate::latex::layout::{Atom, Base, Outcome, Place};
use crate::latex::symbols::Meaning;
use crate::quantity::JACOBIANS;
use crate::task::{Loss, Task};

impl Reader<'_> {
    /// `\partial L / \partial \theta`, `\nabla_\theta L`.
    pub(super) fn inline_derivative(&mut self, atoms: &[Atom]) -> Outcome<(Expr, usize)> {
        let place = atoms[0].place;
        if !atoms[0].sub.is_empty() {
            let of_loss = atoms.get(1).is_some_and(|a| self.is_loss(std::slice::from_ref(a)));
            if !of_loss {
                return unreadable(place, "a derivative of something other than the loss");
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

    pub(super) fn is_loss(&mut self, atoms: &[Atom]) -> bool {
        self.loss(atoms).is_some()
    }

    /// Which loss it is, if it is one.
    fn loss(&mut self, atoms: &[Atom]) -> Option<Loss> {
        let atoms: Vec<&Atom> =
            atoms.iter().filter(|a| !matches!(a.base, Base::Group('(', _))).collect();
        match &atoms[..] {
            [atom] => match self.symbols.resolve(atom)?.meaning {
                Meaning::Quantity(found) => match found.name {
                    "loss" => Some(Loss::Whole),
                    "loss_a" => Some(Loss::OfA),
                    "loss_b" => Some(Loss::OfB),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// The gradient of the loss with respect to what one atom is.
    pub(super) fn gradient(&mut self, by: &Atom) -> Outcome<Expr> {
        let place = by.place;
        let by = match &by.base {
            Base::Group('{' | '(', inner) if inner.len() == 1 && by.is_bare() => &inner[0],
            _ => by,
        };
        // BN(a), (θ)ₖⱼ
        let is_function = matches!(by.base, Base::Word(_)) && self.function_name(by).is_some();
        if is_function || matches!(by.base, Base::Group(..)) {
            return self.derivative_by(std::slice::from_ref(by), place);
        }
        let Some(resolved) = self.symbols.resolve(by) else {
            return unreadable(by.place, "a derivative with respect to something unknown");
        };
        match gradient_of(&resolved.meaning) {
            Some(gradient) => self.picked(gradient, &resolved.letters, place),
            None => unreadable(by.place, "a derivative with respect to something that has none"),
        }
    }

    pub(super) fn derivative_by(&mut self, by: &[Atom], place: Place) -> Outcome<Expr> {
        let by = self.expression(by).map_err(|e| e.or(place))?;
        let (found, indices) = as_entry(&by).map_or((None, vec![]), |(q, i)| (Some(q), i));
        match found.and_then(|q| gradient_of(&Meaning::Quantity(q))) {
            Some(gradient) => Ok(with_indices(at(place, Node::Quantity(gradient)), indices)),
            None => unreadable(
                place,
                "a derivative with respect to something that is not a quantity of the network",
            ),
        }
    }

    /// ∂above/∂below.
    pub(super) fn derivative(
        &mut self,
        above: &[Atom],
        below: &[Atom],
        place: Place,
    ) -> Outcome<Expr> {
        if let Some(loss) = self.loss(above) {
            let gradient = match below {
                [one] => self.gradient(one),
                _ => self.derivative_by(below, place),
            }?;
            return Ok(match loss {
                Loss::Whole => gradient,
                Loss::OfA => at(place, Node::OfTask(Task::A, Box::new(gradient))),
                Loss::OfB => at(place, Node::OfTask(Task::B, Box::new(gradient))),
            });
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
            return unreadable(
                place,
                "a derivative that involves something that is not a quantity of the network",
            );
        };
        // BatchNorm's is printed with γ and without: one target stands for both.
        let of = if (u.name, v.name) == ("bn", "a_1b") { "a_hat" } else { u.name };
        let jacobian = JACOBIANS
            .iter()
            .find(|(_, above, below)| (*above, *below) == (of, v.name))
            .map(|(name, ..)| *name);
        let Some(name) = jacobian else {
            return Ok(at(place, Node::Partial(u, v)));
        };
        let mut indices = of_u;
        indices.extend(by_v);
        match name {
            "dy_dgamma" | "dy_dbeta" => {}
            name if name != "jacobian_batchnorm" => {
                // It is about the components; a sample's index may accompany them.
                if indices.len() == 2 {
                    for index in &mut indices {
                        index.slot = Slot::Component;
                        self.slots.insert(index.name, Slot::Component);
                    }
                } else if let [index] = &mut indices[..] {
                    index.slot = Slot::Component;
                }
            }
            _ => {
                for index in &mut indices {
                    index.slot = Slot::Sample;
                    self.slots.insert(index.name, Slot::Sample);
                }
            }
        }
        Ok(with_indices(quantity(name, place), indices))
    }
}
