//! On which scale numbers are predicted: what `--target-scale` asks for, and what validation rows
//! say where it asks for `auto`.

use anabranch::data::{
    RegressionTarget, ScaleKind, TargetColumns, TaskColumns, TaskTarget, Warning, WarningCode,
};
use anabranch::graph::Fusion;
use anabranch::tensor::{Executor, Scalar};
use anabranch::train::{NoObserver, RegressionMetrics, TaskMetrics, Trainer};

use crate::failure::Failure;
use crate::setup::Setup;

/// Another scale than the standard one has to have an RMSE lower by this share: validation rows are
/// few, and such a difference can be chance.
const GAIN: f64 = 0.02;

/// The scales that are tried, the standard one first.
const TRIED: [ScaleKind; 3] = [ScaleKind::Standard, ScaleKind::Log1p, ScaleKind::RankNormal];

/// What is asked for the columns of a run.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) scales: Vec<(String, ScaleKind)>,
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

    /// Chooses the scales that are to be chosen: trains a network with each, set up by `set_up`,
    /// and compares their errors on the validation rows. What was chosen, and why, is a warning
    /// each.
    pub(crate) fn choose<T: Scalar>(
        &mut self,
        exec: &Executor,
        set_up: impl Fn(&[(String, ScaleKind)]) -> Result<Setup<T>, Failure>,
    ) -> Result<Vec<Warning>, Failure> {
        if self.auto.is_empty() {
            return Ok(Vec::new());
        }
        // The errors of each column, for each scale.
        let mut errors: Vec<Vec<Option<f64>>> = vec![Vec::new(); self.auto.len()];
        for kind in TRIED {
            let mut scales = self.scales.clone();
            scales.extend(self.auto.iter().map(|column| (column.clone(), kind)));
            let setup = set_up(&scales)?;
            let found = validation_errors(exec, &setup)?;
            for (errors, column) in errors.iter_mut().zip(&self.auto) {
                let of_column = found.iter().find(|(name, _)| name == column.trim());
                errors.push(of_column.and_then(|(_, error)| *error));
            }
        }
        let chosen = self.auto.iter().zip(&errors).map(|(column, errors)| {
            let standard = errors[0].unwrap_or(f64::INFINITY);
            let best = errors.iter().zip(TRIED).filter_map(|(error, kind)| Some(((*error)?, kind)));
            let best = best.min_by(|a, b| a.0.total_cmp(&b.0));
            let kind = match best {
                Some((error, kind)) if error < standard * (1.0 - GAIN) => kind,
                _ => ScaleKind::Standard,
            };
            (column.clone(), kind)
        });
        let chosen: Vec<(String, ScaleKind)> = chosen.collect();
        let warnings = chosen.iter().zip(&errors).map(|((column, kind), errors)| {
            let of_kinds = TRIED.iter().zip(errors).map(|(kind, error)| match error {
                Some(error) => format!("{kind} {error:.4e}"),
                None => format!("{kind} unknown"),
            });
            let of_kinds = of_kinds.collect::<Vec<_>>().join(", ");
            let message = format!(
                "column {column:?} is predicted on the scale {kind}, by the RMSE on validation rows: {of_kinds}"
            );
            Warning::new(WarningCode::TargetScale, message).column(column)
        });
        let warnings = warnings.collect();
        self.auto.clear();
        self.scales.extend(chosen);
        Ok(warnings)
    }
}

/// Trains a network, and tells the RMSE of each column of numbers on the validation rows.
fn validation_errors<T: Scalar>(
    exec: &Executor,
    setup: &Setup<T>,
) -> Result<Vec<(String, Option<f64>)>, Failure> {
    let (data, targets) = (&setup.prepared.dataset, &setup.prepared.targets);
    let graph = setup.river.build(Fusion::Fused)?;
    let mut trainer = Trainer::new(data, graph, &setup.config, exec)?;
    // A run that diverges is no candidate.
    let is_trained = trainer.run(&mut NoObserver).is_ok();
    let metrics = trainer.metrics(&data.split.validation, targets);
    let of_task = |(target, metrics): (&TaskTarget, &TaskMetrics)| {
        let error = |metrics: &RegressionMetrics| {
            metrics.rmse.filter(|rmse| is_trained && rmse.is_finite())
        };
        let named = |(target, metrics): (&RegressionTarget, &RegressionMetrics)| {
            (target.column.clone(), error(metrics))
        };
        target.regression().iter().zip(metrics.regression()).map(named).collect::<Vec<_>>()
    };
    Ok(targets.tasks().iter().zip(&metrics).flat_map(of_task).collect())
}
