//! The certificate of a run: its gradient in one step, checked by independent routes.

use std::ops::ControlFlow;

use anabranch::graph::River;
use anabranch::tensor::Executor;
use anabranch::train::{Observer, StepView, TrainConfig, Trainer, weights_sha256};
use anabranch::verify::gradcheck::{Certificate, DEFAULT_WORK, Instance};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::run_setup::Setup;
use crate::setup::SetupArgs;

/// Trains up to a step, counted from 0, and checks the gradient there.
pub(crate) fn of_step(
    trainer: &mut Trainer<'_, f32>,
    river: &River,
    step: u64,
    exec: &Executor,
) -> Result<Certificate, Failure> {
    let mut watch = OneStep { river, step, found: None };
    trainer.run(&mut watch)?;
    let (instance, grads) = watch.found.ok_or_else(|| {
        Failure::input(format!("the run ends before step {step}, counted from 0"))
    })?;
    Certificate::new(&instance, &grads, exec, DEFAULT_WORK).map_err(Failure::input)
}

/// A certificate with the configuration and a hash of the data that it is about.
pub(crate) fn with_run(
    certificate: &Certificate,
    args: &SetupArgs,
    setup: &Setup,
    config: &TrainConfig,
) -> Value {
    json!({
        "data": args.data().display().to_string(),
        "inputs_sha256": weights_sha256(&setup.prepared.dataset.x),
        "config": format!("{config:?}"),
        "certificate": certificate,
    })
}

/// Takes one step out of a run, and ends the run there.
struct OneStep<'a> {
    river: &'a River,
    step: u64,
    found: Option<(Instance, Vec<f32>)>,
}

impl Observer<f32> for OneStep<'_> {
    fn watches(&self, step: u64) -> bool {
        step == self.step
    }

    fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
        let drawn_by = (step.seed, step.step);
        let instance = Instance::new(self.river, step.params, step.x, step.targets, drawn_by);
        let instance = instance.with_row_weights(step.row_weights);
        self.found = Some((instance, step.grads.to_vec()));
        ControlFlow::Break(())
    }
}

/// A certificate in a line. Whoever wrote it may have written anything.
pub(crate) fn words(certificate: &Value) -> String {
    let found = &certificate["certificate"];
    let verdict = if found["pass"] == true { "is right" } else { "is NOT right" };
    let points = found["points"].as_array().map_or(0, Vec::len);
    let number = |key: &str| found[key].as_u64().unwrap_or_default();
    let (step, seed) = (number("step"), number("seed"));
    format!("certificate: the gradient {verdict} at {points} points (step {step}, seed {seed})")
}
