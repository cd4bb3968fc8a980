//! What a trainer checks before it runs: that network, data and batches fit together.

use anabranch_data::Dataset;
use anabranch_graph::{Graph, Workspace};
use anabranch_layers::{Target, TargetKind};
use anabranch_tensor::Scalar;

use crate::batch_order::BatchOrder;
use crate::error::TrainError;

/// Checks that the heads of `graph` are the tasks of `dataset`, whose `targets` these are.
pub(crate) fn check_tasks<T: Scalar>(
    graph: &Graph<T>,
    dataset: &Dataset<T>,
    targets: &[Target<'_, T>],
) -> Result<(), TrainError> {
    for (what, expected, got) in [
        ("input matrices", graph.input_widths().count(), 1),
        ("inputs", graph.inputs(), dataset.n_inputs),
        ("tasks", graph.heads().len(), targets.len()),
    ] {
        if expected != got {
            return Err(TrainError::Sizes { what, expected, got });
        }
    }
    for ((head, target), values) in graph.heads().iter().zip(targets).zip(&dataset.tasks) {
        let (expected, got) = (head.outputs(), values.outputs());
        if expected != got {
            return Err(TrainError::Sizes { what: "outputs of a head", expected, got });
        }
        let (expected, is_of_kind) = match head.loss().target_kind() {
            TargetKind::Values => ("numbers", matches!(target, Target::Values(_))),
            TargetKind::Classes => ("a class", matches!(target, Target::Classes(_))),
            TargetKind::Binary => ("yes or no in each column", matches!(target, Target::Values(_))),
        };
        if !is_of_kind {
            let got = if matches!(target, Target::Classes(_)) { "classes" } else { "numbers" };
            return Err(TrainError::Kind { head: head.name().to_owned(), expected, got });
        }
        head.loss().check_target(target, dataset.n_rows, head.outputs()).map_err(|reason| {
            TrainError::Target { head: head.name().to_owned(), reason: reason.to_string() }
        })?;
    }
    Ok(())
}

/// Checks the batches of an epoch: that their rows exist, and that the network can be trained on so
/// many.
pub(crate) fn check_epoch<T: Scalar>(
    batches: &dyn BatchOrder,
    workspace: &Workspace<T>,
    n_rows: usize,
    epoch: usize,
) -> Result<(), TrainError> {
    let (min, max) = (workspace.min_rows(), workspace.max_rows());
    for batch in 0..batches.n_batches() {
        let rows = batches.batch(batch);
        let refused = |reason| Err(TrainError::Batch { epoch, batch, reason });
        if !(min..=max).contains(&rows.len()) {
            return refused(format!("expected {min} to {max} rows, got {}", rows.len()));
        }
        if let Some(row) = rows.iter().find(|row| **row >= n_rows) {
            return refused(format!("row {row} of a data set of {n_rows} rows, counted from 0"));
        }
    }
    Ok(())
}
