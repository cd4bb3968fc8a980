//! Activations under a letter of the author's own: `f(z)`, `\sigma'(z)`, `\dot\phi(z)`.

use super::{Reader, unreadable};
use crate::expr::Expr;
use crate::latex::layout::{Atom, Base, Outcome};
use crate::latex::symbols::{Activation, Meaning, activation_letter, names_layer};

impl Reader<'_> {
    /// The value of an activation under a letter, if it is one: what the file says, or what stands
    /// in the brackets, tells it from a product.
    pub(super) fn activation(&mut self, atoms: &[Atom]) -> Option<Outcome<(Expr, usize)>> {
        let [atom, Atom { base: Base::Group('(' | '[', inner), .. }, ..] = atoms else {
            return None;
        };
        let (letter, primes) = activation_letter(atom)?;
        let letter = letter.to_owned();
        let of = match &inner[..] {
            [one] => self.symbols.clone().resolve(one).map(|resolved| resolved.meaning),
            _ => None,
        };
        let of = match of {
            Some(Meaning::Quantity(of)) => Some(of.name),
            _ => None,
        };
        let is_unknown =
            self.symbols.clone().resolve(&Atom { primes: 0, ..atom.clone() }).is_none();
        let function = match (self.symbols.activation(&letter), of) {
            (Some(Activation::Relu), _) => "relu",
            (Some(Activation::Softmax), _) => "softmax",
            (Some(Activation::Other), _) => {
                let message = format!("`{letter}` is defined as none of the network's functions");
                return Some(unreadable(atom.place, &message));
            }
            (None, Some("z_2b")) => "softmax",
            (None, Some("z_1a" | "z_1b")) => "relu",
            (None, _) if is_unknown && atom.sub.is_empty() && atom.sup.is_empty() => "relu",
            (None, _) => return None,
        };
        self.symbols.note_activation(&letter, function);
        let name = Atom {
            base: Base::Word(function.to_owned()),
            sub: vec![],
            sup: vec![],
            primes,
            place: atom.place,
        };
        // f₁, f^{[1a]}: which layer's it is. Any other script picks from the value.
        if !names_layer(atom) {
            return Some(unreadable(atom.place, "an activation with these scripts"));
        }
        Some(self.applied(function, &[&[name], &atoms[1..]].concat()))
    }
}
