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

/// The formulas of a file, and what stands in their place where one cannot be read.
#[derive(Debug, Default)]
pub struct FormulaFile {
    /// In the order of the file.
    pub formulas: Vec<Formula>,
    /// The formulas that cannot be read.
    pub unread: Vec<Unread>,
}

/// A formula that cannot be read.
#[derive(Debug)]
pub struct Unread {
    /// Where and why.
    pub error: FileError,
    /// What the formula is worth.
    pub points: Option<f64>,
}

impl FormulaFile {
    /// The formulas of a TOML file: see [`Formula::read`]. One that cannot be read does not stop
    /// the others.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has an unknown key, or no formula at all.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| FileError::Read { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Like [`read`](Self::read), from text; errors call it `path`.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    pub fn parse(text: &str, path: &Path) -> Result<Self, FileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file: File = toml::from_str(text).map_err(|error| {
            let (line, column) = place(text, error.span().map_or(0, |span| span.start));
            let message = error.message().to_owned();
            FileError::Toml { path: path.to_owned(), line, column, message }
        })?;
        if file.formula.is_empty() {
            return Err(FileError::Empty { path: path.to_owned() });
        }
        let mut found = Self::default();
        for table in file.formula {
            let points = table.points;
            match table.formula(text, path) {
                Ok(formula) => found.formulas.push(formula),
                Err(error) => found.unread.push(Unread { error, points }),
            }
        }
        Ok(found)
    }

    /// The formulas, if all of them can be read.
    fn whole(self) -> Result<Vec<Formula>, FileError> {
        match self.unread.into_iter().next() {
            Some(unread) => Err(unread.error),
            None => Ok(self.formulas),
        }
    }
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
        FormulaFile::read(path)?.whole()
    }

    /// Like [`read`](Self::read), from text; errors call it `path`.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    pub fn parse(text: &str, path: &Path) -> Result<Vec<Self>, FileError> {
        FormulaFile::parse(text, path)?.whole()
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
        let line = Some(place(text, self.expression.span().start).0);
        let (points, expected, note) = (self.points, self.expected, self.note);
        Ok(Formula { line, points, expected, note, ..formula })
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
    fn a_formula_that_cannot_be_read_does_not_stop_the_others() {
        let formula = |expression: &str| {
            format!(
                "[[formula]]\nname = \"f\"\ntarget = \"d_b_2b\"\npoints = 2\n\
                 expression = \"{expression}\"\n"
            )
        };
        let text = formula("x +") + &formula("delta_2b") + &formula("delta_3b");
        let file = FormulaFile::parse(&text, Path::new("f.toml")).unwrap();
        assert_eq!((file.formulas.len(), file.unread.len()), (1, 2));
        assert_eq!(file.formulas[0].line(), Some(10));
        assert_eq!(file.unread[1].points, Some(2.0));
        assert!(file.unread[1].error.to_string().starts_with("f.toml:15:14: formula `f`"));
        assert!(Formula::parse(&text, Path::new("f.toml")).is_err());
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
