//! Which columns the predictions rest on.

use anabranch_tensor::Executor;
use anabranch_tensor::parallel::Part;
use anabranch_tensor::random::{Purpose, Random};

use crate::run::Run;
use crate::sample::{draw, encoded, places};
use crate::target::{Target, Truth};

/// How often a column is permuted.
const REPEATS: usize = 5;

/// Rows that networks predict for all columns and repetitions together, at most: a second of work.
const MOST_PREDICTIONS: usize = 400_000;

/// Rows that errors are measured on, at least if there are so many, and at most.
const LEAST_ROWS: usize = 100;
const MOST_ROWS: usize = 2_000;

/// What an input column is worth for a column that is predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// The input column.
    pub column: String,
    /// The column that is predicted.
    pub target: String,
    /// By how much the [error](Target::error_name) grows where the column's cells are permuted: the
    /// mean of several permutations. It can be below 0 by chance.
    pub mean: f64,
    /// Their sample standard deviation.
    pub deviation: f64,
}

/// The permutation importance of each input column for each column that is predicted, in this
/// order: on the rows that judge the model, or a sample of them where there are many. The same for
/// any number of threads.
///
/// L. Breiman, *Random Forests*, Machine Learning 45 (2001), section 10; A. Fisher et al., 2019,
/// [arXiv:1801.01489](https://arxiv.org/abs/1801.01489).
pub(crate) fn importance(run: &Run<'_>, targets: &[Target], exec: &Executor) -> Vec<Importance> {
    let (model, dataset) = (run.model, &run.prepared.dataset);
    let columns = model.encoder().input_columns();
    let places = places(model.encoder());
    let per_row = columns.len() * REPEATS * model.members().len();
    let most = (MOST_PREDICTIONS / per_row.max(1)).clamp(LEAST_ROWS, MOST_ROWS);
    let rows = draw(run.judged().1, most, run.seed);
    let width = dataset.n_inputs;
    let x = encoded(&dataset.x, width, &rows);
    let truths: Vec<Vec<(usize, Truth)>> =
        targets.iter().map(|target| target.truths(dataset, &rows)).collect();
    let errors = |x: &[f32]| -> Vec<f64> {
        let predictions = model.predict_encoded(x);
        let targets = targets.iter().zip(&truths);
        targets.map(|(target, truths)| target.error(truths, &predictions)).collect()
    };
    let plain = errors(&x);
    let of_column = |column: usize| -> Vec<[f64; 2]> {
        let place = places[column].clone();
        let mut permuted = x.clone();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let repeats: Vec<Vec<f64>> = (0..REPEATS)
            .map(|repeat| {
                let index = (column * REPEATS + repeat + 1) as u64;
                Random::new(run.seed, Purpose::Sample, index).shuffle(&mut order);
                for (row, from) in permuted.chunks_exact_mut(width).zip(&order) {
                    let from = &x[from * width..][..width];
                    row[place.clone()].copy_from_slice(&from[place.clone()]);
                }
                errors(&permuted)
            })
            .collect();
        let targets = plain.iter().enumerate();
        targets
            .map(|(target, plain)| {
                mean_and_deviation(repeats.iter().map(|errors| errors[target] - plain))
            })
            .collect()
    };
    let mut found: Vec<Vec<[f64; 2]>> = vec![Vec::new(); columns.len()];
    exec.for_each_large_chunk(columns.len(), 1, [Part::Chunks(&mut found, 1)], |range, [slots]| {
        for (column, slot) in range.zip(slots) {
            *slot = of_column(column);
        }
    });
    let named = columns.iter().zip(found).flat_map(|(column, found)| {
        found.into_iter().zip(targets).map(|([mean, deviation], target)| Importance {
            column: column.name.clone(),
            target: target.name.clone(),
            mean,
            deviation,
        })
    });
    named.collect()
}

/// The importance of all input columns for a column that is predicted, the greatest first.
pub fn top<'i>(importance: &'i [Importance], target: &Target) -> Vec<&'i Importance> {
    let mut found: Vec<&Importance> =
        importance.iter().filter(|importance| importance.target == target.name).collect();
    found.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    found
}

/// Mean and sample standard deviation.
fn mean_and_deviation(values: impl Iterator<Item = f64> + Clone) -> [f64; 2] {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let squares = values.map(|value| (value - mean) * (value - mean)).sum::<f64>();
    [mean, (squares / (n - 1.0)).sqrt()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_a_sample() {
        assert_eq!(mean_and_deviation([1.0, 3.0, 5.0].into_iter()), [3.0, 2.0]);
    }
}
