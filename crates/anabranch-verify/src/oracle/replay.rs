//! A case's steps, run by the same graph and optimizer as in training.

use std::collections::BTreeMap;

use anabranch_graph::{Batch, Fusion, Graph, Masks, Workspace};
use anabranch_layers::{Infer, Layer, Softmax, Target, TargetKind};
use anabranch_optim::{Optimizer, OptimizerKind, ParamGroup, Scales};
use anabranch_tensor::{ArrayView2, Executor, Gradients, Scalar, flat, matrix, matrix_mut};

use super::case::Case;
use super::error::OracleError;
use crate::reference::{Batch as Step, Network, Op, OwnedTarget, cast as cast_matrix, flatten};
use crate::rounding::{ROUNDINGS, UNIT, UNIT_SINGLE};

/// What was computed, under the names and in the layout of the case's expectations.
pub(super) type Computed = BTreeMap<String, Vec<f64>>;

/// The way through a case.
#[derive(Clone, Copy)]
pub(super) struct Way<'e> {
    pub(super) fusion: Fusion,
    pub(super) exec: &'e Executor,
    pub(super) rows_per_shard: usize,
    pub(super) rounding: Rounding,
}

/// What is done to each gradient before it is compared and used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    /// Nothing.
    AsComputed,
    /// Every entry is moved as far as rounding can move it.
    Moved,
}

/// Computes everything that the case has an expectation for, in the precision `T`.
pub(super) fn replay<T: Scalar>(case: &Case, way: Way<'_>) -> Result<Computed, OracleError> {
    let Way { fusion, exec, rows_per_shard, rounding } = way;
    let spec = case.spec();
    let (rows, net) = (spec.rows, &spec.network);
    let graph = spec.two_branch().build::<T>(fusion)?;
    let mut workspace = Workspace::with_shards_of(rows_per_shard, &graph, exec, rows)?;
    let kind: OptimizerKind = spec.optimizer.kind.parse()?;
    let n_params = graph.params_len();
    let groups = [ParamGroup::new(0..n_params, spec.optimizer.weight_decay)];
    let mut optimizer = Optimizer::new(kind, spec.optimizer.lr, n_params, &groups)?;
    // The state starts as the format says: means at 0, variances at 1.
    let (mut params, mut state) = graph.init(0);
    for array in graph.params() {
        let start = case.whole(&format!("param.{}", array.name));
        params[array.range.clone()].copy_from_slice(&cast::<T>(start));
    }
    let mut grads = Gradients::zeros(n_params);
    let reference = Network::new(&spec.two_branch().river());

    let mut computed = Computed::new();
    for step in 0..spec.steps {
        let given = |name: &str| cast::<T>(case.step(name, step));
        let (x, y_a, y_b, mask) = (given("x"), given("y_a"), given("y_b"), given("mask"));
        let x = matrix(&x, rows, net.inputs);
        let targets = [
            Target::Values(matrix(&y_a, rows, net.outputs_a)),
            Target::Probabilities(matrix(&y_b, rows, net.classes)),
        ];
        let refused = |reason| OracleError::Batch { step, reason };
        let masks = [("dp1a", mask.as_slice())];
        let given = Masks::Given(&masks);
        let batch = Batch {
            inputs: &[x],
            targets: &targets,
            row_weights: &[],
            row_idx: None,
            masks: given,
        };
        graph.check(&workspace, &params, &state, &batch).map_err(refused)?;

        graph.forward(exec, &params, &mut state, &mut workspace, &[x], given);
        graph.losses(exec, &mut workspace, &targets, &[]);
        add(&mut computed, "loss", &[workspace.losses().iter().sum::<f64>()]);
        add_predictions(&mut computed, "", exec, &graph, &workspace);
        graph.backward(exec, &params, &mut grads, &mut workspace, &[x]);
        if rounding == Rounding::Moved {
            let owned = targets.map(|target| OwnedTarget::new(&target)).into();
            move_gradients(grads.whole(exec), &params, &reference, (x, owned, &mask));
        }
        for array in graph.params() {
            add(
                &mut computed,
                &format!("grad.{}", array.name),
                &grads.whole(exec)[array.range.clone()],
            );
        }
        optimizer.step(exec, &mut params, &grads, Scales::default());
    }

    for array in graph.params() {
        add(&mut computed, &format!("param.{}", array.name), &params[array.range.clone()]);
    }
    for array in graph.state() {
        add(&mut computed, &array.name, &state[array.range.clone()]);
    }
    let x = cast::<T>(case.step("x", 0));
    graph.infer(exec, &params, &state, &mut workspace, &[matrix(&x, rows, net.inputs)]);
    add_predictions(&mut computed, "eval.", exec, &graph, &workspace);
    Ok(computed)
}

/// Moves every entry of a step's gradient by as much as rounding can, up and down in turn.
fn move_gradients<T: Scalar>(
    grads: &mut [T],
    params: &[T],
    network: &Network,
    (x, targets, mask): (ArrayView2<'_, T>, Vec<OwnedTarget>, &[T]),
) {
    let unit = if T::NAME == f64::NAME { UNIT } else { UNIT_SINGLE };
    let params: Vec<f64> = params.iter().map(|value| value.to_f64()).collect();
    let params = network.unflatten(&params);
    let mut batch = Step::new(network, cast_matrix(x), targets, (0, 0));
    for (node, drawn) in network.nodes.iter().zip(&mut batch.masks) {
        if let (Op::Dropout { p, .. }, Some(drawn)) = (&node.op, drawn) {
            let scale = 1.0 / (1.0 - p);
            drawn.iter_mut().zip(mask).for_each(|(m, keep)| *m = keep.to_f64() * scale);
        }
    }
    let pass = network.train(&params, &batch);
    let terms = flatten(&network.terms(&params, &batch, &pass, unit).params);
    for (i, (grad, terms)) in grads.iter_mut().zip(terms).enumerate() {
        let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
        *grad = T::from_f64(grad.to_f64() + sign * ROUNDINGS * unit * terms);
    }
}

/// ŷa and ŷb of the last pass.
fn add_predictions<T: Scalar>(
    computed: &mut Computed,
    prefix: &str,
    exec: &Executor,
    graph: &Graph<T>,
    workspace: &Workspace<T>,
) {
    let names = ["y_a_hat", "y_b_hat"];
    for (name, head) in names.into_iter().zip(graph.heads()) {
        let scores = workspace.prediction(head);
        let prediction = match head.loss().target_kind() {
            TargetKind::Classes => softmax(exec, scores),
            _ => flat(scores).to_vec(),
        };
        add(computed, &format!("{prefix}{name}"), &prediction);
    }
}

fn softmax<T: Scalar>(exec: &Executor, scores: ArrayView2<'_, T>) -> Vec<T> {
    let (rows, classes) = scores.dim();
    let mut probabilities = vec![T::ZERO; rows * classes];
    Softmax.infer(Infer {
        exec,
        input: 0,
        x: scores,
        y: matrix_mut(&mut probabilities, rows, classes),
        params: &[],
        state: &[],
        scratch: &mut [],
    });
    probabilities
}

/// Appends to what was computed under `name` so far.
fn add<T: Scalar>(computed: &mut Computed, name: &str, values: &[T]) {
    let tensor = computed.entry(name.into()).or_default();
    tensor.extend(values.iter().map(|value| value.to_f64()));
}

fn cast<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|value| T::from_f64(*value)).collect()
}
