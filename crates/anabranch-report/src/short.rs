//! The report in a few lines of text, for a terminal of 80 columns.

use std::fmt::Write;

use crate::figures::{figure, shortened};
use crate::findings::Findings;
use crate::history::Epoch;
use crate::importance::top;
use crate::run::Run;

/// Characters of a name, of a curve and of a bar.
const NAME: usize = 20;
const CURVE: usize = 36;
const BAR: usize = 20;

/// Columns that are shown for each column that is predicted.
const COLUMNS: usize = 5;

const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// How the losses fell, and the columns that matter most, in lines of at most 80 characters.
pub fn short(run: &Run<'_>, findings: &Findings) -> String {
    losses(run) + &columns(run, findings)
}

fn losses(run: &Run<'_>) -> String {
    let is_validated = run.epochs.iter().any(|epoch| epoch.validation.is_some());
    let part = if is_validated { "validation" } else { "training" };
    let mut text = format!("{part} loss by epoch\n");
    for (i, task) in run.model.targets().tasks().iter().enumerate() {
        let curve = mean_losses(run.epochs, i);
        if let [first, .., last] | [first @ last] = &curve[..] {
            let (first, last) = (figure(Some(*first)), figure(Some(*last)));
            let line = sparkline(&thinned(&curve));
            let _ = writeln!(text, "  {}  {line}  {first} to {last}", padded(&task.name(), NAME));
        }
    }
    text
}

fn columns(run: &Run<'_>, findings: &Findings) -> String {
    let mut text = format!(
        "columns that matter most: growth of the error on the {} rows where permuted\n",
        run.judged().0
    );
    for errors in &findings.errors {
        let all = top(&findings.importance, &errors.target);
        let largest = all.first().map_or(0.0, |first| first.mean);
        let mut name = errors.target.name.as_str();
        for importance in all.iter().take(COLUMNS).filter(|importance| importance.mean > 0.0) {
            let _ = writeln!(
                text,
                "  {}  {}  {}  {}",
                padded(name, NAME),
                padded(&importance.column, NAME),
                padded(&bar(importance.mean / largest), BAR),
                figure(Some(importance.mean))
            );
            name = "";
        }
    }
    text
}

/// The losses of a task, epoch by epoch: means over the members that came so far.
fn mean_losses(epochs: &[Epoch], task: usize) -> Vec<f64> {
    let mut sums: Vec<[f64; 2]> = Vec::new();
    for epoch in epochs {
        let losses = epoch.validation.as_ref().unwrap_or(&epoch.train);
        let Some(place) = epoch.epoch.checked_sub(1) else { continue };
        if place >= sums.len() {
            sums.resize(place + 1, [0.0; 2]);
        }
        if let Some(loss) = losses.get(task) {
            sums[place] = [sums[place][0] + loss, sums[place][1] + 1.0];
        }
    }
    sums.into_iter().filter(|[_, n]| *n > 0.0).map(|[sum, n]| sum / n).collect()
}

/// As many means of neighbours as there is room for.
fn thinned(curve: &[f64]) -> Vec<f64> {
    let together = curve.len().div_ceil(CURVE).max(1);
    curve.chunks(together).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect()
}

fn sparkline(values: &[f64]) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let height = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        HEIGHTS[((share * 7.0).round() as usize).min(7)]
    };
    values.iter().map(|value| height(*value)).collect()
}

/// A bar of a share of [`BAR`] characters, to an eighth of one.
fn bar(share: f64) -> String {
    let eighths = (share * (8 * BAR) as f64).round().clamp(1.0, (8 * BAR) as f64) as usize;
    let mut bar = EIGHTHS[7].to_string().repeat(eighths / 8);
    bar.extend((!eighths.is_multiple_of(8)).then(|| EIGHTHS[eighths % 8 - 1]));
    bar
}

fn padded(text: &str, width: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{:width$}", shortened(&plain, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_and_bars_are_drawn_in_eighths() {
        assert_eq!(sparkline(&[8.0, 1.0, 4.0]), "█▁▄");
        assert_eq!(sparkline(&[2.0]), "▁");
        assert_eq!([bar(1.0), bar(0.5)], ["█".repeat(20), "█".repeat(10)]);
        assert_eq!([bar(0.006), bar(0.07)], ["▏", "█▍"]);
    }

    #[test]
    fn members_are_averaged_as_far_as_they_came() {
        let epoch = |member, epoch, loss| Epoch {
            member,
            epoch,
            train: vec![9.0],
            validation: Some(vec![loss]),
            lr_factor: 1.0,
        };
        let epochs = [epoch(0, 1, 4.0), epoch(0, 2, 3.0), epoch(1, 1, 2.0)];
        assert_eq!(mean_losses(&epochs, 0), [3.0, 3.0]);
        assert_eq!(thinned(&(0..73).map(f64::from).collect::<Vec<_>>()).len(), 25);
    }
}
