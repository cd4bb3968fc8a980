//! Derivatives by dual numbers: add ε to one entry, run forward, read its coefficient.

use ndarray::Array2;
use num_dual::Dual64;

use super::forward::{Batch, Pass};
use super::network::Network;

/// A network, its parameters and a batch as dual numbers, ready for derivatives one after the
/// other.
pub(crate) struct Duals<'a> {
    network: &'a Network,
    batch: &'a Batch,
    params: Vec<Array2<Dual64>>,
    at_rest: Pass<Dual64>,
}

impl<'a> Duals<'a> {
    pub(crate) fn new(network: &'a Network, params: &[Array2<f64>], batch: &'a Batch) -> Self {
        let params: Vec<_> =
            params.iter().map(|array| array.map(|v| Dual64::from_re(*v))).collect();
        let at_rest = network.train(&params, batch);
        Self { network, batch, params, at_rest }
    }

    /// The derivative of L along `direction`, which gives (entry, size) of array number `param`.
    pub(crate) fn along(
        &mut self,
        param: usize,
        direction: impl Iterator<Item = (usize, f64)>,
    ) -> f64 {
        let array = self.params[param].as_slice_mut().expect("made row by row");
        direction.for_each(|(entry, size)| array[entry].eps = size);
        let reader = self.network.reader(param);
        let pass = self.network.train_again(reader, &self.params, self.batch, &self.at_rest);
        self.params[param].iter_mut().for_each(|v| v.eps = 0.0);
        pass.loss().eps
    }
}
