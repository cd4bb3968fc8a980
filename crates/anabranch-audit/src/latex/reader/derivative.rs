//! Derivatives: of the loss, of one quantity with respect to another, and products of them.

use super::differential::{gradient_of, is_differential, is_variance};
use super::{DIFFERENTIAL, Reader, as_entry, at, index_letter, quantity, unreadable, with_indices};
use crate::expr::{Expr, Function, Index, Node, Operator, Slot};
use crate::latex::layout::{Atom, Base, Outcome, Place};
use crate::latex::symbols::{Meaning, Resolved};
use crate::quantity::{JACOBIANS, Kind};
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
            // L(θ): what it is a function of changes nothing.
            let names = |inner: &[Atom]| inner.iter().all(|a| matches!(a.base, Base::Symbol(_)));
            // With a script of its own, a bracket is a factor.
            let used = match atoms.get(2) {
                Some(next @ Atom { base: Base::Group('(', inner), .. })
                    if next.is_bare() && names(inner) =>
                {
                    3
                }
                _ => 2,
            };
            return Ok((self.derivative(&atoms[1..2], &by, place)?, used));
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

    /// A derivative with something held fixed: ∂L/∂ŷa with s fixed is that of branch A's loss.
    pub(super) fn held(&mut self, value: Expr, bar: &Atom) -> Outcome<Expr> {
        let is_of_s = match &bar.sub[..] {
            [fixed, ..] => fixed.is_symbol("s") || fixed.is_symbol("S"),
            [] => false,
        };
        match as_entry(&value) {
            Some((of, _)) if is_of_s && of.name == "delta_2a" => {
                Ok(at(bar.place, Node::OfTask(Task::A, Box::new(value))))
            }
            _ => unreadable(bar.place, "a derivative with something held fixed"),
        }
    }

    pub(super) fn is_loss(&mut self, atoms: &[Atom]) -> bool {
        self.loss(atoms).is_some()
    }

    /// Which loss it is, if it is one, and the letter of its sample.
    fn loss(&mut self, atoms: &[Atom]) -> Option<(Loss, Option<char>)> {
        let atoms: Vec<&Atom> =
            atoms.iter().filter(|a| !matches!(a.base, Base::Group('(', _))).collect();
        match &atoms[..] {
            [atom] => {
                let Resolved { meaning, letters } = self.symbols.resolve(atom)?;
                let Meaning::Quantity(found) = meaning else { return None };
                let loss = match found.name {
                    "loss" => Loss::Whole,
                    "loss_a" => Loss::OfA,
                    "loss_b" => Loss::OfB,
                    "loss_row" => Loss::OfSample,
                    _ => return None,
                };
                Some((loss, letters.first().map(|letter| letter.name)))
            }
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
            Some(gradient) => {
                let value = self.picked(gradient, &resolved.letters, place)?;
                if gradient.name != "d_var" || !by.is_symbol("sigma") || is_variance(by) {
                    return Ok(value);
                }
                // ∂L/∂σ = 2σ ∂L/∂σ²
                let (sigma, _) = self.symbol(by, None)?;
                let times = |operator, sides| at(place, Node::Binary(operator, Box::new(sides)));
                let twice = times(Operator::Multiply, [at(place, Node::Number(2.0)), sigma]);
                Ok(times(Operator::Hadamard, [twice, value]))
            }
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

    /// dW, where a file has differentials.
    pub(super) fn differential(&mut self, operand: &Atom) -> Outcome<Expr> {
        let place = operand.place;
        let Some(Resolved { meaning: Meaning::Quantity(of), letters }) =
            self.symbols.resolve(operand)
        else {
            return unreadable(place, DIFFERENTIAL);
        };
        let value = self.picked(of, &letters, place)?.replaced(&|part| {
            let is_it = matches!(part.node, Node::Quantity(_));
            is_it.then(|| at(place, Node::Differential(of)))
        });
        match of.name == "var" && operand.is_symbol("sigma") {
            true if is_variance(operand) => Ok(value),
            true => unreadable(place, DIFFERENTIAL),
            false => self.transposed_or_power(value, operand),
        }
    }

    /// A derivative of one sample's loss. Of what BatchNorm couples, each Lᵢ has one of its own.
    fn of_sample(&mut self, gradient: Expr, sample: Option<char>, place: Place) -> Outcome<Expr> {
        let Some((of, letters)) = as_entry(&gradient) else {
            return unreadable(place, "the derivative of one sample's loss");
        };
        let is_coupled =
            !self.symbols.is_frozen && matches!(of.name, "d_a" | "delta_1b" | "d_a_hat");
        let is_other = |index: &Index| index.slot == Slot::Sample && Some(index.name) != sample;
        if sample.is_some() && letters.iter().any(is_other) {
            return unreadable(place, "the derivative of one sample's loss by another sample");
        }
        if of.kind == Kind::Rows && !is_coupled {
            return Ok(at(place, Node::OfTask(Task::Sample, Box::new(gradient))));
        }
        // By a parameter, the sample is the loss's.
        let (Some(of), Some(name)) = (of.of_sample(), sample) else {
            return unreadable(place, "the derivative of one sample's loss");
        };
        self.slots.insert(name, Slot::Sample);
        let mut indices = vec![Index { name, slot: Slot::Sample }];
        indices.extend(letters);
        Ok(with_indices(at(place, Node::Quantity(of)), indices))
    }

    /// ∂above/∂below.
    pub(super) fn derivative(
        &mut self,
        above: &[Atom],
        below: &[Atom],
        place: Place,
    ) -> Outcome<Expr> {
        if let Some((loss, sample)) = self.loss(above) {
            let gradient = match below {
                [one] => self.gradient(one),
                _ => self.derivative_by(below, place),
            }?;
            return Ok(match loss {
                Loss::Whole => gradient,
                Loss::OfA => at(place, Node::OfTask(Task::A, Box::new(gradient))),
                Loss::OfB => at(place, Node::OfTask(Task::B, Box::new(gradient))),
                Loss::OfSample => return self.of_sample(gradient, sample, place),
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
        above_tree = logarithm(above_tree);
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
            return Ok(at(place, Node::Partial(u, v, [of_u, by_v])));
        };
        let (mut of_u, mut by_v) = (of_u, by_v);
        // ∂uₖ⁽ⁱ⁾/∂vₗ⁽ⁱ⁾ is about the components; a sample's index only accompanies them.
        if name != "jacobian_batchnorm" {
            // Where uⱼ has only vⱼ in it, the letter may as well be the sample's.
            let is_entry_by_entry = matches!(
                name,
                "dbn_da_hat" | "ds_dbn" | "da_dz_1a" | "da_dz_1b" | "dh_dz_1a" | "jacobian_dropout"
            );
            let accompanies = |index: &Index, own: &[Index], others: &[Index]| {
                index.slot == Slot::Sample
                    && others.iter().any(|other| other == index)
                    && (own.len() > 1
                        || (is_entry_by_entry && own == others)
                        || is_above(above, index.name))
            };
            let (u, v) = (of_u.clone(), by_v.clone());
            of_u.retain(|index| !accompanies(index, &u, &v));
            by_v.retain(|index| !accompanies(index, &v, &u));
        }
        let mut indices = of_u;
        indices.extend(by_v);
        match name {
            "dy_dgamma" | "dy_dbeta" => {}
            name if name != "jacobian_batchnorm" => {
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
                // A letter that both have beside another is the unit's.
                let is_full = indices.len() == 4;
                let names: Vec<char> = indices.iter().map(|index| index.name).collect();
                for index in &mut indices {
                    let is_unit =
                        is_full && names.iter().filter(|n| **n == index.name).count() == 2;
                    index.slot = if is_unit { Slot::Component } else { Slot::Sample };
                    self.slots.insert(index.name, index.slot);
                }
            }
        }
        Ok(with_indices(quantity(name, place), indices))
    }
}

/// log ŷ as a quantity of its own, to be differentiated.
fn logarithm(expr: Expr) -> Expr {
    let Node::Function(Function::Log, arguments) = &expr.node else { return expr };
    match arguments.first().and_then(as_entry) {
        Some((of, letters)) if of.name == "y_b_hat" => {
            let place = Place { line: 0, column: expr.column };
            with_indices(quantity("log_y_b_hat", place), letters)
        }
        _ => expr,
    }
}

/// Whether the letter stands above a symbol, or in parentheses: a sample's, most likely.
fn is_above(atoms: &[Atom], letter: char) -> bool {
    let is_it = |script: &Atom| index_letter(script) == Some(letter);
    atoms.iter().any(|atom| {
        atom.sup.iter().any(is_it)
            || atom.sup.iter().chain(&atom.sub).any(|script| {
                matches!(&script.base, Base::Group('(', inner)
                    if matches!(&inner[..], [one] if is_it(one)))
            })
    })
}
