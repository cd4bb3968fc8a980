//! What a name says is meant: its branch, its power, its index. Names that say nothing are known by
//! their place in the forward pass, and bars may be derivatives. Right formulas pass, and none that
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

/// Samples are columns of one vector each; no letter is one that the audit knows, but x and m.
const FORWARD: &str = r"\begin{align}
q_i &= Kx_i + \kappa, & v_i &= \max(q_i, 0), & g_i &= v_i\odot D_i, & \hat f_i &= Rg_i + \rho,\\
u_i &= Tx_i + \tau, & c_i &= \max(u_i, 0), & \eta &= \frac1m\sum_{i=1}^m c_i, &
\omega &= \frac1m\sum_{i=1}^m (c_i - \eta)^2,\\
\hat c_i &= \frac{c_i - \eta}{\sqrt{\omega + \nu}}, & k_i &= \Gamma\odot\hat c_i + \lambda + \hat f_i, &
o_i &= Vk_i + \phi, & \hat\pi_i &= \operatorname{softmax}(o_i)
\end{align}
\[
E = \frac1m\sum_{i=1}^m\Bigl(\tfrac12\|\hat f_i - f_i\|^2 - \sum_j \pi_{ij}\log\hat\pi_{ij}\Bigr)
\]
";

#[test]
fn a_files_own_names_are_known_by_their_place() {
    let text = format!(
        "{FORWARD}\n{}",
        r"\[
\frac{\partial E}{\partial V} = \frac1m\sum_{i=1}^m (\hat\pi_i - \pi_i)k_i^\top, \qquad
\frac{\partial E}{\partial k_i} = \frac1m V^\top(\hat\pi_i - \pi_i), \qquad
\frac{\partial E}{\partial \Gamma} = \sum_{i=1}^m \frac{\partial E}{\partial k_i}\odot\hat c_i
\]
\[
\frac{\partial E}{\partial \hat f_i} = \frac1m(\hat f_i - f_i) + \frac{\partial E}{\partial k_i}, \qquad
\frac{\partial E}{\partial R} = \sum_{i=1}^m \frac{\partial E}{\partial \hat f_i}g_i^\top, \qquad
\frac{\partial E}{\partial K} = \sum_{i=1}^m \Bigl(R^\top\frac{\partial E}{\partial \hat f_i}\odot
D_i\odot\mathbf 1[q_i > 0]\Bigr)x_i^\top
\]"
    );
    check(
        &text,
        19,
        &[
            (r"(\hat\pi_i - \pi_i)k_i^\top", r"(\hat\pi_i - \pi_i)g_i^\top"),
            (r"\frac1m V^\top", r"\frac1m V"),
            (r"\odot\hat c_i", r"\odot c_i"),
            (r"\frac1m(\hat f_i - f_i) +", r"(\hat f_i - f_i) +"),
            (r"}g_i^\top", r"}v_i^\top"),
            (r"[q_i > 0]", r"[u_i > 0]"),
        ],
    );
}

#[test]
fn a_bar_is_the_derivative_where_the_file_says_so() {
    let text = r"The adjoint is $\bar v = \partial L/\partial v$.
\begin{align}
\bar z_{2b,i} &= \frac1m(\hat y_{b,i} - y_{b,i}), & \bar W_{2b} &= \sum_i \bar z_{2b,i}s_i^\top,\\
\bar s_i &= W_{2b}^\top\bar z_{2b,i}, & \bar\gamma &= \sum_i \bar s_i\odot\hat a_i
\end{align}";
    check(
        text,
        4,
        &[
            (r"\frac1m(\hat y_{b,i} -", r"(\hat y_{b,i} -"),
            (r"\bar z_{2b,i}s_i^\top", r"\bar z_{2b,i}h_i^\top"),
            (r"W_{2b}^\top\bar z", r"W_{2b}\bar z"),
            (r"\bar s_i\odot\hat a_i", r"\bar s_i\odot a_{1b,i}"),
        ],
    );
    // Otherwise it is not.
    let unsaid = audit(&text.replacen(r"$\bar v = \partial L/\partial v$", "unsaid", 1));
    assert!(unsaid.equations.is_empty(), "{}", derivation_report(&unsaid));
}

/// dZ of all samples' losses together, whose mean is taken in dW, and dZ of their mean.
#[test]
fn the_mean_is_taken_once() {
    check(
        r"Samples are columns. $dZ_{2b} = \hat Y_b - Y_b$, $dW_{2b} = \frac1m dZ_{2b}S^T$,
          $dS = W_{2b}^TdZ_{2b}$, $d\gamma = \frac1m\sum_i dS_i\odot\hat A_i$",
        4,
        &[(r"\frac1m dZ_{2b}", r"dZ_{2b}"), (r"dS = W_{2b}^T", r"dS = \frac1mW_{2b}^T")],
    );
    check(
        r"Samples are columns. $dZ_{2b} = \frac1m(\hat Y_b - Y_b)$, $dW_{2b} = dZ_{2b}S^T$,
          $dS = W_{2b}^TdZ_{2b}$, $d\gamma = \sum_i dS_i\odot\hat A_i$",
        4,
        &[
            (r"\frac1m(\hat Y_b - Y_b)", r"\hat Y_b - Y_b"),
            (r"= dZ_{2b}S^T", r"= \frac1mdZ_{2b}S^T"),
        ],
    );
}

#[test]
fn a_variance_may_be_called_var() {
    check(
        r"$\mu = \frac1m\sum_i a_{1b,i}$, $var = \frac1m\sum_i (a_{1b,i} - \mu)^2$,
          $\hat a_i = \frac{a_{1b,i} - \mu}{\sqrt{var + \epsilon}}$",
        3,
        &[(r"(a_{1b,i} - \mu)^2", r"a_{1b,i}^2"), (r"\sqrt{var + \epsilon}", r"var + \epsilon")],
    );
}
