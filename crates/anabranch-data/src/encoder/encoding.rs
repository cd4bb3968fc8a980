//! The encodings of single columns: from a cell to the numbers that stand for it.

use anabranch_tensor::Scalar;
use serde::{Deserialize, Serialize};

use super::normal_scores::NormalScores;
use super::target_statistics::TargetStatistics;
use crate::cell::{Cell, LARGEST, Reading, trimmed, value_of};
use crate::date::{Calendar, DateFormat};
use crate::labels::{Labels, PlacesByNumber};
use crate::missing::MissingMarkers;
use crate::number::{NumberFormat, parse_plain};

/// Farther than so many standard deviations from the mean of training nothing sensible can be
/// predicted, and sums of squares soon overflow.
const FARTHEST: f64 = 1e6;

/// Where [smooth clipping](Encoding::Robust) leads to.
const CLIP: f64 = 3.0;

const SECONDS_A_DAY: f64 = 86_400.0;

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
    fn pair(self, calendar: Calendar) -> [f64; 2] {
        let period = match self {
            Self::Month => 12.0,
            Self::Weekday => 7.0,
            Self::Hour => 24.0,
        };
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * self.place(calendar) / period);
        [sin, cos]
    }
}

/// What a cell turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    AsTrained,
    Missing,
    UnseenCategory,
    /// Neither missing nor of the column's kind.
    Unreadable,
    /// A number that lies farther outside what training saw than that is wide.
    Outside,
}

/// Why a cell cannot be encoded.
pub(crate) enum CellError {
    OutOfRange(&'static str),
    NumberForText,
}

pub(crate) const NOT_FINITE: &str = "is infinite or beyond 1e100";
pub(crate) const TOO_FAR: &str =
    "lies more than a million standard deviations from what training saw";

impl InputColumn {
    /// Number of encoded columns that this input becomes.
    pub fn width(&self) -> usize {
        let values = match &self.encoding {
            Encoding::Numeric { scores, .. } | Encoding::Robust { scores, .. } => {
                1 + usize::from(scores.is_some())
            }
            Encoding::Date { cycles, .. } => 1 + 2 * cycles.len(),
            Encoding::Categorical { categories, other, .. } => {
                categories.len() + usize::from(*other == OtherColumn::Present)
            }
            Encoding::TargetStatistics { statistics, .. } => statistics.names().len(),
        };
        values + usize::from(self.missing() == MissingColumn::Present)
    }

    /// The least and the most that a standardised number is taken to be: as far outside of the
    /// range of the training rows as that is wide. `None` for other columns, and if the range is
    /// not known or is a single number.
    pub fn believed_range(&self) -> Option<[f64; 2]> {
        let Encoding::Numeric { range: Some([min, max]), .. } = &self.encoding else {
            return None;
        };
        let width = max - min;
        (width > 0.0).then_some([min - width, max + width])
    }

    /// Whether missing cells have an encoded column of their own.
    pub fn missing(&self) -> MissingColumn {
        match &self.encoding {
            Encoding::Numeric { missing, .. }
            | Encoding::Robust { missing, .. }
            | Encoding::Date { missing, .. }
            | Encoding::Categorical { missing, .. }
            | Encoding::TargetStatistics { missing, .. } => *missing,
        }
    }

    /// The categories of a column of text, and when a cell is one of them; `None` for others.
    pub fn categories(&self) -> Option<(&[String], Labels)> {
        match &self.encoding {
            Encoding::Categorical { categories, labels, .. }
            | Encoding::TargetStatistics { categories, labels, .. } => Some((categories, *labels)),
            Encoding::Numeric { .. } | Encoding::Robust { .. } | Encoding::Date { .. } => None,
        }
    }

    /// A name for each encoded column.
    pub(crate) fn feature_names(&self) -> Vec<String> {
        let Self { name, encoding, .. } = self;
        let mut names = Vec::new();
        match encoding {
            Encoding::Numeric { scores, .. } | Encoding::Robust { scores, .. } => {
                names.push(name.clone());
                names.extend(scores.iter().map(|_| format!("{name} by rank")));
            }
            Encoding::Date { cycles, .. } => {
                names.push(name.clone());
                for cycle in cycles {
                    names.extend(["sin", "cos"].map(|f| format!("{name} {f} {}", cycle.name())));
                }
            }
            Encoding::Categorical { categories, other, .. } => {
                names.extend(categories.iter().map(|category| format!("{name}={category}")));
                if *other == OtherColumn::Present {
                    names.push(format!("{name} is another"));
                }
            }
            Encoding::TargetStatistics { statistics, .. } => {
                names.extend(statistics.names().iter().map(|of| format!("{name} by {of}")));
            }
        }
        if self.missing() == MissingColumn::Present {
            names.push(format!("{name} is missing"));
        }
        names
    }

    /// The places of its labels, if these are numbers.
    pub(crate) fn places_by_number(&self) -> PlacesByNumber {
        match &self.encoding {
            Encoding::Categorical { categories, labels, .. }
            | Encoding::TargetStatistics { categories, labels, .. } => {
                PlacesByNumber::of(*labels, categories)
            }
            Encoding::Numeric { .. } | Encoding::Robust { .. } | Encoding::Date { .. } => {
                PlacesByNumber::default()
            }
        }
    }

    /// Writes the encoded cell to `out`, as long as the width; `by_number` are its
    /// [`places_by_number`](Self::places_by_number).
    pub(crate) fn encode<T: Scalar>(
        &self,
        by_number: &PlacesByNumber,
        cell: Cell<'_>,
        out: &mut [T],
    ) -> Result<Outcome, CellError> {
        match &self.encoding {
            Encoding::Numeric { mean, std, median, format, scores, .. } => {
                let (value, outcome) = read_number(cell, format, &self.missing_markers)?;
                let known = value.unwrap_or(*median);
                let z = (known - mean) / std;
                if z.is_nan() || z.abs() > FARTHEST {
                    return Err(CellError::OutOfRange(TOO_FAR));
                }
                let believed =
                    self.believed_range().map_or(known, |[least, most]| known.clamp(least, most));
                let z = (believed - mean) / std;
                let score = scores.as_ref().map(|scores| scores.score(known));
                write_number(value, z, score, out);
                Ok(if believed == known { outcome } else { Outcome::Outside })
            }
            Encoding::Robust { median, spread, format, scores, .. } => {
                let (value, outcome) = read_number(cell, format, &self.missing_markers)?;
                let known = value.unwrap_or(*median);
                // Within this range the square stays finite.
                let z = ((known - median) / spread).clamp(-LARGEST, LARGEST);
                let clipped = z / (1.0 + (z / CLIP) * (z / CLIP)).sqrt();
                let score = scores.as_ref().map(|scores| scores.score(known));
                write_number(value, clipped, score, out);
                Ok(outcome)
            }
            Encoding::Date { format, mean, std, median, cycles, .. } => {
                let (seconds, outcome) = read_date(cell, *format, &self.missing_markers)?;
                let z = (seconds.map_or(*median, |seconds| seconds / SECONDS_A_DAY) - mean) / std;
                let (values, indicator) = out.split_at_mut(1 + 2 * cycles.len());
                write_number(seconds, z, None, &mut values[..1]);
                let calendar = seconds.and_then(Calendar::at);
                for (out, cycle) in values[1..].chunks_exact_mut(2).zip(cycles) {
                    let pair = calendar.map_or([0.0; 2], |calendar| cycle.pair(calendar));
                    out.copy_from_slice(&pair.map(T::from_f64));
                }
                indicator.fill(if seconds.is_none() { T::ONE } else { T::ZERO });
                Ok(outcome)
            }
            Encoding::Categorical { categories, labels, other, missing } => {
                let n = categories.len();
                let (hot, outcome) = match self.category(cell, *labels)? {
                    Some(label) => match label.find(categories, *labels, by_number) {
                        Some(place) => (Some(place), Outcome::AsTrained),
                        None if *other == OtherColumn::Present => {
                            (Some(n), Outcome::UnseenCategory)
                        }
                        None => (None, Outcome::UnseenCategory),
                    },
                    None if *missing == MissingColumn::Present => {
                        (Some(out.len() - 1), Outcome::Missing)
                    }
                    None => (None, Outcome::Missing),
                };
                out.fill(T::ZERO);
                if let Some(hot) = hot {
                    out[hot] = T::ONE;
                }
                Ok(outcome)
            }
            Encoding::TargetStatistics { categories, labels, statistics, .. } => {
                let label = self.category(cell, *labels)?;
                let place = label.and_then(|label| label.find(categories, *labels, by_number));
                let row = statistics.row(place);
                let (values, indicator) = out.split_at_mut(row.len());
                for (out, value) in values.iter_mut().zip(row) {
                    *out = T::from_f64(f64::from(*value));
                }
                indicator.fill(if label.is_none() { T::ONE } else { T::ZERO });
                Ok(match (label, place) {
                    (None, _) => Outcome::Missing,
                    (_, None) => Outcome::UnseenCategory,
                    _ => Outcome::AsTrained,
                })
            }
        }
    }

    /// What a categorical cell says; `None` if it is missing.
    fn category<'c>(&self, cell: Cell<'c>, labels: Labels) -> Result<Option<Label<'c>>, CellError> {
        let missing = &self.missing_markers;
        match cell {
            Cell::Missing => Ok(None),
            Cell::Number(number) if missing.contains_number(number) => Ok(None),
            Cell::Number(number) if labels == Labels::Numbers => Ok(Some(Label::Number(number))),
            Cell::Number(_) => Err(CellError::NumberForText),
            Cell::Text(text) => Ok(value_of(text, missing).map(Label::Text)),
        }
    }
}

/// What a categorical cell says.
#[derive(Clone, Copy)]
enum Label<'c> {
    Text(&'c str),
    Number(f64),
}

impl Label<'_> {
    /// Its place among categories in text order.
    fn find(
        self,
        categories: &[String],
        labels: Labels,
        by_number: &PlacesByNumber,
    ) -> Option<usize> {
        let text = match self {
            Self::Number(number) => return by_number.find(number),
            Self::Text(text) => text,
        };
        match (categories.binary_search_by(|c| c.as_str().cmp(text)), labels) {
            (Ok(place), _) => Some(place),
            (Err(_), Labels::Text) => None,
            (Err(_), Labels::Numbers) => by_number.find(parse_plain(text)?),
            (Err(_), Labels::Booleans | Labels::Prefix(_)) => labels.find(categories, text),
        }
    }
}

#[inline(always)]
fn read_number(
    cell: Cell<'_>,
    format: &NumberFormat,
    missing: &MissingMarkers,
) -> Result<(Option<f64>, Outcome), CellError> {
    match cell.read_number(format, missing) {
        Reading::Number(value) => Ok((Some(value), Outcome::AsTrained)),
        Reading::Missing => Ok((None, Outcome::Missing)),
        Reading::Text => Ok((None, Outcome::Unreadable)),
        Reading::OutOfRange => Err(CellError::OutOfRange(NOT_FINITE)),
    }
}

/// Reads a date as seconds since 1970.
pub(crate) fn read_date(
    cell: Cell<'_>,
    format: DateFormat,
    missing: &MissingMarkers,
) -> Result<(Option<f64>, Outcome), CellError> {
    match cell {
        Cell::Number(number) if !number.is_nan() => Err(CellError::NumberForText),
        Cell::Missing | Cell::Number(_) => Ok((None, Outcome::Missing)),
        Cell::Text(text) => {
            let text = trimmed(text);
            match format.parse(text) {
                Some(seconds) => Ok((Some(seconds), Outcome::AsTrained)),
                None if missing.contains(text) => Ok((None, Outcome::Missing)),
                None => Ok((None, Outcome::Unreadable)),
            }
        }
    }
}

/// Writes what stands for a number and its score, if it has one; and behind them the indicator of
/// its absence if `out` has room for that.
#[inline]
fn write_number<T: Scalar>(value: Option<f64>, z: f64, score: Option<f64>, out: &mut [T]) {
    let [first, rest @ ..] = out else { return };
    *first = T::from_f64(z);
    let rest = match (score, rest) {
        (Some(score), [second, rest @ ..]) => {
            *second = T::from_f64(score);
            rest
        }
        (_, rest) => rest,
    };
    if let [indicator] = rest {
        *indicator = if value.is_none() { T::ONE } else { T::ZERO };
    }
}
