//! An encoder that comes from a file: trusted only after its invariants are checked.

use std::collections::HashSet;

use super::{Encoder, Encoding, InputColumn, MAX_CATEGORIES, MissingColumn};
use crate::cell::LARGEST;
use crate::error::StoredError;
use crate::labels::Labels;
use crate::number::whole;

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
            check(encoding).map_err(|problem| StoredError::new(name, problem))?;
        }
        Ok(Self::new(columns))
    }
}

/// What is wrong with an encoding.
fn check(encoding: &Encoding) -> Result<(), &'static str> {
    if let Encoding::Numeric { scores: Some(scores), .. }
    | Encoding::Robust { scores: Some(scores), .. } = encoding
        && !scores.is_sound()
    {
        return Err("normal scores out of order or not finite");
    }
    match encoding {
        Encoding::Numeric { mean, std, median, .. } | Encoding::Date { mean, std, median, .. } => {
            if !are_statistics(&[*mean, *median], *std) {
                return Err(STATISTICS);
            }
        }
        Encoding::Robust { median, spread, .. } => {
            if !are_statistics(&[*median], *spread) {
                return Err(STATISTICS);
            }
        }
        Encoding::Categorical { categories, labels, .. }
        | Encoding::TargetStatistics { categories, labels, .. } => {
            let is_one_hot = matches!(encoding, Encoding::Categorical { .. });
            if categories.is_empty() || is_one_hot && categories.len() > MAX_CATEGORIES {
                return Err("no categories, or too many");
            }
            if !categories.is_sorted_by(|a, b| a < b) {
                return Err("categories out of order");
            }
            if labels.has_equals(categories) {
                return Err("two categories that are the same");
            }
            if let Encoding::TargetStatistics { statistics, .. } = encoding
                && !statistics.is_sound(categories.len())
            {
                return Err("statistics that do not fit the categories");
            }
        }
        Encoding::NamedNumber { number, names } => {
            let is_number = matches!(**number, Encoding::Numeric { .. } | Encoding::Robust { .. });
            let is_name = names.missing() == MissingColumn::Absent
                && names.categories().is_some_and(|(_, labels)| labels == Labels::Numbers)
                && names
                    .numbers_of_labels()
                    .is_some_and(|numbers| numbers.into_iter().all(|x| whole(x).is_some()));
            if !is_number || !is_name {
                return Err("a number with names of which one is no number, or the other none");
            }
            check(number)?;
            check(names)?;
        }
    }
    Ok(())
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
