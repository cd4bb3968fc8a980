//! The verdicts on a derivation as text for a terminal.

use std::fmt::Write as _;

use super::derivation::{Derivation, Equation, Judgement};
use crate::Verdict;
use crate::finding::{write_finding, write_wrapped};
use crate::plain::Plain;

/// The derivation's equations with their verdicts, what was not judged, and the symbols as they
/// were read.
pub fn derivation_report(derivation: &Derivation) -> String {
    let mut text = String::new();
    for equation in &derivation.equations {
        write_equation(&mut text, equation);
    }
    let mut listed = |unreadable: bool, title: &str| {
        let of_kind =
            || derivation.skipped.iter().filter(|skipped| skipped.unreadable == unreadable);
        if of_kind().next().is_none() {
            return;
        }
        let _ = writeln!(text, "{title}");
        for skipped in of_kind() {
            let place = skipped.place;
            let _ = writeln!(text, "  {}:{}: {}", place.line, place.column, Plain(&skipped.text));
            write_wrapped(&mut text, &Plain(&skipped.reason).to_string());
        }
        text.push('\n');
    };
    listed(true, "Not read:");
    listed(false, "Not judged:");
    if !derivation.symbols.is_empty() {
        let _ = writeln!(text, "Symbols as they were read:");
        let symbols: Vec<String> = derivation
            .symbols
            .iter()
            .map(|(symbol, meaning)| format!("{} = {}", Plain(symbol), Plain(meaning)))
            .collect();
        write_wrapped(&mut text, &symbols.join(",  "));
        text.push('\n');
    }
    if !derivation.conventions.is_empty() {
        let _ = writeln!(text, "Matrices as they were read:");
        let conventions: Vec<String> =
            derivation.conventions.iter().map(|(of, how)| format!("{of}: {how}")).collect();
        write_wrapped(&mut text, &conventions.join("; "));
        text.push('\n');
    }
    let verdict = |wanted: Option<Verdict>| {
        derivation.equations.iter().filter(|equation| equation.verdict == wanted).count()
    };
    let mut counts: Vec<String> = Verdict::ALL
        .iter()
        .filter(|wanted| verdict(Some(**wanted)) > 0)
        .map(|wanted| format!("{} {wanted}", verdict(Some(*wanted))))
        .collect();
    let unread =
        verdict(None) + derivation.skipped.iter().filter(|skipped| skipped.unreadable).count();
    if unread > 0 {
        counts.push(format!("{unread} not read"));
    }
    let in_part = derivation.equations.iter().filter(|equation| is_exact_in_part(equation)).count();
    if in_part > 0 {
        counts.push(format!("{in_part} of the exact ones read in part"));
    }
    let n = derivation.equations.len();
    let plural = if n == 1 { "equation" } else { "equations" };
    let _ = writeln!(text, "{n} {plural}: {}.", counts.join(", "));
    text
}

/// Whether nothing in it is wrong, but a member of it is not read.
fn is_exact_in_part(equation: &Equation) -> bool {
    let is_unread = |judgement: &Judgement| matches!(judgement, Judgement::Unreadable(_));
    equation.verdict == Some(Verdict::Exact)
        && equation.members.iter().any(|member| is_unread(&member.judgement))
}

fn write_equation(text: &mut String, equation: &Equation) {
    let in_part = is_exact_in_part(equation);
    let verdict = match equation.verdict {
        Some(verdict) if in_part => format!("{verdict}, as far as it is read"),
        Some(verdict) => verdict.to_string(),
        None => "not read".to_owned(),
    };
    let mark = match equation.verdict {
        _ if in_part => '?',
        Some(Verdict::Exact) => '✓',
        Some(_) => '✗',
        None => '?',
    };
    let place = equation.place;
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{mark} {}:{} {}: {verdict}", place.line, place.column, equation.target);
    for (i, member) in equation.members.iter().enumerate() {
        let sign = if i == 0 { "   " } else { "  =" };
        let mark = match &member.judgement {
            Judgement::Name if i == 0 => "",
            Judgement::Name => "   ✓",
            Judgement::Judged(finding) if finding.verdict == Verdict::Exact => "   ✓",
            Judgement::Judged(_) => "   ✗",
            Judgement::Unreadable(_) => "   ?",
        };
        let _ = writeln!(text, "  {sign} {}{mark}", Plain(&member.text));
        match &member.judgement {
            Judgement::Name => {}
            Judgement::Judged(finding) => {
                write_finding(text, &format!("{}: ", finding.verdict), finding);
            }
            Judgement::Unreadable(message) => {
                write_wrapped(text, &format!("Not read: {}.", Plain(message)));
            }
        }
        if equation.broken == Some(i) {
            let place = member.place;
            let between = matches!(equation.members[i - 1].judgement, Judgement::Unreadable(_));
            let which =
                if between { "The chain breaks at or before" } else { "The chain breaks at" };
            let sentence = format!(
                "{which} the `=` before this (line {}, number {i} in the equation).",
                place.line
            );
            write_wrapped(text, &sentence);
        }
    }
    if let Some(expected) = equation.expected
        && equation.verdict != Some(expected)
    {
        let _ = writeln!(text, "    The file expects: {expected}.");
    }
    text.push('\n');
}
