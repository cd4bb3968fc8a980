//! Clipping of gradients by their global norm.

use anabranch_tensor::parallel::Part;
use anabranch_tensor::{Executor, GradientView, Scalar};

use crate::error::OptimError;

/// Independent partial sums, so that additions vectorise and do not wait for each other.
const LANES: usize = 16;

/// Most tasks that gradients are cut into: few enough for their partial sums to fit on the stack.
const MAX_TASKS: usize = 64;

/// Fewest gradients worth a task of their own.
const MIN_CHUNK_LEN: usize = 16 * 1024;

/// Elements added up at a time where a gradient has several parts; a multiple of the lanes.
const ROOM: usize = 64 * LANES;

/// √(Σ gᵢ²) over a whole gradient ([`Gradients`](anabranch_tensor::Gradients) or a slice), summed
/// in f64 in an order that depends on the number of parameters alone.
pub fn global_norm<'g, T: Scalar>(exec: &Executor, grads: impl Into<GradientView<'g, T>>) -> f64 {
    let grads = grads.into();
    let chunk_len = grads.len().div_ceil(MAX_TASKS).max(MIN_CHUNK_LEN);
    let n_chunks = grads.len().div_ceil(chunk_len);
    let mut partials = [0.0; MAX_TASKS];
    let parts = [Part::Chunks(&mut partials[..n_chunks], 1)];
    exec.for_each_chunk(
        grads.len(),
        chunk_len,
        parts,
        #[inline(always)]
        |chunk, [partial]| {
            let mut sums = [0.0; LANES];
            for start in chunk.clone().step_by(ROOM) {
                let range = start..chunk.end.min(start + ROOM);
                add_squares(grads.range(range, &mut None::<[T; ROOM]>), &mut sums);
            }
            partial[0] = sums.iter().sum();
        },
    );
    partials[..n_chunks].iter().sum::<f64>().sqrt()
}

/// Indices, not iterators: of an iterator's parts, the compiler leaves some as calls here.
#[inline(always)]
fn add_squares<T: Scalar>(values: &[T], sums: &mut [f64; LANES]) {
    let (blocks, tail) = values.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            let value = block[lane].to_f64();
            sums[lane] += value * value;
        }
    }
    for lane in 0..tail.len() {
        let value = tail[lane].to_f64();
        sums[lane] += value * value;
    }
}

/// The largest global norm that gradients may have, as in `torch.nn.utils.clip_grad_norm_`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipNorm {
    max_norm: f64,
}

impl ClipNorm {
    /// Scales gradients with a norm larger than `max_norm` down to it.
    ///
    /// # Errors
    /// If `max_norm` is not finite and more than 0.
    pub fn new(max_norm: f64) -> Result<Self, OptimError> {
        let is_valid = max_norm.is_finite() && max_norm > 0.0;
        OptimError::check("the clipping norm", max_norm, "finite and more than 0", is_valid)?;
        Ok(Self { max_norm })
    }

    /// The factor for gradients of the given norm: max_norm / (norm + 1e-6), at most 1.
    ///
    /// Pass it to a step as [`Scales::grads`](crate::Scales::grads). An infinite norm gives 0 and
    /// NaN gives NaN, as in PyTorch; to stop or skip a step, look at the norm.
    pub fn scale(&self, norm: f64) -> f64 {
        let scale = self.max_norm / (norm + 1e-6);
        // Not `min`, which would turn NaN into 1.
        if scale > 1.0 { 1.0 } else { scale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_is_that_of_the_whole_slice_at_any_thread_count() {
        // Σ i² for i < n is (n−1)n(2n−1)/6, whole numbers that f64 adds without rounding.
        for n in [0_u64, 1, 15, 16, 17, 50_000, 200_001] {
            let grads: Vec<f64> = (0..n).map(|i| i as f64).collect();
            let sum = if n == 0 { 0 } else { (n - 1) * n * (2 * n - 1) / 6 };
            assert_eq!(global_norm(&Executor::serial(), &grads), (sum as f64).sqrt(), "{n}");
        }
        let rough: Vec<f32> = (0..100_003).map(|i| ((i * 7919) % 1009) as f32 / 1009.0).collect();
        let alone = global_norm(&Executor::serial(), &rough);
        for threads in [2, 3] {
            let exec = Executor::new(threads).unwrap();
            assert_eq!(global_norm(&exec, &rough).to_bits(), alone.to_bits());
        }
    }

    #[test]
    fn only_large_norms_are_scaled() {
        let clip = ClipNorm::new(2.0).unwrap();
        assert_eq!(clip.scale(0.0), 1.0);
        assert_eq!(clip.scale(1.9), 1.0);
        assert_eq!(clip.scale(4.0), 2.0 / 4.000_001);
        assert_eq!(clip.scale(f64::INFINITY), 0.0);
        assert!(clip.scale(f64::NAN).is_nan());
    }

    #[test]
    fn an_invalid_limit_is_refused() {
        for max_norm in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(ClipNorm::new(max_norm).is_err(), "{max_norm}");
        }
    }
}
