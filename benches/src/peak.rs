//! P: the most multiply-adds that the machine can do.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anabranch_tensor::gemm::fma_peak_loop;
use anabranch_tensor::{Executor, Scalar};

use crate::timing::median;

/// Iterations of a loop: about a millisecond, so that waking a second thread is a small part of it.
const ITERATIONS: usize = 500_000;
/// Loops in a sample, the best of which counts: nothing is faster than the machine.
const LOOPS: usize = 3;

/// The rate of independent multiply-adds in registers, on as many threads as the work it is
/// compared with.
///
/// Sampled between other measurements, because clock rates change. The median of the samples
/// counts, as for the work: the clock rate of the single fastest moment is not the one at which the
/// work ran.
#[derive(Debug, Default)]
pub(crate) struct Peak {
    /// Gflop/s.
    samples: Vec<f64>,
}

impl Peak {
    /// Takes a sample on every thread of `exec` at once.
    pub(crate) fn sample<T: Scalar>(&mut self, exec: &Executor) {
        // A vector holds half as many f64.
        let share = size_of::<f32>() as f64 / size_of::<T>() as f64;
        let mut sample = 0.0f64;
        for _ in 0..LOOPS {
            let flops = AtomicUsize::new(0);
            let start = Instant::now();
            exec.run(exec.threads(), |_| {
                let (of_loop, _) = black_box(fma_peak_loop(black_box(ITERATIONS)));
                flops.fetch_add(of_loop, Ordering::Relaxed);
            });
            let seconds = start.elapsed().as_secs_f64();
            sample = sample.max(share * flops.into_inner() as f64 / seconds / 1e9);
        }
        self.samples.push(sample);
    }

    /// Gflop/s.
    pub(crate) fn gflops(&self) -> f64 {
        median(&self.samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_samples_counts() {
        let exec = Executor::serial();
        let mut peak = Peak::default();
        (0..3).for_each(|_| peak.sample::<f32>(&exec));
        let (least, most) = peak
            .samples
            .iter()
            .fold((f64::INFINITY, 0.0f64), |(least, most), s| (least.min(*s), most.max(*s)));
        assert!(least > 0.0 && most.is_finite());
        assert!((least..=most).contains(&peak.gflops()));
    }
}
