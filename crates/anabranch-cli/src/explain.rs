//! `anabranch explain`: the first step of a run as a page, with every formula and its numbers.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anabranch::data::{Batches, TaskTarget};
use anabranch::graph::{Fusion, River};
use anabranch::optim::{ClipNorm, Progress, Schedule, global_norm};
use anabranch::train::{Observer, StepView, TrainConfig, Trainer};
use anabranch::verify::explain::{Explanation, Names, Update, explain};
use anabranch::verify::gradcheck::Instance;

use crate::failure::Failure;
use crate::flags::count;
use crate::out_file;
use crate::output;
use crate::run_setup::Setup;
use crate::setup::SetupArgs;

/// Most parameters of a network whose numbers somebody wants to read.
const MAX_PARAMS: usize = 5_000;

/// Explain one training step: every formula, its numbers, and what checks them
///
/// It takes the flags of `train`, and makes a page of the first step on a few
/// rows: forward and backward pass and update of the two-branch network, in
/// the order of the derivation, as the program computes them in f64. The exit
/// code is 1 if the numbers do not satisfy one of the equations that they are
/// checked by.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, next_line_help = true)]
pub(crate) struct Args {
    /// Where to write the page: FILE.html or FILE.md
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Rows of the step's batch
    #[arg(long, value_name = "N", default_value_t = 4,
        allow_hyphen_values = true, value_parser = count(2, 50))]
    rows: usize,
    #[command(flatten)]
    setup: SetupArgs,
}

/// A flag of `train`, with a default for a network that is small enough to read.
pub(crate) fn flag(flag: clap::Arg) -> clap::Arg {
    match flag.get_id().as_str() {
        "hidden_a" => flag.default_value("3"),
        "hidden_b" => flag.default_value("2"),
        // There is --rows.
        "batch_size" => flag.hide(true),
        _ => flag,
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let layout = layout(&args.out)?;
    let exec = args.setup.executor()?;
    let Setup { prepared, river, graph, config, .. } = args.setup.setup(&exec)?;
    let config = TrainConfig { batch_size: args.rows, ..config };
    let n_params = graph.params_len();
    if n_params > MAX_PARAMS {
        return Err(Failure::input(format!(
            "a network of {n_params} parameters fills too long a page: choose fewer hidden units, or leave \
             columns out with --drop"
        )));
    }
    // The numbers that `train` sees, and all that is computed from them in f64.
    let data = &prepared.dataset.cast::<f64>();
    let graph = river.build(Fusion::Fused)?;
    let batches = Batches::new(data.split.train.clone(), config.batch_size, config.seed)?;
    let mut trainer = Trainer::new(data, graph, &config, &exec)?;
    let mut first = FirstStep { river: &river, found: None };
    trainer.run(&mut first)?;
    let (instance, grads) = first.found.ok_or_else(|| Failure::input("the run has no step"))?;

    let total_steps = (batches.n_batches() * config.epochs) as u64;
    let schedule = Schedule::new(config.schedule, total_steps).map_err(Failure::input)?;
    let clip = config.clip.map(ClipNorm::new).transpose().map_err(Failure::input)?;
    let update = Update {
        optimizer: config.optimizer,
        lr: config.lr * schedule.factor(Progress { step: 0, epoch: 0 }),
        clip: clip.map_or(1.0, |clip| clip.scale(global_norm(&exec, &grads))),
        decay: config.weight_decay,
        after: trainer.params(),
    };
    let tasks = prepared.targets.tasks();
    let names = Names {
        table: args.setup.data().display().to_string(),
        rows: batches.batch(0).iter().map(|i| format!("row {}", prepared.rows[*i] + 1)).collect(),
        inputs: prepared.encoder.feature_names(),
        outputs: tasks.iter().flat_map(TaskTarget::regression).map(|t| t.column.clone()).collect(),
        classes: tasks.iter().flat_map(|task| task.labels().to_vec()).collect(),
    };
    let page = explain(&instance, &grads, &update, &names).map_err(Failure::input)?;
    out_file::write(&args.out, layout(&page).as_bytes())?;
    let (n, broken) = (page.checks().count(), page.checks().filter(|check| !check.holds()).count());
    output::print(&match broken {
        0 => format!("{}: the numbers satisfy all {n} equations", args.out.display()),
        _ => format!("{}: {broken} of {n} equations do not hold", args.out.display()),
    })?;
    Ok(output::verdict(page.pass()))
}

/// How the page is laid out, by the file's ending.
fn layout(out: &Path) -> Result<fn(&Explanation) -> String, Failure> {
    match out.extension().and_then(|ending| ending.to_str()) {
        Some("html") => Ok(Explanation::html),
        Some("md") => Ok(Explanation::markdown),
        _ => Err(Failure::input(format!("--out {}: expected FILE.html or FILE.md", out.display()))),
    }
}

/// Takes the first step out of a run, and ends the run after its update.
struct FirstStep<'a> {
    river: &'a River,
    found: Option<(Instance, Vec<f64>)>,
}

impl Observer<f64> for FirstStep<'_> {
    fn step(&mut self, step: &StepView<'_, f64>) -> ControlFlow<()> {
        let drawn_by = (step.seed, step.step);
        let instance = Instance::new(self.river, step.params, step.x, step.targets, drawn_by)
            .with_row_weights(step.row_weights);
        self.found = Some((instance, step.grads.to_vec()));
        ControlFlow::Break(())
    }
}
