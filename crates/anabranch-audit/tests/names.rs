//! What a name says is meant: its branch, its power, its index. Right formulas pass, and none that
//! needs a name to mean something else.

use std::sync::LazyLock;

use anabranch_audit::{Auditor, Derivation, Verdict, derivation_report};

static AUDITOR: LazyLock<Auditor> = LazyLock::new(|| Auditor::new(3));

fn audit(text: &str) -> Derivation {
    AUDITOR.derivation(text, true)
}

/// All `equations` are exact, and with each of the slips one is rejected.
fn check(text: &str, equations: usize, slips: &[(&str, &str)]) {
    let right = audit(text);
    let report = derivation_report(&right);
    assert!(right.grade().pass, "{text}\n{report}");
    assert_eq!(right.equations.len(), equations, "{text}\n{report}");
    for (printed, slip) in slips {
        let wrong = text.replacen(printed, slip, 1);
        assert_ne!(wrong, text, "{printed}");
        let found = audit(&wrong);
        let is_rejected = found
            .equations
            .iter()
            .any(|one| one.verdict.is_some_and(|verdict| verdict != Verdict::Exact));
        assert!(is_rejected, "{printed} -> {slip}\n{}", derivation_report(&found));
    }
}

#[test]
fn a_name_with_a_branch_is_of_this_branch() {
    check(
        r"$a_{1a} = \max(0, z_{1a})$, $h = M\odot a_{1a}$, $a_{1b} = \max(0, z_{1b})$",
        3,
        &[("$a_{1a} =", "$a_{1b} ="), ("$a_{1b} =", "$a_{1a} =")],
    );
    // Within a branch, a name is what its definition says.
    check(
        r"$h_{1a} = \max(0, z_{1a})$, $\hat y_a = W_{2a}(M\odot h_{1a})+b_{2a}$",
        2,
        &[(r"W_{2a}(M\odot h_{1a})", r"W_{2a}h_{1a}")],
    );
}

#[test]
fn sigma_is_the_root_of_sigma_squared_in_derivatives_too() {
    check(
        r"$$\frac{\partial L}{\partial a_{1b,i}} = \frac{1}{\sqrt{\sigma^2+\epsilon}} \odot
        \frac{\partial L}{\partial\hat a_i} + \frac2m(a_{1b,i}-\mu) \odot
        \frac{\partial L}{\partial\sigma^2} + \frac1m\frac{\partial L}{\partial\mu}$$
        $$\frac{\partial L}{\partial\beta} = \sum_{i=1}^m\frac{\partial L}{\partial s_i}
        + 2\sigma \odot \nabla_{\sigma^2}L - \frac{\partial L}{\partial\sigma}$$",
        2,
        &[(r"\partial\sigma^2}", r"\partial\sigma}"), (r"\partial\sigma}", r"\partial\sigma^2}")],
    );
}

#[test]
fn an_index_on_the_right_is_one_of_the_left() {
    check(
        r"$$s_i = y_i + \hat y_{a,i}, \qquad y_i = \gamma\odot\hat a_i + \beta$$
        $$\frac{\partial L}{\partial z_{2b,i}} = \frac1m(\hat y_{b,i}-y_{b,i})$$",
        3,
        &[("s_i = y_i", "s_i = y_j"), ("hat a_i", "hat a_k"), (r"-y_{b,i}", "-y_{b,k}")],
    );
    check(
        r"$$\frac{\partial y_i}{\partial\gamma} = \hat x_i, \qquad
        \frac{\partial y_i}{\partial\beta} = 1$$",
        2,
        &[(r"\hat x_i", r"\hat x_l"), (r"\hat x_i", r"\hat x_j")],
    );
    // A name in the middle of a chain, too.
    check(
        r"$$g_i := \frac{\partial L}{\partial\hat a_i} = \gamma\odot\frac{\partial L}{\partial s_i}$$
        $$\delta_{2b,k} = \frac{\partial L}{\partial z_{2b,k}} = \frac1m(\hat y_{b,k}-y_{b,k})$$",
        2,
        &[
            (r"\partial\hat a_i", r"\partial\hat a_j"),
            (r"\partial s_i", r"\partial s_j"),
            (r"\partial z_{2b,k}", r"\partial z_{2b,j}"),
        ],
    );
    // The k-th entry of a vector may be meant where the left side has no letter at all.
    check(r"$$\frac{\partial L}{\partial z_{2b}} = \frac1m(\hat y_{b,k}-y_{b,k})$$", 1, &[]);
}

#[test]
fn an_equation_that_is_read_in_part_gets_no_tick() {
    let report = |by: &str| {
        derivation_report(&audit(&format!(
            r"$$\frac{{\partial L}}{{\partial W_{{2a}}}} = \frac{{\partial L}}{{\partial {by}}}h^\top
            = \delta_{{2a}} h^\top$$"
        )))
    };
    assert!(report(r"\hat y_a").starts_with('✓'), "{}", report(r"\hat y_a"));
    // There is no derivative with respect to what is given.
    let wrong = report("y_a");
    assert!(
        wrong.starts_with("? ") && wrong.contains("1 of the exact ones read in part"),
        "{wrong}"
    );
}
