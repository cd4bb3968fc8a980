//! What a user says about the columns of a table.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::date::DateFormat;
use crate::missing::MissingMarkers;
use crate::number::Mark;

/// What a user says about the columns of a table; by default nothing, and all is found from the
/// cells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnRules {
    /// Columns that are not inputs.
    pub drop: Vec<String>,
    /// The only columns that may be inputs; all if there are none. A column that is named here is
    /// one, even if it looks like an identifier.
    pub keep: Vec<String>,
    /// What kind some columns are of. Such a column is an input, even if it looks like an
    /// identifier.
    pub kinds: Vec<(String, AskedKind)>,
    /// What stands for a missing value; `None` takes the [default](MissingMarkers::default)
    /// markers, and leaves them their meaning as a label where they look like one.
    pub missing: Option<MissingMarkers>,
    /// Markers of single columns, in place of those for all.
    pub column_missing: Vec<(String, MissingMarkers)>,
    /// The decimal mark of all numbers: a point or a comma.
    pub decimal: Option<Mark>,
    /// How numbers are scaled.
    pub scaling: Scaling,
    /// What happens when most of a column cannot be read as in training.
    pub tolerance: Tolerance,
}

/// What happens when a model is applied to a table of which a column differs from what training saw
/// in most rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// The table is refused.
    #[default]
    Strict,
    /// There is a warning.
    Lenient,
}

/// A kind of column that a user can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum AskedKind {
    /// Numbers; other text is missing.
    Number,
    /// Labels, of which equal numbers (`1` and `1.0`) are one.
    Category,
    /// Labels, equal only where their text is.
    Text,
    /// Dates in this format, or the one that the cells decide.
    Date(Option<DateFormat>),
}

/// How numbers become inputs of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// By mean and standard deviation; a column with a value more than [`FAR`](crate::FAR) times
    /// its interquartile range away from its median is scaled robustly.
    #[default]
    Auto,
    /// By mean and standard deviation.
    Standard,
    /// By median and interquartile range, and what is far away is pulled in smoothly.
    Robust,
}

/// The names of kinds.
const KINDS: [(&str, AskedKind); 9] = [
    ("number", AskedKind::Number),
    ("category", AskedKind::Category),
    ("text", AskedKind::Text),
    ("date", AskedKind::Date(None)),
    ("date:ymd", AskedKind::Date(Some(DateFormat::YearMonthDay))),
    ("date:dmy", AskedKind::Date(Some(DateFormat::DayMonthYear))),
    ("date:mdy", AskedKind::Date(Some(DateFormat::MonthDayYear))),
    ("date:s", AskedKind::Date(Some(DateFormat::EpochSeconds))),
    ("date:ms", AskedKind::Date(Some(DateFormat::EpochMilliseconds))),
];

impl AskedKind {
    /// The names that [`FromStr`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(name, _)| *name)
    }
}

impl fmt::Display for AskedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KINDS.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name))
    }
}

impl FromStr for AskedKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let found = KINDS.iter().find(|(known, _)| *known == name);
        found.map(|(_, kind)| *kind).ok_or_else(|| UnknownKind { name: name.to_owned() })
    }
}

impl From<AskedKind> for String {
    fn from(kind: AskedKind) -> Self {
        kind.to_string()
    }
}

impl TryFrom<String> for AskedKind {
    type Error = UnknownKind;

    fn try_from(name: String) -> Result<Self, UnknownKind> {
        name.parse()
    }
}

/// A name that no kind of column has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no kind of column {name:?}: expected number, category, text, date, or a date as date:ymd, date:dmy, \
     date:mdy, date:s (seconds since 1970) or date:ms"
)]
pub struct UnknownKind {
    /// What was asked for.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names() {
        for (name, kind) in KINDS {
            assert_eq!((name.parse(), kind.to_string().as_str()), (Ok(kind), name));
        }
        let message = "numeric".parse::<AskedKind>().unwrap_err().to_string();
        assert!(AskedKind::names().all(|name| message.contains(name)), "{message}");
    }
}
