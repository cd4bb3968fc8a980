//! One training step, explained: every quantity of the derivation with its formula, its numbers,
//! and an equation that they have to satisfy.
//!
//! The network is the two-branch one, and the formulas are those of its derivation. The numbers are
//! those of the production step, in f64: what it computes is read from its memory, or, where a
//! layer keeps a quantity to itself, computed from that by the quantity's own formula. An
//! [`Explanation`] is data; [`Explanation::html`] and [`Explanation::markdown`] lay it out.
//!
//! ```
//! use anabranch_graph::{Fusion, TwoBranch};
//! use anabranch_layers::Target;
//! use anabranch_optim::{Optimizer, OptimizerKind, ParamGroup, Scales};
//! use anabranch_tensor::{Executor, matrix};
//! use anabranch_verify::explain::{Names, Update, explain};
//! use anabranch_verify::gradcheck::{Instance, gradient};
//!
//! let (river, exec) = (TwoBranch::new(2, 3, 1, 2, 2).river(), Executor::serial());
//! let (params, _) = river.build::<f64>(Fusion::Fused)?.init(1);
//! let x = matrix(&[0.3, -1.2, 0.8, 0.4, -0.5, 1.1, 1.7, -0.2], 4, 2);
//! let targets = [Target::Values(matrix(&[0.1, -0.4, 0.9, 0.2], 4, 1)), Target::Classes(&[0, 1, 1, 0])];
//! let instance = Instance::new(&river, &params, x, &targets, (1, 0));
//!
//! let (grads, mut after) = (gradient(&instance, &exec)?, params.to_vec());
//! let groups = [ParamGroup::new(0..params.len(), 0.0)];
//! let mut optimizer = Optimizer::new(OptimizerKind::SGD, 0.1, params.len(), &groups)?;
//! optimizer.step(&exec, &mut after, &grads, Scales::default());
//! let update = Update { optimizer: OptimizerKind::SGD, lr: 0.1, clip: 1.0, decay: 0.0, after: &after };
//!
//! let page = explain(&instance, &grads, &update, &Names::numbered(&instance))?;
//! assert!(page.pass());
//! assert!(page.markdown().contains("fc2b.weight"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backward;
mod check;
mod error;
mod explanation;
mod formula;
mod forward;
mod html;
mod markdown;
mod names;
mod numbers;
mod update;

use anabranch_tensor::Executor;

pub use check::Check;
pub use error::ExplainError;
pub use explanation::{Explanation, Origin, Part, Quantity};
pub use names::Names;
pub use update::Update;

use crate::gradcheck::Instance;
use numbers::Numbers;

/// Explains the first step of a run: the production `grads` at the parameters of `instance`, and
/// what the `update` made of them.
///
/// # Errors
/// If the network is not the two-branch one with its usual losses, the production network refuses
/// the batch, or there are more or fewer gradients, updated parameters or names than the network
/// has.
pub fn explain(
    instance: &Instance,
    grads: &[f64],
    update: &Update<'_>,
    names: &Names,
) -> Result<Explanation, ExplainError> {
    let numbers = Numbers::new(instance, grads, &Executor::serial())?;
    numbers.check(names)?;
    let parts = vec![
        forward::inputs(&numbers, names),
        forward::pass(&numbers, names),
        forward::losses(&numbers),
        backward::pass(&numbers, names),
        update.part(&numbers, names)?,
    ];
    let facts = vec![
        ("table", names.table.clone()),
        ("rows of the batch", numbers.m().to_string()),
        ("parameters", grads.len().to_string()),
        ("join", numbers.join.name().to_owned()),
        ("dropout", numbers.p.to_string()),
        ("weights of the losses", format!("{}, {}", numbers.weights[0], numbers.weights[1])),
        ("seed", instance.seed().to_string()),
    ];
    Ok(Explanation { title: "One training step".into(), facts, parts })
}
