//! `anabranch gradcheck`: the gradient of a step of a run, checked by independent routes.

use std::path::PathBuf;
use std::process::ExitCode;

use anabranch::graph::Fusion;
use anabranch::train::{Model, Snapshot, TrainConfig, Trainer, member_seed, model_path};
use serde_json::json;

use crate::failure::Failure;
use crate::flags::count;
use crate::setup::SetupArgs;
use crate::{certificate, out_file, output};

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
    let setup = args.setup.setup(&exec)?;
    let seed = member_seed(setup.config.seed, args.member);
    let config = TrainConfig { seed, ..setup.config };
    let graph = setup.river.build(Fusion::Fused)?;
    let mut trainer = Trainer::new(&setup.prepared.dataset, graph, &config, &exec)?;
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
    let certificate = certificate::of_step(&mut trainer, &setup.river, args.step, &exec)?;
    if let Some(path) = &args.certificate {
        let file = certificate::with_run(&certificate, &args.setup, &setup, &config);
        out_file::write(path, format!("{file:#}\n").as_bytes())?;
    }
    if args.json {
        output::print(&json!(certificate))?;
    } else {
        output::print(&certificate)?;
    }
    Ok(output::verdict(certificate.pass()))
}
