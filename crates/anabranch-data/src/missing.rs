//! Which cells have no value.

use serde::{Deserialize, Serialize};

/// Texts that stand for a missing value, in upper or lower case. An empty cell and NaN are always
/// missing.
///
/// A marker that is a number is compared as a number: `-9999` also covers `-9999.0`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct MissingMarkers {
    texts: Vec<String>,
    /// Those of them that are numbers.
    numbers: Vec<f64>,
    /// The least absolute value of these: most cells are told from all of them by it.
    least: f64,
}

impl Default for MissingMarkers {
    /// What spreadsheets, R, pandas, SQL dumps and public data sets write where a value is missing.
    fn default() -> Self {
        Self::new([
            "NA",
            "N/A",
            "NaN",
            "null",
            "None",
            "nil",
            "-",
            "--",
            ".",
            "?",
            "\\N",
            "#N/A",
            "#DIV/0!",
            "<NA>",
            // The least and the largest f32, by which rasters mark cells without data.
            "-3.4028234663852886e38",
            "3.4028234663852886e38",
            "-3.4028235e38",
            "3.4028235e38",
        ])
    }
}

impl MissingMarkers {
    /// These texts, whose surrounding space means nothing.
    pub fn new<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Self {
        let texts: Vec<String> =
            texts.into_iter().map(|text| text.as_ref().trim().to_owned()).collect();
        let number = |text: &String| text.parse::<f64>().ok().filter(|number| !number.is_nan());
        let numbers: Vec<f64> = texts.iter().filter_map(number).collect();
        let least = numbers.iter().fold(f64::INFINITY, |least, number| least.min(number.abs()));
        Self { texts, numbers, least }
    }

    /// The markers of model files of format 1, which do not list them.
    pub(crate) fn format_1() -> Self {
        Self::new(["NA", "NaN", "null"])
    }

    /// These markers and some more.
    pub fn with<S: AsRef<str>>(&self, more: impl IntoIterator<Item = S>) -> Self {
        let more: Vec<S> = more.into_iter().collect();
        Self::new(self.texts.iter().map(String::as_str).chain(more.iter().map(AsRef::as_ref)))
    }

    /// These markers but one.
    pub(crate) fn without(&self, marker: &str) -> Self {
        Self::new(self.texts.iter().filter(|text| !text.eq_ignore_ascii_case(marker)))
    }

    /// The markers in order.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Those of them that are numbers.
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// Whether `text`, without space around it, stands for a missing value.
    pub(crate) fn contains(&self, text: &str) -> bool {
        text.is_empty()
            || self
                .texts
                .iter()
                .any(|marker| marker.len() == text.len() && marker.eq_ignore_ascii_case(text))
    }

    /// Whether a number stands for a missing value.
    #[inline(always)]
    pub(crate) fn contains_number(&self, number: f64) -> bool {
        number.is_nan() || (number.abs() >= self.least && self.numbers.contains(&number))
    }
}

impl From<Vec<String>> for MissingMarkers {
    fn from(texts: Vec<String>) -> Self {
        Self::new(texts)
    }
}

impl From<MissingMarkers> for Vec<String> {
    fn from(markers: MissingMarkers) -> Self {
        markers.texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_compared_without_case_and_by_value() {
        let markers = MissingMarkers::default();
        for text in ["", "na", "N/a", "NULL", "none", "\\n", "#DIV/0!", "<na>", "?"] {
            assert!(markers.contains(text), "{text:?}");
        }
        for text in ["0", "x", "??", "N A", "---"] {
            assert!(!markers.contains(text), "{text:?}");
        }
        let sentinel = f64::from(f32::MIN);
        assert!(markers.contains_number(sentinel) && markers.contains_number(-3.4028235e38));
        assert!(!markers.contains_number(0.0) && !markers.contains_number(3e38));
        let markers = MissingMarkers::new([" -9999 ", "void"]).with(["x"]);
        assert!(markers.contains("VOID") && markers.contains("x") && !markers.contains("NA"));
        assert!(markers.contains_number(-9999.0) && markers.contains_number(f64::NAN));
        assert!(!markers.contains_number(9999.0));
        assert!(!markers.without("Void").contains("void"));
    }
}
