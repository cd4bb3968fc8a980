//! What a category is worth: statistics of the targets in its training rows.

use serde::{Deserialize, Serialize};

use crate::cell::LARGEST;

/// For each category of a column, statistics of the targets in the rows of that category. They take
/// the place of one-hot columns where these would be too many.
///
/// They are learned from the rows that train and validate. With n of them in the category that
/// have a task's targets, and a = 10 rows of prior knowledge:
///
/// * a number z, in the network's units, has the mean of these rows, drawn towards that of all
///   training rows, which is 0: Σz/(n + a);
/// * a class k, of which n_k are and which has the share π_k of all rows, has what the category
///   adds to its logarithmic probability: ln((n_k + a·π_k)/(n + a)) − ln π_k.
///
/// A category that was never seen and a missing cell have 0 in all of them: nothing is known.
///
/// No row must learn from its own target. Rows (or whole groups, where rows are split by groups)
/// are dealt out to five parts by chance, and each part is encoded by the targets of the four
/// others; test rows, and all rows later, by those of all five. Each statistic is then replaced by
/// its [normal score](super::NormalScores) among the rows of the five parts, or standardised
/// where it has hardly any different values.
///
/// D. Micci-Barreca, 2001, SIGKDD Explorations 3(1):27–32, for the mean drawn towards the prior;
/// F. Pargent et al., 2022, [arXiv:2104.00629](https://arxiv.org/abs/2104.00629), who found it the
/// best of encodings with the parts that keep rows from their own targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetStatistics {
    /// What each statistic is of: a column of numbers, or `COLUMN=LABEL`.
    of: Vec<String>,
    /// `[categories + 1, statistics]`, row-major; the last row is that of no category.
    values: Vec<f32>,
}

impl TargetStatistics {
    /// `values` has a row for each category, and one behind them.
    pub(super) fn new(of: Vec<String>, values: Vec<f32>) -> Self {
        Self { of, values }
    }

    /// What each statistic is of: a column of numbers, or `COLUMN=LABEL`.
    pub fn names(&self) -> &[String] {
        &self.of
    }

    /// The statistics of the category at a place; `None` for any that is not known.
    ///
    /// # Panics
    /// If there is no such category.
    pub fn row(&self, category: Option<usize>) -> &[f32] {
        let n = self.of.len();
        let place = category.unwrap_or(self.values.len() / n - 1);
        &self.values[place * n..(place + 1) * n]
    }

    /// Whether a stored table fits so many categories.
    pub(super) fn is_sound(&self, n_categories: usize) -> bool {
        !self.of.is_empty()
            && self.values.len() == (n_categories + 1) * self.of.len()
            && self.values.iter().all(|value| f64::from(value.abs()) <= LARGEST)
    }
}
