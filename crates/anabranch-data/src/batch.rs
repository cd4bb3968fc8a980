//! Which rows make a batch.

use anabranch_tensor::random::{Purpose, Random};

use crate::error::DataError;

/// Shuffled mini-batches of training rows.
///
/// The order of an epoch depends on (rows, seed, epoch) alone, so that a run can begin at any
/// epoch. All batches have the batch size but the last, which has what is left; a last batch of one
/// row, whose variance BatchNorm cannot take, joins the one before it. Allocates nothing after
/// [`Batches::new`].
#[derive(Clone, Debug)]
pub struct Batches {
    rows: Vec<usize>,
    order: Vec<usize>,
    batch_size: usize,
    seed: u64,
}

impl Batches {
    /// Batches of `rows`, in the order of epoch 0.
    ///
    /// # Errors
    /// [`DataError::BatchTooSmall`] for a batch size below 2; [`DataError::TooFewTrainingRows`] for
    /// fewer than 2 rows.
    pub fn new(rows: Vec<usize>, batch_size: usize, seed: u64) -> Result<Self, DataError> {
        if batch_size < 2 {
            return Err(DataError::BatchTooSmall { batch_size });
        }
        if rows.len() < 2 {
            return Err(DataError::TooFewTrainingRows { rows: rows.len() });
        }
        let order = rows.clone();
        let mut batches = Self { rows, order, batch_size, seed };
        batches.start_epoch(0);
        Ok(batches)
    }

    /// Draws the order of an epoch.
    pub fn start_epoch(&mut self, epoch: u64) {
        self.order.copy_from_slice(&self.rows);
        Random::new(self.seed, Purpose::Shuffle, epoch).shuffle(&mut self.order);
    }

    /// Number of batches in an epoch, at least 1.
    pub fn n_batches(&self) -> usize {
        let (full, left) = (self.order.len() / self.batch_size, self.order.len() % self.batch_size);
        if left > 1 { full + 1 } else { full }
    }

    /// Rows of the largest batch: what buffers have to hold.
    pub fn max_rows(&self) -> usize {
        match self.order.len() % self.batch_size {
            1 => self.batch_size + 1,
            _ => self.batch_size.min(self.order.len()),
        }
    }

    /// The rows of batch number `batch` of the epoch.
    ///
    /// # Panics
    /// If there are not so many batches.
    pub fn batch(&self, batch: usize) -> &[usize] {
        assert!(batch < self.n_batches(), "batch {batch} of {}", self.n_batches());
        let start = batch * self.batch_size;
        let last = batch + 1 == self.n_batches();
        &self.order[start..if last { self.order.len() } else { start + self.batch_size }]
    }

    /// The batches of the epoch in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[usize]> {
        (0..self.n_batches()).map(|batch| self.batch(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(n_rows: usize, batch_size: usize) -> Vec<usize> {
        let batches = Batches::new((0..n_rows).collect(), batch_size, 0).unwrap();
        let sizes: Vec<usize> = batches.iter().map(<[usize]>::len).collect();
        assert_eq!(sizes.iter().max(), Some(&batches.max_rows()), "{n_rows} by {batch_size}");
        sizes
    }

    #[test]
    fn a_last_batch_of_one_row_joins_the_one_before() {
        assert_eq!(sizes(10, 4), [4, 4, 2]);
        assert_eq!(sizes(9, 4), [4, 5]);
        assert_eq!(sizes(8, 4), [4, 4]);
        assert_eq!(sizes(5, 4), [5]);
        assert_eq!(sizes(3, 2), [3]);
        assert_eq!(sizes(2, 100), [2]);
        for n_rows in 2..40 {
            for batch_size in 2..20 {
                let sizes = sizes(n_rows, batch_size);
                assert_eq!(sizes.iter().sum::<usize>(), n_rows);
                assert!(sizes.iter().all(|n| *n >= 2), "{n_rows} by {batch_size}");
            }
        }
    }

    #[test]
    fn an_epoch_is_a_permutation_addressed_by_its_number() {
        let rows: Vec<usize> = (0..20).map(|row| 3 * row).collect();
        let order = |batches: &Batches| batches.iter().flatten().copied().collect::<Vec<_>>();
        let mut one = Batches::new(rows.clone(), 7, 5).unwrap();
        let mut other = one.clone();
        let first = order(&one);
        for epoch in 1..4 {
            one.start_epoch(epoch);
        }
        // The other run resumes at epoch 3.
        other.start_epoch(3);
        assert_eq!(order(&one), order(&other));
        assert_ne!(order(&one), first);
        let mut sorted = order(&one);
        sorted.sort_unstable();
        assert_eq!(sorted, rows);
        assert_ne!(order(&Batches::new(rows, 7, 6).unwrap()), first);
    }

    #[test]
    fn refuses_batches_that_cannot_be_normalised() {
        let message = |rows, size| Batches::new(rows, size, 0).unwrap_err().to_string();
        assert_eq!(
            message(vec![0, 1, 2], 1),
            "a batch of one row cannot be normalised (BatchNorm): use a batch size of at least 2, not 1"
        );
        assert_eq!(
            message(vec![4], 8),
            "training rows: 1: at least 2 are needed to form a batch: add rows"
        );
    }
}
