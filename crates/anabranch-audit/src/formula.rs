//! A formula: what it is for, what it says, and how to read it.

use std::fmt;

use crate::Verdict;
use crate::expr::{Expr, Index, Node, Slot};
use crate::lexer::as_name;
use crate::matrix::Matrix;
use crate::parser::parse;
use crate::plain::Plain;
use crate::quantity::{Quantity, Target, suggestion};
use crate::setting::Setting;
use crate::task::{Loss, Task};
use crate::truth::{MaskReading, Truth};
use crate::turn::Turn;

/// What the quantities of a formula stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// The whole batch: `[m, n]`, a row for each sample, as in code.
    Batch,
    /// One sample: column vectors, as a derivation prints them; then summed over the batch.
    PerRow,
    /// One unit of branch B: a number for each sample, as papers on BatchNorm print them.
    PerUnit,
}

/// The letters of a formula that stands for every entry of its target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Indices {
    /// The letters of the target, in its order; without any, the formula is for the target as a
    /// whole.
    pub(crate) free: Vec<Index>,
    /// The formula is for the entries where this is 1; without it, for all.
    pub(crate) condition: Option<Expr>,
}

impl Indices {
    /// The letters of a slot.
    pub(crate) fn of(&self, slot: Slot) -> Vec<char> {
        self.free.iter().filter(|index| index.slot == slot).map(|index| index.name).collect()
    }
}

/// A printed formula, ready to be audited.
#[derive(Clone, Debug)]
pub struct Formula {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) expression: String,
    pub(crate) expr: Expr,
    pub(crate) evaluation: Evaluation,
    pub(crate) setting: Setting,
    /// What its target is a derivative of.
    pub(crate) loss: Loss,
    pub(crate) indices: Indices,
    pub(crate) mask: MaskReading,
    /// Which way round its matrices are.
    pub(crate) turn: Turn,
    pub(crate) line: Option<usize>,
    pub(crate) expected: Option<Verdict>,
    pub(crate) points: Option<f64>,
    pub(crate) note: Option<String>,
}

impl Formula {
    /// The formula `target = expression`; `name` is how a report calls it.
    ///
    /// # Errors
    /// When no target has this name, or the expression is not one.
    pub fn new(
        name: &str,
        target: &str,
        expression: &str,
        evaluation: Evaluation,
    ) -> Result<Self, FormulaError> {
        let target = named(target).ok_or_else(|| FormulaError::UnknownTarget {
            name: target.to_owned(),
            suggestion: suggestion(target, Target::all().map(Target::name)),
        })?;
        let expr = parse(expression)
            .map_err(|error| FormulaError::Syntax { expression: expression.to_owned(), error })?;
        Ok(Self {
            name: name.to_owned(),
            target,
            expression: expression.to_owned(),
            setting: Setting::default().asked_for_by(target, &expr),
            loss: Loss::Whole,
            expr,
            evaluation,
            indices: Indices::default(),
            mask: MaskReading::Scaled,
            turn: Turn::default(),
            line: None,
            expected: None,
            points: None,
            note: None,
        })
    }

    /// Whether the expression contains the target.
    pub(crate) fn is_circular(&self) -> bool {
        fn mentions(expr: &Expr, (target, loss): (&str, Loss), of: Loss) -> bool {
            match &expr.node {
                Node::Quantity(quantity) => quantity.name == target && of == loss,
                Node::OfTask(task, inner) => mentions(inner, (target, loss), (*task).into()),
                _ => expr.children().iter().any(|part| mentions(part, (target, loss), of)),
            }
        }
        mentions(&self.expr, (self.target.name(), self.loss), Loss::Whole)
    }

    /// What it should be, in the blocks of an evaluation.
    pub(crate) fn true_value(&self, truth: &Truth, evaluation: Evaluation) -> Vec<Matrix> {
        let truth = match self.loss {
            Loss::Whole => truth,
            Loss::OfA => truth.of_task(Task::A),
            Loss::OfB => truth.of_task(Task::B),
            Loss::OfSample => truth.of_task(Task::Sample),
        };
        truth.expected(self.target, evaluation)
    }

    /// Its name in reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is a formula for.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The expression as written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// How it is read.
    pub fn evaluation(&self) -> Evaluation {
        self.evaluation
    }

    /// The line of its expression in its file.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// The verdict that its file says it must get.
    pub fn expected(&self) -> Option<Verdict> {
        self.expected
    }

    /// How many points it is worth.
    pub fn points(&self) -> Option<f64> {
        self.points
    }

    /// What its file says about it.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }
}

/// The target that a file calls so: by its name, in Greek, or as dL/du.
fn named(target: &str) -> Option<Target> {
    let written = |text: &str| as_name(text.trim());
    let derivative = ["∂L/∂", "dL/d"].iter().find_map(|start| target.trim().strip_prefix(start));
    match derivative {
        Some(by) => Quantity::named(&written(by.trim_start_matches('_'))?)?
            .gradient()
            .and_then(|gradient| Target::named(gradient.name)),
        None => Target::named(target).or_else(|| Target::named(&written(target)?)),
    }
}

/// The place where an expression cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct SyntaxError {
    /// In characters of the expression, from 1.
    pub column: usize,
    /// What was expected and what is there.
    pub message: String,
}

/// Why something is not a formula.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormulaError {
    /// The target is none of [`Target::all`].
    #[error("there is no target `{}`{suggestion}; targets are {}", Plain(name), TargetList)]
    UnknownTarget {
        /// The name given.
        name: String,
        /// The nearest name, in words, or nothing.
        suggestion: String,
    },
    /// The expression cannot be read.
    #[error("{error}\n{}", pointed(expression, error.column))]
    Syntax {
        /// The expression as written.
        expression: String,
        /// Where and what.
        error: SyntaxError,
    },
}

/// The names of all targets.
struct TargetList;

impl fmt::Display for TargetList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Target::all().map(Target::name).collect::<Vec<_>>().join(" "))
    }
}

/// The line of the expression that holds the column, and a caret under it; a long line is cut.
fn pointed(expression: &str, column: usize) -> String {
    const BEFORE: usize = 60;
    let at = column.saturating_sub(1);
    let chars: Vec<char> = expression.chars().collect();
    let is_break = |c: &char| *c == '\n' || *c == '\r';
    let line_start = chars[..at.min(chars.len())].iter().rposition(is_break).map_or(0, |i| i + 1);
    let start = line_start.max(at.saturating_sub(BEFORE));
    let shown: String = chars[start.min(chars.len())..]
        .iter()
        .take_while(|c| !is_break(c))
        .take(BEFORE + 20)
        .map(|c| if c.is_control() { ' ' } else { *c })
        .collect();
    format!("    {shown}\n    {}^", " ".repeat(at - start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_shows_its_place() {
        let error = Formula::new("f", "d_gamma", "delta_2b * )", Evaluation::Batch).unwrap_err();
        let expected = "column 12: expected a value, found `)`\n    delta_2b * )\n               ^";
        assert_eq!(error.to_string(), expected);
        let error = Formula::new("f", "d_gamma", "x +\n  y )", Evaluation::Batch).unwrap_err();
        assert!(error.to_string().ends_with("\n      y )\n      ^"), "{error}");
        for odd in ["", "\n", "(\n", "\u{7}", "x\r\n+"] {
            assert!(Formula::new("f", "d_gamma", odd, Evaluation::Batch).is_err());
        }
    }

    #[test]
    fn an_unknown_target_is_refused() {
        let error = Formula::new("f", "d_gama", "x", Evaluation::Batch).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("there is no target `d_gama` (did you mean `d_gamma`?)"),
            "{text}"
        );
        assert!(
            Formula::new("f", "x", "x", Evaluation::Batch).is_err(),
            "a quantity is not a target"
        );
    }
}
