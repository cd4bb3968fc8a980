//! `anabranch check`: whether a model file is whole.

use std::path::PathBuf;
use std::process::ExitCode;

use anabranch::train::{Model, ModelError, model_path};
use serde_json::json;

use crate::failure::Failure;
use crate::output;

/// Check that a model file is whole: its length, its checksum, and that its
/// parts fit together
///
/// The exit code is 0 if it is, 1 if it is not, and 2 if it cannot be read or
/// is of a newer version.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Model file, or the directory where `train` saved it
    #[arg(value_name = "DIR|FILE")]
    model: PathBuf,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let path = model_path(&args.model);
    let (is_whole, said) = match Model::load(&path) {
        Ok(_) => (true, format!("{} is whole", output::plain(&path))),
        Err(error @ (ModelError::Io { .. } | ModelError::Newer { .. })) => return Err(error.into()),
        Err(error) => (false, error.to_string()),
    };
    if args.json {
        output::print(
            &json!({ "model": path.display().to_string(), "whole": is_whole, "why": said }),
        )?;
    } else {
        output::print(&output::one_line(&said))?;
    }
    Ok(output::verdict(is_whole))
}
