//! Every optimizer descends into a valley; one group of parameters decays, the other does not.
//!
//! `cargo run -p anabranch-optim --example 01-sgd-on-a-quadratic`

use anabranch_optim::{OptimError, Optimizer, OptimizerKind, ParamGroup, Scales};
use anabranch_tensor::Executor;

/// f(x) = ½ Σ cᵢ (xᵢ − 1)²: a valley that is ten times steeper in one direction than in the other.
const CURVATURE: [f64; 2] = [0.1, 1.0];

fn loss(params: &[f64]) -> f64 {
    params.iter().zip(CURVATURE).map(|(x, c)| 0.5 * c * (x - 1.0) * (x - 1.0)).sum()
}

fn main() -> Result<(), OptimError> {
    let exec = Executor::serial();

    // 1. An optimizer is made for a number of parameters, and groups that cover them in order; here
    //    a single one.
    for kind in OptimizerKind::ALL {
        let lr = if kind == OptimizerKind::ADAGRAD { 0.5 } else { 0.05 };
        let mut params = vec![-1.0, 2.0];
        let mut grads = vec![0.0; 2];
        let mut optimizer = Optimizer::new(kind, lr, 2, &[ParamGroup::new(0..2, 0.0)])?;

        // 2. The caller writes the gradients, the optimizer updates the parameters in place.
        for _ in 0..500 {
            for ((g, x), c) in grads.iter_mut().zip(&params).zip(CURVATURE) {
                *g = c * (x - 1.0);
            }
            optimizer.step(&exec, &mut params, &grads, Scales::default());
        }
        println!("{:>9}: {params:.4?}, loss {:.1e}", kind.name(), loss(&params));
        assert!(loss(&params) < 2e-3, "{kind}: {params:?}");
    }

    // 3. Weight decay of one group: the minimum of ½c(x−1)² + ½λx² is at c/(c+λ).
    let groups = [ParamGroup::new(0..1, 0.0), ParamGroup::new(1..2, 0.25)];
    let mut sgd = Optimizer::new("momentum".parse()?, 0.1, 2, &groups)?;
    let mut params = [-1.0, 2.0];
    for _ in 0..1000 {
        let grads = [CURVATURE[0] * (params[0] - 1.0), CURVATURE[1] * (params[1] - 1.0)];
        sgd.step(&exec, &mut params, &grads, Scales::default());
    }
    println!("  decayed: {params:.4?}");
    assert!((params[0] - 1.0).abs() < 1e-9 && (params[1] - 1.0 / 1.25).abs() < 1e-9);
    Ok(())
}
