//! How predictions follow a column when all others stay as they are.

use std::collections::HashMap;
use std::ops::Range;

use anabranch_data::{Encoding, InputColumn, MissingColumn, OtherColumn, TargetStatistics};
use anabranch_train::Model;

use crate::run::Run;
use crate::sample::{draw, encoded, places};
use crate::target::{Target, TargetKind};

/// Rows whose predictions are followed.
const ROWS: usize = 40;

/// Values of a column that they are followed along, at most.
const VALUES: usize = 21;
const CATEGORIES: usize = 10;

/// The predictions of some rows along the values of a column: the mean is the partial dependence
/// (J. Friedman, *Annals of Statistics* 29, 2001), the rows are the individual conditional
/// expectations (A. Goldstein et al., 2015, [arXiv:1309.6392](https://arxiv.org/abs/1309.6392)).
#[derive(Clone, Debug, PartialEq)]
pub struct Dependence {
    /// The input column.
    pub column: String,
    /// The column that is predicted.
    pub target: String,
    /// The values of the column.
    pub values: Values,
    /// What is predicted: of numbers one curve, of a class one for each of some labels.
    pub curves: Vec<Curve>,
}

/// Values of a column, in the order of a curve.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers.
    Numbers(Vec<f64>),
    /// Days since 1970.
    Days(Vec<f64>),
    /// Categories, by frequency.
    Names(Vec<String>),
}

/// What is predicted along the values of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The label whose probability it is; none of numbers.
    pub label: Option<String>,
    /// For each value, the mean over the rows.
    pub mean: Vec<f64>,
    /// For each row, its predictions for all values.
    pub rows: Vec<Vec<f64>>,
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) | Self::Days(values) => values.len(),
            Self::Names(names) => names.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How the predictions of `target` follow an input column, by its number; `labels` are the classes
/// that are looked at.
pub(crate) fn dependence(
    run: &Run<'_>,
    target: &Target,
    column: usize,
    labels: &[usize],
) -> Dependence {
    let (model, dataset) = (run.model, &run.prepared.dataset);
    let place = places(model.encoder())[column].clone();
    let input = &model.encoder().input_columns()[column];
    let width = dataset.n_inputs;
    let cells = |rows| cells(&dataset.x, width, &place, rows);
    let blocks = match &input.encoding {
        // Training rows have statistics of their own, which leave out their target.
        Encoding::TargetStatistics { categories, statistics, .. } => {
            known_categories(input, categories.len(), statistics, cells(&dataset.split.test))
        }
        Encoding::NamedNumber { names, .. }
            if matches!(**names, Encoding::TargetStatistics { .. }) =>
        {
            blocks(input, cells(&dataset.split.test))
        }
        _ => blocks(input, cells(&dataset.split.train)),
    };
    let x = encoded(&dataset.x, width, &draw(run.judged().1, ROWS, run.seed));
    let predictions: Vec<_> =
        blocks.iter().map(|block| predict_with(model, &x, &place, block)).collect();
    let n_rows = x.len() / width;
    let curve = |label: Option<usize>| {
        let rows: Vec<Vec<f64>> = (0..n_rows)
            .map(|row| {
                let of_value = predictions.iter().map(|predictions| match label {
                    Some(class) => target.probability(predictions, row, class),
                    None => target.number(predictions, row),
                });
                of_value.collect()
            })
            .collect();
        let mean = |value: usize| rows.iter().map(|row| row[value]).sum::<f64>() / n_rows as f64;
        let mean = (0..blocks.len()).map(mean).collect();
        let name = match &target.kind {
            TargetKind::Class(labels) => label.map(|label| labels[label].clone()),
            TargetKind::Number(_) => None,
        };
        Curve { label: name, mean, rows }
    };
    let curves = match target.kind {
        TargetKind::Number(_) => vec![curve(None)],
        TargetKind::Class(_) => labels.iter().map(|label| curve(Some(*label))).collect(),
    };
    let values = values(input, &blocks);
    Dependence { column: input.name.clone(), target: target.name.clone(), values, curves }
}

fn predict_with(
    model: &Model,
    x: &[f32],
    place: &Range<usize>,
    block: &[f32],
) -> anabranch_train::Predictions {
    let mut changed = x.to_vec();
    for row in changed.chunks_exact_mut(model.encoder().width()) {
        row[place.clone()].copy_from_slice(block);
    }
    model.predict_encoded(&changed)
}

/// What rows have in a column.
fn cells<'x>(
    x: &'x [f32],
    width: usize,
    place: &Range<usize>,
    rows: &'x [usize],
) -> impl Iterator<Item = &'x [f32]> {
    let place = place.clone();
    rows.iter().map(move |row| &x[row * width..][place.clone()])
}

/// The categories that most of `cells` have, as they are encoded; of equals, the first. Of those
/// that are encoded alike, the first stands for all.
fn known_categories<'x>(
    input: &InputColumn,
    n_categories: usize,
    statistics: &TargetStatistics,
    cells: impl Iterator<Item = &'x [f32]>,
) -> Vec<Vec<f32>> {
    let n = statistics.names().len();
    let bits = |row: &[f32]| -> Vec<u32> { row[..n].iter().map(|value| value.to_bits()).collect() };
    let mut found: HashMap<Vec<u32>, (usize, usize)> = HashMap::new();
    for category in 0..n_categories {
        found.entry(bits(statistics.row(Some(category)))).or_insert((0, category));
    }
    for cell in cells.filter(|cell| !is_missing(input, cell)) {
        // A cell of a category that is not known is none of them.
        if let Some((count, _)) = found.get_mut(&bits(cell)) {
            *count += 1;
        }
    }
    let mut found: Vec<(usize, usize)> = found.into_values().collect();
    found.sort_unstable_by_key(|(count, category)| (usize::MAX - count, *category));
    found.truncate(CATEGORIES);
    let block = |(_, category): (usize, usize)| {
        let mut block = statistics.row(Some(category)).to_vec();
        block.resize(input.width(), 0.0);
        block
    };
    found.into_iter().map(block).collect()
}

/// The values of a column as they are encoded: of numbers and dates some that lie evenly among
/// those of the training rows, of categories the most frequent. Missing cells are none of them.
fn blocks<'x>(input: &InputColumn, cells: impl Iterator<Item = &'x [f32]>) -> Vec<Vec<f32>> {
    let mut counts: HashMap<Vec<u32>, (usize, &[f32])> = HashMap::new();
    for cell in cells.filter(|cell| !is_missing(input, cell)) {
        let bits = cell.iter().map(|value| value.to_bits()).collect();
        counts.entry(bits).or_insert((0, cell)).0 += 1;
    }
    let mut found: Vec<(usize, &[f32])> = counts.into_values().collect();
    found.sort_by(|a, b| {
        a.1.iter()
            .zip(b.1)
            .map(|(a, b)| a.total_cmp(b))
            .find(|o| o.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    if let Encoding::Categorical { .. } = input.encoding {
        // In the order of the columns, which the stable sort keeps where they are as frequent.
        found.reverse();
        found.sort_by_key(|(count, _)| usize::MAX - count);
        found.truncate(CATEGORIES);
        return found.into_iter().map(|(_, cell)| cell.to_vec()).collect();
    }
    if found.len() <= VALUES {
        return found.into_iter().map(|(_, cell)| cell.to_vec()).collect();
    }
    let all: Vec<&[f32]> =
        found.iter().flat_map(|(count, cell)| std::iter::repeat_n(*cell, *count)).collect();
    let mut chosen: Vec<Vec<f32>> =
        (0..VALUES).map(|i| all[i * (all.len() - 1) / (VALUES - 1)].to_vec()).collect();
    chosen.dedup();
    chosen
}

fn is_missing(input: &InputColumn, cell: &[f32]) -> bool {
    let encoding = input.encoding.number();
    encoding.missing() == MissingColumn::Present && cell[encoding.width() - 1] == 1.0
}

/// What encoded values mean.
fn values(input: &InputColumn, blocks: &[Vec<f32>]) -> Values {
    let first = blocks.iter().map(|block| f64::from(block[0]));
    match input.encoding.number() {
        Encoding::Numeric { mean, std, .. } => {
            Values::Numbers(first.map(|z| z * std + mean).collect())
        }
        Encoding::Robust { median, spread, .. } => {
            Values::Numbers(first.map(|z| unclipped(z) * spread + median).collect())
        }
        Encoding::Date { mean, std, .. } => Values::Days(first.map(|z| z * std + mean).collect()),
        Encoding::Categorical { categories, other, .. } => {
            let name = |block: &Vec<f32>| match block.iter().position(|value| *value == 1.0) {
                Some(place) if place < categories.len() => categories[place].clone(),
                Some(_) if *other == OtherColumn::Present => "any other".into(),
                _ => "none of these".into(),
            };
            Values::Names(blocks.iter().map(name).collect())
        }
        Encoding::TargetStatistics { categories, statistics, .. } => {
            let named = |block: &Vec<f32>| {
                let mut places = 0..categories.len();
                let place = places.find(|place| block.starts_with(statistics.row(Some(*place))));
                place.map_or("any other".into(), |place| categories[place].clone())
            };
            Values::Names(blocks.iter().map(named).collect())
        }
        // No number is one.
        Encoding::NamedNumber { .. } => Values::Numbers(first.collect()),
    }
}

/// The inverse of the smooth clipping of [`Encoding::Robust`].
fn unclipped(z: f64) -> f64 {
    z / (1.0 - (z / 3.0) * (z / 3.0)).max(1e-12).sqrt()
}
