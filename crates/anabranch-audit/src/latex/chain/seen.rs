//! What the formulas of a file have in them.

use std::collections::BTreeSet;

/// What the formulas of a file have in them.
#[derive(Default)]
pub(super) struct Seen {
    /// Letters that run over samples in one sum, over components in another.
    pub(super) both: Vec<char>,
    /// Whether r is compared with something.
    pub(super) is_r_drawn: bool,
    symbols: BTreeSet<String>,
}

impl Seen {
    /// A symbol is in some formula.
    pub(super) fn see(&mut self, symbol: &str) {
        self.symbols.insert(symbol.to_owned());
    }

    /// Whether they are about BatchNorm alone, as in its paper: x is its input there, y its output.
    pub(super) fn is_batch_norm(&self) -> bool {
        const ITS_OWN: [&str; 24] = [
            "x",
            "hat x",
            "y",
            "L",
            "l",
            "J",
            "gamma",
            "beta",
            "mu",
            "sigma",
            "epsilon",
            "m",
            "N",
            "n",
            "B",
            "i",
            "j",
            "k",
            "partial",
            "nabla",
            "d",
            "ones",
            "I",
            "mathcal B",
        ];
        self.symbols.contains("hat x")
            && self.symbols.iter().all(|symbol| ITS_OWN.contains(&symbol.as_str()))
    }
}
