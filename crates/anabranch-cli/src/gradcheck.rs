//! `anabranch gradcheck`: the gradient of a step of a run, checked by independent routes.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anabranch::graph::River;
use anabranch::train::{
    Model, Observer, Snapshot, StepView, TrainConfig, Trainer, member_seed, model_path,
    weights_sha256,
};
use anabranch::verify::gradcheck::{Certificate, DEFAULT_WORK, Instance};
use serde_json::json;

use crate::failure::Failure;
use crate::flags::count;
use crate::out_file;
use crate::output;
use crate::run_setup::Setup;
use crate::setup::SetupArgs;

/// Check the gradient of one step of a run by independent routes
///
/// It takes the flags of `train`. The step's batch, masks and weights are
/// used as they are, and once more with all weights perturbed. The gradients
/// are checked in f64 by dual numbers, central differences and identities,
/// with and without cutting the batch into shards, and in f32. The exit code
/// is 1 if any of them disagrees or there was nothing to check.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, next_line_help = true)]
pub(crate) struct Args {
    /// Step to check, counted from 0; the run is trained up to it
    #[arg(long, value_name = "N", default_value_t = 0)]
    step: u64,
    /// Check at the weights of this model, which was trained with the same flags
    #[arg(long, value_name = "MODEL", conflicts_with = "step")]
    model: Option<PathBuf>,
    /// Member of the ensemble to check, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0,
        allow_hyphen_values = true, value_parser = count(0, usize::MAX))]
    member: usize,
    /// Also save the result as JSON, with the configuration and a hash of the data
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Print the result as one line of JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    setup: SetupArgs,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let exec = args.setup.executor()?;
    let Setup { prepared, river, graph, config, .. } = args.setup.setup::<f32>(&exec)?;
    let config = TrainConfig { seed: member_seed(config.seed, args.member), ..config };
    let mut trainer = Trainer::new(&prepared.dataset, graph, &config, &exec)?;
    if let Some(path) = &args.model {
        let model = Model::load(model_path(path))?;
        let member = model.members().get(args.member).ok_or_else(|| {
            let n_members = model.members().len();
            Failure::input(format!(
                "{} has {n_members} members: expected --member below that, got {}",
                path.display(),
                args.member
            ))
        })?;
        let Snapshot { params, state, .. } = &member.snapshots[0];
        trainer = trainer.with_weights(params, state)?;
    }
    let mut watch = OneStep { river: &river, step: args.step, found: None };
    trainer.run(&mut watch)?;
    let (instance, grads) = watch.found.ok_or_else(|| {
        Failure::input(format!("the run ends before step {}, counted from 0", args.step))
    })?;
    let certificate =
        Certificate::new(&instance, &grads, &exec, DEFAULT_WORK).map_err(Failure::input)?;
    if let Some(path) = &args.certificate {
        let file = json!({
            "data": args.setup.data().display().to_string(),
            "inputs_sha256": weights_sha256(&prepared.dataset.x),
            "config": format!("{config:?}"),
            "certificate": certificate,
        });
        out_file::write(path, format!("{file:#}\n").as_bytes())?;
    }
    if args.json {
        output::print(&json!(certificate))?;
    } else {
        output::print(&certificate)?;
    }
    Ok(output::verdict(certificate.pass()))
}

/// Takes one step out of a run, and ends the run there.
struct OneStep<'a> {
    river: &'a River,
    step: u64,
    found: Option<(Instance, Vec<f32>)>,
}

impl Observer<f32> for OneStep<'_> {
    fn watches(&self, step: u64) -> bool {
        step == self.step
    }

    fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
        let drawn_by = (step.seed, step.step);
        let instance = Instance::new(self.river, step.params, step.x, step.targets, drawn_by);
        let instance = instance.with_row_weights(step.row_weights);
        self.found = Some((instance, step.grads.to_vec()));
        ControlFlow::Break(())
    }
}
