//! One file writes its matrices in one way: a formula that is right only the other way round is
//! not exact.

use std::sync::LazyLock;

use anabranch_audit::{Auditor, Derivation, Judgement, Verdict, derivation_report};

static AUDITOR: LazyLock<Auditor> = LazyLock::new(|| Auditor::new(3));

/// Samples as rows, in capitals.
const ROWS: &str = r"
$$Z_{1a} = X\Theta_{1a}^\top + \mathbf 1 b_{1a}^\top$$
$$Z_{2b} = S\Theta_{2b}^\top + \mathbf 1 b_{2b}^\top$$
$$\Delta_{2b} = \frac1m(\hat Y_b - Y_b)$$
$$\frac{\partial L}{\partial\Theta_{2b}} = \Delta_{2b}^\top S$$
$$\frac{\partial L}{\partial b_{2b}} = \Delta_{2b}^\top\mathbf 1$$
$$\Delta_S = \Delta_{2b}\Theta_{2b}$$
$$\frac{\partial L}{\partial\gamma} = (\Delta_S\odot\hat A)^\top\mathbf 1$$
$$\Delta_{1a} = (\Delta_{2a}\Theta_{2a})\odot M\odot\mathbb 1[Z_{1a}>0]$$
$$\frac{\partial L}{\partial\Theta_{1a}} = \Delta_{1a}^\top X$$
";

/// Samples as columns, in capitals.
const COLUMNS: &str = r"
$$Z_{1a} = W_{1a}X + b_{1a}\mathbf 1^\top$$
$$\hat Y_b = \operatorname{softmax}(Z_{2b})$$
$$\nabla_{W_{2b}}L = \Delta_{2b} S^\top$$
$$\nabla_{b_{2b}}L = \Delta_{2b}\mathbf 1$$
$$\Delta_S = W_{2b}^\top\Delta_{2b}$$
$$\nabla_\beta L = \Delta_S\mathbf 1$$
$$\Delta_{1a} = (W_{2a}^\top\Delta_{2a})\odot M\odot\mathbb 1[Z_{1a}>0]$$
$$\nabla_{W_{1a}}L = \Delta_{1a}X^\top$$
$$\frac{\partial L}{\partial A_{1b}} = \frac{\gamma}{\sqrt{\sigma^2+\epsilon}}\odot\left(\Delta_S -
\overline{\Delta_S} - \hat A\odot\overline{\Delta_S\odot\hat A}\right)$$
";

/// Samples as rows, in small letters.
const SMALL_ROWS: &str = r"
$$z_{1a} = x\theta_{1a}^\top + b_{1a}$$
$$\delta_{2b} = (\hat y_b - y_b)/m$$
$$d\theta_{2b} = \delta_{2b}^\top s$$
$$db_{2b} = \mathbf 1^\top\delta_{2b}$$
$$ds = \delta_{2b}\theta_{2b}$$
$$d\gamma = \sum ds\odot\hat a$$
$$d\theta_{1a} = \delta_{1a}^\top x$$
";

/// Each sample is a column vector.
const VECTORS: &str = r"
$$z_{1a} = W_{1a} x + b_{1a}$$
$$\delta_{2b} = \frac1m(\hat y_b - y_b)$$
$$\frac{\partial L}{\partial W_{2b}} = \sum_{i=1}^m \delta_{2b}^{(i)} (s^{(i)})^\top$$
$$\delta_s = W_{2b}^\top\delta_{2b}$$
$$\frac{\partial L}{\partial b_{2b}} = \delta_{2b}$$
$$\frac{\partial L}{\partial W_{1a}} = \delta_{1a}x^\top$$
";

/// Each sample is a row vector.
const ROW_VECTORS: &str = r"
$$z_{1a}^{(i)} = x^{(i)}W_{1a}^\top + b_{1a}$$
$$\delta_s^{(i)} = \delta_{2b}^{(i)}W_{2b}$$
$$\hat y_b^{(i)} = \operatorname{softmax}(z_{2b}^{(i)})$$
$$\frac{\partial L}{\partial W_{2b}} = \sum_{i=1}^m (\delta_{2b}^{(i)})^\top s^{(i)}$$
$$\frac{\partial L}{\partial W_{1a}} = \sum_{i=1}^m (\delta_{1a}^{(i)})^\top x^{(i)}$$
";

/// Weights are `[in, out]`.
const IN_OUT: &str = r"
$$Z_{1a} = XW_{1a} + b_{1a}$$
$$\hat Y_a = HW_{2a}+b_{2a}$$
$$dW_{2b} = S^\top dZ_{2b}$$
$$dS = dZ_{2b}W_{2b}^\top$$
$$dW_{1a} = X^\top dZ_{1a}$$
";

/// Derivatives with respect to column vectors are rows.
const NUMERATORS: &str = r"
$$z_{1a} = \theta_{1a}x+b_{1a}$$
$$\frac{\partial L}{\partial z_{2b}} = \frac1m(\hat y_b-y_b)^\top$$
$$\frac{\partial L}{\partial s} = \frac{\partial L}{\partial z_{2b}}\,\theta_{2b}$$
$$\frac{\partial L}{\partial h} = \frac{\partial L}{\partial \hat y_a}\theta_{2a}$$
$$\frac{\partial\hat y_b}{\partial z_{2b}} = \operatorname{diag}(\hat y_b)-\hat y_b\hat y_b^\top$$
";

/// ∂u/∂v has a row for each entry of v.
const DENOMINATORS: &str = r"
$$\frac{\partial z_{2b}}{\partial s} = \theta_{2b}^\top$$
$$\frac{\partial \hat y_a}{\partial h} = \theta_{2a}^\top$$
$$\frac{\partial L}{\partial h} = \frac{\partial\hat y_a}{\partial h}\delta_{2a} = \theta_{2a}^\top\delta_{2a}$$
";

fn audited(text: &str) -> Derivation {
    AUDITOR.derivation(text, false)
}

#[test]
fn every_way_of_writing_matrices_is_one_way() {
    for (file, convention, way) in [
        (ROWS, "samples of capital letters", "rows (8 formulas)"),
        (COLUMNS, "samples of capital letters", "columns (7 formulas)"),
        (SMALL_ROWS, "samples of small letters", "rows (5 formulas)"),
        (VECTORS, "samples of small letters", "columns (3 formulas)"),
        (ROW_VECTORS, "samples of letters with a sample's index", "rows (4 formulas)"),
        (IN_OUT, "weights", "[in, out] (5 formulas)"),
        (NUMERATORS, "samples of small letters", "columns, their derivatives rows (1 formula)"),
        (DENOMINATORS, "du/dv", "a row for each entry of v (2 formulas)"),
    ] {
        let derivation = audited(file);
        let report = derivation_report(&derivation);
        assert!(derivation.grade().pass, "{report}");
        let found = derivation.conventions.get(convention).map(String::as_str);
        assert_eq!(found, Some(way), "{report}");
        assert!(report.contains(way), "{report}");
    }
    // One sample in small letters, a batch in capitals: each in its own way.
    assert!(audited(&format!("{VECTORS}{ROWS}")).grade().pass);
}

#[test]
fn a_formula_of_another_way_is_not_exact() {
    for (file, right, wrong) in [
        (ROWS, r"= \Delta_{2b}^\top S", r"= \Delta_{2b} S^\top"),
        (ROWS, r"= \Delta_{1a}^\top X", r"= \Delta_{1a} X^\top"),
        (ROWS, r"= \Delta_{1a}^\top X", r"= X^\top\Delta_{1a}"),
        (ROWS, r"= \Delta_{2b}\Theta_{2b}", r"= \Theta_{2b}^\top\Delta_{2b}"),
        (ROWS, r"(\Delta_{2a}\Theta_{2a})", r"(\Theta_{2a}^\top\Delta_{2a})"),
        (ROWS, r"\Delta_{2b}^\top\mathbf 1", r"\Delta_{2b}\mathbf 1"),
        (ROWS, r"\Delta_{2b}^\top\mathbf 1", r"\Delta_{2b}"),
        (ROWS, r"X\Theta_{1a}^\top", r"X\Theta_{1a}"),
        (ROWS, r"X\Theta_{1a}^\top", r"\Theta_{1a}X"),
        (COLUMNS, r"\Delta_{2b} S^\top", r"\Delta_{2b}^\top S"),
        (COLUMNS, r"= \Delta_{2b}\mathbf 1", r"= \mathbf 1^\top\Delta_{2b}"),
        (COLUMNS, r"= \Delta_{2b}\mathbf 1", r"= \Delta_{2b}"),
        (COLUMNS, r"= W_{2b}^\top\Delta_{2b}", r"= \Delta_{2b}W_{2b}"),
        (SMALL_ROWS, r"\delta_{2b}^\top s", r"\delta_{2b} s^\top"),
        (SMALL_ROWS, r"= \delta_{2b}\theta_{2b}", r"= \theta_{2b}^\top\delta_{2b}"),
        (
            SMALL_ROWS,
            r"\mathbf 1^\top\delta_{2b}$$",
            r"\mathbf 1^\top\delta_{2b}$$$$db_{1a} = \delta_{1a}$$",
        ),
        (VECTORS, r"\delta_{1a}x^\top", r"\delta_{1a}^\top x"),
        (VECTORS, r"= W_{2b}^\top\delta_{2b}", r"= \delta_{2b}W_{2b}"),
        (VECTORS, r"\delta_{2b}^{(i)} (s^{(i)})^\top", r"(\delta_{2b}^{(i)})^\top s^{(i)}"),
        (ROW_VECTORS, r"(\delta_{1a}^{(i)})^\top x^{(i)}", r"\delta_{1a}^{(i)} (x^{(i)})^\top"),
        (ROW_VECTORS, r"\delta_{2b}^{(i)}W_{2b}", r"W_{2b}^\top\delta_{2b}^{(i)}"),
        (IN_OUT, r"S^\top dZ_{2b}", r"dZ_{2b}^\top S"),
        (IN_OUT, r"dZ_{2b}W_{2b}^\top", r"dZ_{2b}W_{2b}"),
        (NUMERATORS, r"\hat y_a}\theta_{2a}", r"\hat y_a}\theta_{2a}^\top"),
        (DENOMINATORS, r"= \theta_{2a}^\top\delta_{2a}", r"= \theta_{2a}\delta_{2a}"),
    ] {
        assert!(file.contains(right), "{right}");
        let derivation = audited(&file.replacen(right, wrong, 1));
        let report = derivation_report(&derivation);
        let bad = derivation.equations.iter().filter(|one| one.verdict != Some(Verdict::Exact));
        assert_eq!(bad.count(), 1, "{right} -> {wrong}\n{report}");
    }
}

#[test]
fn what_contradicts_a_file_is_told() {
    let derivation = audited(&ROWS.replacen(r"\Delta_{1a}^\top X", r"\Delta_{1a} X^\top", 1));
    let Some(Judgement::Judged(finding)) =
        derivation.equations.last().map(|equation| &equation.members[1].judgement)
    else {
        panic!()
    };
    assert_eq!(finding.verdict, Verdict::Shape);
    let said = "It would be exact if samples of capital letters were columns; by the other formulas \
                of this file, they are rows.";
    assert!(finding.explanation.contains(said), "{finding}");
    assert_eq!(
        derivation.conventions["samples of capital letters"],
        "rows (7 formulas, 1 to the contrary)"
    );
}

/// Two formulas, of which one is wrong: that of the forward pass says what X is.
#[test]
fn between_equals_the_forward_pass_decides() {
    let verdicts = |text: &str| -> Vec<_> {
        audited(text).equations.iter().map(|equation| equation.verdict).collect()
    };
    let (exact, shape) = (Some(Verdict::Exact), Some(Verdict::Shape));
    let backward = r"$$\nabla_{\Theta_{1a}}L = \Delta_{1a} X^\top$$";
    let forward = r"$$Z_{1a} = X\Theta_{1a}^\top + \mathbf 1 b_{1a}^\top$$";
    assert_eq!(verdicts(&format!("{backward}{forward}")), [shape, exact]);
    assert_eq!(verdicts(backward), [exact]);
    // One layer is no reason to take θ for [in, out], and no number of gradients is.
    assert_eq!(verdicts(r"$$Z_{1a} = X\Theta_{1a} + \mathbf 1 b_{1a}^\top$$"), [shape]);
    let gradients =
        r"$$dW_{1a} = X^\top dZ_{1a}$$ $$dW_{2b} = S^\top dZ_{2b}$$ $$dW_{2a} = H^\top d\hat Y_a$$";
    assert_eq!(verdicts(gradients), [shape; 3]);
}

#[test]
fn a_file_says_itself_how_it_writes_matrices() {
    let with = |directive: &str, formula: &str| {
        audited(&format!("<!-- audit: {directive} -->\n$${formula}$$")).equations[0].verdict
    };
    let (exact, shape) = (Some(Verdict::Exact), Some(Verdict::Shape));
    let product = r"\nabla_{\Theta_{1a}}L = \Delta_{1a} X^\top";
    assert_eq!(with("samples = rows", product), shape);
    assert_eq!(with("samples = columns", product), exact);
    assert_eq!(with("samples = rows", r"\nabla_{\theta_{1a}}L = \delta_{1a} x^\top"), shape);
    assert_eq!(with("weights = in_out", r"dW_{1a} = X^\top dZ_{1a}"), exact);
    let jacobian = r"\frac{\partial z_{2b}}{\partial s} = \theta_{2b}^\top";
    assert_eq!(with("jacobians = denominator", jacobian), exact);
    assert_eq!(with("jacobians = numerator", jacobian), shape);
    let each = r"$$\nabla_{\Theta_{1a}}L = \Delta_{1a} X^\top$$ $$\nabla_{\Theta_{1a}}L = \Delta_{1a}^\top X$$";
    assert!(audited(&format!("<!-- audit: samples = each -->\n{each}")).grade().pass);
    assert!(!audited(each).grade().pass);
    for odd in ["samples = diagonal", "weights = up", "jacobians = 3"] {
        assert!(audited(&format!("<!-- audit: {odd} -->\n")).skipped[0].unreadable, "{odd}");
    }
}

#[test]
fn a_vector_times_ones_is_one_for_each_sample() {
    let text = format!(
        "{COLUMNS}\n$$\\sigma^2 = \\frac1m(A_{{1b}} - \\mu\\mathbf 1^\\top)^2\\mathbf 1$$\n"
    );
    let verdict =
        |text: &str| AUDITOR.derivation(text, false).equations.last().and_then(|e| e.verdict);
    assert_eq!(verdict(&text), Some(Verdict::Exact));
    assert_ne!(verdict(&text.replace(r"- \mu", r"+ \mu")), Some(Verdict::Exact));
}

#[test]
fn among_capitals_a_small_y_a_is_of_the_batch() {
    let verdict = |formula: &str| {
        let text = format!("<!-- audit: join = broadcast -->\n{ROWS}\n$${formula}$$\n");
        audited(&text).equations.last().and_then(|one| one.verdict)
    };
    let exact = Some(Verdict::Exact);
    assert_eq!(verdict(r"\nabla_{W_{2a}}L = (\nabla_{\hat y_a}L)^\top H"), exact);
    assert_ne!(verdict(r"\nabla_{W_{2a}}L = (\nabla_{\hat y_a}L) H"), exact);
}
