//! Which trials are trained, for how long, and which of them go on.
//!
//! Successive halving (Jamieson and Talwalkar, "Non-stochastic best arm identification and
//! hyperparameter optimization", 2016), with thirds: all trials are trained for a few epochs, the
//! best third of them for three times as many, and so on up to all epochs. Each begins anew: most
//! schedules depend on the number of epochs, so a longer run is not a continued one.

use super::entry::Entry;
use super::plan::Search;
use super::results::Entries;

/// One of so many trials goes on, for so many times the epochs.
const FACTOR: usize = 3;

/// Fewer epochs than this say too little.
const MIN_EPOCHS: usize = 3;

/// How many rungs a search has, where a trial is trained for at most so many epochs.
pub(super) fn count(search: Search, trials: usize, epochs: usize) -> usize {
    let is_useful = |rung: &usize| {
        let factor = FACTOR.saturating_pow(*rung as u32);
        trials >= factor && epochs / factor >= MIN_EPOCHS
    };
    match search {
        Search::Random => 1,
        Search::Halving => 1 + (1..).take_while(is_useful).count(),
    }
}

/// Epochs of a trial at most, on a rung of so many, where it has `epochs` on the last one.
pub(super) fn epochs(rung: usize, of: usize, epochs: usize) -> usize {
    (epochs / FACTOR.pow((of - 1 - rung) as u32)).max(1)
}

/// The trials of a rung, ascending; none if some of the rung before have not been trained.
pub(super) fn trials(rung: usize, trials: usize, known: &Entries) -> Option<Vec<usize>> {
    let Some(before) = rung.checked_sub(1) else { return Some((1..=trials).collect()) };
    let mut entries: Vec<&Entry> = self::trials(before, trials, known)?
        .into_iter()
        .map(|trial| known.get(&(before, trial)))
        .collect::<Option<_>>()?;
    entries.sort_by(|a, b| a.better(b));
    entries.truncate((entries.len() / FACTOR).max(1));
    let mut best: Vec<usize> = entries.into_iter().map(|entry| entry.trial).collect();
    best.sort_unstable();
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rung: usize, trial: usize, score: Option<f64>) -> Entry {
        Entry {
            trial,
            rung,
            epochs: 1,
            settings: Default::default(),
            score,
            validation: Default::default(),
            error: None,
            seconds: 0.0,
        }
    }

    #[test]
    fn a_third_goes_on_for_three_times_as_long() {
        // 200 trials of up to 30 epochs: 200 for 3, 66 for 10, 22 for all 30.
        assert_eq!(count(Search::Halving, 200, 30), 3);
        assert_eq!([0, 1, 2].map(|rung| epochs(rung, 3, 30)), [3, 10, 30]);
        assert_eq!(count(Search::Halving, 4, 100), 2);
        assert_eq!(count(Search::Halving, 2, 100), 1);
        assert_eq!(count(Search::Halving, 100, 5), 1);
        assert_eq!(count(Search::Random, 200, 30), 1);
    }

    #[test]
    fn the_best_go_on_once_all_are_trained() {
        let mut known = Entries::new();
        let scores = [Some(0.5), None, Some(0.2), Some(0.9), Some(0.2), Some(0.7)];
        for (i, score) in scores.into_iter().enumerate() {
            assert_eq!(trials(1, 6, &known), None);
            known.insert((0, i + 1), entry(0, i + 1, score));
        }
        assert_eq!(trials(0, 6, &known), Some(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(trials(1, 6, &known), Some(vec![3, 5]));
        assert_eq!(trials(2, 6, &known), None);
        known.insert((1, 3), entry(1, 3, Some(0.4)));
        known.insert((1, 5), entry(1, 5, Some(0.3)));
        assert_eq!(trials(2, 6, &known), Some(vec![5]));
    }
}
