//! `anabranch export`: a model in the format of another program.

use std::path::PathBuf;
use std::process::ExitCode;

use anabranch::train::{Model, model_path};
use anabranch_export::{Format, export_covering};
use clap::ValueEnum;
use serde_json::json;

use crate::failure::Failure;
use crate::flags;
use crate::out_file::{self, is_stdout};
use crate::output;

/// Write a model for another program
///
/// The file holds the encoding of the columns, the network, and the units and
/// labels of what it predicts. What it cannot hold is printed.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// What to write
    format: FormatName,
    /// Model file, or the directory where `train` saved it
    #[arg(long, value_name = "DIR|FILE")]
    model: PathBuf,
    /// File to write; an existing one is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Share of rows whose truth is to be bracketed by intervals and sets
    /// [default: what `train --coverage` said, if it did]
    #[arg(long, value_name = "P", verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = flags::coverage())]
    coverage: Option<f64>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// A format as a word.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    /// A graph for onnxruntime and others: columns in, predictions out
    Onnx,
    /// A source file for programs without a standard library or an allocator
    Rust,
    /// A Python file that rebuilds the networks of the model file
    Pytorch,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    out_file::check_alone(&args.out, args.json)?;
    let model = Model::load(&args.model)?;
    let path = model_path(&args.model);
    out_file::check(&args.out, &[(&path, "the model itself: choose another --out")])?;
    let format = match args.format {
        FormatName::Onnx => Format::Onnx,
        FormatName::Rust => Format::Rust,
        FormatName::Pytorch => Format::PyTorch,
    };
    let share = args.coverage.or(model.calibration().coverage());
    let coverage = share.map(|share| model.coverage(share)).transpose()?;
    let export = export_covering(&model, format, coverage.as_ref());
    let export = export.map_err(|e| Failure::input(e).coded("not_a_model"))?;
    out_file::write(&args.out, &export.file)?;
    let out = args.out.display();
    if args.json {
        output::print(&json!({
            "out": out.to_string(),
            "bytes": export.file.len(),
            "differences": export.differences,
        }))?;
    } else if !is_stdout(&args.out) {
        let mut text = format!("exported: {out}\nIt differs from `anabranch predict` in this:");
        export.differences.iter().for_each(|what| text += &format!("\n- {what}"));
        output::print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}
