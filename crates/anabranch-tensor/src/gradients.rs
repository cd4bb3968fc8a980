//! The gradient of a loss with respect to all parameters, as one array or as several to be summed.

use std::ops::Range;

use crate::buffer::{Buffer, CACHE_LINE};
use crate::parallel::{Executor, Part, even_chunk_len};
use crate::scalar::Scalar;

/// Most elements that one task sums.
const CHUNK_LEN: usize = 1024;

/// The derivative of a loss with respect to each parameter of a network.
///
/// A backward pass that splits its batch into shards of rows writes one array, a *part*, per shard;
/// the gradient is the sum of the parts in order. Code that walks the parameters anyway, such as an
/// optimizer, adds the parts on the way; other code asks for the [`whole`](Self::whole).
///
/// ```
/// use anabranch_tensor::{Executor, Gradients};
///
/// let mut gradients = Gradients::from(&[1.0_f32, -2.0][..]);
/// assert_eq!(gradients.whole(&Executor::serial()), [1.0, -2.0]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gradients<T> {
    /// One part after another, each starting at a cache line.
    values: Buffer<T>,
    /// Number of parameters.
    len: usize,
    n_parts: usize,
}

impl<T: Scalar> Gradients<T> {
    /// The zero gradient for `len` parameters.
    pub fn zeros(len: usize) -> Self {
        let mut gradients = Self { values: Buffer::zeros(0), len, n_parts: 1 };
        gradients.reserve(1);
        gradients
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of parts whose sum is the gradient.
    pub fn n_parts(&self) -> usize {
        self.n_parts
    }

    /// Makes room for `n_parts` parts, so that a later [`cut`](Self::cut) into as many does not
    /// allocate. The values are lost if there was less room.
    pub fn reserve(&mut self, n_parts: usize) {
        if self.values.len() < n_parts * self.stride() {
            self.values = Buffer::zeros(n_parts * self.stride());
        }
    }

    /// Splits the gradient into `n_parts` parts, all of which the caller must then fill through
    /// [`part`](Self::part).
    pub fn cut(&mut self, n_parts: usize) {
        self.reserve(n_parts);
        self.n_parts = n_parts;
    }

    /// One part for each task of an executor's loop. A task's slice may be longer than the number
    /// of parameters.
    pub fn part(&mut self) -> Part<'_, T> {
        let stride = self.stride();
        Part::Chunks(&mut self.values[..self.n_parts * stride], stride)
    }

    /// The whole gradient: adds up the parts in order, unless there is only one.
    pub fn whole(&mut self, exec: &Executor) -> &mut [T] {
        let (len, stride, n_parts) = (self.len, self.stride(), self.n_parts);
        self.cut(1.max(n_parts));
        let (first, rest) = self.values[..self.n_parts * stride].split_at_mut(stride);
        let (first, rest) = (&mut first[..len], &*rest);
        match n_parts {
            0 => first.fill(T::ZERO),
            1 => {}
            _ => exec.for_each_large_chunk(
                len,
                even_chunk_len(len, CHUNK_LEN),
                [Part::Rows(first, 1)],
                #[inline(always)]
                |range, [sums]| {
                    for part in rest.chunks_exact(stride) {
                        add(&part[range.clone()], sums);
                    }
                },
            ),
        }
        self.n_parts = 1;
        &mut self.values[..len]
    }

    /// A read-only view of the gradient, as it is.
    pub fn view(&self) -> GradientView<'_, T> {
        let stride = self.stride();
        GradientView { values: &self.values[..self.n_parts * stride], len: self.len, stride }
    }

    /// Elements from one part to the next.
    fn stride(&self) -> usize {
        self.len.max(1).next_multiple_of(CACHE_LINE / size_of::<T>())
    }
}

impl<T: Scalar> From<&[T]> for Gradients<T> {
    fn from(values: &[T]) -> Self {
        let mut gradients = Self::zeros(values.len());
        gradients.values[..values.len()].copy_from_slice(values);
        gradients
    }
}

/// A read-only gradient: [`Gradients`], or a slice with one element per parameter.
#[derive(Clone, Copy, Debug)]
pub struct GradientView<'a, T> {
    values: &'a [T],
    len: usize,
    /// Elements from one part to the next; at least 1.
    stride: usize,
}

impl<'a, T: Scalar> GradientView<'a, T> {
    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of parts whose sum is the gradient.
    pub fn n_parts(&self) -> usize {
        self.values.len() / self.stride
    }

    /// The parts, in the order in which they are summed.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = &'a [T]> + use<'a, T> {
        let len = self.len;
        self.values.chunks_exact(self.stride).map(move |part| &part[..len])
    }

    /// The elements `range` of the gradient: a slice of the only part, or sums that are written to
    /// `room`.
    ///
    /// # Panics
    /// If the range ends past the last parameter, or there are several parts and the range is
    /// longer than `N`.
    #[inline(always)]
    pub fn range<'r, const N: usize>(
        &self,
        range: Range<usize>,
        room: &'r mut Option<[T; N]>,
    ) -> &'r [T]
    where
        'a: 'r,
    {
        let mut parts = self.values.chunks_exact(self.stride);
        let first = parts.next();
        if let (Some(only), 0) = (first, parts.len()) {
            return &only[..self.len][range];
        }
        let sums = &mut room.insert([T::ZERO; N])[..range.len()];
        if let Some(first) = first {
            sums.copy_from_slice(&first[..self.len][range.clone()]);
        }
        for part in parts {
            add(&part[range.clone()], sums);
        }
        sums
    }
}

#[inline(always)]
fn add<T: Scalar>(values: &[T], sums: &mut [T]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += *value;
    }
}

impl<'a, T> From<&'a [T]> for GradientView<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Self { values, len: values.len(), stride: values.len().max(1) }
    }
}

impl<'a, T> From<&'a Vec<T>> for GradientView<'a, T> {
    fn from(values: &'a Vec<T>) -> Self {
        values.as_slice().into()
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for GradientView<'a, T> {
    fn from(values: &'a [T; N]) -> Self {
        values.as_slice().into()
    }
}

impl<'a, T: Scalar> From<&'a Gradients<T>> for GradientView<'a, T> {
    fn from(gradients: &'a Gradients<T>) -> Self {
        gradients.view()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Part `i` is aⱼ = (i + 1)·j: whole numbers, which add without rounding.
    fn cut_gradients(len: usize, n_parts: usize) -> Gradients<f64> {
        let mut gradients = Gradients::zeros(len);
        gradients.cut(n_parts);
        Executor::serial().for_each_chunk(n_parts, 1, [gradients.part()], |rows, [part]| {
            for (j, value) in part[..len].iter_mut().enumerate() {
                *value = ((rows.start + 1) * j) as f64;
            }
        });
        gradients
    }

    #[test]
    fn the_whole_and_each_range_are_the_sum_of_the_parts() {
        for len in [0, 1, 7, 8, 5_000] {
            for n_parts in 0..4 {
                let mut gradients = cut_gradients(len, n_parts);
                // 1 + 2 + … + n.
                let factor = n_parts * (n_parts + 1) / 2;
                let expected: Vec<f64> = (0..len).map(|j| (factor * j) as f64).collect();
                assert_eq!(gradients.view().n_parts(), n_parts);
                let (range, mut room) = (len / 3..len, None::<[f64; 5_000]>);
                assert_eq!(gradients.view().range(range.clone(), &mut room), &expected[range]);
                let exec = Executor::new(2).unwrap();
                assert_eq!(gradients.whole(&exec), expected);
                assert_eq!(gradients.n_parts(), 1);
                assert_eq!(gradients.view().parts().next().unwrap(), expected);
            }
        }
    }

    #[test]
    fn a_slice_is_a_gradient_of_one_part_and_an_empty_one_has_no_elements() {
        let view = GradientView::from(&[1.0f32, 2.0, 3.0]);
        assert_eq!((view.len(), view.n_parts()), (3, 1));
        assert_eq!(view.range(1..3, &mut None::<[f32; 0]>), [2.0, 3.0]);
        let view = GradientView::<f32>::from(&[]);
        assert!(view.is_empty());
        assert!(view.range(0..0, &mut None::<[f32; 0]>).is_empty());
    }
}
