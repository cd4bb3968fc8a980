//! Several input matrices.

use anabranch_graph::{
    Batch, Fusion, Graph, GraphBuilder, GraphError, Join, Masks, Mode, Workspace,
};
use anabranch_layers::{HalfSquaredError, Linear, Target};
use anabranch_tensor::{ArrayView2, Executor, Gradients, matrix};

/// y = x·Wᵀ + b + side·Pᵀ, where x has 3 columns and side has 2.
fn two_inputs(fusion: Fusion) -> Graph<f64> {
    let mut g = GraphBuilder::new(3);
    let x = g.input();
    let side = g.add_input("side", 2).unwrap();
    let fc = g.layer("fc", Linear::new(4), x).unwrap();
    let y = g.join("y", Join::Project, fc, side).unwrap();
    g.head("y", y, 1.0, HalfSquaredError).unwrap();
    g.build(fusion).unwrap()
}

/// By plain loops: predictions, and the gradient of Σ ½(y − target)²/m, for a batch and for one
/// that is picked from a table.
#[test]
fn each_matrix_is_read_where_it_belongs() {
    let numbers = |n: usize, step: usize| {
        (0..n).map(|i| (i * step % 101) as f64 * 0.02 - 1.0).collect::<Vec<_>>()
    };
    let (x, side, target) = (numbers(15, 37), numbers(10, 53), numbers(20, 29));
    let graph = two_inputs(Fusion::Fused);
    let (params, mut state) = graph.init(1);
    let of = |name: &str| &params[graph.param(name).unwrap().range.clone()];
    let (w, b, p) = (of("fc.weight"), of("fc.bias"), of("y.weight"));
    let predicted = |row: usize, j: usize| {
        let from_x: f64 = (0..3).map(|k| x[3 * row + k] * w[3 * j + k]).sum();
        let from_side: f64 = (0..2).map(|k| side[2 * row + k] * p[2 * j + k]).sum();
        from_x + b[j] + from_side
    };
    let inputs = [matrix(&x, 5, 3), matrix(&side, 5, 2)];
    let exec = Executor::serial();
    let close = |a: f64, b: f64| (a - b).abs() < 1e-14;
    for row_idx in [None, Some(&[4, 0, 0, 2][..])] {
        let rows = row_idx.map_or(vec![0, 1, 2, 3, 4], <[usize]>::to_vec);
        let mut workspace = Workspace::new(&graph, &exec, rows.len(), Mode::Training).unwrap();
        let targets = [Target::Values(matrix(&target, 5, 4))];
        let masks = Masks::Drawn { seed: 1, step: 0 };
        let batch = Batch { inputs: &inputs, targets: &targets, row_weights: &[], row_idx, masks };
        graph.check(&workspace, &params, &state, &batch).unwrap();
        let mut grads = Gradients::zeros(params.len());
        graph.gradient(&exec, &params, &mut state, &mut grads, &mut workspace, batch);
        let predictions = workspace.prediction(&graph.heads()[0]);
        let grads = grads.whole(&exec);
        let grad = |name: &str| &grads[graph.param(name).unwrap().range.clone()];
        for j in 0..4 {
            let d = |row: usize| (predicted(row, j) - target[4 * row + j]) / rows.len() as f64;
            let sum = |factor: &dyn Fn(usize) -> f64| -> f64 {
                rows.iter().map(|row| d(*row) * factor(*row)).sum()
            };
            for (i, row) in rows.iter().enumerate() {
                assert!(close(predictions[[i, j]], predicted(*row, j)));
            }
            assert!(close(grad("fc.bias")[j], sum(&|_| 1.0)));
            for k in 0..3 {
                assert!(close(grad("fc.weight")[3 * j + k], sum(&|row| x[3 * row + k])));
            }
            for k in 0..2 {
                assert!(close(grad("y.weight")[2 * j + k], sum(&|row| side[2 * row + k])));
            }
        }
    }
}

#[test]
fn matrices_that_do_not_fit_are_refused() {
    let graph = two_inputs(Fusion::Unfused);
    assert_eq!((graph.inputs(), graph.input_widths().collect::<Vec<_>>()), (5, vec![3, 2]));
    let exec = Executor::serial();
    let workspace = Workspace::new(&graph, &exec, 4, Mode::Training).unwrap();
    let (params, state) = graph.init(1);
    let numbers = [0.5; 16];
    let targets = [Target::Values(matrix(&numbers, 4, 4))];
    let check = |inputs: &[ArrayView2<'_, f64>]| {
        let masks = Masks::Drawn { seed: 1, step: 0 };
        let batch = Batch { inputs, targets: &targets, row_weights: &[], row_idx: None, masks };
        graph.check(&workspace, &params, &state, &batch)
    };
    let of = |rows: usize, columns: usize| matrix(&numbers[..rows * columns], rows, columns);
    let wrong = |what, expected, got| Err(GraphError::Batch { what, expected, got });
    assert_eq!(check(&[of(4, 3), of(4, 2)]), Ok(()));
    assert_eq!(check(&[of(4, 3)]), wrong("input matrices", 2, 1));
    assert_eq!(check(&[of(4, 3), of(4, 3)]), wrong("columns of x", 2, 3));
    assert_eq!(check(&[of(4, 3), of(3, 2)]), wrong("rows of x", 4, 3));
}

/// An input's name is a node's; it uses no stream, so that all weights stay as they are.
#[test]
fn another_input_takes_a_name_and_no_stream() {
    let weights = |has_side: bool| {
        let mut g = GraphBuilder::<f64>::new(3);
        let side = has_side.then(|| g.add_input("side", 2).unwrap());
        let mut y = g.layer("fc", Linear::new(2), g.input()).unwrap();
        if let Some(side) = side {
            assert_eq!(g.add_input("side", 2), Err(GraphError::DuplicateName("side".into())));
            assert_eq!((g.width(g.input()), g.width(side)), (3, 2));
            y = g.join("sum", Join::Add, y, side).unwrap();
        }
        g.head("y", y, 1.0, HalfSquaredError).unwrap();
        g.build(Fusion::Fused).unwrap().init(4).0
    };
    assert_eq!(weights(true), weights(false));
}
