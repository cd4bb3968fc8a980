//! `anabranch gradcheck`: the gradient of a run's first step, checked by independent routes.

use std::ops::ControlFlow;
use std::process::ExitCode;

use anabranch::graph::TwoBranch;
use anabranch::train::{Observer, StepView, Trainer};
use anabranch::verify::gradcheck::{DEFAULT_WORK, GradcheckError, Instance, gradcheck};
use serde_json::json;

use crate::failure::Failure;
use crate::output;
use crate::setup::{Setup, SetupArgs, two_branch};

/// Checks the gradient of a run's first step by independent routes
///
/// The flags are those of `train`: its first batch, masks and weights are taken
/// as they are, and their gradient is checked in f64, by dual numbers, central
/// differences and identities. The exit code is 1 when one of them disagrees.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, next_line_help = true)]
pub(crate) struct Args {
    #[command(flatten)]
    setup: SetupArgs,
    /// Prints the result as one line of JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let exec = args.setup.executor()?;
    let Setup { prepared, river, graph, config } = args.setup.setup::<f32>(&exec)?;
    let network = two_branch(&river)?;
    let mut trainer = Trainer::new(&prepared.dataset, graph, &config, &exec)?;
    let mut first = FirstStep { network, instance: None };
    trainer.run(&mut first)?;
    let instance = first.instance.ok_or_else(|| Failure::on_the_way("training took no step"))?;
    let result = instance.and_then(|instance| gradcheck(&instance, DEFAULT_WORK));
    let result = result.map_err(Failure::input)?;
    if args.json {
        output::print(&json!(result))?;
    } else {
        output::print(&result)?;
    }
    Ok(output::verdict(result.pass))
}

/// Takes the first step of a run, and ends it.
struct FirstStep {
    network: TwoBranch,
    instance: Option<Result<Instance, GradcheckError>>,
}

impl Observer<f32> for FirstStep {
    fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
        let drawn_by = (step.seed, step.step);
        let &[y_a, y_b] = step.targets else { return ControlFlow::Break(()) };
        let targets = [y_a, y_b];
        self.instance = Some(Instance::new(&self.network, step.params, step.x, targets, drawn_by));
        ControlFlow::Break(())
    }
}
