//! Functions: ReLU, softmax, BatchNorm and the like, with their arguments.

use super::inner::inner_product;
use super::{Reader, at, quantity, unreadable};
use crate::expr::{Axis, Expr, Fold, Function, Node, Operator};
use crate::latex::layout::{Atom, Base, Outcome};
use crate::latex::symbols::Meaning;

impl Reader<'_> {
    /// The name of a function, if the atom is one.
    pub(super) fn function_name(&self, atom: &Atom) -> Option<String> {
        if let Some(name) = self.symbols.function(atom) {
            return Some(name.to_owned());
        }
        let Base::Word(name) = &atom.base else { return None };
        let name = name.to_lowercase();
        const KNOWN: [&str; 21] = [
            "inner",
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
            "var",
            "step",
            "heaviside",
            "tr",
            "trace",
        ];
        KNOWN.contains(&name.as_str()).then_some(name)
    }

    /// Whether it is 1 where what follows is positive: H(z), Θ(z), `\mathbb 1_{\mathbb R^+}(z)`,
    /// `\mathbf 1_{(0,\infty)}(z)`. H and Θ are matrices too, so theirs has to be a single z or a.
    pub(super) fn is_step(&self, atoms: &[Atom]) -> bool {
        let [atom, Atom { base: Base::Group('(', inner), .. }, ..] = atoms else { return false };
        let Base::Symbol(name) = &atom.base else { return false };
        match name.as_str() {
            "H" | "Theta" | "theta" | "u" if atom.is_bare() => {
                let [z] = &inner[..] else { return false };
                matches!(
                    self.symbols.clone().resolve(z).map(|resolved| resolved.meaning),
                    Some(Meaning::Quantity(of))
                        if matches!(of.name, "z_1a" | "z_1b" | "a_1a" | "a_1b")
                )
            }
            "ones" | "I" | "chi" => match &atom.sub[..] {
                [reals] if reals.is_symbol("R") => {
                    let sign = reals.sup.iter().chain(&reals.sub).next();
                    sign.is_some_and(|sign| sign.is_operator("+") || sign.is_operator(">"))
                }
                [Atom { base: Base::Group('(', interval), .. }] => {
                    let from = interval.split(|a| a.is_operator(",")).next();
                    from.is_some_and(|from| matches!(from, [Atom { base: Base::Number(0.0), .. }]))
                        && interval.last().is_some_and(|to| to.is_symbol("infty"))
                }
                _ => false,
            },
            _ => false,
        }
    }

    pub(super) fn applied(&mut self, function: &str, atoms: &[Atom]) -> Outcome<(Expr, usize)> {
        let atom = &atoms[0];
        let place = atom.place;
        if matches!(function, "bn" | "batchnorm") {
            return self.batch_norm(atoms);
        }
        // A bracket, or what comes next: log y.
        let (argument, read, scripts, used) = match atoms.get(1) {
            Some(group @ Atom { base: Base::Group('(' | '[', inner), .. }) => {
                (&inner[..], None, Some(group), 2)
            }
            // log Σ goes on as far as the Σ.
            Some(sum) if sum.base == Base::Sum && atoms.len() > 2 => {
                let value = self.sum(sum, &atoms[2..])?;
                (&atoms[1..], Some(value), None, atoms.len())
            }
            Some(_) => {
                let next = &atoms[1..];
                let (value, used) = self.factor(next)?;
                (&next[..used], Some(value), None, 1 + used)
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
        if matches!(function, "outer" | "inner") {
            let parts = argument.split(|a| a.is_operator(",")).map(|part| self.expression(part));
            let parts = parts.collect::<Outcome<Vec<_>>>()?;
            if parts.len() != 2 {
                return unreadable(place, &format!("`{function}` takes two vectors"));
            }
            if let ("inner", [left, right]) = (function, &parts[..]) {
                let value = inner_product(left.clone(), right.clone());
                // ⟨A, B⟩_F is Frobenius'.
                let own = |a: &Atom| !a.is_symbol("F");
                let scripts =
                    scripts.filter(|group| group.sub.iter().any(own) || !group.sup.is_empty());
                return Ok((
                    scripts.map_or(Ok(value.clone()), |group| self.scripts(value, group))?,
                    used,
                ));
            }
            return Ok((at(place, Node::Function(Function::Outer, parts)), used));
        }
        let listed = match function {
            "diag" => self.list(argument, place).transpose()?,
            _ => None,
        };
        let argument = match read.or(listed) {
            Some(value) => value,
            None => self.expression(argument).map_err(|e| e.or(place))?,
        };
        let fold = |fold, unstated: &mut usize| {
            *unstated += 1;
            Node::Fold(fold, Axis::Unstated(*unstated - 1), Box::new(argument.clone()))
        };
        let node = match (function, atom.primes) {
            ("relu", 1) => Node::Function(Function::ReluPrime, vec![argument]),
            (_, 1..) => return unreadable(place, &format!("the derivative of `{function}`")),
            ("mean" | "avg", _) => fold(Fold::Mean, &mut self.unstated),
            ("sum", _) => fold(Fold::Sum, &mut self.unstated),
            ("var", _) => {
                let mean = at(place, fold(Fold::Mean, &mut self.unstated));
                let sides = Box::new([argument.clone(), mean]);
                let distance = at(place, Node::Binary(Operator::Subtract, sides));
                let sides = Box::new([distance, at(place, Node::Number(2.0))]);
                let square = at(place, Node::Binary(Operator::Power, sides));
                self.unstated += 1;
                Node::Fold(Fold::Mean, Axis::Unstated(self.unstated - 1), Box::new(square))
            }
            // The entries of A⊙I: only a square A has them.
            ("tr" | "trace", _) => {
                let sides = Box::new([argument, at(place, Node::Identity)]);
                let diagonal = at(place, Node::Binary(Operator::Hadamard, sides));
                Node::Fold(Fold::Sum, Axis::All, Box::new(diagonal))
            }
            ("step" | "heaviside", _) => Node::Function(Function::ReluPrime, vec![argument]),
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

    pub(super) fn batch_norm(&mut self, atoms: &[Atom]) -> Outcome<(Expr, usize)> {
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
                return unreadable(place, "the derivative of BN at something other than a_1b");
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
}
