//! Which loss a derivative is taken of.

/// A task, whose loss may be meant instead of the sum of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    A,
    B,
}

impl Task {
    /// The name of its loss.
    pub(crate) fn loss(self) -> &'static str {
        match self {
            Self::A => "loss_a",
            Self::B => "loss_b",
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
}

impl From<Task> for Loss {
    fn from(task: Task) -> Self {
        match task {
            Task::A => Self::OfA,
            Task::B => Self::OfB,
        }
    }
}
