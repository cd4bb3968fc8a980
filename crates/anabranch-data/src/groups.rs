//! Parts of whole groups of rows.

use anabranch_tensor::random::{Purpose, Random};

use crate::split::{Fractions, Part};

/// Gives each group to the part that lacks most rows, in the order of the seed; the last ones to
/// parts that have none.
pub(crate) fn by_group(groups: &[u32], fractions: Fractions, seed: u64) -> Vec<Part> {
    let n_groups = groups.iter().max().map_or(0, |last| *last as usize + 1);
    let mut sizes = vec![0.0; n_groups];
    groups.iter().for_each(|group| sizes[*group as usize] += 1.0);
    let mut order: Vec<usize> = (0..n_groups).collect();
    Random::new(seed, Purpose::Split, 0).shuffle(&mut order);
    let Fractions { validation, test } = fractions;
    let shares = [
        (Part::Train, 1.0 - validation - test),
        (Part::Validation, validation),
        (Part::Test, test),
    ];
    let asked_for = shares.into_iter().filter(|(_, share)| *share > 0.0);
    // Each part with the rows that it lacks, and whether it has none.
    let mut parts: Vec<(Part, f64, bool)> =
        asked_for.map(|(part, share)| (part, share * groups.len() as f64, true)).collect();
    let mut part_of = vec![Part::Train; n_groups];
    for (i, group) in order.into_iter().enumerate() {
        let n_empty = parts.iter().filter(|(.., is_empty)| *is_empty).count();
        let must_fill = n_groups - i <= n_empty;
        let open = parts.iter_mut().filter(|(.., is_empty)| !must_fill || *is_empty);
        // Of equals, the first.
        let Some(best) = open.rev().max_by(|a, b| a.1.total_cmp(&b.1)) else { break };
        *best = (best.0, best.1 - sizes[group], false);
        part_of[group] = best.0;
    }
    groups.iter().map(|group| part_of[*group as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_of(parts: &[Part], part: Part) -> Vec<usize> {
        (0..parts.len()).filter(|row| parts[*row] == part).collect()
    }

    #[test]
    fn groups_stay_together_and_parts_get_their_shares() {
        let groups: Vec<u32> = (0..600).map(|i| i * 7 % 40).collect();
        let parts = by_group(&groups, Fractions::default(), 3);
        for group in 0..40 {
            let of_group = parts.iter().zip(&groups).filter(|(_, g)| **g == group);
            let mut of_group = of_group.map(|(part, _)| *part);
            let first = of_group.next();
            assert!(of_group.all(|part| Some(part) == first), "{group}");
        }
        let sizes = [Part::Train, Part::Validation, Part::Test].map(|p| rows_of(&parts, p).len());
        assert_eq!(sizes, [420, 60, 120]);
        assert_eq!(parts, by_group(&groups, Fractions::default(), 3));
        assert_ne!(parts, by_group(&groups, Fractions::default(), 4));
    }

    #[test]
    fn few_groups_leave_no_part_empty() {
        for seed in 0..20 {
            let groups = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2];
            let parts = by_group(&groups, Fractions::default(), seed);
            for part in [Part::Train, Part::Validation, Part::Test] {
                assert!(!rows_of(&parts, part).is_empty(), "{seed}: {parts:?}");
            }
        }
        let no_test = Fractions { validation: 0.2, test: 0.0 };
        assert!(rows_of(&by_group(&[0, 1, 2, 3], no_test, 1), Part::Test).is_empty());
        let no_validation = Fractions { validation: 0.0, test: 0.5 };
        let parts = by_group(&[0, 1, 2, 3], no_validation, 1);
        assert_eq!([Part::Validation, Part::Test].map(|p| rows_of(&parts, p).len()), [0, 2]);
    }
}
