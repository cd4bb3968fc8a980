//! Part of the suite `gemm`: widths that are much slower than the next one that fits whole vectors.

use std::time::Duration;

use anabranch_tensor::Executor;
use serde_json::{Value, json};

use crate::Result;
use crate::backends::{Backend, Multiplication};
use crate::gemm::{PANEL_ROWS, panel};
use crate::network::{DROPOUT, Network, Rule};
use crate::products::Form;
use crate::report::{Report, digits};
use crate::shape::Shape;
use crate::timing::Sampler;

/// Of a pass, for one width.
const SLICE: Duration = Duration::from_micros(600);
const WARM_UP: Duration = Duration::from_micros(300);
/// Passes per second of the time for each width, and the most of them.
const PASSES_PER_SECOND: f64 = 300.0;
const MOST_PASSES: usize = 5;
/// A width below this share of the next multiple's rate is a cliff.
const CLIFF: f64 = 0.6;
/// How often cliffs, and the worst width, are measured again, so that disturbances pass.
const CONFIRMATIONS: usize = 10;
const NARROWEST: usize = 8;
const VECTOR: usize = 16;

/// The kinds of work that every width is measured with.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// C = A·B with m = n = k.
    Square(Form),
    /// A layer's product on a batch.
    Panel(Form),
    /// A whole step in which all layers have one width.
    Step,
}

impl Work {
    fn name(self) -> String {
        match self {
            Self::Square(form) => format!("square {}", form.name()),
            Self::Panel(form) => format!("{PANEL_ROWS}-row panel {}", form.name()),
            Self::Step => format!("step of {PANEL_ROWS} rows"),
        }
    }

    /// Gflop/s at `width`, in the fastest sample.
    fn rate(self, width: usize) -> Result<f64> {
        let (form, dims) = match self {
            Self::Square(form) => (form, [width; 3]),
            Self::Panel(form) => (form, panel(form, width)),
            Self::Step => return step_rate(width),
        };
        let mut product = Multiplication::new(form, dims);
        let flops = 2.0 * dims.iter().product::<usize>() as f64;
        Ok(flops / fastest(|| product.run(Backend::Anabranch)) / 1e3)
    }
}

fn step_rate(width: usize) -> Result<f64> {
    let exec = Executor::serial();
    let shape = Shape {
        rows: PANEL_ROWS,
        inputs: width,
        hidden_a: width,
        outputs_a: width,
        classes: width,
    };
    let mut network = Network::<f32>::new(&exec, shape, Rule::Sgd, DROPOUT)?;
    Ok(shape.flops() / fastest(|| network.step(&exec)) / 1e3)
}

/// Microseconds of a call.
fn fastest(mut work: impl FnMut()) -> f64 {
    let mut sampler = Sampler::warm_up(WARM_UP, &mut work);
    sampler.sample_for(SLICE, &mut work);
    sampler.fastest_us()
}

/// For each kind of work, the width that is slowest relative to the next multiple of 16; only ours,
/// on one thread.
pub(crate) fn run(max_width: usize, seconds: f64) -> Result<Vec<Value>> {
    let squares = Form::ALL.map(Work::Square);
    let panels = Form::ALL.map(Work::Panel);
    let passes = ((seconds * PASSES_PER_SECOND) as usize).clamp(1, MOST_PASSES);
    let mut report =
        Report::new(["work", "worst width", "of the next 16's rate", "widths under 0.6 of it"]);
    let mut json = Vec::new();
    for work in squares.into_iter().chain(panels).chain([Work::Step]) {
        let mut rates = rates(work, max_width.next_multiple_of(VECTOR), passes)?;
        for _ in 0..CONFIRMATIONS {
            let worst = worst(&rates, max_width).map(|(width, _)| width);
            for width in cliffs(&rates, max_width).into_iter().chain(worst) {
                for width in [width, width.next_multiple_of(VECTOR)] {
                    rates[width] = f64::max(rates[width], work.rate(width)?);
                }
            }
        }
        let Some((width, ratio)) = worst(&rates, max_width) else { continue };
        let cliffs = cliffs(&rates, max_width);
        report.row([work.name(), width.to_string(), digits(ratio), ranges(&cliffs)]);
        json.push(json!({
            "suite": "gemm",
            "case": format!("cliffs: {}", work.name()),
            "worst_width": width,
            "worst_ratio": ratio,
            "cliffs": cliffs,
        }));
    }
    report.print();
    Ok(json)
}

/// Gflop/s of each width up to `top`, the best of passes over all widths.
fn rates(work: Work, top: usize, passes: usize) -> Result<Vec<f64>> {
    let mut rates = vec![0.0; top + 1];
    for _ in 0..passes {
        for (width, rate) in rates.iter_mut().enumerate().skip(NARROWEST) {
            *rate = f64::max(*rate, work.rate(width)?);
        }
    }
    Ok(rates)
}

/// The width with the smallest rate relative to that of the next multiple of 16, and the ratio.
fn worst(rates: &[f64], max_width: usize) -> Option<(usize, f64)> {
    ratios(rates, max_width).min_by(|a, b| a.1.total_cmp(&b.1))
}

/// Widths that are much slower than the next multiple of 16.
fn cliffs(rates: &[f64], max_width: usize) -> Vec<usize> {
    ratios(rates, max_width).filter(|(_, ratio)| *ratio < CLIFF).map(|(width, _)| width).collect()
}

/// Widths, and their rates as shares of that of the next multiple of 16.
fn ratios(rates: &[f64], max_width: usize) -> impl Iterator<Item = (usize, f64)> {
    let ratio = |width: usize| rates[width] / rates[width.next_multiple_of(VECTOR)];
    (NARROWEST..=max_width).map(move |width| (width, ratio(width)))
}

/// Ascending numbers the way a person writes them: 8–11, 17.
fn ranges(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [] => String::new(),
        [one] => one.to_string(),
        [first, .., last] => format!("{first}–{last}"),
    });
    let text = runs.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_width_is_found() {
        let mut rates = vec![10.0; 33];
        (rates[17], rates[32]) = (6.0, 20.0);
        assert_eq!(worst(&rates, 32), Some((17, 0.3)));
        assert_eq!(worst(&rates, 16), Some((8, 1.0)));
        (rates[19], rates[20]) = (13.0, 11.9);
        assert_eq!(cliffs(&rates, 20), [17, 18, 20]);
    }

    #[test]
    fn numbers_are_written_as_ranges() {
        assert_eq!(ranges(&[8, 9, 10, 12, 17, 18]), "8–10, 12, 17–18");
        assert_eq!(ranges(&[]), "none");
    }
}
