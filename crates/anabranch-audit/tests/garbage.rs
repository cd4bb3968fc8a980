//! The audit on garbage: it judges or refuses, and never panics.

use std::sync::LazyLock;

use anabranch_audit::{Auditor, Evaluation, Formula, Target, Verdict, derivation_report};
use proptest::prelude::*;

static AUDITOR: LazyLock<Auditor> = LazyLock::new(|| Auditor::new(7));

/// Pieces of formulas, right and wrong, to be put together at random.
fn piece() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "+",
        "-",
        "*",
        "/",
        ".*",
        "./",
        "'",
        "^",
        ".^",
        "(",
        ")",
        "[",
        "]",
        ",",
        ">",
        " ",
        "sum(",
        "mean(",
        "sum_cols(",
        ", rows)",
        ", all)",
        "diag(",
        "outer(",
        "relu'(",
        "relu",
        "softmax(",
        "eye(",
        "ones(",
        "log(",
        "exp(",
        "sqrt(",
        "x",
        "y_b_hat",
        "delta_2b",
        "theta_2b",
        "d_s",
        "jacobian_softmax",
        "jacobian_batchnorm",
        "jacobian_dropout",
        "M",
        "m",
        "p",
        "gamma",
        "a_hat",
        "s'",
        "0",
        "2",
        "1e308",
        "0.5",
        "-1",
        "δ",
        "ᵀ",
        "\n",
        "\"",
        "nonsense",
    ];
    prop::sample::select(PIECES).prop_map(str::to_owned)
}

/// Expressions that parse.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        &[
            "x",
            "y_b",
            "y_b_hat",
            "delta_2b",
            "theta_2b",
            "d_s",
            "s",
            "M",
            "m",
            "p",
            "gamma",
            "mu",
            "a_hat",
            "b_2b",
            "jacobian_softmax",
            "jacobian_batchnorm",
            "jacobian_dropout",
            "loss",
            "0",
            "2",
            "1e308",
            "0.5",
        ][..],
    )
    .prop_map(str::to_owned);
    leaf.prop_recursive(6, 40, 2, |inner| {
        let operator = prop::sample::select(&["+", "-", "*", "/", ".*", "^", ">"][..]);
        let function = prop::sample::select(
            &[
                "relu",
                "relu'",
                "exp",
                "log",
                "sqrt",
                "softmax",
                "diag",
                "eye",
                "sum_rows",
                "sum_cols",
                "-",
                "mean_rows",
            ][..],
        );
        let pair = prop::sample::select(&["outer", "ones"][..]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            (function, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (pair, inner.clone(), inner.clone()).prop_map(|(f, a, b)| format!("{f}({a}, {b})")),
            inner.clone().prop_map(|a| format!("({a})'")),
            inner.prop_map(|a| format!("sum({a}, all)")),
        ]
    })
}

/// Pieces of LaTeX, with macros that may have no end.
fn latex() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            r"\newcommand{\a}[1]{#1\b}",
            r"\newcommand\b[2][x]{\a{#1}#2}",
            r"\def\a#1{\a{#1#1}}",
            r"\def\b(#1){\frac#1}",
            r"\let\hat\a",
            r"\DeclareMathOperator{\b}{ReLU}",
            r"\a",
            r"\b{z}",
            "#1",
            "{",
            "}",
            "[",
            "]",
            "$",
            r"\[",
            r"\]",
            r"\begin{align}",
            r"\end{align}",
            r"\begin{pmatrix}",
            r"\end{pmatrix}",
            r"\begin{cases}",
            r"\end{cases}",
            r"\\\\",
            "&",
            "=",
            "% audit: x = s\n",
            "\n",
            r"\hat",
            r"\frac",
            r"\sum_{i=1}^m",
            r"\vdots",
            r"\cdots",
            r"\langle",
            r"\rangle",
            r"\sigma'(z)",
            r"f(z_{1a})",
            r"\delta_{2b}",
            r"\frac{\partial L}{\partial s_i}",
            r"\theta_{2b,kj}",
            "s_{nj}",
            "(\\hat y_b - y_b)/m",
            "'",
            "^",
            "_",
            "+",
            ",",
            "m",
        ][..],
    )
}

fn any_target() -> impl Strategy<Value = &'static str> {
    prop::sample::select(Target::all().map(Target::name).collect::<Vec<_>>())
}

fn any_evaluation() -> impl Strategy<Value = Evaluation> {
    prop_oneof![Just(Evaluation::Batch), Just(Evaluation::PerRow)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn pieces_never_panic(
        pieces in prop::collection::vec(piece(), 0..14),
        target in any_target(),
        evaluation in any_evaluation(),
    ) {
        if let Ok(formula) = Formula::new("f", target, &pieces.concat(), evaluation) {
            let finding = AUDITOR.finding(&formula);
            prop_assert!(!finding.explanation.is_empty());
        }
    }

    #[test]
    fn latex_never_panics(pieces in prop::collection::vec(latex(), 0..24), is_tex in any::<bool>()) {
        let text = pieces.concat();
        let derivation = AUDITOR.derivation(&text, is_tex);
        prop_assert!(!derivation_report(&derivation).is_empty());
    }

    #[test]
    fn expressions_never_panic_and_never_pass_by_chance(
        text in expression(),
        target in any_target(),
        evaluation in any_evaluation(),
    ) {
        // One bare sum, so that readings of Σ are tried too.
        let text = format!("sum({text}) + 0");
        if let Ok(formula) = Formula::new("f", target, &text, evaluation) {
            let finding = AUDITOR.finding(&formula);
            prop_assert_eq!(
                finding.error.is_some_and(|error| error <= 1e-9),
                finding.verdict == Verdict::Exact
            );
        }
    }

    #[test]
    fn any_text_is_refused_or_judged(text in ".{0,60}", toml in ".{0,200}") {
        if let Ok(formula) = Formula::new("f", "d_gamma", &text, Evaluation::Batch) {
            AUDITOR.finding(&formula);
        }
        if let Err(error) = Formula::parse(&toml, std::path::Path::new("f.toml")) {
            prop_assert!(error.to_string().starts_with("f.toml:"));
        }
    }
}
