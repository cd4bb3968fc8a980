//! What is checked: one step of a run, in f64.

use anabranch_graph::{River, RowWeights};
use anabranch_layers::Target;
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{ArrayView2, Scalar};
use ndarray::Array2;

use crate::reference::{OwnedTarget, cast, cast_weights};

/// Standard deviation of what [`Instance::perturbed`] adds, relative to the size of an array's
/// entries.
const RELATIVE_DEVIATION: f64 = 0.3;
/// The same for arrays of small entries, since biases start at 0.
const DEVIATION: f64 = 0.1;

/// One training step of a river: parameters, batch, and the seed and step of its dropout masks.
#[derive(Clone, Debug)]
pub struct Instance {
    pub(crate) river: River,
    pub(crate) params: Vec<f64>,
    pub(crate) x: Array2<f64>,
    pub(crate) targets: Vec<OwnedTarget>,
    pub(crate) row_weights: Vec<RowWeights<f64>>,
    pub(crate) seed: u64,
    pub(crate) step: u64,
}

impl Instance {
    /// The step of a run with numbers of type `T`, which f64 represents exactly: the flat `params`,
    /// the batch `x` `[rows, inputs]` with a target for each head, and the `seed` and `step` of
    /// [`Masks::Drawn`](anabranch_graph::Masks).
    ///
    /// Whether these fit the river is checked only when the instance is.
    pub fn new<T: Scalar>(
        river: &River,
        params: &[T],
        x: ArrayView2<'_, T>,
        targets: &[Target<'_, T>],
        (seed, step): (u64, u64),
    ) -> Self {
        Self {
            river: river.clone(),
            params: params.iter().map(|value| value.to_f64()).collect(),
            x: cast(x),
            targets: targets.iter().map(OwnedTarget::new).collect(),
            row_weights: Vec::new(),
            seed,
            step,
        }
    }

    /// The same step with the weights that rows have in the loss of each head, as in a
    /// [`Batch`](anabranch_graph::Batch).
    #[must_use]
    pub fn with_row_weights<T: Scalar>(self, row_weights: &[RowWeights<T>]) -> Self {
        Self { row_weights: row_weights.iter().map(cast_weights).collect(), ..self }
    }

    /// The same step at nearby parameters, drawn from `seed`.
    ///
    /// A run starts with γ = 1, β = 0 and biases 0, where a backward pass that forgets them is
    /// right; elsewhere it is not.
    #[must_use]
    pub fn perturbed(&self, seed: u64) -> Self {
        let mut moved = self.clone();
        let mut random = Random::new(seed, Purpose::Sample, 0);
        let mut rest = moved.params.as_mut_slice();
        for array in crate::reference::Network::new(&self.river).params {
            let len = (array.rows * array.cols).min(rest.len());
            let (values, behind) = rest.split_at_mut(len);
            rest = behind;
            let size = (values.iter().map(|v| v * v).sum::<f64>() / len.max(1) as f64).sqrt();
            let deviation = f64::max(RELATIVE_DEVIATION * size, DEVIATION);
            values.iter_mut().for_each(|value| *value += deviation * random.normal());
        }
        moved
    }

    /// Rows of the batch.
    pub fn rows(&self) -> usize {
        self.x.nrows()
    }

    /// The network.
    pub fn river(&self) -> &River {
        &self.river
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The flat parameters.
    pub fn params(&self) -> &[f64] {
        &self.params
    }
}
