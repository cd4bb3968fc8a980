//! An explained step as data.

use ndarray::Array2;

use super::check::Check;

/// A step of the two-branch network, ready to be laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What it is about.
    pub title: String,
    /// What the step depends on: (what, how much).
    pub facts: Vec<(&'static str, String)>,
    /// Its parts, in the order of the step.
    pub parts: Vec<Part>,
}

/// The forward pass, say.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is called.
    pub title: &'static str,
    /// What it does, in a sentence or two.
    pub text: &'static str,
    /// In the order in which they are computed.
    pub quantities: Vec<Quantity>,
}

/// A matrix of the derivation.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// Its symbol, in LaTeX.
    pub symbol: &'static str,
    /// The symbol and what it equals, in LaTeX.
    pub formula: String,
    /// What it is.
    pub about: String,
    /// Where its numbers came from.
    pub origin: Origin,
    /// What each row is called.
    pub rows: Vec<String>,
    /// What each column is called.
    pub columns: Vec<String>,
    /// The numbers.
    pub values: Array2<f64>,
    /// What they have to satisfy.
    pub checks: Vec<Check>,
}

/// Where numbers came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The table.
    Table,
    /// The random numbers of the seed.
    Seed,
    /// The production step.
    Production,
    /// The formula, applied to the numbers above.
    Formula,
}

impl Origin {
    /// Where, in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Table => "From the table.",
            Self::Seed => "Drawn from the seed.",
            Self::Production => "As the production step computed it.",
            Self::Formula => {
                "By the formula from the numbers above: the production step keeps it inside a layer."
            }
        }
    }
}

impl Explanation {
    /// Whether every check holds.
    pub fn pass(&self) -> bool {
        self.checks().all(Check::holds)
    }

    /// All checks.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        let quantities = self.parts.iter().flat_map(|part| &part.quantities);
        quantities.flat_map(|quantity| &quantity.checks)
    }
}
