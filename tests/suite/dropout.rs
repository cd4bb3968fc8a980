//! Drawn dropout masks: the keep rate, and that nothing is correlated with anything.
//!
//! Seeds are fixed, so every statistic below is a constant and cannot flake. Each is a number that
//! a perfect generator would draw from a distribution with mean 0 and deviation 1 (or a χ² scaled
//! like that); the bound of 4 is passed by chance in one of 16,000, and there are about 300 of
//! them.

use anabranch_layers::{Dropout, Forward, Mask, RowWise};
use anabranch_tensor::{Executor, matrix, matrix_mut};

const ROWS: usize = 256;
/// Not a multiple of the 64 or 128 columns that one group of random numbers serves.
const COLS: usize = 200;
const BOUND: f64 = 4.0;

/// 1 where the layer kept an element of a matrix of ones, 0 where it dropped it.
fn kept(seed: u64, layer: u32, step: u64, p: f64) -> Vec<f64> {
    let exec = Executor::serial();
    let ones = vec![1.0f64; ROWS * COLS];
    let (mut y, mut saved) = (ones.clone(), ones.clone());
    Dropout::new(p).forward(Forward {
        exec: &exec,
        input: 0,
        x: matrix(&ones, ROWS, COLS),
        y: matrix_mut(&mut y, ROWS, COLS),
        params: &[],
        state: &[],
        saved: &mut saved,
        scratch: &mut [],
        mask: Mask::Drawn { seed, layer, step, first_row: 0 },
    });
    // Of the p that is drawn with, a multiple of 2⁻¹⁶.
    let n_kept = 65_536.0 - (65_536.0 * p).round();
    let scale = if p < 1.0 { 65_536.0 / n_kept } else { 0.0 };
    for y in &mut y {
        assert!(*y == 0.0 || *y == scale, "{y} is neither 0 nor {scale}");
        *y = f64::from(u8::from(*y != 0.0));
    }
    y
}

/// The sum of n products of independent elements, each less its mean, over its standard deviation
/// √n·p(1−p).
fn correlation(p: f64, pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mean = 1.0 - p;
    let (sum, n) =
        pairs.fold((0.0, 0.0), |(sum, n), (a, b)| (sum + (a - mean) * (b - mean), n + 1.0));
    sum / (f64::sqrt(n) * p * (1.0 - p))
}

#[test]
fn the_keep_rate_is_one_minus_p() {
    let n = (ROWS * COLS) as f64;
    for (seed, p) in [0.001, 0.1, 0.25, 0.5, 0.8, 0.95].into_iter().enumerate() {
        for step in 0..8 {
            let sum: f64 = kept(seed as u64, 1, step, p).iter().sum();
            let z = (sum - n * (1.0 - p)) / (n * p * (1.0 - p)).sqrt();
            assert!(z.abs() <= BOUND, "p = {p}, step {step}: {sum} of {n}, {z:.1} deviations");
        }
    }
    assert!(kept(1, 1, 1, 0.0).iter().all(|kept| *kept == 1.0));
    assert!(kept(1, 1, 1, 1.0).iter().all(|kept| *kept == 0.0));
}

/// Row sums and column sums are binomial: the sum of their squared z is χ² with as many degrees of
/// freedom d, mean d and variance 2d (and a little more, by the binomial's excess). Structure along
/// rows or columns would widen it.
#[test]
fn rows_and_columns_are_as_even_as_chance() {
    // Eight masks for each p: of one alone, a χ² of 200 to 256 degrees is still so skewed that
    // chance passes the bound once in a few thousand.
    const STEPS: u64 = 8;
    for p in [0.1, 0.5, 0.8] {
        let masks: Vec<Vec<f64>> = (0..STEPS).map(|step| kept(5, 0, step, p)).collect();
        let row_sums = masks.iter().flat_map(|kept| kept.chunks_exact(COLS));
        let row_sums = row_sums.map(|row| row.iter().sum::<f64>());
        let col_sums = masks
            .iter()
            .flat_map(|kept| (0..COLS).map(|col| kept.iter().skip(col).step_by(COLS).sum::<f64>()));
        for (what, n, sums) in [
            ("rows", COLS as f64, row_sums.collect::<Vec<_>>()),
            ("columns", ROWS as f64, col_sums.collect()),
        ] {
            let d = sums.len() as f64;
            let squared = |sum: &f64| (sum - n * (1.0 - p)).powi(2) / (n * p * (1.0 - p));
            let chi_squared: f64 = sums.iter().map(squared).sum();
            let z = (chi_squared - d) / (2.0 * d).sqrt();
            assert!(z.abs() <= BOUND, "p = {p}, {what}: chi squared {chi_squared:.0} for {d}");
        }
    }
}

/// Elements of one mask at any small distance, and at the distances of the generator's groups and
/// words.
#[test]
fn elements_of_a_mask_are_independent() {
    for p in [0.1, 0.5, 0.8] {
        let kept = kept(7, 2, 11, p);
        for d_row in 0..4 {
            for d_col in [0, 1, 2, 3, 4, 7, 8, 9, 16, 24, 31, 32, 33, 40, 63, 64, 65, 127, 128, 129]
            {
                if d_row + d_col == 0 {
                    continue;
                }
                let at = |row: usize, col: usize| kept[row * COLS + col];
                let pairs =
                    (0..ROWS - d_row).flat_map(|row| (0..COLS - d_col).map(move |col| (row, col)));
                let pairs = pairs.map(|(row, col)| (at(row, col), at(row + d_row, col + d_col)));
                let z = correlation(p, pairs);
                assert!(z.abs() <= BOUND, "p = {p}, {d_row} down, {d_col} right: {z:.1}");
            }
        }
    }
}

/// The same element in the masks of other steps, layers and seeds, near and far.
#[test]
fn masks_of_other_steps_layers_and_seeds_are_independent() {
    for p in [0.1, 0.5, 0.8] {
        let base = kept(7, 2, 11, p);
        let mut others = Vec::new();
        for d in [1, 2, 3, 8, 1 << 8, 1 << 16, 1 << 31] {
            others.push((format!("seed + {d}"), kept(7 + d, 2, 11, p)));
            others.push((format!("step + {d}"), kept(7, 2, 11 + d, p)));
            others.push((format!("layer + {d}"), kept(7, 2 + d as u32, 11, p)));
        }
        others.push(("step + 2^32".into(), kept(7, 2, 11 + (1 << 32), p)));
        others.push(("seed + 2^63".into(), kept(7 + (1 << 63), 2, 11, p)));
        // Roles exchanged: seed, layer and step must not be added up.
        others.push(("layer and step exchanged".into(), kept(7, 11, 2, p)));
        others.push(("seed and step exchanged".into(), kept(11, 2, 7, p)));
        for (what, other) in others {
            let z = correlation(p, base.iter().copied().zip(other));
            assert!(z.abs() <= BOUND, "p = {p}, {what}: {z:.1}");
        }
    }
}
