//! What a user says about the columns of a table.

use anabranch_tensor::named;
use serde::{Deserialize, Serialize};

use crate::date::DateFormat;
use crate::error::DataError;
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
    /// As [`Auto`](Self::Auto), and beside it by [`NormalScores`](crate::NormalScores).
    Ranked,
    /// By mean and standard deviation.
    Standard,
    /// By median and interquartile range, and what is far away is pulled in smoothly.
    Robust,
}

named!(AskedKind, "kind of column", DataError);

impl AskedKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Number,
        Self::Category,
        Self::Text,
        Self::Date(None),
        Self::Date(Some(DateFormat::YearMonthDay)),
        Self::Date(Some(DateFormat::DayMonthYear)),
        Self::Date(Some(DateFormat::MonthDayYear)),
        Self::Date(Some(DateFormat::EpochSeconds)),
        Self::Date(Some(DateFormat::EpochMilliseconds)),
    ];

    /// The name, as flags and files spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Category => "category",
            Self::Text => "text",
            Self::Date(None) => "date",
            Self::Date(Some(DateFormat::YearMonthDay)) => "date:ymd",
            Self::Date(Some(DateFormat::DayMonthYear)) => "date:dmy",
            Self::Date(Some(DateFormat::MonthDayYear)) => "date:mdy",
            Self::Date(Some(DateFormat::EpochSeconds)) => "date:s",
            Self::Date(Some(DateFormat::EpochMilliseconds)) => "date:ms",
        }
    }
}

impl From<AskedKind> for String {
    fn from(kind: AskedKind) -> Self {
        kind.to_string()
    }
}

impl TryFrom<String> for AskedKind {
    type Error = DataError;

    fn try_from(name: String) -> Result<Self, DataError> {
        name.parse()
    }
}
