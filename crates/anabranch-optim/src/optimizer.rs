//! The optimizer: settings, moments, and a step over the flat slices.

use anabranch_tensor::parallel::{Part, even_chunk_len};
use anabranch_tensor::{Buffer, Executor, GradientView, Scalar};

use crate::error::{OptimError, check_non_negative};
use crate::group::{self, ParamGroup};
use crate::kind::OptimizerKind;
use crate::update::{
    Adagrad, Adam, Decay, GroupConstants, Momentum, Nesterov, RmsProp, Rule, Sgd, StepConstants,
};

/// Most parameters that one task updates: half a microsecond of work, ten times what taking a task
/// costs. Small networks have several tasks too: what one thread alone writes, the other has to
/// fetch.
const CHUNK_LEN: usize = 1024;

/// Fewest parameters that are worth several threads where one thread has computed the whole
/// gradient, and has it in its cache.
const PARALLEL_PARAMS: usize = 1 << 17;

/// Who updates fewer.
static SERIAL: Executor = Executor::serial();

/// What one step multiplies the learning rate and the gradients by; 1 and 1 by default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scales {
    /// Of the learning rate: a [schedule's factor](crate::Schedule::factor).
    pub lr: f64,
    /// Of the gradients, before weight decay is added: a [clipping scale](crate::ClipNorm::scale).
    /// Scaling here saves a pass over the gradients.
    pub grads: f64,
}

impl Default for Scales {
    fn default() -> Self {
        Self { lr: 1.0, grads: 1.0 }
    }
}

/// Updates a flat slice of parameters from a parallel slice of gradients.
///
/// Owns the moments of its rule, slices as long as the parameters, zero before the first step.
#[derive(Debug, Clone)]
pub struct Optimizer<T> {
    kind: OptimizerKind,
    lr: f64,
    n_params: usize,
    groups: Vec<ParamGroup>,
    /// Steps taken.
    steps: u64,
    /// In the order of [`OptimizerKind::moment_names`]; those that the rule does not have are
    /// empty.
    moments: [Buffer<T>; 2],
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
        kind.validate()?;
        check_non_negative("the learning rate", lr)?;
        let groups = group::validated(groups, n_params)?;
        let n_moments = kind.moment_names().len();
        let moments =
            std::array::from_fn(|i| Buffer::zeros(if i < n_moments { n_params } else { 0 }));
        Ok(Self { kind, lr, n_params, groups, steps: 0, moments })
    }

    /// The update rule and its hyperparameters.
    pub fn kind(&self) -> OptimizerKind {
        self.kind
    }

    /// The learning rate, before scales.
    pub fn lr(&self) -> f64 {
        self.lr
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The moments by [name](OptimizerKind::moment_names), each as long as the parameters.
    pub fn state(&self) -> impl Iterator<Item = (&'static str, &[T])> {
        self.kind.moment_names().iter().copied().zip(self.moments.iter().map(|moment| &**moment))
    }

    /// Goes on where another optimizer of the same kind was after `steps` steps, with the moments
    /// of its [`state`](Self::state): the next step then gives the same bits.
    ///
    /// # Errors
    /// If a moment is missing, unknown, or of another length; the optimizer is then as it was.
    pub fn restore<'n, 'v>(
        &mut self,
        steps: u64,
        state: impl IntoIterator<Item = (&'n str, &'v [T])>,
    ) -> Result<(), OptimError> {
        let names = self.kind.moment_names();
        let optimizer = self.kind.name();
        let mut saved: [Option<&[T]>; 2] = [None; 2];
        for (name, values) in state {
            let Some(i) = names.iter().position(|known| *known == name) else {
                return Err(OptimError::UnknownMoment { name: name.to_owned(), optimizer });
            };
            if values.len() != self.n_params {
                let (expected, found) = (self.n_params, values.len());
                return Err(OptimError::MomentLen { name: names[i], expected, found });
            }
            saved[i] = Some(values);
        }
        for (name, values) in names.iter().zip(saved) {
            if values.is_none() {
                return Err(OptimError::MissingMoment { name, optimizer });
            }
        }
        for (moment, values) in self.moments.iter_mut().zip(saved.into_iter().flatten()) {
            moment.copy_from_slice(values);
        }
        self.steps = steps;
        Ok(())
    }

    /// One update of `params` from `grads`, [`Gradients`](anabranch_tensor::Gradients) or a slice,
    /// in one pass over memory; allocates nothing. Small updates are not worth waking other threads
    /// and stay on the calling one.
    ///
    /// # Panics
    /// If there are not as many parameters or gradients as the optimizer was made for.
    pub fn step<'g>(
        &mut self,
        exec: &Executor,
        params: &mut [T],
        grads: impl Into<GradientView<'g, T>>,
        scales: Scales,
    ) {
        let grads = grads.into();
        assert_eq!(params.len(), self.n_params, "parameters that the optimizer was not made for");
        assert_eq!(grads.len(), self.n_params, "gradients that the optimizer was not made for");
        let is_small = grads.n_parts() <= 1 && self.n_params < PARALLEL_PARAMS;
        let exec = if is_small { &SERIAL } else { exec };
        self.steps = self.steps.saturating_add(1);
        let mut constants = StepConstants {
            lr: self.lr * scales.lr,
            grad_scale: scales.grads,
            bias_correction: 1.0,
            decay: Decay::Gradient,
        };
        let cast = T::from_f64;
        match self.kind {
            OptimizerKind::Sgd => self.update(exec, params, grads, constants, Sgd),
            OptimizerKind::Momentum { momentum } => {
                let rule = Momentum { momentum: cast(momentum) };
                self.update(exec, params, grads, constants, rule);
            }
            OptimizerKind::Nesterov { momentum } => {
                let rule = Nesterov { momentum: cast(momentum) };
                self.update(exec, params, grads, constants, rule);
            }
            OptimizerKind::Adam { beta1, beta2, eps }
            | OptimizerKind::AdamW { beta1, beta2, eps } => {
                let (rule, bias_correction) = Adam::at_step(self.steps, beta1, beta2, eps);
                constants.bias_correction = bias_correction;
                if matches!(self.kind, OptimizerKind::AdamW { .. }) {
                    constants.decay = Decay::Decoupled;
                }
                self.update(exec, params, grads, constants, rule);
            }
            OptimizerKind::RmsProp { alpha, eps } => {
                let one_minus_alpha = cast(1.0 - alpha);
                let rule = RmsProp { alpha: cast(alpha), one_minus_alpha, eps: cast(eps) };
                self.update(exec, params, grads, constants, rule);
            }
            OptimizerKind::Adagrad { eps } => {
                self.update(exec, params, grads, constants, Adagrad { eps: cast(eps) });
            }
        }
    }

    /// Applies a rule with `M` moments to all parameters, chunk by chunk and, in a chunk, group by
    /// group.
    fn update<const M: usize>(
        &mut self,
        exec: &Executor,
        params: &mut [T],
        grads: GradientView<'_, T>,
        constants: StepConstants,
        rule: impl Rule<T, M>,
    ) {
        let (groups, n_params) = (self.groups.as_slice(), self.n_params);
        let [first, second] = &mut self.moments;
        // Moments that the rule does not have are empty: arrays with no elements for each
        // parameter.
        let parts = [
            Part::Rows(params, 1),
            Part::Rows(first, usize::from(M > 0)),
            Part::Rows(second, usize::from(M > 1)),
        ];
        exec.for_each_large_chunk(
            n_params,
            even_chunk_len(n_params, CHUNK_LEN),
            parts,
            #[inline(always)]
            |chunk, slices| {
                let mut room = None::<[T; CHUNK_LEN]>;
                let grads = grads.range(chunk.clone(), &mut room);
                let first_group = groups.partition_point(|group| group.range.end <= chunk.start);
                let [params, first, second] = slices;
                for group in &groups[first_group..] {
                    let start = group.range.start.max(chunk.start);
                    let end = group.range.end.min(chunk.end);
                    if start >= end {
                        break;
                    }
                    let part = start - chunk.start..end - chunk.start;
                    update_part(
                        rule,
                        &constants.of_group(group),
                        &mut params[part.clone()],
                        &grads[part.clone()],
                        // Out of bounds, and so left empty, for a moment that the rule does not
                        // have.
                        first.get_mut(part.clone()).unwrap_or_default(),
                        second.get_mut(part).unwrap_or_default(),
                    );
                }
            },
        );
    }
}

/// Applies a rule with `M` moments to parameters of one group.
///
/// The slices are cut to one length first: the compiler then drops the bounds checks and vectorises
/// the loop.
#[inline(always)]
fn update_part<T: Scalar, const M: usize>(
    rule: impl Rule<T, M>,
    group: &GroupConstants<T>,
    params: &mut [T],
    grads: &[T],
    first: &mut [T],
    second: &mut [T],
) {
    let n = params.len();
    let grads = &grads[..n];
    let first = &mut first[..if M > 0 { n } else { 0 }];
    let second = &mut second[..if M > 1 { n } else { 0 }];
    for i in 0..n {
        let g = group.gradient(params[i], grads[i]);
        let moments = std::array::from_fn(|j| if j == 0 { first[i] } else { second[i] });
        let (param, moments) = rule.update(group, params[i], g, moments);
        params[i] = param;
        if M > 0 {
            first[i] = moments[0];
        }
        if M > 1 {
            second[i] = moments[1];
        }
    }
}
