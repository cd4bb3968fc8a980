//! Cross-validation: every row tests once.

use std::collections::BTreeMap;

use anabranch_tensor::random::{Purpose, Random};

use crate::error::DataError;
use crate::groups::by_group;
use crate::split::{Fractions, Part, Split};

/// One of the folds into which the rows of a table are divided: its rows test, the others train and
/// validate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Which one, counted from 0.
    pub index: usize,
    /// How many there are, 2 at least.
    pub of: usize,
    /// A column of groups, none of which is divided. It is not an input.
    pub group: Option<String>,
}

impl Fold {
    /// Divides rows by their classes, each of which is dealt out to the folds in the order of the
    /// seed; of the rows that do not test, each class gives its share to validation.
    pub(crate) fn of_classes(
        &self,
        class: &[u32],
        fractions: Fractions,
        seed: u64,
    ) -> Result<Split, DataError> {
        let mut rows_of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        (0..).zip(class).for_each(|(row, class)| rows_of.entry(*class).or_default().push(row));
        let mut fold_of = vec![0; class.len()];
        let mut n_dealt = 0;
        for (class, mut rows) in rows_of {
            Random::new(seed, Purpose::Split, u64::from(class)).shuffle(&mut rows);
            for row in rows {
                fold_of[row] = n_dealt % self.of;
                n_dealt += 1;
            }
        }
        let others: Vec<usize> =
            (0..class.len()).filter(|row| fold_of[*row] != self.index).collect();
        if others.len() == class.len() || others.len() < 2 {
            let (rows, train) = (class.len(), others.len());
            let test = rows - train;
            let needed = self.of;
            return Err(DataError::TooFewRows { rows, train, validation: 0, test, needed });
        }
        let class_of: Vec<u32> = others.iter().map(|row| class[*row]).collect();
        let split = Split::stratified(&class_of, Fractions { test: 0.0, ..fractions }, seed)?;
        let mut parts = vec![Part::Test; class.len()];
        split.train.iter().for_each(|i| parts[others[*i]] = Part::Train);
        split.validation.iter().for_each(|i| parts[others[*i]] = Part::Validation);
        Ok(Split { rare_classes: split.rare_classes, ..Split::of_parts(&parts) })
    }

    /// The part of each row, by whole groups: in the order of the seed, each goes to the fold that
    /// has fewest rows.
    pub(crate) fn of_groups(
        &self,
        groups: &[u32],
        fractions: Fractions,
        seed: u64,
    ) -> Result<Vec<Part>, DataError> {
        let Fractions { validation, .. } = Fractions { test: 0.0, ..fractions }.checked()?;
        let n_groups = groups.iter().max().map_or(0, |last| *last as usize + 1);
        let mut sizes = vec![0; n_groups];
        groups.iter().for_each(|group| sizes[*group as usize] += 1);
        let mut order: Vec<usize> = (0..n_groups).collect();
        Random::new(seed, Purpose::Split, 0).shuffle(&mut order);
        let mut rows_in = vec![0; self.of];
        let mut fold_of = vec![0; n_groups];
        for group in order {
            // The first of equals.
            let fold = (0..self.of).min_by_key(|fold| rows_in[*fold]).unwrap_or(0);
            rows_in[fold] += sizes[group];
            fold_of[group] = fold;
        }
        let is_test = |group: &u32| fold_of[*group as usize] == self.index;
        // The others, counted without gaps.
        let mut places = BTreeMap::new();
        let others = groups.iter().filter(|group| !is_test(group)).map(|group| {
            let next = places.len() as u32;
            *places.entry(*group).or_insert(next)
        });
        let others: Vec<u32> = others.collect();
        let mut of_others =
            by_group(&others, Fractions { validation, test: 0.0 }, seed).into_iter();
        let part = |group: &u32| {
            if is_test(group) { Part::Test } else { of_others.next().unwrap_or(Part::Train) }
        };
        Ok(groups.iter().map(part).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(index: usize, of: usize) -> Fold {
        Fold { index, of, group: None }
    }

    #[test]
    fn every_row_tests_once_and_classes_are_shared_out() {
        let class: Vec<u32> = (0..103).map(|i| u32::from(i % 10 == 0)).collect();
        let mut tests = Vec::new();
        for index in 0..5 {
            let split = fold(index, 5).of_classes(&class, Fractions::default(), 3).unwrap();
            let of_class = |rows: &[usize], c| rows.iter().filter(|row| class[**row] == c).count();
            assert!((18..=19).contains(&of_class(&split.test, 0)));
            assert!((2..=3).contains(&of_class(&split.test, 1)));
            // A tenth of what is left, of each class.
            assert_eq!((of_class(&split.validation, 0), of_class(&split.validation, 1)), (7, 1));
            assert_eq!(split.train.len() + split.validation.len() + split.test.len(), 103);
            tests.extend(split.test);
        }
        tests.sort_unstable();
        assert_eq!(tests, (0..103).collect::<Vec<_>>());
        assert!(fold(3, 4).of_classes(&[0, 0, 0], Fractions::default(), 3).is_err());
    }

    #[test]
    fn groups_are_not_divided() {
        let groups: Vec<u32> = (0..120).map(|i| i * 7 % 24).collect();
        let mut n_tests = vec![0; 24];
        for index in 0..3 {
            let parts = fold(index, 3).of_groups(&groups, Fractions::default(), 5).unwrap();
            let part = |group: u32| {
                let of_group: Vec<Part> =
                    (0..120).filter(|i| groups[*i] == group).map(|i| parts[i]).collect();
                assert!(of_group.iter().all(|part| *part == of_group[0]), "{group}");
                of_group[0]
            };
            (0..24)
                .filter(|group| part(*group) == Part::Test)
                .for_each(|g| n_tests[g as usize] += 1);
            assert!(parts.contains(&Part::Train) && parts.contains(&Part::Validation));
        }
        assert_eq!(n_tests, [1; 24]);
    }
}
