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

#[test]
fn activations_have_letters_of_their_own() {
    // What the file defines, or the letter alone.
    for definition in [
        r"$f(z) = \max(0, z)$",
        r"$f = \operatorname{ReLU}$",
        r"$f(x) = \max\{x, 0\}$ and $f'(x) = \mathbb 1[x > 0]$",
        r"$f'(z_j) = \begin{cases} 1 & \text{si } z_j > 0 \\ 0 & \text{en otro caso} \end{cases}$",
        r"$f'(z) = 1$ for $z > 0$",
        "",
    ] {
        let text = format!(
            r"{definition} \[ h = M\odot f(z_{{1a}}) \] \[ a^{{(1b)}} = f(z^{{(1b)}}) \]
            \[ \delta_{{1a}} = (\theta_{{2a}}^\top\delta_{{2a}})\odot M\odot f'(z_{{1a}}) \]"
        );
        let text = text.replace("(z_1a)", "(z_{1a})");
        for letter in ["f", "g", r"\sigma", r"\varphi", r"\phi"] {
            let text =
                text.replace("f(", &format!("{letter}(")).replace("f'", &format!("{letter}'"));
            let text = text.replace("f =", &format!("{letter} ="));
            let equations = 3
                + definition.matches("max").count()
                + usize::from(definition.contains("[x"))
                + usize::from(definition.contains("cases"));
            let prime = format!("{letter}'(z_{{1a}})");
            check(
                &text,
                equations,
                &[
                    (&prime, &format!("{letter}'(z_{{1b}})")),
                    (&prime, &format!("{letter}(z_{{1a}})")),
                    (&format!(r"\odot {prime}"), ""),
                    (&format!("{letter}(z^{{(1b)}})"), &format!("{letter}(z^{{(1a)}})")),
                ],
            );
        }
    }
    check(
        r"\[ \delta_{1a} = \dot\sigma(z_{1a})\odot M\odot\theta_{2a}^\top\delta_{2a} \]
        \[ \hat y_b = g(z_{2b}), \quad g(z)_k = \frac{e^{z_k}}{\sum_j e^{z_j}}, \quad
        \mathrm{ReLU}'(z) = [z > 0], \quad \sigma^2 = \frac1m\sum_{i=1}^m (a_i - \mu)^2 \]",
        5,
        &[
            (r"\dot\sigma", r"\sigma"),
            ("[z > 0]", "[z < 0]"),
            (r"\hat y_b = g(z_{2b})", r"\hat y_b = g(z_{1b})"),
        ],
    );
}

#[test]
fn a_function_that_the_network_lacks_is_not_taken_for_one_that_it_has() {
    for definition in [
        r"f(z) = \frac{1}{1 + e^{-z}}",
        r"f(z) = \max(1, z)",
        r"f(z) = -\max(0, z)",
        r"f'(z) = f(z)(1 - f(z))",
        r"f'(z) = [z < 0]",
    ] {
        let read = audit(&format!(r"$h = M\odot f(z_{{1a}})$, where ${definition}$"));
        let report = derivation_report(&read);
        assert!(read.equations.iter().all(|one| one.verdict.is_none()), "{report}");
        assert!(
            !read.grade().pass && report.contains("none of the network's functions"),
            "{report}"
        );
    }
}

#[test]
fn losses_have_letters_of_their_own() {
    for letter in ["L", "J", "C", "E", r"\mathcal{L}", r"\ell"] {
        let text = r"$E = \frac1N\sum_{n=1}^N E_n$, with
            \[ E_n = \tfrac12\sum_k(\hat y_{a,nk}-y_{a,nk})^2 - \sum_k y_{b,nk}\ln\hat y_{b,nk} \]
            \[ \frac{\partial E}{\partial w^{(2b)}_{kj}} = \sum_n\frac{\partial E}{\partial z^{(2b)}_{nk}}s_{nj},
            \qquad \operatorname{grad}_{z_{2b}} E = \frac1N(\hat y_b - y_b), \quad
            \nabla_{\beta} E = \sum_n\delta_s^{(n)} \]";
        check(
            &text.replace('E', letter),
            5,
            &[
                (r"\tfrac12\sum_k", r"\sum_k"),
                (r"- \sum_k", r"+ \sum_k"),
                (r"s_{nj}", r"h_{nj}"),
                (r"= \frac1N(", r"= ("),
                (r"\sum_n\delta", r"\frac1N\sum_n\delta"),
            ],
        );
    }
}

const EINSTEIN: &str = r"\begin{align} z_{1b,nj} &= W_{1b,ji} x_{ni} + b_{1b,j}\\
    \frac{\partial L}{\partial W_{2b,kj}} &= \delta_{2b,nk} s_{nj}\\
    \frac{\partial L}{\partial s_{nj}} &= \delta_{2b,nk} W_{2b,kj} \end{align}";

#[test]
fn repeated_indices_are_summed_where_the_file_says_so() {
    for declaration in
        ["We use the summation convention.", "% audit: sums = repeated\n", "Summenkonvention:"]
    {
        check(
            &format!("{declaration} {EINSTEIN}"),
            3,
            &[
                (r"\delta_{2b,nk} W_{2b,kj}", r"\delta_{2b,nk} W_{2b,jk}"),
                (r"\delta_{2b,nk} s_{nj}", r"\delta_{2b,nj} s_{nk}"),
                (r"\delta_{2b,nk} s_{nj}", r"\delta_{2b,nk} s_{ij}"),
                ("W_{1b,ji} x_{ni}", "W_{1b,ij} x_{ni}"),
            ],
        );
    }
    // Otherwise they are not read, and a single one is a slip, as it is in a file with sums.
    let unread = audit(EINSTEIN);
    let report = derivation_report(&unread);
    assert!(unread.equations.iter().all(|one| one.verdict.is_none()), "{report}");
    assert!(report.contains("audit: sums = repeated"), "{report}");
    let sum = r"\[ \frac{\partial L}{\partial b_{2b,k}} = \sum_n\delta_{2b,nk} \]";
    for text in [
        &EINSTEIN.replace("s_{nj}\\\\", "s_{nj} + 1 % ").replace("W_{1b,ji}", "W_{1b}"),
        &format!("{EINSTEIN}{sum}"),
    ] {
        assert!(is_rejected(text), "{}", derivation_report(&audit(text)));
    }
}

#[test]
fn inner_products_are_sums_of_products() {
    check(
        r"\[ L_a = \frac{1}{2m}\langle \hat Y_a - Y_a, \hat Y_a - Y_a\rangle_F \]
        \[ L_b = -\frac1m\sum_{i=1}^m y_b^{(i)}\cdot\log\hat y_b^{(i)} \]
        \[ L_b = -\frac1m\sum_{i=1}^m \left\langle y_b^{(i)}, \log\hat y_b^{(i)}\right\rangle \]
        \[ \frac{\partial L}{\partial\gamma_j} = \langle\delta_{s,j},\hat a_j\rangle \]",
        4,
        &[
            (r"\frac{1}{2m}\langle", r"\frac{1}{m}\langle"),
            (r"\langle \hat Y_a - Y_a,", r"\langle \hat Y_a + Y_a,"),
            (r"y_b^{(i)}\cdot", r"y_a^{(i)}\cdot"),
            (r"L_b = -\frac1m\sum_{i=1}^m y_b", r"L_b = -\sum_{i=1}^m y_b"),
            (r"\langle y_b^{(i)},", r"\langle \hat y_b^{(i)},"),
            (r"\hat a_j\rangle", r"a_j\rangle"),
        ],
    );
    // u · v of vectors is no outer product, and no ⊙.
    assert!(is_rejected(r"$W_{2b} = 0$ $\frac{\partial L}{\partial W_{2b}} = \delta_{2b}\cdot s$"));
    assert!(is_rejected(r"$\delta_{1a} = (W_{2a}^\top\delta_{2a})\cdot (M\odot [z_{1a} > 0])$"));
}

#[test]
fn vectors_and_matrices_are_written_out_with_dots() {
    check(
        r"\[ \delta_{2b} = \begin{pmatrix}\frac{\partial L}{\partial z_{2b,1}}\\ \vdots\\ \frac{\partial L}{\partial z_{2b,K}}\end{pmatrix}
        = \frac1m\begin{bmatrix}\hat y_{b,1} - y_{b,1} \\ \hat y_{b,2} - y_{b,2} \\ \vdots \\ \hat y_{b,K} - y_{b,K}\end{bmatrix} \]
        \[ \frac{\partial L}{\partial z_{2b}} = \begin{bmatrix}\partial L/\partial z_{2b,1} & \cdots & \partial L/\partial z_{2b,K}\end{bmatrix}^\top \]
        \[ \frac{\partial L}{\partial\theta_{2b}} = \begin{pmatrix}\frac{\partial L}{\partial\theta_{2b,11}} & \cdots & \frac{\partial L}{\partial\theta_{2b,1n}}\\ \vdots&\ddots&\vdots\\
        \frac{\partial L}{\partial\theta_{2b,K1}}&\cdots&\frac{\partial L}{\partial\theta_{2b,Kn}}\end{pmatrix} = \delta_{2b}s^\top \]
        \[ \frac{\partial\hat y_b}{\partial z_{2b}} = \begin{pmatrix}\hat y_{b,1}(1-\hat y_{b,1}) & -\hat y_{b,1}\hat y_{b,2} & \cdots & -\hat y_{b,1}\hat y_{b,K}\\
        -\hat y_{b,2}\hat y_{b,1} & \hat y_{b,2}(1-\hat y_{b,2}) & \cdots & -\hat y_{b,2}\hat y_{b,K}\\ \vdots&\vdots&\ddots&\vdots\\
        -\hat y_{b,K}\hat y_{b,1}&-\hat y_{b,K}\hat y_{b,2}&\cdots&\hat y_{b,K}(1-\hat y_{b,K})\end{pmatrix} \]
        \[ \frac{\partial h}{\partial a_{1a}} = \begin{pmatrix} M_1 & & 0 \\ & \ddots & \\ 0 & & M_n \end{pmatrix} = \operatorname{diag}(M_1, \dots, M_n) \]
        \[ z_{1a} = (z_{1a,1}, \ldots, z_{1a,n})^\top = \theta_{1a}x + b_{1a} \]",
        6,
        &[
            (r"\frac1m\begin", r"\begin"),
            (r"\delta_{2b}s^\top", r"s\delta_{2b}^\top"),
            (r"= \operatorname{diag}(M_1, \dots, M_n)", r"= \operatorname{diag}(h_1, \dots, h_n)"),
            (r"\theta_{1a}x + b", r"\theta_{1b}x + b"),
        ],
    );
    // Entries that are wrong together are wrong; one that differs from the others is not read.
    let softmax = |sign: &str, corner: &str| {
        format!(
            r"\[ \frac{{\partial\hat y_b}}{{\partial z_{{2b}}}} = \begin{{pmatrix}}\hat y_{{b,1}}(1-\hat y_{{b,1}}) & \cdots & {corner}\hat y_{{b,1}}\hat y_{{b,K}}\\
            \vdots&\ddots&\vdots\\ {sign}\hat y_{{b,K}}\hat y_{{b,1}}&\cdots&\hat y_{{b,K}}(1-\hat y_{{b,K}})\end{{pmatrix}} \]"
        )
    };
    let verdict = |text: &str| audit(text).equations[0].verdict;
    assert_eq!(verdict(&softmax("-", "-")), Some(Verdict::Exact));
    assert_eq!(verdict(&softmax("", "")), Some(Verdict::Wrong));
    for text in [
        &softmax("-", "")[..],
        r"\[ \delta_{2b} = \begin{pmatrix} \hat y_{b,1} \\ \hat y_{b,2} \end{pmatrix} \]",
        r"\[ \delta_{2b} = \begin{pmatrix} \hat y_{b,1} \\ \vdots \\ \hat y_{b,1} \end{pmatrix} \]",
        r"\[ \delta_{2b} = \begin{pmatrix} \hat y_{b,1} \\ y_{b,2} \\ \vdots \\ \hat y_{b,K} \end{pmatrix} \]",
        r"\[ \delta_{2b} = \begin{pmatrix} \hat y_{b,1} \\ \vdots \\ \hat y_{b,m} \end{pmatrix} \]",
        r"\[ \delta_{2b} = \begin{pmatrix} & \\ \vdots & \end{pmatrix} \]",
    ] {
        assert_eq!(verdict(text), None, "{text}");
    }
}

#[test]
fn a_delta_of_one_samples_loss_keeps_its_meaning() {
    // And so does what follows from it: δ1a has no 1/m, the gradients have.
    check(
        r"\[ \delta^{2b}_{nc} = \frac{\partial L_n}{\partial z^{2b}_{nc}}
        = \hat y^b_{nc} - y^b_{nc} \]
        \[ \delta^{2a}_{nk} = \frac{\partial L_n}{\partial\hat y^a_{nk}}
        = \hat y^a_{nk} - y^a_{nk} + \sum_c \theta^{2b}_{ck}\delta^{2b}_{nc} \]
        \[ \delta^{1a}_{nj} = M_{nj}[z^{1a}_{nj} > 0]\sum_k \theta^{2a}_{kj}\delta^{2a}_{nk} \]
        \[ \frac{\partial L}{\partial b^{2b}_c} = \frac1N\sum_{n=1}^N \delta^{2b}_{nc} \]
        \[ \frac{\partial L}{\partial\theta^{1a}_{ji}} = \frac1N\sum_n \delta^{1a}_{nj}x_{ni} \]",
        5,
        &[
            (r"= \frac1N\sum_{n=1}^N \delta", r"= \sum_{n=1}^N \delta"),
            (r"= \frac1N\sum_n \delta^{1a}", r"= \sum_n \delta^{1a}"),
            (r"\delta^{1a}_{nj} = M", r"\delta^{1a}_{nj} = \frac1N M"),
        ],
    );
}

#[test]
fn a_sum_over_x_goes_over_the_training_examples() {
    check(
        r"\[ \frac{\partial L}{\partial\beta} = \frac1m\sum_x \theta_{2b}^T(\hat y_b - y_b) \]
        \[ \frac{\partial L}{\partial\gamma}
        = \frac1m\sum_x (\theta_{2b}^T(\hat y_b - y_b))\odot\hat a \]",
        2,
        &[(r"\frac1m\sum_x \theta", r"\sum_x \theta"), (r"\odot\hat a", "")],
    );
}

#[test]
fn letters_are_what_the_file_defines_them_as() {
    check(
        r"\[ e_a = \hat y_a - y_a, \qquad e_b = \hat y_b - y_b \] \[ r = (\sigma^2+\epsilon)^{-1/2} \]
        \[ g_i = \frac{\partial L}{\partial s_i} \]
        \[ \frac{\partial L}{\partial b_{2b}} = \frac1m\sum_{i=1}^m e_b^{(i)} \]
        \[ \frac{\partial L}{\partial a_{1b,i}} = \gamma r\Big(g_i - \frac1m\sum_{j=1}^m g_j
        - \frac{\hat a_i}{m}\sum_{j=1}^m g_j\hat a_j\Big) \]",
        3,
        &[("e_b^{(i)}", "e_a^{(i)}"), (r"\gamma r\Big", r"\gamma\Big"), (r"g_j\hat a_j", "g_j")],
    );
    // The j of W_{ij} picks an entry: no join that projects.
    check(
        r"\[ W_{ij} \] \[ \delta_{2a} = \frac1m(\hat y_a - y_a) + \theta_{2b}^T\delta_{2b} \]",
        1,
        &[("+", "-")],
    );
    // Unit by unit, the prediction of branch A too.
    check(r"\[ s_i = \gamma\hat a_i + \beta + \hat y^a_i \]", 1, &[(r"\beta +", r"\beta -")]);
}

#[test]
fn indices_have_primes_and_powers_a_dot() {
    check(
        r"\[ \hat y^b_{nc} = \frac{\exp(z^{2b}_{nc})}{\sum_{c'}\exp(z^{2b}_{nc'})} \]
        \[ \sigma^2 = \frac1m\sum_{i=1}^m (a_{1b,i} - \mu)^{\odot 2} \]",
        2,
        &[("nc'})}", "nc})}"), (r"{\odot 2}", r"{\odot 3}")],
    );
}

#[test]
fn overlays_of_slides_are_left_out() {
    check(
        r"\begin{align*} \nabla_{b_{2b}} L &= \sum_{i=1}^m \alert<2>{\delta_{2b}^{(i)}} \\
        \onslide<2->{\nabla_s L &= \theta_{2b}^\top\delta_{2b}} \end{align*}
        \[ \delta_{1a} = \uncover<2->{(\theta_{2a}^\top\delta_{2a})}\odot M\odot\text{ReLU}'(z_{1a}) \]",
        3,
        &[(r"\theta_{2b}^\top", r"\theta_{2b}"), (r"\odot M", "")],
    );
}

#[test]
fn a_condition_may_be_in_portuguese() {
    check(
        r"\[ \frac{\partial h_j}{\partial a_{1a,i}} = \begin{cases} \frac1{1-p} &
        \text{se } i = j \text{ e } r_i \ge p \\ 0 & \text{caso contrário} \end{cases} \]",
        1,
        &["\\frac1{1-p}"].map(|of| (of, "1")),
    );
}

#[test]
fn beside_a_differential_of_the_loss_no_differential_is_a_gradient() {
    let text = r"\[ dL = \operatorname{tr}(\Delta_{2b}^T dZ_{2b}) \]
        \[ dZ_{2b} = dW_{2b} S + W_{2b}\,dS + db_{2b}\mathbf 1^T \]";
    let found = audit(text);
    assert!(found.equations.is_empty(), "{}", derivation_report(&found));
    assert_eq!(found.skipped.len(), 2, "{}", derivation_report(&found));
    assert!(found.skipped.iter().all(|one| one.reason.contains("differential")));
    // Without it, dZ is the gradient, as in code.
    check(r"\[ dZ_{2b} = \frac1m(\hat Y_b - Y_b) \]", 1, &[(r"\frac1m", "")]);
}
