//! Labels: the distinct texts of a column, and which of them mean the same.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::number::{has_leading_zeros, parse_plain};

/// When two labels are the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// When their texts are equal.
    #[default]
    Text,
    /// When they are equal as numbers: `1` and `1.0`.
    Numbers,
    /// When they are equal in lower case: `true` and `TRUE`.
    Booleans,
    /// When their first so many characters are equal, as of postal codes.
    Prefix(u8),
}

/// The usual spellings of truth values, in lower case.
const BOOLEANS: [[&str; 2]; 5] =
    [["true", "false"], ["yes", "no"], ["y", "n"], ["t", "f"], ["on", "off"]];

/// A label as it is compared.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Text(&'a str),
    Number(u64),
    LowerCase(String),
}

impl Labels {
    /// How the labels of a column are compared that has these.
    pub(crate) fn of(texts: &[&str]) -> Self {
        let is_number =
            |text: &&str| !has_leading_zeros(text) && parse_plain(text).is_some_and(f64::is_finite);
        if !texts.is_empty() && texts.iter().all(is_number) {
            return Self::Numbers;
        }
        let is_one_of = |pair: &[&str; 2]| {
            let is_one = |text: &&str| pair.iter().any(|word| text.eq_ignore_ascii_case(word));
            !texts.is_empty() && texts.iter().all(is_one)
        };
        if BOOLEANS.iter().any(is_one_of) { Self::Booleans } else { Self::Text }
    }

    fn key(self, text: &str) -> Key<'_> {
        match (self, parse_plain(text)) {
            (Self::Numbers, Some(number)) => Key::Number(bits_of(number)),
            (Self::Booleans, _) => Key::LowerCase(text.to_lowercase()),
            (Self::Prefix(len), _) => Key::Text(prefix(text, len)),
            (Self::Text | Self::Numbers, _) => Key::Text(text),
        }
    }

    /// The place of `text` among `labels`, of which no two are the same.
    pub(crate) fn find<S: AsRef<str>>(self, labels: &[S], text: &str) -> Option<usize> {
        let key = self.key(text);
        labels.iter().position(|label| self.key(label.as_ref()) == key)
    }

    /// Whether two of these labels are the same.
    pub(crate) fn has_equals(self, labels: &[String]) -> bool {
        let mut seen = HashSet::new();
        !labels.iter().all(|label| seen.insert(self.key(label)))
    }
}

/// The places of labels that are equal as numbers, in the order of these; no places of other
/// labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PlacesByNumber(Vec<(u64, u32)>);

impl PlacesByNumber {
    pub(crate) fn of<S: AsRef<str>>(labels: Labels, texts: &[S]) -> Self {
        if labels != Labels::Numbers {
            return Self::default();
        }
        let numbers = (0..).zip(texts).filter_map(|(place, text)| {
            parse_plain(text.as_ref()).map(|number| (bits_of(number), place))
        });
        let mut places: Vec<(u64, u32)> = numbers.collect();
        places.sort_unstable();
        Self(places)
    }

    pub(crate) fn find(&self, number: f64) -> Option<usize> {
        let key = bits_of(number);
        let found = self.0.binary_search_by_key(&key, |(number, _)| *number);
        found.ok().map(|i| self.0[i].1 as usize)
    }
}

/// The bits of a number, of which 0 and −0 have the same.
fn bits_of(number: f64) -> u64 {
    (number + 0.0).to_bits()
}

/// The first `len` characters of a text.
pub(crate) fn prefix(text: &str, len: u8) -> &str {
    text.char_indices().nth(len.into()).map_or(text, |(end, _)| &text[..end])
}

/// The texts of a column, numbered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Categories<'a> {
    /// The distinct ones, in text order.
    pub(crate) values: Vec<&'a str>,
    /// Which of them each text is; `None` where there is none.
    pub(crate) numbers: Vec<Option<u32>>,
}

impl<'a> Categories<'a> {
    /// Numbers texts.
    pub(crate) fn of(texts: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut numbering = Numbering::default();
        texts.for_each(|text| numbering.push(text));
        numbering.finish()
    }

    /// Makes one of labels that are the same: the shortest text stands for all of them, the first
    /// one of equals.
    pub(crate) fn merged(self, labels: Labels) -> Self {
        let mut chosen: HashMap<Key<'_>, u32> = HashMap::new();
        for (number, &value) in (0..).zip(&self.values) {
            match chosen.entry(labels.key(value)) {
                Entry::Vacant(entry) => _ = entry.insert(number),
                Entry::Occupied(mut entry) => {
                    if value.len() < self.values[*entry.get() as usize].len() {
                        entry.insert(number);
                    }
                }
            }
        }
        if chosen.len() == self.values.len() {
            return self;
        }
        let stands_for: Vec<u32> =
            self.values.iter().map(|value| chosen[&labels.key(value)]).collect();
        let texts = self
            .numbers
            .iter()
            .map(|number| number.map(|number| self.values[stands_for[number as usize] as usize]));
        Self::of(texts)
    }

    /// How many texts have each value.
    pub(crate) fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.values.len()];
        self.numbers.iter().flatten().for_each(|number| counts[*number as usize] += 1);
        counts
    }

    /// Two values that differ by case or space alone.
    pub(crate) fn similar(&self) -> Option<[&'a str; 2]> {
        let mut seen: HashMap<String, &str> = HashMap::new();
        self.values.iter().find_map(|&value| {
            let mut words = String::with_capacity(value.len());
            value.split_whitespace().for_each(|word| words += &word.to_lowercase());
            seen.insert(words, value).map(|other| [other, value])
        })
    }
}

/// So many texts are told apart faster by looking at all of them than by their hashes.
const FEW: usize = 12;

/// [`Categories`] in the making.
#[derive(Default)]
pub(crate) struct Numbering<'a> {
    /// The distinct texts, numbered as they were found.
    found: HashMap<&'a str, u32>,
    /// The first of them.
    first: Vec<&'a str>,
    numbers: Vec<Option<u32>>,
}

impl<'a> Numbering<'a> {
    pub(crate) fn push(&mut self, text: Option<&'a str>) {
        let number = text.map(|text| {
            let first = self.first.iter().position(|known| *known == text);
            first.map_or_else(|| self.number_of(text), |number| number as u32)
        });
        self.numbers.push(number);
    }

    fn number_of(&mut self, text: &'a str) -> u32 {
        let next = self.found.len() as u32;
        let number = *self.found.entry(text).or_insert(next);
        if number == next && self.first.len() < FEW {
            self.first.push(text);
        }
        number
    }

    /// From the order in which texts were found to that of the texts.
    pub(crate) fn finish(self) -> Categories<'a> {
        let Self { found, mut numbers, .. } = self;
        let mut values: Vec<(&str, u32)> = found.into_iter().collect();
        values.sort_unstable();
        let mut places = vec![0; values.len()];
        for (place, (_, found)) in (0..).zip(&values) {
            places[*found as usize] = place;
        }
        for number in numbers.iter_mut().flatten() {
            *number = places[*number as usize];
        }
        Categories { values: values.into_iter().map(|(value, _)| value).collect(), numbers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn categories<'a>(texts: &[&'a str]) -> Categories<'a> {
        Categories::of(texts.iter().map(|text| (!text.is_empty()).then_some(*text)))
    }

    #[test]
    fn texts_are_numbered_in_their_order() {
        let Categories { values, numbers } = categories(&["b", "a", "", "b"]);
        assert_eq!((values, numbers), (vec!["a", "b"], vec![Some(1), Some(0), None, Some(1)]));
    }

    #[test]
    fn equal_numbers_and_truth_values_are_one_label() {
        let merge = |texts: &[&'static str]| {
            let found = categories(texts);
            let labels = Labels::of(&found.values);
            let Categories { values, numbers } = found.merged(labels);
            (labels, values, numbers.into_iter().flatten().collect::<Vec<_>>())
        };
        assert_eq!(
            merge(&["1.0", "0", "1", "2.50"]),
            (Labels::Numbers, vec!["0", "1", "2.50"], vec![1, 0, 1, 2])
        );
        assert_eq!(merge(&["-0", "0"]).1, ["0"]);
        assert_eq!(
            merge(&["True", "false", "TRUE"]),
            (Labels::Booleans, vec!["TRUE", "false"], vec![0, 1, 0])
        );
        // Codes stay what they are.
        assert_eq!(merge(&["01", "1"]).1, ["01", "1"]);
        assert_eq!(
            merge(&["yes", "No", "maybe"]),
            (Labels::Text, vec!["No", "maybe", "yes"], vec![2, 0, 1])
        );
        assert_eq!(Labels::Numbers.find(&["0", "1"], "1.0"), Some(1));
        assert_eq!(Labels::Booleans.find(&["No", "Yes"], "yes"), Some(1));
        assert_eq!(Labels::Text.find(&["0", "1"], "1.0"), None);
        assert_eq!(Labels::Numbers.find(&["0", "1"], "x"), None);
    }

    #[test]
    fn labels_are_found_by_their_number() {
        let places = PlacesByNumber::of(Labels::Numbers, &["-0", "1", "10", "2.50", "9"]);
        for (number, place) in
            [(0.0, Some(0)), (1.0, Some(1)), (2.5, Some(3)), (9.0, Some(4)), (3.0, None)]
        {
            assert_eq!(places.find(number), place);
        }
        assert_eq!(PlacesByNumber::of(Labels::Text, &["1"]).find(1.0), None);
    }

    #[test]
    fn labels_that_differ_by_case_or_space_alone() {
        assert_eq!(
            categories(&["new york", "New  York", "x"]).similar(),
            Some(["New  York", "new york"])
        );
        assert_eq!(categories(&["a", "b"]).similar(), None);
    }
}
