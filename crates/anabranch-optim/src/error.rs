//! What can be wrong with an optimizer's settings, or with a state to restore.

use thiserror::Error;

/// Why an optimizer, a schedule or a clipping norm could not be made or restored.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OptimError {
    /// A name that is not an optimizer's, or not a schedule's.
    #[error("unknown {what} `{name}`: choose one of {known}")]
    Name {
        /// `optimizer` or `schedule`.
        what: &'static str,
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
        /// Where it should have started.
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
        "the saved state holds `{name}`, which {optimizer} does not have: it was saved by another \
         optimizer"
    )]
    UnknownMoment {
        /// Name in the saved state.
        name: String,
        /// The optimizer that was to be restored.
        optimizer: &'static str,
    },
    /// A moment that was not saved.
    #[error("the saved state lacks `{name}`, which {optimizer} needs in order to continue")]
    MissingMoment {
        /// Name of the moment.
        name: &'static str,
        /// The optimizer that was to be restored.
        optimizer: &'static str,
    },
    /// A saved moment with another length.
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

impl OptimError {
    /// Refuses a hyperparameter outside its domain. NaN is in no domain that is written as a
    /// comparison.
    ///
    /// # Errors
    /// [`Hyperparameter`](Self::Hyperparameter), unless the value is valid.
    pub fn check(
        name: &'static str,
        value: f64,
        expected: &'static str,
        is_valid: bool,
    ) -> Result<(), Self> {
        if is_valid { Ok(()) } else { Err(Self::Hyperparameter { name, expected, value }) }
    }
}

/// At least 0 and less than 1: the domain of fractions, such as how much of a mean a step keeps.
pub(crate) fn check_share(name: &'static str, value: f64) -> Result<(), OptimError> {
    OptimError::check(name, value, "at least 0 and less than 1", (0.0..1.0).contains(&value))
}

/// Finite and not negative: the domain of learning rates, weight decays and ε.
pub(crate) fn check_non_negative(name: &'static str, value: f64) -> Result<(), OptimError> {
    OptimError::check(name, value, "finite and at least 0", value.is_finite() && value >= 0.0)
}
