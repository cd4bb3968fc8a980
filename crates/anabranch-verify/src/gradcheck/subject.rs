//! An instance as the reference sees it: its equations, its values, and the terms of its numbers.

use ndarray::Array2;

use super::instance::Instance;
use crate::reference::{Batch, Network, Pass, Terms, flatten};
use crate::rounding::{UNIT, UNIT_SINGLE};

/// An instance and its reference.
pub(super) struct Subject {
    pub(super) network: Network,
    pub(super) params: Vec<Array2<f64>>,
    pub(super) batch: Batch,
    pub(super) pass: Pass<f64>,
    /// In f64.
    pub(super) terms: Terms,
}

impl Subject {
    /// # Panics
    /// If the production network refuses the instance.
    pub(super) fn new(instance: &Instance) -> Self {
        let network = Network::new(&instance.river);
        let params = network.unflatten(&instance.params);
        let by = (instance.seed, instance.step);
        let mut batch = Batch::new(&network, instance.x.clone(), instance.targets.clone(), by);
        batch.row_weights.clone_from(&instance.row_weights);
        let pass = network.train(&params, &batch);
        let terms = network.terms(&params, &batch, &pass, UNIT);
        Self { network, params, batch, pass, terms }
    }

    /// The terms of f32's gradients.
    pub(super) fn single_terms(&self) -> Vec<f64> {
        let terms = self.network.terms(&self.params, &self.batch, &self.pass, UNIT_SINGLE);
        flatten(&terms.params)
    }
}
