//! The encodings of single columns: what stands for a cell.

use serde::{Deserialize, Serialize};

use super::normal_scores::NormalScores;
use super::target_statistics::TargetStatistics;
use crate::date::{Calendar, DateFormat};
use crate::labels::{Labels, PlacesByNumber};
use crate::missing::MissingMarkers;
use crate::number::{NumberFormat, parse_plain};

/// How one input column is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputColumn {
    /// The column's name in the table, without space around it.
    pub name: String,
    /// Its encoding.
    #[serde(flatten)]
    pub encoding: Encoding,
    /// What stands for a missing value.
    #[serde(default = "MissingMarkers::format_1")]
    pub missing_markers: MissingMarkers,
}

/// The encoding of a column, fitted on training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Encoding {
    /// Standardised numbers: (v − mean)/std. A v farther outside of the range of the training rows
    /// than that is wide is taken to be as far outside: a network knows nothing of numbers there,
    /// and would say the more boldly what it does not know.
    Numeric {
        /// Mean of the training rows' numbers.
        mean: f64,
        /// Their population standard deviation, or 1 where it is 0.
        std: f64,
        /// Their median, which stands in for missing cells.
        median: f64,
        /// Whether an indicator column follows.
        missing: MissingColumn,
        /// How numbers are written.
        #[serde(default, skip_serializing_if = "NumberFormat::is_plain")]
        format: NumberFormat,
        /// The least and the largest number of the training rows; not known in model files of
        /// format 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        range: Option<[f64; 2]>,
        /// The normal score that follows as an encoded column of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scores: Option<NormalScores>,
    },
    /// Numbers scaled so that a few that are far away spoil nothing: z = (v − median)/spread,
    /// clipped smoothly to z/√(1 + (z/3)²), which stays between −3 and 3 and is nearly z where z is
    /// small.
    ///
    /// D. Holzmüller et al., 2024, [arXiv:2407.04491](https://arxiv.org/abs/2407.04491), section 3.
    Robust {
        /// Median of the training rows' numbers, which stands in for missing cells too.
        median: f64,
        /// The distance between their quartiles.
        spread: f64,
        /// Whether an indicator column follows.
        missing: MissingColumn,
        /// How numbers are written.
        #[serde(default, skip_serializing_if = "NumberFormat::is_plain")]
        format: NumberFormat,
        /// The normal score that follows as an encoded column of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scores: Option<NormalScores>,
    },
    /// Points in time: days, standardised, and for each cycle of period p the sine and cosine of
    /// 2π·t/p.
    Date {
        /// How dates are written.
        format: DateFormat,
        /// Mean of the training rows, in days since 1970.
        mean: f64,
        /// Their population standard deviation, or 1 where it is 0.
        std: f64,
        /// Their median, which stands in for missing cells. These have no place in any cycle: their
        /// pairs are (0, 0).
        median: f64,
        /// The cycles in which the training rows differ.
        cycles: Vec<Cycle>,
        /// Whether an indicator column follows.
        missing: MissingColumn,
    },
    /// One-hot categories.
    Categorical {
        /// The training rows' categories that have an encoded column of their own, in text order.
        categories: Vec<String>,
        /// When a cell is one of them.
        #[serde(default, skip_serializing_if = "is_default")]
        labels: Labels,
        /// Whether all other categories share an encoded column, which follows.
        #[serde(default, skip_serializing_if = "is_default")]
        other: OtherColumn,
        /// Whether missing cells are a category of their own, the last.
        missing: MissingColumn,
    },
    /// Categories, too many to have a column each, by what the targets were in their training rows.
    TargetStatistics {
        /// The training rows' most frequent categories, in text order.
        categories: Vec<String>,
        /// When a cell is one of them.
        #[serde(default, skip_serializing_if = "is_default")]
        labels: Labels,
        /// The numbers that stand for each of them.
        statistics: TargetStatistics,
        /// Whether an indicator column follows.
        missing: MissingColumn,
    },
    /// Whole numbers that name things as well: as numbers, then as the categories that each of them
    /// names.
    NamedNumber {
        /// [`Numeric`](Self::Numeric) or [`Robust`](Self::Robust).
        number: Box<Encoding>,
        /// [`Categorical`](Self::Categorical) or [`TargetStatistics`](Self::TargetStatistics), of
        /// labels that are numbers, without a column for missing cells.
        names: Box<Encoding>,
    },
}

/// Whether missing cells have an encoded column of their own: they have where training had missing
/// cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingColumn {
    /// The last encoded column of this input is 1 where the cell is missing.
    Present,
    /// Training had no missing cells.
    Absent,
}

/// Whether rare and unseen categories have an encoded column of their own: they have where training
/// had rare ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherColumn {
    /// The encoded column behind those of the categories is 1 for any other category.
    Present,
    /// Any other category is encoded as zeros.
    #[default]
    Absent,
}

/// A cycle of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cycle {
    /// Of 12 months.
    Month,
    /// Of 7 days.
    Weekday,
    /// Of 24 hours.
    Hour,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Cycle {
    pub(crate) const ALL: [Self; 3] = [Self::Month, Self::Weekday, Self::Hour];

    fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Weekday => "weekday",
            Self::Hour => "hour",
        }
    }

    /// Where in the cycle a point in time lies.
    pub(crate) fn place(self, calendar: Calendar) -> f64 {
        match self {
            Self::Month => calendar.month,
            Self::Weekday => calendar.weekday,
            Self::Hour => calendar.hour,
        }
    }

    /// Sine and cosine of that place's angle.
    pub(super) fn pair(self, calendar: Calendar) -> [f64; 2] {
        let period = match self {
            Self::Month => 12.0,
            Self::Weekday => 7.0,
            Self::Hour => 24.0,
        };
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * self.place(calendar) / period);
        [sin, cos]
    }
}

impl Encoding {
    /// Number of encoded columns that a cell becomes.
    pub fn width(&self) -> usize {
        let values = match self {
            Self::Numeric { scores, .. } | Self::Robust { scores, .. } => {
                1 + usize::from(scores.is_some())
            }
            Self::Date { cycles, .. } => 1 + 2 * cycles.len(),
            Self::Categorical { categories, other, .. } => {
                categories.len() + usize::from(*other == OtherColumn::Present)
            }
            Self::TargetStatistics { statistics, .. } => statistics.names().len(),
            Self::NamedNumber { number, names } => return number.width() + names.width(),
        };
        values + usize::from(self.missing() == MissingColumn::Present)
    }

    /// How numbers are encoded: a column of whole numbers that are names, by its numbers alone.
    pub fn number(&self) -> &Self {
        if let Self::NamedNumber { number, .. } = self { number } else { self }
    }

    /// The least and the most that a standardised number is taken to be: as far outside of the
    /// range of the training rows as that is wide. `None` for other columns, and if the range is
    /// not known or is a single number.
    pub fn believed_range(&self) -> Option<[f64; 2]> {
        let Self::Numeric { range: Some([min, max]), .. } = self.number() else {
            return None;
        };
        let width = max - min;
        (width > 0.0).then_some([min - width, max + width])
    }

    /// Whether missing cells have an encoded column of their own.
    pub fn missing(&self) -> MissingColumn {
        match self {
            Self::Numeric { missing, .. }
            | Self::Robust { missing, .. }
            | Self::Date { missing, .. }
            | Self::Categorical { missing, .. }
            | Self::TargetStatistics { missing, .. } => *missing,
            Self::NamedNumber { number, .. } => number.missing(),
        }
    }

    /// The categories of a column of text, and when a cell is one of them; `None` for others.
    pub fn categories(&self) -> Option<(&[String], Labels)> {
        match self {
            Self::Categorical { categories, labels, .. }
            | Self::TargetStatistics { categories, labels, .. } => Some((categories, *labels)),
            Self::Numeric { .. }
            | Self::Robust { .. }
            | Self::Date { .. }
            | Self::NamedNumber { .. } => None,
        }
    }

    /// The labels of a column of text, if all of them are numbers.
    pub fn numbers_of_labels(&self) -> Option<Vec<f64>> {
        self.categories()?.0.iter().map(|label| parse_plain(label)).collect()
    }

    /// How numbers are written, in a column of them.
    pub fn number_format(&self) -> Option<&NumberFormat> {
        match self.number() {
            Self::Numeric { format, .. } | Self::Robust { format, .. } => Some(format),
            _ => None,
        }
    }

    /// Has numbers written otherwise, in a column of them.
    pub(super) fn set_number_format(&mut self, new: NumberFormat) {
        match self {
            Self::Numeric { format, .. } | Self::Robust { format, .. } => *format = new,
            Self::NamedNumber { number, .. } => number.set_number_format(new),
            _ => {}
        }
    }

    /// Where the statistics of the targets begin among its encoded columns, if it has any.
    pub(crate) fn statistics_start(&self) -> Option<usize> {
        match self {
            Self::TargetStatistics { .. } => Some(0),
            Self::NamedNumber { number, names } => {
                names.statistics_start().map(|start| number.width() + start)
            }
            _ => None,
        }
    }

    /// A name for each encoded column of the input `name`.
    fn feature_names(&self, name: &str) -> Vec<String> {
        let mut names = Vec::new();
        match self {
            Self::NamedNumber { number, names: of_names } => {
                names = number.feature_names(name);
                names.extend(of_names.feature_names(name));
                return names;
            }
            Self::Numeric { scores, .. } | Self::Robust { scores, .. } => {
                names.push(name.to_owned());
                names.extend(scores.iter().map(|_| format!("{name} by rank")));
            }
            Self::Date { cycles, .. } => {
                names.push(name.to_owned());
                for cycle in cycles {
                    names.extend(["sin", "cos"].map(|f| format!("{name} {f} {}", cycle.name())));
                }
            }
            Self::Categorical { categories, other, .. } => {
                names.extend(categories.iter().map(|category| format!("{name}={category}")));
                if *other == OtherColumn::Present {
                    names.push(format!("{name} is another"));
                }
            }
            Self::TargetStatistics { statistics, .. } => {
                names.extend(statistics.names().iter().map(|of| format!("{name} by {of}")));
            }
        }
        if self.missing() == MissingColumn::Present {
            names.push(format!("{name} is missing"));
        }
        names
    }

    /// The places of its labels, if these are numbers.
    fn places_by_number(&self) -> PlacesByNumber {
        let of_names = if let Self::NamedNumber { names, .. } = self { names } else { self };
        of_names.categories().map_or_else(PlacesByNumber::default, |(categories, labels)| {
            PlacesByNumber::of(labels, categories)
        })
    }
}

impl InputColumn {
    /// Number of encoded columns that this input becomes.
    pub fn width(&self) -> usize {
        self.encoding.width()
    }

    /// A name for each encoded column.
    pub(crate) fn feature_names(&self) -> Vec<String> {
        self.encoding.feature_names(&self.name)
    }

    /// The places of its labels, if these are numbers.
    pub(crate) fn places_by_number(&self) -> PlacesByNumber {
        self.encoding.places_by_number()
    }
}
