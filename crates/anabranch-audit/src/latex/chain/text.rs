//! The text of a formula's members, as their file has it.

use super::Judge;
use crate::latex::layout::{Atom, Place};
use crate::latex::statement::start;

impl Judge<'_> {
    /// The text of a member as the file has it.
    pub(super) fn text(&self, atoms: &[Atom], end: Option<Place>) -> String {
        let Some(from) = start(atoms) else { return String::new() };
        let mut text = String::new();
        // In C = B for B =: C, the value stands first.
        let end = end.filter(|end| *end > from).unwrap_or(self.end);
        let last_line = end.line;
        for line in from.line..=last_line.min(self.lines.len()) {
            let chars = &self.lines[line - 1];
            let first = if line == from.line { from.column - 1 } else { 0 };
            let last = if end.line == line { end.column - 1 } else { chars.len() };
            text.extend(chars.get(first..last.max(first).min(chars.len())).unwrap_or(&[]));
            text.push(' ');
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut text = text.trim();
        // An environment's end, a line's, and punctuation are not part of a member.
        loop {
            let before = text;
            for end in [
                "\\end{aligned}",
                "\\end{align}",
                "\\end{align*}",
                "\\end{equation}",
                "\\\\",
                "&",
                "\\qquad",
                "\\quad",
                "=",
                ":",
                ",",
                ".",
            ] {
                text = text.strip_suffix(end).unwrap_or(text).trim_end();
            }
            if text == before {
                break;
            }
        }
        text.to_owned()
    }
}
