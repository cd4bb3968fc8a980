//! What later branches make of the predictions of earlier ones.

use anabranch_graph::{Fusion, Graph, GraphError, River};
use anabranch_train::{Member, Model, Snapshot, TaskMetrics, TrainError};

use crate::run::Run;

/// A prediction that joins a later branch, and what the later one is worth without it.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinWorth {
    /// The number of the task whose prediction joins.
    pub from: usize,
    /// The number of the later branch's task.
    pub task: usize,
    /// What the model is worth in this task on the rows that judge it, without the join: 0 stands
    /// in for the prediction, which is the training mean of numbers and no preference for a class.
    pub without: TaskMetrics,
}

/// Every join of the model that leads into a task.
///
/// # Errors
/// If a network cannot be built without one of its joins, which it can.
pub(crate) fn joins(run: &Run<'_>) -> Result<Vec<JoinWorth>, TrainError> {
    let (model, dataset) = (run.model, &run.prepared.dataset);
    let mut found = Vec::new();
    let tasks: Vec<String> = model.river().tasks().map(|(branch, _)| branch.name.clone()).collect();
    for (task, name) in tasks.iter().enumerate() {
        let joins = model.river().branch(name).map_or(&[][..], |branch| &branch.joins);
        for (place, join) in joins.iter().enumerate() {
            let metrics =
                without(model, name, place)?.metrics(dataset, run.judged().1, model.targets());
            let from = tasks.iter().position(|other| *other == join.from);
            let without = metrics[task].clone();
            found.extend(from.map(|from| JoinWorth { from, task, without }));
        }
    }
    Ok(found)
}

/// The model without a join: with all other weights as they are.
fn without(model: &Model, branch: &str, place: usize) -> Result<Model, TrainError> {
    let mut river: River = model.river().clone();
    if let Some(branch) = river.branches.iter_mut().find(|other| other.name == branch) {
        branch.joins.remove(place);
    }
    let graph = river.build::<f32>(Fusion::Fused)?;
    let members = model.members().iter().map(|member| -> Result<_, GraphError> {
        let snapshots = member.snapshots.iter().map(|snapshot| {
            let params = kept(model.graph(), &graph, &snapshot.params);
            Snapshot { params, ..snapshot.clone() }
        });
        Ok(Member { snapshots: snapshots.collect() })
    });
    let members = members.collect::<Result<_, _>>()?;
    Model::new(river, members, model.encoder().clone(), model.targets().clone())?
        .with_blend(model.blend().cloned())?
        .with_calibration(model.calibration().clone())
}

/// Those of the parameters of a graph that another one has too, by their names.
fn kept(from: &Graph<f32>, to: &Graph<f32>, params: &[f32]) -> Vec<f32> {
    let named = to.params().iter().filter_map(|array| from.param(&array.name));
    named.flat_map(|array| params[array.range.clone()].iter().copied()).collect()
}
