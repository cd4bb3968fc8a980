//! A network of three branches, built from the same parts as the two-branch one and trained by
//! plain gradient descent.
//!
//! ```text
//! x ─┬─ a1 ─ relu ─ a2 ───────────────┬─ ŷa   the product of the inputs
//!    ├─ b1 ─ relu ─ bn ─ ⊕ (ŷa) ─ b2 ─┼─ ŷb   in which quadrant
//!    └─ c1 ─ tanh ─ dropout ─ ⊕ (ŷb) ─ c2 ─ ŷc   how far from the origin
//! ```
//!
//! `cargo run -p anabranch-graph --example 02-three-branches`

use anabranch_graph::{
    Batch, Fusion, Graph, GraphBuilder, GraphError, Join, Masks, Mode, Workspace,
};
use anabranch_layers::{
    Activation, BatchNorm, CrossEntropy, Dropout, HalfSquaredError, Init, Linear, Target,
};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Executor, Gradients, matrix};

fn three_branches(dropout: Dropout) -> Result<Graph<f32>, GraphError> {
    // No ReLU follows a prediction: Xavier's smaller weights suit it.
    let head = |outputs| Linear::new(outputs).with_init(Init::XavierUniform);
    let mut g = GraphBuilder::new(2);
    let x = g.input();

    let a = g.layer("a1", Linear::new(24), x)?;
    let a = g.layer("relu_a", Activation::Relu, a)?;
    let y_a = g.layer("a2", head(1), a)?;

    let b = g.layer("b1", Linear::new(16), x)?;
    let b = g.layer("relu_b", Activation::Relu, b)?;
    let b = g.layer("bn", BatchNorm::new(), b)?;
    let b = g.join("join_b", Join::Broadcast, b, y_a)?;
    let y_b = g.layer("b2", head(4), b)?;

    let c = g.layer("c1", Linear::new(16), x)?;
    let c = g.layer("tanh", Activation::Tanh, c)?;
    let c = g.layer("dropout", dropout, c)?;
    let c = g.join("join_c", Join::Project, c, y_b)?;
    let y_c = g.layer("c2", head(1), c)?;

    g.head("product", y_a, 1.0, HalfSquaredError)?;
    g.head("quadrant", y_b, 0.5, CrossEntropy::default())?;
    g.head("distance", y_c, 1.0, HalfSquaredError)?;
    g.build(Fusion::Fused)
}

fn main() -> Result<(), GraphError> {
    let exec = Executor::serial();
    let graph = three_branches(Dropout::new(0.1))?;
    println!("{}", graph.summary());

    // Points in a square, and three questions about each.
    let n_rows = 128;
    let mut random = Random::new(1, Purpose::Sample, 0);
    let x: Vec<f32> = (0..2 * n_rows).map(|_| 4.0 * random.uniform() as f32 - 2.0).collect();
    let points: Vec<[f32; 2]> = x.chunks_exact(2).map(|p| [p[0], p[1]]).collect();
    let product: Vec<f32> = points.iter().map(|[u, v]| u * v).collect();
    let quadrant: Vec<u32> =
        points.iter().map(|[u, v]| 2 * u32::from(*u > 0.0) + u32::from(*v > 0.0)).collect();
    let distance: Vec<f32> = points.iter().map(|[u, v]| u.hypot(*v)).collect();
    let x = matrix(&x, n_rows, 2);
    let targets = [
        Target::Values(matrix(&product, n_rows, 1)),
        Target::Classes(&quadrant),
        Target::Values(matrix(&distance, n_rows, 1)),
    ];

    let (mut params, mut state) = graph.init(1);
    let mut grads = Gradients::zeros(graph.params_len());
    let mut workspace = Workspace::new(&graph, &exec, n_rows, Mode::Training)?;
    let masks = Masks::Drawn { seed: 1, step: 0 };
    let batch = Batch { inputs: &[x], targets: &targets, row_weights: &[], row_idx: None, masks };
    graph.check(&workspace, &params, &state, &batch)?;
    let mut first = None;
    for step in 0..600 {
        let masks = Masks::Drawn { seed: 1, step };
        graph.forward(&exec, &params, &mut state, &mut workspace, &[x], masks);
        graph.losses(&exec, &mut workspace, &targets, &[]);
        graph.backward(&exec, &params, &mut grads, &mut workspace, &[x]);
        for (param, grad) in params.iter_mut().zip(grads.whole(&exec)) {
            *param -= 0.02 * *grad;
        }
        if step % 100 == 0 {
            println!("step {step:3}: {:.4?}", workspace.losses());
        }
        first.get_or_insert(workspace.losses().to_vec());
    }

    // Every task has learned. Dropout leaves some noise, so only a factor of three is required.
    println!("the end:  {:.4?}", workspace.losses());
    for (first, last) in first.into_iter().flatten().zip(workspace.losses()) {
        assert!(*last < first / 3.0, "{last} after {first}");
    }

    // Evaluation on the same points: most quadrants are right.
    let mut evaluation = Workspace::new(&graph, &exec, n_rows, Mode::Inference)?;
    graph.infer(&exec, &params, &state, &mut evaluation, &[x]);
    let scores = evaluation.prediction(&graph.heads()[1]);
    let is_right = |(scores, class): &(anabranch_tensor::ArrayView1<'_, f32>, &u32)| {
        let best = (0..scores.len()).max_by(|i, j| scores[*i].total_cmp(&scores[*j]));
        best == Some(**class as usize)
    };
    let n_right = scores.rows().into_iter().zip(&quadrant).filter(is_right).count();
    let accuracy = n_right as f64 / n_rows as f64;
    println!("quadrants right: {:.0} %", 100.0 * accuracy);
    assert!(accuracy > 0.9);
    Ok(())
}
