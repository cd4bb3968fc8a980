//! Names of columns, arrays and tasks as names in Rust.

use std::collections::HashSet;

/// Words that a name cannot be.
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Names that have been given.
#[derive(Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// A name in small letters for `text`, which no other text has: ASCII letters, digits and
    /// underscores.
    pub(super) fn variable(&mut self, text: &str) -> String {
        let mut name = String::new();
        for c in text.chars() {
            match c.to_ascii_lowercase() {
                c if c.is_ascii_alphanumeric() => name.push(c),
                _ if name.ends_with('_') => {}
                _ => name.push('_'),
            }
        }
        let mut name = name.trim_matches('_').to_owned();
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            name.insert_str(0, "column_");
        }
        let name = if KEYWORDS.contains(&name.as_str()) { name + "_" } else { name };
        let name =
            name.trim_end_matches('_').to_owned() + if name.ends_with('_') { "_" } else { "" };
        let mut free = name.clone();
        let mut number = 2;
        while !self.0.insert(free.clone()) {
            free = format!("{}_{number}", name.trim_end_matches('_'));
            number += 1;
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rusts_and_no_two_are_the_same() {
        let mut names = Names::default();
        for (text, name) in [
            ("fixed acidity", "fixed_acidity"),
            ("Fixed  acidity!", "fixed_acidity_2"),
            ("type", "type_"),
            ("Type", "type_2"),
            ("3d (mm)", "column_3d_mm"),
            ("größe", "gr_e"),
            ("年齢", "column_"),
            ("", "column_2"),
            ("fc1a.weight", "fc1a_weight"),
        ] {
            assert_eq!(names.variable(text), name, "{text:?}");
        }
    }
}
