//! What a derivation defines itself: symbols that nobody knows, and a δ that is not what δ is.

use std::collections::HashMap;

use super::member::substituted;
use super::{Equation, Judge, Judgement};
use crate::expr::{Expr, Function, Node};
use crate::judge::assess;
use crate::latex::layout::{Atom, Base};
use crate::latex::reader::{Grouping, as_entry, index_letter};
use crate::latex::symbols::{Meaning, base_name};
use crate::quantity::{Kind, Target};
use crate::task::Task;
use crate::{Evaluation, Verdict};

impl Judge<'_> {
    /// What a derivation calls δ, where it is not what δ is; and whether its BN′ has γ.
    pub(super) fn remember(&mut self, equation: &Equation, exprs: &[Option<Expr>]) {
        let name = equation.target.name();
        let of_sample =
            exprs[1..].iter().flatten().find(|expr| Self::is_of_sample(expr, equation.target));
        if let (Some(expr), Some(left)) = (of_sample, &exprs[0])
            && !Self::is_of_sample(left, equation.target)
        {
            let quantity = Expr::new(Node::Quantity(equation.target.0), expr.column);
            let node = Node::OfTask(Task::Sample, Box::new(quantity));
            self.definitions.insert(equation.target.0.name, Expr::new(node, expr.column));
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

    /// Whether it is the target as a derivative of one sample's loss.
    pub(super) fn is_of_sample(expr: &Expr, target: Target) -> bool {
        matches!(&expr.node, Node::OfTask(Task::Sample, inner)
            if as_entry(inner).is_some_and(|(of, _)| of.name == target.name()))
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
        if !matches!(atom.base, Base::Symbol(_) | Base::Word(_))
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
                    || atom.is_symbol("J") && atom.is_bare()
            }
            Some(Meaning::Defined(_)) => true,
            Some(Meaning::Function(_)) => false,
        };
        if !ambiguous {
            return false;
        }
        let is_new = !matches!(known.map(|r| r.meaning), Some(Meaning::Quantity(_)));
        let letters: Vec<char> = vec!['i', 'n'];
        for member in &members[1..] {
            let Ok(expr) =
                self.read(member, Grouping::SideBySideFirst, &letters, &mut HashMap::new())
            else {
                continue;
            };
            if as_entry(&expr).is_some_and(|(q, _)| Target(q).is_gradient()) {
                // δ = ∂L/∂z is judged; the name is new all the same.
                if is_new {
                    self.symbols.give(&without_indices(atom), Meaning::Defined(expr));
                }
                return false;
            }
            // y = BN(x), BatchNorm by itself: x is not the network's.
            if is_new
                && expr.any(&|part| matches!(part.node, Node::Function(Function::BatchNorm, _)))
            {
                let reason = "BatchNorm by itself".to_owned();
                self.skip(atom.place, &texts.join(" = "), reason, false);
                return true;
            }
            let found =
                self.identify(&expr, &[]).and_then(|found| as_entry(&found).map(|(q, _)| q));
            return match (found, is_new) {
                (Some(quantity), _) => {
                    self.symbols.give(&without_indices(atom), Meaning::Quantity(quantity));
                    false
                }
                (None, is_new) if is_new || self.is_jacobian(atom, &expr) => {
                    self.symbols.give(&without_indices(atom), Meaning::Defined(expr));
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

/// The symbol without letters that pick an entry.
fn without_indices(atom: &Atom) -> Atom {
    let keep = |atoms: &[Atom]| -> Vec<Atom> {
        atoms
            .iter()
            .filter(|a| !matches!(index_letter(a), Some('i' | 'j' | 'k' | 'l' | 'n')))
            .filter(|a| !matches!(&a.base, Base::Group('(', _)))
            .cloned()
            .collect()
    };
    Atom { sub: keep(&atom.sub), sup: keep(&atom.sup), ..atom.clone() }
}
