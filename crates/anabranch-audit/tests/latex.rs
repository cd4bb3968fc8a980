//! Derivations in LaTeX and Markdown: right ones pass, each slip gets its verdict, the first `=`
//! that breaks is named.

use std::sync::LazyLock;

use anabranch_audit::{Auditor, Derivation, Equation, Judgement, Verdict, derivation_report};

static AUDITOR: LazyLock<Auditor> = LazyLock::new(|| Auditor::new(3));

fn markdown(text: &str) -> Derivation {
    AUDITOR.derivation(text, false)
}

/// The one equation of a text.
fn equation(formula: &str) -> Equation {
    let derivation = markdown(&format!("$${formula}$$"));
    let report = derivation_report(&derivation);
    derivation.equations.into_iter().next().unwrap_or_else(|| panic!("{formula}: {report}"))
}

#[test]
fn a_right_derivation_passes() {
    let derivation = markdown(include_str!("derivations/right.md"));
    let report = derivation_report(&derivation);
    assert!(derivation.grade().pass, "{report}");
    assert_eq!(derivation.equations.len(), 24, "{report}");
}

#[test]
fn other_notations_are_read() {
    let indices = AUDITOR.derivation(include_str!("derivations/indices.tex"), true);
    let notations = markdown(include_str!("derivations/other-notation.md"));
    let textbook = AUDITOR.derivation(include_str!("derivations/textbook.tex"), true);
    for (derivation, equations) in [(indices, 32), (notations, 32), (textbook, 32)] {
        let report = derivation_report(&derivation);
        assert!(derivation.grade().pass, "{report}");
        assert_eq!(derivation.equations.len(), equations, "{report}");
    }
}

#[test]
fn each_slip_gets_its_verdict() {
    let derivation = markdown(include_str!("derivations/slips.md"));
    let report = derivation_report(&derivation);
    assert_eq!(derivation.equations.len(), 15, "{report}");
    for equation in &derivation.equations {
        assert!(equation.expected.is_some() && equation.verdict == equation.expected, "{report}");
        // The points of this file say which `=` breaks first.
        assert_eq!(equation.broken.map(|at| at as f64), equation.points, "{report}");
    }
    let grade = derivation.grade();
    assert!(grade.pass);
    assert_eq!(grade.earned, grade.possible);
}

#[test]
fn equations_in_many_spellings_get_their_verdicts() {
    for (text, is_tex, equations) in [
        (include_str!("derivations/spellings.md"), false, 75),
        (include_str!("derivations/more-spellings.md"), false, 109),
        (include_str!("derivations/steps.md"), false, 68),
        (include_str!("derivations/chains.md"), false, 73),
        (include_str!("derivations/samples.md"), false, 15),
        (include_str!("derivations/partial.md"), false, 3),
        (include_str!("derivations/bn-slips.md"), false, 18),
        (include_str!("derivations/textbook-slips.tex"), true, 15),
    ] {
        let derivation = AUDITOR.derivation(text, is_tex);
        let title = text.lines().next();
        let found = (derivation.equations.len(), derivation.skipped.len());
        assert_eq!(found, (equations, 0), "{title:?}");
        for equation in &derivation.equations {
            let place = equation.place;
            assert_eq!(equation.verdict, equation.expected, "{title:?}, line {}", place.line);
            // The points of these files say which `=` breaks first.
            let broken = equation.broken.map(|at| at as f64);
            assert_eq!(broken, equation.points, "{title:?}, line {}", place.line);
        }
    }
}

/// ∂L/∂ŷa without the path through the join is a reading of its own: it is right only where the
/// derivation adds that path elsewhere.
#[test]
fn a_partial_derivative_by_a_joined_prediction_is_a_reading() {
    let alone = equation(r"\frac{\partial L}{\partial\hat y_a} = \frac1m(\hat y_a-y_a)");
    let Judgement::Judged(finding) = &alone.members[1].judgement else { panic!() };
    assert_eq!(finding.verdict, Verdict::Wrong);
    let exact: Vec<&str> = finding
        .readings
        .iter()
        .filter(|tried| tried.verdict == Verdict::Exact)
        .map(|tried| tried.reading.as_str())
        .collect();
    assert_eq!(exact, ["partial, without the join's path"], "{finding}");
    let added = equation(
        r"\delta_{2a} = \frac{\partial L}{\partial\hat y_a} + \theta_{2b}^\top\delta_{2b}",
    );
    let Judgement::Judged(finding) = &added.members[1].judgement else { panic!() };
    assert!(finding.explanation.contains("the partial derivative"), "{finding}");
    for (formula, verdict) in [
        // In the same spelling, the path is added twice.
        (r"\delta_{2a} = \delta_{2a} + \theta_{2b}^\top\delta_{2b}", Verdict::Wrong),
        (
            r"\delta_{2a} = \frac{\partial L}{\partial\hat y_a} + \theta_{2b}^\top(\hat y_b-y_b)",
            Verdict::Wrong,
        ),
        (
            r"\left.\frac{\partial L}{\partial\hat y_a}\right|_{s} = \frac1m(\hat y_a-y_a)",
            Verdict::Exact,
        ),
        (r"\frac{\partial L}{\partial\theta_{2a}} = \frac1m(\hat y_a-y_a)h^\top", Verdict::Wrong),
    ] {
        assert_eq!(equation(formula).verdict, Some(verdict), "{formula}");
    }
}

#[test]
fn a_mask_of_zeros_and_ones_is_divided_by_its_probability() {
    for (formula, verdict) in [
        (r"h = \frac{M \odot a_{1a}}{1-p}", Verdict::Exact),
        (
            r"\delta_{1a} = \frac{1}{1-p}(\theta_{2a}^\top\delta_{2a})\odot M\odot\mathbb 1[z_{1a}>0]",
            Verdict::Exact,
        ),
        (
            r"\delta_{1a} = \frac{1}{p}(\theta_{2a}^\top\delta_{2a})\odot M\odot\mathbb 1[z_{1a}>0]",
            Verdict::Factor,
        ),
    ] {
        assert_eq!(equation(formula).verdict, Some(verdict), "{formula}");
    }
}

/// Of a chain, the member is lost that cannot be read, not the rest.
#[test]
fn a_script_or_a_command_without_a_meaning_is_never_passed_over() {
    for formula in [
        r"\delta_{2b} = W^{\dagger}(\hat y_b - y_b)",
        r"\delta_{2b} = \frac1m (\hat y_b - y_b)_{\foo}",
        r"\delta_{2b} = \frac1m (\hat y_b - y_b)^{\ast}",
        r"\delta_{2b} = \frac1m (\hat y_b^{\dagger} - y_b)",
        r"\delta_{2b} = \frac1m \foo{\hat y_b - y_b}",
        r"\delta_{2b} = \frac1m (\hat y_b - y_b) \prod_i x_i",
        r"\delta_{2a} = \frac1m(\hat y_a-y_a)+\theta_{2b}^{-T}\delta_{2b}",
        r"\delta_{2a} = \frac1m(\hat y_a-y_a)+\theta_{2b}^{-\top}\delta_{2b}",
        r"\delta_{2b} = \frac1m (\hat y_b^{*} - y_b)",
        r"\frac{\partial L}{\partial b_{2b}} = \sum_{i=1}^m \delta_{2b}^{(i+1)}",
        r"\frac{\partial L}{\partial b_{2b}} = \sum_{i=1}^m \delta_{2b,i-1}",
        r"\delta_{2b} = \frac1m(\hat y_b^{(t+1)}-y_b)",
    ] {
        let equation = equation(&format!("{formula} = 3"));
        let [_, read, rest] = &equation.members[..] else { panic!("{formula}") };
        assert!(matches!(read.judgement, Judgement::Unreadable(_)), "{formula}");
        assert!(matches!(rest.judgement, Judgement::Judged(_)), "{formula}");
    }
}

/// Where samples are columns, δ1 is a sum over them, and a product with it is one of sums.
#[test]
fn ones_are_one_for_each_sample() {
    for (formula, verdict) in [
        (r"Z_{1a} = W_{1a}X + b_{1a}\mathbf 1^\top", Verdict::Exact),
        (r"\frac{\partial L}{\partial b_{2b}} = \tfrac1m(\hat Y_b-Y_b)\mathbf 1", Verdict::Exact),
        (r"\frac{\partial L}{\partial b_{2b}} = (\hat Y_b-Y_b)\mathbf 1", Verdict::Factor),
        (r"\frac{\partial L}{\partial\beta} = \theta_{2b}^T(\delta_{2b}\mathbf 1)", Verdict::Exact),
        (r"\frac{\partial L}{\partial\gamma} = (\delta_s\odot\hat a)\mathbf 1", Verdict::Exact),
        (r"\frac{\partial L}{\partial\theta_{2b}} = \delta_{2b}\mathbf 1 s^T", Verdict::Shape),
        (r"\frac{\partial L}{\partial b_{2b}} = \mathbf 1\delta_{2b}", Verdict::Shape),
    ] {
        assert_eq!(equation(formula).verdict, Some(verdict), "{formula}");
    }
}

#[test]
fn batch_norm_alone_is_in_the_letters_of_its_paper() {
    let paper = include_str!("derivations/batch-norm.md");
    let derivation = markdown(paper);
    let report = derivation_report(&derivation);
    assert!(derivation.grade().pass && derivation.equations.len() == 6, "{report}");
    assert_eq!(derivation.symbols["x"], "a_1b");
    let slip = markdown(&paper.replace("\\frac{2(x_i", "\\frac{(x_i"));
    let verdicts: Vec<_> = slip.equations.iter().map(|equation| equation.verdict).collect();
    let exact = Some(Verdict::Exact);
    assert_eq!(verdicts, [exact, exact, exact, Some(Verdict::Wrong), exact, exact]);
    // Next to a weight, x is the network's input.
    assert!(
        markdown(r"$$\mu_x = \bar x$$ $$\hat x = x$$ $$z_{1b} = \theta_{1b} x + b_{1b}$$").symbols
            ["x"]
            == "x"
    );
}

#[test]
fn a_chain_breaks_where_it_breaks() {
    let good = r"\frac{1}{m}(\hat y_b - y_b)";
    let bad = r"\frac{1}{m}(\hat y_b + y_b)";
    for (chain, broken) in [
        (format!(r"\delta_{{2b}} = {good}"), None),
        (
            format!(r"\delta_{{2b}} = \frac{{\partial L}}{{\partial z_{{2b}}}} = {good} = {bad}"),
            Some(3),
        ),
        (format!(r"\delta_{{2b}} = {bad} = {good}"), Some(1)),
        (format!(r"\delta_{{2b}} = {good} = \foo = {bad}"), Some(3)),
    ] {
        assert_eq!(equation(&chain).broken, broken, "{chain}");
    }
    // Equal to the one before, though both are wrong: the first link alone is broken.
    let same = equation(&format!(r"\delta_{{2b}} = {bad} = \frac{{\hat y_b + y_b}}{{m}}"));
    assert_eq!((same.broken, same.members[2].follows), (Some(1), Some(true)));
}

#[test]
fn lines_of_a_display_are_joined() {
    let derivation = AUDITOR.derivation(
        "\\begin{align*}\n\\delta_{2a} &= \\frac1m(\\hat y_a - y_a) \\\\\n&\\quad + \\theta_{2b}^\\top\\delta_{2b} % the join\n\\\\\n\\delta_{2b} &= (\\hat y_b - y_b)/m\n\\end{align*}",
        true,
    );
    let report = derivation_report(&derivation);
    assert!(derivation.grade().pass && derivation.equations.len() == 2, "{report}");
    assert_eq!(derivation.equations[1].place.line, 5);
}

#[test]
fn the_case_in_the_text_is_meant() {
    let text = |diagonal: &str| {
        format!(
            "If $i = j$:\n\n$$\\frac{{\\partial \\hat y_{{b,i}}}}{{\\partial z_{{2b,j}}}} = {diagonal}$$\n\nIf \
             $i \\ne j$:\n\n$$\\frac{{\\partial \\hat y_{{b,i}}}}{{\\partial z_{{2b,j}}}} = -\\hat y_{{b,i}} \\hat y_{{b,j}}$$\n"
        )
    };
    let right = markdown(&text(r"\hat y_{b,i}(1 - \hat y_{b,i})"));
    assert!(right.grade().pass, "{}", derivation_report(&right));
    let wrong = markdown(&text(r"\hat y_{b,i}"));
    assert_eq!(wrong.equations[0].verdict, Some(Verdict::Wrong));
    assert_eq!(wrong.equations[1].verdict, Some(Verdict::Exact));
}

#[test]
fn a_file_names_its_symbols_and_its_network() {
    let own = "<!-- audit: W^{out} = theta_2b -->\n<!-- audit: \\phi = relu -->\n\
               $$z_{2b} = W^{out} s + b_{2b}$$ $$a_{1b} = \\phi(z_{1b})$$";
    let derivation = markdown(own);
    assert!(derivation.grade().pass, "{}", derivation_report(&derivation));
    let evaluation = "<!-- audit: mode = evaluation -->\n\
                      $$\\frac{\\partial L}{\\partial a_{1b}} = \\frac{\\gamma}{\\sqrt{\\sigma^2+\\epsilon}} \\odot \\delta_s$$";
    assert!(markdown(evaluation).grade().pass);
    let weighted = r"$$\delta_{2b} = \frac{\lambda_b}{m}(\hat y_b - y_b)$$";
    assert!(markdown(weighted).grade().pass);
    let unknown = markdown(r"$$\delta_{2b} = \kappa(\hat y_b - y_b)$$");
    assert!(!unknown.grade().pass);
    let Judgement::Unreadable(message) = &unknown.equations[0].members[1].judgement else {
        panic!("{}", derivation_report(&unknown));
    };
    assert!(message.contains("line 1, column 17") && message.contains("kappa"), "{message}");
}

#[test]
fn a_delta_without_its_mean_is_followed_through() {
    let derivation = markdown(
        "$$\\delta_{2b} = \\hat y_b - y_b$$ $$\\frac{\\partial L}{\\partial \\theta_{2b}} = \\frac1m \\delta_{2b} s^T$$",
    );
    assert_eq!(derivation.equations[0].verdict, Some(Verdict::Factor));
    assert_eq!(derivation.equations[1].verdict, Some(Verdict::Exact));
    let Judgement::Judged(finding) = &derivation.equations[1].members[1].judgement else {
        panic!()
    };
    assert!(finding.explanation.contains("as this derivation defines it"), "{finding}");
}

#[test]
fn a_mask_of_zeros_and_ones_is_understood_from_the_whole() {
    let derivation = markdown(
        r"$$h = \frac{1}{1-p} M \odot a_{1a}$$ $$\delta_{1a} = \theta_{2a}^T \delta_{2a} \odot \frac{M}{1-p} \odot \mathrm{ReLU}'(z_{1a})$$",
    );
    assert!(derivation.grade().pass, "{}", derivation_report(&derivation));
    assert!(derivation.symbols.values().any(|meaning| meaning == "M (0 or 1)"));
}

#[test]
fn derivatives_of_quantities_are_targets() {
    for (formula, verdict) in [
        (
            r"\frac{\partial a_{1b}}{\partial z_{1b}} = \mathrm{diag}(\mathrm{ReLU}'(z_{1b}))",
            Verdict::Exact,
        ),
        (r"\frac{\partial a_{1b}}{\partial z_{1b}} = \mathrm{ReLU}'(z_{1b})", Verdict::Exact),
        (r"\frac{\partial z_{2b}}{\partial s} = \theta_{2b}", Verdict::Exact),
        (r"\frac{\partial z_{2b}}{\partial s} = \theta_{2b}^T", Verdict::Shape),
        (r"\frac{\partial \hat y_a}{\partial h} = \theta_{2a}", Verdict::Exact),
        (r"\frac{\partial s}{\partial \hat y_a} = I", Verdict::Exact),
        (r"\frac{\partial s}{\partial \hat y_a} = 2 I", Verdict::Factor),
        (
            r"\frac{\partial \hat y_b}{\partial z_{2b}} = \mathrm{diag}(\hat y_b)(I - \mathbf 1 \hat y_b^T)",
            Verdict::Exact,
        ),
        (r"\frac{\partial h}{\partial a_{1a}} = \mathrm{diag}(M)", Verdict::Exact),
        (r"Z_{1a} = X \Theta_{1a}^\top + \mathbf{1}_m b_{1a}^\top", Verdict::Exact),
        (r"Z_{1a} = X \Theta_{1a} + \mathbf{1}_m b_{1a}^\top", Verdict::Shape),
    ] {
        assert_eq!(equation(formula).verdict, Some(verdict), "{formula}");
    }
}

#[test]
fn products_of_derivatives_are_chains() {
    for (formula, right) in [
        (
            r"\delta_{2a} = \frac{\partial L}{\partial \hat y_a} = \frac{\partial L}{\partial s} \frac{\partial s}{\partial \hat y_a}",
            Some(false),
        ),
        (
            r"\frac{\partial L}{\partial s} = \left(\frac{\partial z_{2b}}{\partial s}\right)^T \delta_{2b}",
            Some(true),
        ),
        (
            r"\delta_{1b} = \delta_{2b} \frac{\partial z_{2b}}{\partial a_{1b}} \frac{\partial a_{1b}}{\partial z_{1b}}",
            Some(true),
        ),
        (
            r"\frac{\partial L}{\partial \theta_{2a}} = \delta_{2a} \frac{\partial \hat y_a}{\partial \theta_{2a}}",
            Some(true),
        ),
        // A link is missing.
        (r"\delta_{1b} = \delta_{2b} \frac{\partial a_{1b}}{\partial z_{1b}}", None),
    ] {
        let equation = equation(formula);
        let verdict = equation.verdict;
        match right {
            Some(true) => assert_eq!(verdict, Some(Verdict::Exact), "{formula}"),
            // The loss of branch A comes in as well.
            Some(false) => assert_eq!(verdict, Some(Verdict::Wrong), "{formula}"),
            None => assert_ne!(verdict, Some(Verdict::Exact), "{formula}"),
        }
    }
}

#[test]
fn batch_norm_is_read_unit_by_unit() {
    // As papers on BatchNorm print it: everything is a number of one unit.
    let paper = r"\begin{align*}
\frac{\partial L}{\partial \hat a} &= \frac{\partial L}{\partial s}\odot\gamma\\
\frac{\partial L}{\partial \sigma^2} &= \sum_{i=1}^m \frac{\partial L}{\partial\hat a_i}(a_i-\mu)\cdot\left(-\frac12\right)(\sigma^2+\epsilon)^{-3/2}\\
\frac{\partial L}{\partial\mu} &= \sum_{i=1}^m\frac{\partial L}{\partial\hat a_i}\cdot\frac{-1}{\sqrt{\sigma^2+\epsilon}}\\
\frac{\partial L}{\partial a_i} &= \frac{\partial L}{\partial\hat a_i}\frac{1}{\sqrt{\sigma^2+\epsilon}} + \frac{\partial L}{\partial\sigma^2}\frac{2(a_i-\mu)}{m} + \frac{\partial L}{\partial\mu}\frac1m
\end{align*}";
    let right = AUDITOR.derivation(paper, true);
    assert!(right.grade().pass && right.equations.len() == 4, "{}", derivation_report(&right));
    let wrong = AUDITOR.derivation(&paper.replace(r"\frac{2(a_i", r"\frac{(a_i"), true);
    let verdicts: Vec<_> = wrong.equations.iter().map(|equation| equation.verdict).collect();
    assert_eq!(verdicts[2..], [Some(Verdict::Exact), Some(Verdict::Wrong)]);
    let barred = r"\frac{\partial L}{\partial a_{1b}} = \frac{\gamma}{\sqrt{\sigma^2+\epsilon}} \odot \left(\delta_s - \overline{\delta_s} - \hat a \odot \overline{\delta_s \odot \hat a}\right)";
    assert_eq!(equation(barred).verdict, Some(Verdict::Exact));
}

#[test]
fn entries_and_differentials_in_their_spellings() {
    for formula in [
        r"\frac{\partial L}{\partial (\theta_{2b})_{kj}} = \frac1m\sum_{i=1}^m (\hat y_{b}^{(i)} - y_{b}^{(i)})_k\, s^{(i)}_j",
        r"dW_{2b} = dZ_{2b}^T S",
        r"\frac{\partial L}{\partial \theta_{2b}} = \sum_{i=1}^m \delta_{2b}^{(i)} \otimes s^{(i)}",
        r"\frac{\partial L}{\partial z_{1b}} = \begin{cases} \frac{\partial L}{\partial a_{1b}} & z_{1b} > 0 \\ 0 & \text{otherwise}\end{cases}",
        r"\hat y_b = \frac{\exp(z_{2b})}{\mathbf 1^\top \exp(z_{2b})}",
        r"L = L_a + L_b",
        r"L_b = -\frac1m\sum_{i=1}^m\sum_{k=1}^K y_{b,k}^{(i)}\log\hat y_{b,k}^{(i)}",
        r"\mu = \mathbb{E}[a_{1b}]",
    ] {
        assert_eq!(equation(formula).verdict, Some(Verdict::Exact), "{formula}");
    }
}

#[test]
fn each_task_has_a_loss_of_its_own() {
    let of = |formula: &str| equation(formula).verdict;
    for right in [
        r"\frac{\partial L_a}{\partial \hat y_a} = \frac1m(\hat y_a-y_a)",
        r"\frac{\partial L_b}{\partial \hat y_a} = \theta_{2b}^\top\delta_{2b}",
        r"\frac{\partial L}{\partial \hat y_a} = \frac{\partial L_a}{\partial \hat y_a} + \frac{\partial L_b}{\partial \hat y_a}",
    ] {
        assert_eq!(of(right), Some(Verdict::Exact), "{right}");
    }
    let both = r"\frac{\partial L_a}{\partial \hat y_a} = \frac1m(\hat y_a-y_a)+\theta_{2b}^\top\delta_{2b}";
    assert_eq!(of(both), Some(Verdict::Wrong));
    let itself =
        r"\frac{\partial L_a}{\partial \hat y_a} = 1 \cdot \frac{\partial L_a}{\partial \hat y_a}";
    assert_eq!(of(itself), Some(Verdict::Circular));
}

#[test]
fn slips_of_a_derivation_are_explained() {
    // The line of the source derivation with three slips.
    let line = equation(
        r"\frac{\partial L}{\partial \theta_{2a}} = \left( \frac{1}{m} \sum_{i=1}^m (\hat{y}_a - y_a) + (\theta_{2b})^T (\hat{y}_{bi} - y_{bi}) \right) \mathbf{x}^T",
    );
    let Judgement::Judged(finding) = &line.members[1].judgement else { panic!() };
    assert_eq!(finding.mistakes.len(), 3, "{finding}");
    // The step before softmax's result: a square for a product of two entries.
    let step = equation(
        r"\delta_{2b} = \frac{1}{m} \sum_{i=1}^m \left( \left( -\frac{y_{bi}^k}{\hat{y}_{bi}^k} \right) \hat{y}_{bi}^k (1 - \hat{y}_{bi}^k) + \sum_{j \neq k} \frac{y_{bi}^j}{\hat{y}_{bi}^j} (\hat{y}_{bi}^j)^2 \right)",
    );
    let Judgement::Judged(square) = &step.members[1].judgement else { panic!() };
    let words = ["with `y_b_hat[i,j] * y_b_hat[i,k]` instead of `y_b_hat[i,j] ^ 2`", "too early"];
    assert!(words.iter().all(|words| square.explanation.contains(words)), "{square}");
    assert!(finding.example.is_some() && !finding.readings.is_empty(), "{finding:?}");
}

#[test]
fn a_missing_sum_is_named_by_its_index() {
    let with = |sum: &str| {
        equation(&format!(
            r"\frac{{\partial L}}{{\partial \theta_{{2b}}}} = {sum} \delta_{{2b}}^{{(i)}} {{s^{{(i)}}}}^T"
        ))
    };
    assert_eq!(with(r"\sum_{i=1}^m").verdict, Some(Verdict::Exact));
    let without = with("");
    assert_eq!(without.verdict, Some(Verdict::Wrong));
    let Judgement::Judged(finding) = &without.members[1].judgement else { panic!() };
    assert!(finding.explanation.contains("`i` is bound by no sum"), "{finding}");
    // Without an index a formula is read row by row.
    assert_eq!(
        equation(r"\frac{\partial L}{\partial \theta_{2b}} = \delta_{2b} s^T").verdict,
        Some(Verdict::Exact)
    );
}

#[test]
fn a_report_shows_no_control_characters() {
    let derivation =
        markdown("$$\\delta_{2b} = \u{1b}[2J + x\r$$ $$\\delta_{2b} = \\text{\u{1b}[31m}$$");
    let report = derivation_report(&derivation);
    assert!(report.chars().all(|c| c == '\n' || !c.is_control()), "{report:?}");
}

#[test]
fn words_and_decimals_are_german_or_french_too() {
    for (formula, verdict) in [
        (
            r"\delta_{1a} = \begin{cases} M\odot\theta_{2a}^\top\delta_{2a}, & \text{falls } z_{1a} > 0,\\ 0, & \text{sonst.}\end{cases}",
            Verdict::Exact,
        ),
        (
            r"\delta_{1a} = \begin{cases} M\odot\theta_{2a}^\top\delta_{2a}, & \text{falls } z_{1a} < 0,\\ 0, & \text{sonst.}\end{cases}",
            Verdict::Wrong,
        ),
        (
            r"\frac{\partial h_j}{\partial a_{1a,i}} = \begin{cases} \frac{1}{1-p} & \text{si } i=j \text{ et } r_i\ge p\\ 0 & \text{sinon}\end{cases}",
            Verdict::Exact,
        ),
        (
            r"\frac{\partial h_j}{\partial a_{1a,i}} = \begin{cases} \frac1p & \text{si } i=j \text{ et } r_i\ge p\\ 0 & \text{sinon}\end{cases}",
            Verdict::Factor,
        ),
        (r"L_a = \frac{0{,}5}{m}\sum_{i=1}^m\|\hat y_a^{(i)}-y_a^{(i)}\|^2", Verdict::Exact),
        (r"L_a = \frac{0{,}05}{m}\sum_{i=1}^m\|\hat y_a^{(i)}-y_a^{(i)}\|^2", Verdict::Factor),
    ] {
        assert_eq!(equation(formula).verdict, Some(verdict), "{formula}");
    }
    let two = r"$$\delta_{2b} = \frac1m(\hat y_b-y_b) \text{ und } \delta_s = \theta_{2b}^\top\delta_{2b}$$";
    assert!(markdown(two).grade().pass && markdown(two).equations.len() == 2);
}

#[test]
fn garbage_never_panics() {
    const PIECES: &[&str] = &[
        "$",
        "$$",
        "=",
        "\\frac",
        "{",
        "}",
        "\\sum",
        "_",
        "^",
        "i",
        "\\delta_{2b}",
        "\\hat y_b",
        "(",
        ")",
        "\\left(",
        "\\right)",
        "\\\\",
        "&",
        "\\begin{cases}",
        "\\end{cases}",
        "\\odot",
        "'",
        "T",
        "\\partial",
        "|",
        "\\|",
        "[",
        "]",
        ",",
        "1",
        "\\text{a b}",
        "\\mathbf",
        "\\begin{align}",
        "\\end{align}",
        "\n",
        "<!-- audit: x = y -->",
        "\\hat",
    ];
    let mut state = 1u64;
    for _ in 0..3000 {
        let mut text = String::from("$$\\delta_{2b} = ");
        for _ in 0..12 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(PIECES[(state >> 33) as usize % PIECES.len()]);
        }
        text.push_str("$$");
        let derivation = markdown(&text);
        assert!(!derivation_report(&derivation).is_empty());
    }
}
