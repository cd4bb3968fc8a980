//! How a search ends: its leaderboard, and the best trial trained again.

use std::path::Path;

use anabranch::train::replace_file;
use serde_json::{Value, json};

use super::leaderboard::{self, Leaderboard};
use super::plan::Plan;
use super::refit;
use super::results::Entries;
use super::space::Space;
use crate::failure::Failure;
use crate::output;
use crate::threads::ThreadArgs;

/// What comes after the search.
#[derive(Debug, clap::Args)]
pub(super) struct EndArgs {
    /// Do not train the best trial again
    #[arg(long)]
    no_refit: bool,
    #[command(flatten)]
    pub(super) threads: ThreadArgs,
    /// Print the result as one line of JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
    /// Print nothing but warnings and errors
    #[arg(long)]
    pub(super) quiet: bool,
}

/// Writes the leaderboard and the best trial's config file, trains that trial again, and says all
/// of it.
pub(super) fn finish(
    dir: &Path,
    plan: &Plan,
    space: &Space<'_>,
    known: &Entries,
    args: &EndArgs,
) -> Result<(), Failure> {
    let leaderboard = Leaderboard::of(known, space);
    let path = dir.join(leaderboard::FILE);
    write(&path, &leaderboard.csv()?)?;
    let best = leaderboard.best()?;
    let config = dir.join(refit::FILE);
    let head = format!(
        "# The best of {} trials, trial {}: `anabranch train --config {}`.\n",
        plan.trials,
        best.trial,
        config.display()
    );
    write(&config, (head + &refit::config(space, best.trial)?).as_bytes())?;
    let (trials, failed) = leaderboard.counts();
    let is_told = !args.json && !args.quiet;
    if is_told {
        output::print(&format!(
            "{}\n\n{}\n\nbest: trial {}, {}\nall: {}",
            headline(plan, trials, failed),
            leaderboard.table(),
            best.trial,
            config.display(),
            path.display(),
        ))?;
    }
    let run = dir.join(refit::DIR);
    let mut refitted = Value::Null;
    if !args.no_refit {
        if is_told {
            output::print(&"\nThe best trial, trained with all of its networks:\n")?;
        }
        let mut flags: Vec<String> = Vec::new();
        flags.extend(args.threads.asked.map(|n| format!("--threads={n}")));
        flags.extend((!is_told).then(|| "--quiet".to_owned()));
        refit::refit(space, best.trial, &run, &flags)?;
        refitted = refit::summary(&run)?;
        if is_told {
            output::print(
                &"\nThe scores of the search are of validation rows; test rows were looked at here alone.",
            )?;
        }
    }
    if args.json {
        output::print(&json!({
            "sweep": dir.display().to_string(),
            "trials": trials,
            "failed": failed,
            "validation_rows": plan.validation_rows,
            "best": Leaderboard::json(best),
            "leaderboard": path.display().to_string(),
            "config": config.display().to_string(),
            "refit": refitted,
        }))?;
    }
    Ok(())
}

/// What the scores are.
fn headline(plan: &Plan, trials: usize, failed: usize) -> String {
    let failed = if failed > 0 { format!(" ({failed} failed)") } else { String::new() };
    let of = plan.score.as_ref().map_or(String::new(), |column| format!(" for {column}"));
    format!(
        "{trials} trials{failed}, each of one network\nscore: the share of the simplest predictions' error that is left{of}, \
         on {} validation rows",
        plan.validation_rows
    )
}

/// Writes a file of the search.
pub(super) fn write(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    replace_file(path, contents).map_err(|error| {
        let message = format!("cannot write {} ({error})", output::plain(path));
        Failure::on_the_way(message).coded("write")
    })
}
