//! An explanation in Markdown, with formulas in LaTeX between dollar signs.

use std::fmt::Write;

use super::check::Check;
use super::explanation::{Explanation, Quantity};

/// Sides of an equation that are shown as numbers, at most.
const SHOWN: usize = 6;

impl Explanation {
    /// The page in Markdown.
    pub fn markdown(&self) -> String {
        let mut page = format!("# {}\n\n", self.title);
        for (what, value) in &self.facts {
            page += &format!("* {what}: {}\n", escaped(value));
        }
        for part in &self.parts {
            write!(page, "\n## {}\n\n{}\n", part.title, part.text).unwrap_or_default();
            part.quantities.iter().for_each(|quantity| add(&mut page, quantity));
        }
        page
    }
}

fn add(page: &mut String, quantity: &Quantity) {
    let Quantity { formula, about, origin, rows, columns, values, checks, .. } = quantity;
    *page += &format!("\n$${formula}$$\n\n{about} {}\n\n", origin.describe());
    let columns: Vec<String> = columns.iter().map(|column| escaped(column)).collect();
    *page += &format!("| | {} |\n|---|{}\n", columns.join(" | "), "---:|".repeat(columns.len()));
    for (name, row) in rows.iter().zip(values.rows()) {
        let cells: Vec<String> = row.iter().copied().map(number).collect();
        *page += &format!("| {} | {} |\n", escaped(name), cells.join(" | "));
    }
    for check in checks {
        *page += &format!("\n{} ${}$: {}\n", mark(check), check.equation, verdict(check));
    }
}

/// ✓ or ✗.
pub(super) fn mark(check: &Check) -> char {
    if check.holds() { '✓' } else { '✗' }
}

/// Both sides, if there are few, and the largest error.
pub(super) fn verdict(check: &Check) -> String {
    let side = |side: &[f64]| side.iter().copied().map(number).collect::<Vec<_>>().join(", ");
    let sides = match check.left.len() {
        0..=SHOWN => format!("{} = {}, ", side(&check.left), side(&check.right)),
        n => format!("{n} equations, "),
    };
    format!("{sides}largest error {:.1e}", check.error)
}

/// A number with six digits, or a whole one.
pub(super) fn number(x: f64) -> String {
    let text = format!("{x:.5e}");
    let exponent = text.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    match exponent {
        Some(..=5) if x.fract() == 0.0 => x.to_string(),
        Some(exponent @ -3..=5) => format!("{x:.*}", (5 - exponent) as usize),
        _ => text,
    }
}

/// A name as it is, in a table of Markdown.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        match c {
            c if c.is_control() => text.push(' '),
            c if "\\|`*_{}[]<>#$&~".contains(c) => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
    text
}
