//! Text from files as a terminal may show it.

use std::fmt;
use std::path::Path;

/// Shows a text with its control and invisible characters escaped: a name from a file can neither
/// forge a line of a report nor steer a terminal.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() || is_invisible(c) {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

/// Shows a path, its control and invisible characters escaped.
pub(crate) struct PlainPath<'a>(pub(crate) &'a Path);

impl fmt::Display for PlainPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Plain(&self.0.to_string_lossy()).fmt(f)
    }
}

/// Characters without a glyph: line separators, marks and overrides of the writing direction,
/// zero-width characters.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        let forged = "f\n✓ g: exact\u{1b}[2J\u{202e}δ ⊙";
        assert_eq!(Plain(forged).to_string(), "f\\n✓ g: exact\\u{1b}[2J\\u{202e}δ ⊙");
        assert_eq!(PlainPath(Path::new("a\rb")).to_string(), "a\\rb");
    }
}
