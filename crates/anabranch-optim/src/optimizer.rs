//! The optimizer: settings, moments, and a step over the flat slices.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_tensor::{Buffer, Executor, GradientView, Scalar};
use serde::{Deserialize, Serialize};

use crate::error::{OptimError, check_non_negative};
use crate::group::{self, ParamGroup};
use crate::kind::OptimizerKind;
use crate::rule::{AnyRule, Rule, Step, With};
use crate::scales::Scales;

/// Fewest parameters worth several threads if one thread has computed the whole gradient and has it
/// in its cache.
const PARALLEL_PARAMS: usize = 1 << 17;

/// Executor for fewer parameters.
static SERIAL: Executor = Executor::serial();

/// Everything that changes in an [`Optimizer`] from step to step, as one value to save.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptimizerState<T> {
    /// Steps taken.
    pub steps: u64,
    /// The moments by [name](Rule::MOMENTS), each as long as the parameters.
    pub moments: BTreeMap<String, Vec<T>>,
}

/// Updates a flat slice of parameters from a parallel slice of gradients.
///
/// Owns the moments of its rule, slices as long as the parameters, zero before the first step.
#[derive(Debug, Clone)]
pub struct Optimizer<T> {
    rule: Arc<dyn AnyRule<T>>,
    lr: f64,
    n_params: usize,
    groups: Vec<ParamGroup>,
    /// Steps taken.
    steps: u64,
    /// In the order of the rule's names.
    moments: Vec<Buffer<T>>,
}

impl<T: Scalar> Optimizer<T> {
    /// An optimizer with learning rate `lr` for `n_params` parameters, each in one of `groups`.
    ///
    /// # Errors
    /// If the learning rate or a hyperparameter is outside its domain, or the groups do not cover
    /// `0..n_params` in order.
    pub fn new(
        kind: OptimizerKind,
        lr: f64,
        n_params: usize,
        groups: &[ParamGroup],
    ) -> Result<Self, OptimError> {
        Self::with(kind.rule()?, lr, n_params, groups)
    }

    /// Moments that it keeps, each as long as the parameters.
    pub fn n_moments(&self) -> usize {
        self.moments.len()
    }

    /// Like [`new`](Self::new), with an update rule of your own.
    ///
    /// # Errors
    /// As for `new`.
    pub fn with_rule<const M: usize>(
        rule: impl Rule<M>,
        lr: f64,
        n_params: usize,
        groups: &[ParamGroup],
    ) -> Result<Self, OptimError> {
        Self::with(With::checked(rule)?, lr, n_params, groups)
    }

    fn with(
        rule: Arc<dyn AnyRule<T>>,
        lr: f64,
        n_params: usize,
        groups: &[ParamGroup],
    ) -> Result<Self, OptimError> {
        check_non_negative("the learning rate", lr)?;
        let groups = group::validated(groups, n_params)?;
        let moments = rule.moment_names().iter().map(|_| Buffer::zeros(n_params)).collect();
        Ok(Self { rule, lr, n_params, groups, steps: 0, moments })
    }

    /// The name of the update rule.
    pub fn name(&self) -> &'static str {
        self.rule.name()
    }

    /// The learning rate, before scales.
    pub fn lr(&self) -> f64 {
        self.lr
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Everything that changes from step to step; [`restore`](Self::restore) takes it back.
    pub fn state(&self) -> OptimizerState<T> {
        let names = self.rule.moment_names().iter().map(|name| (*name).to_owned());
        let moments = names.zip(self.moments.iter().map(|moment| moment.to_vec())).collect();
        OptimizerState { steps: self.steps, moments }
    }

    /// Has `saved` become the [`state`](Self::state), in its own memory if that is one of the same
    /// optimizer.
    pub fn state_into(&self, saved: &mut OptimizerState<T>) {
        saved.steps = self.steps;
        saved.moments.retain(|name, _| self.rule.moment_names().contains(&name.as_str()));
        for (name, moment) in self.rule.moment_names().iter().zip(&self.moments) {
            match saved.moments.get_mut(*name) {
                Some(known) => moment[..].clone_into(known),
                None => drop(saved.moments.insert((*name).to_owned(), moment.to_vec())),
            }
        }
    }

    /// Continues where the optimizer that `saved` was taken from left off, one with the same rule:
    /// the next step gives the same bits.
    ///
    /// # Errors
    /// If a moment is missing, unknown, or of another length; the optimizer is then as it was.
    pub fn restore(&mut self, saved: &OptimizerState<T>) -> Result<(), OptimError> {
        let (names, optimizer) = (self.rule.moment_names(), self.rule.name());
        if let Some(name) = saved.moments.keys().find(|name| !names.contains(&name.as_str())) {
            return Err(OptimError::UnknownMoment { name: name.clone(), optimizer });
        }
        for name in names {
            let missing = OptimError::MissingMoment { name, optimizer };
            let found = saved.moments.get(*name).ok_or(missing)?.len();
            if found != self.n_params {
                return Err(OptimError::MomentLen { name, expected: self.n_params, found });
            }
        }
        for (moment, name) in self.moments.iter_mut().zip(names) {
            moment.copy_from_slice(&saved.moments[*name]);
        }
        self.steps = saved.steps;
        Ok(())
    }

    /// Updates `params` once from `grads` ([`Gradients`](anabranch_tensor::Gradients) or a slice),
    /// in one pass over memory, without allocating. Small updates are not worth waking other
    /// threads and stay on the calling one.
    ///
    /// # Panics
    /// If the number of parameters or gradients is not the one that the optimizer was made for.
    pub fn step<'g>(
        &mut self,
        exec: &Executor,
        params: &mut [T],
        grads: impl Into<GradientView<'g, T>>,
        scales: Scales,
    ) {
        let grads = grads.into();
        assert_eq!(
            params.len(),
            self.n_params,
            "the optimizer was made for another number of parameters"
        );
        assert_eq!(
            grads.len(),
            self.n_params,
            "the optimizer was made for another number of gradients"
        );
        let is_small = grads.n_parts() <= 1 && self.n_params < PARALLEL_PARAMS;
        let exec = if is_small { &SERIAL } else { exec };
        self.steps = self.steps.saturating_add(1);
        let (number, lr, groups) = (self.steps, self.lr, &*self.groups);
        let step = Step { exec, number, lr, scales, groups, grads };
        self.rule.step(&step, params, &mut self.moments);
    }
}
