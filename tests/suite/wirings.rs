//! Gradients of whole networks against central differences in f64: the two-branch network with
//! every join, and graphs whose fan-out and joins are wired in unusual ways.
//!
//! The difference quotient (L(θ+h) − L(θ−h))/2h of a loss of size 1 is off by about 1e-16/h from
//! rounding and by h²L‴/6: with h = 1e-5 both stay below 1e-9.

use anabranch_graph::{
    Batch, Fusion, Graph, GraphBuilder, GraphError, Join, Masks, Mode, NodeId, TwoBranch, Workspace,
};
use anabranch_layers::{
    Activation, Affine, BatchNorm, CrossEntropy, Dropout, HalfSquaredError, Linear, Target,
    TargetKind,
};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Executor, Gradients, matrix};

use crate::measure::relative_error;

const H: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;
/// Fusion changes where a number is computed, not what is added to what: today the gradients are
/// equal to the bit, and the tolerance leaves room for a sum in another order.
const FUSION_TOLERANCE: f64 = 1e-14;
const ROWS: usize = 7;

/// A target that owns its numbers.
enum Owned {
    Values(Vec<f64>),
    Classes(Vec<u32>),
    Probabilities(Vec<f64>),
}

/// A batch with targets for every head, and parameters and state away from their defaults.
struct Instance {
    x: Vec<f64>,
    targets: Vec<Owned>,
    params: Vec<f64>,
    state: Vec<f64>,
}

impl Instance {
    fn draw(graph: &Graph<f64>, seed: u64) -> Self {
        let mut random = Random::new(seed, Purpose::Sample, 0);
        let mut draw = |len: usize| -> Vec<f64> { (0..len).map(|_| random.normal()).collect() };
        // Weights of size 1/2: γ, β and biases far from 1 and 0, activations of size 1.
        let params = draw(graph.params_len()).iter().map(|v| 0.5 * v).collect();
        let state = draw(graph.state_len()).iter().map(|v| v * v).collect();
        let x = draw(ROWS * graph.inputs());
        let mut random = Random::new(seed, Purpose::Sample, 1);
        let targets = graph.heads().iter().zip(seed..).map(|(head, turn)| {
            let width = head.outputs();
            match head.loss().target_kind() {
                TargetKind::Classes if turn.is_multiple_of(2) => {
                    Owned::Classes((0..ROWS).map(|_| random.below(width as u64) as u32).collect())
                }
                TargetKind::Values | TargetKind::Binary => {
                    Owned::Values((0..ROWS * width).map(|_| random.normal()).collect())
                }
                TargetKind::Classes => {
                    let mut labels: Vec<f64> =
                        (0..ROWS * width).map(|_| random.uniform()).collect();
                    for row in labels.chunks_exact_mut(width) {
                        let sum: f64 = row.iter().sum();
                        row.iter_mut().for_each(|v| *v /= sum);
                    }
                    Owned::Probabilities(labels)
                }
            }
        });
        let targets = targets.collect();
        Self { x, targets, params, state }
    }

    fn targets(&self, graph: &Graph<f64>) -> Vec<Target<'_, f64>> {
        let widths = graph.heads().iter().map(|head| head.outputs());
        let pairs = self.targets.iter().zip(widths);
        pairs
            .map(|(target, width)| match target {
                Owned::Values(y) => Target::Values(matrix(y, ROWS, width)),
                Owned::Classes(classes) => Target::Classes(classes),
                Owned::Probabilities(y) => Target::Probabilities(matrix(y, ROWS, width)),
            })
            .collect()
    }
}

/// The gradient; the workspace and the gradients begin as NaN, so that nothing can be added to what
/// was never written.
fn gradient(graph: &Graph<f64>, at: &Instance, masks: Masks<'_, f64>) -> Vec<f64> {
    let exec = Executor::serial();
    let mut workspace = Workspace::new(graph, &exec, ROWS + 2, Mode::Training).unwrap();
    let x = matrix(&at.x, ROWS, graph.inputs());
    let targets = at.targets(graph);
    let batch = Batch { inputs: &[x], targets: &targets, row_weights: &[], row_idx: None, masks };
    graph.check(&workspace, &at.params, &at.state, &batch).unwrap();
    let mut grads = Gradients::from(&vec![f64::NAN; at.params.len()][..]);
    // Twice: a second step must not see what the first one left.
    for _ in 0..2 {
        let mut state = at.state.clone();
        graph.forward(&exec, &at.params, &mut state, &mut workspace, &[x], masks);
        graph.losses(&exec, &mut workspace, &targets, &[]);
        graph.backward(&exec, &at.params, &mut grads, &mut workspace, &[x]);
    }
    grads.whole(&exec).to_vec()
}

/// The loss, and which of the ReLUs in the nodes `relus` are open, at other parameters.
fn loss(
    graph: &Graph<f64>,
    at: &Instance,
    params: &[f64],
    masks: Masks<'_, f64>,
    relus: &[NodeId],
) -> (f64, Vec<bool>) {
    let exec = Executor::serial();
    let mut workspace = Workspace::new(graph, &exec, ROWS, Mode::Training).unwrap();
    let x = matrix(&at.x, ROWS, graph.inputs());
    graph.forward(&exec, params, &mut at.state.clone(), &mut workspace, &[x], masks);
    graph.losses(&exec, &mut workspace, &at.targets(graph), &[]);
    let open = relus
        .iter()
        .flat_map(|relu| workspace.value(*relu).expect("not fused").mapv(|v| v > 0.0))
        .collect();
    (workspace.losses().iter().sum(), open)
}

/// Compares the fused and the unfused network's gradients with differences of the unfused one's
/// loss, array by array. A parameter whose two samples open different ReLUs has no derivative in
/// between and is left out.
fn check(
    what: &str,
    build: &dyn Fn(Fusion) -> Result<Graph<f64>, GraphError>,
    seed: u64,
    masks: Masks<'_, f64>,
) {
    let (fused, unfused) = (build(Fusion::Fused).unwrap(), build(Fusion::Unfused).unwrap());
    assert_eq!(fused.params(), unfused.params());
    let at = Instance::draw(&unfused, seed);
    let relus: Vec<NodeId> = unfused
        .summary()
        .rows
        .iter()
        .filter(|row| row.kind == "relu")
        .map(|row| unfused.node(&row.name).unwrap())
        .collect();
    let analytic = gradient(&unfused, &at, masks);
    let analytic_fused = gradient(&fused, &at, masks);
    for array in unfused.params() {
        let (mut kept, mut quotients) = (Vec::new(), Vec::new());
        for i in array.range.clone() {
            let sample = |step: f64| {
                let mut params = at.params.clone();
                params[i] += step;
                loss(&unfused, &at, &params, masks, &relus)
            };
            let ((above, open_above), (below, open_below)) = (sample(H), sample(-H));
            if open_above == open_below {
                kept.push(analytic[i]);
                quotients.push((above - below) / (2.0 * H));
            }
        }
        assert!(2 * kept.len() >= array.range.len(), "{what}: {}: most left out", array.name);
        let error = relative_error(&kept, &quotients);
        assert!(error <= TOLERANCE, "{what}: {}: {error:.1e}\n{kept:?}\n{quotients:?}", array.name);
        let range = array.range.clone();
        let error = relative_error(&analytic_fused[range.clone()], &analytic[range]);
        assert!(error <= FUSION_TOLERANCE, "{what}: {} fused: {error:.1e}", array.name);
    }
}

#[test]
fn the_two_branch_network_with_every_join() {
    let drawn = Masks::Drawn { seed: 2, step: 9 };
    for (seed, (join, outputs_a, hidden_b)) in [
        (Join::Add, 4, 4),
        (Join::Broadcast, 1, 4),
        (Join::Project, 3, 4),
        (Join::Project, 4, 1),
        (Join::Add, 1, 1),
    ]
    .into_iter()
    .enumerate()
    {
        for affine in [Affine::PerUnit, Affine::Shared] {
            for bn_eps in [1e-5, 0.5] {
                let config = TwoBranch {
                    join,
                    affine,
                    bn_eps,
                    weight_a: 0.7,
                    weight_b: 1.3,
                    ..TwoBranch::new(5, 6, outputs_a, hidden_b, 3)
                };
                let what = format!("{join:?} {outputs_a}->{hidden_b} {affine:?} eps {bn_eps}");
                check(&what, &|fusion| config.build(fusion), seed as u64, drawn);
            }
        }
    }
}

#[test]
fn other_activations_and_a_given_mask() {
    let kept: Vec<f64> = (0..ROWS * 6).map(|i| f64::from(u8::from(i % 3 != 0))).collect();
    let masks = [("dp1a", kept.as_slice())];
    for activation in Activation::ALL {
        let config = TwoBranch { activation, ..TwoBranch::new(3, 6, 2, 2, 4) };
        check(activation.name(), &|fusion| config.build(fusion), 11, Masks::Given(&masks));
    }
}

/// Wires a graph on an input of three columns.
type Wiring = fn(&mut GraphBuilder<f64>, NodeId) -> Result<(), GraphError>;

/// Graphs that the two-branch network does not have, each with the reason why it could go wrong.
const WIRINGS: [(&str, Wiring); 9] = [
    ("one layer, one head", |g, x| {
        let y = g.layer("fc", Linear::new(2), x)?;
        g.head("y", y, 0.8, HalfSquaredError)
    }),
    ("a node with three readers and a head", |g, x| {
        let h = g.layer("h", Linear::new(3), x)?;
        let a = g.layer("a", Activation::Tanh, h)?;
        let b = g.layer("b", Activation::Silu, h)?;
        let c = g.layer("c", Linear::new(3), h)?;
        let ab = g.join("ab", Join::Add, a, b)?;
        let abc = g.join("abc", Join::Add, ab, c)?;
        g.head("h", h, 0.8, HalfSquaredError)?;
        g.head("abc", abc, 1.1, CrossEntropy::default())
    }),
    ("a join of a node with itself", |g, x| {
        let h = g.layer("h", Linear::new(2), x)?;
        let a = g.layer("a", Activation::Gelu, h)?;
        let y = g.join("join", Join::Add, a, a)?;
        g.head("y", y, 0.8, HalfSquaredError)
    }),
    ("a projection of a node onto itself", |g, x| {
        let h = g.layer("h", Linear::new(3), x)?;
        let y = g.join("join", Join::Project, h, h)?;
        g.head("y", y, 1.1, CrossEntropy::default())
    }),
    ("the input on the left of a join", |g, x| {
        let h = g.layer("h", Linear::new(3), x)?;
        let s = g.join("join", Join::Add, x, h)?;
        let y = g.layer("y", Linear::new(2), s)?;
        g.head("y", y, 0.8, HalfSquaredError)
    }),
    ("the input on the right of a join", |g, x| {
        let h = g.layer("h", Linear::new(4), x)?;
        let s = g.join("join", Join::Project, h, x)?;
        g.head("s", s, 1.1, CrossEntropy::default())
    }),
    ("joins in a row, each on what the last one left", |g, x| {
        let a = g.layer("a", Linear::new(4), x)?;
        let b = g.layer("b", Linear::new(4), x)?;
        let c = g.layer("c", Linear::new(1), x)?;
        let d = g.layer("d", Linear::new(2), x)?;
        let s = g.join("s", Join::Add, a, b)?;
        let s = g.join("t", Join::Broadcast, s, c)?;
        let s = g.join("u", Join::Project, s, d)?;
        g.head("s", s, 1.1, CrossEntropy::default())?;
        g.head("d", d, 0.8, HalfSquaredError)
    }),
    ("a join on a layer whose backward pass reads its output", |g, x| {
        let a = g.layer("a", Linear::new(3), x)?;
        let a = g.layer("tanh", Activation::Tanh, a)?;
        let b = g.layer("b", Linear::new(3), x)?;
        let s = g.join("join", Join::Add, a, b)?;
        let s = g.layer("bn", BatchNorm::new().with_eps(0.5), s)?;
        g.head("s", s, 0.8, HalfSquaredError)
    }),
    ("ReLU and dropout that have another reader each, and cannot be fused", |g, x| {
        let z = g.layer("z", Linear::new(3), x)?;
        let a = g.layer("relu", Activation::Relu, z)?;
        let d = g.layer("dropout", Dropout::new(0.3), a)?;
        let s = g.join("s", Join::Add, d, a)?;
        let s = g.join("t", Join::Add, s, z)?;
        g.head("d", d, 0.8, HalfSquaredError)?;
        g.head("s", s, 1.1, CrossEntropy::default())
    }),
];

#[test]
fn unusual_wirings() {
    for (seed, (what, wire)) in WIRINGS.into_iter().enumerate() {
        let build = |fusion| {
            let mut builder = GraphBuilder::new(3);
            let x = builder.input();
            wire(&mut builder, x)?;
            builder.build(fusion)
        };
        check(what, &build, seed as u64, Masks::Drawn { seed: 5, step: 1 });
    }
}
