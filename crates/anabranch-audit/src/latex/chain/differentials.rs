//! Equations between differentials: `dZ = dW\,S + W\,dS`, `dL = \operatorname{tr}(G^T dW)`. They
//! are tried along random directions; that one does not hold along them shows nothing, since a text
//! may hold fixed whatever it likes.

use std::collections::HashMap;

use super::Judge;
use super::orientation::Kinds;
use crate::Evaluation;
use crate::eval::{Direction, Reading, evaluate};
use crate::expr::{Expr, Node};
use crate::formula::Indices;
use crate::judge::EXACT;
use crate::latex::layout::Atom;
use crate::latex::reader::Grouping;
use crate::measure::relative_error;
use crate::quantity::{Quantity, Target};
use crate::truth::Truth;

impl Judge<'_> {
    /// Whether each member equals the one before, if all of them are differentials.
    pub(super) fn differential(&mut self, members: &[Vec<Atom>], letters: &[char]) -> Option<bool> {
        if !self.symbols.has_differentials {
            return None;
        }
        self.symbols.reads_differentials = true;
        let mut slots = HashMap::new();
        let grouping = Grouping::SideBySideFirst;
        let all: Result<Vec<Expr>, _> =
            members.iter().map(|member| self.read(member, grouping, letters, &mut slots)).collect();
        self.symbols.reads_differentials = false;
        let all = all.ok()?;
        if all.iter().any(|one| varied(one).is_empty()) {
            return None;
        }
        let is_of_loss = matches!(all[0].node, Node::Differential(of) if of.name == "loss");
        Some(match is_of_loss {
            true => self.is_of_loss(&all[1..], members),
            false => all.windows(2).zip(members.windows(2)).all(|(pair, atoms)| {
                self.are_the_same([&pair[0], &pair[1]], [&atoms[0], &atoms[1]])
            }),
        })
    }

    /// Whether dL is each of these. The first may be that along whatever varies in it, everything
    /// else held fixed; each other one follows from the one before wherever the parameters go.
    fn is_of_loss(&self, all: &[Expr], members: &[Vec<Atom>]) -> bool {
        let loss = Target::named("loss");
        let truths = self.auditor.networks.of(self.setting);
        all.iter().enumerate().all(|(i, one)| {
            let Some(loss) = loss else { return false };
            let atoms = &members[i + 1];
            let ways = |expr: &Expr| {
                self.conventions.ways(Kinds::of(self.letters_of(atoms, &[]), loss, expr))
            };
            ways(one).into_iter().any(|(evaluation, data)| {
                let turn = self.conventions.turn(data);
                let value = |expr: &Expr, truth: &Truth, direction| {
                    let expr = turn.of_part(expr, evaluation);
                    self.number(&expr, loss, truth, evaluation, direction)
                };
                let is_near = |a: Option<f64>, b: Option<f64>| {
                    a.zip(b).is_some_and(|(a, b)| relative_error(&[a], &[b]) <= EXACT)
                };
                let along_each = |truth: &Truth| {
                    varied(one).into_iter().all(|of| {
                        let printed = value(one, truth, Direction::Of(of.name));
                        is_near(printed, truth.loss_along(of))
                    })
                };
                let along_all = |truth: &Truth| {
                    let whole = truth.differential("loss").map(|of| of.data()[0]);
                    is_near(value(one, truth, Direction::Parameters), whole)
                };
                let follows = |truth: &Truth| {
                    i == 0 || {
                        let [before, this] =
                            [&all[i - 1], one].map(|of| value(of, truth, Direction::Parameters));
                        is_near(before, this)
                    }
                };
                truths.iter().all(&follows)
                    && (truths.iter().all(along_each) || truths.iter().all(along_all))
            })
        })
    }

    fn number(
        &self,
        expr: &Expr,
        loss: Target,
        truth: &Truth,
        evaluation: Evaluation,
        direction: Direction,
    ) -> Option<f64> {
        let reading = Reading { direction, ..Reading::in_place(evaluation, self.mask) };
        let blocks = evaluate(expr, (loss, &Indices::default()), truth, reading).ok()?;
        match &blocks[..] {
            [one] if one.shape() == [1, 1] => Some(one[(0, 0)]),
            _ => None,
        }
    }
}

/// The quantities whose differentials are in it, each once.
fn varied(expr: &Expr) -> Vec<&'static Quantity> {
    let mut all = match expr.node {
        Node::Differential(of) => vec![of],
        _ => vec![],
    };
    for of in expr.children().iter().flat_map(varied) {
        if !all.contains(&of) {
            all.push(of);
        }
    }
    all
}
