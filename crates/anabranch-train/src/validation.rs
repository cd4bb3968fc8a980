//! What the rows to stop by tell about an ensemble: each is judged by the networks that were not
//! trained on it.

use anabranch_data::{Dataset, Split};

use crate::blend::Blend;
use crate::error::TrainError;
use crate::linear::LinearModels;
use crate::model::Model;
use crate::task_metrics::JudgedTask;

/// Which rows the members of an ensemble stop by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validate {
    /// All by the same ones, which train none.
    Shared,
    /// By turns: each by a part of its own, so that every row trains most of them
    /// ([`Split::of_member`]).
    Turns,
}

impl Validate {
    /// How many parts of the rows there are by which so many members stop.
    pub fn n_turns(self, split: &Split, n_members: usize) -> usize {
        match self {
            Self::Shared => n_members.min(1),
            Self::Turns => n_members.min(split.turns.len() + 1),
        }
    }

    /// The split by which a member is trained; `None` where it is that of the data set.
    pub fn split(self, split: &Split, member: usize) -> Option<Split> {
        let has_own = self == Self::Turns && split.turn_of(member) > 0;
        has_own.then(|| split.of_member(member))
    }
}

/// Rows that some members of an ensemble stopped by, with what was trained on all others.
#[derive(Debug)]
struct Turn {
    /// Of these members.
    model: Model,
    rows: Vec<usize>,
}

/// The validation rows of an ensemble, turn by turn.
#[derive(Debug)]
pub struct Validation<'d> {
    dataset: &'d Dataset<f32>,
    turns: Vec<Turn>,
}

impl<'d> Validation<'d> {
    /// The validation rows of the members of `model`, which is neither blended nor calibrated yet.
    ///
    /// # Errors
    /// None that making the model did not have.
    pub fn new(
        model: &Model,
        dataset: &'d Dataset<f32>,
        validate: Validate,
    ) -> Result<Self, TrainError> {
        let members = model.members();
        let turn_of = |member| match validate {
            Validate::Shared => 0,
            Validate::Turns => dataset.split.turn_of(member),
        };
        let turn = |turn: usize| {
            let of_turn = members.iter().enumerate().filter(|(member, _)| turn_of(*member) == turn);
            let of_turn = of_turn.map(|(_, member)| member.clone()).collect();
            let (encoder, targets) = (model.encoder().clone(), model.targets().clone());
            let model = Model::new(model.river().clone(), of_turn, encoder, targets)?;
            Ok(Turn { model, rows: dataset.split.of_member(turn).validation })
        };
        let turns = (0..validate.n_turns(&dataset.split, members.len())).map(turn);
        Ok(Self { dataset, turns: turns.collect::<Result<_, TrainError>>()? })
    }

    /// What is predicted for the rows by members that stopped by them, and what is true. How far
    /// members are apart is that of all members of `model`.
    ///
    /// # Panics
    /// If the model is another one.
    pub fn judged(&self, model: &Model) -> Vec<JudgedTask> {
        let (dataset, targets) = (self.dataset, model.targets());
        let of_turn = |turn: &Turn| {
            let mut judged = turn.model.judged(dataset, &turn.rows, targets);
            if self.turns.len() > 1 {
                let of_all = model.judged(dataset, &turn.rows, targets);
                judged.iter_mut().zip(of_all).for_each(|(task, all)| task.take_deviations(all));
            }
            judged
        };
        joined(self.turns.iter().map(of_turn))
    }

    /// Chooses how much linear models should count beside the networks, which they then do in
    /// [`judged`](Self::judged): as much as the rows speak for. `first` are those of the
    /// training rows of the data set; each other turn has models of its own. The result has models
    /// of all these rows: what they are worth is known by then. `None` if the networks alone are
    /// best.
    ///
    /// # Errors
    /// If they have other inputs or outputs than the model.
    ///
    /// # Panics
    /// If the model is another one.
    pub fn blend(
        &mut self,
        model: &Model,
        first: &LinearModels,
    ) -> Result<Option<Blend>, TrainError> {
        let dataset = self.dataset;
        let linear: Vec<LinearModels> = (0..self.turns.len())
            .map(|turn| match turn {
                0 => first.clone(),
                _ => LinearModels::fit_coarsely(dataset, &dataset.split.of_member(turn).train),
            })
            .collect();
        let lines = self.turns.iter().zip(&linear);
        let lines = lines.map(|(turn, linear)| linear.judged(dataset, &turn.rows, model.targets()));
        let (lines, river) = (joined(lines), model.river());
        let Some(shares) = Blend::shares_of(river, dataset, &self.judged(model), &lines) else {
            return Ok(None);
        };
        let blend = Blend::unfilled(river, model.graph(), shares)?;
        let rows = [&dataset.split.train[..], &dataset.split.validation].concat();
        let of_all = blend.clone().filled(&LinearModels::fit_coarsely(dataset, &rows))?;
        for (turn, linear) in std::mem::take(&mut self.turns).into_iter().zip(&linear) {
            let model = turn.model.with_blend(Some(blend.clone().filled(linear)?))?;
            self.turns.push(Turn { model, ..turn });
        }
        Ok(Some(of_all))
    }
}

/// The rows of all turns.
fn joined(turns: impl IntoIterator<Item = Vec<JudgedTask>>) -> Vec<JudgedTask> {
    let mut turns = turns.into_iter();
    let mut all = turns.next().unwrap_or_default();
    for turn in turns {
        all.iter_mut().zip(turn).for_each(|(all, turn)| all.append(turn));
    }
    all
}
