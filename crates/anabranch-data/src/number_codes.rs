//! Whole numbers that name things: persons, schools, places, of which each has several rows.
//!
//! As a number, such a name says next to nothing: that of the next person is as near as can be, and
//! tells of somebody else. As a label it says whose rows these are. Whether a column of whole
//! numbers holds names, the targets y of the training rows tell, by how unlike rows are (a
//! variogram, Matheron, *Principles of Geostatistics*, 1963):
//!
//! ```text
//! same = ½ mean (y − y')²    of rows with the same number
//! next = ½ mean (y − y')²    of rows with one number and the next larger one there is
//! all  = variance of y
//! ```
//!
//! Where the number measures something, rows of the next one are about as alike as those of the
//! same: all − next is hardly less than all − same. Where it is a name, hardly anything is left of
//! that. Of a class, (y − y')² is 1 where two rows are of different classes; of numbers, y is their
//! rank, so that a few far ones do not decide.
//!
//! Names of one target may measure another one: of patients that are numbered treatment by
//! treatment, each has its own course. So numbers that are names for any target become inputs both
//! as numbers and as labels. It also helps with names that training never saw.

use std::collections::HashSet;
use std::sync::OnceLock;

use anabranch_tensor::Executor;

use crate::cell::{Cell, Reading};
use crate::column_kind::ColumnKind;
use crate::encoder::{MAX_CATEGORIES, Target, TrainingTargets};
use crate::giveaway::ranks;
use crate::number::whole;
use crate::schema::{ColumnSchema, Schema};
use crate::table::Table;
use crate::warning::{Warning, WarningCode};

/// In fewer rows, or with fewer numbers, rows are alike by chance.
const MIN_ROWS: usize = 50;
const MIN_NUMBERS: usize = 10;

/// Fewer rows of other classes than the most frequent one are in the same group by chance.
const MIN_OTHERS: f64 = 30.0;

/// The share of a target's variance that the same number explains has to be larger than this, and
/// than so many standard deviations of what chance explains.
const MIN_SHARE: f64 = 0.1;
const MIN_DEVIATIONS: f64 = 3.0;

/// The next number explains less than this part of what the same one does.
const MOST_LEFT: f64 = 0.5;

/// One cell in so many may be none of them.
const OTHER_CELLS: usize = 20;

impl Schema {
    /// Reads inputs that are names in whole numbers as categories too, unless the user says what
    /// they are. `targets` are no inputs.
    pub(crate) fn with_number_codes(
        mut self,
        exec: &Executor,
        table: &Table,
        targets: &[usize],
        training: &TrainingTargets<'_>,
    ) -> Self {
        if training.n_statistics() > MAX_CATEGORIES {
            // Many categories could not be told apart.
            return self;
        }
        let kinds = &table.rules().kinds;
        let asked: HashSet<&str> = kinds.iter().map(|(name, _)| name.trim()).collect();
        let to_learn: Vec<Target> = training.columns().into_iter().map(ranked).collect();
        let is_first = OnceLock::new();
        let names = exec.map(self.columns().len(), |place| {
            let column = &self.columns()[place];
            let is_input = column.left_out.is_none() && !targets.contains(&place);
            if !is_input || asked.contains(column.name.as_str()) {
                return None;
            }
            let groups = Groups::read(table, column, place, training)?;
            let are_names = |groups: &Groups| to_learn.iter().any(|y| groups.are_names_for(y));
            let n_names = groups.each().count();
            // Copies of a row are alike, whatever its numbers are.
            let without_copies = || {
                let is_first = is_first.get_or_init(|| self.first_copies(table, training));
                Groups::new(groups.0.iter().copied().filter(|(_, i)| is_first[*i]).collect())
            };
            let found = are_names(&groups) && without_copies().is_some_and(|g| are_names(&g));
            found.then_some(n_names)
        });
        for (place, n) in names.into_iter().enumerate() {
            let Some(n) = n else { continue };
            let name = self.columns()[place].name.clone();
            let message = format!(
                "column {name:?}: its {n} numbers are names: rows of the same number are alike, those of the next one are \
                 not: read as categories too (--as '{name}=number' reads numbers alone)"
            );
            let warning = Warning::new(WarningCode::Codes, message).column(&name).count(n);
            self.read_as_names(place, warning);
        }
        self
    }

    /// Whether each of the rows that are learned from is the first one with its cells, those of
    /// columns that are left out apart.
    fn first_copies(&self, table: &Table, training: &TrainingTargets<'_>) -> Vec<bool> {
        let columns = self.columns().iter().enumerate();
        let columns = columns.filter(|(_, column)| column.left_out.is_none()).map(|(i, _)| i);
        let hashes = table.hashes(&columns.collect::<Vec<usize>>());
        let mut seen = HashSet::new();
        training.rows.iter().map(|row| seen.insert(hashes[training.found.rows[*row]])).collect()
    }
}

/// Numbers by their ranks, from 0 to 1; classes as they are.
fn ranked(target: Target) -> Target {
    let Target::Number(mut numbers) = target else { return target };
    let ranks = ranks(&numbers.iter().flatten().copied().collect::<Vec<f64>>());
    let n = ranks.len() as f64;
    numbers.iter_mut().flatten().zip(ranks).for_each(|(number, rank)| *number = rank / n);
    Target::Number(numbers)
}

/// The whole numbers of a column, in their order, and the rows that have them, of those that are
/// learned from.
struct Groups(Vec<(i64, usize)>);

impl Groups {
    /// `None` for another column, and where numbers hardly repeat.
    fn read(
        table: &Table,
        column: &ColumnSchema,
        place: usize,
        training: &TrainingTargets<'_>,
    ) -> Option<Self> {
        let ColumnKind::Number { format } = &column.kind else { return None };
        let (mut rows, mut n_others) = (Vec::new(), 0);
        for (i, row) in training.rows.iter().enumerate() {
            let cell = Cell::Text(table.cell(training.found.rows[*row], place));
            let number = match cell.read_number(format, &column.missing_markers) {
                Reading::Missing => continue,
                Reading::Number(x) => whole(x),
                Reading::Text | Reading::OutOfRange => None,
            };
            match number {
                Some(x) => rows.push((x, i)),
                None => n_others += 1,
            }
            if n_others * OTHER_CELLS > training.rows.len() {
                return None;
            }
        }
        rows.sort_unstable();
        if let Some(groups) = &training.groups {
            // Names that stay within a group are never met again: of each, a row of each group.
            let mut seen = HashSet::new();
            rows.retain(|(x, i)| seen.insert((*x, groups[training.rows[*i]])));
        }
        Self::new(rows)
    }

    /// `None` where numbers hardly repeat.
    fn new(rows: Vec<(i64, usize)>) -> Option<Self> {
        let groups = Self(rows);
        let (n_rows, n_numbers) = (groups.0.len(), groups.each().count());
        let n_repeated: usize = groups.each().map(<[_]>::len).filter(|n| *n > 1).sum();
        let repeats = n_rows >= MIN_ROWS && 2 * n_repeated >= n_rows;
        (repeats && n_numbers >= MIN_NUMBERS).then_some(groups)
    }

    /// The rows of each number.
    fn each(&self) -> impl Iterator<Item = &[(i64, usize)]> {
        self.0.chunk_by(|a, b| a.0 == b.0)
    }

    /// Whether the numbers are names for this target.
    fn are_names_for(&self, target: &Target) -> bool {
        let whole = Sums::of(target, &self.0);
        if matches!(target, Target::Class { .. }) {
            let most = whole.sums.iter().fold(0.0, |most: f64, rows| most.max(*rows));
            if whole.n - most < MIN_OTHERS {
                return false;
            }
        }
        let (mut same, mut same_weights) = (0.0, 0.0);
        let (mut next, mut next_weights) = (0.0, 0.0);
        let mut last: Option<Sums> = None;
        for sums in self.each().map(|rows| Sums::of(target, rows)).filter(|sums| sums.n > 0.0) {
            if sums.n > 1.0 {
                same += (sums.n - 1.0) * sums.variance();
                same_weights += sums.n - 1.0;
            }
            if let Some(last) = &last {
                let weight = sums.n.min(last.n);
                next += weight * sums.unlike(last);
                next_weights += weight;
            }
            last = Some(sums);
        }
        let variance = whole.variance();
        let explained = variance - same / same_weights;
        let left = variance - next / next_weights;
        let by_chance = MIN_DEVIATIONS / same_weights.sqrt();
        // Not so where one of them is not a number, without rows.
        explained > variance * f64::max(MIN_SHARE, by_chance) && left < MOST_LEFT * explained
    }
}

/// What some rows have of a target: how many have it, and the sums of its numbers, or the rows of
/// each class, and of the squares.
struct Sums {
    n: f64,
    sums: Vec<f64>,
    squares: f64,
}

impl Sums {
    fn of(target: &Target, rows: &[(i64, usize)]) -> Self {
        let mut all = Self { n: 0.0, sums: vec![0.0; target.width()], squares: 0.0 };
        for (column, value) in rows.iter().filter_map(|(_, row)| target.value(*row)) {
            all.n += 1.0;
            all.sums[column] += value;
            all.squares += value * value;
        }
        all
    }

    /// Half the mean of (y − y')² of two of the rows.
    fn variance(&self) -> f64 {
        let of_sums: f64 = self.sums.iter().map(|sum| sum * sum).sum();
        (self.squares - of_sums / self.n) / (self.n - 1.0)
    }

    /// The same of one of these rows and one of the others.
    fn unlike(&self, others: &Self) -> f64 {
        let products: f64 = self.sums.iter().zip(&others.sums).map(|(a, b)| a * b).sum();
        0.5 * (self.squares / self.n + others.squares / others.n) - products / (self.n * others.n)
    }
}
