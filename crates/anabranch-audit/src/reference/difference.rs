//! Derivatives by central differences, and the sample of entries to take them at.

use super::forward::{Values, forward};
use super::instance::Random;
use super::network::{Batch, Network, Param, Params};

/// (L(v+h) − L(v−h)) / 2h at one entry of `param`, with h = `step`·max(1, |v|).
///
/// `None` when a ReLU switches between the two evaluations: the loss has a kink there, and the
/// quotient says nothing about the derivative.
///
/// # Panics
/// When the entry is out of range, or shapes do not fit (see [`forward`]).
pub fn central_difference(
    net: &Network,
    params: &Params,
    batch: &Batch,
    (param, entry): (Param, usize),
    step: f64,
) -> Option<f64> {
    let value = params[param].data()[entry];
    let h = step * value.abs().max(1.0);
    let mut params = params.clone();
    let mut at = |v: f64| {
        params[param].data_mut()[entry] = v;
        forward(net, &params, batch, None)
    };
    let (above, below) = (at(value + h), at(value - h));
    let on = |values: &Values| -> Vec<bool> {
        values.z_1a.data().iter().chain(values.z_1b.data()).map(|z| *z > 0.0).collect()
    };
    // What was really added and subtracted, after rounding.
    let width = (value + h) - (value - h);
    (on(&above) == on(&below)).then(|| (above.loss - below.loss) / width)
}

/// At most `most` different indices below `len`, in increasing order: all of them if there are few
/// enough, otherwise a sample without replacement that depends on `seed` alone.
pub fn sample_entries(len: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut random = Random::new(seed);
    let mut left = most.min(len);
    // Selection sampling: index i is taken with probability (still wanted)/(still to come).
    (0..len)
        .filter(|i| {
            let take = random.uniform() * ((len - i) as f64) < left as f64;
            left -= usize::from(take);
            take
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::sample_entries;

    #[test]
    fn a_sample_has_its_size_and_a_small_set_is_taken_whole() {
        assert_eq!(sample_entries(5, 9, 1), [0, 1, 2, 3, 4]);
        assert!(sample_entries(0, 9, 1).is_empty());
        let sample = sample_entries(1000, 40, 1);
        assert_eq!(sample.len(), 40);
        assert!(sample.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(sample, sample_entries(1000, 40, 1));
        assert_ne!(sample, sample_entries(1000, 40, 2));
    }
}
