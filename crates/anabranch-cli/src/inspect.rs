//! `anabranch inspect`: what a model file holds.

use std::path::PathBuf;
use std::process::ExitCode;

use anabranch::data::{Encoding, InputColumn, TaskTarget};
use anabranch::train::{Blend, Model, model_path};
use anabranch_report::{figure, is_headline};
use serde_json::{Value, json};

use crate::certificate;
use crate::failure::Failure;
use crate::output::{self, one_line};

/// Most labels of a task that are shown.
const MOST_LABELS: usize = 8;

/// Show what a model file holds: what goes in, what is predicted, the network,
/// and the run that trained it
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Model file, or the directory where `train` saved it
    #[arg(value_name = "DIR|FILE")]
    model: PathBuf,
    /// Print it as one line of JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let path = model_path(&args.model);
    let model = Model::load(&path)?;
    if args.json {
        let mut json = json_of(&model);
        json["model"] = path.display().to_string().into();
        output::print(&json)?;
    } else {
        output::print(&format!("{}\n\n{}", output::plain(&path), text_of(&model)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn json_of(model: &Model) -> Value {
    let n_snapshots = model.snapshots().count();
    json!({
        "networks": model.members().len(),
        "parameters": model.graph().params_len(),
        "snapshots": n_snapshots,
        "weights_sha256": model.weights_sha256(),
        "inputs": model.encoder().input_columns(),
        "tasks": model.targets(),
        "network": model.river(),
        "linear_shares": model.blend().map(Blend::shares),
        "run": model.run_record(),
    })
}

fn text_of(model: &Model) -> String {
    let columns = model.encoder().input_columns();
    let inputs = columns.iter().map(|column| {
        let (kind, what) = kind_of(column);
        [one_line(&column.name), kind.to_owned(), what, column.width().to_string()]
    });
    let tasks = model.targets().tasks().iter().map(|task| {
        let columns: Vec<&str> = task.columns().collect();
        let (kind, what) = match task {
            TaskTarget::Regression(_) => ("number", String::new()),
            TaskTarget::Classification(class) => ("class", labels(&class.labels)),
        };
        [one_line(&columns.join(", ")), kind.to_owned(), what]
    });
    let mut text = format!(
        "predicts\n\n{}\n\nfrom\n\n{}\n\nwith {}\n\n{}\n\nweights: sha256 {}\n",
        output::text_table(["column", "kind", ""], tasks),
        output::text_table(["column", "kind", "", "encoded columns"], inputs),
        networks(model),
        model.graph().summary(),
        model.weights_sha256(),
    );
    text += &model.run_record().map_or_else(
        || "nothing is told of the run that trained it".to_owned(),
        |record| run_text(&record),
    );
    text
}

fn networks(model: &Model) -> String {
    let n_params = model.graph().params_len();
    let networks = match model.members().len() {
        1 => format!("a network of {n_params} parameters"),
        n => format!("the mean of {n} networks of {n_params} parameters each"),
    };
    output::blended(model).map_or(networks.clone(), |blended| format!("{networks}; {blended}"))
}

/// The kind of a column, and what is known of it.
fn kind_of(column: &InputColumn) -> (&'static str, String) {
    kind_of_encoding(&column.encoding)
}

fn kind_of_encoding(encoding: &Encoding) -> (&'static str, String) {
    match encoding {
        Encoding::NamedNumber { number, names } => {
            let n = names.categories().map_or(0, |(categories, _)| categories.len());
            let by = match **names {
                Encoding::TargetStatistics { .. } => ", by what the targets were",
                _ => "",
            };
            let number = kind_of_encoding(number).1;
            ("number and category", format!("{number}; {n} names{by}"))
        }
        Encoding::Numeric { mean, std, range, .. } => {
            let range = range.map_or(String::new(), |[least, most]| format!("{least} to {most}, "));
            ("number", format!("{range}{} ± {}", figure(Some(*mean)), figure(Some(*std))))
        }
        Encoding::Robust { median, spread, .. } => (
            "number",
            format!("median {}, quartiles {} apart", figure(Some(*median)), figure(Some(*spread))),
        ),
        Encoding::Date { cycles, .. } => (
            "date",
            match cycles.len() {
                0 => String::new(),
                n => format!("with {n} cycles"),
            },
        ),
        Encoding::Categorical { categories, .. } => ("category", labels(categories)),
        Encoding::TargetStatistics { categories, .. } => {
            ("category", format!("{}, by what the targets were", labels(categories)))
        }
    }
}

/// The first labels, and how many more there are.
fn labels(labels: &[String]) -> String {
    let shown: Vec<&str> = labels.iter().take(MOST_LABELS).map(String::as_str).collect();
    let more = match labels.len().saturating_sub(MOST_LABELS) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    one_line(&format!("{}{more}", shown.join(", ")))
}

/// The run in words. Whoever wrote the file may have written anything.
fn run_text(record: &Value) -> String {
    let text = |key: &str| one_line(record[key].as_str().unwrap_or("not told"));
    let summary = &record["summary"];
    let count = |key: &str| summary[key].as_u64().map_or("?".to_owned(), |n| n.to_string());
    let members = summary["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_members = |key: &str| {
        let values: Vec<String> = members.iter().map(|member| member[key].to_string()).collect();
        one_line(&values.join(", "))
    };
    let mut lines = format!(
        "trained by {} on {} of {} rows; epochs {}; seeds {}\ndata: sha256 {}\n",
        text("program"),
        count("train_rows"),
        count("rows"),
        of_members("epochs"),
        of_members("seed"),
        text("data_sha256"),
    );
    if record["certificate"].is_object() {
        lines += &format!("{}\n", certificate::words(&record["certificate"]));
    }
    let columns = summary["test"].as_object().into_iter().flatten();
    let scores = columns.flat_map(|(column, metrics)| {
        let metrics = metrics.as_object().into_iter().flatten();
        metrics.filter(|(metric, _)| is_headline(metric)).map(move |(metric, value)| {
            [one_line(column), one_line(metric), figure(value.as_f64())]
        })
    });
    let scores = output::text_table(["column", "metric", "test"], scores);
    lines += &format!("\non {} rows that it had not seen\n\n{scores}\n", count("test_rows"));
    let config = record["config"].as_str().unwrap_or("not told");
    lines += &format!(
        "\nits settings (`anabranch train --config` reads them)\n\n{}",
        config.lines().map(one_line).collect::<Vec<_>>().join("\n")
    );
    lines
}
