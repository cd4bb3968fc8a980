//! Derivations in the styles of lecture notes and textbooks: right ones pass, and no slip in them
//! does.

use std::sync::LazyLock;

use anabranch_audit::{Auditor, Derivation, Verdict, derivation_report};

static AUDITOR: LazyLock<Auditor> = LazyLock::new(|| Auditor::new(3));

fn audit(text: &str) -> Derivation {
    AUDITOR.derivation(text, true)
}

fn is_rejected(text: &str) -> bool {
    audit(text).equations.iter().any(|one| one.verdict.is_some_and(|of| of != Verdict::Exact))
}

/// All `equations` of a text are exact, and with each of the slips one is not.
fn check(text: &str, equations: usize, slips: &[(&str, &str)]) {
    let right = audit(text);
    let report = derivation_report(&right);
    assert!(right.grade().pass, "{text}\n{report}");
    assert_eq!(right.equations.len(), equations, "{text}\n{report}");
    for (printed, slip) in slips {
        let wrong = text.replacen(printed, slip, 1);
        assert_ne!(wrong, text, "{printed}");
        assert!(is_rejected(&wrong), "{printed} -> {slip}\n{}", derivation_report(&audit(&wrong)));
    }
}

#[test]
fn macros_are_what_they_stand_for() {
    check(
        r"\newcommand{\pd}[2]{\frac{\partial #1}{\partial #2}} \newcommand\T{^{\mathsf T}}
        \def\yh{\hat y} \DeclareMathOperator{\relu}{ReLU} \renewcommand{\vec}[1]{\boldsymbol{#1}}
        \newcommand{\be}{\begin{align}} \newcommand{\ee}{\end{align}}
        \newcommand{\mean}[1][m]{\frac{1}{#1}\sum_{i=1}^{#1}}
        \be \pd{L}{z_{2b}} &= \frac1m(\yh_b - y_b) \\
        \pd{L}{\theta_{2b}} &= \pd{L}{z_{2b}}\, s\T = \mean (\yh_b^{(i)} - y_b^{(i)}) s^{(i)\top} \\
        \delta_{1a} &= \theta_{2a}\T\delta_{2a} \odot M\odot\relu'(\vec z_{1a}) \ee",
        3,
        &[
            (r"\, s\T", r"\, x\T"),
            (r"\mean (", r"\mean[2m] ("),
            (r"\frac1m(\yh", r"(\yh"),
            (r"{2a}\T\delta", r"{2a}\delta"),
            (r"\odot M\odot\relu", r"\odot\relu"),
        ],
    );
}

#[test]
fn columns_of_a_display_are_equations() {
    check(
        r"\begin{align*} \mu &= \frac1m\sum_{i=1}^m a_i, & \sigma^2 &= \frac1m\sum_{i=1}^m (a_i-\mu)^2\\
        \frac{\partial L}{\partial\gamma} &= \sum_{i=1}^m \delta_{s,i}\odot\hat a_i &
        \frac{\partial L}{\partial\beta} &= \sum_{i=1}^m \delta_{s,i} \end{align*}",
        4,
        &[(r"\hat a_i &", r" a_i &"), (r"(a_i-\mu)^2", r"(a_i+\mu)^2")],
    );
}

#[test]
fn comments_in_a_display_are_about_what_follows() {
    check(
        "\\begin{align}\n% audit: u = z_1a\nu &= \\theta_{1a}x + b_{1a}\\\\ % audit: expected = factor\n
        \\delta_{2b} &= \\hat y_b - y_b\\\\\n\\delta_s &= \\theta_{2b}^\\top\\delta_{2b}\\end{align}",
        3,
        &[(r"\theta_{2b}^\top", r"\theta_{2b}"), (r"\theta_{1a}x", r"\theta_{1b}x")],
    );
}
