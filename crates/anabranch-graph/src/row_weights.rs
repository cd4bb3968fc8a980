//! How much each row counts in the loss of a head.

use anabranch_tensor::Scalar;

use crate::error::GraphError;

/// How much the rows of a table count in the loss of a head.
///
/// # Derivation
/// With weights w the loss of a head is L = w_head·Σᵢ wᵢ·ℓᵢ / Σᵢ wᵢ over the rows of the batch, so
/// that ∂L/∂ŷᵢ is what it is without weights, w_head/m·∂ℓᵢ/∂ŷᵢ, times the row's factor m·wᵢ/Σ w,
/// which is 1 where all weights are. A row of weight 0 has no target: what stands in its place is
/// not looked at. A batch without any target has the loss and the derivatives 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RowWeights<T> {
    /// All alike.
    #[default]
    Equal,
    /// Each by its weight, finite and at least 0.
    Each(Vec<T>),
}

impl<T: Scalar> RowWeights<T> {
    /// The weights of the rows `row_idx`, in this order, in the place of what is here.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn gather(&mut self, all: &Self, row_idx: &[usize]) {
        match (&mut *self, all) {
            (_, Self::Equal) => *self = Self::Equal,
            (Self::Each(weights), Self::Each(all)) => {
                weights.clear();
                weights.extend(row_idx.iter().map(|row| all[*row]));
            }
            (Self::Equal, Self::Each(all)) => {
                *self = Self::Each(row_idx.iter().map(|row| all[*row]).collect());
            }
        }
    }

    /// The sum of the weights of `n_rows` rows in f64: the rows `row_idx`, or the first.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn total(&self, n_rows: usize, row_idx: Option<&[usize]>) -> f64 {
        match (self, row_idx) {
            (Self::Equal, _) => n_rows as f64,
            (Self::Each(weights), None) => weights[..n_rows].iter().map(|w| w.to_f64()).sum(),
            (Self::Each(weights), Some(rows)) => rows.iter().map(|i| weights[*i].to_f64()).sum(),
        }
    }

    /// Σ wᵢ·vᵢ of the first rows' values, in f64.
    ///
    /// # Panics
    /// If there are more values than weights.
    pub fn weighted_sum(&self, values: &[T]) -> f64 {
        match self {
            Self::Equal => values.iter().map(|v| v.to_f64()).sum(),
            Self::Each(weights) => {
                let pairs = weights[..values.len()].iter().zip(values);
                // What is not finite does not matter without a weight.
                let pairs = pairs.filter(|(weight, _)| **weight > T::ZERO);
                pairs.map(|(weight, v)| weight.to_f64() * v.to_f64()).sum()
            }
        }
    }

    /// Checks the weights of a head of `rows` rows.
    pub(crate) fn check(&self, head: &str, rows: usize) -> Result<(), GraphError> {
        let Self::Each(weights) = self else { return Ok(()) };
        if weights.len() != rows {
            let (what, got) = ("weights of rows", weights.len());
            return Err(GraphError::Batch { what, expected: rows, got });
        }
        // Written so that NaN is refused.
        let is_valid = |w: &T| w.is_finite() && *w >= T::ZERO;
        match weights.iter().position(|w| !is_valid(w)) {
            Some(row) => {
                let (head, weight) = (head.to_owned(), weights[row].to_f64());
                Err(GraphError::RowWeight { head, row, weight })
            }
            None => Ok(()),
        }
    }
}

/// Multiplies the derivatives and the loss of each row by its factor, which is `scale` times its
/// weight; what a row of weight 0 has becomes 0, even if it is not finite.
pub(crate) fn weigh<T: Scalar>(
    weights: impl Iterator<Item = T>,
    scale: f64,
    d: &mut [T],
    row_losses: &mut [T],
) {
    let n_rows = row_losses.len();
    let width = d.len() / n_rows.max(1);
    let rows = d.chunks_exact_mut(width.max(1)).zip(row_losses).zip(weights);
    for ((d, loss), weight) in rows {
        if weight == T::ZERO {
            d.fill(T::ZERO);
            *loss = T::ZERO;
        } else {
            let factor = T::from_f64(weight.to_f64() * scale);
            d.iter_mut().for_each(|d| *d *= factor);
            *loss *= factor;
        }
    }
}
