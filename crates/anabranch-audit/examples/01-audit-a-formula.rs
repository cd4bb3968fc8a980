//! A student's formulas for dL/dtheta_2b, judged:
//! `cargo run -p anabranch-audit --example 01-audit-a-formula`.

use anabranch_audit::{Evaluation, Formula, FormulaError, Verdict, audit, report};

fn main() -> Result<(), FormulaError> {
    let formulas = [
        // In code: the batch is a matrix with a row for each sample.
        Formula::new("in code", "d_theta_2b", "delta_2b' * s", Evaluation::Batch)?,
        // On paper: one sample, column vectors, then a sum over the batch.
        Formula::new("on paper", "d_theta_2b", "(y_b_hat - y_b) * s' / m", Evaluation::PerRow)?,
        Formula::new("no 1/m", "d_theta_2b", "(y_b_hat - y_b)' * s", Evaluation::Batch)?,
        Formula::new("turned", "d_theta_2b", "s' * delta_2b", Evaluation::Batch)?,
        Formula::new("means", "d_theta_2b", "sum(delta_2b)' * mean(s)", Evaluation::Batch)?,
        Formula::new("no join", "d_theta_2b", "delta_2b' * bn", Evaluation::Batch)?,
    ];
    let findings = audit(&formulas, 1);
    print!("{}", report(&formulas, &findings));

    let verdicts: Vec<Verdict> = findings.iter().map(|finding| finding.verdict).collect();
    assert_eq!(
        verdicts,
        [
            Verdict::Exact,
            Verdict::Exact,
            Verdict::Factor,
            Verdict::Shape,
            Verdict::AveragedEarly,
            Verdict::Wrong,
        ]
    );
    assert_eq!(findings[2].factor.as_deref(), Some("m"));
    assert!(findings[5].mistake.is_some());

    // What cannot be read says where.
    let error = Formula::new("typo", "d_gamma", "sum(ds .* a_hat)", Evaluation::Batch).unwrap_err();
    assert!(error.to_string().starts_with("column 5: there is no quantity `ds`"));
    Ok(())
}
