//! What a derivation defines itself: symbols that nobody knows, and a δ that is not what δ is.

use std::collections::HashMap;

use super::member::substituted;
use super::{Equation, Judge, Judgement};
use crate::expr::{Expr, Function, Node, Slot};
use crate::judge::assess;
use crate::latex::layout::{Atom, Base};
use crate::latex::reader::{Grouping, as_entry, index_letter, without};
use crate::latex::symbols::{Meaning, base_name, branch};
use crate::quantity::{Kind, Quantity, Target, Units};
use crate::{Evaluation, Verdict};

impl Judge<'_> {
    /// What a derivation calls δ, where it is not what δ is; and whether its BN′ has γ.
    pub(super) fn remember(
        &mut self,
        equation: &Equation,
        exprs: &[Option<Expr>],
        members: &[Vec<Atom>],
    ) {
        let name = equation.target.name();
        let is_of_sample = exprs.iter().flatten().any(|e| Self::is_of_sample(e, equation.target));
        if let (true, [atom]) = (is_of_sample, &members[0][..])
            && matches!(atom.base, Base::Symbol(_))
        {
            self.is_from_now_of_sample(atom, equation.target);
            return;
        }
        let last = equation.members.iter().zip(exprs).rev().find_map(|(member, expr)| {
            match (&member.judgement, expr) {
                (Judgement::Judged(finding), Some(expr)) => Some((finding, expr)),
                _ => None,
            }
        });
        let Some((finding, expr)) = last else { return };
        if name == "jacobian_batchnorm" && finding.verdict == Verdict::Exact {
            let of_normalisation = finding.error.is_some_and(|error| error <= 1e-9);
            self.symbols.batch_norm_prime =
                if of_normalisation { "jacobian_batchnorm" } else { "jacobian_bn" };
        }
        let is_delta = equation.target.0.kind == Kind::Rows && name.starts_with('d');
        let is_part =
            matches!(exprs[0], Some(Expr { node: Node::Entry(..) | Node::OfTask(..), .. }));
        // What follows from a δ of its own is not what it is either.
        let mut own = self.definitions.clone();
        own.remove(name);
        let followed = substituted(expr, &own);
        if is_delta && !is_part && (finding.verdict != Verdict::Exact || followed.is_some()) {
            let definition = followed.unwrap_or_else(|| expr.clone());
            self.definitions.insert(equation.target.0.name, definition);
        }
    }

    /// Whether the loss has another letter than J.
    fn has_other_loss(&self) -> bool {
        let is_it = |(symbol, of): (&String, &String)| of == "loss" && !symbol.starts_with('J');
        self.symbols.used.iter().any(is_it)
    }

    /// Whether a J is no loss, because its value is no number.
    fn is_jacobian(&self, atom: &Atom, expr: &Expr) -> bool {
        let Some(loss) = Target::named("loss").filter(|_| atom.is_symbol("J")) else {
            return false;
        };
        [Evaluation::PerRow, Evaluation::Batch].into_iter().all(|evaluation| {
            let formula = self.formula("", loss, expr, &[], None, evaluation);
            let truths = self.auditor.networks.of(formula.setting);
            assess(truths, &formula, evaluation, formula.mask).verdict == Verdict::Shape
        })
    }

    /// Whether the chain defines a symbol that nobody knows; then it is known from here on.
    pub(super) fn defines(&mut self, members: &[Vec<Atom>], texts: &[String]) -> bool {
        let [atom] = &members[0][..] else { return false };
        if self.symbols.adjoint(atom).is_some()
            || !matches!(atom.base, Base::Symbol(_) | Base::Word(_))
            || !atom.sup.iter().all(|a| !a.is_symbol("top"))
        {
            return false;
        }
        let known = self.symbols.resolve(atom);
        // A letter that may be several things is what its definition says.
        let ambiguous = match known.as_ref().map(|r| &r.meaning) {
            None => true,
            Some(Meaning::Quantity(q)) => {
                matches!(
                    base_name(atom).as_deref(),
                    Some("h" | "H" | "a" | "A" | "tilde a" | "tilde h")
                ) && matches!(q.name, "h" | "a_1a" | "a_1b")
                    || atom.is_symbol("J") && (atom.is_bare() || self.has_other_loss())
                    || is_of_dropout(atom, q)
                    || is_count(atom, q)
            }
            // A δ of one sample's loss is judged.
            Some(Meaning::Defined(expr, _)) => !matches!(expr.node, Node::OfTask(..)),
            Some(Meaning::Function(_)) => false,
            Some(Meaning::Unread) => true,
        };
        if !ambiguous {
            return false;
        }
        let is_given = matches!(known.as_ref().map(|r| &r.meaning), Some(Meaning::Quantity(q))
            if is_of_dropout(atom, q) || is_count(atom, q));
        let counts = matches!(known.as_ref().map(|r| &r.meaning), Some(Meaning::Quantity(q))
            if is_count(atom, q));
        let is_new =
            is_given || !matches!(known.as_ref().map(|r| &r.meaning), Some(Meaning::Quantity(_)));
        let letters: Vec<char> = vec!['i', 'n'];
        for member in &members[1..] {
            let Ok(expr) =
                self.read(member, Grouping::SideBySideFirst, &letters, &mut HashMap::new())
            else {
                // N = ReLU(…) is no number of samples, whatever it is.
                if counts && member.iter().any(is_activation) {
                    self.symbols.give(&without_indices(atom), Meaning::Unread);
                }
                continue;
            };
            // p = 0.5 says how large p is, not what.
            let says_what = |part: &Expr| matches!(part.node, Node::Quantity(q) if !counts || q.is_of_a_sample());
            if is_given && !expr.any(&says_what) {
                return false;
            }
            if let Some((of, indices)) = as_entry(&expr)
                && Target(of).is_gradient()
            {
                // δ = ∂L/∂z is judged; the name is new all the same.
                if is_new {
                    let mut own: Vec<char> = indices.iter().map(|index| index.name).collect();
                    // g_i = ∂L/∂â_j has an index as well: another.
                    if !own.is_empty() {
                        own.extend(['i', 'j', 'k', 'n']);
                    }
                    self.symbols.give(&without(atom, &own), Meaning::Quantity(of));
                }
                return false;
            }
            // What the letter is taken for may be what it is defined as.
            if let Some(Meaning::Quantity(of)) = known.as_ref().map(|r| &r.meaning)
                && !is_given
                && self.has_value(of, &expr, &[])
            {
                return false;
            }
            let mut letters = expr.unbound_letters(Slot::Component);
            letters.extend(expr.unbound_letters(Slot::Sample));
            let found =
                self.identify(&expr, &letters).and_then(|found| as_entry(&found).map(|(q, _)| q));
            // y = BN(x), BatchNorm by itself: x is not the network's.
            if found.is_none()
                && is_new
                && expr.any(&|part| matches!(part.node, Node::Function(Function::BatchNorm, _)))
            {
                let reason = "BatchNorm by itself".to_owned();
                self.skip(atom.place, &texts.join(" = "), reason, false);
                return true;
            }
            // a_{1b} = max(0, z_{1a}): a name that says its branch is nothing of the other.
            if let (Some(of), Some(branch)) = (found, branch(atom))
                && (of.units == Units::Columns) != (branch == 'b')
            {
                return false;
            }
            return match (found, is_new) {
                (Some(quantity), _) => {
                    self.symbols.give(&without_indices(atom), Meaning::Quantity(quantity));
                    false
                }
                (None, is_new) if is_new || self.is_jacobian(atom, &expr) => {
                    let name = without_indices(atom);
                    let own = letters_beside(atom, &name);
                    self.symbols.give(&name, Meaning::Defined(expr, own));
                    let place = atom.place;
                    let reason = "a definition: it is used as it stands".to_owned();
                    self.skip(place, &texts.join(" = "), reason, false);
                    true
                }
                (None, _) => false,
            };
        }
        false
    }
}

/// Whether a letter stands for the number of samples where nothing else is said of it.
fn is_count(atom: &Atom, of: &Quantity) -> bool {
    of.name == "m" && atom.is_bare() && !atom.is_symbol("m")
}

/// Whether a letter is one of dropout's where nothing else is said of it.
fn is_of_dropout(atom: &Atom, of: &Quantity) -> bool {
    matches!(of.name, "r" | "p") || atom.is_symbol("r")
}

fn is_activation(atom: &Atom) -> bool {
    matches!(&atom.base, Base::Word(name)
        if ["relu", "max", "softmax"].contains(&name.to_lowercase().as_str()))
}

/// The letters that a symbol has and its name has not.
fn letters_beside(atom: &Atom, name: &Atom) -> Vec<char> {
    let of = |own: &[Atom], named: &[Atom]| -> Vec<char> {
        let own = own.iter().filter(|script| !named.contains(script));
        own.filter_map(|script| match &script.base {
            Base::Group('(', inner) => inner.first().and_then(index_letter),
            _ => index_letter(script),
        })
        .collect()
    };
    [of(&atom.sub, &name.sub), of(&atom.sup, &name.sup)].concat()
}

/// The symbol without letters that pick an entry.
fn without_indices(atom: &Atom) -> Atom {
    let mut name = without(atom, &['i', 'j', 'k', 'l', 'n']);
    // a^{(1b)} has a name of its own anyway.
    for scripts in [&mut name.sub, &mut name.sup] {
        scripts.retain(|a| !matches!(&a.base, Base::Group('(', _)));
    }
    name
}
