//! Which rows train, which choose when to stop, and which judge the result.

use std::collections::BTreeMap;

use anabranch_tensor::random::{Purpose, Random};

use crate::error::DataError;

/// The fractions of rows that are not used for training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fractions {
    /// Fraction of the rows for validation, from 0 (no validation) to below 1.
    pub validation: f64,
    /// Fraction of the rows for testing, from 0 (no test) to below 1.
    pub test: f64,
}

impl Fractions {
    /// These fractions, if they are in range.
    pub(crate) fn checked(self) -> Result<Self, DataError> {
        let Self { validation, test } = self;
        // Written so that NaN fails.
        if test >= 0.0 && validation >= 0.0 && test + validation < 1.0 {
            Ok(self)
        } else {
            Err(DataError::Fractions { test, validation })
        }
    }

    /// The parts that are asked for.
    pub(crate) fn n_parts(self) -> usize {
        1 + usize::from(self.validation > 0.0) + usize::from(self.test > 0.0)
    }
}

impl Default for Fractions {
    /// A tenth to validation, a fifth to testing.
    fn default() -> Self {
        Self { validation: 0.1, test: 0.2 }
    }
}

/// Row indices of each part, ascending. No row is in two parts; each row is in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Rows to train on, 2 at least.
    pub train: Vec<usize>,
    /// Rows to stop by; none if its fraction is 0.
    pub validation: Vec<usize>,
    /// Rows to judge by; none if their fraction is 0.
    pub test: Vec<usize>,
    /// Classes with fewer rows than there are parts, ascending: their rows are all in `train`.
    pub rare_classes: Vec<u32>,
    /// Parts of `train`, disjoint, with the classes or groups of `validation` in about the same
    /// shares; none where rows are divided by time or by a column.
    pub turns: Vec<Vec<usize>>,
}

impl Split {
    /// The split of a member of an ensemble, counted from 0, if the members validate by turns: this
    /// one for the first, and for each other one that with a part of `turns` in the place of the
    /// validation rows, which train instead. Where there are no more parts, they begin again.
    pub fn of_member(&self, member: usize) -> Self {
        let Some(turn) = self.turn_of(member).checked_sub(1) else { return self.clone() };
        let validation = self.turns[turn].clone();
        let stays = |row: &usize| validation.binary_search(row).is_err();
        let stay = self.train.iter().copied().filter(stays);
        let mut train: Vec<usize> = stay.chain(self.validation.iter().copied()).collect();
        train.sort_unstable();
        Self { train, validation, ..self.clone() }
    }

    /// Whose turn it is to validate: 0 for `validation`, or the number of a part of `turns` and 1.
    pub fn turn_of(&self, member: usize) -> usize {
        member % (self.turns.len() + 1)
    }

    /// Splits rows by their classes: each class on its own, so that every part has about its share
    /// of every class.
    ///
    /// A class of n rows gives round(n·f) rows to a part of fraction f, halves rounded up, but at
    /// least one; training gets the others. Should none be left for training, the larger of the
    /// other two parts (validation, if they are equal) gives one back. A class with fewer rows than
    /// there are parts (3, or fewer where a fraction is 0) goes to training as a whole. Which rows
    /// a part gets depends on `class`, `fractions` and `seed` alone.
    ///
    /// # Errors
    /// [`DataError::Fractions`] for fractions out of range; [`DataError::TooFewRows`] when a part
    /// that was asked for gets no row, or training fewer than two.
    pub fn stratified(class: &[u32], fractions: Fractions, seed: u64) -> Result<Self, DataError> {
        let n_parts = fractions.checked()?.n_parts();
        let mut rows_of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (row, class) in class.iter().enumerate() {
            rows_of.entry(*class).or_default().push(row);
        }
        let mut part_of = vec![Part::Train; class.len()];
        let mut rare_classes = Vec::new();
        for (class, mut rows) in rows_of {
            if rows.len() < n_parts {
                rare_classes.push(class);
                continue;
            }
            Random::new(seed, Purpose::Split, u64::from(class)).shuffle(&mut rows);
            let (n_validation, n_test) = part_sizes(rows.len(), fractions);
            let (validation, rows) = rows.split_at(n_validation);
            for (part, rows) in [(Part::Validation, validation), (Part::Test, &rows[..n_test])] {
                rows.iter().for_each(|row| part_of[*row] = part);
            }
        }
        let split = Self { rare_classes, ..Self::of_parts(&part_of) };
        let is_lacking = |fraction: f64, rows: &[usize]| fraction > 0.0 && rows.is_empty();
        if split.train.len() < 2
            || is_lacking(fractions.test, &split.test)
            || is_lacking(fractions.validation, &split.validation)
        {
            return Err(DataError::TooFewRows {
                rows: class.len(),
                train: split.train.len(),
                validation: split.validation.len(),
                test: split.test.len(),
                needed: n_parts,
            });
        }
        Ok(split)
    }

    /// The rows of each part.
    pub(crate) fn of_parts(part_of: &[Part]) -> Self {
        let rows_of = |part| (0..part_of.len()).filter(|row| part_of[*row] == part).collect();
        let [train, validation, test] = [Part::Train, Part::Validation, Part::Test].map(rows_of);
        Self { train, validation, test, ..Self::default() }
    }
}

/// Where a row belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Train,
    Validation,
    Test,
}

/// Rows of validation and test for a class of `n` rows, at least as many as there are parts.
fn part_sizes(n: usize, fractions: Fractions) -> (usize, usize) {
    let share = |f: f64| if f > 0.0 { ((n as f64 * f).round() as usize).max(1) } else { 0 };
    let (mut validation, mut test) = (share(fractions.validation), share(fractions.test));
    while validation + test >= n {
        if validation >= test {
            validation -= 1;
        } else {
            test -= 1;
        }
    }
    (validation, test)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(sizes: &[usize]) -> Vec<u32> {
        let mut class: Vec<u32> =
            (0u32..).zip(sizes).flat_map(|(c, n)| std::iter::repeat_n(c, *n)).collect();
        Random::new(1, Purpose::Sample, 0).shuffle(&mut class);
        class
    }

    fn count(class: &[u32], rows: &[usize], of: u32) -> usize {
        rows.iter().filter(|row| class[**row] == of).count()
    }

    #[test]
    fn each_class_is_split_by_the_fractions() {
        let class = classes(&[100, 37, 10]);
        let fractions = Fractions { validation: 0.15, test: 0.25 };
        let split = Split::stratified(&class, fractions, 7).unwrap();
        // round(100·0.15), round(100·0.25), the rest; 5.55 → 6 and 9.25 → 9; 1.5 → 2 and 2.5 → 3.
        for (c, [train, validation, test]) in [(0, [60, 15, 25]), (1, [22, 6, 9]), (2, [5, 2, 3])] {
            assert_eq!(count(&class, &split.train, c), train, "class {c}");
            assert_eq!(count(&class, &split.validation, c), validation, "class {c}");
            assert_eq!(count(&class, &split.test, c), test, "class {c}");
        }
        let mut all = [split.train, split.validation, split.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..147).collect::<Vec<_>>());
    }

    #[test]
    fn depends_on_the_seed_alone() {
        let class = classes(&[50, 50]);
        let split = |seed| Split::stratified(&class, Fractions::default(), seed).unwrap();
        assert_eq!(split(3), split(3));
        assert_ne!(split(3).test, split(4).test);
        assert!(split(3).test.is_sorted() && split(3).train.is_sorted());
    }

    #[test]
    fn rare_classes_go_to_training() {
        let class = classes(&[20, 2, 3]);
        let split = Split::stratified(&class, Fractions::default(), 0).unwrap();
        assert_eq!(split.rare_classes, [1]);
        assert_eq!(count(&class, &split.train, 1), 2);
        // Three rows are one for each part.
        for part in [&split.train, &split.validation, &split.test] {
            assert_eq!(count(&class, part, 2), 1);
        }
        let no_validation = Fractions { validation: 0.0, test: 0.2 };
        let split = Split::stratified(&class, no_validation, 0).unwrap();
        assert_eq!((split.rare_classes.len(), split.validation.len()), (0, 0));
        assert_eq!(count(&class, &split.test, 1), 1);
    }

    #[test]
    fn training_never_runs_dry() {
        assert_eq!(part_sizes(4, Fractions { validation: 0.45, test: 0.45 }), (1, 2));
        assert_eq!(part_sizes(3, Fractions { validation: 0.01, test: 0.98 }), (1, 1));
        assert_eq!(part_sizes(2, Fractions { validation: 0.0, test: 0.99 }), (0, 1));
    }

    #[test]
    fn without_a_test_all_rows_train_or_validate() {
        let class = classes(&[20, 2, 1]);
        let split =
            |validation| Split::stratified(&class, Fractions { validation, test: 0.0 }, 1).unwrap();
        assert_eq!((split(0.0).train.len(), split(0.0).rare_classes.len()), (23, 0));
        let Split { validation, test, rare_classes, .. } = split(0.1);
        assert_eq!((validation.len(), test.len(), rare_classes), (2 + 1, 0, vec![2]));
    }

    #[test]
    fn members_take_turns_to_validate() {
        let split = Split {
            train: vec![2, 3, 4, 5],
            validation: vec![0, 1],
            test: vec![6],
            rare_classes: vec![],
            turns: vec![vec![3, 5], vec![2, 4]],
        };
        assert_eq!(split.of_member(0), split);
        let second = split.of_member(1);
        assert_eq!((second.train, second.validation), (vec![0, 1, 2, 4], vec![3, 5]));
        assert_eq!(second.test, [6]);
        assert_eq!(split.of_member(2).train, [0, 1, 3, 5]);
        // Three turns, and from the fourth member on the same again.
        assert_eq!((3..6).map(|i| split.turn_of(i)).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(split.of_member(4), split.of_member(1));
    }

    #[test]
    fn refuses_fractions_out_of_range() {
        for (validation, test) in
            [(0.1, -0.1), (-0.1, 0.2), (0.5, 0.5), (0.0, 1.0), (f64::NAN, 0.1)]
        {
            let error = Split::stratified(&[0, 1], Fractions { validation, test }, 0).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "test fraction {test}, validation fraction {validation}: both must be at least 0, and their sum \
                     below 1"
                )
            );
        }
    }

    #[test]
    fn refuses_fewer_rows_than_a_split_needs() {
        let fractions = Fractions::default();
        for class in [vec![], vec![0, 1], vec![0, 0, 1, 1, 2]] {
            let error = Split::stratified(&class, fractions, 0).unwrap_err();
            let n = class.len();
            assert_eq!(
                error.to_string(),
                format!(
                    "{n} rows are too few: the split gives {n} to training, 0 to validation and 0 to testing: add \
                     rows (at least 3 of a class), or change the fractions"
                )
            );
        }
        // One training row cannot form a batch.
        assert!(Split::stratified(&[0, 0, 0], fractions, 0).is_err());
    }
}
