//! Other training rows to validate on: an ensemble's members can take turns, so that each row
//! trains most of them.

use std::collections::BTreeMap;

use anabranch_tensor::random::{Purpose, Random};

use crate::split::Split;

/// Parts of the training rows, disjoint, that share out the strata (classes, say) as the validation
/// rows do: each has as many rows of a stratum, or the last ones fewer.
pub(crate) fn by_stratum(split: &Split, strata: &[u32], seed: u64) -> Vec<Vec<usize>> {
    let Some(n_turns) = split.train.len().checked_div(split.validation.len()) else {
        return Vec::new();
    };
    let mut n_validating: BTreeMap<u32, usize> = BTreeMap::new();
    split.validation.iter().for_each(|row| *n_validating.entry(strata[*row]).or_default() += 1);
    let mut turns = vec![Vec::new(); n_turns];
    for (stratum, n) in n_validating {
        let of_stratum = split.train.iter().copied().filter(|row| strata[*row] == stratum);
        let mut rows: Vec<usize> = of_stratum.collect();
        Random::new(seed, Purpose::Turn, u64::from(stratum)).shuffle(&mut rows);
        turns.iter_mut().zip(rows.chunks(n)).for_each(|(turn, rows)| turn.extend(rows));
    }
    ascending(turns)
}

/// The same by whole groups: each part has as many rows as validate, or up to twice as many, and
/// half of the training rows at most.
pub(crate) fn by_group(split: &Split, groups: &[u32], seed: u64) -> Vec<Vec<usize>> {
    let n_validating = split.validation.len();
    let most = (2 * n_validating).min(split.train.len() / 2);
    let mut rows_of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    split.train.iter().for_each(|row| rows_of.entry(groups[*row]).or_default().push(*row));
    let mut rows_of: Vec<Vec<usize>> = rows_of.into_values().collect();
    Random::new(seed, Purpose::Turn, 0).shuffle(&mut rows_of);
    let (mut turns, mut turn) = (Vec::new(), Vec::new());
    for rows in rows_of {
        // A group so large always trains.
        if turn.len() + rows.len() <= most {
            turn.extend(rows);
        }
        if turn.len() >= n_validating.max(1) {
            turns.push(std::mem::take(&mut turn));
        }
    }
    ascending(turns)
}

fn ascending(mut turns: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    turns.retain(|turn| !turn.is_empty());
    turns.iter_mut().for_each(|turn| turn.sort_unstable());
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows 0..8 validate, 8..20 test, the others train.
    fn split() -> Split {
        let [train, validation] = [20..101, 0..8].map(|rows| rows.collect());
        Split { train, validation, test: (8..20).collect(), ..Split::default() }
    }

    fn is_disjoint(turns: &[Vec<usize>], train: &[usize]) -> bool {
        let mut all = turns.concat();
        let n_rows = all.len();
        all.sort_unstable();
        all.dedup();
        all.len() == n_rows && all.iter().all(|row| train.contains(row))
    }

    #[test]
    fn each_turn_has_the_strata_of_the_validation_rows() {
        // Of each four rows, one is of stratum 1: 2 of the 8 that validate.
        let strata: Vec<u32> = (0..101).map(|row| u32::from(row % 4 == 3)).collect();
        let turns = by_stratum(&split(), &strata, 5);
        assert_eq!(turns.len(), 10, "81 rows train, 8 validate");
        for turn in &turns {
            let of_one = turn.iter().filter(|row| strata[**row] == 1).count();
            assert_eq!((turn.len(), of_one), (8, 2));
            assert!(turn.is_sorted());
        }
        assert!(is_disjoint(&turns, &split().train));
        assert_eq!(turns, by_stratum(&split(), &strata, 5));
        assert_ne!(turns, by_stratum(&split(), &strata, 6));
        // A stratum of which no row validates only trains.
        let rare: Vec<u32> = (0..101).map(|row| u32::from(row >= 96)).collect();
        let turns = by_stratum(&split(), &rare, 5);
        assert!(turns.concat().iter().all(|row| *row < 96));
    }

    #[test]
    fn groups_take_turns_as_a_whole() {
        // The rows of one group are a third of those that train.
        let groups: Vec<u32> = (0..101).map(|row| if row > 73 { 99 } else { row / 3 }).collect();
        let turns = by_group(&split(), &groups, 5);
        assert!(turns.len() >= 4, "{turns:?}");
        assert!(is_disjoint(&turns, &split().train));
        for turn in &turns {
            assert!((8..=16).contains(&turn.len()) && turn.is_sorted(), "{turn:?}");
            let whole = |row: &usize| {
                let trains = |other: &usize| groups[*other] == groups[*row];
                split().train.iter().filter(|other| trains(other)).all(|row| turn.contains(row))
            };
            assert!(turn.iter().all(|row| groups[*row] != 99 && whole(row)), "{turn:?}");
        }
    }

    #[test]
    fn without_validation_there_are_no_turns() {
        let split = Split { train: (0..9).collect(), ..Split::default() };
        assert!(by_stratum(&split, &[0; 9], 1).is_empty());
        assert!(by_group(&split, &[0, 0, 0, 1, 1, 1, 2, 2, 2], 1).is_empty());
    }
}
