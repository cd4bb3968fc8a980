//! The gradient of a whole network is that of its losses.

use anabranch_graph::{Batch, Branch, Fusion, Graph, Join, Masks, River, Workspace};
use anabranch_layers::{Activation, LossKind, Target};
use anabranch_tensor::{Executor, Gradients, matrix};

const ROWS: usize = 8;

/// Two batch norms behind each other, dropout, a join of each kind, and a loss on every branch.
fn river() -> River {
    let branch = |name: &str, width| Branch::new(name).hidden(width, Activation::Tanh);
    River::new(
        3,
        [
            branch("trunk", 4).batch_norm().hidden(5, Activation::Gelu).batch_norm(),
            branch("a", 4).from("trunk").dropout(0.3).head(1, LossKind::HalfSquaredError, 0.7),
            branch("b", 3).join("a", Join::Broadcast).head(3, LossKind::CROSS_ENTROPY, 1.3),
            branch("c", 3)
                .from("trunk")
                .batch_norm()
                .join("b", Join::Add)
                .join("a", Join::Project)
                .head(2, LossKind::HalfSquaredError, 1.0),
        ],
    )
}

/// Central differences, in every entry: fused or not, on one thread or two, with all rows at once
/// or three at a time. Forward pass, losses and backward pass by themselves give the same bits.
#[test]
fn the_gradient_is_the_quotient_of_differences() {
    let numbers = |n: usize, step: usize| {
        (0..n).map(|i| (i * step % 101) as f64 * 0.02 - 1.0).collect::<Vec<_>>()
    };
    let (x, y) = (numbers(ROWS * 3, 37), numbers(ROWS * 2, 29));
    let inputs = [matrix(&x, ROWS, 3)];
    let classes: Vec<u32> = (0..ROWS as u32).map(|i| i % 3).collect();
    let targets = [
        Target::Values(matrix(&y[..ROWS], ROWS, 1)),
        Target::Classes(&classes),
        Target::Values(matrix(&y, ROWS, 2)),
    ];
    let masks = Masks::Drawn { seed: 1, step: 0 };
    for (fusion, threads, rows_per_shard) in
        [(Fusion::Fused, 1, ROWS), (Fusion::Fused, 2, 3), (Fusion::Unfused, 1, 3)]
    {
        let graph: Graph<f64> = river().build(fusion).unwrap();
        let exec = Executor::new(threads).unwrap();
        let mut workspace = Workspace::with_shards_of(rows_per_shard, &graph, &exec, ROWS).unwrap();
        let (mut params, state) = graph.init(3);
        let batch =
            Batch { inputs: &inputs, targets: &targets, row_weights: &[], row_idx: None, masks };
        let mut grads = Gradients::zeros(params.len());
        let mut after = state.clone();
        graph.gradient(&exec, &params, &mut after, &mut grads, &mut workspace, batch);
        // A thread adds up the parts of its rows itself.
        assert_eq!(grads.n_parts(), if threads == 1 { 1 } else { ROWS.div_ceil(rows_per_shard) });
        let grads = grads.whole(&exec);
        // One by one, in memory that has been used.
        let (mut state_by_steps, mut by_steps) = (state.clone(), Gradients::zeros(params.len()));
        let of_forward = &mut state_by_steps;
        graph.forward(&exec, &params, of_forward, &mut workspace, &inputs, masks);
        graph.losses(&exec, &mut workspace, &targets, &[]);
        graph.backward(&exec, &params, &mut by_steps, &mut workspace, &inputs);
        assert!(by_steps.whole(&exec) == grads && state_by_steps == after && after != state);
        let mut loss = |params: &[f64]| -> f64 {
            let state = &mut state.clone();
            graph.forward(&exec, params, state, &mut workspace, &inputs, masks);
            graph.losses(&exec, &mut workspace, &targets, &[]);
            workspace.losses().iter().sum()
        };
        for array in graph.params() {
            for i in array.range.clone() {
                let value = params[i];
                let mut at = |moved: f64| {
                    params[i] = value + moved;
                    loss(&params)
                };
                let h = 1e-5;
                let quotient = (at(h) - at(-h)) / (2.0 * h);
                params[i] = value;
                let error = (quotient - grads[i]).abs();
                assert!(error < 1e-7, "{} {fusion:?}: {} and {quotient}", array.name, grads[i]);
            }
        }
    }
}
