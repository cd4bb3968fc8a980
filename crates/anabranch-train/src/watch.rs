//! Whose validation loss decides which weights are kept, and when a run stops.

use serde::{Deserialize, Serialize};

/// What has to fall for an epoch to be the best so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// The sum of the tasks' weighted losses.
    #[default]
    Sum,
    /// The loss of the task with this number.
    Task(usize),
    /// The loss of each task for itself: the run keeps the weights of each task's best epoch, and
    /// stops when none has improved for long enough. A task of weight 0 has none of its own.
    Each,
}

impl Watch {
    /// The tasks that are predicted with the best weights of each loss that is watched, where the
    /// tasks of a network have these weights.
    pub(crate) fn groups(self, weights: &[f64]) -> Vec<Vec<usize>> {
        let all = 0..weights.len();
        let is_trained = |task: &usize| weights[*task] != 0.0;
        match self {
            Self::Each if all.clone().any(|task| is_trained(&task)) => {
                let mut groups: Vec<Vec<usize>> =
                    all.clone().filter(is_trained).map(|task| vec![task]).collect();
                groups[0].extend(all.filter(|task| !is_trained(task)));
                groups[0].sort_unstable();
                groups
            }
            _ => vec![all.collect()],
        }
    }

    /// The watched loss of one of the [`groups`](Self::groups).
    pub(crate) fn loss(self, group: &[usize], losses: &[f64]) -> f64 {
        match self {
            Self::Sum => losses.iter().sum(),
            Self::Task(task) => losses[task],
            // The others of the group have weight 0.
            Self::Each => group.iter().map(|task| losses[*task]).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_in_one_group() {
        let groups = |watch: Watch, weights: &[f64]| watch.groups(weights);
        assert_eq!(groups(Watch::Sum, &[1.0, 2.0]), [[0, 1]]);
        assert_eq!(groups(Watch::Task(1), &[1.0, 2.0]), [[0, 1]]);
        assert_eq!(groups(Watch::Each, &[1.0, 2.0]), [[0], [1]]);
        assert_eq!(groups(Watch::Each, &[0.0, 2.0, 1.0]), [vec![0, 1], vec![2]]);
        assert_eq!(groups(Watch::Each, &[0.0, 0.0]), [[0, 1]]);
    }

    #[test]
    fn a_group_is_judged_by_what_it_watches() {
        let losses = [1.0, 2.0, 4.0];
        assert_eq!(Watch::Sum.loss(&[0, 1, 2], &losses), 7.0);
        assert_eq!(Watch::Task(1).loss(&[0, 1, 2], &losses), 2.0);
        assert_eq!(Watch::Each.loss(&[2], &losses), 4.0);
    }
}
