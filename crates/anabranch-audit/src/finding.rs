//! The result of an audit, for programs and for people.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::judge::Assessment;
use crate::mistakes::Mistake;
use crate::plain::Plain;
use crate::quantity::Target;
use crate::{Evaluation, Example, Formula, Tried};

/// The verdict on a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Equal to the true value on every instance.
    Exact,
    /// A constant times the true value.
    Factor,
    /// Right once the mean over the batch is taken last instead of first.
    AveragedEarly,
    /// In terms of itself, so it says nothing.
    Circular,
    /// None of the others.
    Wrong,
    /// Not of the target's shape, or with an operation that the shapes do not allow.
    Shape,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Exact => "exact",
            Self::Factor => "exact up to a factor",
            Self::AveragedEarly => "averaged too early",
            Self::Circular => "circular",
            Self::Wrong => "wrong",
            Self::Shape => "wrong shape",
        })
    }
}

/// What the audit found about one formula. Its JSON form has exactly the documented keys.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The formula's name.
    pub name: String,
    /// What it is a formula for.
    pub target: Target,
    /// The verdict on the formula as its file states it.
    pub verdict: Verdict,
    /// f in printed = f × true, for [`Verdict::Factor`]: an expression such as `m` or `1/(1-p)`.
    pub factor: Option<String>,
    /// The largest ‖printed − true‖/(‖printed‖ + ‖true‖ + 10⁻⁶√n) over the instances; `None` if the
    /// shapes differ or the printed value is not finite.
    pub error: Option<f64>,
    /// The classic mistake that gives the printed value.
    #[serde(serialize_with = "mistake_name")]
    pub mistake: Option<Mistake>,
    /// `[rows, columns]` of the printed value on the first instance, if they are not the target's.
    pub shape: Option<[usize; 2]>,
    /// `[rows, columns]` of the target there, for [`Verdict::Shape`].
    pub expected_shape: Option<[usize; 2]>,
    /// The mistakes that together give the printed value, in words; empty if they are not known.
    pub mistakes: Vec<String>,
    /// Other readings of a formula that is not exact, each with the verdict that it would get.
    pub readings: Vec<Tried>,
    /// Two samples on which the printed value and the true one differ.
    pub example: Option<Example>,
    /// The verdict in sentences.
    pub explanation: String,
}

// serde hands over a reference to the field.
#[allow(clippy::ref_option)]
fn mistake_name<S: serde::Serializer>(
    mistake: &Option<Mistake>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    mistake.map(Mistake::name).serialize(serializer)
}

impl Verdict {
    /// Every verdict, from right to wrong.
    pub const ALL: [Self; 6] =
        [Self::Exact, Self::Factor, Self::AveragedEarly, Self::Shape, Self::Circular, Self::Wrong];

    /// The verdict with this name in a file.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "exact" => Self::Exact,
            "factor" => Self::Factor,
            "averaged_early" => Self::AveragedEarly,
            "circular" => Self::Circular,
            "wrong" => Self::Wrong,
            "shape" => Self::Shape,
            _ => return None,
        })
    }
}

impl Finding {
    pub(crate) fn new(formula: &Formula, found: Assessment) -> Self {
        Self {
            name: formula.name.clone(),
            target: formula.target,
            verdict: found.verdict,
            factor: found.factor,
            error: found.error,
            mistake: found.mistake,
            shape: found.shape,
            expected_shape: found.expected_shape,
            mistakes: found.mistakes,
            readings: vec![],
            example: None,
            explanation: found.text,
        }
    }

    /// Adds a sentence to the explanation.
    pub(crate) fn say(&mut self, sentence: &str) {
        self.explanation.push(' ');
        self.explanation.push_str(sentence);
    }

    /// The finding on a formula that contains its own target.
    pub(crate) fn circular(formula: &Formula) -> Self {
        let target = formula.target;
        Self {
            name: formula.name.clone(),
            target,
            verdict: Verdict::Circular,
            factor: None,
            error: None,
            mistake: None,
            shape: None,
            expected_shape: None,
            mistakes: vec![],
            readings: vec![],
            example: None,
            explanation: format!("{target} is defined by {target} itself."),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}. {}", Plain(&self.name), self.target, self.verdict, self.explanation)
    }
}

/// Whether each formula got the verdict that its file expects; if it expects none, `exact`.
pub fn as_expected(formulas: &[Formula], findings: &[Finding]) -> bool {
    formulas.len() == findings.len()
        && formulas.iter().zip(findings).all(|(formula, finding)| {
            finding.verdict == formula.expected().unwrap_or(Verdict::Exact)
        })
}

/// The findings as text for a terminal: a block for each formula, then a count.
pub fn report(formulas: &[Formula], findings: &[Finding]) -> String {
    let mut text = String::new();
    for (formula, finding) in formulas.iter().zip(findings) {
        let mark = if finding.verdict == Verdict::Exact { '✓' } else { '✗' };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark} {}: {}", Plain(&finding.name), finding.verdict);
        let expression = formula.expression().split_whitespace().collect::<Vec<_>>().join(" ");
        let per_row = match formula.evaluation() {
            Evaluation::PerRow => "   (per row)",
            Evaluation::PerUnit => "   (per unit)",
            Evaluation::Batch => "",
        };
        let _ = writeln!(text, "    {} = {}{per_row}", finding.target, Plain(&expression));
        write_finding(&mut text, "", finding);
        if let Some(note) = formula.note() {
            write_wrapped(&mut text, &format!("Note: {}", Plain(note)));
        }
        if let Some(expected) = formula.expected()
            && expected != finding.verdict
        {
            let _ = writeln!(text, "    The file expects: {expected}.");
        }
        text.push('\n');
    }
    let count = |verdict: Verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let counts: Vec<String> = Verdict::ALL
        .iter()
        .filter(|verdict| count(**verdict) > 0)
        .map(|verdict| format!("{} {verdict}", count(*verdict)))
        .collect();
    let plural = if findings.len() == 1 { "formula" } else { "formulas" };
    let _ = writeln!(text, "{} {plural}: {}.", findings.len(), counts.join(", "));
    text
}

/// Appends the explanation behind `start`, the readings that were tried and the example.
pub(crate) fn write_finding(text: &mut String, start: &str, finding: &Finding) {
    write_wrapped(text, &format!("{start}{}", Plain(&finding.explanation)));
    if !finding.readings.is_empty() {
        let tried: Vec<String> = finding
            .readings
            .iter()
            .map(|Tried { reading, verdict }| format!("{reading}: {verdict}"))
            .collect();
        write_wrapped(text, &format!("Readings tried: {}.", tried.join("; ")));
    }
    if let Some(example) = &finding.example {
        for line in example.to_string().lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
}

/// Appends `paragraph` with an indent, broken between words.
pub(crate) fn write_wrapped(text: &mut String, paragraph: &str) {
    const WIDTH: usize = 96;
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if column == 0 {
            text.push_str("   ");
            column = 3;
        } else if column + 1 + length > WIDTH {
            text.push_str("\n   ");
            column = 3;
        }
        text.push(' ');
        text.push_str(word);
        column += 1 + length;
    }
    if column > 0 {
        text.push('\n');
    }
}
