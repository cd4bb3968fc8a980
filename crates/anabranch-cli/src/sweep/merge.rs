//! `anabranch sweep merge`: the results of several processes as one search.

use std::fs;
use std::path::PathBuf;

use super::finish::{EndArgs, finish, write};
use super::plan::Plan;
use super::results::{self, Entries};
use super::rungs;
use super::space::{Space, command};
use crate::failure::Failure;
use crate::output;

/// The name of the file with all results.
const FILE: &str = "results.jsonl";

/// Put the results of all shards together, and train the best trial again
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directories of the shards; one, if they have written into the same
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Directory for all results [default: the first DIR]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    end: EndArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let plans = args.dirs.iter().map(|dir| results::plan_in(dir)).collect::<Result<Vec<_>, _>>()?;
    let Some(plan) = plans.into_iter().max_by_key(|plan| plan.trials) else { return Ok(()) };
    let mut known = Entries::new();
    for dir in &args.dirs {
        known.extend(results::in_dir(dir, &plan)?);
    }
    let command = command();
    let space = Space::of(&plan, &command)?;
    check_complete(&plan, &space, &known)?;
    let out = args.out.as_ref().unwrap_or(&args.dirs[0]);
    fs::create_dir_all(out).map_err(|error| {
        let message = format!("cannot create {} ({error})", output::plain(out));
        Failure::input(message).coded("output")
    })?;
    write(&out.join(FILE), &results::text(&plan, &known))?;
    finish(out, &plan, &space, &known, &args.end)
}

/// Refuses results of which some are missing.
fn check_complete(plan: &Plan, space: &Space<'_>, known: &Entries) -> Result<(), Failure> {
    let rungs = rungs::count(plan.search, plan.trials, space.epochs()?);
    for rung in 0..rungs {
        let trials = rungs::trials(rung, plan.trials, known).unwrap_or_default();
        let missing = trials.iter().filter(|trial| !known.contains_key(&(rung, **trial))).count();
        if missing > 0 || trials.is_empty() {
            let round = if rungs == 1 {
                String::new()
            } else {
                format!(" of round {} of {rungs}", rung + 1)
            };
            let message = format!(
                "{missing} of {} trials{round} have no result yet: run the shards again first",
                trials.len()
            );
            return Err(Failure::input(message).coded("input"));
        }
    }
    Ok(())
}
