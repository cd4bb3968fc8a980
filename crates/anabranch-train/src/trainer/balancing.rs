//! The gradient of a step, with the tasks balanced as the settings say.

use anabranch_graph::{Batch, Graph, Workspace};
use anabranch_tensor::{Executor, Gradients, Scalar};

use super::task_gradients::TaskGradients;
use crate::balance::{TaskBalance, columns, factor, learned, min_norm};
use crate::error::{TrainError, check_len};

/// What balances the tasks of a run.
#[derive(Debug)]
pub(super) enum Balancing<T> {
    Fixed,
    Uncertainty {
        /// The logarithms of the tasks' variances, which are learned.
        log_variances: Vec<f64>,
        factors: Vec<f64>,
    },
    MinNorm(TaskGradients<T>),
}

impl<T: Scalar> Balancing<T> {
    /// # Errors
    /// If these are not tasks that can be balanced so.
    pub(super) fn new(balance: TaskBalance, graph: &Graph<T>) -> Result<Self, TrainError> {
        let n_tasks = graph.heads().len();
        match balance {
            TaskBalance::Fixed => Ok(Self::Fixed),
            TaskBalance::Uncertainty => Ok(Self::Uncertainty {
                log_variances: vec![0.0; n_tasks],
                factors: vec![1.0; n_tasks],
            }),
            TaskBalance::MinNorm => {
                check_len("tasks to balance by min-norm", 2, n_tasks)?;
                Ok(Self::MinNorm(TaskGradients::new(graph)))
            }
        }
    }

    /// The gradient on a batch, into `grads`; then takes a step of what it learns itself.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a trainer, each borrowed for itself"
    )]
    pub(super) fn gradient(
        &mut self,
        graph: &Graph<T>,
        exec: &Executor,
        params: &[T],
        state: &mut [T],
        grads: &mut Gradients<T>,
        workspace: &mut Workspace<T>,
        batch: Batch<'_, '_, T>,
    ) {
        match self {
            Self::Fixed => graph.gradient(exec, params, state, grads, workspace, batch),
            Self::Uncertainty { log_variances, factors } => {
                for (factor, s) in factors.iter_mut().zip(&*log_variances) {
                    *factor = self::factor(*s);
                }
                workspace.weigh_heads(factors);
                graph.gradient(exec, params, state, grads, workspace, batch);
                let losses = workspace.losses().iter().zip(workspace.row_totals());
                for ((s, head), (loss, total)) in
                    log_variances.iter_mut().zip(graph.heads()).zip(losses)
                {
                    // A task without a weight, or a target in the batch, has taught nothing.
                    if head.weight() != 0.0 && *total > 0.0 {
                        let columns = columns(head.loss().target_kind(), head.outputs());
                        *s = learned(*s, loss / head.weight(), columns);
                    }
                }
            }
            Self::MinNorm(of_tasks) => {
                of_tasks.compute(graph, exec, params, Some(state), workspace, batch);
                let gram = [(0, 0), (0, 1), (1, 1)].map(|(i, j)| of_tasks.dot(exec, i, j));
                let weights = min_norm(gram).map(|weight| 2.0 * weight);
                of_tasks.combine(exec, &weights, grads);
            }
        }
    }

    /// What it has learned; empty unless it learns.
    pub(super) fn log_variances(&self) -> &[f64] {
        match self {
            Self::Uncertainty { log_variances, .. } => log_variances,
            _ => &[],
        }
    }

    /// Goes on with what it had learned.
    ///
    /// # Errors
    /// If that is of other tasks.
    pub(super) fn restore(&mut self, learned: &[f64]) -> Result<(), TrainError> {
        check_len("variances of tasks", self.log_variances().len(), learned.len())?;
        if let Self::Uncertainty { log_variances, .. } = self {
            log_variances.copy_from_slice(learned);
        }
        Ok(())
    }
}
