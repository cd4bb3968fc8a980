//! What a run shows about itself: signs that something went wrong although nothing failed.
//!
//! Each finding is a [`Warning`] with a code, a sentence and what to do about it;
//! `docs/doctor.md` has a section for each. A finding that many sound runs had would be noise:
//! limits are such that none of the tables they were tried on raises one without cause.

use anabranch_data::{
    Dataset, RegressionTarget, Targets, TaskTarget, TaskValues, Warning, WarningCode,
};
use anabranch_graph::{LayerKind, Mode, NamedLayer, Workspace};
use anabranch_layers::Activation;
use anabranch_tensor::rows::gather_rows;
use anabranch_tensor::{Executor, Scalar, matrix};

use crate::baselines::baselines_on;
use crate::model::Model;
use crate::observer::Recovery;
use crate::task_metrics::TaskMetrics;

/// Losses are of very different scale if one is so many times another in the first epoch.
const SCALES_APART: f64 = 100.0;

/// A class with so many rows should be in each part of the split.
const ROWS_OF_A_CLASS: usize = 10;

/// Parameters for each training row from which on a network is far too large for its table.
const PARAMETERS_PER_ROW: usize = 1_000;

/// Fewest rows by which a network is compared with the simplest predictions.
const ROWS_TO_COMPARE: usize = 20;

/// How much the validation loss has risen since its lowest if a network overfits.
const RISE: f64 = 1.1;

/// A layer is reported if this share of its units is dead, on at most so many training rows.
const DEAD_SHARE: f64 = 0.5;
const ROWS_TO_SEE_LIFE: usize = 1_000;

/// How the losses of a task went in one network, epoch by epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossCurve {
    /// The task's name.
    pub task: String,
    /// Weighted mean losses of the training rows.
    pub train: Vec<f64>,
    /// Those of the validation rows; none if there are no such rows.
    pub validation: Vec<f64>,
}

/// What is wrong with the data and the size of a network before it trains.
pub fn examine_split<T: Scalar>(
    dataset: &Dataset<T>,
    targets: &Targets,
    n_parameters: usize,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let n_rows = dataset.split.train.len();
    if n_parameters > PARAMETERS_PER_ROW * n_rows {
        let message = format!(
            "{n_rows} training rows are few for {n_parameters} parameters: a smaller --hidden may predict better"
        );
        warnings.push(Warning::new(WarningCode::FewRows, message).count(n_rows));
    }
    for (task, target) in targets.tasks().iter().enumerate() {
        let (TaskTarget::Classification(target), TaskValues::Classes { class, n_classes }) =
            (target, &dataset.tasks[task])
        else {
            continue;
        };
        let presence = dataset.presence(task);
        let count = |rows: &[usize]| {
            let mut counts = vec![0; *n_classes];
            let rows = rows.iter().filter(|row| presence.has(**row));
            rows.for_each(|row| counts[class[*row] as usize] += 1);
            counts
        };
        let split = &dataset.split;
        let trained: Vec<usize> = count(&split.train);
        for (part, rows) in [("validation", &split.validation), ("test", &split.test)] {
            if rows.is_empty() {
                continue;
            }
            let counts = count(rows);
            let is_absent = |k: &usize| counts[*k] == 0 && trained[*k] >= ROWS_OF_A_CLASS;
            let absent: Vec<&str> =
                (0..*n_classes).filter(is_absent).map(|k| target.labels[k].as_str()).collect();
            if let Some(first) = absent.first() {
                let message = format!(
                    "column {:?}: no {part} row is of {} of its classes, such as {first:?}: what the network makes of \
                     them is not judged there; divide the rows otherwise",
                    target.column,
                    absent.len()
                );
                let warning = Warning::new(WarningCode::AbsentClass, message);
                warnings.push(warning.column(&target.column).count(absent.len()));
            }
        }
    }
    warnings
}

/// What the losses of a run tell: the curves of all tasks of each network, and whether training
/// stopped by itself and took the best weights.
pub fn examine_curves(members: &[Vec<LossCurve>], stops: StopsEarly) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let Some(first) = members.first() else { return warnings };
    let starts = first.iter().filter_map(|curve| Some((curve, *curve.train.first()?)));
    let starts: Vec<(&LossCurve, f64)> = starts.filter(|(_, loss)| *loss > 0.0).collect();
    let by_loss = |a: &&(&LossCurve, f64), b: &&(&LossCurve, f64)| a.1.total_cmp(&b.1);
    if let (Some((low, least)), Some((high, most))) =
        (starts.iter().min_by(by_loss), starts.iter().max_by(by_loss))
        && *most > SCALES_APART * least
    {
        let message = format!(
            "the loss of {:?} is {:.0} times that of {:?}, which hardly counts in what they share: set \
             --task-weight or --target-scale",
            high.task,
            most / least,
            low.task
        );
        warnings.push(Warning::new(WarningCode::LossScales, message).column(&low.task));
    }
    if stops == StopsEarly::No {
        for (task, curve) in first.iter().enumerate() {
            let turned = members.iter().filter_map(|curves| turning(curves.get(task)?));
            let turned: Vec<(usize, f64)> = turned.collect();
            // Most networks of an ensemble, not one of them.
            if 2 * turned.len() > members.len()
                && let Some((epoch, rise)) = turned.first()
            {
                let message = format!(
                    "{:?} is overfitted: its validation loss was lowest after epoch {epoch} and has risen by {:.0} % \
                     since: set --patience, or fewer --epochs",
                    curve.task,
                    100.0 * rise
                );
                warnings.push(Warning::new(WarningCode::Overfitting, message).column(&curve.task));
            }
        }
    }
    warnings
}

/// What it says that the networks of a run, each with its recoveries, went back to the beginning of
/// an epoch.
pub fn examine_recoveries(members: &[Vec<Recovery>]) -> Option<Warning> {
    let n_networks = members.iter().filter(|recoveries| !recoveries.is_empty()).count();
    let all = || members.iter().flatten();
    let first = all().next()?;
    let least = all().map(|recovery| recovery.lr).fold(f64::INFINITY, f64::min);
    let networks =
        if members.len() > 1 { format!(" of {n_networks} networks") } else { String::new() };
    let message = format!(
        "numbers were no longer finite in epoch {}{networks}: training went back and on at half the learning rate, and \
         came down to {least}: set a lower --lr, or --clip",
        first.epoch
    );
    Some(Warning::new(WarningCode::Recovered, message).count(all().count()))
}

/// Whether training stops when the validation loss no longer falls, with the best weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopsEarly {
    /// It does.
    Yes,
    /// It goes on to the end, and the last weights count.
    No,
}

/// The epoch, counted from 1, after which the validation loss rose while the training loss went on
/// falling, and by which share it rose.
fn turning(curve: &LossCurve) -> Option<(usize, f64)> {
    let LossCurve { train, validation, .. } = curve;
    let least = validation.iter().copied().fold(f64::INFINITY, f64::min);
    let place = validation.iter().position(|loss| *loss == least)?;
    let (last, trained) = (*validation.last()?, (*train.get(place)?, *train.last()?));
    let has_turned = last > RISE * least && least > 0.0 && trained.1 < trained.0;
    has_turned.then(|| (place + 1, last / least - 1.0))
}

/// What a trained model shows on the rows that it was trained with: tasks in which it is no better
/// than the simplest predictions, and layers most of whose units do nothing.
pub fn examine_model(model: &Model, dataset: &Dataset<f32>) -> Vec<Warning> {
    let targets = model.targets();
    let mut warnings = Vec::new();
    let rows = &dataset.split.validation;
    let (judged, simplest) =
        (model.judged(dataset, rows, targets), baselines_on(dataset, targets, rows));
    for ((judged, simplest), target) in judged.iter().zip(&simplest).zip(targets.tasks()) {
        if judged.n_judged() < ROWS_TO_COMPARE {
            continue;
        }
        for column in no_better(&judged.metrics(), simplest, target) {
            let message = format!(
                "{column:?} is predicted no better than without looking at the rows: other inputs, a higher --lr \
                 or more --epochs may help, or there is nothing to learn"
            );
            warnings.push(Warning::new(WarningCode::NoProgress, message).column(column));
        }
    }
    warnings.extend(dead_layers(model, dataset));
    warnings
}

/// The columns in which a network is no better than the simplest predictions.
fn no_better<'a>(
    network: &TaskMetrics,
    simplest: &TaskMetrics,
    target: &'a TaskTarget,
) -> Vec<&'a str> {
    let is_no_better = |network: Option<f64>, simplest: Option<f64>| match (network, simplest) {
        (Some(network), Some(simplest)) => simplest > 0.0 && network >= simplest,
        _ => false,
    };
    let columns = network.regression().iter().zip(simplest.regression()).zip(target.regression());
    let numbers =
        columns.filter(|((network, simplest), _)| is_no_better(network.rmse, simplest.rmse));
    let numbers = numbers.map(|(_, target): (_, &RegressionTarget)| target.column.as_str());
    let class = network.classification().zip(simplest.classification());
    let class =
        class.filter(|(network, simplest)| is_no_better(network.log_loss, simplest.log_loss));
    numbers.chain(class.and_then(|_| target.columns().next())).collect()
}

/// Layers of the first network of a model most of whose units are 0 on all rows: a ReLU has no
/// derivative there, so that they never learn again.
fn dead_layers(model: &Model, dataset: &Dataset<f32>) -> Vec<Warning> {
    let (exec, graph) = (Executor::serial(), model.graph());
    let rows = &dataset.split.train[..dataset.split.train.len().min(ROWS_TO_SEE_LIFE)];
    let Some(snapshot) = model.snapshots().next() else { return Vec::new() };
    let Ok(mut workspace) = Workspace::new(graph, &exec, rows.len().max(1), Mode::Inference) else {
        // Prediction has had the same memory.
        return Vec::new();
    };
    let mut x = vec![0.0; rows.len() * dataset.n_inputs];
    gather_rows(&dataset.x, dataset.n_inputs, rows, &mut x);
    let x = matrix(&x, rows.len(), dataset.n_inputs);
    graph.infer(&exec, &snapshot.params, &snapshot.state, &mut workspace, &[x]);
    let is_relu = |layer: &NamedLayer| layer.layer == LayerKind::Activation(Activation::Relu);
    let relus = model.river().branches.iter().flat_map(|branch| {
        let places = 0..branch.layers.len();
        places.map(|i| &branch.layers[i..]).filter(|layers| is_relu(&layers[0]))
    });
    let dead = relus.filter_map(|layers| {
        // Dropout, which does nothing here, may have taken over its memory.
        let is_same = |layer: &&NamedLayer| matches!(layer.layer, LayerKind::Dropout { .. });
        let layer = &layers[0];
        let mut nodes = std::iter::once(layer).chain(layers[1..].iter().take_while(is_same));
        let values = nodes.find_map(|node| workspace.value(graph.node(&node.name)?))?;
        let n_units = values.ncols();
        let n_dead = values.columns().into_iter().filter(|unit| unit.iter().all(|y| *y == 0.0));
        let n_dead = n_dead.count();
        (n_dead as f64 >= DEAD_SHARE * n_units as f64 && n_units > 1).then(|| {
            let message = format!(
                "{n_dead} of the {n_units} units of layer {:?} are 0 for all training rows and learn nothing: a lower \
                 --lr or another --activation may help",
                layer.name
            );
            Warning::new(WarningCode::DeadUnits, message).share(n_dead, n_units)
        })
    });
    dead.collect()
}

#[cfg(test)]
mod tests {
    use anabranch_data::{Fractions, Presence, Table, TargetColumns, prepare};

    use super::*;

    fn curve(task: &str, train: &[f64], validation: &[f64]) -> LossCurve {
        LossCurve { task: task.into(), train: train.to_vec(), validation: validation.to_vec() }
    }

    fn codes(warnings: &[Warning]) -> Vec<WarningCode> {
        warnings.iter().map(|warning| warning.code).collect()
    }

    #[test]
    fn losses_of_very_different_scale_are_told() {
        let run =
            |least: f64| vec![vec![curve("a", &[least, 1e-9], &[]), curve("b", &[50.0], &[])]];
        assert_eq!(examine_curves(&run(0.6), StopsEarly::No), []);
        let found = examine_curves(&run(0.25), StopsEarly::No);
        assert_eq!(codes(&found), [WarningCode::LossScales]);
        assert!(found[0].message.contains("\"b\" is 200 times that of \"a\""), "{found:?}");
    }

    #[test]
    fn the_epoch_of_turning_is_told_where_the_last_weights_count() {
        let turned = curve("a", &[3.0, 2.0, 1.0, 0.5], &[3.0, 2.0, 2.4, 2.5]);
        let fine = curve("a", &[3.0, 2.0, 1.0, 0.9], &[3.0, 2.0, 1.5, 1.6]);
        let run = |curves: &[&LossCurve]| -> Vec<Vec<LossCurve>> {
            curves.iter().map(|curve| vec![(*curve).clone()]).collect()
        };
        let found = examine_curves(&run(&[&turned]), StopsEarly::No);
        assert_eq!(codes(&found), [WarningCode::Overfitting]);
        assert!(found[0].message.contains("epoch 2 and has risen by 25 %"), "{found:?}");
        assert_eq!(examine_curves(&run(&[&turned]), StopsEarly::Yes), []);
        assert_eq!(examine_curves(&run(&[&turned, &fine]), StopsEarly::No), []);
        assert_eq!(examine_curves(&run(&[&fine]), StopsEarly::No), []);
    }

    #[test]
    fn a_class_that_a_part_lacks_is_told() {
        let csv: String = (0..100).map(|i| format!("{}.5,{}\n", i % 17, i % 2)).collect();
        let table = Table::from_reader("t", format!("x,c\n{csv}").as_bytes()).unwrap();
        let columns = TargetColumns::new().classify("c");
        let exec = Executor::serial();
        let prepared = prepare::<f32>(&exec, &table, &columns, Fractions::default(), 1).unwrap();
        let (mut data, targets) = (prepared.dataset, prepared.targets);
        assert_eq!(examine_split(&data, &targets, 1000), []);
        let TaskValues::Classes { class, .. } = &data.tasks[0] else { panic!("{targets:?}") };
        data.split.test.retain(|row| class[*row] == 0);
        let found = examine_split(&data, &targets, 1000);
        assert_eq!(codes(&found), [WarningCode::AbsentClass]);
        assert!(found[0].message.contains("no test row is of 1 of its classes, such as \"1\""));
        data.split.test.clear();
        let few = examine_split(&data, &targets, 1 + 1000 * data.split.train.len());
        assert_eq!(codes(&few), [WarningCode::FewRows]);
        data.present = vec![Presence::All];
        assert_eq!(examine_split(&data, &targets, 1000), []);
    }
}
