//! Central differences of a function that may not be smooth everywhere.

use super::DIFFERENCE;
use super::report::Report;

/// Steps, times max(1, |v|) for an argument v.
const STEPS: [f64; 4] = [1e-2, 1e-3, 1e-4, 1e-5];
/// Roundings in a value.
const ROUNDINGS: f64 = 16.0;
/// Fraction of a derivative that a difference must be certain of to count.
const CERTAINTY: f64 = 1e-4;
/// Fraction of the entries that must count.
const COVERAGE: f64 = 0.5;

/// Compares `gradient`, that of `f` at `at`, with differences in the entries `entries`.
///
/// An entry whose quotients for a step and for half of it do not settle, as across the corner of a
/// ReLU, is left out; at least half of the entries must remain.
pub(super) fn compare(
    report: &mut Report,
    name: &str,
    (at, gradient): (&[f64], &[f64]),
    entries: impl IntoIterator<Item = usize>,
    mut f: impl FnMut(&[f64]) -> f64,
) {
    let mut point = at.to_vec();
    let size = f(&point).abs().max(1.0);
    let typical = (gradient.iter().map(|g| g * g).sum::<f64>() / gradient.len() as f64).sqrt();
    let (mut found, mut differences, mut n_entries) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        n_entries += 1;
        let mut best = (f64::INFINITY, 0.0);
        for step in STEPS {
            let h = step * at[entry].abs().max(1.0);
            let mut quotient = |h: f64| {
                let (above, below) = (at[entry] + h, at[entry] - h);
                let mut value = |v: f64| {
                    point[entry] = v;
                    f(&point)
                };
                (value(above) - value(below)) / (above - below)
            };
            let (whole, half, quarter) = (quotient(h), quotient(h / 2.0), quotient(h / 4.0));
            // Richardson's: exact to O(h⁴), and of these to O(h⁶).
            let (first, second) = ((4.0 * half - whole) / 3.0, (4.0 * quarter - half) / 3.0);
            let value = (16.0 * second - first) / 15.0;
            let noise = (value - second).abs() + ROUNDINGS * f64::EPSILON * size / h;
            if noise < best.0 {
                best = (noise, value);
            }
        }
        point[entry] = at[entry];
        let (noise, value) = best;
        if noise <= CERTAINTY * (gradient[entry].abs() + typical)
            || (typical == 0.0 && value == 0.0)
        {
            found.push(gradient[entry]);
            differences.push(value);
        }
    }
    if n_entries == 0 {
        return;
    }
    report.compare(format!("difference of {name}"), &found, &differences, DIFFERENCE);
    let covered = found.len() as f64 / f64::from(n_entries);
    report.add(format!("share of {name} left out"), 1.0 - covered, COVERAGE);
}
