//! What does it use?

use super::parts::{Head, bars, card, folded, gallery, legend, name, plot, table};
use crate::dependence::{Dependence, Values};
use crate::figures::figure;
use crate::findings::Findings;
use crate::importance::Importance;
use crate::importance::top;
use crate::named::{HEADLINES, named};
use crate::plot::{Axis, Plot};
use crate::run::Run;
use crate::target::Target;

/// Columns whose importance is drawn; of more, a table has all.
const SHOWN: usize = 12;

const COLOURS: [&str; 6] = ["c0", "c1", "c2", "c3", "c4", "c5"];

pub(super) fn part(run: &Run<'_>, findings: &Findings) -> String {
    let of_target = |target: &Target| {
        let body = importance(findings, target) + &effects(findings, target);
        card(&name(&target.name), &body)
    };
    let cards: String = findings.errors.iter().map(|errors| of_target(&errors.target)).collect();
    format!(
        "<p>How much the error grows on the {} rows where the cells of a column are permuted, mean \
         and deviation of five permutations: columns that say the same share their importance.</p>\n{cards}{}",
        run.judged().0,
        joins(run, findings)
    )
}

fn importance(findings: &Findings, target: &Target) -> String {
    let all = top(&findings.importance, target);
    let largest = all.first().map_or(0.0, |first| first.mean);
    let value =
        |i: &Importance| format!("{} ± {}", figure(Some(i.mean)), figure(Some(i.deviation)));
    let rows = all.iter().take(SHOWN).map(|importance| {
        let share = if largest > 0.0 { importance.mean / largest } else { 0.0 };
        (name(&importance.column), "c0", share, value(importance))
    });
    let mut html =
        format!("<p class=\"soft\">Growth of the {}</p>\n{}", target.error_name(), bars(rows));
    if all.len() > SHOWN {
        let rows = all.iter().map(|importance| {
            let Importance { mean, deviation, column, .. } = importance;
            vec![name(column), figure(Some(*mean)), figure(Some(*deviation))]
        });
        let table = table(
            &[Head::Words("column"), Head::Numbers("growth"), Head::Numbers("deviation")],
            rows,
        );
        html += &folded(&format!("All {} columns", all.len()), &table);
    }
    html
}

/// How the predictions of a column follow the most important ones.
fn effects(findings: &Findings, target: &Target) -> String {
    let of_target =
        findings.dependence.iter().filter(|dependence| dependence.target == target.name);
    let figures: Vec<String> = of_target.filter(|d| !d.values.is_empty()).map(effect).collect();
    gallery(&figures)
}

fn effect(dependence: &Dependence) -> String {
    let Dependence { column, target, values, curves } = dependence;
    let xs: Vec<f64> = match values {
        Values::Numbers(values) | Values::Days(values) => values.clone(),
        Values::Names(names) => (0..names.len()).map(|i| i as f64).collect(),
    };
    let x = match values {
        Values::Numbers(values) => Axis::of(column, values.iter().copied()),
        Values::Days(days) => Axis::of(column, days.iter().copied()).few_ticks(3).labelled(&date),
        Values::Names(names) => Axis::names(column, names.iter().map(String::as_str)),
    };
    let of_rows = curves.iter().flat_map(|curve| curve.rows.iter().flatten().copied());
    let of_means = curves.iter().flat_map(|curve| curve.mean.iter().copied());
    // Many classes with many rows each would hide the means.
    let shows_rows = curves.len() == 1;
    let y = match &curves[..] {
        [curve] if curve.label.is_none() => Axis::of(&format!("predicted {target}"), of_rows),
        _ if shows_rows => Axis::of("probability", of_rows),
        _ => Axis::of("probability", of_means.chain([0.0])),
    };
    let mut drawing = Plot::new(x, y);
    let points =
        |ys: &[f64]| -> Vec<[f64; 2]> { xs.iter().zip(ys).map(|(x, y)| [*x, *y]).collect() };
    if shows_rows {
        curves[0].rows.iter().for_each(|row| drawing.line("c5 thin", points(row)));
    }
    for (curve, colour) in curves.iter().zip(COLOURS) {
        drawing.line(colour, points(&curve.mean));
        if matches!(values, Values::Names(_)) || xs.len() == 1 {
            drawing.dots(&format!("{colour} strong"), points(&curve.mean));
        }
    }
    let mut keys: Vec<(&str, String)> = Vec::new();
    for (curve, colour) in curves.iter().zip(COLOURS) {
        let of_label = curve.label.as_ref().map(|label| format!("<span>{}</span>", name(label)));
        keys.push((colour, of_label.unwrap_or_else(|| "<span>mean</span>".into())));
    }
    if shows_rows {
        keys.push(("c5", "<span>single rows</span>".into()));
    }
    let caption = format!("{} {}", name(column), legend(keys));
    plot(&caption, &drawing.svg(&format!("prediction of {target} along {column}")))
}

/// A day since 1970 as a date.
fn date(days: f64) -> String {
    const EPOCH_DAY: i32 = 2_440_588;
    let date = time::Date::from_julian_day((days as i32).saturating_add(EPOCH_DAY));
    date.map_or_else(
        |_| figure(Some(days)),
        |date| {
            let (year, month, day) = date.to_calendar_date();
            format!("{year}-{:02}-{day:02}", u8::from(month))
        },
    )
}

fn joins(run: &Run<'_>, findings: &Findings) -> String {
    let tasks = run.model.targets().tasks();
    let rows = findings.joins.iter().flat_map(|join| {
        let [from, to] = [join.from, join.task].map(|task| name(&tasks[task].name()));
        let target = &tasks[join.task];
        let with = run.metrics.get(join.task).map(|metrics| named(target, metrics));
        let columns = with.unwrap_or_default().into_iter().zip(named(target, &join.without));
        let metrics = columns.flat_map(|(with, without)| {
            with.into_iter().zip(without).take(HEADLINES).collect::<Vec<_>>()
        });
        metrics.map(move |(with, without)| {
            vec![
                format!("{from} for {to}"),
                with.name.to_owned(),
                figure(with.value),
                figure(without.value),
            ]
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() || run.prepared.dataset.split.test.is_empty() {
        return String::new();
    }
    let words = "<p>What a later branch makes of an earlier prediction: its scores without it, where \
                 0 stands in for it (the training mean of numbers, no preference among \
                 classes).</p>\n";
    let table = table(
        &[
            Head::Words("prediction"),
            Head::Words("metric"),
            Head::Numbers("with it"),
            Head::Numbers("without it"),
        ],
        rows,
    );
    card("Predictions that join", &(words.to_owned() + &table))
}
