//! Everything that is printed: results on stdout, warnings on stderr.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anabranch::data::Targets;
use anabranch::graph::{Summary, SummaryRow};
use anabranch::train::{ClassificationMetrics, Metrics, RegressionMetrics};
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// Prints `text` and a line end on stdout.
///
/// That its reader has gone (`anabranch train | head -1`) is no failure: the work is done all the same.
pub(crate) fn print(text: &impl Display) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::on_the_way(format!("cannot write to stdout ({error})")))
        }
        _ => Ok(()),
    }
}

/// Prints warnings, each on a line.
pub(crate) fn warn(warnings: &[impl Display]) {
    let mut stderr = std::io::stderr().lock();
    for warning in warnings {
        // Whoever closed stderr does not want to know.
        let _ = writeln!(stderr, "warning: {warning}");
    }
}

/// The exit code of a check.
pub(crate) fn verdict(pass: bool) -> ExitCode {
    ExitCode::from(if pass { 0 } else { 1 })
}

/// `{COL: {"kind", …}}`, an undefined metric as `null`.
pub(crate) fn metrics_json(targets: &Targets, metrics: &Metrics) -> Value {
    let mut columns = Map::new();
    for (target, RegressionMetrics { rmse, mae, r2 }) in
        targets.regression().iter().zip(&metrics.regression)
    {
        let metrics = json!({ "kind": "regression", "rmse": rmse, "mae": mae, "r2": r2 });
        columns.insert(target.column.clone(), metrics);
    }
    let ClassificationMetrics { accuracy, log_loss, macro_f1 } = &metrics.classification;
    let class = json!({
        "kind": "classification", "accuracy": accuracy, "log_loss": log_loss, "macro_f1": macro_f1,
    });
    columns.insert(targets.class().column.clone(), class);
    Value::Object(columns)
}

/// A table of metrics, one line for each; beside the network's those of the two baselines, if given.
pub(crate) fn metrics_table(
    targets: &Targets,
    network: &Metrics,
    baselines: Option<&Metrics>,
) -> String {
    let mut table = Table::new();
    let n_baselines = if baselines.is_some() { 2 } else { 0 };
    let header = ["column", "metric", "network", "training mean", "majority class"];
    table.set_header(&header[..3 + n_baselines]);
    let mut add =
        |[column, metric]: [&str; 2], value, baseline: Option<Option<f64>>, place: usize| {
            let mut row = vec![column.to_owned(), metric.to_owned(), figure(value)];
            row.resize(3 + n_baselines, String::new());
            if let Some(baseline) = baseline {
                row[place] = figure(baseline);
            }
            table.add_row(row);
        };
    let of_numbers = |m: &RegressionMetrics| [("RMSE", m.rmse), ("MAE", m.mae), ("R²", m.r2)];
    for (i, (target, metrics)) in targets.regression().iter().zip(&network.regression).enumerate() {
        for (j, (metric, value)) in of_numbers(metrics).into_iter().enumerate() {
            let baseline = baselines.map(|b| of_numbers(&b.regression[i])[j].1);
            let column = if j == 0 { &target.column } else { "" };
            add([column, metric], value, baseline, 3);
        }
    }
    let of_classes = |m: &ClassificationMetrics| {
        [("accuracy", m.accuracy), ("log-loss", m.log_loss), ("macro-F1", m.macro_f1)]
    };
    for (j, (metric, value)) in of_classes(&network.classification).into_iter().enumerate() {
        let baseline = baselines.map(|b| of_classes(&b.classification)[j].1);
        let column = if j == 0 { &targets.class().column } else { "" };
        add([column, metric], value, baseline, 4);
    }
    layout(table, 2)
}

/// A table of a network's nodes, of 80 columns for the usual names.
pub(crate) fn network_table(summary: &Summary) -> String {
    let mut table = Table::new();
    table.set_header(["node", "layer", "reads", "width", "parameters", "flop/row"]);
    for SummaryRow { name, kind, inputs, outputs, params, flops_per_row } in &summary.rows {
        let [width, params, flops] = [outputs, params, flops_per_row].map(usize::to_string);
        table.add_row([name, kind, &inputs.join(", "), &width, &params, &flops]);
    }
    let [params, flops] = [summary.params(), summary.flops_per_row()].map(|n| n.to_string());
    table.add_row(["total", "", "", "", &params, &flops]);
    layout(table, 3)
}

/// Lays a table out with one line, below its header; the columns from `first_number` on are flush right.
fn layout(mut table: Table, first_number: usize) -> String {
    let line = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(line));
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if i >= first_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// A metric to four significant digits; undefined, a dash.
fn figure(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(value) => {
            let digits_before_point = value.abs().log10().floor().clamp(-9.0, 9.0) as i32 + 1;
            let decimals = usize::try_from(4 - digits_before_point.max(0)).unwrap_or(0);
            format!("{value:.decimals$}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits() {
        for (value, expected) in [
            (Some(0.123_456), "0.1235"),
            (Some(1.5), "1.500"),
            (Some(0.0), "0.0000"),
            (Some(-0.001_23), "-0.0012"),
            (Some(543.21), "543.2"),
            (Some(123_456.7), "123457"),
            (Some(f64::INFINITY), "inf"),
            (Some(f64::NAN), "NaN"),
            (None, "–"),
        ] {
            assert_eq!(figure(value), expected);
        }
    }
}
