//! Rivers: what they build, what they reject, and that they are plain data.

use anabranch_graph::{
    Batch, Branch, Fusion, Graph, GraphError, Join, LayerKind, Masks, Mode, River, TwoBranch,
    Workspace,
};
use anabranch_layers::{Activation, LossKind, Target};
use anabranch_tensor::{Executor, Gradients, matrix};

/// A trunk, two regressions and two classes, with a join of each kind.
fn four_tasks() -> River {
    let relu = Activation::Relu;
    River::new(
        3,
        [
            Branch::new("trunk").hidden(6, Activation::Tanh).batch_norm(),
            Branch::new("one").from("trunk").hidden(5, relu).dropout(0.3).head(
                1,
                LossKind::HUBER,
                0.7,
            ),
            Branch::new("three").head(3, LossKind::HalfSquaredError, 1.0),
            Branch::new("class")
                .from("trunk")
                .hidden(3, relu)
                .join("one", Join::Broadcast)
                .join("three", Join::Add)
                .head(4, LossKind::CROSS_ENTROPY, 1.3),
            Branch::new("yes.no")
                .hidden(4, Activation::Gelu)
                .batch_norm()
                .join("class", Join::Add)
                .join("three", Join::Project)
                .head(2, LossKind::BinaryCrossEntropy, 1.0),
        ],
    )
}

fn names(graph: &Graph<f64>) -> Vec<&str> {
    graph.params().iter().map(|array| array.name.as_str()).collect()
}

#[test]
fn names_are_those_of_branches_and_heads_are_tasks_in_order() {
    let graph = four_tasks().build::<f64>(Fusion::Fused).unwrap();
    let heads: Vec<_> =
        graph.heads().iter().map(|head| (head.name(), head.outputs(), head.weight())).collect();
    assert_eq!(heads, [("one", 1, 0.7), ("three", 3, 1.0), ("class", 4, 1.3), ("yes.no", 2, 1.0)]);
    let params = names(&graph);
    for name in [
        "trunk.0.weight",
        "trunk.0.bn.bias",
        "one.head.bias",
        "yes%2Eno.0.weight",
        "yes%2Eno.join.three.weight",
    ] {
        assert!(params.contains(&name), "{name} in {params:?}");
    }
    assert_eq!(graph.param("yes%2Eno.join.three.weight").unwrap().shape, [4, 3]);
    assert!(graph.param("class.join.three.weight").is_none(), "a sum has no weight");
}

#[test]
fn a_river_knows_its_branches_and_tasks() {
    let river = four_tasks();
    let tasks: Vec<_> =
        river.tasks().map(|(branch, head)| (branch.name.as_str(), head.weight)).collect();
    assert_eq!(tasks, [("one", 0.7), ("three", 1.0), ("class", 1.3), ("yes.no", 1.0)]);
    assert_eq!(river.branch("class"), Some(&river.branches[3]));
    assert_eq!(river.branch("trunk").map(|trunk| trunk.head.is_none()), Some(true));
    assert_eq!(river.branch("two"), None);
    // Each hidden layer begins a block, which what follows is named by.
    let branch = Branch::new("a").hidden(3, Activation::Tanh).hidden(2, Activation::Relu);
    let branch = branch.dropout(0.5).layer("prelu", LayerKind::PRELU);
    let names: Vec<&str> = branch.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["a.0", "a.0.tanh", "a.1", "a.1.relu", "a.1.dropout", "a.1.prelu"]);
}

/// The numbers of a step, with fusion and without, on any number of threads.
#[test]
fn a_river_of_any_tasks_takes_a_step() {
    let rows = 200;
    let x: Vec<f64> = (0..rows * 3).map(|i| ((i * 37) % 101) as f64 * 0.02 - 1.0).collect();
    let y: Vec<f64> = (0..rows * 3).map(|i| ((i * 17) % 23) as f64 * 0.1 - 1.0).collect();
    let yes: Vec<f64> =
        (0..rows * 2).map(|i: usize| f64::from(u8::from(i.is_multiple_of(3)))).collect();
    let classes: Vec<u32> = (0..rows as u32).map(|i| i % 4).collect();
    let targets = [
        Target::Values(matrix(&y[..rows], rows, 1)),
        Target::Values(matrix(&y, rows, 3)),
        Target::Classes(&classes),
        Target::Values(matrix(&yes, rows, 2)),
    ];
    let step = |fusion, threads| {
        let exec = Executor::new(threads).unwrap();
        let graph = four_tasks().build::<f64>(fusion).unwrap();
        let (params, mut state) = graph.init(3);
        let mut workspace = Workspace::new(&graph, &exec, rows, Mode::Training).unwrap();
        let x = matrix(&x, rows, 3);
        let mut grads = Gradients::zeros(params.len());
        let masks = Masks::Drawn { seed: 1, step: 0 };
        let batch =
            Batch { inputs: &[x], targets: &targets, row_weights: &[], row_idx: None, masks };
        graph.check(&workspace, &params, &state, &batch).unwrap();
        graph.gradient(&exec, &params, &mut state, &mut grads, &mut workspace, batch);
        (workspace.losses().to_vec(), grads.whole(&exec).to_vec())
    };
    let (losses, grads) = step(Fusion::Fused, 1);
    assert!(losses.iter().chain(&grads).all(|v| v.is_finite()) && losses.len() == 4);
    assert!(step(Fusion::Fused, 3) == (losses.clone(), grads.clone()));
    let (unfused_losses, unfused) = step(Fusion::Unfused, 2);
    for (a, b) in losses.iter().chain(&grads).zip(unfused_losses.iter().chain(&unfused)) {
        assert!((a - b).abs() <= 1e-14 * a.abs().max(1.0), "{a} {b}");
    }
}

#[test]
fn a_river_is_plain_data() {
    for river in [four_tasks(), TwoBranch::new(4, 5, 2, 3, 4).river()] {
        let json = serde_json::to_string(&river).unwrap();
        assert_eq!(serde_json::from_str::<River>(&json).unwrap(), river);
        // Unknown fields are rejected: a misspelt setting would be ignored silently.
        let misspelt = json.replacen("\"stream\"", "\"streem\"", 1);
        assert!(serde_json::from_str::<River>(&misspelt).is_err());
    }
    let json = r#"{
        "inputs": 2,
        "branches": [{
            "name": "y",
            "layers": [
                {"name": "a", "stream": 7, "layer": {"linear": {"outputs": 3, "init": "kaiming_uniform"}}},
                {"name": "b", "stream": 8, "layer": {"activation": "silu"}}
            ],
            "head": {
                "layer": {"name": "c", "stream": 9, "layer": {"linear": {"outputs": 1, "init": "xavier_normal"}}},
                "loss": {"pinball": {"quantile": 0.9}},
                "weight": 1.0
            }
        }]
    }"#;
    let river: River = serde_json::from_str(json).unwrap();
    assert_eq!(
        names(&river.build(Fusion::Fused).unwrap()),
        ["a.weight", "a.bias", "c.weight", "c.bias"]
    );
}

/// Weights and masks are seeded by a node's stream: the same wherever its branch stands.
#[test]
fn moving_a_branch_leaves_its_numbers() {
    let a = || Branch::new("a").hidden(9, Activation::Relu).dropout(0.5);
    let river = River::new(
        4,
        [
            a().head(1, LossKind::HalfSquaredError, 1.0),
            Branch::new("b").hidden(3, Activation::Relu).head(2, LossKind::CROSS_ENTROPY, 1.0),
        ],
    );
    let mut turned = river.clone();
    turned.branches.reverse();
    let of = |river: &River| {
        let graph = river.build::<f64>(Fusion::Fused).unwrap();
        let (params, mut state) = graph.init(5);
        let exec = Executor::serial();
        let mut workspace = Workspace::new(&graph, &exec, 6, Mode::Training).unwrap();
        let x: Vec<f64> = (0..24).map(|i| f64::from(i % 7) - 3.0).collect();
        let masks = Masks::Drawn { seed: 5, step: 2 };
        graph.forward(&exec, &params, &mut state, &mut workspace, &[matrix(&x, 6, 4)], masks);
        let head = graph.heads().iter().find(|head| head.name() == "a").unwrap();
        workspace.prediction(head).to_owned()
    };
    assert_eq!(of(&river), of(&turned));
}

#[test]
fn what_does_not_fit_is_refused_with_the_name_of_the_branch() {
    let head = |branch: Branch| branch.head(1, LossKind::HalfSquaredError, 1.0);
    let error = |branches: Vec<Branch>| {
        River::new(2, branches).build::<f32>(Fusion::Fused).unwrap_err().to_string()
    };
    assert_eq!(
        error(vec![head(Branch::new("a").from("b")), head(Branch::new("b"))]),
        "branch \"a\": no earlier branch is called \"b\": a branch reads the input or branches before it"
    );
    // Itself, which would be a cycle.
    assert!(error(vec![head(Branch::new("a").join("a", Join::Add))]).contains("no earlier branch"));
    assert_eq!(
        error(vec![
            Branch::new("t").hidden(3, Activation::Relu),
            head(Branch::new("a").join("t", Join::Project))
        ]),
        "branch \"a\": branch \"t\" has no head, so it has no prediction to join"
    );
    assert_eq!(
        error(vec![
            head(Branch::new("a")),
            head(Branch::new("b").hidden(5, Activation::Relu).join("a", Join::Add)),
        ]),
        "branch \"b\": node \"b.join.a\": add needs equally wide inputs, but the left input has 5 columns and the \
         right one 1"
    );
    assert!(
        error(vec![head(Branch::new("a")), head(Branch::new("a"))]).starts_with("branch \"a\": ")
    );
    let dropout = error(vec![head(Branch::new("a").hidden(3, Activation::Relu).dropout(1.5))]);
    assert!(dropout.starts_with("branch \"a\": node \"a.0.dropout\": "), "{dropout}");
    let weight = error(vec![Branch::new("a").head(1, LossKind::HUBER, f64::NAN)]);
    assert_eq!(
        weight,
        "branch \"a\": head \"a\": its weight must be finite and at least 0, not NaN"
    );
    let loss = error(vec![Branch::new("a").head(1, LossKind::Huber { delta: -1.0 }, 1.0)]);
    assert!(loss.contains("delta must be finite and above 0"), "{loss}");
    assert!(
        error(vec![Branch::new("a").head(usize::MAX, LossKind::HUBER, 1.0)])
            .contains("are supported")
    );
    // A trunk that nobody reads, and no task at all.
    let unused = error(vec![head(Branch::new("a")), Branch::new("t").hidden(3, Activation::Relu)]);
    assert!(unused.contains("t.0.relu"), "{unused}");
    assert_eq!(River::new(2, []).build::<f32>(Fusion::Fused).unwrap_err(), GraphError::NoHead);
}

/// The preset's river, layer by layer, as the derivation names them.
#[test]
fn two_branches_are_the_smallest_river() {
    let river = TwoBranch { dropout: 0.25, ..TwoBranch::new(3, 4, 2, 5, 6) }.river();
    let layers = |branch: &Branch| {
        let streams = branch.layers.iter().map(|layer| (layer.name.clone(), layer.stream));
        streams.collect::<Vec<_>>()
    };
    let named = |names: [&str; 3], first: u32| {
        names.iter().map(|name| (*name).to_owned()).zip(first..).collect::<Vec<_>>()
    };
    assert_eq!(layers(&river.branches[0]), named(["fc1a", "relu1a", "dp1a"], 1));
    assert_eq!(layers(&river.branches[1]), named(["fc1b", "relu1b", "bn1b"], 5));
    assert_eq!(river.branches[0].layers[2].layer, LayerKind::Dropout { p: 0.25 });
    assert_eq!(
        names(&river.build(Fusion::Fused).unwrap()),
        [
            "fc1a.weight",
            "fc1a.bias",
            "fc2a.weight",
            "fc2a.bias",
            "fc1b.weight",
            "fc1b.bias",
            "bn1b.weight",
            "bn1b.bias",
            "join.weight",
            "fc2b.weight",
            "fc2b.bias",
        ]
    );
}
