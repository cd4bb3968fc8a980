//! Random batches and parameters for any river.

use anabranch_graph::{Fusion, River};
use anabranch_layers::{Target, TargetKind};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{ArrayView2, Executor, Scalar, matrix};
use ndarray::Array2;

use super::super::instance::Instance;
use super::super::production::{Path, Production};
use crate::reference::{OwnedTarget, cast};

/// A batch and parameters away from every default.
pub(super) struct Data<T> {
    pub(super) river: River,
    pub(super) rows: usize,
    pub(super) params: Vec<T>,
    pub(super) x: Vec<T>,
    pub(super) targets: Vec<OwnedTarget<T>>,
}

impl<T: Scalar> Data<T> {
    pub(super) fn new(river: &River, rows: usize, seed: u64) -> Self {
        let mut random = Random::new(seed, Purpose::Sample, 0);
        let mut normals = |n: usize, mean: f64, scale: f64| -> Vec<T> {
            (0..n).map(|_| T::from_f64(mean + scale * random.normal())).collect()
        };
        let graph = river.build::<T>(Fusion::Fused).unwrap();
        let mut params = Vec::new();
        for array in graph.params() {
            let (mean, scale) = if array.name.ends_with("bn.weight") || array.name == "bn1b.weight"
            {
                (1.2, 0.3)
            } else {
                (0.1, 0.5)
            };
            params.extend(normals(array.range.len(), mean, scale));
        }
        let x = normals(rows * river.inputs, 0.0, 1.0);
        let mut targets = Vec::new();
        for head in graph.heads() {
            let outputs = head.outputs();
            let draws = normals(rows * outputs, 0.0, 1.0);
            let of_rows = |values| Array2::from_shape_vec((rows, outputs), values).unwrap();
            targets.push(match head.loss().target_kind() {
                TargetKind::Values => OwnedTarget::Values(of_rows(draws)),
                TargetKind::Classes => {
                    let class = |z: &T| (z.to_f64().abs() * 1e3) as u32 % outputs as u32;
                    OwnedTarget::Classes(draws[..rows].iter().map(class).collect())
                }
                TargetKind::Binary => {
                    let share = |z: &T| T::from_f64(z.to_f64().abs().min(1.0));
                    OwnedTarget::Values(of_rows(draws.iter().map(share).collect()))
                }
            });
        }
        Self { river: river.clone(), rows, params, x, targets }
    }

    /// Makes probabilities of the classes of head number `head`.
    pub(super) fn soften_labels(&mut self, head: usize) {
        let graph = self.river.build::<T>(Fusion::Fused).unwrap();
        let outputs = graph.heads()[head].outputs();
        let labels = Array2::from_shape_fn((self.rows, outputs), |(i, k)| (1 + (i + k) % 3) as f64);
        let sums = labels.sum_axis(ndarray::Axis(1)).insert_axis(ndarray::Axis(1));
        self.targets[head] = OwnedTarget::Probabilities(cast((labels / sums).view()));
    }

    pub(super) fn x(&self) -> ArrayView2<'_, T> {
        matrix(&self.x, self.rows, self.river.inputs)
    }

    pub(super) fn targets(&self) -> Vec<Target<'_, T>> {
        self.targets.iter().map(OwnedTarget::view).collect()
    }

    pub(super) fn instance(&self) -> Instance {
        Instance::new(&self.river, &self.params, self.x(), &self.targets(), (7, 11))
    }

    /// What a run in `T` would hold after its backward pass.
    pub(super) fn gradient(&self) -> Vec<T> {
        let path = Path { exec: &Executor::serial(), fusion: Fusion::Fused, rows_per_shard: None };
        let gradient = Production::<T>::new(&self.instance(), path).unwrap().gradient();
        gradient.into_iter().map(T::from_f64).collect()
    }
}
