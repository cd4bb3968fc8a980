//! Whole numbers that name things: persons, schools, places, of which each has several rows.
//!
//! As a number, such a name says next to nothing: that of the next person is as near as can be, and
//! tells of somebody else. As a label it says whose rows these are. Which of the two a column of
//! whole numbers is, the targets y of the training rows tell, by how unlike rows are (a variogram,
//! Matheron, *Principles of Geostatistics*, 1963):
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

use std::collections::{BTreeMap, HashSet};

use crate::cell::{Cell, Reading};
use crate::column_kind::ColumnKind;
use crate::encoder::{Target, TrainingTargets};
use crate::giveaway::ranks;
use crate::schema::Schema;
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

/// Whole numbers beyond this are not all different numbers.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

impl Schema {
    /// Reads inputs that are names in whole numbers as categories, unless the user says what they
    /// are. `targets` are no inputs.
    pub(crate) fn with_number_codes(
        mut self,
        table: &Table,
        targets: &[usize],
        training: &TrainingTargets<'_>,
    ) -> Self {
        let asked: HashSet<&str> =
            table.rules().kinds.iter().map(|(name, _)| name.trim()).collect();
        let to_learn: Vec<Target> = training.columns().into_iter().map(ranked).collect();
        for place in 0..self.columns().len() {
            let column = &self.columns()[place];
            let is_input = column.left_out.is_none() && !targets.contains(&place);
            if !is_input || asked.contains(column.name.as_str()) {
                continue;
            }
            let Some(groups) = Groups::read(table, &self, place, training) else { continue };
            if !groups.are_named(&to_learn) {
                continue;
            }
            let (name, n) = (column.name.clone(), groups.rows_of.len());
            let message = format!(
                "column {name:?}: its {n} numbers are names: rows of the same number are alike, those of the next one are \
                 not: read as categories (--as '{name}=number' reads numbers)"
            );
            let warning = Warning::new(WarningCode::Codes, message).column(&name).count(n);
            self.read_as_category(place, "its whole numbers name groups of rows", warning);
        }
        self
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

/// The training rows of a column of whole numbers, number by number in their order.
struct Groups {
    /// Indices into the rows that are learned from.
    rows_of: Vec<Vec<usize>>,
}

impl Groups {
    /// `None` for another column, and where numbers hardly repeat.
    fn read(
        table: &Table,
        schema: &Schema,
        place: usize,
        training: &TrainingTargets<'_>,
    ) -> Option<Self> {
        let column = &schema.columns()[place];
        let ColumnKind::Number { format } = &column.kind else { return None };
        let mut rows_of: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (i, row) in training.rows.iter().enumerate() {
            let cell = Cell::Text(table.cell(training.found.rows[*row], place));
            match cell.read_number(format, &column.missing_markers) {
                Reading::Number(x) if x.fract() == 0.0 && (0.0..=LARGEST_WHOLE).contains(&x) => {
                    rows_of.entry(x as u64).or_default().push(i);
                }
                Reading::Missing => {}
                _ => return None,
            }
        }
        let n_rows: usize = rows_of.values().map(Vec::len).sum();
        let n_repeated: usize = rows_of.values().map(Vec::len).filter(|n| *n > 1).sum();
        let repeats = n_rows >= MIN_ROWS && 2 * n_repeated >= n_rows;
        let rows_of: Vec<Vec<usize>> = rows_of.into_values().collect();
        (repeats && rows_of.len() >= MIN_NUMBERS).then_some(Self { rows_of })
    }

    /// Whether the numbers are names, for each target about which they say anything.
    fn are_named(&self, targets: &[Target]) -> bool {
        let found: Vec<bool> = targets.iter().filter_map(|target| self.is_named(target)).collect();
        !found.is_empty() && found.iter().all(|is_named| *is_named)
    }

    /// Whether the numbers are names as far as this target shows; `None` where it shows nothing.
    fn is_named(&self, target: &Target) -> Option<bool> {
        let all: Vec<usize> = self.rows_of.iter().flatten().copied().collect();
        let whole = Sums::of(target, &all);
        if matches!(target, Target::Class { .. }) {
            let most = whole.sums.iter().fold(0.0, |most: f64, sum| most.max(*sum));
            if whole.n - most < MIN_OTHERS {
                return None;
            }
        }
        let variance = whole.unlikeness();
        let (mut same, mut same_weights) = (0.0, 0.0);
        let (mut next, mut next_weights) = (0.0, 0.0);
        let mut last: Option<Sums> = None;
        for rows in &self.rows_of {
            let sums = Sums::of(target, rows);
            if sums.n > 1.0 {
                same += (sums.n - 1.0) * sums.unlikeness();
                same_weights += sums.n - 1.0;
            }
            if sums.n > 0.0 {
                if let Some(last) = &last {
                    let weight = sums.n.min(last.n);
                    next += weight * sums.unlike(last);
                    next_weights += weight;
                }
                last = Some(sums);
            }
        }
        let explained = variance - same / same_weights;
        let left = variance - next / next_weights;
        let by_chance = MIN_DEVIATIONS / same_weights.sqrt();
        // Not so where one of them is not a number, without rows.
        (explained > variance * f64::max(MIN_SHARE, by_chance))
            .then_some(left < MOST_LEFT * explained)
    }
}

/// What some rows have of a target: their number, and the sums of its numbers, or the rows of each
/// class, and of the squares.
struct Sums {
    n: f64,
    sums: Vec<f64>,
    squares: f64,
}

impl Sums {
    fn of(target: &Target, rows: &[usize]) -> Self {
        let mut all = Self { n: 0.0, sums: vec![0.0; target.width()], squares: 0.0 };
        for (column, value) in rows.iter().filter_map(|row| target.value(*row)) {
            all.n += 1.0;
            all.sums[column] += value;
            all.squares += value * value;
        }
        all
    }

    /// Half the mean of (y − y')² of two of the rows: their variance.
    fn unlikeness(&self) -> f64 {
        let of_sums: f64 = self.sums.iter().map(|sum| sum * sum).sum();
        (self.squares - of_sums / self.n) / (self.n - 1.0)
    }

    /// The same of one of these rows and one of the others.
    fn unlike(&self, others: &Self) -> f64 {
        let products: f64 = self.sums.iter().zip(&others.sums).map(|(a, b)| a * b).sum();
        0.5 * (self.squares / self.n + others.squares / others.n) - products / (self.n * others.n)
    }
}

#[cfg(test)]
mod tests {
    use anabranch_tensor::Executor;

    use crate::column_kind::ColumnKind;
    use crate::dataset::prepare;
    use crate::labels::Labels;
    use crate::rules::AskedKind;
    use crate::split::Fractions;
    use crate::table::Table;
    use crate::target::TargetColumns;
    use crate::warning::WarningCode;

    /// 60 persons with five rows each: what they are like goes up and down with their number, and
    /// has nothing to do with it. The year measures: it adds to `y`.
    fn persons() -> String {
        let mut csv = "person,year,x,y,kind\n".to_owned();
        for person in 0..60_u32 {
            let like = person * 37 % 60;
            for year in 0..5 {
                let x = (person * 5 + year) * 7919 % 301;
                let y = f64::from(like) + f64::from(year) + f64::from(x) / 100.0;
                let kind = ["red", "green", "blue"][like as usize / 20];
                csv += &format!("{},{},{x}.5,{y},{kind}\n", 100 + person, 2000 + year);
            }
        }
        csv
    }

    fn kinds(table: &Table) -> Vec<(String, ColumnKind)> {
        let columns = TargetColumns::new().regress(["y"]).classify("kind");
        let exec = Executor::serial();
        let prepared = prepare::<f64>(&exec, table, &columns, Fractions::default(), 1).unwrap();
        let said = prepared.warnings.iter().filter(|w| w.code == WarningCode::Codes);
        let said: Vec<&str> = said.filter_map(|w| w.column.as_deref()).collect();
        let columns = prepared.schema.columns().iter();
        let kinds: Vec<_> =
            columns.map(|column| (column.name.clone(), column.kind.clone())).collect();
        let is_label = |kind: &ColumnKind| matches!(kind, ColumnKind::Category { .. });
        let labels = kinds[..3].iter().filter(|(_, kind)| is_label(kind));
        assert_eq!(said, labels.map(|(name, _)| name.as_str()).collect::<Vec<_>>());
        kinds
    }

    #[test]
    fn numbers_of_persons_are_labels_and_years_are_numbers() {
        let table = Table::from_reader("persons.csv", persons().as_bytes()).unwrap();
        let kinds = kinds(&table);
        assert_eq!(kinds[0].1, ColumnKind::Category { labels: Labels::Numbers });
        assert!(matches!(kinds[1].1, ColumnKind::Number { .. }));
        assert!(matches!(kinds[2].1, ColumnKind::Number { .. }));
    }

    #[test]
    fn numbers_in_the_order_of_what_they_tell_measure_it() {
        let csv = persons();
        let sorted = (0..60).fold(csv, |csv, person| {
            let like = person * 37 % 60;
            csv.replace(&format!("\n{},", 100 + person), &format!("\n@{},", 100 + like))
        });
        let sorted = sorted.replace('@', "");
        let table = Table::from_reader("persons.csv", sorted.as_bytes()).unwrap();
        assert!(matches!(kinds(&table)[0].1, ColumnKind::Number { .. }));
    }

    #[test]
    fn what_is_asked_for_is_done() {
        let table = Table::from_reader("persons.csv", persons().as_bytes()).unwrap();
        let mut rules = table.rules().clone();
        rules.kinds.push(("person".into(), AskedKind::Number));
        let table = table.with_rules(rules);
        assert!(matches!(kinds(&table)[0].1, ColumnKind::Number { .. }));
    }
}
