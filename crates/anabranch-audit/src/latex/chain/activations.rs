//! Definitions of functions: `\sigma(z) = \max(0, z)`, `f'(z) = \mathbb 1[z > 0]`, `g = ReLU`.

use super::repeated::is_denied;
use super::{Judge, Outcome};
use crate::Verdict;
use crate::latex::derivation::Equation;
use crate::latex::layout::{Atom, Base};
use crate::latex::reader::index_letter;
use crate::latex::statement::start;
use crate::latex::symbols::{Activation, Meaning, activation_letter};
use crate::quantity::Quantity;

/// What a function of a letter may be: its argument and its value in the network.
const OPTIONS: [(Activation, &str, &str); 2] =
    [(Activation::Relu, "z_1a", "a_1a"), (Activation::Softmax, "z_2b", "y_b_hat")];

impl Judge<'_> {
    /// Whether the chain says what a function is. It is judged, and from here on the letter is
    /// known.
    pub(super) fn defines_function(&mut self, members: &[Vec<Atom>], texts: &[String]) -> bool {
        let Some(place) = start(&members[0]) else { return false };
        if let [[function], [value]] = members.iter().map(|one| &one[..]).collect::<Vec<_>>()[..]
            && let Some((letter, 0)) = activation_letter(function)
            && let Some(activation) = named(value)
        {
            self.symbols.declare(letter, activation);
            let reason = "a definition: it is used as it stands".to_owned();
            self.skip(place, &texts.join(" = "), reason, false);
            return true;
        }
        let [function, Atom { base: Base::Group('(', inner), .. }] = &members[0][..] else {
            return false;
        };
        let (letter, primes) = match (activation_letter(function), named(function)) {
            (Some((letter, primes)), _) => (Some(letter.to_owned()), primes),
            (None, Some(_)) => (None, function.primes),
            (None, None) => return false,
        };
        let Some(variable) = variable(inner) else { return false };
        let is_one_or_zero =
            |of: &Vec<Atom>| matches!(of[..], [Atom { base: Base::Number(0.0 | 1.0), .. }]);
        if primes == 1 && members[1..].iter().all(is_one_or_zero) {
            let reason = "it holds where the text says".to_owned();
            self.skip(place, &texts.join(" = "), reason, false);
            return true;
        }
        let known = match &letter {
            Some(letter) => self.symbols.activation(letter),
            None => named(function),
        };
        for (activation, of, value) in OPTIONS {
            let value = match primes {
                0 => value,
                1 if activation == Activation::Relu => "da_dz_1a",
                _ => continue,
            };
            if known.is_some_and(|known| known != activation) {
                continue;
            }
            let judged = self.function_of(members, texts, (&variable, of), value);
            let Some((mut equation, _)) = judged else { continue };
            if equation.verdict == Some(Verdict::Exact) || known.is_some() {
                equation.place = place;
                self.done.equations.push(equation);
                if let Some(letter) = letter {
                    self.symbols.declare(&letter, activation);
                }
                return true;
            }
        }
        if let (Some(letter), None) = (letter, known) {
            self.symbols.declare(&letter, Activation::Other);
        }
        let reason = "a function that is not read as one of the network".to_owned();
        self.skip(place, &texts.join(" = "), reason, true);
        true
    }

    /// The equation with a quantity for the variable and another for the function's value.
    fn function_of(
        &mut self,
        members: &[Vec<Atom>],
        texts: &[String],
        (variable, of): (&Atom, &str),
        value: &str,
    ) -> Option<(Equation, Outcome)> {
        let symbols = self.symbols.clone();
        let (of, value) = (Quantity::named(of)?, Quantity::named(value)?);
        let whole = Atom { sub: vec![], ..variable.clone() };
        // A name that nobody can print.
        let mut left = Atom { base: Base::Symbol("f(z)".into()), ..members[0][0].clone() };
        (left.primes, left.sub, left.sup) = (0, members[0][1].sub.clone(), vec![]);
        self.symbols.give(&whole, Meaning::Quantity(of));
        self.symbols.give(&Atom { sub: vec![], ..left.clone() }, Meaning::Quantity(value));
        let mut all = vec![vec![left]];
        all.extend(members[1..].iter().map(|member| {
            let mut member = member.clone();
            // zⱼ alone is as good as z.
            if !variable.sub.is_empty() && members[0][1].sub.is_empty() {
                plain(&mut member, variable);
            }
            member
        }));
        let judged = self.equation(&all, texts, (None, None), &[]).ok();
        self.symbols = symbols;
        judged
    }
}

/// Letters that a text has for functions which this network has not.
pub(super) fn of_other_networks(text: &str) -> Vec<&'static str> {
    // Also the beginning of Sigmoidfunktion, sigmoïde, logística.
    const OTHERS: [&str; 6] = ["sigmoid", "sigmoïd", "logisti", "logísti", "tanh", "hyperbolic"];
    const LETTERS: [(&str, [&str; 2]); 6] = [
        ("sigma", ["\\sigma$", "\\sigma\\)"]),
        ("phi", ["\\phi$", "\\phi\\)"]),
        ("psi", ["\\psi$", "\\psi\\)"]),
        ("rho", ["\\rho$", "\\rho\\)"]),
        ("f", ["$f$", "\\(f\\)"]),
        ("g", ["$g$", "\\(g\\)"]),
    ];
    let mut found = Vec::new();
    for sentence in text.split(['.', '\n', ';']) {
        let small = sentence.to_lowercase();
        if !OTHERS.iter().any(|name| small.contains(name)) || is_denied(&small) {
            continue;
        }
        let is_there = |spellings: &[&str; 2]| spellings.iter().any(|one| sentence.contains(one));
        found.extend(LETTERS.iter().filter(|(_, all)| is_there(all)).map(|(letter, _)| *letter));
    }
    found
}

/// The function of this name.
fn named(atom: &Atom) -> Option<Activation> {
    let Base::Word(word) = &atom.base else { return None };
    match &*word.to_lowercase() {
        "relu" => Some(Activation::Relu),
        "softmax" => Some(Activation::Softmax),
        _ => None,
    }
}

/// The letter that a function is defined for.
fn variable(inner: &[Atom]) -> Option<Atom> {
    let [atom] = inner else { return None };
    let Base::Symbol(name) = &atom.base else { return None };
    let is_letter = name.chars().count() == 1 && atom.sup.is_empty() && atom.primes == 0;
    let has_index = atom.sub.len() < 2 && atom.sub.iter().all(|a| index_letter(a).is_some());
    (is_letter && has_index).then(|| atom.clone())
}

/// Takes the index of a variable away.
fn plain(atoms: &mut [Atom], variable: &Atom) {
    for atom in atoms {
        if atom.base == variable.base && same(&atom.sub, &variable.sub) {
            atom.sub.clear();
        }
        plain(&mut atom.sub, variable);
        plain(&mut atom.sup, variable);
        match &mut atom.base {
            Base::Group(_, inner) | Base::Root(inner) => plain(inner, variable),
            Base::Fraction(above, below) => {
                plain(above, variable);
                plain(below, variable);
            }
            Base::Cases(rows) | Base::Matrix(rows) => {
                rows.iter_mut().flatten().for_each(|cell| plain(cell, variable));
            }
            _ => {}
        }
    }
}

/// Whether two lists are the same but for their places.
fn same(a: &[Atom], b: &[Atom]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a.base == b.base && a.is_bare() && b.is_bare())
}
