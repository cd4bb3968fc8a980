//! P: the multiply-adds that the machine can do at most.

use std::hint::black_box;
use std::time::Instant;

use anabranch_tensor::{Executor, Scalar, fma_peak_flops, fma_peak_loop};

/// Iterations of a sample: about a millisecond.
const ITERATIONS: usize = 100_000;

/// The rate of independent multiply-adds in registers, on as many threads as the work beside it.
///
/// Sampled between other measurements, because clocks change; the best sample counts, because nothing can be faster
/// than the machine.
#[derive(Debug, Default)]
pub(crate) struct Peak {
    best: f64,
}

impl Peak {
    /// Takes a sample on every thread of `exec` at once.
    pub(crate) fn sample<T: Scalar>(&mut self, exec: &Executor) {
        let start = Instant::now();
        exec.run(exec.threads(), |_| {
            black_box(fma_peak_loop::<T>(black_box(ITERATIONS)));
        });
        let flops = (exec.threads() * ITERATIONS * fma_peak_flops::<T>()) as f64;
        self.best = self.best.max(flops / start.elapsed().as_secs_f64() / 1e9);
    }

    /// Gflop/s.
    pub(crate) fn gflops(&self) -> f64 {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_rate_and_the_best_one_is_kept() {
        let exec = Executor::serial();
        let mut peak = Peak::default();
        peak.sample::<f32>(&exec);
        let first = peak.gflops();
        assert!(first.is_finite() && first > 0.0);
        peak.sample::<f32>(&exec);
        assert!(peak.gflops() >= first);
    }
}
