//! Arrays that the chunks of a loop share.

/// An array that [`Executor::for_each_chunk`](super::Executor::for_each_chunk) hands out in pieces.
#[derive(Debug)]
pub enum Part<'a, T> {
    /// An array with this many elements per row.
    Rows(&'a mut [T], usize),
    /// An array with this many elements per chunk, such as partial sums.
    Chunks(&'a mut [T], usize),
}

/// What [`Executor::for_each_chunk`](super::Executor::for_each_chunk) hands out in pieces: an array
/// of [`Part`]s, or two such arrays with different number types.
pub trait Parts: sealed::Cut {}

impl<T: Send, const N: usize> Parts for [Part<'_, T>; N] {}
impl<P: Parts, Q: Parts> Parts for (P, Q) {}

/// A uniquely borrowed array, split into a piece per chunk.
#[derive(Debug)]
pub struct Pieces<T> {
    start: *mut T,
    len: usize,
    per_chunk: usize,
}

// SAFETY: threads only take disjoint pieces, as if each were sent to its thread.
unsafe impl<T: Send> Sync for Pieces<T> {}

mod sealed {
    use super::{Part, Pieces};

    /// How parts are split, for the executor alone.
    pub trait Cut {
        /// The split parts.
        type Pieces: Sync;
        /// What one chunk gets.
        type Slices;

        /// Splits the parts; a chunk has at most `n_rows` rows.
        ///
        /// # Panics
        /// If an array's length does not match the rows or chunks.
        fn cut(self, n_rows: usize, n_chunks: usize, rows_per_chunk: usize) -> Self::Pieces;

        /// The pieces of a chunk; the last chunk's may be shorter.
        ///
        /// # Safety
        /// Nobody else has or takes this chunk's pieces.
        unsafe fn of_chunk(pieces: &Self::Pieces, chunk: usize) -> Self::Slices;
    }

    impl<'a, T: Send, const N: usize> Cut for [Part<'a, T>; N] {
        type Pieces = [Pieces<T>; N];
        type Slices = [&'a mut [T]; N];

        #[inline(always)]
        fn cut(self, n_rows: usize, n_chunks: usize, rows_per_chunk: usize) -> Self::Pieces {
            self.map(|part| {
                let (array, count, width, rows) = match part {
                    Part::Rows(array, width) => (array, n_rows, width, rows_per_chunk),
                    Part::Chunks(array, width) => (array, n_chunks, width, 1),
                };
                let len = array.len();
                // The product must not wrap around: pieces would overlap.
                let fits = count.checked_mul(width) == Some(len);
                assert!(fits, "for_each_chunk: {len} elements instead of {count} times {width}");
                // A chunk has no more rows than there are, so this is at most `len`.
                Pieces { start: array.as_mut_ptr(), len, per_chunk: rows * width }
            })
        }

        #[inline(always)]
        unsafe fn of_chunk(pieces: &Self::Pieces, chunk: usize) -> Self::Slices {
            pieces.each_ref().map(|Pieces { start, len, per_chunk }| {
                let first = (chunk * per_chunk).min(*len);
                let len = *per_chunk.min(&(len - first));
                // SAFETY: first + len is at most the length of the array, which is borrowed for 'a;
                // pieces of different chunks do not overlap.
                unsafe { std::slice::from_raw_parts_mut(start.add(first), len) }
            })
        }
    }

    impl<P: Cut, Q: Cut> Cut for (P, Q) {
        type Pieces = (P::Pieces, Q::Pieces);
        type Slices = (P::Slices, Q::Slices);

        #[inline(always)]
        fn cut(self, n_rows: usize, n_chunks: usize, rows_per_chunk: usize) -> Self::Pieces {
            let (p, q) = self;
            (p.cut(n_rows, n_chunks, rows_per_chunk), q.cut(n_rows, n_chunks, rows_per_chunk))
        }

        #[inline(always)]
        unsafe fn of_chunk((p, q): &Self::Pieces, chunk: usize) -> Self::Slices {
            // SAFETY: promised by the caller.
            unsafe { (P::of_chunk(p, chunk), Q::of_chunk(q, chunk)) }
        }
    }
}
