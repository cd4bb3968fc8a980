//! Where is it wrong?

use std::fmt::Write;

use super::parts::{Head, card, folded, gallery, name, plot, table};
use crate::by_group::ByGroup;
use crate::errors::{Bin, Errors, WorstRow};
use crate::figures::{figure, percent, whole};
use crate::findings::Findings;
use crate::plot::{Axis, Plot};
use crate::run::Run;
use crate::target::TargetKind;

/// Rows that are drawn, at most.
const DOTS: usize = 600;

/// Classes of a confusion matrix that can be read as a table, and the confusions that are listed
/// of more.
const MATRIX: usize = 16;
const CONFUSIONS: usize = 15;

/// Bins that the range of predictions is cut into.
const BINS: usize = 8;

pub(super) fn part(run: &Run<'_>, findings: &Findings) -> String {
    let part = run.judged().0;
    let cards = findings.errors.iter().filter(|errors| errors.n_rows > 0).map(|errors| {
        let body = match &errors.target.kind {
            TargetKind::Number(_) => numbers(errors),
            TargetKind::Class(labels) => classes(errors, labels),
        };
        let body = body + &groups(errors) + &worst(run, errors);
        card(&name(&errors.target.name), &body)
    });
    let cards: String = cards.collect();
    format!("<p class=\"soft\">On the {part} rows.</p>\n{cards}")
}

/// Every n-th of the rows, so that there are few enough.
fn drawn(pairs: &[[f64; 2]]) -> impl Iterator<Item = [f64; 2]> {
    pairs.iter().copied().step_by(pairs.len().div_ceil(DOTS).max(1))
}

fn numbers(errors: &Errors) -> String {
    let column = &errors.target.name;
    let all = || errors.numbers.iter().flatten().copied();
    let axis = |label: &str| Axis::of(label, all());
    let mut predicted = Plot::new(axis(&format!("true {column}")), axis("predicted"));
    let ends = all().map(|v| [v, v]).reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])]);
    let diagonal = ends.into_iter().flatten().map(|v| [v, v]);
    predicted.dots("c0", drawn(&errors.numbers));
    predicted.line("c1 dashed", diagonal);
    let left = plot(
        "Predicted against true: right ones lie on the line",
        &predicted.svg(&format!("predicted against true {column}")),
    );

    let residuals: Vec<[f64; 2]> =
        errors.numbers.iter().map(|[truth, predicted]| [*predicted, predicted - truth]).collect();
    let mut wrong = Plot::new(
        Axis::of(&format!("predicted {column}"), residuals.iter().map(|r| r[0])),
        Axis::of("predicted − true", residuals.iter().map(|r| r[1]).chain([0.0])),
    );
    wrong.dots("c0", drawn(&residuals));
    let ends: Vec<f64> = residuals.iter().map(|r| r[0]).collect();
    let (low, high) = ends.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    wrong.line("c5 dashed", [[low, 0.0], [high, 0.0]]);
    let means = binned(residuals);
    wrong.line("c1", means.iter().copied());
    wrong.dots("c1 strong", means);
    let right = plot(
        "Errors over the range of predictions, and their mean",
        &wrong.svg(&format!("errors of {column} over its predictions")),
    );
    gallery(&[left, right])
}

/// The mean of bins with as many rows each.
fn binned(mut residuals: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    residuals.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let n_rows = residuals.len().div_ceil(BINS).max(1);
    let mean = |bin: &[[f64; 2]]| {
        [0, 1].map(|i| bin.iter().map(|residual| residual[i]).sum::<f64>() / bin.len() as f64)
    };
    residuals.chunks(n_rows).map(mean).collect()
}

fn classes(errors: &Errors, labels: &[String]) -> String {
    let matrix = if labels.len() <= MATRIX {
        matrix(errors, labels)
    } else {
        confusions(errors, labels) + &by_class(errors, labels)
    };
    matrix + &gallery(&[calibration(&errors.calibration)])
}

/// True classes against predicted ones, darker where there are more rows.
fn matrix(errors: &Errors, labels: &[String]) -> String {
    let mut html = String::from(
        "<p>Rows of each true class (line by line), by the class that is predicted; in percent, how \
         many are right.</p>\n<div class=\"wide\"><table class=\"matrix\">\n<tr><th></th>",
    );
    for label in labels {
        let _ = write!(html, "<th scope=\"col\">{}</th>", name(label));
    }
    html += "<th scope=\"col\">right</th></tr>\n";
    for (class, (label, row)) in labels.iter().zip(&errors.confusion).enumerate() {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", name(label));
        let total: usize = row.iter().sum();
        for (predicted, count) in row.iter().enumerate() {
            let colour = if predicted == class { "--c0" } else { "--c1" };
            let share = 60.0 * *count as f64 / total.max(1) as f64;
            let _ = write!(
                html,
                "<td style=\"background:color-mix(in srgb,var({colour}) {share:.0}%,transparent)\">{}</td>",
                if *count == 0 { String::new() } else { whole(*count) }
            );
        }
        let right =
            if total == 0 { "–".into() } else { percent(row[class] as f64 / total as f64) };
        let _ = writeln!(html, "<td>{right}</td></tr>");
    }
    html + "</table></div>\n"
}

/// The most frequent confusions of many classes.
fn confusions(errors: &Errors, labels: &[String]) -> String {
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    for (class, row) in errors.confusion.iter().enumerate() {
        let wrong = row.iter().enumerate().filter(|(predicted, n)| *predicted != class && **n > 0);
        found.extend(wrong.map(|(predicted, n)| (*n, class, predicted)));
    }
    if found.is_empty() {
        return "<p>No class is taken for another.</p>\n".into();
    }
    found.sort_by_key(|(n, class, predicted)| (usize::MAX - n, *class, *predicted));
    let rows = found.iter().take(CONFUSIONS).map(|(n, class, predicted)| {
        vec![name(&labels[*class]), name(&labels[*predicted]), whole(*n)]
    });
    format!(
        "<p>The most frequent confusions.</p>\n{}",
        table(&[Head::Words("true"), Head::Words("predicted"), Head::Numbers("rows")], rows)
    )
}

/// How many rows of each of many classes are right.
fn by_class(errors: &Errors, labels: &[String]) -> String {
    let rows = labels.iter().zip(&errors.confusion).enumerate().map(|(class, (label, row))| {
        let n_rows: usize = row.iter().sum();
        let predicted: usize = errors.confusion.iter().map(|row| row[class]).sum();
        let share = |of: usize| match of {
            0 => "–".into(),
            _ => percent(row[class] as f64 / of as f64),
        };
        vec![name(label), whole(n_rows), share(n_rows), whole(predicted), share(predicted)]
    });
    let heads = [
        Head::Words("class"),
        Head::Numbers("rows"),
        Head::Numbers("of these right"),
        Head::Numbers("predicted"),
        Head::Numbers("of these right"),
    ];
    folded(&format!("All {} classes", labels.len()), &table(&heads, rows))
}

fn calibration(bins: &[Bin]) -> String {
    let x = Axis::between("probability of the predicted class", [0.0, 1.0]);
    let mut drawing = Plot::new(x, Axis::between("share that is right", [0.0, 1.0]));
    drawing.line("c5 dashed", [[0.0, 0.0], [1.0, 1.0]]);
    let points = || bins.iter().map(|bin| [bin.probability, bin.right]);
    drawing.line("c0", points());
    drawing.dots("c0 strong", points());
    let rows: Vec<String> = bins.iter().map(|bin| whole(bin.n_rows)).collect();
    let caption = format!(
        "Do probabilities hold? On the line they do; rows behind the dots: {}",
        rows.join(", ")
    );
    plot(&caption, &drawing.svg("share of right rows by probability"))
}

/// Tables of the metrics of groups.
fn groups(errors: &Errors) -> String {
    let of_column = |by: &ByGroup| {
        let column = name(&by.column);
        let mut heads = vec![Head::Words(&column), Head::Numbers("rows")];
        let metrics = by.groups.iter().take(1).flat_map(|group| &group.metrics);
        heads.extend(metrics.map(|metric| Head::Numbers(metric.name)));
        let rows = by.groups.iter().map(|group| {
            let value = if group.value.is_empty() { "(empty)".into() } else { name(&group.value) };
            let figures = group.metrics.iter().map(|metric| figure(metric.value));
            [value, whole(group.n_rows)].into_iter().chain(figures).collect()
        });
        let left_out = match by.n_left_out {
            0 => String::new(),
            1 => "<p class=\"soft\">One group of a few rows is left out.</p>\n".into(),
            n => format!("<p class=\"soft\">{n} groups of a few rows are left out.</p>\n"),
        };
        format!("<div>\n{}{left_out}</div>\n", table(&heads, rows))
    };
    let tables: String = errors.by_group.iter().map(of_column).collect();
    match tables.is_empty() {
        true => tables,
        false => format!("<p>By group:</p>\n<div class=\"tables\">\n{tables}</div>\n"),
    }
}

fn worst(run: &Run<'_>, errors: &Errors) -> String {
    let (what, by) = match errors.target.kind {
        TargetKind::Number(_) => ("line", "predicted − true"),
        TargetKind::Class(_) => ("line", "probability of the true class"),
    };
    let what = if run.lines.is_empty() { "row" } else { what };
    let rows = errors.worst.iter().map(|WorstRow { row, truth, predicted, by }| {
        let place = run.lines.get(*row).copied().unwrap_or(*row);
        vec![place.to_string(), name(truth), name(predicted), figure(Some(*by))]
    });
    let table = table(
        &[Head::Words(what), Head::Numbers("true"), Head::Numbers("predicted"), Head::Numbers(by)],
        rows,
    );
    folded(&format!("The {} rows that are predicted worst", errors.worst.len()), &table)
}
