//! What a model is worth on groups of rows.

use anabranch_train::JudgedTask;

use crate::groups::Grouping;
use crate::importance::{Importance, top};
use crate::named::{HEADLINES, Named, named};
use crate::run::Run;
use crate::target::Target;

/// Rows below which the metrics of a group are chance.
const LEAST_ROWS: usize = 10;

/// Groups that a table can be read with.
const MOST_GROUPS: usize = 10;

/// Input columns by which rows are grouped, for each column that is predicted.
const SHOWN: usize = 3;

/// What a model is worth for a column that is predicted, by the values of another one, on the rows
/// that judge it.
#[derive(Clone, Debug, PartialEq)]
pub struct ByGroup {
    /// The column that groups rows.
    pub column: String,
    /// The groups that have rows enough.
    pub groups: Vec<JudgedGroup>,
    /// How many have some, but too few.
    pub n_left_out: usize,
}

/// What a model is worth on the rows of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedGroup {
    /// The value that they have in common.
    pub value: String,
    /// Rows that have the column that is predicted.
    pub n_rows: usize,
    /// The headline metrics.
    pub metrics: Vec<Named>,
}

/// What was `judged` of a column that is predicted, on the rows that judge the model: by the column
/// that the split kept together, and by those inputs that matter most for it.
pub(crate) fn by_group(
    run: &Run<'_>,
    target: &Target,
    judged: &JudgedTask,
    importance: &[Importance],
) -> Vec<ByGroup> {
    let order = top(importance, target);
    let mut groupings: Vec<(Option<usize>, &Grouping)> = run
        .groupings
        .iter()
        .map(|g| (order.iter().position(|input| input.column == g.column), g))
        .collect();
    groupings.sort_by_key(|(place, _)| *place);
    let n_inputs = groupings.iter().filter(|(place, _)| place.is_some()).count();
    let most = groupings.len() - n_inputs + SHOWN;
    let found = groupings.into_iter().filter_map(|(_, g)| of_grouping(run, target, judged, g));
    found.take(most).collect()
}

/// The same for one grouping, if there is something to compare.
fn of_grouping(
    run: &Run<'_>,
    target: &Target,
    judged: &JudgedTask,
    grouping: &Grouping,
) -> Option<ByGroup> {
    let presence = run.prepared.dataset.presence(target.task);
    let rows = run.judged().1;
    let mut n_rows = vec![0; grouping.values.len()];
    rows.iter().filter(|row| presence.has(**row)).for_each(|row| {
        n_rows[grouping.value_of[*row]] += 1;
    });
    let is_large = |value: &usize| n_rows[*value] >= LEAST_ROWS;
    let large: Vec<usize> = (0..n_rows.len()).filter(is_large).collect();
    if !(2..=MOST_GROUPS).contains(&large.len()) {
        return None;
    }
    let task = &run.model.targets().tasks()[target.task];
    let groups = large.iter().map(|value| {
        let metrics = judged.metrics_of(&grouping.counts(*value, rows.iter().copied()));
        let mut metrics = named(task, &metrics).swap_remove(target.place);
        metrics.truncate(HEADLINES);
        JudgedGroup { value: grouping.values[*value].clone(), n_rows: n_rows[*value], metrics }
    });
    Some(ByGroup {
        column: grouping.column.clone(),
        groups: groups.collect(),
        n_left_out: n_rows.iter().filter(|n| (1..LEAST_ROWS).contains(n)).count(),
    })
}
