//! What a file's formulas and equations are worth.

use crate::{Derivation, Equation, Finding, Formula, Judgement, Verdict};

/// Points earned, out of those available.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grade {
    /// Of the formulas that got the verdict expected of them: `exact`, unless the file says
    /// otherwise.
    pub earned: f64,
    /// For all.
    pub possible: f64,
    /// Whether every formula has the verdict expected of it, and nothing was left unread.
    pub pass: bool,
}

/// The grade of a file of formulas; a formula without points of its own is worth none.
pub fn grade(formulas: &[Formula], findings: &[Finding]) -> Grade {
    let mut grade = Grade { pass: formulas.len() == findings.len(), ..Grade::default() };
    for (formula, finding) in formulas.iter().zip(findings) {
        grade
            .add(formula.points(), finding.verdict == formula.expected().unwrap_or(Verdict::Exact));
    }
    grade
}

impl Derivation {
    /// The grade of the file.
    pub fn grade(&self) -> Grade {
        let pass = !self.skipped.iter().any(|skipped| skipped.unreadable);
        let mut grade = Grade { pass, ..Grade::default() };
        for equation in &self.equations {
            grade.add(equation.points, equation.is_as_expected());
        }
        grade
    }
}

impl Equation {
    /// Whether it has the verdict that its file expects; if it expects none, whether all of it is
    /// exact.
    pub fn is_as_expected(&self) -> bool {
        let all_read =
            !self.members.iter().any(|member| matches!(member.judgement, Judgement::Unreadable(_)));
        match self.expected {
            Some(expected) => self.verdict == Some(expected),
            None => self.verdict == Some(Verdict::Exact) && all_read,
        }
    }
}

impl Grade {
    /// A formula that is worth `points` cannot be read.
    pub fn miss(&mut self, points: Option<f64>) {
        self.add(points, false);
    }

    fn add(&mut self, points: Option<f64>, as_expected: bool) {
        let points = points.unwrap_or(0.0);
        self.possible += points;
        self.earned += if as_expected { points } else { 0.0 };
        self.pass &= as_expected;
    }
}
