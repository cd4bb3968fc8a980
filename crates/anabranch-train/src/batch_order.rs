//! The order in which a run sees its rows.

use std::fmt::Debug;

use anabranch_data::Batches;

/// Which rows make up each batch of each epoch.
///
/// The order of an epoch must be a function of its number: a resumed run asks for an epoch again.
/// By default a [`Trainer`](crate::Trainer) uses [`Batches`], shuffled mini-batches.
pub trait BatchOrder: Debug + Send + Sync {
    /// Prepares the batches of an epoch, counted from 0.
    fn start_epoch(&mut self, epoch: u64);

    /// Batches of the epoch; the same number in every epoch, at least 1.
    fn n_batches(&self) -> usize;

    /// Rows of the largest batch of any epoch.
    fn max_rows(&self) -> usize;

    /// The rows of a batch of the epoch, as indices into the data set.
    fn batch(&self, batch: usize) -> &[usize];
}

impl BatchOrder for Batches {
    fn start_epoch(&mut self, epoch: u64) {
        Batches::start_epoch(self, epoch);
    }

    fn n_batches(&self) -> usize {
        Batches::n_batches(self)
    }

    fn max_rows(&self) -> usize {
        Batches::max_rows(self)
    }

    fn batch(&self, batch: usize) -> &[usize] {
        Batches::batch(self, batch)
    }
}
