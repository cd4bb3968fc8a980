//! The sizes of a benchmarked network, and how much arithmetic its step takes.

use std::fmt;
use std::str::FromStr;

use anabranch_graph::TwoBranch;

/// Rows of the batch and widths of the two branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) rows: usize,
    pub(crate) inputs: usize,
    pub(crate) hidden_a: usize,
    /// Outputs of branch A, and units of branch B's hidden layer: the join adds them.
    pub(crate) outputs_a: usize,
    pub(crate) classes: usize,
}

const fn shape(
    rows: usize,
    inputs: usize,
    hidden_a: usize,
    outputs_a: usize,
    classes: usize,
) -> Shape {
    Shape { rows, inputs, hidden_a, outputs_a, classes }
}

impl Shape {
    /// The shapes that have a name.
    pub(crate) const NAMED: [(&'static str, Self); 5] = [
        ("tiny", shape(32, 16, 32, 16, 4)),
        ("small", shape(128, 64, 128, 64, 10)),
        ("medium", shape(256, 256, 512, 256, 100)),
        ("large", shape(1024, 1024, 2048, 1024, 1000)),
        ("xlarge", shape(4096, 2048, 4096, 2048, 1000)),
    ];

    /// Anything larger would not fit in memory.
    const LARGEST: usize = 65_536;

    pub(crate) fn sizes(self) -> [usize; 5] {
        [self.rows, self.inputs, self.hidden_a, self.outputs_a, self.classes]
    }

    /// The name, or the five sizes.
    pub(crate) fn name(self) -> String {
        match Self::NAMED.iter().find(|(_, shape)| *shape == self) {
            Some((name, _)) => (*name).to_owned(),
            None => self.to_string(),
        }
    }

    /// Floating-point operations of the matrix products in a step: 2·R·(3·(H·O + O·C) + 2·(I·H +
    /// I·O)).
    ///
    /// Each layer multiplies forward, for its weights' gradients and for its input's; the first
    /// layers do not need the last of these.
    pub(crate) fn flops(self) -> f64 {
        let [r, i, h, o, c] = self.sizes().map(|size| size as f64);
        2.0 * r * (3.0 * (h * o + o * c) + 2.0 * (i * h + i * o))
    }

    /// The network that is benchmarked.
    pub(crate) fn network(self, dropout: f64) -> TwoBranch {
        let Self { inputs, hidden_a, outputs_a, classes, .. } = self;
        let network = TwoBranch::new(inputs, hidden_a, outputs_a, outputs_a, classes);
        TwoBranch { dropout, ..network }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sizes().map(|size| size.to_string()).join(","))
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, shape)) = Self::NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(*shape);
        }
        let sizes: Result<Vec<usize>, _> =
            text.split(',').map(|size| size.trim().parse()).collect();
        let Ok(&[rows, inputs, hidden_a, outputs_a, classes]) = sizes.as_deref() else {
            let names = Self::NAMED.map(|(name, _)| name).join(", ");
            return Err(format!(
                "expected {names}, or five whole numbers R,I,H,O,C (rows, inputs, hidden A, outputs A, classes)"
            ));
        };
        let shape = Self { rows, inputs, hidden_a, outputs_a, classes };
        if rows < 2 || shape.sizes().iter().any(|size| *size < 1 || *size > Self::LARGEST) {
            return Err(format!("sizes are 1 to {}, and at least 2 rows", Self::LARGEST));
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read_and_nonsense_is_refused() {
        assert_eq!("tiny".parse(), Ok(shape(32, 16, 32, 16, 4)));
        assert_eq!("2, 3,4,5,6".parse(), Ok(shape(2, 3, 4, 5, 6)));
        assert_eq!("32,16,32,16,4".parse::<Shape>().unwrap().name(), "tiny");
        for text in
            ["", "huge", "1,2,3,4,5", "2,0,1,1,1", "2,1,1,1", "2,1,1,1,99999999", "2,a,1,1,1"]
        {
            assert!(text.parse::<Shape>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_tiny_step_is_a_fifth_of_a_megaflop() {
        assert_eq!(Shape::NAMED[0].1.flops(), 208_896.0);
    }
}
