//! Spellings that only some texts have: right derivations pass in them, and no slip does.

use std::sync::LazyLock;

use anabranch_audit::{Auditor, Derivation, Verdict, derivation_report};

static AUDITOR: LazyLock<Auditor> = LazyLock::new(|| Auditor::new(3));

fn audit(text: &str) -> Derivation {
    AUDITOR.derivation(text, true)
}

/// All `equations` of a text are exact, and with each of the slips one is rejected.
fn check(text: &str, equations: usize, slips: &[(&str, &str)]) {
    let right = audit(text);
    let report = derivation_report(&right);
    assert!(right.equations.iter().all(|one| one.verdict == Some(Verdict::Exact)), "{report}");
    assert_eq!(right.equations.len(), equations, "{text}\n{report}");
    for (printed, slip) in slips {
        let wrong = text.replacen(printed, slip, 1);
        assert_ne!(wrong, text, "{printed}");
        let found = audit(&wrong);
        let is_rejected = |of: Verdict| of != Verdict::Exact;
        assert!(
            found.equations.iter().any(|one| one.verdict.is_some_and(is_rejected)),
            "{printed} -> {slip}\n{}",
            derivation_report(&found)
        );
    }
}

/// A bracket with a transpose behind ∇L is a factor; the one of L(θ) is none.
#[test]
fn a_gradient_may_stand_before_a_bracket() {
    check(
        r"\newcommand{\1}{\mathbf 1} \[ \nabla_{\theta_{2b}} L = \sum_{i=1}^m
        \nabla_{z_{2b}^{(i)}} L\,(s^{(i)})^\top \] \[ \nabla_{b_{2b}} L(\theta) = \sum_{i=1}^m
        \nabla_{z_{2b}^{(i)}} L(\theta) \] \[ \delta_{1b} = \nabla_{a} L\odot\1[z_{1b} > 0] \]",
        3,
        &[(r"(s^{(i)})", r"(x^{(i)})"), (r"\1[z_{1b}", r"\1[z_{1a}"), (r",(s^{(i)})^\top", "")],
    );
}

/// A definition is used with the letters of its use: of the sum, of another sample, in any order.
#[test]
fn a_definition_has_the_letters_of_its_use() {
    let text = r"Let $u_i = \theta_{2b}^T\delta_{2b,i}$. 
        \[ \frac{\partial L}{\partial\beta} = \sum_{k=1}^m u_k \]
        \[ \frac{\partial L}{\partial a_i} = \frac{\gamma}{\sqrt{\sigma^2+\epsilon}}\odot
        \Bigl(u_i - \frac1m\sum_{j=1}^m u_j
        - \frac1m\hat a_i\odot\sum_{j=1}^m u_j\odot\hat a_j\Bigr) \]";
    check(
        text,
        2,
        &[
            (r"\sum_{k=1}^m u_k", r"\sum_{k=1}^m u_i"),
            (r"(u_i - \frac1m\sum_{j=1}^m u_j", r"(u_i - \frac1m\sum_{j=1}^m u_i"),
            (r"(u_i -", r"(u_j -"),
            (r"^m u_j\odot\hat a_j", r"^m u_i\odot\hat a_j"),
        ],
    );
    // The letter of the use is one that the definition sums over.
    check(
        r"With $e_i = \frac1m\sum_{j=1}^m (\delta_{2b,j} - \delta_{2b,i})$,
        \[ \frac{\partial L}{\partial b_{2b}} = \sum_{j=1}^m (\delta_{2b,j} + e_j) \]",
        1,
        &[(r"+ e_j", r"+ e_j - e_i"), ("m (\\delta_{2b,j} - ", "m (2\\delta_{2b,j} - ")],
    );
}

/// N and B are numbers of samples, unless the text says what else they are.
#[test]
fn a_letter_of_a_count_may_be_a_layer() {
    check(
        r"$B = \max(0, Z_{1b})$ \begin{align*} N &= \gamma\odot\hat a + \beta \\
        s &= N + \hat y_a \\
        \frac{\partial L}{\partial N} &= \frac{\partial L}{\partial s} \\ \mu &= \frac1m\sum_i B_i
        \end{align*} \[ \frac{\partial L}{\partial\gamma} = \sum_i \frac{\partial L}{\partial N_i}
        \odot\hat a_i \]",
        6,
        &[
            (r"\hat a + \beta", r"a + \beta"),
            (r"N + \hat y_a", r"a + \hat y_a"),
            (r"\sum_i B_i", r"\sum_i N_i"),
            (r"L}{\partial N_i}", r"L}{\partial B_i}"),
        ],
    );
    // How many there are says no more than before.
    check(
        r"$B = 32$, $N = |D|$ \[ \mu = \frac1N\sum_{i=1}^N a_i = \frac1B\sum_{i=1}^B a_i \]",
        1,
        &[],
    );
    // Nobody knows what u is, and so what N is.
    let unread = audit(r"$N = \max(0, u)$ \[ \mu = \frac1m N\mathbf 1 \]");
    assert_eq!(unread.equations[0].verdict, None, "{}", derivation_report(&unread));
}

/// The letter of a sample above ∂u/∂v picks no entry of it.
#[test]
fn a_jacobian_may_be_of_a_sample_that_has_its_letter_above() {
    check(
        r"\[ z_{2b}^i = \theta_{2b}s^i + b_{2b}, \qquad \mu = \frac1m\sum_{i=1}^m a^i \]
        \[ \frac{\partial z_{2b}^i}{\partial s^i} = \theta_{2b}, \qquad
        \frac{\partial s^i}{\partial\hat y_a^i} = I, \quad
        \frac{\partial s^i}{\partial\hat a^i} = \operatorname{diag}(\gamma), \qquad
        \frac{\partial\hat y_b^i}{\partial z_{2b}^i} =
        \operatorname{diag}(\hat y_b^i) - \hat y_b^i(\hat y_b^i)^\top \]",
        6,
        &[
            (r"= \theta_{2b},", r"= \theta_{2b}^\top,"),
            (r"(\gamma)", r"(\beta)"),
            ("= I", "= 2I"),
            (r"- \hat y_b^i(", r"+ \hat y_b^i("),
        ],
    );
    // Of a component, it picks the diagonal.
    check(
        r"\[ \frac{\partial\hat y_b^k}{\partial z_{2b}^k} = \hat y_b^k(1-\hat y_b^k) \]",
        1,
        &[("(1-", "(1+")],
    );
}

#[test]
fn the_inverse_of_a_diagonal_matrix_is_one() {
    check(
        r"\[ \nabla_{\hat y_b} L = -\frac1m\operatorname{diag}(\hat y_b)^{-1}y_b \]",
        1,
        &[("^{-1}", ""), ("^{-1}y_b", r"^{-2}y_b"), ("-\\frac1m", "\\frac1m")],
    );
}

/// `A = B =: C` gives B a name.
#[test]
fn a_name_may_stand_behind_its_value() {
    check(
        r"\[ L = \frac1m\sum_{i=1}^m\Bigl(\tfrac12\|\hat y_a^i-y_a^i\|^2
        -(y_b^i)^\top\log\hat y_b^i\Bigr) \]
        \[ \frac{\partial\hat y_b^i}{\partial z_{2b}^i} = \operatorname{diag}(\hat y_b^i) -
        \hat y_b^i(\hat y_b^i)^\top =: J^i \] \[ \frac{\partial L}{\partial z_{2b}^i} = J^i
        \frac{\partial L}{\partial\hat y_b^i} = \frac1m(\hat y_b^i-y_b^i) =: u^i \]
        \[ \frac{\partial L}{\partial b_{2b}} = \sum_{i=1}^m u^i \]",
        4,
        &[
            ("= J^i", "= 2J^i"),
            (r"(\hat y_b^i)^\top =:", r"(y_b^i)^\top =:"),
            (r"m(\hat y_b^i-y_b^i) =:", r"m(\hat y_b^i+y_b^i) =:"),
            ("^m u^i", "^m 2u^i"),
        ],
    );
}

/// r is dropout's mask, in either scale, unless it is compared with p.
#[test]
fn r_may_be_the_mask() {
    for (forward, backward) in
        [(r"r\odot a_{1a}", r"\odot r"), (r"\frac{1}{1-p}\,r\odot a_{1a}", r"\odot\frac{r}{1-p}")]
    {
        let text = format!(
            r"\[ d = {forward} \] \[ \hat y_a = \theta_{{2a}}d + b_{{2a}} \] \[ \delta_{{1a}} =
            \theta_{{2a}}^\top\delta_{{2a}} {backward} \odot \operatorname{{ReLU}}'(z_{{1a}}) \]"
        );
        check(&text, 3, &[(backward, ""), (backward, r"\odot 2r"), ("{2a}d", r"{2a}a_{1a}")]);
    }
    check(
        r"\[ h_j = \begin{cases} 0 & r_j < p \\ \frac{a_{1a,j}}{1-p} & r_j \ge p \end{cases} \]",
        1,
        &[("1-p", "p"), (r"\ge", r"\le")],
    );
    check(r"\[ r = \hat y_b - y_b \] \[ \delta_{2b} = \frac1m r \]", 1, &[(r"\frac1m r", "r")]);
}
