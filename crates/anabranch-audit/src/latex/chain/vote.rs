//! What each formula of a file says of the way in which it writes matrices.

use super::Judge;
use super::orientation::{Extent, Kinds, Letters, Samples, Together, Vote, Votes, Way};
use crate::expr::Node;
use crate::judge::is_exact;
use crate::latex::document::Piece;
use crate::latex::layout::{Atom, Base};
use crate::latex::symbols::{Meaning, base_name};
use crate::quantity::Kind;
use crate::turn::{Data, Jacobians, Ones, Turn, Weights, has_ones_of_batch};
use crate::{Evaluation, Formula};

impl Judge<'_> {
    /// Whether it is still to be settled how matrices are written.
    pub(super) fn is_open(&self) -> bool {
        self.conventions.scope == Together::File && matches!(self.votes, Votes::Open(_))
    }

    /// Settles how matrices are written, once all formulas have been read.
    pub(super) fn settle(&mut self, pieces: &[Piece]) {
        let Votes::Open(votes) = std::mem::replace(&mut self.votes, Votes::Closed) else { return };
        let before = self.conventions.turn(Data::AsEvaluated);
        self.conventions.settle(&votes);
        // A δ that was defined in terms of weights that lie otherwise is not what it was taken for.
        if self.conventions.turn(Data::AsEvaluated) != before {
            self.definitions.clear();
            self.judge(pieces);
        }
    }

    /// That a formula would be exact if the file wrote its matrices otherwise.
    pub(super) fn contrary(&self, formula: &Formula, kinds: Kinds) -> Option<String> {
        let own = self.conventions.samples(kinds.letters)?;
        let truths = self.auditor.networks.of(formula.setting);
        let exact = |samples: Samples, extent: Extent| {
            kinds.ways(samples, extent).into_iter().any(|(evaluation, data)| {
                let turn = self.conventions.turn(data);
                is_exact(truths, &Formula { evaluation, turn, ..formula.clone() })
            })
        };
        let of_letters = Letters::GROUPS[kinds.letters.group()];
        if !own.is_of_numerators()
            && self.conventions.small_is == Extent::Batch
            && exact(own, Extent::Open)
        {
            return Some(
                "It is exact for one sample; the other formulas of this file are those of a batch, \
                 and a sum over its samples is missing here."
                    .to_owned(),
            );
        }
        let other = [Samples::Columns, Samples::Rows]
            .into_iter()
            .find(|other| *other != own && exact(*other, Extent::Open))?;
        Some(format!(
            "It would be exact if {of_letters} were {}; by the other formulas of this file, they are \
             {}.",
            other.words(),
            own.words(),
        ))
    }

    /// In which ways a formula is exact.
    pub(super) fn vote(&self, formula: &Formula, kinds: Kinds) -> Option<Vote> {
        let truths = self.auditor.networks.of(formula.setting);
        let mentions = |kind: Kind| {
            formula.target.0.kind == kind
                || formula
                    .expr
                    .any(&|part| matches!(part.node, Node::Quantity(of) if of.kind == kind))
        };
        let of_weights = mentions(Kind::Weight) || mentions(Kind::RowWeight);
        let of_jacobians = mentions(Kind::RowJacobian);
        let exact_in = |(evaluation, data): Way, weights, jacobians| {
            let turn = Turn { data, weights, jacobians, ones: Ones::AsPrinted };
            is_exact(truths, &Formula { evaluation, turn, ..formula.clone() })
        };
        let mut exact = [[[false; 2]; 2]; 4];
        for samples in Samples::ALL {
            for weights in [Weights::OutIn, Weights::InOut] {
                for jacobians in [Jacobians::Numerator, Jacobians::Denominator] {
                    let (w, j) = (weights as usize, jacobians as usize);
                    let same = match (w, j) {
                        (1, _) if !of_weights => Some(exact[samples as usize][0][j]),
                        (_, 1) if !of_jacobians => Some(exact[samples as usize][w][0]),
                        _ => None,
                    };
                    exact[samples as usize][w][j] = same.unwrap_or_else(|| {
                        let ways = kinds.ways(samples, Extent::Open);
                        ways.into_iter().any(|way| exact_in(way, weights, jacobians))
                    });
                }
            }
        }
        if !exact.iter().flatten().flatten().any(|exact| *exact) {
            return None;
        }
        let mut extent = [[false; 2]; 4];
        if kinds.letters == Letters::Small && kinds.sums {
            let exact_as = |way: Way| exact_in(way, Weights::OutIn, Jacobians::Numerator);
            let columns = exact_as((Evaluation::PerRow, Data::AsEvaluated));
            let has_ones = has_ones_of_batch(&formula.expr);
            let as_batch = columns && exact_as((Evaluation::Batch, Data::Turned));
            extent[Samples::Columns as usize] = [as_batch && has_ones, columns && !as_batch];
            let rows = [
                exact_as((Evaluation::Batch, Data::AsEvaluated)),
                exact_as((Evaluation::PerRow, Data::Turned)),
            ];
            extent[Samples::Rows as usize] = [rows[0] && !rows[1], rows[1] && !rows[0]];
        }
        let target = formula.target;
        let is_forward = !target.is_gradient()
            && !matches!(target.0.kind, Kind::RowJacobian | Kind::UnitJacobian);
        let is_of_rows = [Weights::OutIn, Weights::InOut].into_iter().any(|weights| {
            exact_in((Evaluation::Batch, Data::AsEvaluated), weights, Jacobians::Numerator)
        });
        Some(Vote { letters: kinds.letters, exact, extent, is_of_rows, is_forward })
    }

    /// What a formula's letters are, of those that have a part for each sample.
    pub(super) fn letters_of(&self, atoms: &[Atom], left: &[Atom]) -> Letters {
        let find = |atoms| {
            let mut found = [false; 3];
            self.find_letters(atoms, &mut found);
            let [small, capital, of_a] = found;
            // ŷa is a vector of the batch beside its matrices.
            [small || (of_a && !capital), capital]
        };
        let (own, of_left) = (find(atoms), find(left));
        let [small, capital] = own;
        let [small, capital] = match (small, capital) {
            (false, false) => of_left,
            _ => [small || of_left[0], capital],
        };
        match (small, capital) {
            (_, false) => Letters::Small,
            (true, true) => Letters::Mixed,
            (false, true) => Letters::Capital,
        }
    }

    fn find_letters(&self, atoms: &[Atom], found: &mut [bool; 3]) {
        for atom in atoms {
            match &atom.base {
                Base::Symbol(_) => {
                    let meaning = self.symbols.clone().resolve(atom).map(|one| one.meaning);
                    let is_of_a = matches!(&meaning, Some(Meaning::Quantity(of))
                        if matches!(of.name, "y_a_hat" | "y_a" | "delta_2a"));
                    let is_data = match meaning {
                        Some(Meaning::Quantity(of)) => {
                            of.kind == Kind::Rows
                                && !matches!(of.name, "M" | "ones_m" | "r" | "loss_row")
                        }
                        _ => false,
                    };
                    let name = base_name(atom).unwrap_or_default();
                    let letter = name.rsplit(' ').next().unwrap_or_default();
                    if is_data {
                        let is_capital = letter.starts_with(|c: char| c.is_ascii_uppercase());
                        found[if is_capital { 1 } else { 2 * usize::from(is_of_a) }] = true;
                    }
                    // ∇ with respect to something.
                    if atom.is_symbol("nabla") {
                        self.find_letters(&atom.sub, found);
                    }
                }
                Base::Group(_, inner) | Base::Root(inner) => self.find_letters(inner, found),
                Base::Fraction(above, below) => {
                    self.find_letters(above, found);
                    self.find_letters(below, found);
                }
                Base::Cases(rows) | Base::Matrix(rows) => {
                    rows.iter().flatten().for_each(|cell| self.find_letters(cell, found));
                }
                _ => {}
            }
        }
    }
}
