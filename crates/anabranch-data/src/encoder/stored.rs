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
        for InputColumn { name, encoding } in &columns {
            let wrong = |problem| Err(StoredError::new(name, problem));
            if name.is_empty() || name.trim() != name {
                return wrong("a column name that is empty or has space around it");
            }
            if !names.insert(name) {
                return wrong("two input columns of this name");
            }
            match encoding {
                Encoding::Numeric { mean, std, median, .. } => {
                    // NaN fails every comparison.
                    let in_range = |v: f64| v.abs() <= LARGEST;
                    if !(in_range(*mean) && in_range(*median) && in_range(*std) && *std > 0.0) {
                        return wrong(
                            "a mean, median or deviation that is not finite or not positive",
                        );
                    }
                }
                Encoding::Categorical { categories, .. } => {
                    if categories.is_empty() || categories.len() > MAX_CATEGORIES {
                        return wrong("no categories, or too many");
                    }
                    if !categories.is_sorted_by(|a, b| a < b) {
                        return wrong("categories out of order");
                    }
                }
            }
        }
        Ok(Self::new(columns))
    }
}

impl From<Encoder> for Vec<InputColumn> {
    fn from(encoder: Encoder) -> Self {
        encoder.columns
    }
}
