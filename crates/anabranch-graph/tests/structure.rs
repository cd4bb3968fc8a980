//! What builders reject, how arrays are named and laid out, what fusion merges, and what a batch
//! must look like.

use anabranch_graph::{
    Batch, Fusion, Graph, GraphBuilder, GraphError, Join, Masks, Mode, TwoBranch, Workspace,
};
use anabranch_layers::{
    Activation, ArraySpec, Backward, Forward, HalfSquaredError, Infer, Layer, LayerError, Linear,
    Role, RowWise, Shape, Target, Training, one_input,
};
use anabranch_tensor::{Executor, Gradients, matrix};

fn two_branch(fusion: Fusion) -> Graph<f64> {
    TwoBranch::new(3, 4, 2, 5, 6).build(fusion).unwrap()
}

#[test]
fn parameters_have_pytorch_names_and_follow_each_other() {
    let graph = two_branch(Fusion::Fused);
    let arrays: Vec<_> = graph
        .params()
        .iter()
        .map(|array| (array.name.as_str(), array.shape.as_slice(), array.role, array.range.clone()))
        .collect();
    assert_eq!(
        arrays,
        [
            ("fc1a.weight", &[4, 3][..], Role::Weight, 0..12),
            ("fc1a.bias", &[4], Role::Bias, 12..16),
            ("fc2a.weight", &[2, 4], Role::Weight, 16..24),
            ("fc2a.bias", &[2], Role::Bias, 24..26),
            ("fc1b.weight", &[5, 3], Role::Weight, 26..41),
            ("fc1b.bias", &[5], Role::Bias, 41..46),
            ("bn1b.weight", &[5], Role::Norm, 46..51),
            ("bn1b.bias", &[5], Role::Norm, 51..56),
            ("join.weight", &[5, 2], Role::Weight, 56..66),
            ("fc2b.weight", &[6, 5], Role::Weight, 66..96),
            ("fc2b.bias", &[6], Role::Bias, 96..102),
        ]
    );
    assert_eq!((graph.params_len(), graph.state_len()), (102, 10));
    assert_eq!(graph.input_widths().collect::<Vec<_>>(), [3]);
    let state: Vec<_> = graph.state().iter().map(|array| array.name.as_str()).collect();
    assert_eq!(state, ["bn1b.running_mean", "bn1b.running_var"]);
    assert_eq!(graph.param("fc2b.bias").map(|array| array.range.clone()), Some(96..102));
    assert_eq!(graph.param("fc3.bias"), None);
}

#[test]
fn fusion_merges_layers_and_keeps_their_names() {
    let (fused, unfused) = (two_branch(Fusion::Fused), two_branch(Fusion::Unfused));
    let kinds = |graph: &Graph<f64>| -> Vec<(String, String)> {
        graph.summary().rows.into_iter().map(|row| (row.name, row.kind)).collect()
    };
    let as_strings = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
        rows.iter().map(|(name, kind)| ((*name).into(), (*kind).into())).collect()
    };
    assert_eq!(
        kinds(&fused),
        as_strings(&[
            ("input", "input"),
            ("fc1a", "linear + relu + dropout p=0.5"),
            ("fc2a", "linear"),
            ("fc1b", "linear + relu"),
            ("bn1b", "batch norm eps=1e-5"),
            ("join", "join project, learned"),
            ("fc2b", "linear"),
        ])
    );
    assert_eq!(kinds(&unfused).len(), 10);
    // An id stands for the same node, whatever it was merged into.
    assert_eq!(fused.node("dp1a"), unfused.node("dp1a"));
    assert_ne!(fused.node("dp1a"), fused.node("fc1a"));
    assert_eq!(fused.node("fc9"), None);
    assert_eq!(fused.params(), unfused.params());
    // Fusion leaves the operations as they are: 2·4·3+4 + 4 + 4, 2·2·4+2, 2·5·3+5 + 5, 7·5, 2·5·2,
    // 2·6·5+6.
    let flops = 36 + 18 + 40 + 35 + 20 + 66;
    assert_eq!(fused.summary().flops_per_row(), flops);
    assert_eq!(unfused.summary().flops_per_row(), flops);
    assert_eq!(fused.summary().params(), 102);
}

/// A layer whose output another one reads, or a head, stays by itself.
#[test]
fn fusion_leaves_what_others_read() {
    let build = |fusion, has_head: bool| {
        let mut g = GraphBuilder::<f64>::new(2);
        let fc = g.layer("fc", Linear::new(3), g.input()).unwrap();
        let mut y = g.layer("relu", Activation::Relu, fc).unwrap();
        if has_head {
            g.head("fc", fc, 1.0, HalfSquaredError).unwrap();
        } else {
            let tanh = g.layer("tanh", Activation::Tanh, fc).unwrap();
            y = g.join("sum", Join::Add, tanh, y).unwrap();
        }
        g.head("y", y, 1.0, HalfSquaredError).unwrap();
        g.build(fusion).unwrap()
    };
    for has_head in [false, true] {
        let [fused, unfused] = [Fusion::Fused, Fusion::Unfused].map(|f| build(f, has_head));
        assert_eq!(fused.summary(), unfused.summary());
    }
    // By hand: fc is x, so that y is tanh(x) + max(x, 0).
    let graph = build(Fusion::Fused, false);
    let exec = Executor::serial();
    let mut workspace = Workspace::new(&graph, &exec, 1, Mode::Inference).unwrap();
    let params = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    graph.infer(&exec, &params, &[], &mut workspace, &[matrix(&[0.5, -2.0], 1, 2)]);
    let y = workspace.prediction(&graph.heads()[0]);
    for (y, expected) in y.iter().zip([0.5f64.tanh() + 0.5, (-2f64).tanh(), 0.0]) {
        assert!((y - expected).abs() < 1e-15, "{y} instead of {expected}");
    }
}

#[test]
fn a_summary_is_a_table() {
    let text = two_branch(Fusion::Fused).summary().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 1 + 7 + 1);
    assert!(lines[0].starts_with("node") && lines[0].ends_with("flop/row"));
    assert!(lines[1].chars().all(|c| c == '─'));
    let join: Vec<&str> = lines[7].split_whitespace().collect();
    assert_eq!(join, ["join", "join", "project,", "learned", "bn1b,", "fc2a", "5", "10", "20"]);
    assert_eq!(lines[9].split_whitespace().collect::<Vec<_>>(), ["total", "102", "215"]);
}

#[test]
fn initial_weights_belong_to_seed_and_node() {
    let (fused, unfused) = (two_branch(Fusion::Fused), two_branch(Fusion::Unfused));
    let (params, state) = fused.init(7);
    assert_eq!((params.clone(), state.clone()), unfused.init(7));
    assert_ne!(params, fused.init(8).0);
    // A wider last layer leaves the other weights unchanged.
    let other = TwoBranch::new(3, 4, 2, 5, 9).build::<f64>(Fusion::Fused).unwrap();
    assert_eq!(other.init(7).0[..66], params[..66]);
    let of = |name: &str| &params[fused.param(name).unwrap().range.clone()];
    assert!(of("fc1b.bias").iter().all(|b| *b == 0.0));
    assert_eq!((of("bn1b.weight"), of("bn1b.bias")), (&[1.0; 5][..], &[0.0; 5][..]));
    assert_eq!(state[..], [[0.0; 5], [1.0; 5]].concat());
    // Kaiming's bound √(6/inputs) before a ReLU, Xavier's √(6/(inputs + outputs)) otherwise.
    let within = |name: &str, bound: f64| {
        let largest = of(name).iter().fold(0f64, |a, w| a.max(w.abs()));
        assert!(largest <= bound.sqrt() && largest > 0.5 * bound.sqrt(), "{name}: {largest}");
    };
    within("fc1a.weight", 6.0 / 3.0);
    within("fc2a.weight", 6.0 / 6.0);
    within("join.weight", 6.0 / 7.0);
    within("fc2b.weight", 6.0 / 11.0);
}

#[test]
fn builders_refuse_and_say_which_node() {
    let mut g = GraphBuilder::<f32>::new(3);
    let x = g.input();
    let a = g.layer("a", Linear::new(4), x).unwrap();
    assert_eq!((g.width(x), g.width(a)), (3, 4));
    let taken = g.layer("a", Linear::new(4), x).unwrap_err();
    assert_eq!(taken, GraphError::DuplicateName("a".into()));
    let empty = g.layer("b", Linear::new(0), x).unwrap_err();
    assert!(
        matches!(&empty, GraphError::Layer { node, reason: LayerError::Empty { .. } } if node == "b")
    );

    let foreign = two_branch(Fusion::Unfused).node("fc2b").unwrap();
    let unknown = |node: &str| Err(GraphError::UnknownInput { node: node.into() });
    assert_eq!(g.layer("b", Linear::new(1), foreign), unknown("b"));
    assert_eq!(g.join("b", Join::Add, a, foreign), unknown("b"));
    let head = g.head("foreign", foreign, 1.0, HalfSquaredError);
    assert_eq!(head, Err(GraphError::UnknownInput { node: "foreign".into() }));

    for (join, right) in [(Join::Add, 3), (Join::Broadcast, 3)] {
        let error = g.join("s", join, a, x).unwrap_err();
        let GraphError::Layer {
            node,
            reason: LayerError::Join { join: name, left, right: got, .. },
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!((node.as_str(), name, left, got), ("s", join.name(), 4, right));
    }
    assert_eq!(g.head("x", x, 1.0, HalfSquaredError), Err(GraphError::Head("input".into())));
    g.head("a", a, 1.0, HalfSquaredError).unwrap();
    assert_eq!(g.head("b", a, 1.0, HalfSquaredError), Err(GraphError::Head("a".into())));

    let b = g.layer("b", Activation::Tanh, a).unwrap();
    g.layer("c", Activation::Tanh, b).unwrap();
    assert_eq!(g.build(Fusion::Fused).unwrap_err(), GraphError::Unused("c".into()));
    let g = GraphBuilder::<f32>::new(3);
    assert_eq!(g.build(Fusion::Fused).unwrap_err(), GraphError::NoHead);
}

#[test]
fn the_join_that_fits_the_widths() {
    for (left, right, join) in [
        (4, 4, Join::Add),
        (1, 1, Join::Add),
        (4, 1, Join::Broadcast),
        (4, 3, Join::Project),
        (1, 4, Join::Project),
    ] {
        assert_eq!(Join::for_widths(left, right), join);
    }
    let config = TwoBranch { join: Join::Add, ..TwoBranch::new(3, 4, 2, 5, 6) };
    let error = config.build::<f32>(Fusion::Fused).unwrap_err();
    assert!(error.to_string().contains("equally wide inputs"), "{error}");
    let config = TwoBranch { dropout: 1.5, ..TwoBranch::new(3, 4, 2, 5, 6) };
    let error = config.build::<f32>(Fusion::Fused).unwrap_err();
    assert!(error.to_string().contains("dp1a"), "{error}");
}

#[test]
fn batches_are_checked() {
    let graph = two_branch(Fusion::Fused);
    let exec = Executor::serial();
    let error = Workspace::new(&graph, &exec, 1, Mode::Training).unwrap_err();
    assert_eq!(error, GraphError::TooFewRows { min_rows: 2, rows: 1 });
    assert!(Workspace::new(&graph, &exec, 1, Mode::Inference).is_ok());

    let workspace = Workspace::new(&graph, &exec, 4, Mode::Training).unwrap();
    assert_eq!((workspace.max_rows(), workspace.losses()), (4, &[0.0, 0.0][..]));
    let (params, state) = graph.init(1);
    let masks = Masks::Drawn { seed: 1, step: 0 };
    let numbers = [0.5; 30];
    let classes = [0, 1, 2, 3, 4];
    let check = |rows: usize, inputs: usize, y_a: usize, classes: &[u32]| {
        let x = matrix(&numbers[..rows * inputs], rows, inputs);
        let y_a = Target::Values(matrix(&numbers[..rows * y_a], rows, y_a));
        let targets = [y_a, Target::Classes(classes)];
        let batch =
            Batch { inputs: &[x], targets: &targets, row_weights: &[], row_idx: None, masks };
        graph.check(&workspace, &params, &state, &batch)
    };
    assert_eq!(check(4, 3, 2, &classes[..4]), Ok(()));
    assert_eq!(check(2, 3, 2, &classes[..2]), Ok(()));
    assert_eq!(check(5, 3, 2, &classes), Err(GraphError::TooManyRows { max_rows: 4, rows: 5 }));
    assert_eq!(check(1, 3, 2, &classes[..1]), Err(GraphError::TooFewRows { min_rows: 2, rows: 1 }));
    let columns = GraphError::Batch { what: "columns of x", expected: 3, got: 2 };
    assert_eq!(check(4, 2, 2, &classes[..4]), Err(columns));
    let node = |result: Result<(), GraphError>| match result {
        Err(GraphError::Layer { node, .. }) => node,
        other => panic!("{other:?}"),
    };
    assert_eq!(node(check(4, 3, 1, &classes[..4])), "fc2a");
    assert_eq!(node(check(4, 3, 2, &classes[..3])), "fc2b");
    assert_eq!(node(check(4, 3, 2, &[0, 0, 6, 0])), "fc2b");

    let x = matrix(&numbers[..12], 4, 3);
    let y_a = Target::Values(matrix(&numbers[..8], 4, 2));
    let targets = [y_a, Target::Classes(&classes[..4])];
    let batch = Batch { inputs: &[x], targets: &targets, row_weights: &[], row_idx: None, masks };
    let of = (&params[..], &state[..]);
    let check = |workspace: &Workspace<f64>, of: (&[f64], &[f64]), batch: Batch<'_, '_, f64>| {
        graph.check(workspace, of.0, of.1, &batch).unwrap_err().to_string()
    };
    assert_eq!(
        check(&workspace, of, Batch { targets: &targets[1..], ..batch }),
        "targets: expected 2, got 1"
    );
    let values = [y_a, Target::Values(matrix(&numbers[..24], 4, 6))];
    assert_eq!(
        check(&workspace, of, Batch { targets: &values, ..batch }),
        "node \"fc2b\": the loss compares predictions with classes or their probabilities, not with numbers"
    );
    let transposed = matrix(&numbers[..12], 3, 4);
    assert_eq!(
        check(&workspace, of, Batch { inputs: &[transposed.t()], ..batch }),
        "x must be contiguous and row-major"
    );
    assert_eq!(
        check(&workspace, of, Batch { row_idx: Some(&[0, 4]), ..batch }),
        "the batch has row 4, counted from 0, but the table has 4 rows"
    );
    assert_eq!(
        check(&workspace, (&params[1..], &state), batch),
        format!("parameters: expected {}, got {}", params.len(), params.len() - 1)
    );
    let long = [&state[..], &[0.0]].concat();
    assert!(check(&workspace, (&params, &long), batch).starts_with("numbers in the running state"));
    let inference = Workspace::new(&graph, &exec, 4, Mode::Inference).unwrap();
    assert!(check(&inference, of, batch).starts_with("the workspace is for inference"));
    let other = TwoBranch::new(3, 4, 2, 6, 6).build::<f64>(Fusion::Fused).unwrap();
    let other = Workspace::new(&other, &exec, 4, Mode::Training).unwrap();
    assert!(check(&other, of, batch).starts_with("the workspace is for another network"));

    // A network without batch normalisation can be trained on one row, but not on none.
    let mut g = GraphBuilder::<f64>::new(1);
    let y = g.layer("y", Linear::new(1), g.input()).unwrap();
    g.head("y", y, 1.0, HalfSquaredError).unwrap();
    let graph = g.build(Fusion::Fused).unwrap();
    let workspace = Workspace::new(&graph, &exec, 4, Mode::Training).unwrap();
    let (params, state) = graph.init(1);
    let none = [Target::Values(matrix(&[], 0, 1))];
    let batch = Batch {
        inputs: &[matrix(&[], 0, 1)],
        targets: &none,
        row_weights: &[],
        row_idx: None,
        masks,
    };
    assert_eq!(graph.check(&workspace, &params, &state, &batch), Err(GraphError::NoRows));
}

/// One mask for each dropout layer, by its name and of its size.
#[test]
fn given_masks_are_checked_and_a_pass_without_them_stops() {
    let graph = two_branch(Fusion::Fused);
    let exec = Executor::serial();
    let mut workspace = Workspace::new(&graph, &exec, 4, Mode::Training).unwrap();
    let (params, mut state) = graph.init(1);
    let numbers = [0.5; 16];
    let x = matrix(&numbers[..12], 4, 3);
    let targets = [Target::Values(matrix(&numbers[..8], 4, 2)), Target::Classes(&[0, 1, 2, 3])];
    let check = |masks: &[(&str, &[f64])]| {
        let batch = Batch {
            inputs: &[x],
            targets: &targets,
            row_weights: &[],
            row_idx: None,
            masks: Masks::Given(masks),
        };
        graph.check(&workspace, &params, &state, &batch)
    };
    let mask =
        |name: &str, expected, got| Err(GraphError::Mask { name: name.into(), expected, got });
    assert_eq!(check(&[("dp1a", &numbers)]), Ok(()));
    assert_eq!(check(&[("dp1a", &numbers[..15])]), mask("dp1a", 16, 15));
    assert_eq!(check(&[("dp1b", &numbers)]), mask("dp1b", 0, 16));
    assert_eq!(check(&[("fc1a", &numbers), ("dp1a", &numbers)]), mask("fc1a", 0, 16));
    assert_eq!(check(&[]), mask("dp1a", 16, 0));

    let forward = std::panic::AssertUnwindSafe(|| {
        let masks = Masks::Given(&[("dp1b", &numbers)]);
        graph.forward(&exec, &params, &mut state, &mut workspace, &[x], masks);
    });
    let panic = std::panic::catch_unwind(forward).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("mask \"dp1b\""));
}

/// A builder's node is the same node after fusion; one inside another, or whose memory a join took
/// over, has no value.
#[test]
fn nodes_keep_their_ids() {
    let run = |fusion| {
        let mut g = GraphBuilder::<f64>::new(2);
        let x = g.input();
        let fc1 = g.layer("fc1", Linear::new(3), x).unwrap();
        let relu = g.layer("relu", Activation::Relu, fc1).unwrap();
        let fc2 = g.layer("fc2", Linear::new(4), relu).unwrap();
        let tanh = g.layer("tanh", Activation::Tanh, fc2).unwrap();
        let fc3 = g.layer("fc3", Linear::new(1), tanh).unwrap();
        let side = g.layer("side", Linear::new(3), x).unwrap();
        let join = g.join("join", Join::Broadcast, side, fc3).unwrap();
        let last = g.layer("last", Linear::new(2), join).unwrap();
        g.head("fc3", fc3, 1.0, HalfSquaredError).unwrap();
        g.head("last", last, 1.0, HalfSquaredError).unwrap();
        let graph = g.build(fusion).unwrap();
        let exec = Executor::serial();
        let mut workspace = Workspace::new(&graph, &exec, 2, Mode::Training).unwrap();
        let (params, mut state) = graph.init(3);
        let batch = matrix(&[0.5, -1.0, 2.0, 0.25], 2, 2);
        let masks = Masks::Drawn { seed: 1, step: 0 };
        graph.forward(&exec, &params, &mut state, &mut workspace, &[batch], masks);
        let nodes = [x, fc1, relu, fc2, tanh, fc3, side, join, last];
        let widths = nodes.map(|node| graph.width(node));
        assert_eq!(widths, [2, 3, 3, 4, 4, 1, 3, 3, 2]);
        assert_eq!(graph.node("relu"), Some(relu));
        nodes.map(|node| workspace.value(node).map(|value| value.to_owned()))
    };
    let (fused, unfused) = (run(Fusion::Fused), run(Fusion::Unfused));
    let shows = |values: &[Option<ndarray::Array2<f64>>]| {
        values.iter().map(Option::is_some).collect::<Vec<_>>()
    };
    let (yes, no) = (true, false);
    assert_eq!(shows(&fused), [no, no, yes, yes, yes, yes, no, yes, yes]);
    assert_eq!(shows(&unfused), [no, yes, yes, yes, yes, yes, no, yes, yes]);
    for (fused, unfused) in fused.iter().zip(&unfused) {
        let (Some(fused), Some(unfused)) = (fused, unfused) else { continue };
        assert!(fused.iter().zip(unfused).all(|(a, b)| (a - b).abs() < 1e-15));
    }
    // tanh of fc2, and not the other way round.
    let [_, _, _, Some(fc2), Some(tanh), ..] = &fused else { panic!("both show their values") };
    assert!(tanh.iter().zip(fc2).all(|(y, x)| (y - x.tanh()).abs() < 1e-15));
}

/// A smaller batch, or an evaluation, gives what it gives in a workspace of its own size.
#[test]
fn a_workspace_serves_smaller_batches() {
    let graph = two_branch(Fusion::Fused);
    let exec = Executor::serial();
    let (params, mut state) = graph.init(3);
    let x: Vec<f64> = (0..15).map(|i| f64::from(i * 7 % 11) - 5.0).collect();
    let run = |max_rows: usize, rows: usize| {
        let mut workspace = Workspace::new(&graph, &exec, max_rows, Mode::Inference).unwrap();
        let at_first = matrix(&x, 5, 3);
        if max_rows >= 5 {
            graph.infer(&exec, &params, &state, &mut workspace, &[at_first]);
        }
        graph.infer(&exec, &params, &state, &mut workspace, &[matrix(&x[..rows * 3], rows, 3)]);
        let heads: Vec<_> =
            graph.heads().iter().map(|head| workspace.prediction(head).to_owned()).collect();
        assert_eq!(heads[0].dim(), (rows, 2));
        heads
    };
    assert_eq!(run(9, 2), run(2, 2));
    assert_eq!(run(9, 1), run(1, 1));
    // No rows give no predictions.
    assert_eq!(run(9, 0), run(0, 0));

    // A training step leaves predictions and their derivatives: (ŷ − y)/m, here with y = 0.
    let mut workspace = Workspace::new(&graph, &exec, 9, Mode::Training).unwrap();
    let zeros = [0.0; 10];
    let targets = [Target::Values(matrix(&zeros, 5, 2)), Target::Classes(&[0, 1, 2, 3, 4])];
    let masks = Masks::Drawn { seed: 1, step: 0 };
    graph.forward(&exec, &params, &mut state, &mut workspace, &[matrix(&x, 5, 3)], masks);
    graph.losses(&exec, &mut workspace, &targets, &[]);
    let y_a = graph.heads()[0].node();
    let expected = workspace.value(y_a).unwrap().mapv(|y| y * (1.0 / 5.0));
    assert_eq!(workspace.delta(y_a).unwrap(), expected);
    let squares: f64 = workspace.value(y_a).unwrap().iter().map(|y| 0.5 * y * y).sum();
    assert!((workspace.losses()[0] - squares / 5.0).abs() < 1e-14 * squares);
}

/// A workspace serves every smaller batch, also one that is split into more shards than the
/// largest: 1,024 rows are not split, as four gradients would have too many elements, but 700 rows
/// are, in three; 513 rows are not worth splitting in three, but 512 are in two.
#[test]
fn smaller_batches_may_be_cut_into_more_shards() {
    for (config, max_rows, rows, expected) in [
        (TwoBranch::new(250, 300, 1, 300, 5), 1024, 700, 3),
        (TwoBranch::new(16, 48, 1, 48, 4), 513, 512, 2),
    ] {
        let graph = config.build::<f32>(Fusion::Fused).unwrap();
        let run = |threads: usize| {
            let exec = Executor::new(threads).unwrap();
            let mut workspace = Workspace::new(&graph, &exec, max_rows, Mode::Training).unwrap();
            let mut evaluation = Workspace::new(&graph, &exec, max_rows, Mode::Inference).unwrap();
            let (params, mut state) = graph.init(1);
            let mut grads = Gradients::zeros(params.len());
            let x: Vec<f32> =
                (0..max_rows * config.inputs).map(|i| (i * 37 % 101) as f32 * 0.02 - 1.0).collect();
            let (y_a, classes) = (vec![0.5; max_rows], vec![1; max_rows]);
            let mut n_parts = Vec::new();
            for rows in [max_rows, rows] {
                let x = matrix(&x[..rows * config.inputs], rows, config.inputs);
                let y_a = Target::Values(matrix(&y_a[..rows], rows, 1));
                let targets = [y_a, Target::Classes(&classes[..rows])];
                let masks = Masks::Drawn { seed: 1, step: 0 };
                let batch = Batch {
                    inputs: &[x],
                    targets: &targets,
                    row_weights: &[],
                    row_idx: None,
                    masks,
                };
                graph.gradient(&exec, &params, &mut state, &mut grads, &mut workspace, batch);
                graph.infer(&exec, &params, &state, &mut evaluation, &[x]);
                n_parts.push(grads.n_parts());
            }
            // One thread adds the shards' gradients up itself.
            assert_eq!(n_parts, [1, if threads == 1 { 1 } else { expected }]);
            (grads.whole(&exec).to_vec(), evaluation.prediction(&graph.heads()[0]).to_owned())
        };
        assert!(run(1) == run(2));
    }
}

/// A batch picked from a table by row index is the batch of these rows, to the bit: with one shard
/// or several, and with repeated rows.
#[test]
fn batches_are_picked_from_a_table() {
    let config = TwoBranch::new(20, 128, 1, 64, 5);
    let graph = config.build::<f32>(Fusion::Fused).unwrap();
    let table_rows = 700;
    let x: Vec<f32> = (0..table_rows * 20).map(|i| (i * 37 % 101) as f32 * 0.02 - 1.0).collect();
    let y: Vec<f32> = (0..table_rows).map(|i| (i % 17) as f32 * 0.1).collect();
    let classes: Vec<u32> = (0..table_rows).map(|i| (i % 5) as u32).collect();
    for n_rows in [40, 600] {
        let row_idx: Vec<usize> = (0..n_rows).map(|i| i * i * 31 % table_rows).collect();
        let picked_x: Vec<f32> =
            row_idx.iter().flat_map(|i| x[20 * i..20 * i + 20].to_vec()).collect();
        let picked_y: Vec<f32> = row_idx.iter().map(|i| y[*i]).collect();
        let picked_classes: Vec<u32> = row_idx.iter().map(|i| classes[*i]).collect();
        let gradient = |exec: &Executor, (x, y, classes): (&[f32], &[f32], &[u32]), row_idx| {
            let mut workspace = Workspace::new(&graph, exec, n_rows, Mode::Training).unwrap();
            let (params, mut state) = graph.init(1);
            let mut grads = Gradients::zeros(params.len());
            let targets = [Target::Values(matrix(y, y.len(), 1)), Target::Classes(classes)];
            let (x, masks) = (matrix(x, y.len(), 20), Masks::Drawn { seed: 1, step: 0 });
            let batch = Batch { inputs: &[x], targets: &targets, row_weights: &[], row_idx, masks };
            graph.gradient(exec, &params, &mut state, &mut grads, &mut workspace, batch);
            let n_parts = grads.n_parts();
            (grads.whole(exec).to_vec(), workspace.losses().to_vec(), n_parts)
        };
        for threads in [1, 2] {
            let exec = Executor::new(threads).unwrap();
            let want = gradient(&exec, (&picked_x, &picked_y, &picked_classes), None);
            assert_eq!(want.2, if n_rows == 40 || threads == 1 { 1 } else { 3 });
            assert_eq!(gradient(&exec, (&x, &y, &classes), Some(&row_idx)), want, "{n_rows}");
        }
    }
}

/// y = n·x in batch n, counted from 1: a layer that works row by row and keeps a state.
#[derive(Debug)]
struct Louder;

impl Layer<f64> for Louder {
    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        let state = vec![ArraySpec::vector("batches", 1, Role::Norm)];
        Ok(Shape { state, ..Shape::new(one_input("louder", inputs)?) })
    }

    fn infer(&self, cx: Infer<'_, f64>) {
        let Infer { x, mut y, state, .. } = cx;
        y.assign(&(&x * state[0]));
    }

    fn training(&self) -> Training<'_, f64> {
        Training::RowWise(self)
    }

    fn describe(&self) -> String {
        "louder".into()
    }
}

impl RowWise<f64> for Louder {
    fn forward(&self, cx: Forward<'_, f64>) {
        let Forward { x, mut y, state, .. } = cx;
        y.assign(&(&x * (state[0] + 1.0)));
    }

    fn backward(&self, _: Backward<'_, f64>) {}

    fn update_state(&self, state: &mut [f64]) {
        state[0] += 1.0;
    }
}

/// Once per batch, after its forward pass, whether or not it is split.
#[test]
fn the_state_of_a_row_wise_layer_counts_batches() {
    let mut g = GraphBuilder::new(2);
    let y = g.layer("y", Louder, g.input()).unwrap();
    g.head("y", y, 1.0, HalfSquaredError).unwrap();
    let graph = g.build(Fusion::Fused).unwrap();
    let exec = Executor::new(2).unwrap();
    let numbers = [1.0, -2.0, 0.5, 3.0, 4.0, -1.0];
    let x = matrix(&numbers, 3, 2);
    let targets = [Target::Values(x)];
    let masks = Masks::Drawn { seed: 1, step: 0 };
    let batch = Batch { inputs: &[x], targets: &targets, row_weights: &[], row_idx: None, masks };
    for rows_per_shard in [1, 3] {
        let mut workspace = Workspace::with_shards_of(rows_per_shard, &graph, &exec, 3).unwrap();
        let (params, mut state) = graph.init(1);
        let mut grads = Gradients::zeros(0);
        for n in 1..4 {
            graph.gradient(&exec, &params, &mut state, &mut grads, &mut workspace, batch);
            assert_eq!(workspace.value(y).unwrap(), x.mapv(|x| f64::from(n) * x));
            assert_eq!(state[..], [f64::from(n)]);
        }
        graph.forward(&exec, &params, &mut state, &mut workspace, &[x], masks);
        assert_eq!(state[..], [4.0]);
        graph.infer(&exec, &params, &state, &mut workspace, &[x]);
        assert_eq!(workspace.value(y).unwrap(), x.mapv(|x| 4.0 * x));
    }
}
