//! `anabranch schema`: how the columns of a table are interpreted, and why.

use std::process::ExitCode;

use anabranch::data::{ColumnSchema, Schema, Table};
use anabranch::tensor::Executor;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;
use crate::table_args::DataArgs;

/// Show how each column of a table is interpreted, and why
///
/// It takes the same table flags as `train`, and shows what training would
/// see.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Print the schema as one line of JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// The name of a run's schema in its directory.
pub(crate) const FILE: &str = "schema.json";

/// A table's schema for programs.
pub(crate) fn json_of(table: &Table, schema: &Schema) -> Value {
    json!({ "rows": table.n_rows(), "columns": schema.columns(), "warnings": table.warnings() })
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let table = args.data.read()?;
    output::warn(table.warnings());
    let schema = Schema::infer(&Executor::serial(), &table)?;
    if args.json {
        output::print(&json_of(&table, &schema))?;
    } else {
        let cells = |column: &ColumnSchema| {
            let why = match &column.left_out {
                Some(_) => format!("not an input: {}", column.why),
                None => column.why.clone(),
            };
            let kind = serde_json::to_value(&column.kind).unwrap_or_default();
            let kind = kind["kind"].as_str().unwrap_or_default().to_owned();
            [column.name.clone(), kind, column.missing.to_string(), why]
        };
        output::print(&format!(
            "{}: {} rows\n\n{}",
            table.name(),
            table.n_rows(),
            output::text_table(
                ["column", "kind", "missing", "why"],
                schema.columns().iter().map(cells)
            )
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
