//! Equations that are about no target, but true: `\sum_k \hat y_k = 1`.

use std::collections::HashMap;

use super::orientation::Kinds;
use super::{Judge, NotJudged};
use crate::Evaluation;
use crate::eval::{Reading, are_equal};
use crate::expr::{Expr, Node, Operator};
use crate::latex::layout::{Atom, Base};
use crate::latex::reader::Grouping;
use crate::quantity::Target;
use crate::truth::Scope;

/// Whether it says what a parameter is after a step: `\theta_{t+1} = \theta_t - \eta g`.
fn is_update(members: &[Vec<Atom>]) -> bool {
    const PARAMETERS: [&str; 7] = ["theta", "Theta", "W", "w", "b", "gamma", "beta"];
    let [left, right] = members else { return false };
    let is_parameter =
        |base: &Base| matches!(base, Base::Symbol(name) if PARAMETERS.contains(&name.as_str()));
    matches!((&left[..], &right[..]), ([new], [old, sign, _, ..])
        if new.base == old.base
            && is_parameter(&new.base)
            && (sign.is_operator("-") || sign.is_operator("+")))
}

impl Judge<'_> {
    /// What to say of an equation that is not judged, and whether it is unread.
    pub(super) fn without_target(
        &mut self,
        members: &[Vec<Atom>],
        letters: &[&[char]],
        error: Option<NotJudged>,
    ) -> NotJudged {
        let (reason, unreadable) = error.unwrap_or(("nothing to judge".to_owned(), true));
        if is_update(members) {
            return ("an update: what a step does, not a derivative".to_owned(), false);
        }
        // What the document says of letters may not hold for an equation of its own letters.
        let found = unreadable.then(|| self.remark(members, letters)).flatten();
        let found = match found {
            None | Some((_, false)) if unreadable => {
                let of_document = std::mem::take(&mut self.slots);
                let again = self.remark(members, letters);
                self.slots = of_document;
                again.or(found)
            }
            found => found,
        };
        match found {
            Some((reason, is_true)) => (reason.to_owned(), !is_true),
            None => (reason, unreadable),
        }
    }

    /// What to say of an equation without a target, and whether it is true.
    fn remark(
        &mut self,
        members: &[Vec<Atom>],
        letters: &[&[char]],
    ) -> Option<(&'static str, bool)> {
        if letters.iter().any(|letters| self.is_true_remark(members, letters)) {
            return Some(("no target, but true: both sides have the same value", true));
        }
        let found: Vec<bool> =
            letters.iter().filter_map(|letters| self.differential(members, letters)).collect();
        match found.contains(&true) {
            true => Some(("a differential, true along random directions", true)),
            false if found.is_empty() => None,
            false => Some(("a differential that does not hold along random directions", false)),
        }
    }

    /// Whether all members have the same value on every network. That they have not shows nothing:
    /// an equation may be an assumption.
    fn is_true_remark(&mut self, members: &[Vec<Atom>], letters: &[char]) -> bool {
        let mut all = Vec::new();
        let mut slots = HashMap::new();
        for member in members {
            let grouping = Grouping::SideBySideFirst;
            match self.read(member, grouping, letters, &mut slots) {
                Ok(expr) => all.push(expr),
                Err(_) => return false,
            }
        }
        let is_of_network = |expr: &Expr| {
            expr.any(&|part| matches!(part.node, Node::Quantity(_)))
                && !expr.any(&|part| matches!(part.node, Node::Partial(..)))
        };
        all.first().is_some_and(is_of_network)
            && all.windows(2).zip(members.windows(2)).all(|(pair, atoms)| {
                self.are_the_same([&pair[0], &pair[1]], [&atoms[0], &atoms[1]])
            })
    }

    /// Whether two sides have the same value, read as the file writes its matrices.
    pub(super) fn are_the_same(&self, sides: [&Expr; 2], atoms: [&[Atom]; 2]) -> bool {
        let Some(target) = Target::named("s") else { return false };
        let [left, right] = sides.map(Expr::clone);
        let column = left.column;
        let both = Node::Binary(Operator::Subtract, Box::new([left, right]));
        let letters = self.letters_of(atoms[0], atoms[1]);
        let kinds = Kinds::of(letters, target, &Expr::new(both, column));
        self.conventions.ways(kinds).into_iter().any(|(evaluation, data)| {
            let turn = self.conventions.turn(data);
            let [left, right] = sides.map(|side| turn.of_part(side, evaluation));
            let reading = Reading::in_place(evaluation, self.mask);
            self.auditor.networks.of(self.setting).iter().all(|truth| {
                let agree = |scope| are_equal([&left, &right], truth, reading, scope);
                match evaluation {
                    Evaluation::Batch => agree(Scope::Batch),
                    _ => (0..truth.rows).all(|row| agree(Scope::Row(row))),
                }
            })
        })
    }
}
