//! Everything that is printed: results on stdout, warnings on stderr.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use anabranch::data::{ClassTarget, Targets, TaskTarget, Warning};
use anabranch::train::{Model, TaskMetrics};
use anabranch_report::{HEADLINES, Named, figure, named};
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::fit::Training;

/// Prints `text` and a line end on stdout.
///
/// If the reader has gone (`anabranch train | head -1`), that is not an error: the work is done all
/// the same.
pub(crate) fn print(text: &impl Display) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::on_the_way(format!("cannot write to stdout ({error})")).coded("write"))
        }
        _ => Ok(()),
    }
}

/// So many warnings of a kind are printed; of thousands, nobody reads more.
const WARNINGS_OF_A_KIND: usize = 20;

/// Prints warnings, one on each line; of each kind the first ones, and how many more there are.
pub(crate) fn warn(warnings: &[Warning]) {
    let mut of_kind = BTreeMap::new();
    for warning in warnings {
        let n = of_kind.entry(warning.code).or_insert(0);
        *n += 1;
        if *n <= WARNINGS_OF_A_KIND {
            caution(warning);
        }
    }
    for (kind, n) in of_kind {
        if n > WARNINGS_OF_A_KIND {
            let kind = json!(kind);
            caution(&format!(
                "{} more of the kind {kind}: --json lists all",
                n - WARNINGS_OF_A_KIND
            ));
        }
    }
}

/// Prints what a user should know, on a line.
pub(crate) fn caution(message: &impl Display) {
    // Whoever closed stderr does not want to know.
    let _ = writeln!(std::io::stderr().lock(), "warning: {message}");
}

/// A path as a terminal may show it: control characters escaped.
pub(crate) fn plain(path: &Path) -> String {
    one_line(&path.to_string_lossy())
}

/// A text of whatever source as a terminal may show it: control characters escaped.
pub(crate) fn one_line(text: &str) -> String {
    let escaped = |c: char| -> String {
        if c.is_control() { c.escape_default().collect() } else { c.to_string() }
    };
    text.chars().map(escaped).collect()
}

/// The exit code of a check.
pub(crate) fn verdict(pass: bool) -> ExitCode {
    ExitCode::from(if pass { 0 } else { 1 })
}

/// What is to be predicted, in one line; `rows` have the targets of each task, of `n_rows`.
pub(crate) fn tasks(targets: &Targets, rows: &[usize], n_rows: usize) -> String {
    let of_task = |(task, rows): (&TaskTarget, &usize)| {
        let rows = (*rows < n_rows).then(|| format!("{rows} rows"));
        let (words, classes) = match task {
            TaskTarget::Regression(_) => {
                (format!("regress {}", task.columns().collect::<Vec<_>>().join(", ")), None)
            }
            TaskTarget::Classification(ClassTarget { column, labels, .. }) => {
                (format!("classify {column}"), Some(format!("{} classes", labels.len())))
            }
        };
        let more: Vec<String> = classes.into_iter().chain(rows).collect();
        if more.is_empty() { words } else { format!("{words} ({})", more.join(", ")) }
    };
    targets.tasks().iter().zip(rows).map(of_task).collect::<Vec<_>>().join(", ")
}

/// The tasks in order: name, kind, columns, the epoch whose weights predict, the scale of the
/// targets, the rows that have them, and how much a linear model counts in the predictions.
pub(crate) fn tasks_json(
    model: &Model,
    best_epoch: impl Fn(usize) -> Option<usize>,
    rows: &[usize],
) -> Value {
    let of_task = |(number, (task, rows)): (usize, (&TaskTarget, &usize))| {
        let (kind, scale) = match task {
            TaskTarget::Regression(columns) => {
                let mut kinds: Vec<String> =
                    columns.iter().map(|column| column.scale.kind().to_string()).collect();
                kinds.dedup();
                ("regression", Some(kinds.join(",")))
            }
            TaskTarget::Classification(_) => ("classification", None),
        };
        json!({
            "name": task.name(),
            "kind": kind,
            "columns": task.columns().collect::<Vec<_>>(),
            "best_epoch": best_epoch(number),
            "scale": scale,
            "rows": rows,
            "linear_share": model.blend().map_or(0.0, |blend| blend.shares()[number]),
        })
    };
    model.targets().tasks().iter().zip(rows).enumerate().map(of_task).collect()
}

/// The members of an ensemble in order, or the single network: its seed, epochs, and the epoch
/// whose weights predict each task.
pub(crate) fn members_json(members: &[Training]) -> Value {
    let of_member = |member: &Training| {
        let Training { seed, epochs, best_epochs } = member;
        json!({ "seed": seed, "epochs": epochs, "best_epochs": best_epochs })
    };
    members.iter().map(of_member).collect()
}

/// `{COL: {"kind", …}}`, an undefined metric as `null`.
pub(crate) fn metrics_json(targets: &Targets, metrics: &[TaskMetrics]) -> Value {
    let columns = of_columns(targets, metrics).map(|(column, kind, metrics)| {
        let mut object = Map::from_iter([("kind".to_owned(), json!(kind.name()))]);
        object.extend(metrics.into_iter().map(|m| (m.key.to_owned(), json!(m.value))));
        (column.to_owned(), Value::Object(object))
    });
    let mut columns: Map<String, Value> = columns.collect();
    for Confusion { column, labels, counts } in confusions(targets, metrics) {
        columns[column]["confusion"] = json!({ "labels": labels, "rows": counts });
    }
    Value::Object(columns)
}

/// The scores of other predictions by name: linear models, if there are any, the training mean of
/// numbers, the majority class.
pub(crate) fn baselines_json(
    targets: &Targets,
    linear: &[TaskMetrics],
    baselines: &[TaskMetrics],
) -> Value {
    let Value::Object(columns) = metrics_json(targets, baselines) else { return Value::Null };
    let is_class = |value: &Value| value["kind"] == Kind::Classification.name();
    let (majority, mean): (Map<_, _>, Map<_, _>) =
        columns.into_iter().partition(|(_, value)| is_class(value));
    let mut all = json!({ "mean": mean, "majority": majority });
    if !linear.is_empty() {
        all["linear"] = metrics_json(targets, linear);
    }
    all
}

/// `{COL: {METRIC: [low, high]}}`: the bootstrap intervals of metrics, `null` where there is none.
pub(crate) fn intervals_json(targets: &Targets, ends: &[[TaskMetrics; 2]]) -> Value {
    let [low, high] = [0, 1].map(|end| {
        let metrics: Vec<TaskMetrics> = ends.iter().map(|ends| ends[end].clone()).collect();
        values(targets, &metrics)
    });
    let of_column = |((column, low), (_, high)): ((String, Vec<Named>), (_, Vec<Named>))| {
        let pairs = low.into_iter().zip(high).map(|(low, high)| {
            let ends = low.value.zip(high.value).map(|(low, high)| [low, high]);
            (low.key.to_owned(), json!(ends))
        });
        (column, Value::Object(pairs.collect()))
    };
    Value::Object(low.into_iter().zip(high).map(of_column).collect())
}

/// Rows of each label of a class column, by the label that they are predicted as.
struct Confusion<'a> {
    column: &'a str,
    labels: &'a [String],
    counts: Vec<Vec<u64>>,
}

fn confusions<'a>(
    targets: &'a Targets,
    metrics: &'a [TaskMetrics],
) -> impl Iterator<Item = Confusion<'a>> {
    targets.tasks().iter().zip(metrics).filter_map(|(target, metrics)| {
        let (TaskTarget::Classification(target), Some(metrics)) =
            (target, metrics.classification())
        else {
            return None;
        };
        let ClassTarget { column, labels, .. } = target;
        let rows = metrics.confusion.chunks_exact(labels.len().max(1));
        let counts = rows.map(|row| row.iter().map(|count| *count as u64).collect());
        Some(Confusion { column, labels, counts: counts.collect() })
    })
}

/// For each class column of not too many labels, a table of the rows of each label by the label
/// that they are predicted as.
pub(crate) fn confusion_tables(targets: &Targets, metrics: &[TaskMetrics]) -> String {
    /// What fits into a terminal of 80 columns.
    const WIDEST: usize = 80;
    let of_column = |Confusion { column, labels, counts }: Confusion<'_>| {
        let mut table = Table::new();
        let corner = format!("{column}: true, predicted");
        table.set_header(std::iter::once(&corner).chain(labels));
        for (label, counts) in labels.iter().zip(counts) {
            table.add_row(std::iter::once(label.clone()).chain(counts.iter().map(u64::to_string)));
        }
        let text = layout(table, 1);
        let width = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        if width <= WIDEST { format!("\n\n{text}") } else { String::new() }
    };
    confusions(targets, metrics).map(of_column).collect()
}

/// A table of metrics, one line each; next to the network's, those of linear models, if there are
/// any, and of the two simplest predictions.
pub(crate) fn metrics_table(
    targets: &Targets,
    detail: Detail,
    network: &[TaskMetrics],
    linear: &[TaskMetrics],
    baselines: &[TaskMetrics],
) -> String {
    let mut table = Table::new();
    let of_linear = (!linear.is_empty()).then_some("linear model");
    let header = ["column", "metric", "network"].into_iter().chain(of_linear);
    table.set_header(header.chain(["training mean", "majority class"]));
    let [mut linear, mut baselines] = [linear, baselines].map(|all| of_columns(targets, all));
    for (column, kind, metrics) in of_columns(targets, network) {
        let linear = linear.next().map_or(Vec::new(), |(_, _, metrics)| metrics);
        let baseline = baselines.next().map_or(Vec::new(), |(_, _, metrics)| metrics);
        for (i, metric) in metrics.iter().enumerate().take(detail.most_metrics()) {
            if i >= Detail::Headlines.most_metrics() && metric.value.is_none() {
                continue;
            }
            let column = if i == 0 { column } else { "" };
            let mut row = vec![column.to_owned(), metric.name.to_owned(), figure(metric.value)];
            row.extend(linear.get(i).map(|linear| figure(linear.value)));
            let mean = row.len();
            row.resize(mean + 2, String::new());
            if let Some(baseline) = baseline.get(i) {
                row[mean + usize::from(kind == Kind::Classification)] = figure(baseline.value);
            }
            table.add_row(row);
        }
    }
    layout(table, 2)
}

/// Whether a network is better than linear models, column by column, in a sentence: by its RMSE and
/// its log-loss; `None` where neither is known.
pub(crate) fn against_linear(
    targets: &Targets,
    network: &[TaskMetrics],
    linear: &[TaskMetrics],
) -> Option<String> {
    let (mut better, mut not_better) = (Vec::new(), Vec::new());
    let columns = of_columns(targets, network).zip(of_columns(targets, linear));
    for ((column, _, network), (_, _, linear)) in columns {
        let is_error = |metric: &&Named| matches!(metric.key, "rmse" | "log_loss");
        let error = |metrics: &[Named]| metrics.iter().find(is_error).and_then(|m| m.value);
        match (error(&network), error(&linear)) {
            (Some(network), Some(linear)) if network < linear => better.push(column),
            (Some(_), Some(_)) => not_better.push(column),
            _ => {}
        }
    }
    let part = |words: &str, columns: Vec<&str>| {
        (!columns.is_empty())
            .then(|| format!("{words} than a linear model: {}", columns.join(", ")))
    };
    let parts = [part("better", better), part("not better", not_better)];
    parts.into_iter().flatten().reduce(|a, b| format!("{a}; {b}"))
}

/// In which tasks a linear model counts beside the networks, and how much; `None` if in none.
pub(crate) fn blended(model: &Model) -> Option<String> {
    let shares = model.blend()?.shares().iter();
    let tasks = model.targets().tasks().iter().zip(shares).filter(|(_, share)| **share > 0.0);
    let parts = tasks.map(|(task, share)| format!("{:.0} % of {}", share * 100.0, task.name()));
    let parts: Vec<String> = parts.collect();
    Some(format!("a linear model counts for {}", parts.join(", ")))
}

/// What a column is predicted as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Regression,
    Classification,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Classification => "classification",
        }
    }
}

/// How many metrics of a column a table has.
#[derive(Clone, Copy)]
pub(crate) enum Detail {
    /// The three that say most.
    Headlines,
    /// All that are defined there.
    All,
}

impl Detail {
    pub(crate) fn most_metrics(self) -> usize {
        match self {
            Self::Headlines => HEADLINES,
            Self::All => usize::MAX,
        }
    }
}

/// The metrics of each target column, in order.
pub(crate) fn values(targets: &Targets, metrics: &[TaskMetrics]) -> Vec<(String, Vec<Named>)> {
    of_columns(targets, metrics).map(|(name, _, metrics)| (name.to_owned(), metrics)).collect()
}

/// The metrics of each target column, in order.
fn of_columns<'a>(
    targets: &'a Targets,
    metrics: &'a [TaskMetrics],
) -> impl Iterator<Item = (&'a str, Kind, Vec<Named>)> {
    targets.tasks().iter().zip(metrics).flat_map(move |(target, metrics)| {
        let kind = match metrics {
            TaskMetrics::Regression(_) => Kind::Regression,
            TaskMetrics::Classification(_) | TaskMetrics::Binary(_) => Kind::Classification,
        };
        let columns = target.columns().zip(named(target, metrics));
        columns.map(move |(column, metrics)| (column, kind, metrics))
    })
}

/// Refuses metrics that are infinite or NaN, which JSON cannot represent.
pub(crate) fn check_finite(targets: &Targets, metrics: &[TaskMetrics]) -> Result<(), Failure> {
    for (column, _, metrics) in of_columns(targets, metrics) {
        let wrong = metrics.iter().find(|metric| metric.value.is_some_and(|v| !v.is_finite()));
        if let Some(Named { name, .. }) = wrong {
            let message = format!(
                "column {column:?}: its {name} is not finite: some row lies far outside what training saw, or the model \
                 is damaged"
            );
            return Err(Failure::on_the_way(message).coded("not_finite"));
        }
    }
    Ok(())
}

/// How a network and the simplest predictions score in a task, in words.
pub(crate) fn worth(network: &TaskMetrics, simplest: &TaskMetrics) -> String {
    let losses = |metrics: &TaskMetrics| -> Vec<Option<f64>> {
        let of_class = metrics.classification().map(|class| class.log_loss);
        metrics.regression().iter().map(|column| column.rmse).chain(of_class).collect()
    };
    let name = if network.classification().is_some() { "log-loss" } else { "RMSE" };
    let pairs = losses(network).into_iter().zip(losses(simplest));
    let pairs: Vec<String> = pairs
        .map(|(network, simplest)| format!("{} against {}", figure(network), figure(simplest)))
        .collect();
    format!("{name} {}", pairs.join(", "))
}

/// A table of words.
pub(crate) fn text_table<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.set_header(header);
    rows.for_each(|row| _ = table.add_row(row));
    layout(table, N)
}

/// Lays out a table with one rule, below its header; the columns from `first_number` on are
/// right-aligned.
pub(crate) fn layout(mut table: Table, first_number: usize) -> String {
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
