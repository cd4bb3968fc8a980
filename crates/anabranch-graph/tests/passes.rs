//! What a training pass computes where rows, shards and tables meet, by hand.

use anabranch_graph::{Batch, Fusion, GraphBuilder, Join, Masks, Workspace};
use anabranch_layers::{Activation, BatchNorm, Dropout, HalfSquaredError, Linear, Target};
use anabranch_tensor::{Executor, Gradients, matrix};

fn numbers(n: usize) -> Vec<f64> {
    (0..n).map(|i| (i * 37 % 101) as f64 * 0.02 - 1.0).collect()
}

/// y = 2·x⊙M + 4·x⊙N with the masks of two layers that drop a half and three quarters.
#[test]
fn given_masks_are_those_of_their_layers_and_rows() {
    let mut g = GraphBuilder::<f64>::new(3);
    let half = g.layer("half", Dropout::new(0.5), g.input()).unwrap();
    let most = g.layer("most", Dropout::new(0.75), g.input()).unwrap();
    let y = g.join("sum", Join::Add, half, most).unwrap();
    g.head("y", y, 1.0, HalfSquaredError).unwrap();
    let graph = g.build(Fusion::Fused).unwrap();
    let x = numbers(15);
    let mask = |step: usize| -> Vec<f64> {
        (0..15).map(|i: usize| f64::from(u8::from(i.is_multiple_of(step)))).collect()
    };
    let (of_half, of_most) = (mask(2), mask(3));
    // Their order does not matter.
    let masks = Masks::Given(&[("most", &of_most), ("half", &of_half)]);
    let exec = Executor::new(2).unwrap();
    for rows_per_shard in [2, 5] {
        let mut workspace = Workspace::with_shards_of(rows_per_shard, &graph, &exec, 5).unwrap();
        graph.forward(&exec, &[], &mut [], &mut workspace, &[matrix(&x, 5, 3)], masks);
        let y = workspace.prediction(&graph.heads()[0]);
        for (i, y) in y.iter().enumerate() {
            assert_eq!(*y, x[i] * (2.0 * of_half[i] + 4.0 * of_most[i]));
        }
    }
}

/// A batch norm's statistics are those of the batch, however it is split, and go into the running
/// ones after it.
#[test]
fn a_batch_norm_takes_all_rows_of_the_batch() {
    let mut g = GraphBuilder::<f64>::new(2);
    let norm = g.layer("bn", BatchNorm::new().with_momentum(0.25), g.input()).unwrap();
    let y = g.layer("y", Linear::new(1), norm).unwrap();
    g.head("y", y, 1.0, HalfSquaredError).unwrap();
    let graph = g.build(Fusion::Fused).unwrap();
    let x = numbers(14);
    let exec = Executor::new(2).unwrap();
    for rows_per_shard in [3, 7] {
        let mut workspace = Workspace::with_shards_of(rows_per_shard, &graph, &exec, 7).unwrap();
        let (params, mut state) = graph.init(1);
        let masks = Masks::Drawn { seed: 1, step: 0 };
        graph.forward(&exec, &params, &mut state, &mut workspace, &[matrix(&x, 7, 2)], masks);
        let normed = workspace.value(norm).unwrap();
        for j in 0..2 {
            let column = || (0..7).map(|i| x[2 * i + j]);
            let mean = column().sum::<f64>() / 7.0;
            let variance = column().map(|x| (x - mean).powi(2)).sum::<f64>() / 7.0;
            for (x, normed) in column().zip(normed.column(j)) {
                assert!((normed - (x - mean) / (variance + 1e-5).sqrt()).abs() < 1e-13);
            }
            // From 0 and 1, with a variance of divisor m − 1.
            assert!((state[j] - 0.25 * mean).abs() < 1e-14);
            assert!((state[2 + j] - (0.75 + 0.25 * variance * 7.0 / 6.0)).abs() < 1e-14);
        }
    }
}

/// In a network that needs no room besides, which is where wide targets are copied to.
#[test]
fn wide_targets_are_picked_from_a_table() {
    const WIDTH: usize = 40;
    let mut g = GraphBuilder::<f64>::new(WIDTH);
    let y = g.layer("y", Activation::Tanh, g.input()).unwrap();
    g.head("y", y, 1.0, HalfSquaredError).unwrap();
    let graph = g.build(Fusion::Fused).unwrap();
    let (x, target) = (numbers(9 * WIDTH), numbers(10 * WIDTH).split_off(WIDTH));
    let row_idx = [8, 2, 2, 5, 0, 7];
    let exec = Executor::serial();
    let mut workspace = Workspace::with_shards_of(6, &graph, &exec, 6).unwrap();
    let batch = Batch {
        inputs: &[matrix(&x, 9, WIDTH)],
        targets: &[Target::Values(matrix(&target, 9, WIDTH))],
        row_weights: &[],
        row_idx: Some(&row_idx),
        masks: Masks::Drawn { seed: 1, step: 0 },
    };
    graph.check(&workspace, &[], &[], &batch).unwrap();
    graph.gradient(&exec, &[], &mut [], &mut Gradients::zeros(0), &mut workspace, batch);
    let of_row = |row: usize| -> f64 {
        let entries = row * WIDTH..(row + 1) * WIDTH;
        entries.map(|i| 0.5 * (x[i].tanh() - target[i]).powi(2)).sum()
    };
    let expected = row_idx.iter().map(|row| of_row(*row)).sum::<f64>() / 6.0;
    assert!((workspace.losses()[0] - expected).abs() < 1e-13 * expected);
}
