//! Fitting statistics of the targets to the categories of a column.

use anabranch_tensor::Scalar;
use anabranch_tensor::random::{Purpose, Random};

use super::normal_scores::NormalScores;
use super::target_statistics::TargetStatistics;
use crate::column::mean_and_std;
use crate::raw_targets::{TargetValues, TaskValues};
use crate::target::{Targets, TaskTarget};

/// What is believed of a category before its rows are seen counts as so many rows.
const PRIOR_ROWS: f64 = 10.0;

/// Parts of the rows, of which each is encoded by the targets of the others.
const N_PARTS: u64 = 5;

/// The targets of the rows that are learned from: those that train, and those that validate, since
/// no row is told its own target.
pub(crate) struct TrainingTargets<'a> {
    pub(crate) found: &'a TargetValues,
    pub(crate) targets: &'a Targets,
    /// These rows, as indices into `found`.
    pub(crate) rows: &'a [usize],
    /// The group of each row of `found`, where groups stay together.
    pub(crate) groups: Option<Vec<u32>>,
    pub(crate) seed: u64,
}

/// A column of numbers, or the classes, of these rows.
pub(crate) enum Target {
    Number(Vec<Option<f64>>),
    Class {
        class: Vec<Option<u32>>,
        /// π: the share of each class.
        shares: Vec<f64>,
    },
}

impl TrainingTargets<'_> {
    /// How many statistics a category has.
    pub(crate) fn n_statistics(&self) -> usize {
        self.found.tasks.iter().map(TaskValues::outputs).sum()
    }

    /// The statistics of `n_categories` categories, to which the rows belong by `category`, and
    /// those of each row by the targets of other parts `[rows, statistics]`.
    pub(super) fn statistics(
        &self,
        category: &[Option<u32>],
        n_categories: usize,
    ) -> (TargetStatistics, Vec<f32>) {
        let n = self.n_statistics();
        let part_of = self.parts();
        let mut of_category = vec![0.0; (n_categories + 1) * n];
        let mut of_row = vec![0.0; self.rows.len() * n];
        let mut start = 0;
        for target in self.columns() {
            let columns = start..start + target.width();
            let all = target.sums(category, n_categories, |_| true);
            for (place, row) in of_category.chunks_exact_mut(n).take(n_categories).enumerate() {
                target.statistics(&all, None, place, &mut row[columns.clone()]);
            }
            for part in 0..N_PARTS {
                let own = target.sums(category, n_categories, |row| part_of[row] == part);
                for (i, row) in of_row.chunks_exact_mut(n).enumerate() {
                    if let (true, Some(place)) = (part_of[i] == part, category[i]) {
                        let out = &mut row[columns.clone()];
                        target.statistics(&all, Some(&own), place as usize, out);
                    }
                }
            }
            start = columns.end;
        }
        for column in 0..n {
            let of_rows = of_row.iter().skip(column).step_by(n).copied();
            let (mean, std) = mean_and_std(of_rows.clone());
            let scores = NormalScores::fit(of_rows.collect());
            let values = of_row.iter_mut().skip(column).step_by(n);
            let values = values.chain(of_category.iter_mut().skip(column).step_by(n));
            values.for_each(|value| {
                let score = scores.as_ref().map(|scores| scores.score(*value));
                *value = score.unwrap_or((*value - mean) / std);
            });
        }
        let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        (TargetStatistics::new(self.names(), single(of_category)), single(of_row))
    }

    /// The part of each row, which chance decides for it, or for its group.
    fn parts(&self) -> Vec<u64> {
        let part = |row: &usize| {
            let unit = self.groups.as_ref().map_or(*row as u64, |groups| u64::from(groups[*row]));
            Random::new(self.seed, Purpose::CrossFit, unit).below(N_PARTS)
        };
        self.rows.iter().map(part).collect()
    }

    fn names(&self) -> Vec<String> {
        let of_task = |task: &TaskTarget| -> Vec<String> {
            let numbers = task.regression().iter().map(|target| target.column.clone());
            let labels = task.labels().iter().map(|label| format!("{}={label}", task.name()));
            numbers.chain(labels).collect()
        };
        self.targets.tasks().iter().flat_map(of_task).collect()
    }

    /// What there is to learn: each column of numbers, and the classes of each task.
    pub(crate) fn columns(&self) -> Vec<Target> {
        let Self { found, targets, rows, .. } = self;
        let of_task = |(task, target): (usize, &TaskTarget)| {
            let is_there = |row: &usize| found.present[task].has(*row);
            match &found.tasks[task] {
                TaskValues::Numbers { values, n_columns } => {
                    let columns = target.regression().iter().enumerate().map(|(j, column)| {
                        let z = |row: &usize| column.standardise(values[row * n_columns + j]);
                        let z = |row: &usize| is_there(row).then(|| z(row));
                        Target::Number(rows.iter().map(z).collect())
                    });
                    columns.collect::<Vec<_>>()
                }
                TaskValues::Classes { class, n_classes } => {
                    let class = |row: &usize| is_there(row).then(|| class[*row]);
                    vec![Target::classes(rows.iter().map(class).collect(), *n_classes)]
                }
            }
        };
        targets.tasks().iter().enumerate().flat_map(of_task).collect()
    }
}

/// For each category: rows that have the target, and the sum of their numbers, or the rows of each
/// class.
struct Sums {
    n: Vec<f64>,
    sum: Vec<f64>,
}

impl Target {
    fn classes(class: Vec<Option<u32>>, n_classes: usize) -> Self {
        let mut counts = vec![0.0; n_classes];
        class.iter().flatten().for_each(|class| counts[*class as usize] += 1.0);
        let n: f64 = counts.iter().sum();
        let shares = counts.into_iter().map(|count| count / f64::max(n, 1.0)).collect();
        Self::Class { class, shares }
    }

    /// Statistics of a category.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Number(_) => 1,
            Self::Class { shares, .. } => shares.len(),
        }
    }

    /// The number of a row, or 1 for its class, and in which column; `None` where it has none.
    pub(crate) fn value(&self, row: usize) -> Option<(usize, f64)> {
        match self {
            Self::Number(z) => z[row].map(|z| (0, z)),
            Self::Class { class, .. } => class[row].map(|class| (class as usize, 1.0)),
        }
    }

    /// The sums over the rows that are `in_part`.
    fn sums(
        &self,
        category: &[Option<u32>],
        n_categories: usize,
        in_part: impl Fn(usize) -> bool,
    ) -> Sums {
        let width = self.width();
        let mut sums = Sums { n: vec![0.0; n_categories], sum: vec![0.0; n_categories * width] };
        let rows = category.iter().enumerate().filter(|(row, _)| in_part(*row));
        for (row, place) in rows.filter_map(|(row, place)| Some((row, (*place)? as usize))) {
            if let Some((column, value)) = self.value(row) {
                sums.n[place] += 1.0;
                sums.sum[place * width + column] += value;
            }
        }
        sums
    }

    /// The statistics of a category by `all` rows, without those of a part.
    fn statistics(&self, all: &Sums, without: Option<&Sums>, place: usize, out: &mut [f64]) {
        let width = self.width();
        let sum = |of: fn(&Sums) -> &[f64], place: usize| {
            of(all)[place] - without.map_or(0.0, |part| of(part)[place])
        };
        let n = sum(|sums| &sums.n, place);
        for (j, out) in out.iter_mut().enumerate() {
            let sum = sum(|sums| &sums.sum, place * width + j);
            *out = match self {
                Self::Number(_) => sum / (n + PRIOR_ROWS),
                // Nothing is known of a class without rows.
                Self::Class { shares, .. } if shares[j] == 0.0 => 0.0,
                Self::Class { shares, .. } => {
                    let share = shares[j];
                    Scalar::ln((sum + PRIOR_ROWS * share) / (n + PRIOR_ROWS)) - Scalar::ln(share)
                }
            };
        }
    }
}

/// The statistics of a column's rows by the targets of other parts.
pub(crate) struct CrossFitted {
    /// The first of the encoded columns that they take.
    pub(super) start: usize,
    /// `[rows, width]`, row-major.
    pub(super) values: Vec<f32>,
}

impl CrossFitted {
    /// Writes them into these rows of `x` `[all rows, n_inputs]`.
    pub(crate) fn write<T: Scalar>(&self, x: &mut [T], n_inputs: usize, rows: &[usize]) {
        let width = self.values.len() / rows.len().max(1);
        for (row, values) in rows.iter().zip(self.values.chunks_exact(width.max(1))) {
            let start = row * n_inputs + self.start;
            for (x, value) in x[start..start + width].iter_mut().zip(values) {
                *x = T::from_f64(f64::from(*value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Presence;
    use crate::regression_target::RegressionTarget;
    use crate::schema::Schema;
    use crate::table::Table;
    use crate::target::TargetColumns;
    use anabranch_tensor::Executor;

    /// Twelve rows of a number and three classes, of which the last is that of no row; row 5 has no
    /// number, rows 7 and 8 no class.
    fn found() -> TargetValues {
        TargetValues {
            rows: (0..12).collect(),
            tasks: vec![
                TaskValues::Numbers {
                    values: (0..12).map(|i| f64::from(i * i % 7)).collect(),
                    n_columns: 1,
                },
                TaskValues::Classes { class: (0..12).map(|i| i / 5 % 2).collect(), n_classes: 3 },
            ],
            present: vec![
                Presence::of((0..12).map(|i| i != 5).collect()),
                Presence::of((0..12).map(|i| ![7, 8].contains(&i)).collect()),
            ],
            rows_left_out: 0,
            warnings: Vec::new(),
        }
    }

    fn targets() -> Targets {
        let csv = "y,c\n1,a\n2,b\n4,d\n";
        let table = Table::from_reader("t", csv.as_bytes()).unwrap();
        let schema = Schema::infer(&Executor::serial(), &table).unwrap();
        let columns = TargetColumns::new().regress(["y"]).classify("c");
        let unread = Targets::unread(&table, &schema, &columns).unwrap();
        let [TaskTarget::Regression(y), TaskTarget::Classification(c)] = unread.tasks() else {
            panic!("{unread:?}")
        };
        let y = vec![RegressionTarget { mean: 3.0, std: 2.0, ..y[0].clone() }];
        let labels = ["a", "b", "d"].map(str::to_owned).to_vec();
        let c = crate::target::ClassTarget { labels, ..c.clone() };
        Targets::new(vec![TaskTarget::Regression(y), TaskTarget::Classification(c)])
    }

    /// The statistics of a category by the formulas, from the rows that count.
    fn expected(rows: &[usize]) -> [f64; 4] {
        let found = found();
        let TaskValues::Numbers { values, .. } = &found.tasks[0] else { panic!() };
        let TaskValues::Classes { class, .. } = &found.tasks[1] else { panic!() };
        let numbered: Vec<usize> = rows.iter().copied().filter(|i| *i != 5).collect();
        let z: f64 = numbered.iter().map(|i| (values[*i] - 3.0) / 2.0).sum();
        let classed: Vec<usize> = rows.iter().copied().filter(|i| ![7, 8].contains(i)).collect();
        // Of the ten rows with a class, 0..5 and 10, 11 are of the first.
        let log_ratio = |k: u32, share: f64| {
            let n_k = classed.iter().filter(|i| class[**i] == k).count() as f64;
            ((n_k + 10.0 * share) / (classed.len() as f64 + 10.0) / share).ln()
        };
        let n = numbered.len() as f64;
        [z / (n + 10.0), log_ratio(0, 0.7), log_ratio(1, 0.3), 0.0]
    }

    fn check(groups: Option<Vec<u32>>) {
        let (found, targets) = (found(), targets());
        let rows: Vec<usize> = (0..12).collect();
        let training =
            TrainingTargets { found: &found, targets: &targets, rows: &rows, groups, seed: 4 };
        // Two categories; row 11 has none.
        let category: Vec<Option<u32>> = (0..12).map(|i| (i < 11).then_some(i % 2)).collect();
        let (statistics, of_row) = training.statistics(&category, 2);
        assert_eq!(statistics.names(), ["y", "c=a", "c=b", "c=d"]);
        let parts = training.parts();
        assert!(parts.iter().any(|part| *part != parts[0]));
        let others = |row: usize| -> Vec<usize> {
            let is_other = |i: &usize| parts[*i] != parts[row] && category[*i] == category[row];
            rows.iter().copied().filter(is_other).collect()
        };
        let plain: Vec<[f64; 4]> =
            (0..12).map(|row| if row == 11 { [0.0; 4] } else { expected(&others(row)) }).collect();
        for column in 0..4 {
            // Few are different: they are standardised, and have no normal scores.
            let (mean, std) = mean_and_std(plain.iter().map(|row| row[column]));
            let scaled = |value: f64| ((value - mean) / std) as f32;
            let is_near = |a: f32, b: f32| (a - b).abs() < 1e-5;
            for (row, plain) in plain.iter().enumerate() {
                let found = of_row[row * 4 + column];
                assert!(is_near(found, scaled(plain[column])), "{row} {column}: {found}");
            }
            for place in [0, 1] {
                let of_place: Vec<usize> = (0..11).filter(|i| i % 2 == place).collect();
                let found = statistics.row(Some(place))[column];
                assert!(is_near(found, scaled(expected(&of_place)[column])), "{place} {column}");
            }
            assert!(is_near(statistics.row(None)[column], scaled(0.0)));
        }
    }

    #[test]
    fn a_row_is_encoded_by_the_targets_of_other_parts_and_a_category_by_all() {
        check(None);
    }

    #[test]
    fn a_row_is_encoded_by_the_targets_of_other_groups() {
        check(Some((0..12).map(|i| i / 3).collect()));
    }
}
