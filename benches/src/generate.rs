//! A table with something to learn: six numbers, two text columns with 7 and 8 values, and a number
//! and a class to predict.

use std::fmt::Write as _;

use crate::workload::Lcg;

/// Names of the targets.
pub(crate) const REGRESS: &str = "value";
pub(crate) const CLASSIFY: &str = "grade";

const NUMBERS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const KINDS: [&str; 7] = ["P", "Q", "R", "S", "T", "U", "V"];
const SITES: [&str; 8] = ["north", "east", "south", "west", "hill", "lake", "wood", "town"];
/// Limits between the classes: about a fifth of the rows each.
const LIMITS: [f64; 4] = [-1.8, -0.5, 0.6, 1.9];
const GRADES: [&str; 5] = ["poor", "fair", "good", "fine", "best"];

/// The table as CSV text: 6 + 7 + 8 = 21 inputs once encoded. The same for the same number of rows.
///
/// The number is a smooth function of the inputs with noise; the class follows from the number and
/// one more input, so that the join of the branches is meaningful.
pub(crate) fn csv(rows: usize) -> String {
    let mut lcg = Lcg(1);
    let mut text = NUMBERS.join(",") + ",kind,site," + REGRESS + "," + CLASSIFY + "\n";
    for _ in 0..rows {
        let x: Vec<f64> = lcg.uniform(NUMBERS.len(), 1.7);
        let (kind, site) = (lcg.draw() as usize % KINDS.len(), lcg.draw() as usize % SITES.len());
        let noise: Vec<f64> = lcg.uniform(2, 0.5);
        let value = 1.5 * x[0] - x[1] * x[2]
            + (2.0 * x[3]).sin()
            + 0.3 * (kind as f64 - 3.0) * (1.0 + 0.5 * x[4])
            + 0.2 * (site as f64 - 3.5)
            + noise[0];
        let score = 0.6 * value + x[5] + noise[1];
        let grade = LIMITS.iter().filter(|limit| score > **limit).count();
        for x in &x {
            write!(text, "{x:.4},").expect("a string takes all text");
        }
        writeln!(text, "{},{},{value:.4},{}", KINDS[kind], SITES[site], GRADES[grade])
            .expect("a string takes all text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_common_and_the_text_repeats() {
        let text = csv(2000);
        for grade in GRADES {
            let n_rows = text.lines().filter(|line| line.ends_with(grade)).count();
            assert!((200..800).contains(&n_rows), "{grade}: {n_rows}");
        }
        assert!(csv(2001).starts_with(&text));
    }
}
