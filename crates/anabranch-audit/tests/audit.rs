//! The audit on the source derivation, and on formulas that it was not made for.

use std::sync::LazyLock;

use anabranch_audit::{
    Auditor, Evaluation, Finding, Formula, Target, Verdict, as_expected, audit, report,
    source_derivation,
};

static AUDITOR: LazyLock<Auditor> = LazyLock::new(|| Auditor::new(7));

fn find(target: &str, expression: &str, evaluation: Evaluation) -> Finding {
    let formula = Formula::new("f", target, expression, evaluation)
        .unwrap_or_else(|error| panic!("{expression}: {error}"));
    AUDITOR.finding(&formula)
}

#[test]
fn the_source_derivation_gets_the_verdicts_of_the_design() {
    let formulas = source_derivation();
    for seed in 0..5 {
        let findings = audit(&formulas, seed);
        for (formula, finding) in formulas.iter().zip(&findings) {
            assert_eq!(Some(finding.verdict), formula.expected(), "seed {seed}: {finding}");
        }
        assert!(as_expected(&formulas, &findings));
    }
    let findings = audit(&formulas, 0);
    println!("{}", report(&formulas, &findings));
    let named = |part: &str| {
        let found = findings.iter().find(|finding| finding.name.contains(part));
        found.unwrap_or_else(|| panic!("no formula {part}"))
    };
    // What the verdicts rest on, in the output.
    let says = |part: &str, words: &str| {
        let explanation = &named(part).explanation;
        assert!(explanation.contains(words), "{part}: {explanation}");
    };
    says("y_a_hat = theta_2a", "with a 0/1 mask, it is wrong");
    says("dL/dgamma", "It is averaged too early with one gamma and one beta for all units.");
    says(
        "... with the sum around the product",
        "It is exact with one gamma and one beta for all units.",
    );
    says("... with its sum over the batch", "Two mistakes.");
    says("... with its sum over the batch", "the value is then m times the true one");
    says("dL/dbeta", "It is exact with one gamma and one beta for all units.");
    says("dL/dtheta_2a = delta_2a x'", "d_theta_2a from x");
    assert_eq!(named("delta_1b = ").factor.as_deref(), Some("1/gamma"));
    assert_eq!(named("dL/dtheta_2a").shape, Some([4, 3]));
    assert_eq!(named("dL/dtheta_2a").expected_shape, Some([4, 5]));
}

#[test]
fn right_formulas_are_exact_in_every_spelling() {
    use Evaluation::{Batch, PerRow};
    for (target, expression, evaluation) in [
        ("d_theta_2b", "delta_2b' * s", Batch),
        ("d_theta_2b", "(s' * delta_2b)'", Batch),
        ("d_theta_2b", "((y_b_hat - y_b) / m)' * (bn + y_a_hat)", Batch),
        ("d_theta_2b", "outer(delta_2b, s)", Batch),
        ("d_theta_2b", "delta_2b * s'", PerRow),
        ("d_theta_2b", "outer(delta_2b, s)", PerRow),
        ("d_theta_2b", "mean((y_b_hat - y_b) * s')", PerRow),
        ("d_theta_2b", "delta_2bᵀ · s", Batch),
        ("d_b_2b", "sum(delta_2b)", Batch),
        ("d_b_2b", "sum(delta_2b, rows)", Batch),
        ("d_b_2b", "sum_rows(delta_2b)", Batch),
        ("d_b_2b", "ones(1, m) * delta_2b", Batch),
        ("d_b_2b", "delta_2b' * ones(m, 1)", Batch),
        ("d_b_2b", "delta_2b", PerRow),
        ("d_b_2b", "mean(y_b_hat - y_b)", Batch),
        ("d_gamma", "sum(d_s .* a_hat)", Batch),
        ("d_gamma", "sum(d_s ⊙ a_hat, rows)", Batch),
        ("d_gamma", "diag(d_s' * a_hat)", Batch),
        ("d_gamma", "d_s .* a_hat", PerRow),
        ("d_beta", "sum(delta_2b * theta_2b)", Batch),
        ("d_s", "delta_2b * theta_2b", Batch),
        ("d_s", "theta_2b' * delta_2b", PerRow),
        ("delta_2b", "jacobian_softmax * (-(y_b ./ y_b_hat)) / m", PerRow),
        ("delta_2b", "jacobian_softmax' * (-y_b / y_b_hat / m)", Batch),
        ("delta_2b", "(softmax(z_2b) - y_b) / m", Batch),
        ("delta_2b", "(softmax(z_2b) - y_b) / m", PerRow),
        ("delta_2a", "(y_a_hat - y_a)/m + d_s", Batch),
        (
            "d_a",
            "gamma/sqrt(var + eps) .* (d_s - mean(d_s, rows) - a_hat .* mean(d_s .* a_hat, rows))",
            Batch,
        ),
        (
            "d_a",
            "gamma .* (var + eps)^(-1/2) .* (d_s - mean(d_s) - a_hat .* mean(d_s .* a_hat))",
            PerRow,
        ),
        ("d_a", "(jacobian_batchnorm * d_s) .* gamma", Batch),
        (
            "d_b_1b",
            "gamma ./ sqrt(var + eps) .* (d_s - mean(d_s) - a_hat .* mean(d_s .* a_hat)) .* relu'(z_1b)",
            PerRow,
        ),
        ("delta_1b", "d_a ⊙ [z_1b > 0]", Batch),
        ("delta_1b", "(d_s' * jacobian_batchnorm)' .* gamma .* relu'(z_1b)", Batch),
        ("delta_1a", "(delta_2a * theta_2a) .* M .* (z_1a > 0)", Batch),
        ("delta_1a", "jacobian_dropout * (theta_2a' * delta_2a) .* relu'(z_1a)", PerRow),
        ("d_theta_2a", "delta_2a' * h", Batch),
        ("d_theta_2a", "delta_2a' * (relu(z_1a) .* M)", Batch),
        ("d_theta_1a", "sum(delta_1a * x')", PerRow),
        ("y_b_hat", "exp(z_2b) ./ sum(exp(z_2b), cols)", Batch),
        ("y_b_hat", "exp(z_2b) / sum(exp(z_2b), all)", PerRow),
        ("s", "gamma .* (a_1b - mu) ./ sqrt(var + eps) + beta + y_a_hat", Batch),
        ("s", "bn + h * theta_2a' + b_2a", Batch),
        ("loss", "sum((y_a_hat - y_a)^2)/(2*m) - sum(y_b .* log(y_b_hat))/m", Batch),
        ("loss", "(sum((y_a_hat - y_a).^2)/2 - sum(y_b .* log(y_b_hat)))/m", PerRow),
        ("jacobian_dropout", "diag(M)", Batch),
        ("jacobian_softmax", "diag(y_b_hat) - y_b_hat * y_b_hat'", PerRow),
        ("jacobian_batchnorm", "(eye(m) - 1/m - outer(a_hat, a_hat)/m) / sqrt(var + eps)", Batch),
        (
            "jacobian_batchnorm",
            "gamma * (eye(m) - ones(m,m)/m - a_hat*a_hat'/m) / sqrt(var+eps)",
            Batch,
        ),
    ] {
        let finding = find(target, expression, evaluation);
        assert_eq!(finding.verdict, Verdict::Exact, "{expression}: {finding}");
        assert!(finding.error.is_some_and(|error| error <= 1e-9) || target == "jacobian_batchnorm");
        assert_eq!((finding.mistake, finding.shape, finding.factor), (None, None, None));
    }
}

#[test]
fn formulas_of_students_get_their_verdicts() {
    let mut count = 0;
    for line in include_str!("formulas.txt").lines().filter(|line| !line.starts_with('#')) {
        let [target, expression, evaluation, verdicts, factor] =
            line.split(" | ").collect::<Vec<_>>()[..]
        else {
            panic!("{line}");
        };
        let evaluation = match evaluation {
            "batch" => Evaluation::Batch,
            _ => Evaluation::PerRow,
        };
        let finding = find(target, expression, evaluation);
        let verdict = serde_json::to_value(finding.verdict).unwrap();
        assert!(verdicts.split(',').any(|one| verdict == one), "{line}: {finding}");
        if factor != "-" {
            assert_eq!(finding.factor.as_deref(), Some(factor), "{line}: {finding}");
        }
        count += 1;
    }
    assert!(count > 350);
}

#[test]
fn a_constant_factor_is_named() {
    use Evaluation::{Batch, PerRow};
    for (target, expression, evaluation, factor) in [
        ("d_theta_2b", "m * delta_2b' * s", Batch, "m"),
        ("d_theta_2b", "(y_b_hat - y_b) * s'", PerRow, "m"),
        ("d_theta_2b", "delta_2b' * s / m", Batch, "1/m"),
        ("d_theta_2b", "2 * delta_2b' * s", Batch, "2"),
        ("d_theta_2b", "-delta_2b' * s", Batch, "-1"),
        ("d_theta_2b", "3.7 * delta_2b' * s", Batch, "37/10"),
        ("d_theta_2b", "1e-12 * delta_2b' * s", Batch, "1e-12"),
        ("delta_2b", "y_b - y_b_hat", Batch, "-m"),
        ("d_b_2b", "mean(delta_2b)", Batch, "1/m"),
        ("d_b_2b", "2/m * sum(y_b_hat - y_b)", Batch, "2"),
        ("delta_1a", "(delta_2a * theta_2a) .* relu'(M) .* relu'(z_1a)", Batch, "(1-p)"),
        ("jacobian_dropout", "diag(M) / (1 - p)", Batch, "1/(1-p)"),
        ("delta_1b", "d_a ./ gamma .* relu'(z_1b)", Batch, "1/gamma"),
        ("d_theta_1b", "(delta_1b .* gamma)' * x", Batch, "gamma"),
        ("d_beta", "gamma .* sum(d_s)", PerRow, "gamma"),
        ("delta_1b", "delta_1b .* sqrt(var + eps)", PerRow, "sqrt(var + eps)"),
        ("d_theta_2b", "delta_2b' * s / (m - 1) / (1 - p)", Batch, "1/((m-1)*(1-p))"),
        ("loss", "sum((y_a_hat - y_a)^2)/m/2*m - sum(y_b .* log(y_b_hat))", Batch, "m"),
    ] {
        let finding = find(target, expression, evaluation);
        assert_eq!(finding.verdict, Verdict::Factor, "{expression}: {finding}");
        assert_eq!(finding.factor.as_deref(), Some(factor), "{expression}: {finding}");
    }
}

#[test]
fn a_shape_that_is_off_is_told_with_both_shapes() {
    use Evaluation::{Batch, PerRow};
    // The first instance has m = 9, 3 inputs, 5 and 4 hidden units, 4 outputs, 6 classes.
    for (target, expression, evaluation, shape, expected) in [
        ("d_theta_2b", "s' * delta_2b", Batch, Some([4, 6]), [6, 4]),
        ("d_theta_2b", "s * delta_2b'", PerRow, Some([4, 6]), [6, 4]),
        ("d_theta_2b", "delta_2b * s'", Batch, None, [6, 4]),
        ("d_theta_2a", "delta_2a' * x", Batch, Some([4, 3]), [4, 5]),
        ("d_b_2b", "delta_2b", Batch, Some([9, 6]), [1, 6]),
        ("d_b_2b", "sum(sum(delta_2b, rows), cols)", Batch, Some([1, 1]), [1, 6]),
        ("d_gamma", "d_s .* a_hat", Batch, Some([9, 4]), [1, 4]),
        ("d_gamma", "sum(d_s .* a_hat, all)", Batch, Some([1, 1]), [1, 4]),
        ("d_gamma", "sum(d_s .* a_hat, cols)", Batch, Some([9, 1]), [1, 4]),
        ("delta_2b", "1", Batch, Some([1, 1]), [9, 6]),
        ("loss", "y_a_hat", Batch, Some([9, 4]), [1, 1]),
        ("jacobian_softmax", "y_b_hat", Batch, Some([6, 1]), [6, 6]),
        ("delta_2b", "jacobian_softmax", Batch, None, [9, 6]),
        ("delta_2b", "eye(1/2)", Batch, None, [9, 6]),
    ] {
        let finding = find(target, expression, evaluation);
        assert_eq!(finding.verdict, Verdict::Shape, "{expression}: {finding}");
        assert_eq!(finding.shape, shape, "{expression}: {finding}");
        assert_eq!(finding.expected_shape, Some(expected), "{expression}: {finding}");
    }
    let transposed = find("d_theta_2b", "s' * delta_2b", Batch).explanation;
    assert!(transposed.contains("Its transpose is exact"), "{transposed}");
    let per_row = find("d_theta_2b", "delta_2b * s'", Batch).explanation;
    assert!(per_row.contains("Column 10: `*` of 9×6 and 4×9"), "{per_row}");
    assert!(per_row.contains("It is exact read row by row"), "{per_row}");
    let batch = find("d_theta_2b", "delta_2b' * s", PerRow).explanation;
    assert!(batch.contains("It is exact read over the whole batch"), "{batch}");
}

#[test]
fn an_average_taken_too_early_is_recognised() {
    use Evaluation::{Batch, PerRow};
    for (target, expression, evaluation) in [
        ("delta_2b", "mean(y_b_hat - y_b)", Batch),
        ("delta_2b", "sum(y_b_hat - y_b) / m", PerRow),
        ("delta_2b", "ones(m, 1) * mean(y_b_hat - y_b)", Batch),
        ("d_theta_2b", "mean(y_b_hat - y_b)' * mean(s)", Batch),
        ("d_theta_2b", "outer(sum(delta_2b), mean(s))", Batch),
        ("d_theta_2b", "sum(delta_2b) * s'", Batch),
        ("d_theta_2b", "mean(y_b_hat - y_b) * s'", PerRow),
        ("d_theta_1a", "sum(delta_1a) * mean(x)'", PerRow),
        ("d_gamma", "sum(d_s) .* mean(a_1b)", Batch),
        ("d_gamma", "sum(delta_2b) * theta_2b .* a_hat", Batch),
        ("d_gamma", "sum(mean(delta_2b) * theta_2b .* a_hat)", Batch),
    ] {
        let finding = find(target, expression, evaluation);
        // Of a_1b no average makes dγ: that one is merely wrong.
        let expected =
            if expression.contains("a_1b") { Verdict::Wrong } else { Verdict::AveragedEarly };
        assert_eq!(finding.verdict, expected, "{expression}: {finding}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_mistake() {
    let da = "gamma/sqrt(var + eps) .*";
    let variance_term = "a_hat .* mean(d_s .* a_hat, rows)";
    for (target, expression, mistake) in [
        ("d_theta_2a", "delta_2a' * a_1a".to_owned(), Some("before dropout")),
        ("d_theta_2b", "delta_2b' * bn".to_owned(), Some("without the joined part")),
        ("delta_2a", "(y_a_hat - y_a)/m".to_owned(), Some("join dropped")),
        (
            "delta_1a",
            "(delta_2a * theta_2a) .* relu'(z_1a)".to_owned(),
            Some("mask missing in the"),
        ),
        ("delta_1a", "(delta_2a * theta_2a) .* M".to_owned(), Some("ReLU mask missing")),
        ("delta_1b", "d_a".to_owned(), Some("ReLU mask missing")),
        ("d_a", format!("{da} (d_s - {variance_term})"), Some("mean term")),
        ("d_a", format!("{da} (d_s - mean(d_s, rows))"), Some("variance term")),
        (
            "d_a",
            format!("gamma/sqrt(var*m/(m-1) + eps) .* (d_s - mean(d_s, rows) - {variance_term})"),
            Some("m-1 for m"),
        ),
        ("d_a", format!("gamma .* (d_s - {variance_term})"), Some("mean term")),
        ("y_a_hat", "a_1a * theta_2a' + b_2a".to_owned(), None),
        ("delta_2b", "y_b_hat / m".to_owned(), None),
        ("d_b_2b", "0 * sum(delta_2b)".to_owned(), None),
    ] {
        let finding = find(target, &expression, Evaluation::Batch);
        assert_eq!(finding.verdict, Verdict::Wrong, "{expression}: {finding}");
        assert!(finding.error.is_some_and(|error| error > 1e-3), "{expression}: {finding}");
        assert!(finding.explanation.contains("worst at row"), "{finding}");
        let name = finding.mistake.map(|mistake| mistake.name());
        match mistake {
            Some(part) => assert!(name.is_some_and(|n| n.contains(part)), "{finding}"),
            None => assert_eq!(name, None, "{finding}"),
        }
    }
    // A mistake that changes the shape or a factor is named too.
    let from_input = find("d_theta_2a", "delta_2a' * x", Evaluation::Batch);
    assert_eq!(from_input.mistake.map(|m| m.name()), Some("d_theta_2a from x"));
    let not_averaged = find("delta_2b", "y_b_hat - y_b", Evaluation::Batch);
    assert_eq!(not_averaged.mistake.map(|m| m.name()), Some("loss not averaged over the batch"));
}

#[test]
fn greek_letters_and_accents_are_read() {
    use Evaluation::Batch;
    for (target, expression) in [
        ("δ_2b", "(ŷ_b − y_b)/m"),
        ("∂L/∂θ_2b", "(1/m) · (y\u{302}_b − y_b)ᵀ · s"),
        ("dL/dz_2b", "(ŷb - y_b)/m"),
        ("∂L/∂ŷ_a", "(ŷ_a − y_a)/m + δ_2b @ θ_2b"),
        ("∂L/∂σ²", "-½ * d_γ ⊙ γ / (σ² + ε)"),
        ("d_γ", "Σ(d_s ⊙ â)"),
        ("â", "(a_1b − μ) ⊘ √(σ² + ε)"),
        ("s", "γ ⊙ â + β ⊕ ŷ_a"),
        ("delta_1a", "(δ₂a @ θ2a) ⊙ M ⊙ ReLU′(z_1a)"),
        ("d_theta_2b", "delta_2b.T @ s"),
        ("loss_a", "½ * sum((ŷ_a − y_a)², all)/m"),
    ] {
        let finding = find(target, expression, Batch);
        assert_eq!(finding.verdict, Verdict::Exact, "{expression}: {finding}");
    }
    let off = find("a_hat", "(a_1b − μ) ⊘ (σ + ε)", Batch);
    assert!(off.explanation.contains("`sqrt(var + eps)` instead of"), "{off}");
}

#[test]
fn a_mask_without_its_scale_is_a_reading() {
    let finding = find("y_a_hat", "(a_1a .* M / (1-p)) * theta_2a' + b_2a", Evaluation::Batch);
    assert_eq!(finding.verdict, Verdict::Wrong);
    assert!(finding.explanation.contains("exact with a 0/1 mask M"), "{finding}");
    let finding = find("delta_2a", "(y_a_hat - y_a)/m + sum(d_s, cols)", Evaluation::Batch);
    assert!(finding.explanation.contains("exact with a join that broadcasts"), "{finding}");
}

#[test]
fn values_that_are_no_numbers_and_sums_without_end_are_wrong() {
    for expression in [
        "delta_2b / 0",
        "log(-y_b_hat)",
        "y_b_hat ^ -1e300",
        "delta_2b * (10^308 * 10)",
        "y_b_hat + 0/0",
        "sqrt(-1) * delta_2b",
        "ones(1e300, 1e300)",
        "eye(100000)",
        "outer(ones(1, 20000), ones(1, 20000))",
        "diag(ones(1, 5000))",
    ] {
        let finding = find("delta_2b", expression, Evaluation::Batch);
        assert_eq!(finding.verdict, Verdict::Wrong, "{expression}: {finding}");
        assert_eq!(finding.error, None, "{expression}: {finding}");
    }
    // Sums over the batch inside sums over the batch cost mᵏ.
    let nested = "sum(sum(sum(sum(outer(x, x) * outer(x, x)))))";
    let finding = find("d_gamma", nested, Evaluation::PerRow);
    assert_ne!(finding.verdict, Verdict::Exact);
}

#[test]
fn json_has_exactly_the_documented_keys() {
    let keys = [
        "name",
        "target",
        "verdict",
        "factor",
        "error",
        "mistake",
        "shape",
        "expected_shape",
        "mistakes",
        "readings",
        "example",
        "explanation",
    ];
    let finding = find("d_theta_2a", "delta_2a' * x", Evaluation::Batch);
    let json = serde_json::to_value(&finding).unwrap();
    let object = json.as_object().unwrap();
    assert_eq!(object.keys().collect::<Vec<_>>(), keys);
    assert_eq!(json["verdict"], "shape");
    assert_eq!(json["target"], "d_theta_2a");
    assert_eq!(json["mistake"], "d_theta_2a from x");
    assert_eq!(json["shape"], serde_json::json!([4, 3]));
    assert!(json["error"].is_null() && json["factor"].is_null());
    let early = find("delta_2b", "mean(y_b_hat - y_b)", Evaluation::Batch);
    assert_eq!(serde_json::to_value(&early).unwrap()["verdict"], "averaged_early");
}

#[test]
fn the_documents_example_is_right() {
    let document = include_str!("../../../docs/audit.md");
    let (_, rest) = document.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let formulas = Formula::parse(example, "docs/audit.md".as_ref()).unwrap();
    assert_eq!(formulas.len(), 2);
    assert!(as_expected(&formulas, &audit(&formulas, 3)));
    for target in Target::all() {
        assert!(document.contains(target.name()), "{target} is not in the document");
    }
}

#[test]
fn averaged_too_early_hides_no_other_mistake() {
    use Evaluation::Batch;
    for (target, expression, evaluation, factor) in [
        ("d_theta_2b", "-sum(delta_2b, rows)' * mean(s, rows)", Batch, Some("-1")),
        ("d_theta_2b", "-37 * sum(delta_2b, rows)' * mean(s, rows)", Batch, Some("-37")),
        ("delta_2b", "sum(y_b - y_b_hat, rows)", Batch, Some("-m")),
        ("d_gamma", "2 * sum(delta_2b) * theta_2b .* a_hat", Batch, Some("2")),
        ("y_b_hat", "exp(z_2b) ./ sum(exp(z_2b), rows)", Batch, None),
    ] {
        let finding = find(target, expression, evaluation);
        assert_eq!(finding.verdict, Verdict::Wrong, "{expression}: {finding}");
        assert_eq!(finding.factor.as_deref(), factor, "{expression}: {finding}");
    }
    // Where each class is divided by what all samples have of it, the result is of the right shape
    // and of no use.
    let over_samples = find("y_b_hat", "exp(z_2b) ./ sum(exp(z_2b), rows)", Batch);
    assert_eq!(over_samples.mistake, None, "{over_samples}");
}

#[test]
fn what_belongs_to_no_sample_is_not_summed() {
    for (target, expression) in [
        ("d_beta", "theta_2b' * d_b_2b"),
        ("d_b_2b", "d_b_2b"),
        ("d_gamma", "gamma .* 0 + d_gamma"),
    ] {
        let finding = find(target, expression, Evaluation::PerRow);
        let circular = finding.verdict == Verdict::Circular;
        assert_eq!(circular, expression.contains(target), "{finding}");
        assert!(circular || finding.verdict == Verdict::Exact, "{finding}");
    }
    assert_eq!(find("d_b_2b", "d_b_2b + 0", Evaluation::Batch).verdict, Verdict::Circular);
}

#[test]
fn products_of_constants_are_named() {
    for (factor, expression) in [
        ("(1-p)/p", "delta_2b' * s * (1 - p) / p"),
        ("eps/(1-p)", "delta_2b' * s * eps / (1 - p)"),
        ("m*(m-1)", "delta_2b' * s * m * (m - 1)"),
        ("m/((m-1)*(1-p))", "delta_2b' * s * m / (m - 1) / (1 - p)"),
        ("1.0000001", "1.0000001 * delta_2b' * s"),
        ("1/p", "delta_2b' * s / p"),
    ] {
        let finding = find("d_theta_2b", expression, Evaluation::Batch);
        assert_eq!(finding.factor.as_deref(), Some(factor), "{expression}: {finding}");
    }
}

#[test]
fn everything_that_the_network_computes_is_a_target() {
    use Evaluation::{Batch, PerRow};
    for (target, expression, evaluation) in [
        ("z_1a", "theta_1a * x + b_1a", PerRow),
        ("z_1b", "x * theta_1b' + b_1b", Batch),
        ("a_1a", "relu(z_1a)", Batch),
        ("h", "a_1a .* M", Batch),
        ("mu", "mean(a_1b)", Batch),
        ("var", "mean((a_1b - mu)^2)", Batch),
        ("a_hat", "(a_1b - mu) ./ sqrt(var + eps)", PerRow),
        ("bn", "gamma .* a_hat + beta", PerRow),
        ("z_2b", "theta_2b * s + b_2b", PerRow),
        ("d_y_b_hat", "-y_b ./ y_b_hat / m", Batch),
        ("d_bn", "d_s", Batch),
        ("d_a_hat", "d_bn .* gamma", Batch),
        ("d_h", "delta_2a * theta_2a", Batch),
        ("d_a_1a", "d_h .* M", Batch),
        ("dy_dgamma", "a_hat", PerRow),
        ("dy_dbeta", "1", PerRow),
        ("d_var", "sum(d_a_hat .* (a_1b - mu), rows) .* (-1/2) .* (var + eps)^(-3/2)", Batch),
        ("d_mu", "-sum(d_a_hat, rows) ./ sqrt(var + eps)", Batch),
        ("da_hat_da", "(var + eps)^(-1/2)", Batch),
        ("da_hat_da", "(0*a_1b + 1) ./ sqrt(var + eps)", Batch),
        ("d_a", "d_a_hat ./ sqrt(var + eps) + d_var .* 2 .* (a_1b - mu)/m + d_mu/m", Batch),
        ("loss", "loss_a + loss_b", Batch),
        ("loss", "w_a * loss_a + w_b * loss_b", Batch),
        ("loss_b", "-sum(y_b .* log(y_b_hat))/m", Batch),
        // A join that projects.
        ("s", "bn + y_a_hat * theta_j'", Batch),
        ("d_theta_j", "d_s' * y_a_hat", Batch),
        ("d_theta_j_row", "theta_2b' * (y_b_hat - y_b) * y_a_hat'", PerRow),
        ("delta_2a", "(y_a_hat - y_a)/m + d_s * theta_j", Batch),
        // Weights of the tasks.
        ("delta_2b", "w_b * (y_b_hat - y_b) / m", Batch),
        ("delta_2a", "w_a * (y_a_hat - y_a)/m + d_s", Batch),
        ("loss", "(w_a * sum((y_a_hat - y_a)^2)/2 - w_b * sum(y_b .* log(y_b_hat)))/m", Batch),
        // Evaluation mode.
        ("a_hat", "(a_1b - mu_run) ./ sqrt(var_run + eps)", Batch),
        ("d_a", "gamma .* d_s ./ sqrt(var_run + eps)", Batch),
        ("d_theta_1b", "(gamma .* d_s ./ sqrt(var_run + eps) .* relu'(z_1b))' * x", Batch),
        ("jacobian_batchnorm", "eye(m) / sqrt(var_run + eps)", Batch),
    ] {
        let finding = find(target, expression, evaluation);
        assert_eq!(finding.verdict, Verdict::Exact, "{expression}: {finding}");
    }
    // Through running statistics nothing comes back; through those of a batch it does.
    let training = find("d_a", "gamma .* d_s ./ sqrt(var + eps)", Batch);
    assert_eq!(training.verdict, Verdict::Wrong, "{training}");
    // A weight that is left out.
    let unweighted = find("delta_2a", "(w_a - w_b) * 0 + (y_a_hat - y_a)/m + d_s", Batch);
    assert_eq!(unweighted.verdict, Verdict::Wrong, "{unweighted}");
}
