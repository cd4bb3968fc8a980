//! `anabranch sweep`: many settings tried, the best of them kept.

mod entry;
mod finish;
mod leaderboard;
mod merge;
mod plan;
mod refit;
mod results;
mod rungs;
mod shard;
mod space;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anabranch::tensor::Executor;
use anabranch::train::{data_sha256, for_each_member};
use indicatif::ProgressBar;

use crate::failure::Failure;
use crate::flags::{count, seed};
use crate::output;
use crate::watch::progress_bar;
use finish::EndArgs;
use plan::{Plan, Search};
use results::{Entries, Results};
use shard::{Shard, shard};
use space::Space;
use trial::Bench;

/// Where searches without a given directory go.
const SWEEPS: &str = "sweeps";

/// Search settings: train many networks, and keep the best
///
/// A key of the config file may have a range instead of a value:
///
///     lr = { log-uniform = [1e-4, 1e-1] }
///     dropout = { uniform = [0.0, 0.4] }
///     hidden-a = { int = [16, 256] }
///     optimizer = { choice = ["adam", "lion"] }
///
/// Each trial draws its own values, and trains one network. Trials are scored on the validation
/// rows. The best one is trained again as `train` would, and only then scored on the test rows. A
/// search that was stopped goes on if it is called again.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    next_line_help = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// File with settings and ranges
    // Not by the name of the flag: it is not a file of this command's own settings.
    #[arg(id = "space", long = "config", value_name = "FILE.toml", required = true)]
    file: Option<PathBuf>,
    /// A setting by its key, such as training.epochs=10, instead of what the file says; may be
    /// repeated
    #[arg(long, value_name = "TABLE.KEY=VALUE")]
    set: Vec<String>,
    /// How many settings to try
    #[arg(long, value_name = "N", default_value_t = 100,
        allow_hyphen_values = true, value_parser = count(1, 1_000_000))]
    trials: usize,
    /// How to go about it
    #[arg(long, value_name = "NAME", default_value = "random")]
    search: Search,
    /// Random seed of the draws
    #[arg(long, value_name = "N", default_value_t = 1,
        allow_hyphen_values = true, value_parser = seed)]
    search_seed: u64,
    /// Column to predict that decides which trial is best [default: all]
    #[arg(long, value_name = "COL")]
    score: Option<String>,
    /// Directory for the results [default: sweeps/NAME, by the config file's name]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Train every N-th trial, as one of N processes, from 1/N to N/N; `sweep merge` puts their
    /// results together
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    #[command(flatten)]
    end: EndArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Merge(merge::Args),
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    match &args.command {
        Some(Command::Merge(args)) => merge::run(args)?,
        None => search(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn search(args: &Args) -> Result<(), Failure> {
    let file = args.file.as_deref().unwrap_or(Path::new(""));
    let mut plan = plan(args, file)?;
    let command = space::command();
    let space = Space::of(&plan, &command)?;
    let fixed = space.fixed_setup()?;
    if fixed.data() == Path::new("-") {
        let message = "a search reads its data twice: give it a file";
        return Err(Failure::input(message).coded("input"));
    }
    // Settings that do not go together are found before anything is trained.
    space.setup(1)?;
    let exec = args.end.threads.executor()?;
    let bench = Bench::new(fixed.setup(&exec)?.prepared, plan.score.as_deref())?;
    plan.validation_rows = bench.prepared.dataset.split.validation.len();
    plan.data_sha256 = data_sha256(&bench.prepared);

    let dir = match &args.out {
        Some(out) => out.clone(),
        None => Path::new(SWEEPS).join(file.file_stem().unwrap_or_default()),
    };
    fs::create_dir_all(&dir).map_err(|error| {
        let message = format!("cannot create {} ({error}): choose another --out", dir.display());
        Failure::input(message).coded("output")
    })?;
    let results = Results::open(&dir, args.shard, &plan)?;
    let bar = if args.end.quiet { ProgressBar::hidden() } else { progress_bar("trial", 0) };
    let searched = Searching { plan: &plan, space: &space, bench: &bench, results: &results }
        .all_rungs(&dir, args.shard, &exec, &bar);
    bar.finish_and_clear();
    match searched? {
        Some(known) => finish::finish(&dir, &plan, &space, &known, &args.end),
        None => waiting(&dir, args),
    }
}

/// What the results of a search depend on; its data are not known yet.
fn plan(args: &Args, file: &Path) -> Result<Plan, Failure> {
    let name = output::plain(file);
    let config = fs::read_to_string(file).map_err(|error| {
        Failure::input(format!("{name}: cannot be read: {error}")).coded("read")
    })?;
    Ok(Plan {
        file: name,
        config,
        set: args.set.clone(),
        search: args.search,
        trials: args.trials,
        seed: args.search_seed,
        score: args.score.clone(),
        validation_rows: 0,
        data_sha256: String::new(),
    })
}

/// A search at work.
struct Searching<'a> {
    plan: &'a Plan,
    space: &'a Space<'a>,
    bench: &'a Bench,
    results: &'a Results,
}

impl Searching<'_> {
    /// Trains what has not been trained yet, rung by rung, and returns all results; none of a
    /// shard, which does not wait for others. Trials are trained side by side, each on one thread.
    fn all_rungs(
        &self,
        dir: &Path,
        shard: Option<Shard>,
        exec: &Executor,
        bar: &ProgressBar,
    ) -> Result<Option<Entries>, Failure> {
        let Self { plan, space, bench, results } = self;
        let rungs = rungs::count(plan.search, plan.trials, space.epochs()?);
        for rung in 0..rungs {
            let known = results::in_dir(dir, plan)?;
            let Some(mut trials) = rungs::trials(rung, plan.trials, &known) else {
                return Ok(None);
            };
            trials.retain(|trial| {
                !known.contains_key(&(rung, *trial)) && shard.is_none_or(|shard| shard.has(*trial))
            });
            if trials.is_empty() {
                continue;
            }
            bar.inc_length(trials.len() as u64);
            let epochs = |most: usize| rungs::epochs(rung, rungs, most);
            for_each_member(exec, trials.len(), |i, exec| {
                let entry = bench.run(space, trials[i], rung, epochs, exec);
                bar.inc(1);
                results.add(&entry)
            })?;
        }
        if shard.is_some() {
            return Ok(None);
        }
        let mut known = results::in_dir(dir, plan)?;
        // An earlier search may have tried more.
        known.retain(|(_, trial), _| *trial <= plan.trials);
        Ok(Some(known))
    }
}

/// Says how a search goes on whose other shards are not done, or not known here.
fn waiting(dir: &Path, args: &Args) -> Result<(), Failure> {
    if args.end.quiet {
        return Ok(());
    }
    let dir = dir.display();
    if args.end.json {
        return output::print(&serde_json::json!({ "sweep": dir.to_string(), "best": null }));
    }
    let halving = match args.search {
        Search::Random => "",
        Search::Halving => " (with halving, once for each round: the shards have to be run again)",
    };
    output::print(&format!(
        "this shard is done: after the others, `anabranch sweep merge {dir}`{halving}"
    ))
}
