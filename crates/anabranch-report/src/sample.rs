//! Rows that a model is asked about, with some of their columns exchanged.

use std::ops::Range;

use anabranch_data::Encoder;
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::rows::gather_rows;

/// The encoded rows `row_idx` of a matrix `x` with `width` columns.
pub(crate) fn encoded(x: &[f32], width: usize, row_idx: &[usize]) -> Vec<f32> {
    let mut found = vec![0.0; row_idx.len() * width];
    gather_rows(x, width, row_idx, &mut found);
    found
}

/// Where each input column lies in an encoded row.
pub(crate) fn places(encoder: &Encoder) -> Vec<Range<usize>> {
    let mut start = 0;
    let columns = encoder.input_columns().iter().map(|column| {
        let place = start..start + column.width();
        start = place.end;
        place
    });
    columns.collect()
}

/// At most `most` of the rows, drawn without replacement, in their order.
pub(crate) fn draw(rows: &[usize], most: usize, seed: u64) -> Vec<usize> {
    if rows.len() <= most {
        return rows.to_vec();
    }
    let mut places: Vec<usize> = (0..rows.len()).collect();
    Random::new(seed, Purpose::Sample, 0).shuffle(&mut places);
    places.truncate(most);
    places.sort_unstable();
    places.into_iter().map(|place| rows[place]).collect()
}
