//! Which loss a derivative is taken of.

/// Another loss than the whole: that of a task, or of a sample, both of whose tasks it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    A,
    B,
    /// Lᵢ, of which L is the mean. Its derivatives are m times those of L, with respect to whatever
    /// belongs to the sample.
    Sample,
}

impl Task {
    /// The name of its loss.
    pub(crate) fn loss(self) -> &'static str {
        match self {
            Self::A => "loss_a",
            Self::B => "loss_b",
            Self::Sample => "loss_row",
        }
    }
}

/// What a derivative is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// L.
    Whole,
    /// La, with its weight.
    OfA,
    /// Lb, with its weight.
    OfB,
    /// Lᵢ.
    OfSample,
}

impl From<Task> for Loss {
    fn from(task: Task) -> Self {
        match task {
            Task::A => Self::OfA,
            Task::B => Self::OfB,
            Task::Sample => Self::OfSample,
        }
    }
}
