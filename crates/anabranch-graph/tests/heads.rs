//! Several heads: which parameters they share, how much each counts, what they refuse.

use anabranch_graph::{
    Batch, Branch, Fusion, Graph, GraphBuilder, GraphError, Join, Masks, Mode, River, RowWeights,
    Workspace,
};
use anabranch_layers::{Activation, HalfSquaredError, Linear, LossKind, Target};
use anabranch_tensor::{Executor, Gradients, matrix};

const ROWS: usize = 7;

/// A trunk that both tasks read, a task that the other one joins, and one that stands alone.
fn three_tasks(weights: [f64; 3]) -> Graph<f64> {
    let branch = |name: &str| Branch::new(name).hidden(4, Activation::Tanh);
    let river = River::new(
        3,
        [
            branch("trunk").batch_norm(),
            branch("y").from("trunk").head(2, LossKind::HalfSquaredError, weights[0]),
            branch("class").from("trunk").join("y", Join::Project).head(
                4,
                LossKind::CROSS_ENTROPY,
                weights[1],
            ),
            branch("alone").dropout(0.4).head(1, LossKind::HUBER, weights[2]),
        ],
    );
    river.build(Fusion::Fused).unwrap()
}

/// Calls `run` with a batch for the three tasks.
fn with_batch<R>(run: impl FnOnce(Batch<'_, '_, f64>) -> R) -> R {
    let numbers = |n: usize| (0..n).map(|i| (i * 37 % 101) as f64 * 0.02 - 1.0).collect::<Vec<_>>();
    let (x, y) = (numbers(ROWS * 3), numbers(ROWS * 2));
    let classes: Vec<u32> = (0..ROWS as u32).map(|i| i % 4).collect();
    let targets = [
        Target::Values(matrix(&y, ROWS, 2)),
        Target::Classes(&classes),
        Target::Values(matrix(&y[..ROWS], ROWS, 1)),
    ];
    let each = RowWeights::Each(vec![0.5, 0.0, 2.0, 1.0, 1.0, 0.25, 3.0]);
    let row_weights = [RowWeights::Equal, each, RowWeights::Equal];
    run(Batch {
        inputs: &[matrix(&x, ROWS, 3)],
        targets: &targets,
        row_weights: &row_weights,
        row_idx: None,
        masks: Masks::Drawn { seed: 1, step: 3 },
    })
}

/// The trunk, and the task that another one joins.
#[test]
fn shared_parameters_are_those_that_two_losses_depend_on() {
    let graph = three_tasks([1.0; 3]);
    let shared = graph.shared_params();
    for array in graph.params() {
        let is_shared = shared
            .iter()
            .any(|range| range.start <= array.range.start && array.range.end <= range.end);
        let expected = array.name.starts_with("trunk.") || array.name.starts_with("y.");
        assert_eq!(is_shared, expected, "{}", array.name);
    }
    // Each of their elements once: 3·4 + 4 and 2·4 of the trunk, 4·4 + 4 and 4·2 + 2 of the task.
    assert_eq!(shared.iter().map(ExactSizeIterator::len).sum::<usize>(), 24 + 30);
}

/// Factors count in the derivatives as weights do, and leave the losses; another gradient of the
/// same batch is the one that a step with these factors has, to the bit, and leaves the state.
#[test]
fn factors_of_heads_weigh_derivatives_and_not_losses() {
    let (weights, factors) = ([0.75, 1.25, 1.0], [2.0, 0.25, 0.0]);
    let weighted = [1.5, 0.3125, 0.0];
    for threads in [1, 2] {
        let exec = Executor::new(threads).unwrap();
        let gradient = |graph: &Graph<f64>, first: [f64; 3], then: Option<[f64; 3]>| {
            let (params, mut state) = graph.init(5);
            let mut workspace = Workspace::with_shards_of(3, graph, &exec, ROWS).unwrap();
            let mut grads = Gradients::zeros(params.len());
            with_batch(|batch| {
                workspace.weigh_heads(&first);
                graph.gradient(&exec, &params, &mut state, &mut grads, &mut workspace, batch);
                if let Some(factors) = then {
                    workspace.weigh_heads(&factors);
                    graph.gradient_again(&exec, &params, &mut grads, &mut workspace, batch);
                }
            });
            assert_eq!(workspace.row_totals(), [7.0, 7.75, 7.0]);
            (grads.whole(&exec).to_vec(), workspace.losses().to_vec(), state)
        };
        let (plain, losses, state) = gradient(&three_tasks(weights), [1.0; 3], None);
        let (expected, ..) = gradient(&three_tasks(weighted), [1.0; 3], None);
        let (at_once, same_losses, _) = gradient(&three_tasks(weights), factors, None);
        assert!(expected != plain && at_once == expected);
        assert_eq!(same_losses, losses);
        let again = gradient(&three_tasks(weights), [1.0; 3], Some(factors));
        assert!(again == (expected, losses, state));
    }
}

#[test]
fn heads_refuse_weights_and_names_that_cannot_be() {
    let head = |name: &str, weight: f64| {
        let mut g = GraphBuilder::<f32>::new(2);
        let [y, z] = ["y", "z"].map(|name| g.layer(name, Linear::new(1), g.input()).unwrap());
        g.head("y", y, 1.0, HalfSquaredError).unwrap();
        g.head(name, z, weight, HalfSquaredError)
    };
    assert_eq!(head("z", 0.0), Ok(()));
    for weight in [-1.0, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(head("z", weight), Err(GraphError::Weight { head: "z".into(), weight }));
    }
    assert!(matches!(head("z", f64::NAN), Err(GraphError::Weight { .. })));
    assert_eq!(head("y", 1.0), Err(GraphError::DuplicateName("y".into())));
}

/// A head knows what it was given; derivatives are there for training only.
#[test]
fn heads_and_workspaces_say_what_they_are() {
    let graph = three_tasks([0.5, 1.5, 1.0]);
    let class = &graph.heads()[1];
    assert_eq!((class.name(), class.outputs(), class.weight()), ("class", 4, 1.5));
    assert_eq!(Some(class.node()), graph.node("class.head"));
    let exec = Executor::serial();
    let training = Workspace::new(&graph, &exec, ROWS, Mode::Training).unwrap();
    let inference = Workspace::new(&graph, &exec, ROWS, Mode::Inference).unwrap();
    // The batch norm needs two rows.
    assert_eq!((training.min_rows(), inference.min_rows()), (2, 2));
    assert!(training.delta(class.node()).is_some());
    assert!(inference.delta(class.node()).is_none());
    let input = graph.node("input").unwrap();
    assert!(training.delta(input).is_none() && training.value(input).is_none());
}
