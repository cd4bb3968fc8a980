//! Checks of a single loss.

use anabranch_layers::{LayerError, Loss, LossGradient, Target, TargetKind};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Executor, Scalar, matrix, matrix_mut};
use ndarray::Array2;

use super::report::Report;
use super::{ORDER, SINGLE, THREADS, difference, draw, executor, nan, same, widen, written};
use crate::reference::OwnedTarget;

/// scale·∂ℓ/∂prediction, then ℓ of each row.
type Results<T> = (Vec<T>, Vec<T>);

/// Checks `loss` on random predictions `[rows, outputs]` and targets of its kind, and losses of
/// classes also with soft labels.
///
/// # Errors
/// If the loss refuses the size, or a target of its own kind.
pub fn check_loss<L: Loss<f32> + Loss<f64>>(
    loss: &L,
    rows: usize,
    outputs: usize,
) -> Result<Report, LayerError> {
    Loss::<f64>::check(loss, outputs)?;
    let mut report =
        Report::new(format!("{}, {rows} rows of {outputs}", Loss::<f64>::describe(loss)));
    let kind = Loss::<f64>::target_kind(loss);
    let soft = (kind == TargetKind::Classes).then_some(true);
    for is_soft in std::iter::once(false).chain(soft) {
        let mut random = Random::new(2, Purpose::Sample, rows as u64);
        let prediction: Vec<f64> = draw(&mut random, rows * outputs);
        let target = draw_target(kind, is_soft, rows, outputs, &mut random);
        check_target(&mut report, loss, (rows, outputs), &prediction, &target)?;
    }
    Ok(report)
}

fn check_target<L: Loss<f32> + Loss<f64>>(
    report: &mut Report,
    loss: &L,
    (rows, outputs): (usize, usize),
    prediction: &[f64],
    target: &OwnedTarget,
) -> Result<(), LayerError> {
    let serial = Executor::serial();
    let view = target.view();
    Loss::<f64>::check_target(loss, &view, rows, outputs)?;
    let run = |prediction: &[f64], scale| run(loss, &serial, prediction, outputs, view, scale);
    let (d, row_losses) = run(prediction, 0.7);
    report.add("written", written(&d) + written(&row_losses), 0.0);
    let entries = (0..d.len()).step_by(d.len().div_ceil(200));
    difference::compare(report, "prediction", (prediction, &d), entries, |prediction| {
        run(prediction, 1.0).1.iter().map(|loss| 0.7 * loss).sum()
    });
    let twice: Vec<f64> = d.iter().map(|d| 2.0 * d).collect();
    report.compare("scale", &run(prediction, 1.4).0, &twice, ORDER);
    for threads in THREADS {
        let exec = executor(threads);
        let (d2, row_losses2) = self::run(loss, &exec, prediction, outputs, view, 0.7);
        let error = same(&d, &d2) + same(&row_losses, &row_losses2);
        report.add(format!("{threads} threads"), error, 0.0);
    }
    // Each row separately.
    let (mut by_row, mut losses_by_row) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let of_row = &prediction[row * outputs..][..outputs];
        let (d, losses) = self::run(loss, &serial, of_row, outputs, view.rows(row..row + 1), 0.7);
        by_row.extend(d);
        losses_by_row.extend(losses);
    }
    report.compare("shards, derivative", &by_row, &d, ORDER);
    report.compare("shards, loss", &losses_by_row, &row_losses, ORDER);
    let single: Vec<f32> = prediction.iter().map(|p| *p as f32).collect();
    let single_target = OwnedTarget::<f32>::new(&view);
    let (d32, losses32) = self::run(loss, &serial, &single, outputs, single_target.view(), 0.7);
    report.compare("f32, derivative", &widen(&d32), &d, SINGLE);
    report.compare("f32, loss", &widen(&losses32), &row_losses, SINGLE);
    Ok(())
}

fn run<T: Scalar>(
    loss: &dyn Loss<T>,
    exec: &Executor,
    prediction: &[T],
    outputs: usize,
    target: Target<'_, T>,
    scale: f64,
) -> Results<T> {
    let rows = prediction.len() / outputs;
    let (mut d, mut row_losses) = (nan(prediction.len()), nan(rows));
    loss.gradient(LossGradient {
        exec,
        prediction: matrix(prediction, rows, outputs),
        target,
        scale: T::from_f64(scale),
        d: matrix_mut(&mut d, rows, outputs),
        row_losses: &mut row_losses,
    });
    (d, row_losses)
}

/// A target of this kind, with numbers that f32 can represent too.
pub(super) fn draw_target(
    kind: TargetKind,
    is_soft: bool,
    rows: usize,
    outputs: usize,
    random: &mut Random,
) -> OwnedTarget {
    let mut of_rows = |f: &dyn Fn(&mut Random) -> f64| {
        Array2::from_shape_fn((rows, outputs), |_| f64::from(f(random) as f32))
    };
    match kind {
        TargetKind::Values => OwnedTarget::Values(of_rows(&|random| random.normal())),
        TargetKind::Binary => OwnedTarget::Values(of_rows(&|random| random.uniform())),
        TargetKind::Classes if is_soft => {
            // Eighths: they add up to 1 in f32 too.
            let mut labels = Array2::zeros((rows, outputs));
            for mut row in labels.rows_mut() {
                (0..8).for_each(|_| row[random.below(outputs as u64) as usize] += 0.125);
            }
            OwnedTarget::Probabilities(labels)
        }
        TargetKind::Classes => {
            OwnedTarget::Classes((0..rows).map(|_| random.below(outputs as u64) as u32).collect())
        }
    }
}
