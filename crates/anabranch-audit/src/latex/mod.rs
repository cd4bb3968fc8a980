//! Derivations in LaTeX and Markdown: every equation of a file judged, each link of `A = B = C`.

mod chain;
mod derivation;
mod document;
mod layout;
mod macros;
mod pull_back;
mod reader;
mod report;
mod source;
mod statement;
mod symbols;

pub use derivation::{Derivation, Equation, Judgement, Member, Skipped};
pub use layout::Place;
pub use report::derivation_report;
