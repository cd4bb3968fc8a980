//! Names that say nothing are known by their place in the forward pass; bars may be derivatives.

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
        let is_rejected = |verdict: Verdict| verdict != Verdict::Exact;
        assert!(
            found.equations.iter().any(|one| one.verdict.is_some_and(is_rejected)),
            "{printed} -> {slip}\n{}",
            derivation_report(&found)
        );
    }
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
