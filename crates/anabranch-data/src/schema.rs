//! How the columns of a table are understood.

use std::collections::{HashMap, HashSet};

use anabranch_tensor::Executor;
use serde::Serialize;

use crate::cell::trimmed;
use crate::column_kind::{ColumnKind, Decision, FileFacts, decide};
use crate::error::DataError;
use crate::missing::MissingMarkers;
use crate::number::Mark;
use crate::profile::{Profile, Sequence};
use crate::rules::{AskedKind, ColumnRules};
use crate::table::Table;
use crate::warning::{Warning, WarningCode};

/// A column looks like an identifier or a running number only in a table of at least so many rows.
const MIN_ROWS: usize = 30;

/// How the columns of a table are understood: what kind each is of, in which format it is written,
/// and why.
///
/// All of it is found from the cells of the whole table and from what the user says
/// ([`Table::rules`]), before it is known what is to be predicted; but for whole numbers that are
/// names, which the targets of the training rows show ([`prepare`](crate::prepare)).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schema {
    columns: Vec<ColumnSchema>,
}

/// How a column is understood.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnSchema {
    /// Its name, without space around it.
    pub name: String,
    /// What kind it is of.
    #[serde(flatten)]
    pub kind: ColumnKind,
    /// Whether its numbers are names too: each also stands for itself, beside what it measures.
    #[serde(skip_serializing_if = "is_false")]
    pub are_names: bool,
    /// Why, in words.
    pub why: String,
    /// Why it is not an input, unless it is a target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// Cells without a value.
    pub missing: usize,
    /// What stands for a missing value.
    #[serde(skip)]
    pub missing_markers: MissingMarkers,
    /// Whether it holds codes with leading zeros.
    #[serde(skip)]
    pub(crate) codes: Codes,
    /// The least and the largest number, if all are plain and nothing else has a value.
    #[serde(skip)]
    pub(crate) range: Option<[f64; 2]>,
    /// The first column that says the same.
    #[serde(skip)]
    twin: usize,
    #[serde(skip)]
    warnings: Vec<Warning>,
}

/// Whether the cells of a column are codes with leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codes {
    Present,
    Absent,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Why a column is not an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// The user drops it, or keeps others only.
    Dropped,
    /// It holds the names of the rows, as R writes them.
    RowNames,
    /// It numbers the rows.
    RowNumber,
    /// It has another value in every row, as an identifier.
    Identifier,
}

impl LeftOut {
    /// What can be said of a column that is left out for this reason.
    pub const fn describe(&self) -> &'static str {
        match self {
            Self::Dropped => "is dropped",
            Self::RowNames => "holds the names of the rows",
            Self::RowNumber => "numbers the rows",
            Self::Identifier => "has another value in every row, as an identifier",
        }
    }
}

impl Schema {
    /// Finds out how the columns of `table` are to be understood, on the threads of `exec`.
    ///
    /// # Errors
    /// [`DataError::UnknownColumn`] when the table's rules name a column that the table lacks. A
    /// column that cannot be understood is an error where it is used.
    pub fn infer(exec: &Executor, table: &Table) -> Result<Self, DataError> {
        let rules = table.rules();
        let asked = Asked::resolve(table, rules)?;
        let n_columns = table.columns().len();
        let profiles = exec.map(n_columns, |column| {
            let wants_dates = matches!(asked.kinds[column], Some(AskedKind::Date(_)));
            Profile::of(table, column, &asked.missing[column], wants_dates)
        });
        let facts = FileFacts {
            decimal: rules.decimal,
            found_decimal: decimal_of(&profiles),
            separator: table.format().separator,
            markers_may_be_labels: rules.missing.is_none(),
        };
        let mut columns = exec.map(n_columns, |column| {
            ColumnSchema::new(table, column, &profiles[column], &asked, &facts)
        });
        let mut by_hash = HashMap::new();
        for column in 0..n_columns {
            let is_twin = |other: &&usize| {
                (0..table.n_rows()).all(|row| {
                    trimmed(table.cell(row, column)) == trimmed(table.cell(row, **other))
                })
            };
            let alike: &mut Vec<usize> = by_hash.entry(profiles[column].hash).or_default();
            // A few columns of one hash and other cells would be chance; thousands would be an
            // attack.
            columns[column].twin = alike.iter().take(4).find(is_twin).copied().unwrap_or(column);
            alike.push(column);
        }
        Ok(Self { columns })
    }

    /// The columns, in the table's order.
    pub fn columns(&self) -> &[ColumnSchema] {
        &self.columns
    }

    /// Has each number of a column stand for itself too.
    pub(crate) fn read_as_names(&mut self, place: usize, warning: Warning) {
        let column = &mut self.columns[place];
        column.are_names = true;
        column.why += ", which name groups of rows too";
        column.warnings.push(warning);
    }

    /// The columns that are inputs when `targets` are to be predicted and `passed_over` is of no
    /// use, and what a user should know about these and the targets.
    ///
    /// # Errors
    /// [`DataError::Unclear`] for a column whose cells can be read in two ways.
    pub(crate) fn inputs(
        &self,
        table: &Table,
        targets: &[usize],
        passed_over: &[usize],
    ) -> Result<(Vec<usize>, Vec<Warning>), DataError> {
        let (mut inputs, mut warnings) = (Vec::new(), table.warnings().to_vec());
        let targets: HashSet<usize> = targets.iter().copied().collect();
        // The column that speaks for those that say the same: a target, if there is one, else the
        // first input.
        let mut speakers: HashMap<usize, usize> =
            targets.iter().map(|target| (self.columns[*target].twin, *target)).collect();
        for (i, column) in self.columns.iter().enumerate() {
            if passed_over.contains(&i) {
                continue;
            }
            if targets.contains(&i) {
                column.check(table)?;
                warnings.extend(column.warnings.iter().cloned());
                continue;
            }
            if let Some(reason) = &column.left_out {
                warnings.extend(column.left_out_warning(reason));
                continue;
            }
            if column.kind == ColumnKind::Empty {
                warnings.push(column.empty_warning());
                continue;
            }
            match speakers.get(&column.twin) {
                Some(speaker) => {
                    let is_target = targets.contains(speaker);
                    warnings.push(column.copy_warning(&self.columns[*speaker].name, is_target));
                }
                None => {
                    column.check(table)?;
                    speakers.insert(column.twin, i);
                    warnings.extend(column.warnings.iter().cloned());
                    inputs.push(i);
                }
            }
        }
        Ok((inputs, warnings))
    }
}

/// What a user asks of each column.
struct Asked {
    kinds: Vec<Option<AskedKind>>,
    missing: Vec<MissingMarkers>,
    dropped: Vec<bool>,
    /// Columns that are inputs whatever they look like.
    wanted: Vec<bool>,
}

impl Asked {
    fn resolve(table: &Table, rules: &ColumnRules) -> Result<Self, DataError> {
        let n = table.columns().len();
        let missing = rules.missing.clone().unwrap_or_default();
        let mut asked = Self {
            kinds: vec![None; n],
            missing: vec![missing; n],
            dropped: vec![!rules.keep.is_empty(); n],
            wanted: vec![false; n],
        };
        for name in &rules.keep {
            let column = table.column_index(name)?;
            (asked.dropped[column], asked.wanted[column]) = (false, true);
        }
        for (name, kind) in &rules.kinds {
            let column = table.column_index(name)?;
            (asked.kinds[column], asked.wanted[column]) = (Some(*kind), true);
        }
        for (name, markers) in &rules.column_missing {
            asked.missing[table.column_index(name)?] = markers.clone();
        }
        for name in &rules.drop {
            asked.dropped[table.column_index(name)?] = true;
        }
        Ok(asked)
    }
}

/// The decimal mark that columns prove, if they agree.
fn decimal_of(profiles: &[Profile]) -> Option<Mark> {
    let proven = |mark| profiles.iter().any(|profile| profile.proves(mark));
    match (proven(Mark::Point), proven(Mark::Comma)) {
        (true, false) => Some(Mark::Point),
        (false, true) => Some(Mark::Comma),
        _ => None,
    }
}

impl ColumnSchema {
    fn new(
        table: &Table,
        column: usize,
        profile: &Profile,
        asked: &Asked,
        facts: &FileFacts,
    ) -> Self {
        let name = table.columns()[column].trim().to_owned();
        let Decision { kind, why, markers, n_missing, n_distinct, mut warnings } =
            decide(table, column, profile, asked.kinds[column], &asked.missing[column], facts);
        let looks_like = || match &kind {
            _ if table.has_row_names() && column == 0 => Some(LeftOut::RowNames),
            ColumnKind::Number { .. } => row_number(table, column, profile),
            // Codes of places and goods differ from row to row too: those that number rows do not.
            ColumnKind::Category { .. } if profile.codes.count > 0 => {
                row_number(table, column, profile)
            }
            ColumnKind::Category { .. } => {
                let is_id = n_distinct == table.n_rows() && n_distinct >= MIN_ROWS;
                is_id.then_some(LeftOut::Identifier)
            }
            _ => None,
        };
        let left_out = if asked.dropped[column] {
            Some(LeftOut::Dropped)
        } else if asked.wanted[column] {
            None
        } else {
            looks_like()
        };
        if table.is_unnamed(column) && left_out.is_none() && kind != ColumnKind::Empty {
            let message =
                format!("column {} of the header has no name: it is called {name:?}", column + 1);
            warnings.push(Warning::new(WarningCode::UnnamedColumn, message).column(&name));
        }
        Self {
            name,
            kind,
            are_names: false,
            why,
            left_out,
            missing: n_missing,
            missing_markers: markers,
            codes: if profile.codes.count > 0 { Codes::Present } else { Codes::Absent },
            range: Some(profile.range)
                .filter(|[least, _]| profile.odd.count == 0 && !least.is_nan()),
            twin: column,
            warnings,
        }
    }

    /// Refuses a column whose cells can be read in two ways.
    pub(crate) fn check(&self, table: &Table) -> Result<(), DataError> {
        let ColumnKind::Unclear { line, cell, problem } = &self.kind else { return Ok(()) };
        Err(DataError::Unclear {
            file: table.name().to_owned(),
            line: *line,
            column: self.name.clone(),
            cell: cell.clone(),
            problem: problem.clone(),
        })
    }

    fn left_out_warning(&self, reason: &LeftOut) -> Option<Warning> {
        if *reason == LeftOut::Dropped {
            return None;
        }
        let (name, what) = (&self.name, reason.describe());
        let message =
            format!("column {name:?} {what}: left out (name it in --as to use it anyway)");
        Some(Warning::new(WarningCode::Identifier, message).column(name))
    }

    fn empty_warning(&self) -> Warning {
        let message = format!("column {:?} has no values: left out", self.name);
        Warning::new(WarningCode::EmptyColumn, message).column(&self.name)
    }

    fn copy_warning(&self, original: &str, is_target: bool) -> Warning {
        let name = &self.name;
        let (code, message) = if is_target {
            let message = format!(
                "column {name:?} IS A COPY OF THE TARGET {original:?}, which it would give away: left out"
            );
            (WarningCode::TargetCopy, message)
        } else {
            let message = format!("column {name:?} says the same as {original:?}: left out");
            (WarningCode::DuplicateColumn, message)
        };
        Warning::new(code, message).column(name)
    }
}

/// Whether whole numbers number the rows or name them.
fn row_number(table: &Table, column: usize, profile: &Profile) -> Option<LeftOut> {
    let n = table.n_rows();
    let Sequence { min, max, increases, .. } = profile.whole?;
    let enough_rows = n >= MIN_ROWS || (table.is_unnamed(column) && n > 1);
    if !enough_rows || profile.n_plain < n {
        return None;
    }
    // Rows may have been taken out since they were numbered, but not most of them.
    let is_dense = max - min < 2.0 * n as f64;
    let is_year = min >= 1000.0 && max <= 2200.0;
    let from_start = min == 0.0 || min == 1.0;
    let values = || (0..n).filter_map(|row| table.cell(row, column).trim().parse::<f64>().ok());
    if is_dense && ((increases && !is_year) || (from_start && are_distinct(values()))) {
        Some(LeftOut::RowNumber)
    } else if names_rows(table.columns()[column].trim()) && are_distinct(values()) {
        Some(LeftOut::Identifier)
    } else {
        None
    }
}

fn are_distinct(mut values: impl Iterator<Item = f64>) -> bool {
    let mut seen = HashSet::new();
    values.all(|value| seen.insert(value.to_bits()))
}

/// Whether a column's name says that it identifies rows: `id`, `user_id`, `CustomerID` …
fn names_rows(name: &str) -> bool {
    let lower = name.to_lowercase();
    let words = ["id", "index", "idx", "key", "row", "rownames", "rownumber", "uuid", "guid"];
    let ends = ["_id", "-id", " id", ".id"];
    let camel = ["Id", "ID"].iter().filter_map(|end| name.strip_suffix(end));
    words.contains(&lower.as_str())
        || ends.iter().any(|end| lower.ends_with(end))
        || camel.into_iter().any(|head| head.ends_with(|c: char| c.is_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_identifiers() {
        for name in ["id", "ID", "user_id", "CustomerId", "customerID", "index", "Key"] {
            assert!(names_rows(name), "{name}");
        }
        for name in ["paid", "GRID", "width", "humid", "Idaho", "row count", ""] {
            assert!(!names_rows(name), "{name}");
        }
    }
}
