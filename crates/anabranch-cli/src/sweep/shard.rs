//! `--shard I/N`: the trials of one of several processes.

/// A part of a search: every N-th trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    /// Which part it is, counted from 1.
    pub(super) number: usize,
    pub(super) of: usize,
}

impl Shard {
    /// Whether a trial, counted from 1, is in it.
    pub(super) fn has(self, trial: usize) -> bool {
        trial % self.of == self.number % self.of
    }
}

/// A parser of `I/N`.
pub(super) fn shard(text: &str) -> Result<Shard, String> {
    let parse = |part: &str| part.trim().parse::<usize>().ok();
    let parts = text.split_once('/').and_then(|(i, n)| Some((parse(i)?, parse(n)?)));
    match parts {
        Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
        _ => Err("expected a part and the number of parts, such as 1/8 … 8/8".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trial_is_in_one_part() {
        let parts: Vec<Shard> = (1..=3).map(|i| shard(&format!("{i}/3")).unwrap()).collect();
        for trial in 1..=10 {
            assert_eq!(parts.iter().filter(|part| part.has(trial)).count(), 1, "{trial}");
        }
        assert!(parts[0].has(1) && parts[2].has(3));
        for text in ["0/3", "4/3", "1", "a/2", "1/0", ""] {
            assert!(shard(text).is_err(), "{text:?}");
        }
    }
}
