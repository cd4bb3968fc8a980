//! `--coverage`: how well intervals and sets hold the truth of rows; and what temperatures are
//! worth.

use anabranch::data::{Targets, TaskTarget};
use anabranch::train::{
    ClassificationMetrics, Coverage, Covered, JudgedTask, Model, TemperatureTrial, Verdict,
};
use anabranch_report::figure;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::output;

/// How well the rows of a table are covered.
#[derive(Debug)]
pub(crate) struct CoveredRows {
    asked: f64,
    columns: Vec<Covered>,
}

impl CoveredRows {
    /// At this coverage, or that which the model states; none if there is neither.
    ///
    /// # Errors
    /// If the model is calibrated on too few rows.
    pub(crate) fn of(
        model: &Model,
        asked: Option<f64>,
        judged: &[JudgedTask],
    ) -> Result<Option<Self>, Failure> {
        let Some(asked) = asked.or(model.calibration().coverage()) else { return Ok(None) };
        let columns = model.coverage(asked)?.judge(judged, model.targets());
        Ok(Some(Self { asked, columns }))
    }

    /// `{"asked", "test": {COL: {"covered", "width", "pinball"}}}`, of a class `size`.
    pub(crate) fn json(&self) -> Value {
        let of_column = |covered: &Covered| {
            let Covered { column, share, size, pinball } = covered;
            let object = match pinball {
                Some(pinball) => json!({ "covered": share, "width": size, "pinball": pinball }),
                None => json!({ "covered": share, "size": size }),
            };
            (column.clone(), object)
        };
        let test: Map<String, Value> = self.columns.iter().map(of_column).collect();
        json!({ "asked": self.asked, "test": test })
    }

    /// The share that is to be covered, and each column.
    pub(crate) fn columns(&self) -> (f64, &[Covered]) {
        (self.asked, &self.columns)
    }

    /// A line for each column.
    pub(crate) fn table(&self) -> String {
        let mut table = comfy_table::Table::new();
        let to_cover = format!("to cover {}", self.asked);
        table.set_header([to_cover.as_str(), "covered", "mean width or size"]);
        for Covered { column, share, size, .. } in &self.columns {
            table.add_row([column.clone(), figure(*share), figure(*size)]);
        }
        output::layout(table, 1)
    }
}

/// `{COL: {"temperature", "tried", "before", "after"}}` of each class: metrics of the validation
/// rows without a temperature and with one; `temperature` is `null` if it is not used.
pub(crate) fn temperatures_json(targets: &Targets, trials: &[Option<TemperatureTrial>]) -> Value {
    let of_task = |trial: &TemperatureTrial| {
        let metrics = |m: &ClassificationMetrics| {
            json!({
                "log_loss": m.log_loss,
                "brier": m.brier,
                "calibration_error": m.calibration_error,
            })
        };
        let used = (trial.verdict == Verdict::Used).then_some(trial.temperature);
        let (before, after) = (metrics(&trial.before), metrics(&trial.after));
        json!({
            "temperature": used, "tried": trial.temperature, "before": before, "after": after,
        })
    };
    let tasks = targets.tasks().iter().zip(trials);
    let classes = tasks.filter_map(|(task, trial)| Some((task.name(), of_task(trial.as_ref()?))));
    Value::Object(classes.collect())
}

/// Both ends of the interval of each column of a row.
pub(crate) fn intervals(
    coverage: &Coverage<'_>,
    task: usize,
    values: &[f64],
    deviations: &[f64],
) -> impl Iterator<Item = f64> {
    // None for a single network.
    let deviations = deviations.iter().copied().chain(std::iter::repeat(0.0));
    let columns = values.iter().zip(deviations).enumerate();
    columns.flat_map(move |(j, (value, deviation))| coverage.interval(task, j, *value, deviation))
}

/// The labels of the set of a row, from the most probable on.
pub(crate) fn set(
    coverage: &Coverage<'_>,
    task: usize,
    target: &TaskTarget,
    probabilities: &[f32],
) -> Vec<String> {
    let classes = coverage.set(task, probabilities).into_iter();
    classes.map(|class| target.labels()[class].clone()).collect()
}
