//! Equations that are about no target, but true: `\sum_k \hat y_k = 1`.

use std::collections::HashMap;

use super::Judge;
use crate::Evaluation;
use crate::eval::{Reading, are_equal};
use crate::expr::{Expr, Node};
use crate::latex::layout::Atom;
use crate::latex::reader::Grouping;
use crate::truth::Scope;
use crate::turn::Data;

impl Judge<'_> {
    /// Whether all members have the same value on every network. That they have not shows nothing:
    /// an equation may be an assumption.
    pub(super) fn is_true_remark(&mut self, members: &[Vec<Atom>], letters: &[char]) -> bool {
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
            && all.windows(2).all(|pair| self.are_the_same([&pair[0], &pair[1]]))
    }

    fn are_the_same(&self, sides: [&Expr; 2]) -> bool {
        [
            (Evaluation::PerRow, Data::AsEvaluated),
            (Evaluation::Batch, Data::AsEvaluated),
            (Evaluation::Batch, Data::Turned),
        ]
        .into_iter()
        .any(|(evaluation, data)| {
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
