//! The two-branch network: its table, one training step by hand, and evaluation.
//!
//! `cargo run -p anabranch-graph --example 01-two-branches`

use anabranch_graph::{Batch, Fusion, GraphError, Masks, Mode, TwoBranch, Workspace};
use anabranch_layers::Target;
use anabranch_tensor::{Executor, Gradients, matrix};

fn main() -> Result<(), GraphError> {
    let exec = Executor::serial();

    // 1. Three inputs, one number to predict, two classes. The number joins branch B: being one
    //    column, by broadcast.
    let config = TwoBranch { dropout: 0.25, ..TwoBranch::new(3, 16, 1, 8, 2) };
    let graph = config.build::<f32>(Fusion::Fused)?;
    println!("{}", graph.summary());
    assert_eq!(graph.summary().params(), graph.params_len());

    // 2. The caller owns what is learned: flat slices in which every array has a name and a range.
    let (mut params, mut state) = graph.init(42);
    let mut grads = Gradients::zeros(graph.params_len());
    let bias = graph.param("fc2a.bias").expect("the network has it").range.clone();
    assert_eq!(params[bias], [0.0]);

    // 3. A workspace is planned once, for a largest batch; after one check of a batch, no pass can
    //    fail.
    let x = [0.5, -1.0, 0.0, 1.5, 0.5, -0.5, -1.0, 2.0, 1.0, 0.0, -0.5, 0.5];
    let (x, y_a) = (matrix(&x, 4, 3), [1.0, 0.5, -0.5, 0.0]);
    let targets = [Target::Values(matrix(&y_a, 4, 1)), Target::Classes(&[0, 1, 1, 0])];
    let mut workspace = Workspace::new(&graph, &exec, 4, Mode::Training)?;
    let masks = Masks::Drawn { seed: 42, step: 0 };
    let batch = Batch { inputs: &[x], targets: &targets, row_weights: &[], row_idx: None, masks };
    graph.check(&workspace, &params, &state, &batch)?;

    // 4. A step: forward, losses, backward, and any update rule, here p −= 0.1·dp. The mask of a
    //    step is always the same, so the loss falls on the very function that was differentiated.
    let mut total = f64::INFINITY;
    for _ in 0..3 {
        graph.forward(&exec, &params, &mut state, &mut workspace, &[x], masks);
        graph.losses(&exec, &mut workspace, &targets, &[]);
        graph.backward(&exec, &params, &mut grads, &mut workspace, &[x]);
        let [loss_a, loss_b] = *workspace.losses() else { unreachable!("two heads") };
        println!("loss A {loss_a:.4}, loss B {loss_b:.4}");
        assert!(loss_a + loss_b < total);
        total = loss_a + loss_b;
        for (param, grad) in params.iter_mut().zip(grads.whole(&exec)) {
            *param -= 0.1 * *grad;
        }
    }

    // 5. Evaluation borrows the running statistics immutably.
    let mut evaluation = Workspace::new(&graph, &exec, 4, Mode::Inference)?;
    graph.infer(&exec, &params, &state, &mut evaluation, &[x]);
    for head in graph.heads() {
        println!("{}\n{:.3}", head.name(), evaluation.prediction(head));
        assert!(evaluation.prediction(head).iter().all(|y| y.is_finite()));
    }
    Ok(())
}
