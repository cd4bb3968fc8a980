//! What the audit says of formulas that are not exact: mistakes, readings, examples.

use std::sync::LazyLock;

use anabranch_audit::{Auditor, Evaluation, Finding, Formula, Verdict};

static AUDITOR: LazyLock<Auditor> = LazyLock::new(|| Auditor::new(7));

fn find(target: &str, expression: &str, evaluation: Evaluation) -> Finding {
    let formula = Formula::new("f", target, expression, evaluation)
        .unwrap_or_else(|error| panic!("{expression}: {error}"));
    AUDITOR.finding(&formula)
}

#[test]
fn two_mistakes_at_once_are_both_named() {
    use Evaluation::{Batch, PerRow};
    // From the source derivation: three slips in one line.
    let three = "((1/m) * sum(y_a_hat - y_a) + theta_2b' * (y_b_hat - y_b)) * x'";
    for (target, expression, evaluation, mistakes) in [
        (
            "delta_1b",
            "(jacobian_batchnorm * ((y_b_hat - y_b) * theta_2b)) .* relu'(z_1b)",
            Batch,
            &["1/m is missing", "gamma is missing"][..],
        ),
        (
            "delta_1a",
            "-(delta_2a * theta_2a) .* [M > 0] .* relu'(z_1a)",
            Batch,
            &["the sign is wrong", "1/(1-p) is missing"],
        ),
        (
            "delta_2a",
            "(y_a_hat - y_a) - d_s",
            Batch,
            &["1/m on the term `y_a_hat - y_a`", "other sign on the term `d_s`"],
        ),
        (
            "d_a",
            "1 ./ sqrt(var + eps) .* (d_s - a_hat .* mean(d_s .* a_hat, rows))",
            Batch,
            &["without its mean term", "gamma is missing"],
        ),
        (
            "d_theta_1a",
            "(delta_2a * theta_2a)' * x",
            Batch,
            &["the factor `relu'(z_1a)`", "the factor `M`"],
        ),
        ("z_1a", "theta_1a' * x", PerRow, &["term `b_1a`", "without the transpose"]),
        ("delta_2b", "sum(y_b - y_b_hat, rows)", Batch, &["averaged too early", "sign", "1/m"]),
        (
            "d_theta_2a",
            three,
            PerRow,
            &["1/m on the term `theta_2b' * (y_b_hat - y_b)`", "`h` instead of `x`", "too early"],
        ),
    ] {
        let finding = find(target, expression, evaluation);
        assert_ne!(finding.verdict, Verdict::Exact, "{finding}");
        assert_eq!(finding.mistakes.len(), mistakes.len(), "{finding}: {:?}", finding.mistakes);
        for (found, part) in finding.mistakes.iter().zip(mistakes) {
            assert!(found.contains(part), "{expression}: {:?}", finding.mistakes);
        }
    }
}

#[test]
fn brackets_axes_and_roots_that_are_off_are_named() {
    for (target, expression, words) in [
        ("a_hat", "(a_1b - mu) ./ (sqrt(var) + eps)", "with `sqrt(var + eps)` instead of"),
        ("a_hat", "a_1b - mu ./ sqrt(var + eps)", "with `(a_1b - mu) / sqrt(var + eps)`"),
        ("bn", "gamma .* (a_hat + beta)", "with `gamma .* a_hat + beta` instead of"),
        ("mu", "mean(a_1b, cols)", "with `mean(a_1b, rows)` instead of"),
        ("delta_1b", "d_a .* relu(z_1b)", "with `relu'(z_1b)` instead of"),
        ("delta_1b", "d_a .* [z_1b < 0]", "with `[z_1b > 0]` instead of"),
        ("var", "mean((a_1b - mu)^(1/2), rows)", "with `(a_1b - mu) ^ 2` instead of"),
    ] {
        let finding = find(target, expression, Evaluation::Batch);
        assert!(finding.explanation.contains(words), "{expression}: {finding}");
    }
}

#[test]
fn readings_that_were_tried_are_listed() {
    use Evaluation::{Batch, PerRow};
    for (target, expression, evaluation, reading) in [
        ("d_theta_2b", "delta_2b * s'", Batch, "row by row"),
        ("d_theta_2b", "delta_2b' * s", PerRow, "over the whole batch"),
        ("d_gamma", "sum(d_s .* a_hat, all)", Batch, "one gamma and one beta"),
        ("delta_2a", "(y_a_hat - y_a)/m + sum(d_s, cols)", Batch, "a join that broadcasts"),
        ("h", "M .* a_1a / (1 - p)", Batch, "M is 0 or 1"),
        ("a_hat", "(a_1b - mu) ./ sqrt(var)", Batch, "eps = 0"),
        ("h", "[M > 0] .* a_1a / p", Batch, "p is the probability to keep"),
        ("delta_2a", "2 * (y_a_hat - y_a)/m + d_s", Batch, "a loss without 1/2"),
        ("loss_b", "-sum(log(sum(y_b .* y_b_hat, cols)))/m", Batch, "one-hot labels"),
    ] {
        let finding = find(target, expression, evaluation);
        assert_ne!(finding.verdict, Verdict::Exact, "{finding}");
        let exact: Vec<&str> = finding
            .readings
            .iter()
            .filter(|tried| tried.verdict == Verdict::Exact)
            .map(|tried| &*tried.reading)
            .collect();
        assert_eq!(exact.first(), Some(&reading), "{expression}: {:?}", finding.readings);
        assert!(finding.explanation.contains("It is exact "), "{finding}");
    }
    assert!(find("d_b_2b", "sum(delta_2b)", Batch).readings.is_empty());
}

#[test]
fn an_example_of_two_samples_is_worked_out() {
    let finding = find("d_b_2b", "mean(y_b_hat - y_b, rows) * 3", Evaluation::Batch);
    let example = finding.example.unwrap();
    let given = |name: &str| &example.given.iter().find(|(n, _)| n == name).unwrap().1;
    let (y_hat, y) = (given("y_b_hat"), given("y_b"));
    assert_eq!((y.len(), y[0].len()), (2, 2));
    let mean = |j: usize| (y_hat[0][j] - y[0][j] + y_hat[1][j] - y[1][j]) / 2.0;
    let printed = example.printed.as_ref().unwrap();
    for j in 0..2 {
        // Sums of four numbers below 1.
        assert!((example.truth[0][j] - mean(j)).abs() < 1e-14, "{example}");
        assert!((printed[0][j] - 3.0 * mean(j)).abs() < 1e-14, "{example}");
    }
    let steps: Vec<&str> = example.steps.iter().map(|step| &*step.expression).collect();
    assert_eq!(steps, ["y_b_hat - y_b", "mean(y_b_hat - y_b, rows)"]);
    let text = example.to_string();
    assert!(text.starts_with("Example (m = 2):") && text.contains("printed: ["), "{text}");
    // A difference in the seventh digit is visible.
    let close = find("d_b_2b", "1.000001 * sum(delta_2b)", Evaluation::Batch).example.unwrap();
    let lines: Vec<String> = close.to_string().lines().rev().take(2).map(String::from).collect();
    assert_ne!(lines[0].replace("true:   ", ""), lines[1].replace("printed:", ""), "{close}");
    // Row by row, the whole of each sample.
    let per_row = find("d_b_2b", "y_b_hat - y_b", Evaluation::PerRow).example.unwrap();
    let samples: Vec<Option<usize>> = per_row.steps.iter().map(|step| step.sample).collect();
    assert_eq!(samples, [Some(1), Some(2)], "{per_row}");
    assert!(find("d_b_2b", "sum(delta_2b)", Evaluation::Batch).example.is_none());
}

#[test]
fn one_change_that_makes_it_right_is_named() {
    use Evaluation::{Batch, PerRow};
    for (target, expression, evaluation, words) in [
        ("d_theta_1b", "delta_1b * h'", PerRow, "exact with `x` instead of `h`"),
        ("delta_2b", "(y_b_hat - y_a) / m", PerRow, "exact with `y_b` instead of `y_a`"),
        (
            "delta_2a",
            "(y_a_hat - y_a) + d_s",
            Batch,
            "exact with the factor 1/m on the term `y_a_hat - y_a`",
        ),
        (
            "delta_2a",
            "(1/m) * (y_a_hat - y_a) + theta_2b' * (y_b_hat - y_b)",
            PerRow,
            "exact with the factor 1/m on the term `theta_2b' * (y_b_hat - y_b)`",
        ),
        ("bn", "gamma .* a_hat - beta", Batch, "exact with the other sign on the term `beta`"),
        ("s", "bn + y_a_hat + beta", Batch, "exact without the term `beta`"),
    ] {
        let finding = find(target, expression, evaluation);
        assert!(finding.explanation.contains(words), "{expression}: {finding}");
    }
}
