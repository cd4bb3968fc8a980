//! Formula files.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::plain::{Plain, PlainPath};
use crate::{Evaluation, Formula, FormulaError, Verdict};

/// Why a formula file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be read, or is not UTF-8.
    #[error("{}: cannot be read: {error}", PlainPath(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is not TOML, or has a key that no formula has.
    #[error("{}:{line}:{column}: {}", PlainPath(path), Plain(message))]
    Toml {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A formula's target or expression.
    #[error("{}:{line}:{column}: formula `{}`: {error}", PlainPath(path), Plain(name))]
    Formula {
        /// The file.
        path: PathBuf,
        /// Line of the value, from 1.
        line: usize,
        /// Column of the value in characters, from 1; the error counts within the expression.
        column: usize,
        /// The formula.
        name: String,
        /// What is wrong.
        error: FormulaError,
    },
    /// It contains no `[[formula]]`.
    #[error(
        "{}: contains no formula; a formula is a table [[formula]] with name, target and expression",
        PlainPath(path)
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    formula: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    target: Spanned<String>,
    expression: Spanned<String>,
    #[serde(default)]
    per_row: bool,
    expected: Option<Verdict>,
    points: Option<f64>,
    note: Option<String>,
}

impl Formula {
    /// The formulas of a TOML file: `[[formula]]` tables with `name`, `target`, `expression`,
    /// optionally `per_row`, and `expected` (a verdict) and `note` for a file that is an exercise
    /// with its solution.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has an unknown key, target or quantity, an
    /// expression that cannot be parsed, or no formula at all. Line and column say where.
    pub fn read(path: &Path) -> Result<Vec<Self>, FileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| FileError::Read { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Like [`read`](Self::read), from text; errors call it `path`.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    pub fn parse(text: &str, path: &Path) -> Result<Vec<Self>, FileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file: File = toml::from_str(text).map_err(|error| {
            let (line, column) = place(text, error.span().map_or(0, |span| span.start));
            let message = error.message().to_owned();
            FileError::Toml { path: path.to_owned(), line, column, message }
        })?;
        if file.formula.is_empty() {
            return Err(FileError::Empty { path: path.to_owned() });
        }
        file.formula.into_iter().map(|table| table.formula(text, path)).collect()
    }
}

impl Table {
    fn formula(self, text: &str, path: &Path) -> Result<Formula, FileError> {
        let evaluation = if self.per_row { Evaluation::PerRow } else { Evaluation::Batch };
        let target = self.target.get_ref();
        let formula = Formula::new(&self.name, target, self.expression.get_ref(), evaluation)
            .map_err(|error| {
                let value = match error {
                    FormulaError::UnknownTarget { .. } => &self.target,
                    FormulaError::Syntax { .. } => &self.expression,
                };
                let (line, column) = place(text, value.span().start);
                let (path, name) = (path.to_owned(), self.name.clone());
                FileError::Formula { path, line, column, name, error }
            })?;
        Ok(Formula { points: self.points, expected: self.expected, note: self.note, ..formula })
    }
}

/// Line and column (in characters) of a byte, both from 1.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let byte = (0..=byte.min(text.len())).rev().find(|b| text.is_char_boundary(*b)).unwrap_or(0);
    let before = &text[..byte];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (1 + before.matches('\n').count(), 1 + before[line_start..].chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Formula::parse(text, Path::new("f.toml")).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_read_with_its_options() {
        let text = "\u{feff}[[formula]]\r\nname = \"a\"\r\ntarget = \"d_b_2b\"\r\n\
                    expression = \"delta_2b\"\r\nper_row = true\r\nexpected = \"averaged_early\"\r\n\
                    note = \"n\"\r\n";
        let formulas = Formula::parse(text, Path::new("f.toml")).unwrap();
        assert_eq!(formulas.len(), 1);
        assert_eq!(formulas[0].evaluation(), Evaluation::PerRow);
        assert_eq!(formulas[0].expected(), Some(Verdict::AveragedEarly));
        assert_eq!((formulas[0].name(), formulas[0].note()), ("a", Some("n")));
        assert_eq!(formulas[0].target().name(), "d_b_2b");
    }

    #[test]
    fn errors_say_where() {
        let table = "[[formula]]\nname = \"a\"\ntarget = \"d_b_2b\"\n";
        assert!(error("").contains("f.toml: contains no formula"));
        assert!(error("[[formula]\n").starts_with("f.toml:1:"));
        assert!(error(table).starts_with("f.toml:1:1: missing field `expression`"));
        let unknown = error(&format!("{table}expression = \"x\"\nperrow = true\n"));
        assert!(unknown.starts_with("f.toml:5:1: unknown field `perrow`"), "{unknown}");
        let syntax = error(&format!("{table}expression = \"x + \"\n"));
        assert!(
            syntax.starts_with("f.toml:4:14: formula `a`: column 5: expected a value"),
            "{syntax}"
        );
        let target =
            error(&table.replace("d_b_2b", "z").replace("name", "expression = \"x\"\nname"));
        assert!(target.starts_with("f.toml:4:10: formula `a`: there is no target `z`"), "{target}");
        assert!(error("formula = 3").starts_with("f.toml:1:11: "));
        let missing = Formula::read(Path::new("/nowhere/f.toml")).unwrap_err().to_string();
        assert!(missing.starts_with("/nowhere/f.toml: cannot be read"), "{missing}");
    }
}
