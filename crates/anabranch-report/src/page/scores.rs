//! Is the model any good?

use anabranch_train::Covered;

use super::parts::{Head, bars, card, name, table};
use crate::figures::{figure, percent, whole};
use crate::findings::Findings;
use crate::named::Better;
use crate::run::Run;
use crate::scores::Score;
use crate::target::{Target, TargetKind};

pub(super) fn part(run: &Run<'_>, findings: &Findings) -> String {
    if run.prepared.dataset.split.test.is_empty() {
        return "<p>There are no test rows: nothing says how good the model is on rows that it has \
                not seen.</p>\n"
            .into();
    }
    let of_errors =
        |errors: &crate::errors::Errors| of_target(run, findings, &errors.target, errors.n_rows);
    findings.errors.iter().map(of_errors).collect()
}

fn of_target(run: &Run<'_>, findings: &Findings, target: &Target, n_rows: usize) -> String {
    let scores: Vec<&Score> =
        findings.scores.iter().filter(|score| score.target == target.name).collect();
    let heading = format!("{} <small>{}</small>", name(&target.name), kind(target));
    let Some(error) = scores.iter().find(|score| score.key == error_key(target)) else {
        return String::new();
    };
    let Some(value) = error.model else {
        return card(
            &heading,
            "<p>It is not judged: it was not trained, or no test row has it.</p>\n",
        );
    };
    let simplest = simplest(target);
    let mut words = format!(
        "On {} test rows the {} is <b>{}</b>",
        whole(n_rows),
        described(target),
        figure(Some(value))
    );
    let against = |other: Option<f64>, what: &str| -> Option<String> {
        let ratio = value / other.filter(|other| *other > 0.0)?;
        Some(format!("{} that of {what}", compared(ratio)))
    };
    let comparisons = [against(error.simplest, simplest), against(error.linear, "a linear model")];
    let comparisons: Vec<String> = comparisons.into_iter().flatten().collect();
    if !comparisons.is_empty() {
        words += &format!(": {}", comparisons.join(", and "));
    }
    words += ".";
    if let Some(accuracy) = scores.iter().find(|score| score.key == "accuracy")
        && let (Some(model), Some(simplest)) = (accuracy.model, accuracy.simplest)
    {
        words += &format!(
            " {} of the rows are classified right; always naming the most frequent class, it would be {}.",
            percent(model),
            percent(simplest)
        );
    }
    let body = format!(
        "<p>{words}</p>\n{}{}{}",
        error_bars(run, error, value, simplest),
        covered(run, target),
        scores_table(run, &scores, simplest)
    );
    card(&heading, &body)
}

/// How one error compares with another, in words.
fn compared(ratio: f64) -> String {
    // Rounded, the others would be 100 % or 0.
    const LEAST: f64 = 0.0005;
    match ratio {
        2.0.. => format!("{ratio:.1} times"),
        _ if (ratio - 1.0).abs() < LEAST => "about".into(),
        1.0.. => format!("{} above", percent(ratio - 1.0)),
        0.01.. => format!("{} below", percent(1.0 - ratio)),
        _ => "less than a hundredth of".into(),
    }
}

/// The errors of model, linear model and simplest prediction as bars.
fn error_bars(run: &Run<'_>, error: &Score, value: f64, simplest: &str) -> String {
    let rows = [
        (model_name(run), "c0", Some(value)),
        ("linear model", "c5", error.linear),
        (simplest, "c5", error.simplest),
    ];
    let largest = rows.iter().filter_map(|(_, _, value)| *value).fold(0.0, f64::max);
    if !(largest > 0.0 && largest.is_finite()) {
        return String::new();
    }
    bars(rows.into_iter().filter_map(|(label, class, value)| {
        let value = value?;
        Some((label.to_owned(), class, value / largest, figure(Some(value))))
    }))
}

fn scores_table(run: &Run<'_>, scores: &[&Score], simplest: &str) -> String {
    let has_members = scores.iter().any(|score| score.members.is_some());
    let has_linear = scores.iter().any(|score| score.linear.is_some());
    let has_intervals = scores.iter().any(|score| score.interval.is_some());
    let mut heads = vec![Head::Words("metric"), Head::Numbers(model_name(run))];
    heads.extend(has_intervals.then_some(Head::Numbers("95 % interval")));
    heads.extend(has_members.then_some(Head::Numbers("its members")));
    heads.extend(has_linear.then_some(Head::Numbers("linear model")));
    heads.push(Head::Numbers(simplest));
    // A metric that is not defined there says nothing.
    let defined = scores.iter().filter(|score| score.model.is_some());
    let rows = defined.map(|score| {
        let arrow = match score.better {
            Better::Lower => "↓ lower is better",
            Better::Higher => "↑ higher is better",
        };
        let mut row = vec![
            format!("{} <small>{arrow}</small>", score.name),
            format!("<b>{}</b>", figure(score.model)),
        ];
        row.extend(has_intervals.then(|| range(score.interval)));
        row.extend(has_members.then(|| range(score.members)));
        row.extend(has_linear.then(|| figure(score.linear)));
        row.push(figure(score.simplest));
        row
    });
    table(&heads, rows)
}

/// From one number to another.
fn range(ends: Option<[f64; 2]>) -> String {
    match ends {
        Some([low, high]) => format!("{} to {}", figure(Some(low)), figure(Some(high))),
        None => "–".into(),
    }
}

/// How often intervals or sets hold the truth, if they were asked for.
fn covered(run: &Run<'_>, target: &Target) -> String {
    let found = run.coverage.and_then(|(asked, columns)| {
        let Covered { share, size, .. } =
            columns.iter().find(|covered| covered.column == target.name)?;
        Some((percent(asked), percent((*share)?), figure(Some((*size)?))))
    });
    let Some((asked, share, size)) = found else { return String::new() };
    let words = match target.kind {
        TargetKind::Number(_) => format!(
            "Intervals for {asked} of the rows hold the true number in <b>{share}</b> of them; they \
             are {size} wide on average."
        ),
        TargetKind::Class(_) => format!(
            "Sets for {asked} of the rows hold the true class in <b>{share}</b> of them; they have \
             {size} classes on average."
        ),
    };
    format!("<p>{words}</p>\n")
}

fn model_name(run: &Run<'_>) -> &'static str {
    if run.model.members().len() > 1 { "ensemble" } else { "network" }
}

/// What a column holds, in words.
pub(super) fn kind(target: &Target) -> String {
    match &target.kind {
        TargetKind::Number(_) => "a number".into(),
        TargetKind::Class(labels) => format!("a class of {}", labels.len()),
    }
}

fn error_key(target: &Target) -> &'static str {
    match target.kind {
        TargetKind::Number(_) => "rmse",
        TargetKind::Class(_) => "log_loss",
    }
}

/// The error in words.
fn described(target: &Target) -> String {
    match target.kind {
        TargetKind::Number(_) => {
            format!("root mean squared error, in the unit of {},", name(&target.name))
        }
        TargetKind::Class(_) => {
            "log-loss (the mean of −log of the true class's probability)".into()
        }
    }
}

fn simplest(target: &Target) -> &'static str {
    match target.kind {
        TargetKind::Number(_) => "the training mean",
        TargetKind::Class(_) => "the training frequencies",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_compared_in_words() {
        for (ratio, words) in [
            (3.25, "3.2 times"),
            (1.5, "50 % above"),
            (1.0006, "0.1 % above"),
            (1.0004, "about"),
            (0.9996, "about"),
            (0.75, "25 % below"),
            (0.012, "99 % below"),
            (0.0099, "less than a hundredth of"),
            (0.0, "less than a hundredth of"),
        ] {
            assert_eq!(compared(ratio), words, "{ratio}");
        }
    }
}
