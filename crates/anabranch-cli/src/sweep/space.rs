//! The settings that a search tries.

use anabranch::tensor::random::{Purpose, Random};
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::plan::{Plan, Search};
use crate::config::{self, Ranged, Setting};
use crate::failure::Failure;
use crate::setup::SetupArgs;
use crate::train;

/// The tables in which a range can stand: other keys say which rows are scored, and on which
/// scale.
const TABLES: [&str; 2] = ["network", "training"];

/// The command whose settings are searched.
pub(super) fn command() -> Command {
    train::Args::augment_args(Command::new("train"))
}

/// All settings of a search: those that every trial has, and those that are drawn.
#[derive(Debug)]
pub(super) struct Space<'c> {
    command: &'c Command,
    seed: u64,
    fixed: Vec<Setting<'c>>,
    pub(super) ranges: Vec<Ranged<'c>>,
}

impl<'c> Space<'c> {
    /// That of a search by [`command`].
    ///
    /// # Errors
    /// If the config file has a key or range that cannot be, or none at all.
    pub(super) fn of(plan: &Plan, command: &'c Command) -> Result<Self, Failure> {
        let (fixed, ranges) = config::space(command, (&plan.file, &plan.config), &plan.set)?;
        for range in &ranges {
            let why = match range.name() {
                _ if !TABLES.contains(&range.table().as_str()) => {
                    "only keys of [network] and [training] can be searched: scores would be of other rows"
                }
                "seed" => "the seed cannot be searched: scores would be of other rows",
                "ensemble" => "a trial trains one network",
                "epochs" if plan.search == Search::Halving => {
                    "halving says itself for how many epochs a trial is trained"
                }
                _ => continue,
            };
            return Err(range.refused(why));
        }
        if ranges.is_empty() {
            let message = format!(
                "{}: no key has a range to search, such as lr = {{ log-uniform = [1e-4, 1e-1] }}",
                plan.file
            );
            return Err(Failure::input(message).coded("config"));
        }
        Ok(Self { command, seed: plan.seed, fixed, ranges })
    }

    /// Epochs of a trial at most, where they are not searched.
    pub(super) fn epochs(&self) -> Result<usize, Failure> {
        Ok(self.fixed_setup()?.epochs())
    }

    /// The drawn settings of a trial, counted from 1: they depend on its number and the seed alone.
    pub(super) fn drawn(&self, trial: usize) -> Vec<Setting<'c>> {
        let mut random = Random::new(self.seed, Purpose::Search, trial as u64);
        self.ranges.iter().map(|range| range.at(random.uniform())).collect()
    }

    /// What `train` would be told for a trial, and `more`.
    pub(super) fn matches(&self, trial: usize, more: &[String]) -> Result<ArgMatches, Failure> {
        let settings = [&self.fixed[..], &self.drawn(trial)].concat();
        self.matches_of(&settings, more)
    }

    /// The flags of a trial.
    pub(super) fn setup(&self, trial: usize) -> Result<SetupArgs, Failure> {
        setup(&self.matches(trial, &[])?)
    }

    /// The flags that all trials have.
    pub(super) fn fixed_setup(&self) -> Result<SetupArgs, Failure> {
        setup(&self.matches_of(&self.fixed, &[])?)
    }

    fn matches_of(&self, settings: &[Setting<'_>], more: &[String]) -> Result<ArgMatches, Failure> {
        let more: Vec<_> = more.iter().map(Into::into).collect();
        config::matches(self.command, settings, &more)
    }
}

fn setup(matches: &ArgMatches) -> Result<SetupArgs, Failure> {
    SetupArgs::from_arg_matches(matches).map_err(|error| Failure::usage(&error))
}
