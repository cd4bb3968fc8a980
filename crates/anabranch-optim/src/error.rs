//! What can be wrong with the settings of an optimizer, and with the state it is given back.

use thiserror::Error;

/// Why an optimizer, a schedule or a clipping norm could not be made or restored.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum OptimError {
    /// A name that is none of the optimizers.
    #[error("unknown optimizer `{name}`: choose one of {known}")]
    UnknownOptimizer {
        /// The name given.
        name: String,
        /// All names, separated by commas.
        known: String,
    },
    /// A name that is none of the schedules.
    #[error("unknown schedule `{name}`: choose one of {known}")]
    UnknownSchedule {
        /// The name given.
        name: String,
        /// All names, separated by commas.
        known: String,
    },
    /// A hyperparameter outside its domain.
    #[error("{name} must be {expected}, not {value}")]
    Hyperparameter {
        /// Its name.
        name: &'static str,
        /// The domain, in words.
        expected: &'static str,
        /// The value given.
        value: f64,
    },
    /// Parameter groups that leave a gap, overlap, or run backwards.
    #[error(
        "parameter group {index} is {start}..{end}, but the one before it ends at {expected}: \
         groups must cover the parameters in order, without gap or overlap"
    )]
    Group {
        /// Index of the group.
        index: usize,
        /// Its first parameter.
        start: usize,
        /// One past its last parameter.
        end: usize,
        /// Where it had to start.
        expected: usize,
    },
    /// Parameter groups that end before or after the last parameter.
    #[error(
        "the parameter groups end at {end}, but there are {n_params} parameters: \
         every parameter must be in exactly one group"
    )]
    GroupsEnd {
        /// Where the last group ends.
        end: usize,
        /// Number of parameters.
        n_params: usize,
    },
    /// A saved moment of another optimizer.
    #[error(
        "the saved state holds `{name}`, which {optimizer} does not have: it was saved by another optimizer"
    )]
    UnknownMoment {
        /// Name in the saved state.
        name: String,
        /// The optimizer that was to be restored.
        optimizer: &'static str,
    },
    /// A moment that was not saved.
    #[error("the saved state lacks `{name}`, which {optimizer} needs to go on")]
    MissingMoment {
        /// Name of the moment.
        name: &'static str,
        /// The optimizer that was to be restored.
        optimizer: &'static str,
    },
    /// A saved moment of another length.
    #[error(
        "the saved `{name}` has {found} elements, but the model has {expected} parameters: \
         it was saved with another model"
    )]
    MomentLen {
        /// Name of the moment.
        name: &'static str,
        /// Number of parameters.
        expected: usize,
        /// Elements in the saved state.
        found: usize,
    },
}

/// Refuses a hyperparameter outside its domain, which `is_valid` decides; NaN is in none.
pub(crate) fn check(
    name: &'static str,
    value: f64,
    expected: &'static str,
    is_valid: impl Fn(f64) -> bool,
) -> Result<(), OptimError> {
    if is_valid(value) { Ok(()) } else { Err(OptimError::Hyperparameter { name, expected, value }) }
}

/// Finite and not negative: the domain of learning rates, weight decays and ε.
pub(crate) fn check_non_negative(name: &'static str, value: f64) -> Result<(), OptimError> {
    check(name, value, "finite and at least 0", |v| v.is_finite() && v >= 0.0)
}
