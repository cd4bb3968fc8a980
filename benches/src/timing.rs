//! Repeated timing: samples that are long enough for the clock, and their median.

use std::time::{Duration, Instant};

/// Long enough for two readings of the clock, about 50 ns, to be a thousandth of it.
const SAMPLE: Duration = Duration::from_micros(50);

/// Times of one piece of work, taken a sample at a time so that different work can take turns.
#[derive(Debug)]
pub(crate) struct Sampler {
    /// Calls in a sample.
    calls: usize,
    /// Microseconds of one call, a mean over each sample.
    micros: Vec<f64>,
}

impl Sampler {
    /// Runs `work` at least once and until `warm_up` is over, and works out how many calls make a
    /// sample.
    pub(crate) fn warm_up(warm_up: Duration, work: &mut impl FnMut()) -> Self {
        let start = Instant::now();
        let mut fastest = f64::INFINITY;
        let mut calls = 1;
        while fastest.is_infinite() || start.elapsed() < warm_up {
            fastest = fastest.min(time_of(calls, work));
            calls = ((SAMPLE.as_secs_f64() * 1e6 / fastest).ceil() as usize).max(1);
        }
        // Room for any run, so that growing disturbs no sample.
        Self { calls, micros: Vec::with_capacity(1 << 16) }
    }

    /// Takes samples for `slice`, at least one; returns their median, in microseconds per call.
    pub(crate) fn sample_for(&mut self, slice: Duration, work: &mut impl FnMut()) -> f64 {
        let start = Instant::now();
        let first = self.micros.len();
        loop {
            self.micros.push(time_of(self.calls, work));
            if start.elapsed() >= slice {
                return median(&self.micros[first..]);
            }
        }
    }

    /// Microseconds of a call: the median of the samples.
    pub(crate) fn median_us(&self) -> f64 {
        median(&self.micros)
    }

    /// Microseconds of a call in the fastest sample, which other programs have disturbed least.
    pub(crate) fn fastest_us(&self) -> f64 {
        self.micros.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// Microseconds of one of `calls` calls.
fn time_of(calls: usize, work: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        work();
    }
    start.elapsed().as_secs_f64() * 1e6 / calls as f64
}

/// The median; the mean of the two middle values if there are two.
///
/// # Panics
/// If there are no values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let (upper, lower) = (values.len() / 2, (values.len() - 1) / 2);
    (values[lower] + values[upper]) / 2.0
}

/// Calls `round` until `seconds` are over, and at least `min_rounds` times.
pub(crate) fn rounds(
    seconds: f64,
    min_rounds: usize,
    mut round: impl FnMut() -> crate::Result<()>,
) -> crate::Result<()> {
    let start = Instant::now();
    let mut n_rounds = 0;
    while n_rounds < min_rounds || start.elapsed().as_secs_f64() < seconds {
        round()?;
        n_rounds += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn short_work_is_called_many_times_in_a_sample_and_rounds_have_a_minimum() {
        let mut n = 0u64;
        let mut work = || n = std::hint::black_box(n + 1);
        let mut sampler = Sampler::warm_up(Duration::from_millis(1), &mut work);
        assert!(sampler.calls > 10, "{sampler:?}");
        sampler.sample_for(Duration::ZERO, &mut work);
        assert_eq!(sampler.micros.len(), 1);
        assert!(sampler.fastest_us() <= sampler.median_us());

        let mut n_rounds = 0;
        let count = || {
            n_rounds += 1;
            Ok(())
        };
        rounds(0.0, 3, count).unwrap();
        assert_eq!(n_rounds, 3);
    }
}
