//! How did training go?

use super::parts::{gallery, legend, name, plot, warnings};
use crate::history::Epoch;
use crate::plot::{Axis, Plot};
use crate::run::Run;

pub(super) fn part(run: &Run<'_>) -> String {
    if run.epochs.is_empty() {
        return "<p>Nothing is known of its epochs.</p>\n".into();
    }
    let tasks = run.model.targets().tasks();
    let mut figures: Vec<String> =
        tasks.iter().enumerate().map(|(i, task)| losses(run, i, &task.name())).collect();
    figures.extend(learning_rate(run));
    let (words, findings) = (words(run), warnings(run.findings));
    format!("<section>\n<p>{words}</p>\n{findings}{}</section>\n", gallery(&figures))
}

/// The members in order, each with its epochs.
fn members<'a>(run: &Run<'a>) -> impl Iterator<Item = &'a [Epoch]> {
    run.epochs.chunk_by(|a, b| a.member == b.member)
}

/// How long it trained, and when it was best.
fn words(run: &Run<'_>) -> String {
    let lengths: Vec<usize> = members(run).map(<[Epoch]>::len).collect();
    let mut words = match &lengths[..] {
        [n] => format!("The network trained for {}.", epochs(&[*n])),
        lengths => format!("{} networks trained for {} each.", lengths.len(), epochs(lengths)),
    };
    for (i, task) in run.model.targets().tasks().iter().enumerate() {
        let best: Option<Vec<usize>> =
            run.best_epochs.iter().map(|epochs| epochs.get(i).copied().flatten()).collect();
        if let Some(best) = best.filter(|best| !best.is_empty()) {
            let noun = if best.len() == 1 { "epoch" } else { "epochs" };
            words += &format!(" Best {noun} for {}: {}.", name(&task.name()), range(&best));
        }
    }
    words
}

fn epochs(lengths: &[usize]) -> String {
    let noun = if lengths == [1] { "epoch" } else { "epochs" };
    format!("{} {noun}", range(lengths))
}

fn range(numbers: &[usize]) -> String {
    let (low, high) = (numbers.iter().min(), numbers.iter().max());
    match (low, high) {
        (Some(low), Some(high)) if low < high => format!("{low} to {high}"),
        (Some(low), _) => low.to_string(),
        _ => "–".into(),
    }
}

/// The losses of a task, epoch by epoch.
fn losses(run: &Run<'_>, task: usize, task_name: &str) -> String {
    let train = |epoch: &Epoch| epoch.train.get(task).copied();
    let validation = |epoch: &Epoch| epoch.validation.as_ref()?.get(task).copied();
    let values = run.epochs.iter().flat_map(|e| [train(e), validation(e)]).flatten();
    let x = epochs_axis(run);
    let mut drawing = Plot::new(x, Axis::of("loss", values));
    let thin = if members(run).count() > 1 { " thin" } else { "" };
    let mut draw = |class: &str, value: &dyn Fn(&Epoch) -> Option<f64>| {
        for epochs in members(run) {
            let points = epochs.iter().filter_map(|e| Some([e.epoch as f64, value(e)?]));
            let points: Vec<[f64; 2]> = points.collect();
            match &points[..] {
                [point] => drawing.dots(class, [*point]),
                _ => drawing.line(&format!("{class}{thin}"), points),
            }
        }
    };
    draw("c5", &train);
    draw("c0", &validation);
    let has_validation = run.epochs.iter().any(|epoch| epoch.validation.is_some());
    let best = members(run).zip(run.best_epochs).filter_map(|(epochs, best)| {
        let best = best.get(task).copied().flatten()?;
        let epoch = epochs.iter().find(|epoch| epoch.epoch == best)?;
        Some([best as f64, validation(epoch)?])
    });
    let best: Vec<[f64; 2]> = best.collect();
    let mut entries = vec![("c5", "<span>training</span>".to_owned())];
    if has_validation {
        entries.push(("c0", "<span>validation</span>".to_owned()));
    }
    if !best.is_empty() {
        entries.push(("c1", "<span>best epoch</span>".to_owned()));
    }
    drawing.dots("c1 strong", best);
    let caption = format!("Loss of {} {}", name(task_name), legend(entries));
    plot(&caption, &drawing.svg(&format!("losses of {task_name} by epoch")))
}

/// The learning rate by epoch; none if it stayed the same.
fn learning_rate(run: &Run<'_>) -> Option<String> {
    let longest = members(run).max_by_key(|epochs| epochs.len())?;
    let rates = longest.iter().map(|epoch| [epoch.epoch as f64, run.lr * epoch.lr_factor]);
    let rates: Vec<[f64; 2]> = rates.collect();
    if rates.windows(2).all(|pair| pair[0][1] == pair[1][1]) {
        return None;
    }
    let y = Axis::of("learning rate", rates.iter().map(|rate| rate[1]).chain([0.0]));
    let mut drawing = Plot::new(epochs_axis(run), y);
    drawing.line("c2", rates);
    Some(plot("Learning rate at the end of each epoch", &drawing.svg("learning rate by epoch")))
}

fn epochs_axis(run: &Run<'_>) -> Axis {
    match run.epochs.iter().map(|epoch| epoch.epoch).max() {
        Some(last) if last > 1 => Axis::of("epoch", [1.0, last as f64]).whole(),
        _ => Axis::between("epoch", [0.5, 1.5]).whole(),
    }
}
