//! An encoder that comes from a file: trusted only after its invariants are checked.

use std::collections::HashSet;

use super::{Encoder, Encoding, InputColumn, MAX_CATEGORIES};
use crate::cell::LARGEST;
use crate::error::StoredError;

impl TryFrom<Vec<InputColumn>> for Encoder {
    type Error = StoredError;

    /// Checks what [`Encoder::fit`] guarantees, so that no stored encoder can panic or give NaN.
    fn try_from(columns: Vec<InputColumn>) -> Result<Self, StoredError> {
        if columns.is_empty() {
            return Err(StoredError::new("", "an encoder without input columns"));
        }
        let mut names = HashSet::new();
        for InputColumn { name, encoding, .. } in &columns {
            let wrong = |problem| Err(StoredError::new(name, problem));
            if name.is_empty() || name.trim() != name {
                return wrong("a column name that is empty or has space around it");
            }
            if !names.insert(name) {
                return wrong("two input columns of this name");
            }
            if let Encoding::Numeric { scores: Some(scores), .. }
            | Encoding::Robust { scores: Some(scores), .. } = encoding
                && !scores.is_sound()
            {
                return wrong("normal scores out of order or not finite");
            }
            match encoding {
                Encoding::Numeric { mean, std, median, .. }
                | Encoding::Date { mean, std, median, .. } => {
                    if !are_statistics(&[*mean, *median], *std) {
                        return wrong(STATISTICS);
                    }
                }
                Encoding::Robust { median, spread, .. } => {
                    if !are_statistics(&[*median], *spread) {
                        return wrong(STATISTICS);
                    }
                }
                Encoding::Categorical { categories, labels, .. }
                | Encoding::TargetStatistics { categories, labels, .. } => {
                    let is_one_hot = matches!(encoding, Encoding::Categorical { .. });
                    if categories.is_empty() || is_one_hot && categories.len() > MAX_CATEGORIES {
                        return wrong("no categories, or too many");
                    }
                    if !categories.is_sorted_by(|a, b| a < b) {
                        return wrong("categories out of order");
                    }
                    if labels.has_equals(categories) {
                        return wrong("two categories that are the same");
                    }
                    if let Encoding::TargetStatistics { statistics, .. } = encoding
                        && !statistics.is_sound(categories.len())
                    {
                        return wrong("statistics that do not fit the categories");
                    }
                }
            }
        }
        Ok(Self::new(columns))
    }
}

const STATISTICS: &str = "a mean, median or deviation that is not finite or not positive";

/// Whether these can be means and a deviation. NaN fails every comparison.
fn are_statistics(means: &[f64], deviation: f64) -> bool {
    means.iter().all(|mean| mean.abs() <= LARGEST) && deviation > 0.0 && deviation <= LARGEST
}

impl From<Encoder> for Vec<InputColumn> {
    fn from(encoder: Encoder) -> Self {
        encoder.columns
    }
}
