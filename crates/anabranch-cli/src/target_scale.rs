//! On which scale numbers are predicted: what `--target-scale` asks for, and what validation rows
//! say where it asks for `auto`.

use anabranch::data::{
    RegressionTarget, ScaleKind, TargetColumns, TaskColumns, TaskTarget, Warning, WarningCode,
};
use anabranch::graph::Fusion;
use anabranch::tensor::Executor;
use anabranch::train::{NoObserver, RegressionMetrics, Trainer};

use crate::failure::Failure;
use crate::run_setup::Setup;

/// With logarithms, the RMSE has to be lower by this share: validation rows are few, and such a
/// difference can be chance. Ranks are not tried: they lose more than they gain, since beyond the
/// numbers of training they have nothing to go by.
const GAIN: f64 = 0.03;

/// Logarithms are tried beside the standard scale where 1 and the largest number is at least so
/// many times 1 and the least: within less they are nearly a straight line.
const WIDE: f64 = 5.0;

/// Logarithms come into question unasked where a column's deviation is at least so many times its
/// mean: a few rows then are nearly all of the squared error. No target of the tables that defaults
/// are judged on is so skewed.
const SKEWED: f64 = 2.0;

/// What is asked for the columns of a run.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    scales: Vec<(String, ScaleKind)>,
    /// Columns whose scale validation rows choose.
    auto: Vec<String>,
}

impl Asked {
    /// What the flags `NAME=KIND` say; a name is a task's or a column's.
    pub(crate) fn of(flags: &[(String, String)], columns: &TargetColumns) -> Result<Self, Failure> {
        let mut asked = Self::default();
        for (name, kind) in flags {
            let of_name = columns.tasks.iter().filter_map(|task| match task {
                TaskColumns::Regress(columns) if columns.join(",") == *name => Some(&columns[..]),
                TaskColumns::Regress(columns) => {
                    columns.iter().find(|column| *column == name).map(std::slice::from_ref)
                }
                TaskColumns::Classify(_) => None,
            });
            // The library refuses a name that is none of these.
            let named = of_name.flatten().cloned().collect::<Vec<_>>();
            let named = if named.is_empty() { vec![name.clone()] } else { named };
            if kind == "auto" {
                asked.auto.extend(named);
                continue;
            }
            let kind: ScaleKind = kind.parse().map_err(|why| {
                Failure::input(format!("--target-scale {name}={kind}: {why}, or auto"))
            })?;
            asked.scales.extend(named.into_iter().map(|column| (column, kind)));
        }
        Ok(asked)
    }

    /// What `set_up` makes with these scales. Where they are to be chosen, a network is trained
    /// with either scale that comes into question, and their errors on the validation rows are
    /// compared; what was chosen, and why, is a warning for each column.
    pub(crate) fn set_up(
        &self,
        exec: &Executor,
        set_up: impl Fn(&[(String, ScaleKind)]) -> Result<Setup, Failure>,
    ) -> Result<(Setup, Vec<Warning>), Failure> {
        let standard = set_up(&self.scales)?;
        let tasks = standard.prepared.targets.tasks().iter();
        let targets: Vec<&RegressionTarget> = tasks.flat_map(TaskTarget::regression).collect();
        let is_wide = |column: &&String| {
            let target = targets.iter().find(|target| target.column == column.trim());
            let range = target.and_then(|target| target.range);
            range.is_some_and(|[min, max]| min >= 0.0 && 1.0 + max >= WIDE * (1.0 + min))
        };
        let is_asked =
            |column: &String| self.scales.iter().any(|(asked, _)| asked.trim() == column);
        let skewed = targets.iter().filter(|target| target.std >= SKEWED * target.mean);
        let unasked = skewed.map(|target| &target.column).filter(|column| !is_asked(column));
        let mut wide: Vec<String> = self.auto.iter().filter(is_wide).cloned().collect();
        for column in unasked.filter(is_wide) {
            if !wide.iter().any(|known| known.trim() == column) {
                wide.push(column.clone());
            }
        }
        if wide.is_empty() || standard.prepared.dataset.split.validation.is_empty() {
            return Ok((standard, Vec::new()));
        }
        let with = |columns: &[String]| {
            let logarithmic = columns.iter().map(|column| (column.clone(), ScaleKind::Log1p));
            set_up(&self.scales.iter().cloned().chain(logarithmic).collect::<Vec<_>>())
        };
        let logarithmic = with(&wide)?;
        let errors = [validation_errors(exec, &standard)?, validation_errors(exec, &logarithmic)?];
        let (mut gaining, mut warnings) = (Vec::new(), Vec::new());
        for column in &wide {
            let error = |errors: &[(String, f64)]| {
                let found = errors.iter().find(|(name, _)| name == column.trim());
                found.map_or(f64::INFINITY, |(_, error)| *error)
            };
            let [standard, log1p] = [error(&errors[0]), error(&errors[1])];
            let kind = if log1p < standard * (1.0 - GAIN) {
                gaining.push(column.clone());
                ScaleKind::Log1p
            } else {
                ScaleKind::Standard
            };
            let message = format!(
                "column {column:?} is predicted on the scale {kind}: the RMSE on validation rows is {standard:.4e} with \
                 standard, {log1p:.4e} with log1p"
            );
            warnings.push(Warning::new(WarningCode::TargetScale, message).column(column));
        }
        let chosen = match gaining.len() {
            0 => standard,
            n if n == wide.len() => logarithmic,
            _ => with(&gaining)?,
        };
        Ok((chosen, warnings))
    }
}

/// Trains a network, and tells the RMSE of each column of numbers on the validation rows; none if
/// it diverges.
fn validation_errors(exec: &Executor, setup: &Setup) -> Result<Vec<(String, f64)>, Failure> {
    let (data, targets) = (&setup.prepared.dataset, &setup.prepared.targets);
    let graph = setup.river.build(Fusion::Fused)?;
    let mut trainer = Trainer::new(data, graph, &setup.config, exec)?;
    if trainer.run(&mut NoObserver).is_err() {
        return Ok(Vec::new());
    }
    let metrics = trainer.metrics(&data.split.validation, targets);
    let columns = targets
        .tasks()
        .iter()
        .zip(&metrics)
        .flat_map(|(target, metrics)| target.regression().iter().zip(metrics.regression()));
    let error = |(target, metrics): (&RegressionTarget, &RegressionMetrics)| {
        Some((target.column.clone(), metrics.rmse.filter(|rmse| rmse.is_finite())?))
    };
    Ok(columns.filter_map(error).collect())
}
