//! `anabranch audit`: verdicts on printed gradient formulas.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anabranch::audit::{
    Auditor, Derivation, Equation, FileError, Finding, Formula, FormulaFile, Grade, Judgement,
    Unread, Verdict, derivation_report, grade, report, source_derivation,
};
use comfy_table::Table;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;

/// Judge printed gradient formulas
///
/// A formula is exact, off by a factor, of the wrong shape, averaged too early,
/// circular, or wrong. In a Markdown or LaTeX file, every equation is judged, and
/// in A = B = C the first `=` that breaks is named. The exit code is 0 if every
/// formula has the verdict that its file expects (exact, if it says nothing), 1 if
/// not, and 2 if a FILE cannot be read; the others are judged all the same. Without
/// FILE, the derivation that the network comes from is judged.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// TOML with `[[formula]]` tables, Markdown (.md) or LaTeX (.tex); several files are
    /// summarised in a table
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print the verdicts as one line of JSON instead of sentences
    #[arg(long)]
    json: bool,
    /// Print a line of CSV for each formula instead of sentences
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Random seed of the networks that formulas are tried on
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// A judged file.
struct Audited {
    path: Option<PathBuf>,
    kind: Kind,
}

enum Kind {
    Formulas {
        formulas: Vec<Formula>,
        findings: Vec<Finding>,
        unread: Vec<Unread>,
    },
    Derivation(Derivation),
    /// A file that cannot be read, and why.
    Unusable(String),
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let auditor = Auditor::new(args.seed);
    let files: Vec<Audited> = if args.files.is_empty() {
        let formulas = FormulaFile { formulas: source_derivation(), unread: vec![] };
        vec![Audited { path: None, kind: judged(&auditor, formulas) }]
    } else {
        args.files.iter().map(|file| audited(&auditor, file)).collect()
    };
    if let [Audited { kind: Kind::Unusable(message), .. }] = &files[..] {
        return Err(Failure::input(message));
    }
    if args.json {
        output::print(&json_of(&files))?;
    } else if args.csv {
        output::print(&csv_of(&files)?.trim_end())?;
    } else {
        output::print(&text_of(&files).trim_end())?;
    }
    if files.iter().any(|file| matches!(file.kind, Kind::Unusable(_))) {
        return Ok(ExitCode::from(2));
    }
    Ok(output::verdict(files.iter().all(|file| file.grade().pass)))
}

fn judged(auditor: &Auditor, file: FormulaFile) -> Kind {
    let FormulaFile { formulas, unread } = file;
    let findings = formulas.iter().map(|formula| auditor.finding(formula)).collect();
    Kind::Formulas { formulas, findings, unread }
}

fn audited(auditor: &Auditor, file: &Path) -> Audited {
    let kind = kind(auditor, file).unwrap_or_else(Kind::Unusable);
    Audited { path: Some(file.to_owned()), kind }
}

/// The judged file; otherwise why it cannot be used.
fn kind(auditor: &Auditor, file: &Path) -> Result<Kind, String> {
    let extension = file.extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
    match extension.as_str() {
        "md" | "markdown" | "tex" | "latex" => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("{}: cannot be read: {error}", output::plain(file)))?;
            let derivation = auditor.derivation(&text, extension.ends_with("tex"));
            if derivation.equations.is_empty() && derivation.skipped.is_empty() {
                return Err(format!("{}: contains no equation to judge", output::plain(file)));
            }
            Ok(Kind::Derivation(derivation))
        }
        _ => {
            let mut formulas = FormulaFile::read(file).map_err(|error| error.to_string())?;
            // With nothing left to judge, the file is what is wrong.
            if formulas.formulas.is_empty() && !formulas.unread.is_empty() {
                return Err(formulas.unread.remove(0).error.to_string());
            }
            Ok(judged(auditor, formulas))
        }
    }
}

impl Audited {
    fn name(&self) -> String {
        self.path.as_ref().map_or_else(String::new, |path| output::plain(path))
    }

    fn grade(&self) -> Grade {
        match &self.kind {
            Kind::Formulas { formulas, findings, unread } => {
                let mut grade = grade(formulas, findings);
                unread.iter().for_each(|unread| grade.miss(unread.points));
                grade
            }
            Kind::Derivation(derivation) => derivation.grade(),
            Kind::Unusable(_) => Grade::default(),
        }
    }

    fn count(&self, wanted: Option<Verdict>) -> usize {
        match &self.kind {
            Kind::Formulas { findings, unread, .. } => match wanted {
                Some(wanted) => findings.iter().filter(|f| f.verdict == wanted).count(),
                None => unread.len(),
            },
            Kind::Unusable(_) => usize::from(wanted.is_none()),
            Kind::Derivation(derivation) => {
                let unread = derivation.skipped.iter().filter(|skipped| skipped.unreadable).count();
                let of_verdict =
                    derivation.equations.iter().filter(|equation| equation.verdict == wanted);
                of_verdict.count() + if wanted.is_none() { unread } else { 0 }
            }
        }
    }
}

fn text_of(files: &[Audited]) -> String {
    let mut text = String::new();
    for file in files {
        if files.len() > 1 {
            text.push_str(&format!("{}\n\n", file.name()));
        }
        text.push_str(&match &file.kind {
            Kind::Formulas { formulas, findings, unread } => {
                let unread =
                    unread.iter().map(|unread| format!("? not read: {}\n\n", unread.error));
                unread.collect::<String>() + &report(formulas, findings)
            }
            Kind::Derivation(derivation) => derivation_report(derivation),
            Kind::Unusable(message) => format!("? {message}\n"),
        });
        let Grade { earned, possible, .. } = file.grade();
        if possible > 0.0 {
            text.push_str(&format!("{earned} of {possible} points.\n"));
        }
        text.push('\n');
    }
    if files.len() > 1 {
        let mut table = Table::new();
        let mut header: Vec<String> = vec!["file".into()];
        header.extend(Verdict::ALL.iter().map(ToString::to_string));
        header.extend(["not read".into(), "points".into()]);
        table.set_header(header);
        for file in files {
            let mut row = vec![file.name()];
            row.extend(Verdict::ALL.iter().map(|verdict| file.count(Some(*verdict)).to_string()));
            let Grade { earned, possible, .. } = file.grade();
            let points =
                if possible > 0.0 { format!("{earned} of {possible}") } else { "–".into() };
            row.extend([file.count(None).to_string(), points]);
            table.add_row(row);
        }
        text.push_str(&output::layout(table, 1));
    }
    text
}

/// For a single file of formulas a list of findings; for others an object each.
fn json_of(files: &[Audited]) -> Value {
    let object = |file: &Audited| {
        let Grade { earned, possible, pass } = file.grade();
        let mut value = match &file.kind {
            Kind::Formulas { findings, unread, .. } => {
                let unread: Vec<String> = unread.iter().map(|one| one.error.to_string()).collect();
                json!({ "findings": findings, "unread": unread })
            }
            Kind::Derivation(derivation) => derivation_json(derivation),
            Kind::Unusable(message) => json!({ "error": message }),
        };
        value["file"] = json!(file.path.as_ref().map(|path| path.to_string_lossy()));
        value["points"] = json!({ "earned": earned, "possible": possible });
        value["pass"] = json!(pass);
        value
    };
    match files {
        [Audited { kind: Kind::Formulas { findings, unread, .. }, .. }] if unread.is_empty() => {
            json!(findings)
        }
        [one] => object(one),
        several => several.iter().map(object).collect(),
    }
}

fn derivation_json(derivation: &Derivation) -> Value {
    let equations: Vec<Value> = derivation.equations.iter().map(equation_json).collect();
    let skipped: Vec<Value> = derivation
        .skipped
        .iter()
        .map(|skipped| {
            json!({
                "line": skipped.place.line, "column": skipped.place.column, "text": skipped.text,
                "reason": skipped.reason, "unreadable": skipped.unreadable,
            })
        })
        .collect();
    json!({
        "equations": equations,
        "skipped": skipped,
        "symbols": derivation.symbols,
        "conventions": derivation.conventions,
    })
}

fn equation_json(equation: &Equation) -> Value {
    let members: Vec<Value> = equation
        .members
        .iter()
        .map(|member| {
            let (finding, unreadable) = match &member.judgement {
                Judgement::Name => (None, None),
                Judgement::Judged(finding) => (Some(finding), None),
                Judgement::Unreadable(message) => (None, Some(message)),
            };
            json!({
                "line": member.place.line, "column": member.place.column, "text": member.text,
                "verdict": finding.map(|f| f.verdict), "factor": finding.and_then(|f| f.factor.clone()),
                "error": finding.and_then(|f| f.error),
                "mistake": finding.and_then(|f| f.mistake).map(|mistake| mistake.name()),
                "mistakes": finding.map(|f| &f.mistakes), "readings": finding.map(|f| &f.readings),
                "example": finding.map(|f| &f.example), "explanation": finding.map(|f| &f.explanation),
                "unreadable": unreadable, "follows": member.follows,
            })
        })
        .collect();
    json!({
        "line": equation.place.line, "column": equation.place.column, "target": equation.target,
        "verdict": equation.verdict, "broken": equation.broken, "members": members,
        "expected": equation.expected, "points": equation.points,
    })
}

fn csv_of(files: &[Audited]) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Failure::on_the_way(format!("cannot write CSV ({error})"));
    writer
        .write_record([
            "file", "line", "name", "target", "verdict", "factor", "mistakes", "expected",
            "points", "earned",
        ])
        .map_err(failed)?;
    let mut row = |cells: [String; 8], points: Option<f64>, as_expected: bool| {
        let points = points.unwrap_or(0.0);
        let earned = if as_expected { points } else { 0.0 };
        let cells = cells.into_iter().chain([points.to_string(), earned.to_string()]);
        writer.write_record(cells).map_err(failed)
    };
    let key = |verdict: Option<Verdict>| match json!(verdict) {
        Value::String(key) => key,
        _ => String::new(),
    };
    let unread = |file: &Audited, line: Option<usize>, name: &str| {
        let mut cells = [const { String::new() }; 8];
        cells[0] = file.name();
        cells[1] = line.map_or(String::new(), |line| line.to_string());
        name.clone_into(&mut cells[2]);
        "unread".clone_into(&mut cells[4]);
        cells
    };
    for file in files {
        match &file.kind {
            Kind::Formulas { formulas, findings, unread: not_read } => {
                for (formula, finding) in formulas.iter().zip(findings) {
                    let expected = formula.expected();
                    let cells = [
                        file.name(),
                        formula.line().map_or(String::new(), |line| line.to_string()),
                        finding.name.clone(),
                        finding.target.to_string(),
                        key(Some(finding.verdict)),
                        finding.factor.clone().unwrap_or_default(),
                        finding.mistakes.join("; "),
                        key(expected),
                    ];
                    let as_expected = finding.verdict == expected.unwrap_or(Verdict::Exact);
                    row(cells, formula.points(), as_expected)?;
                }
                for Unread { error, points } in not_read {
                    let (line, name) = match error {
                        FileError::Formula { line, name, .. } => (Some(*line), &**name),
                        _ => (None, ""),
                    };
                    row(unread(file, line, name), *points, false)?;
                }
            }
            Kind::Unusable(message) => row(unread(file, None, message), None, false)?,
            Kind::Derivation(derivation) => {
                for equation in &derivation.equations {
                    let first_wrong =
                        equation.members.iter().find_map(|member| match &member.judgement {
                            Judgement::Judged(finding) if finding.verdict != Verdict::Exact => {
                                Some(finding)
                            }
                            _ => None,
                        });
                    let name = equation.members.iter().map(|member| member.text.as_str());
                    let mistakes = first_wrong.map(|finding| finding.mistakes.join("; "));
                    let cells = [
                        file.name(),
                        equation.place.line.to_string(),
                        name.collect::<Vec<_>>().join(" = "),
                        equation.target.to_string(),
                        equation.verdict.map_or("unread".into(), |verdict| key(Some(verdict))),
                        first_wrong.and_then(|finding| finding.factor.clone()).unwrap_or_default(),
                        mistakes.unwrap_or_default(),
                        key(equation.expected),
                    ];
                    row(cells, equation.points, equation.is_as_expected())?;
                }
                for skipped in derivation.skipped.iter().filter(|skipped| skipped.unreadable) {
                    let line = Some(skipped.place.line);
                    row(unread(file, line, &skipped.text), None, false)?;
                }
            }
        }
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| Failure::on_the_way(format!("cannot write CSV ({error})")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
