//! By what the rows of a table are divided: chance, groups, time, or a column that says it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::cell::{Cell, LARGEST, Reading, trimmed, value_of};
use crate::column_kind::ColumnKind;
use crate::encoder::read_date;
use crate::error::{DataError, excerpt};
use crate::folds::Fold;
use crate::groups::by_group;
use crate::presence::Presence;
use crate::raw_targets::{TargetValues, TaskValues};
use crate::schema::{ColumnSchema, Schema};
use crate::split::{Fractions, Part, Split};
use crate::table::Table;
use crate::target::{ClassTarget, Targets, TaskTarget};
use crate::turns;
use crate::warning::{Warning, WarningCode};

/// How the rows of a table are divided into training, validation and test rows.
///
/// ```
/// use anabranch_data::{SplitBy, SplitRules};
///
/// let rules = SplitRules { by: SplitBy::Group("patient".into()), ..SplitRules::default() };
/// assert_eq!(rules.fractions.test, 0.2);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SplitRules {
    /// The shares of rows that are kept from training. A column that says which rows these are, or
    /// a table of test rows, takes their place.
    pub fractions: Fractions,
    /// What chance is drawn by.
    pub seed: u64,
    /// What decides.
    pub by: SplitBy,
}

/// What decides which part a row belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum SplitBy {
    /// Chance, for each class of the first class task on its own ([`Split::stratified`]); without
    /// a class, for each tenth of the first number.
    #[default]
    Class,
    /// Chance, for whole groups: rows that have the same text in this column are in one part.
    /// Groups come in the order of the seed, and each goes to the part that lacks most rows. The
    /// column is not an input.
    Group(String),
    /// The order of the numbers or dates in this column: the last rows test, those before them
    /// validate, and rows of one time are in one part.
    Time(String),
    /// This column, by the words `train`, `validation` and `test`. It is not an input.
    Column(String),
    /// Cross-validation: chance decides which fold a row belongs to, and the rows of one fold test.
    Fold(Fold),
}

impl SplitBy {
    /// A column that is not an input, though it is not a target.
    pub(crate) fn column_without_use(&self) -> Option<&str> {
        match self {
            Self::Group(column)
            | Self::Column(column)
            | Self::Fold(Fold { group: Some(column), .. }) => Some(column),
            Self::Class | Self::Time(_) | Self::Fold(_) => None,
        }
    }
}

impl SplitRules {
    /// Divides the rows of `table` that were `found` to have a target.
    ///
    /// # Errors
    /// [`DataError::Fractions`]; [`DataError::TooFewRows`] or [`DataError::TooFewValues`] when a
    /// part that was asked for gets no row, or training fewer than two;
    /// [`DataError::UnknownColumn`] and [`DataError::SplitCell`] for a column that cannot decide.
    pub(crate) fn split(
        &self,
        table: &Table,
        schema: &Schema,
        found: &TargetValues,
        targets: &Targets,
    ) -> Result<(Split, Vec<Warning>), DataError> {
        let (split, warnings) = self.parts(table, schema, found, targets)?;
        let turns = match &self.by {
            SplitBy::Class | SplitBy::Fold(Fold { group: None, .. }) => {
                turns::by_stratum(&split, &class_of(found, targets).0, self.seed)
            }
            SplitBy::Group(_) | SplitBy::Fold(Fold { group: Some(_), .. }) => {
                let groups = self.groups(table, found)?.unwrap_or_default();
                turns::by_group(&split, &groups, self.seed)
            }
            SplitBy::Time(_) | SplitBy::Column(_) => Vec::new(),
        };
        Ok((Split { turns, ..split }, warnings))
    }

    /// The group of each row that was `found`, where groups stay together.
    ///
    /// # Errors
    /// [`DataError::UnknownColumn`].
    pub(crate) fn groups(
        &self,
        table: &Table,
        found: &TargetValues,
    ) -> Result<Option<Vec<u32>>, DataError> {
        let (SplitBy::Group(name) | SplitBy::Fold(Fold { group: Some(name), .. })) = &self.by
        else {
            return Ok(None);
        };
        let rows = Rows { table, rows: &found.rows };
        Ok(Some(rows.groups(table.column_index(name)?)))
    }

    /// The part of each row, without turns.
    fn parts(
        &self,
        table: &Table,
        schema: &Schema,
        found: &TargetValues,
        targets: &Targets,
    ) -> Result<(Split, Vec<Warning>), DataError> {
        let fractions = self.fractions;
        let rows = Rows { table, rows: &found.rows };
        let mut warnings = Vec::new();
        let split = match &self.by {
            SplitBy::Class => return self.by_class(found, targets),
            SplitBy::Group(name) => {
                let place = table.column_index(name)?;
                warnings.extend(rows.without_group(place, &schema.columns()[place]));
                let groups = rows.groups(place);
                let parts = by_group(&groups, fractions.checked()?, self.seed);
                let n_groups = groups.iter().max().map_or(0, |last| *last as usize + 1);
                let split = Split::of_parts(&parts);
                rows.check_parts(&split, fractions, name, n_groups)?;
                split
            }
            SplitBy::Time(name) => {
                let times = rows.times(schema, table.column_index(name)?)?;
                let parts = by_time(&times, fractions.checked()?);
                let n_times = {
                    let mut sorted = times;
                    sorted.sort_unstable_by(f64::total_cmp);
                    sorted.dedup();
                    sorted.len()
                };
                let split = Split::of_parts(&parts);
                rows.check_parts(&split, fractions, name, n_times)?;
                split
            }
            SplitBy::Fold(fold @ Fold { group: Some(name), .. }) => {
                let groups = rows.groups(table.column_index(name)?);
                let split = Split::of_parts(&fold.of_groups(&groups, fractions, self.seed)?);
                let n_groups = groups.iter().max().map_or(0, |last| *last as usize + 1);
                rows.check_parts(&split, Fractions { test: 1.0, ..fractions }, name, n_groups)?;
                split
            }
            SplitBy::Fold(fold) => {
                let (class, _) = class_of(found, targets);
                fold.of_classes(&class, fractions, self.seed)?
            }
            SplitBy::Column(name) => Split::of_parts(&rows.parts(table.column_index(name)?)?),
        };
        if split.train.len() < 2 {
            return Err(DataError::TooFewTrainingRows { rows: split.train.len() });
        }
        warnings.extend(untrained_classes(found, targets, &split));
        Ok((split, warnings))
    }

    /// By the first class task, so that every part has its share of every class; rows of
    /// regressions alone by their numbers, so that every part has its share of large ones.
    fn by_class(
        &self,
        found: &TargetValues,
        targets: &Targets,
    ) -> Result<(Split, Vec<Warning>), DataError> {
        let (class, target) = class_of(found, targets);
        let mut split = Split::stratified(&class, self.fractions, self.seed)?;
        let n_classes = target.map_or(1, |target| target.labels.len() as u32);
        // Rows without a class are no class.
        split.rare_classes.retain(|class| *class < n_classes);
        let (Some(first), Some(target)) = (split.rare_classes.first(), target) else {
            return Ok((split, Vec::new()));
        };
        let (column, n_rare) = (&target.column, split.rare_classes.len());
        let n =
            class.iter().filter(|class| split.rare_classes.binary_search(class).is_ok()).count();
        let message = format!(
            "column {column:?}: classes with too few rows to be split: {n_rare} (the first is {:?}): all of their {n} rows \
             go to training",
            excerpt(&target.labels[*first as usize])
        );
        let warning = Warning::new(WarningCode::RareClass, message).column(column);
        let warning = warning.share(n, class.len());
        Ok((split, vec![warning]))
    }
}

/// The class of each row in the first class task, and the task; rows without one are of a class
/// behind all others. Rows of regressions alone are classed by the size of their first number.
fn class_of<'a>(
    found: &'a TargetValues,
    targets: &'a Targets,
) -> (Cow<'a, [u32]>, Option<&'a ClassTarget>) {
    let tasks = found.tasks.iter().zip(targets.tasks()).zip(&found.present);
    let by_class = tasks.into_iter().find_map(|task| match task {
        (
            (TaskValues::Classes { class, n_classes }, TaskTarget::Classification(target)),
            presence,
        ) => {
            let of_row = |(row, class): (usize, &u32)| {
                if presence.has(row) { *class } else { *n_classes as u32 }
            };
            let class = match presence {
                Presence::All => Cow::Borrowed(&class[..]),
                Presence::Each(_) => class.iter().enumerate().map(of_row).collect(),
            };
            Some((class, Some(target)))
        }
        _ => None,
    });
    by_class.unwrap_or_else(|| (Cow::Owned(strata_of_numbers(found)), None))
}

/// Most strata of a number, and the rows that each has at least: enough for a share of every part.
const MAX_STRATA: usize = 10;
const ROWS_PER_STRATUM: usize = 10;

/// Strata of nearly equal size by the first number of each row, equal numbers in one; rows without
/// a number are one more.
fn strata_of_numbers(found: &TargetValues) -> Vec<u32> {
    let mut strata = vec![0; found.rows.len()];
    let Some((TaskValues::Numbers { values, n_columns }, presence)) =
        found.tasks.iter().zip(&found.present).next()
    else {
        return strata;
    };
    let number = |row: usize| values[row * n_columns];
    let (mut there, lacking): (Vec<usize>, Vec<usize>) =
        (0..strata.len()).partition(|row| presence.has(*row));
    there.sort_by(|a, b| number(*a).total_cmp(&number(*b)));
    let n_strata = (there.len() / ROWS_PER_STRATUM).clamp(1, MAX_STRATA);
    for (i, row) in there.iter().enumerate() {
        strata[*row] = match i.checked_sub(1).map(|before| there[before]) {
            Some(before) if number(before) == number(*row) => strata[before],
            _ => (i * n_strata / there.len()) as u32,
        };
    }
    // So few are no stratum of their own.
    if lacking.len() >= ROWS_PER_STRATUM {
        lacking.iter().for_each(|row| strata[*row] = n_strata as u32);
    }
    strata
}

/// Classes of which no row trains, so that nothing can be learned about them.
fn untrained_classes(found: &TargetValues, targets: &Targets, split: &Split) -> Vec<Warning> {
    let of_task = |((values, target), presence): ((&TaskValues<f64>, &TaskTarget), &Presence)| {
        let TaskValues::Classes { class, n_classes } = values else { return None };
        let mut trains = vec![false; *n_classes];
        let trained = split.train.iter().filter(|row| presence.has(**row));
        trained.for_each(|row| trains[class[*row] as usize] = true);
        let first = trains.iter().position(|trains| !trains)?;
        let (column, label) = (target.name(), excerpt(&target.labels()[first]));
        let n = trains.iter().filter(|trains| !**trains).count();
        let message = format!(
            "column {column:?}: classes for which the split leaves no training rows: {n} (the first is {label:?})"
        );
        Some(Warning::new(WarningCode::UntrainedClass, message).column(&column).count(n))
    };
    found.tasks.iter().zip(targets.tasks()).zip(&found.present).filter_map(of_task).collect()
}

/// The rows of a table that are to be divided.
struct Rows<'a> {
    table: &'a Table,
    rows: &'a [usize],
}

impl Rows<'_> {
    /// The group of each row: the place of its text among all texts. Missing cells are a group.
    fn groups(&self, column: usize) -> Vec<u32> {
        let text = |row: &usize| trimmed(self.table.cell(*row, column));
        let mut places: BTreeMap<&str, u32> = self.rows.iter().map(|row| (text(row), 0)).collect();
        (0..).zip(places.values_mut()).for_each(|(i, place)| *place = i);
        self.rows.iter().map(|row| places[text(row)]).collect()
    }

    /// A warning if there are rows whose group is not known: they are taken for one group.
    fn without_group(&self, column: usize, about: &ColumnSchema) -> Option<Warning> {
        let has_none = |row: &&usize| {
            value_of(self.table.cell(**row, column), &about.missing_markers).is_none()
        };
        let mut rows = self.rows.iter().filter(has_none);
        let (first, count) = (*rows.next()?, rows.count() + 1);
        let (name, line) = (&about.name, self.table.line(first));
        let message = format!(
            "column {name:?}: rows without a group: {count} of {} (the first on line {line}): they are kept together, as one \
             group",
            self.rows.len()
        );
        let warning = Warning::new(WarningCode::NoGroup, message).column(name);
        let text = excerpt(self.table.cell(first, column));
        Some(warning.cell(line, &text).share(count, self.rows.len()))
    }

    /// The point in time of each row.
    fn times(&self, schema: &Schema, column: usize) -> Result<Vec<f64>, DataError> {
        let about = &schema.columns()[column];
        about.check(self.table)?;
        let time = |row: &usize| {
            let cell = Cell::Text(self.table.cell(*row, column));
            let time = match &about.kind {
                ColumnKind::Number { format } => {
                    match cell.read_number(format, &about.missing_markers) {
                        Reading::Number(number) => Some(number),
                        _ => None,
                    }
                }
                ColumnKind::Date { format } => {
                    read_date(cell, *format, &about.missing_markers).ok().and_then(|(s, _)| s)
                }
                _ => None,
            };
            let time = time.filter(|time| time.abs() <= LARGEST);
            time.ok_or_else(|| self.wrong(*row, column, "is not a date or number to order rows by"))
        };
        self.rows.iter().map(time).collect()
    }

    /// The part that a column names for each row.
    fn parts(&self, column: usize) -> Result<Vec<Part>, DataError> {
        let part = |row: &usize| match trimmed(self.table.cell(*row, column)) {
            "train" => Ok(Part::Train),
            "validation" => Ok(Part::Validation),
            "test" => Ok(Part::Test),
            _ => Err(self.wrong(*row, column, "is none of train, validation and test")),
        };
        self.rows.iter().map(part).collect()
    }

    fn wrong(&self, row: usize, column: usize, problem: &'static str) -> DataError {
        DataError::SplitCell {
            file: self.table.name().to_owned(),
            line: self.table.line(row),
            column: self.table.columns()[column].trim().to_owned(),
            cell: excerpt(self.table.cell(row, column)),
            problem,
        }
    }

    /// Refuses a split of which a part that was asked for is empty.
    fn check_parts(
        &self,
        split: &Split,
        fractions: Fractions,
        column: &str,
        found: usize,
    ) -> Result<(), DataError> {
        let is_lacking = |fraction: f64, rows: &[usize]| fraction > 0.0 && rows.is_empty();
        if !split.train.is_empty()
            && !is_lacking(fractions.validation, &split.validation)
            && !is_lacking(fractions.test, &split.test)
        {
            return Ok(());
        }
        let (file, column) = (self.table.name().to_owned(), column.trim().to_owned());
        Err(DataError::TooFewValues { file, column, found, needed: fractions.n_parts() })
    }
}

/// Gives the last rows to the test, those before them to validation, cut where the time changes.
fn by_time(times: &[f64], fractions: Fractions) -> Vec<Part> {
    let n = times.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| times[*a].total_cmp(&times[*b]));
    // The place from which on a share of the first `n` rows lies behind, at least `min`.
    let cut = |n: usize, share: f64, min: usize| {
        if share <= 0.0 {
            return n;
        }
        let wanted = n.saturating_sub(((times.len() as f64 * share).round() as usize).max(1));
        let changes = (min..n).filter(|i| times[order[*i]] != times[order[*i - 1]]);
        changes.min_by_key(|i| i.abs_diff(wanted)).unwrap_or(n)
    };
    let test = cut(n, fractions.test, 2);
    let validation = cut(test, fractions.validation, 1);
    let mut parts = vec![Part::Train; n];
    order[validation..test].iter().for_each(|row| parts[*row] = Part::Validation);
    order[test..].iter().for_each(|row| parts[*row] = Part::Test);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const THIRDS: Fractions = Fractions { validation: 0.3, test: 0.3 };

    fn rows_of(parts: &[Part], part: Part) -> Vec<usize> {
        (0..parts.len()).filter(|row| parts[*row] == part).collect()
    }

    fn found(values: Vec<f64>, presence: Presence) -> TargetValues {
        TargetValues {
            rows: (0..values.len()).collect(),
            tasks: vec![TaskValues::Numbers { values, n_columns: 1 }],
            present: vec![presence],
            rows_left_out: 0,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn every_part_has_its_share_of_large_numbers() {
        let number = |i: usize| f64::exp((i * 37 % 200) as f64 / 20.0);
        let found = found((0..200).map(number).collect(), Presence::All);
        let rules = SplitRules::default();
        let (split, _) = rules.by_class(&found, &Targets::new(Vec::new())).unwrap();
        // A tenth of the numbers is from exp(9) on.
        let n_large = |rows: &[usize]| rows.iter().filter(|row| number(**row) >= 8103.0).count();
        let Split { train, validation, test, .. } = split;
        assert_eq!([&train[..], &validation, &test].map(n_large), [14, 2, 4]);
    }

    #[test]
    fn equal_numbers_are_one_stratum_and_few_rows_are_not_divided() {
        let strata = |values: Vec<f64>| strata_of_numbers(&found(values, Presence::All));
        assert_eq!(strata((0..19).map(f64::from).collect()), [0; 19]);
        let halves = strata((0..20).map(f64::from).rev().collect());
        assert_eq!(halves, [[1; 10], [0; 10]].concat());
        let zeros = strata((0..40).map(|i| if i < 25 { 0.0 } else { f64::from(i) }).collect());
        assert_eq!(zeros, [vec![0; 25], vec![2; 5], vec![3; 10]].concat());
        let lacking = Presence::of((0..40).map(|i| i >= 10).collect());
        let strata = strata_of_numbers(&found((0..40).map(f64::from).collect(), lacking));
        assert_eq!(strata, [[3; 10], [0; 10], [1; 10], [2; 10]].concat());
    }

    #[test]
    fn the_last_rows_test_and_those_before_validate() {
        let times = [5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 8.0, 7.0, 6.0, 0.0];
        let parts = by_time(&times, THIRDS);
        assert_eq!(rows_of(&parts, Part::Test), [5, 6, 7]);
        assert_eq!(rows_of(&parts, Part::Validation), [0, 2, 8]);
        // Rows of one time stay together.
        let times = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0];
        let parts = by_time(&times, THIRDS);
        assert_eq!(rows_of(&parts, Part::Test), [8, 9]);
        assert_eq!(rows_of(&parts, Part::Validation), [3, 4, 5, 6, 7]);
    }
}
