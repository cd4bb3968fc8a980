//! Derivatives that a derivation takes on its way: of one sample's loss, of one quantity by its
//! neighbour, of the steps of BatchNorm; differentials and remarks. Right ones pass, their wrong
//! twins do not.

use std::sync::LazyLock;

use anabranch_audit::{Auditor, Derivation, Verdict, derivation_report};

static AUDITOR: LazyLock<Auditor> = LazyLock::new(|| Auditor::new(3));

fn audit(text: &str) -> Derivation {
    AUDITOR.derivation(text, true)
}

fn n_exact(derivation: &Derivation) -> usize {
    let is_exact = |verdict: &Option<Verdict>| *verdict == Some(Verdict::Exact);
    derivation.equations.iter().filter(|one| is_exact(&one.verdict)).count()
}

fn n_unread(derivation: &Derivation) -> usize {
    derivation.skipped.iter().filter(|one| one.unreadable).count()
}

/// All `equations` are exact, and with each of the slips one is rejected.
fn check(text: &str, equations: usize, slips: &[(&str, &str)]) {
    let right = audit(text);
    let report = derivation_report(&right);
    assert!(right.grade().pass, "{text}\n{report}");
    assert_eq!(n_exact(&right), equations, "{text}\n{report}");
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

/// All of it is true and of no target; with each of the slips something is unread.
fn check_remarks(text: &str, remarks: usize, slips: &[(&str, &str)]) {
    let right = audit(text);
    let report = derivation_report(&right);
    let n_true = right.skipped.iter().filter(|one| one.reason.contains(" true")).count();
    assert_eq!((n_true, n_unread(&right)), (remarks, 0), "{text}\n{report}");
    for (printed, slip) in slips {
        let wrong = text.replacen(printed, slip, 1);
        assert_ne!(wrong, text, "{printed}");
        let found = audit(&wrong);
        assert!(n_unread(&found) > 0, "{printed} -> {slip}\n{}", derivation_report(&found));
    }
}

#[test]
fn each_sample_has_a_gradient_of_its_own() {
    check(
        r"\begin{align} \frac{\partial L_i}{\partial z_{2b,i}} &= \hat y_{b,i} - y_{b,i} \\
        \frac{\partial L_i}{\partial W_{2b}} &= (\hat y_{b,i} - y_{b,i}) s_i^T \\
        \nabla_{b_{2b}} L_i &= \hat y_{b,i} - y_{b,i} \\
        \frac{\partial L_i}{\partial\gamma} &= W_{2b}^T(\hat y_{b,i} - y_{b,i})\odot\hat a_i \\
        \frac{\partial L_i}{\partial W_{2a}} &= \frac{\partial L_i}{\partial\hat y_{a,i}} h_i^T \\
        \frac{\partial L}{\partial W_{2b}} &= \frac1m\sum_{i=1}^m\frac{\partial L_i}{\partial W_{2b}}
        \end{align}",
        6,
        &[
            (r"y_{b,i}) s_i^T", r"y_{b,i}) x_i^T"),
            (r"y_{b,i}) s_i^T", r"y_{b,i})^T s_i"),
            (r"{\partial W_{2b}} &= (", r"{\partial W_{2b}} &= \frac1m("),
            (r"{\partial W_{2b}} &= (", r"{\partial W_{2b}} &= \sum_{i=1}^m("),
            (
                r"L_i &= \hat y_{b,i} - y_{b,i} \\
        \frac",
                r"L_i &= y_{b,i} - \hat y_{b,i} \\
        \frac",
            ),
            (r"\odot\hat a_i", r"\odot a_i"),
            (r"h_i^T", r"x_i^T"),
            (r"&= \frac1m\sum_{i=1}^m\frac", r"&= \sum_{i=1}^m\frac"),
            (r"\sum_{i=1}^m\frac", r"\sum_{n=1}^m\frac"),
        ],
    );
    // Entry by entry, with weights [in, out] too.
    check(
        r"$\frac{\partial E_n}{\partial w^{2b}_{ck}} = (\hat y^b_{nc} - y^b_{nc}) s_{nk}$",
        1,
        &[("s_{nk}", "s_{nc}"), ("s_{nk}", r"\hat a_{nk}")],
    );
    check(
        r"\[Z_{2b} = SW_{2b} + \mathbf 1 b_{2b}^T,\quad Z_{1a} = XW_{1a} + \mathbf 1b_{1a}^T\]
        $\frac{\partial L_i}{\partial W_{2b}} = s_i(\hat y_{b,i} - y_{b,i})^T$",
        3,
        &[("s_i(", "x_i("), (r"s_i(\hat y_{b,i} - y_{b,i})^T", r"(\hat y_{b,i} - y_{b,i})s_i^T")],
    );
    // BatchNorm couples what is before it.
    let coupled = audit(r"$\frac{\partial L_i}{\partial W_{1b}} = \delta_{1b,i} x_i^T$");
    assert_eq!((n_exact(&coupled), n_unread(&coupled)), (0, 1));
}

#[test]
fn the_steps_of_batch_norm_have_derivatives() {
    check(
        r"\begin{align} \frac{\partial\mu}{\partial a_i} &= \frac1m &
        \frac{\partial\sigma^2}{\partial a_i} &= \frac{2(a_i-\mu)}{m} \\
        \frac{\partial\hat a_i}{\partial a_i} &= \frac{1}{\sqrt{\sigma^2+\epsilon}} &
        \frac{\partial\hat a_i}{\partial\mu} &= -\frac{1}{\sqrt{\sigma^2+\epsilon}} \\
        \frac{\partial\hat a_i}{\partial\sigma^2} &= -\frac12(a_i-\mu)(\sigma^2+\epsilon)^{-3/2}
        \end{align}",
        5,
        &[
            (r"\frac1m", r"\frac2m"),
            ("2(a_i", "(a_i"),
            (r"a_i-\mu)}{m}", r"a_i+\mu)}{m}"),
            (r"\frac{1}{\sqrt{\sigma^2+\epsilon}} &", r"\frac{1}{\sigma^2+\epsilon} &"),
            (r"= -\frac{1}", r"= \frac{1}"),
            ("-3/2", "-1/2"),
        ],
    );
    // The paper's letters.
    check(
        r"\begin{align} \frac{\partial\mu_B}{\partial x_i} &= \frac1m \\
        \frac{\partial\sigma_B^2}{\partial x_i} &= \frac{2}{m}(x_i-\mu_B) \\
        \hat x_i &= \frac{x_i - \mu_B}{\sqrt{\sigma_B^2+\epsilon}} \\
        y_i &= \gamma\hat x_i + \beta \end{align}",
        4,
        &[(r"\frac{2}{m}", r"\frac{2}{m-1}"), (r"\frac1m", "1")],
    );
    // Without the statistics' own, it is the derivative along all paths.
    let alone =
        audit(r"$\frac{\partial\hat a_i}{\partial a_i} = \frac1{\sqrt{\sigma^2+\epsilon}}$");
    assert_eq!(n_exact(&alone), 0);
}

#[test]
fn one_letter_twice_is_the_diagonal_of_a_jacobian() {
    check(
        r"\[\frac{\partial\hat y_{b,i}}{\partial z_{2b,i}} = \hat y_{b,i}(1 - \hat y_{b,i}),\quad
        \frac{\partial a_{1a,j}}{\partial z_{1a,j}} = [z_{1a,j} > 0],\quad
        \frac{\partial h_j}{\partial a_{1a,j}} = M_j\]",
        3,
        &[("(1 - ", "(1 + "), ("> 0", "< 0"), ("= M_j", r"= M_j a_{1a,j}")],
    );
}

#[test]
fn a_layer_has_derivatives_by_its_weight_and_bias() {
    check(
        r"\[\frac{\partial z_{2b,j}}{\partial W_{2b,jk}} = s_k,\quad
        \frac{\partial z_{2b,j}}{\partial b_{2b,j}} = 1,\quad
        \frac{\partial \hat y_a}{\partial b_{2a}} = I\]",
        3,
        &[("s_k", "s_j"), ("s_k", r"\hat a_k"), ("= 1", "= 2"), ("= I", "= 2I")],
    );
    check(r"$\frac{\partial z_{1a}}{\partial W_{1a}} = x^T$", 1, &[]);
    assert_eq!(n_unread(&audit(r"$\frac{\partial z_{1a}}{\partial W_{1a}} = x^T\otimes I$")), 1);
}

#[test]
fn a_chain_through_a_weight_follows_its_letters_either_way_round() {
    let chain = r"\[Z_{2b} = SW_{2b} + \mathbf 1b_{2b}^T,\quad Z_{1a} = XW_{1a} + \mathbf 1b_{1a}^T\]
        \[\frac{\partial L}{\partial W_{2b,ij}} = \sum_{n=1}^N\frac{\partial L}{\partial z_{2b,nj}}
        \frac{\partial z_{2b,nj}}{\partial W_{2b,ij}}\]";
    check(chain, 3, &[("z_{2b,nj}}{\\partial W_{2b,ij}}", "z_{2b,ni}}{\\partial W_{2b,ij}}")]);
}

#[test]
fn numerators_lay_out_the_derivative_by_a_weight_too() {
    check(
        r"\begin{align} \frac{\partial L}{\partial z_{2b}} &= \frac1m(\hat y_b - y_b)^T \\
        \frac{\partial L}{\partial s} &= \frac{\partial L}{\partial z_{2b}}W_{2b} \\
        \frac{\partial L}{\partial W_{2b}} &= s\frac{\partial L}{\partial z_{2b}} \\
        \frac{\partial L}{\partial W_{2a}} &= h\frac{\partial L}{\partial\hat y_a} \end{align}",
        4,
        &[(r"s\frac", r"x\frac"), (r"z_{2b}}W_{2b}", r"z_{2b}}W_{2b}^T")],
    );
}

#[test]
fn what_holds_under_a_comparison_is_judged_there() {
    check(
        r"\[f'(z_{1a}) = 1 \text{ where } z_{1a} > 0\]
        \[a_{1a,j} = z_{1a,j} \text{ if } z_{1a,j} > 0\]
        \[\frac{\partial a_{1b}}{\partial z_{1b}} = 0 \text{ if } z_{1b} < 0\]",
        3,
        &[("> 0", "< 0"), (r"= z_{1a,j}", "= 0"), ("z_{1b} < 0", "z_{1b} > 0")],
    );
}

#[test]
fn a_function_that_the_text_names_is_not_taken_for_relu() {
    let text = r"Here $\sigma$ is the logistic sigmoid.
        \[a_{1a} = \sigma(z_{1a}),\quad \sigma'(z_{1a}) = a_{1a}\odot(1 - a_{1a})\]";
    let found = audit(text);
    assert_eq!((found.equations.len(), n_unread(&found)), (1, 1), "{}", derivation_report(&found));
    assert_eq!(n_exact(&found), 0);
    let other = text.replace("is the logistic", "is not the logistic");
    assert!(n_exact(&audit(&other)) > 0);
}

#[test]
fn matrices_may_end_in_dots() {
    check(
        r"\[\frac{\partial\hat y_b}{\partial z_{2b}} = \begin{pmatrix}
        \hat y_{b,1}(1-\hat y_{b,1}) & -\hat y_{b,1}\hat y_{b,2} & \cdots\\
        -\hat y_{b,2}\hat y_{b,1} & \hat y_{b,2}(1-\hat y_{b,2}) & \cdots\\
        \vdots & \vdots & \ddots\end{pmatrix}\]
        \[\delta_{2b} = \frac1m(\hat y_{b,1}-y_{b,1}, \hat y_{b,2}-y_{b,2}, \dots)^T\]",
        2,
        &[(r"\frac1m(", r"(")],
    );
    let beside = r"\[\frac{\partial\hat y_b}{\partial z_{2b}} = \begin{pmatrix}
        \hat y_{b,1}(1-\hat y_{b,1}) & \hat y_{b,1}\hat y_{b,2} & \cdots\\
        \hat y_{b,2}\hat y_{b,1} & \hat y_{b,2}(1-\hat y_{b,2}) & \cdots\\
        \vdots & \vdots & \ddots\end{pmatrix}\]";
    assert_eq!((n_exact(&audit(beside)), n_unread(&audit(beside))), (0, 0));
    let both = r"\[\delta_{2b} = \frac1m\begin{pmatrix}\hat y_{b,1}+y_{b,1}\\
        \hat y_{b,2}+y_{b,2}\\ \vdots\end{pmatrix}\]";
    assert_eq!(n_exact(&audit(both)), 0);
}

#[test]
fn differentials_hold_along_random_directions() {
    check_remarks(
        r"\begin{align} dZ_{2b} &= dW_{2b}\,S + W_{2b}\,dS + db_{2b}\mathbf 1^T \\
        dL &= \operatorname{tr}(\Delta_{2b}^T dZ_{2b}) = \operatorname{tr}(S\Delta_{2b}^T dW_{2b})
        + \operatorname{tr}(\Delta_{2b}^T W_{2b}\,dS)
        + \operatorname{tr}(\mathbf 1^T\Delta_{2b}^T db_{2b}) \\
        d\hat y_b &= (\operatorname{diag}(\hat y_b) - \hat y_b\hat y_b^T)\,dz_{2b} \\
        dA_{1a} &= \operatorname{ReLU}'(Z_{1a})\odot dZ_{1a} \end{align}",
        4,
        &[
            (r"dW_{2b}\,S + W_{2b}\,dS", r"dW_{2b}\,S"),
            (r" + db_{2b}\mathbf 1^T", r""),
            (r"dL &= \operatorname", r"dL &= -\operatorname"),
            (r"(S\Delta_{2b}^T dW", r"(\hat A\Delta_{2b}^T dW"),
            (r"+ \operatorname{tr}(\Delta_{2b}^T W_{2b}\,dS)", ""),
            (r"- \hat y_b\hat y_b^T", r"+ \hat y_b\hat y_b^T"),
            (r"\operatorname{ReLU}'(Z_{1a})\odot", r"A_{1a}\odot"),
        ],
    );
}

#[test]
fn remarks_that_are_true_are_not_unread() {
    check_remarks(
        r"$\sum_k y_{b,k} = 1$ and $\sum_c \hat y_{b,ic} = 1$, $\sum_{i=1}^m\hat a_i = 0$.",
        3,
        &[("} = 1$ and", "} = 2$ and"), (r"\hat a_i = 0", r"a_i = 0")],
    );
    let update = audit(r"$\theta_{t+1} = \theta_t - \eta\nabla_\theta L$");
    assert_eq!((update.equations.len(), n_unread(&update)), (0, 0));
}

#[test]
fn a_sample_is_that_of_the_left_side() {
    check(
        r"$z_{2b,n} = W_{2b}s_n + b_{2b}$, $\hat y_b^{(n)} = \operatorname{softmax}(z_{2b}^{(n)})$,
        $\frac{\partial\sigma^2}{\partial a_{1b,k}} = \frac2m(a_{1b,k}-\mu)$",
        3,
        &[("s_n", "s_i"), (r"(z_{2b}^{(n)}", r"(z_{2b}^{(i)}"), ("(a_{1b,k}-", "(a_{1b,i}-")],
    );
    // Nor is a letter that a sum has not the sum's.
    check(
        r"$\frac{\partial L}{\partial b_{2b}} = \sum_{i=1}^m\delta_{2b,i}$,
        $\mu = \frac1m\sum_{i=1}^ma_{1b,i}$, $Z_{2b} = W_{2b}S + b_{2b}\mathbf 1^T$",
        3,
        &[(r"\delta_{2b,i}", r"\delta_{2b,n}"), ("a_{1b,i}", "a_{1b,l}"), (r"1^T", "1")],
    );
}

#[test]
fn the_output_of_batch_norm_may_have_a_letter_of_its_own() {
    check(
        r"\[y_i = \gamma\hat a_i + \beta,\quad
        \frac{\partial L}{\partial\hat a_i} = \frac{\partial L}{\partial y_i}\frac{\partial y_i}{\partial\hat a_i}
        = \gamma\frac{\partial L}{\partial y_i},\quad
        \frac{\partial L}{\partial\beta} = \sum_{i=1}^m\frac{\partial L}{\partial y_i}\]",
        3,
        &[(r"= \gamma\frac", r"= \beta\frac"), (r"\sum_{i=1}^m\frac", r"\frac1m\sum_{i=1}^m\frac")],
    );
    check(
        r"$y_i = \operatorname{BN}_{\gamma,\beta}(a_{1b,i})$, $s_i = y_i + \hat y_{a,i}$",
        2,
        &[],
    );
}

#[test]
fn a_text_about_one_unit_has_vectors_of_samples() {
    let text = r"We fix one unit; its values are a vector.
        \[\mu = \frac1m\mathbf 1^Ta_{1b},\quad \sigma^2 = \frac1m\|a_{1b}-\mu\mathbf 1\|^2,\quad
        \hat a = \frac{a_{1b}-\mu\mathbf 1}{\sqrt{\sigma^2+\epsilon}}\]
        \[\frac{\partial L}{\partial\gamma} = \hat a^T\frac{\partial L}{\partial bn}\]"
        .replace("bn}", "s}");
    check(&text, 4, &[(r"\mu\mathbf 1\|^2", r"\mu\mathbf 1\|"), (r"= \hat a^T", r"= a_{1b}^T")]);
    let other = audit(&text.replace("We fix one unit", "Here are all units"));
    assert!(n_exact(&other) < 4, "{}", derivation_report(&other));
}

#[test]
fn units_have_a_letter_of_their_own_in_batch_norms_jacobian() {
    check(
        r"\[\frac{\partial\hat a_k^{(i)}}{\partial a_{1b,k}^{(n)}} = \frac{1}{\sqrt{\sigma_k^2+\epsilon}}
        \Bigl(\delta_{in}-\frac1m-\frac1m\hat a_k^{(i)}\hat a_k^{(n)}\Bigr)\]",
        1,
        &[(r"\hat a_k^{(n)}\Bigr", r"\hat a_l^{(n)}\Bigr"), (r"\sigma_k^2", r"\sigma_l^2")],
    );
}

#[test]
fn logarithms_have_derivatives_and_sums() {
    check(
        r"\[\frac{\partial\log\hat y_{b,k}}{\partial z_{2b,j}} = \delta_{kj} - \hat y_{b,j}\]
        \[\hat y_{b,k} = \exp\Bigl(z_{2b,k} - \log\sum_l e^{z_{2b,l}}\Bigr)\]",
        2,
        &[(r"- \hat y_{b,j}", r"- \hat y_{b,k}"), (r"- \log", r"+ \log")],
    );
    check_remarks(
        r"$\log\hat y_{b,k} = z_{2b,k} - \log\sum_l e^{z_{2b,l}}$",
        1,
        &[("- \\log", "+ \\log")],
    );
}

#[test]
fn a_sum_over_the_entries_of_a_row_is_over_all_of_them() {
    check(
        "% audit: join = broadcast\n\\[\\hat y_{a,n} = \\sum_k W_{2a,k}h_{nk} + b_{2a},\\quad
        \\frac{\\partial L}{\\partial\\hat y_{a,n}} = \\frac1m(\\hat y_{a,n} - y_{a,n})
        + \\mathbf 1^TW_{2b}^T\\frac{\\partial L}{\\partial z_{2b,n}}\\]",
        2,
        &[(r"h_{nk}", r"a_{1a,nk}"), (r"W_{2b}^T\frac", r"W_{2b}\frac")],
    );
}

#[test]
fn differentials_are_known_by_those_of_weights() {
    check_remarks(r"$dz_{2b} = (dW_{2b})s + W_{2b}\,ds + db_{2b}$", 1, &[("+ W_{2b}", "- W_{2b}")]);
}
