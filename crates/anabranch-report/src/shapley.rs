//! Why a row is predicted as it is: how much each of its columns moved the prediction.

use std::ops::Range;

use anabranch_tensor::Executor;
use anabranch_tensor::parallel::Part;
use anabranch_tensor::random::{Purpose, Random};
use anabranch_train::{Model, Predictions};

use crate::sample::{draw, encoded, places};
use crate::target::{Target, TargetKind};

/// Background rows that a row is compared with, at most.
const BACKGROUND: usize = 16;

/// Input columns up to which values are exact: they take 2ⁿ predictions for each background row.
const EXACT: usize = 10;

/// Sets of columns whose predictions are made at once: few rows at a time cost more.
const SETS_AT_ONCE: usize = 16;

/// Orders of the columns, and as many reversed ones, for each background row where values are
/// sampled.
const ORDERS: usize = 8;

/// Explains the predictions of a model by Shapley values, L. Shapley, 1953; E. Štrumbelj and
/// I. Kononenko, *Knowledge and Information Systems* 41 (2014).
///
/// The value of a set of columns is the mean prediction of the background rows with these cells
/// taken from the row that is explained. A column's Shapley value is what it adds to the value of
/// the columns before it, averaged over all orders of the columns: over all n! of them, where there
/// are at most 10 columns, or else over a seeded sample. Either way the values of all columns and
/// the mean prediction of the background rows add up to the prediction.
#[derive(Debug)]
pub struct Explainer<'a> {
    model: &'a Model,
    targets: Vec<Target>,
    places: Vec<Range<usize>>,
    /// `[rows, width]`.
    background: Vec<f32>,
    seed: u64,
}

/// Why a column is predicted as it is in a row: `base` and all `columns` add up to the prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The mean prediction of the background rows.
    pub base: f64,
    /// What each input column adds, in their order.
    pub columns: Vec<f64>,
}

impl<'a> Explainer<'a> {
    /// Compares with rows that the model's encoder has encoded, `[rows, width]`, or a sample of
    /// them if they are many.
    ///
    /// # Panics
    /// If there is no row.
    pub fn new(model: &'a Model, background: &[f32], seed: u64) -> Self {
        let width = model.encoder().width();
        let rows: Vec<usize> = (0..background.len() / width).collect();
        assert!(!rows.is_empty(), "there is nothing to compare with");
        let background = encoded(background, width, &draw(&rows, BACKGROUND, seed));
        let (targets, places) = (Target::all(model.targets()), places(model.encoder()));
        Self { model, targets, places, background, seed }
    }

    /// The columns that are predicted, in the order of the explanations of a row.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Why each column is predicted as it is in these encoded rows, row by row: a number in its
    /// unit, of a class the probability of the one that is predicted. The same for any number of
    /// threads.
    pub fn explain(&self, x: &[f32], exec: &Executor) -> Vec<Vec<Explanation>> {
        let width = self.model.encoder().width();
        let mut found: Vec<Vec<Explanation>> = vec![Vec::new(); x.len() / width];
        let n_rows = found.len();
        exec.for_each_large_chunk(n_rows, 1, [Part::Chunks(&mut found, 1)], |rows, [slots]| {
            for (row, slot) in rows.zip(slots) {
                *slot = self.explain_row(&x[row * width..][..width]);
            }
        });
        found
    }

    fn explain_row(&self, x: &[f32]) -> Vec<Explanation> {
        let own = self.model.predict_encoded(x);
        let classes: Vec<usize> = self.targets.iter().map(|target| target.class(&own, 0)).collect();
        if self.places.len() <= EXACT { self.exact(x, &classes) } else { self.sampled(x, &classes) }
    }

    fn exact(&self, x: &[f32], classes: &[usize]) -> Vec<Explanation> {
        let n = self.places.len();
        let n_background = self.background.len() / x.len();
        let mut values: Vec<Vec<f64>> = vec![Vec::with_capacity(1 << n); classes.len()];
        let sets: Vec<usize> = (0..1 << n).collect();
        for sets in sets.chunks(SETS_AT_ONCE) {
            let mut rows = self.background.repeat(sets.len());
            for (set, rows) in sets.iter().zip(rows.chunks_exact_mut(self.background.len())) {
                for row in rows.chunks_exact_mut(x.len()) {
                    for column in (0..n).filter(|column| set >> column & 1 == 1) {
                        self.take(column, x, row);
                    }
                }
            }
            let predictions = self.model.predict_encoded(&rows);
            for (target, values) in values.iter_mut().enumerate() {
                let value = |row| self.value(target, classes[target], &predictions, row);
                let mean = |set: usize| {
                    let rows = set * n_background..(set + 1) * n_background;
                    rows.map(value).sum::<f64>() / n_background as f64
                };
                values.extend((0..sets.len()).map(mean));
            }
        }
        let explanations = values.iter().map(|values| {
            let columns = shapley_values(n, values);
            Explanation { base: values[0], columns }
        });
        explanations.collect()
    }

    fn sampled(&self, x: &[f32], classes: &[usize]) -> Vec<Explanation> {
        let n = self.places.len();
        let n_background = self.background.len() / x.len();
        let none = Explanation { base: 0.0, columns: vec![0.0; n] };
        let mut found = vec![none; classes.len()];
        let mut order: Vec<usize> = (0..n).collect();
        let share = 1.0 / (n_background * 2 * ORDERS) as f64;
        for (number, background) in self.background.chunks_exact(x.len()).enumerate() {
            for draw in 0..ORDERS {
                let index = (number * ORDERS + draw + 1) as u64;
                Random::new(self.seed, Purpose::Sample, index).shuffle(&mut order);
                for _ in 0..2 {
                    self.add_order(x, classes, background, &order, share, &mut found);
                    // An order and its reverse err in opposite directions.
                    order.reverse();
                }
            }
        }
        found
    }

    /// Adds what each column adds to those before it in `order`.
    fn add_order(
        &self,
        x: &[f32],
        classes: &[usize],
        background: &[f32],
        order: &[usize],
        share: f64,
        found: &mut [Explanation],
    ) {
        let mut rows = background.to_vec();
        let mut row = background.to_vec();
        for column in order {
            self.take(*column, x, &mut row);
            rows.extend_from_slice(&row);
        }
        let predictions = self.model.predict_encoded(&rows);
        for (target, explanation) in found.iter_mut().enumerate() {
            let value = |row| self.value(target, classes[target], &predictions, row);
            explanation.base += share * value(0);
            for (place, column) in order.iter().enumerate() {
                explanation.columns[*column] += share * (value(place + 1) - value(place));
            }
        }
    }

    /// Takes a column of `x` over into a row.
    fn take(&self, column: usize, x: &[f32], row: &mut [f32]) {
        let place = self.places[column].clone();
        row[place.clone()].copy_from_slice(&x[place]);
    }

    fn value(&self, target: usize, class: usize, predictions: &Predictions, row: usize) -> f64 {
        let target = &self.targets[target];
        match target.kind {
            TargetKind::Number(_) => target.number(predictions, row),
            TargetKind::Class(_) => target.probability(predictions, row, class),
        }
    }
}

/// The Shapley values of `n` players, where `values[set]` is the value of the set of players whose
/// bits are 1:
///
/// ```text
/// φᵢ = Σ over sets S without i of |S|!(n−|S|−1)!/n! · (v(S ∪ {i}) − v(S))
/// ```
///
/// # Panics
/// If there are not 2ⁿ values.
pub fn shapley_values(n: usize, values: &[f64]) -> Vec<f64> {
    assert_eq!(values.len(), 1 << n, "values of the sets of {n} players");
    // 1/n for a set of none, and each next |S|/(n−|S|) of the one before.
    let mut weights = vec![1.0 / n.max(1) as f64];
    for size in 1..n {
        weights.push(weights[size - 1] * size as f64 / (n - size) as f64);
    }
    let of_player = |player: usize| {
        let without = (0..1_usize << n).filter(|set| set >> player & 1 == 0);
        let added = without.map(|set| {
            let weight = weights[set.count_ones() as usize];
            weight * (values[set | 1 << player] - values[set])
        });
        added.sum()
    };
    (0..n).map(of_player).collect()
}
