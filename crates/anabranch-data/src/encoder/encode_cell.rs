//! From a cell to the numbers that stand for it.

use anabranch_tensor::Scalar;

use super::encoding::{Encoding, InputColumn, MissingColumn, OtherColumn};
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

impl Encoding {
    /// Writes the encoded cell to `out`, as long as the width; `by_number` are its
    /// [`places_by_number`](Self::places_by_number).
    pub(super) fn encode<T: Scalar>(
        &self,
        markers: &MissingMarkers,
        by_number: &PlacesByNumber,
        cell: Cell<'_>,
        out: &mut [T],
    ) -> Result<Outcome, CellError> {
        match self {
            Self::Numeric { mean, std, median, format, scores, .. } => {
                let (value, outcome) = read_number(cell, format, markers)?;
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
            Self::Robust { median, spread, format, scores, .. } => {
                let (value, outcome) = read_number(cell, format, markers)?;
                let known = value.unwrap_or(*median);
                // Within this range the square stays finite.
                let z = ((known - median) / spread).clamp(-LARGEST, LARGEST);
                let clipped = z / (1.0 + (z / CLIP) * (z / CLIP)).sqrt();
                let score = scores.as_ref().map(|scores| scores.score(known));
                write_number(value, clipped, score, out);
                Ok(outcome)
            }
            Self::Date { format, mean, std, median, cycles, .. } => {
                let (seconds, outcome) = read_date(cell, *format, markers)?;
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
            Self::Categorical { categories, labels, other, missing } => {
                let n = categories.len();
                let (hot, outcome) = match category(cell, *labels, markers)? {
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
            Self::TargetStatistics { categories, labels, statistics, .. } => {
                let label = category(cell, *labels, markers)?;
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
            Self::NamedNumber { number, names } => {
                let Some(format) = number.number_format() else {
                    return Ok(Outcome::Unreadable);
                };
                let (value, outcome) = read_number(cell, format, markers)?;
                let (of_number, of_name) = out.split_at_mut(number.width());
                // The next person may have any number: no unit or format is wrong there.
                let believed = number.believed_range();
                let near = |value: f64| {
                    Cell::Number(believed.map_or(value, |[least, most]| value.clamp(least, most)))
                };
                let cell = value.map_or(Cell::Missing, Cell::Number);
                number.encode(markers, by_number, value.map_or(cell, near), of_number)?;
                let named = names.encode(markers, by_number, cell, of_name)?;
                Ok(if outcome == Outcome::AsTrained { named } else { outcome })
            }
        }
    }
}

impl InputColumn {
    /// Writes the encoded cell to `out`, as long as the width; `by_number` are its
    /// [`places_by_number`](Self::places_by_number).
    pub(crate) fn encode<T: Scalar>(
        &self,
        by_number: &PlacesByNumber,
        cell: Cell<'_>,
        out: &mut [T],
    ) -> Result<Outcome, CellError> {
        self.encoding.encode(&self.missing_markers, by_number, cell, out)
    }
}

/// What a categorical cell says; `None` if it is missing.
fn category<'c>(
    cell: Cell<'c>,
    labels: Labels,
    missing: &MissingMarkers,
) -> Result<Option<Label<'c>>, CellError> {
    match cell {
        Cell::Missing => Ok(None),
        Cell::Number(number) if missing.contains_number(number) => Ok(None),
        Cell::Number(number) if labels == Labels::Numbers => Ok(Some(Label::Number(number))),
        Cell::Number(_) => Err(CellError::NumberForText),
        Cell::Text(text) => Ok(value_of(text, missing).map(Label::Text)),
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
