//! The trait of update rules, and the loop that applies one to all parameters.

use std::fmt::Debug;
use std::sync::Arc;

use anabranch_tensor::parallel::{Part, even_chunk_len};
use anabranch_tensor::{Buffer, Executor, GradientView, Scalar};

use crate::error::OptimError;
use crate::group::ParamGroup;
use crate::scales::Scales;

/// Most parameters that one task updates: half a microsecond of work, ten times the cost of taking
/// a task. Small networks have several tasks too, since what one thread writes, another has to
/// fetch.
const CHUNK_LEN: usize = 1024;

/// How weight decay acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decay {
    /// Added to the gradient: g += decay · p (L2).
    Gradient,
    /// Decoupled from it: p *= 1 − lr · decay, before the update.
    Decoupled,
}

/// An update rule with `M` moments (numbers that it keeps for each parameter): a struct of
/// hyperparameters.
///
/// The built-in rules are in [`rules`](crate::rules). A rule of your own runs in the same loop, at
/// the same speed:
///
/// ```
/// use anabranch_optim::{Executor, OptimError, Optimizer, ParamGroup, Rule, Scalar, Scales};
///
/// /// m = βm + g, p −= η m / (1 + |m|).
/// #[derive(Debug)]
/// struct SoftSign {
///     beta: f64,
/// }
///
/// impl Rule<1> for SoftSign {
///     const NAME: &'static str = "softsign";
///     const MOMENTS: [&'static str; 1] = ["mean"];
///     type Constants<T: Scalar> = T;
///
///     fn check(&self) -> Result<(), OptimError> {
///         let is_valid = (0.0..1.0).contains(&self.beta);
///         OptimError::check("beta", self.beta, "at least 0 and less than 1", is_valid)
///     }
///
///     fn constants<T: Scalar>(&self, _step: u64) -> T {
///         T::from_f64(self.beta)
///     }
///
///     #[inline(always)]
///     fn update<T: Scalar>(beta: T, rate: T, p: T, g: T, [m]: [T; 1]) -> (T, [T; 1]) {
///         let m = beta * m + g;
///         (p - rate * m / (T::ONE + m.abs()), [m])
///     }
/// }
///
/// let groups = [ParamGroup::new(0..2, 0.0)];
/// let mut optimizer = Optimizer::with_rule(SoftSign { beta: 0.5 }, 0.1, 2, &groups)?;
/// let mut params = [0.0_f64, 1.0];
/// optimizer.step(&Executor::serial(), &mut params, &[1.0, -3.0], Scales::default());
/// assert_eq!(params, [-0.05, 1.0 + 0.1 * 3.0 / 4.0]);
/// # Ok::<(), OptimError>(())
/// ```
pub trait Rule<const M: usize>: Debug + Send + Sync + 'static {
    /// The name, for messages and saved states.
    const NAME: &'static str;

    /// The names of the moments. Each is 0 before the first step.
    const MOMENTS: [&'static str; M];

    /// How weight decay acts.
    const DECAY: Decay = Decay::Gradient;

    /// What [`update`](Self::update) needs of the hyperparameters, in the network's type of number.
    type Constants<T: Scalar>: Copy + Sync;

    /// Refuses hyperparameters outside their domains; a rule without any needs no check.
    ///
    /// # Errors
    /// If one is; [`OptimError::check`] makes the error.
    fn check(&self) -> Result<(), OptimError> {
        Ok(())
    }

    /// The constants for step 1, 2, ….
    fn constants<T: Scalar>(&self, step: u64) -> Self::Constants<T>;

    /// Factor of the learning rate in the update of step 1, 2, …; decoupled decay does not have it.
    fn rate_factor(&self, _step: u64) -> f64 {
        1.0
    }

    /// The new parameter and its new moments, from the parameter `p` and its gradient `g`, both
    /// with weight decay applied, and its moments. Mark it `#[inline(always)]`, so that the loop
    /// vectorises.
    fn update<T: Scalar>(
        constants: Self::Constants<T>,
        rate: T,
        p: T,
        g: T,
        moments: [T; M],
    ) -> (T, [T; M]);
}

/// What a step needs besides the parameters and moments.
pub(crate) struct Step<'a, T> {
    pub(crate) exec: &'a Executor,
    /// 1, 2, ….
    pub(crate) number: u64,
    pub(crate) lr: f64,
    pub(crate) scales: Scales,
    pub(crate) groups: &'a [ParamGroup],
    pub(crate) grads: GradientView<'a, T>,
}

/// A rule with any number of moments.
pub(crate) trait AnyRule<T>: Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn moment_names(&self) -> &'static [&'static str];
    /// Updates all parameters.
    fn step(&self, step: &Step<'_, T>, params: &mut [T], moments: &mut [Buffer<T>]);
}

/// A rule with `M` moments, as one with any number.
#[derive(Debug)]
pub(crate) struct With<R, const M: usize>(R);

impl<R: Rule<M>, const M: usize> With<R, M> {
    /// The rule, if its hyperparameters are in their domains.
    pub(crate) fn checked<T: Scalar>(rule: R) -> Result<Arc<dyn AnyRule<T>>, OptimError> {
        rule.check()?;
        Ok(Arc::new(Self(rule)))
    }
}

impl<T: Scalar, R: Rule<M>, const M: usize> AnyRule<T> for With<R, M> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn moment_names(&self) -> &'static [&'static str] {
        &R::MOMENTS
    }

    /// Chunk by chunk and, in a chunk, group by group.
    fn step(&self, step: &Step<'_, T>, params: &mut [T], moments: &mut [Buffer<T>]) {
        let Step { exec, number, lr, scales, groups, grads } = *step;
        let constants = self.0.constants(number);
        let (lr, rate_factor) = (lr * scales.lr, self.0.rate_factor(number));
        let moments: &mut [Buffer<T>; M] = moments.try_into().expect("the moments of the rule");
        let n_params = params.len();
        let moments = moments.each_mut().map(|moment| Part::Rows(moment, 1));
        exec.for_each_large_chunk(
            n_params,
            even_chunk_len(n_params, CHUNK_LEN),
            ([Part::Rows(params, 1)], moments),
            #[inline(always)]
            |chunk, ([params], mut moments)| {
                let mut room = None::<[T; CHUNK_LEN]>;
                let grads = grads.range(chunk.clone(), &mut room);
                let first = groups.partition_point(|group| group.range.end <= chunk.start);
                for group in &groups[first..] {
                    let start = group.range.start.max(chunk.start);
                    let end = group.range.end.min(chunk.end);
                    if start >= end {
                        break;
                    }
                    let part = start - chunk.start..end - chunk.start;
                    update_part::<T, R, M>(
                        constants,
                        &GroupConstants::new(group, R::DECAY, lr, rate_factor, scales.grads),
                        &mut params[part.clone()],
                        &grads[part.clone()],
                        moments.each_mut().map(|moment| &mut moment[part.clone()]),
                    );
                }
            },
        );
    }
}

/// What the loop needs to know about a group in this step.
struct GroupConstants<T> {
    rate: T,
    /// Weight decay that is added to the gradient, times p.
    l2: T,
    /// Factor of p for decoupled weight decay.
    shrink: T,
    grad_scale: T,
}

impl<T: Scalar> GroupConstants<T> {
    fn new(group: &ParamGroup, decay: Decay, lr: f64, rate_factor: f64, grad_scale: f64) -> Self {
        let lr = lr * group.lr_scale;
        let (l2, shrink) = match decay {
            Decay::Gradient => (group.weight_decay, 1.0),
            Decay::Decoupled => (0.0, 1.0 - lr * group.weight_decay),
        };
        Self {
            rate: T::from_f64(lr * rate_factor),
            l2: T::from_f64(l2),
            shrink: T::from_f64(shrink),
            grad_scale: T::from_f64(grad_scale),
        }
    }
}

/// Applies a rule with `M` moments to parameters of one group.
///
/// The slices are cut to one length first: the compiler then drops the bounds checks and vectorises
/// the loop.
#[inline(always)]
fn update_part<T: Scalar, R: Rule<M>, const M: usize>(
    constants: R::Constants<T>,
    group: &GroupConstants<T>,
    params: &mut [T],
    grads: &[T],
    moments: [&mut [T]; M],
) {
    let n = params.len();
    let grads = &grads[..n];
    let moments = moments.map(|moment| &mut moment[..n]);
    for i in 0..n {
        let g = grads[i] * group.grad_scale + group.l2 * params[i];
        let old = std::array::from_fn(|j| moments[j][i]);
        let (param, new) = R::update(constants, group.rate, params[i] * group.shrink, g, old);
        params[i] = param;
        for j in 0..M {
            moments[j][i] = new[j];
        }
    }
}
