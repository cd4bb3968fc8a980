//! Losses: one number from predictions and targets, and its derivative with respect to the
//! predictions.
//!
//! A [`Loss`](crate::Loss) gives the cost of one row, ℓ(ẑ, y), and its derivative with respect to
//! the row's prediction ẑ. The loss of a batch is L = w/m·Σ_rows ℓ with the weight w of its task,
//! so every derivative has the factor w/m. It is an argument: a loss knows neither batches nor
//! weights.
//!
//! | loss | of a row | compared with |
//! |---|---|---|
//! | [`HalfSquaredError`] | ½‖ŷ − y‖² | numbers |
//! | [`AbsoluteError`] | Σ \|ŷ − y\| | numbers |
//! | [`Huber`] | squared near 0, absolute beyond δ | numbers |
//! | [`Pinball`] | of the q-quantile | numbers |
//! | [`CrossEntropy`] | −Σ y·log softmax(z) | a class, or a probability for each |
//! | [`BinaryCrossEntropy`] | −Σ y·log σ(z) + (1−y)·log σ(−z) | yes or no in each column |
//!
//! Each file holds its derivation. A custom loss implements
//! [`Loss::target_kind`](crate::Loss::target_kind), [`Loss::gradient`](crate::Loss::gradient) and
//! [`Loss::describe`](crate::Loss::describe).

mod absolute_error;
mod binary_cross_entropy;
mod cross_entropy;
mod huber;
mod kind;
mod pinball;
mod squared_error;
#[cfg(test)]
mod tests;

pub use absolute_error::AbsoluteError;
pub use binary_cross_entropy::BinaryCrossEntropy;
pub use cross_entropy::CrossEntropy;
pub use huber::Huber;
pub use kind::LossKind;
pub use pinball::Pinball;
pub use squared_error::HalfSquaredError;
