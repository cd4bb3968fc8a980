//! The texts that a category or a missing cell can be written as, where an export compares texts
//! as they are.

use std::collections::HashSet;

use anabranch_data::{InputColumn, Labels};

/// Of texts with at most so many letters, all mixtures of capital and small ones are listed.
const FEW_LETTERS: usize = 6;

/// The texts of a categorical column, each with the place of its category; `None` is a missing
/// cell. No text is given twice.
pub(crate) fn of(column: &InputColumn) -> Vec<(String, Option<usize>)> {
    let Some((categories, labels)) = column.encoding.categories() else { return Vec::new() };
    let markers = column.missing_markers.texts().iter().flat_map(|text| in_all_cases(text));
    let markers = std::iter::once(String::new()).chain(markers).map(|text| (text, None));
    let own = categories.iter().enumerate().map(|(place, text)| (text.clone(), Some(place)));
    let others = categories.iter().enumerate().flat_map(|(place, text)| {
        other_spellings(text, labels).into_iter().map(move |text| (text, Some(place)))
    });
    let mut seen = HashSet::new();
    markers.chain(own).chain(others).filter(|(text, _)| seen.insert(text.clone())).collect()
}

fn other_spellings(text: &str, labels: Labels) -> Vec<String> {
    match (labels, text.parse::<f64>()) {
        (Labels::Booleans, _) => in_all_cases(text),
        // 1 is also written 1.0 and 1.00.
        (Labels::Numbers, Ok(number)) => {
            vec![format!("{number}"), format!("{number:?}"), format!("{number:.2}")]
                .into_iter()
                .filter(|text| text.parse() == Ok(number))
                .collect()
        }
        (Labels::Text | Labels::Prefix(_) | Labels::Numbers, _) => Vec::new(),
    }
}

/// A text in capital and small letters: all mixtures if it has few letters, else as it is, all
/// small and all capital.
fn in_all_cases(text: &str) -> Vec<String> {
    let places: Vec<usize> =
        text.char_indices().filter(|(_, c)| c.is_ascii_alphabetic()).map(|(i, _)| i).collect();
    if places.len() > FEW_LETTERS {
        return vec![text.to_owned(), text.to_ascii_lowercase(), text.to_ascii_uppercase()];
    }
    let mixtures = (0..1_u32 << places.len()).map(|mixture| {
        let mut text = text.to_ascii_lowercase();
        for (letter, place) in places.iter().enumerate() {
            if mixture >> letter & 1 == 1 {
                text[*place..=*place].make_ascii_uppercase();
            }
        }
        text
    });
    mixtures.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_letters_are_mixed() {
        assert_eq!(in_all_cases("n/A"), ["n/a", "N/a", "n/A", "N/A"]);
        assert_eq!(in_all_cases("-é"), ["-é"]);
        assert_eq!(in_all_cases("Unknown"), ["Unknown", "unknown", "UNKNOWN"]);
        assert_eq!(other_spellings("2.50", Labels::Numbers), ["2.5", "2.5", "2.50"]);
        assert_eq!(other_spellings("1", Labels::Numbers), ["1", "1.0", "1.00"]);
        assert_eq!(other_spellings("1", Labels::Text), [""; 0]);
    }
}
