//! What goes into the step, the forward pass, and the losses.

use anabranch_graph::Join;
use ndarray::Array2;

use super::check::{Check, Sum, along_column, column, of_linear, row};
use super::explanation::{Origin, Part, Quantity};
use super::names::{Names, numbered};
use super::numbers::Numbers;

/// The batch, the weights and the mask.
pub(super) fn inputs(n: &Numbers, names: &Names) -> Part {
    let given =
        |symbol: &'static str, about: &str, columns: &[String], values: &Array2<f64>| Quantity {
            symbol,
            formula: symbol.into(),
            about: about.into(),
            origin: Origin::Table,
            rows: names.rows.clone(),
            columns: columns.to_vec(),
            values: values.clone(),
            checks: Vec::new(),
        };
    let mut quantities = vec![
        given("x", "The inputs, encoded as the network sees them.", &names.inputs, &n.x),
        given("y_a", "The numbers to predict, on the network's scale.", &names.outputs, &n.y_a),
        given("y_b", "The class to predict: 1 for it, 0 for the others.", &names.classes, &n.y_b),
    ];
    for param in &n.params {
        let (rows, columns) = param.labels(names);
        quantities.push(Quantity {
            about: format!("{}, before the step.", param.name),
            origin: Origin::Seed,
            rows,
            columns,
            ..given(param.symbol(), "", &[], &param.value)
        });
    }
    quantities.push(Quantity {
        symbol: "M",
        formula: r"M = \text{keep}/(1-p)".into(),
        about: format!(
            "The mask of dropout: 0 drops a unit in a row, the others make up for it. p = {}, rounded to \
             a multiple of 2⁻¹⁶.",
            n.p
        ),
        origin: Origin::Seed,
        rows: names.rows.clone(),
        columns: numbered("unit", n.mask.ncols()),
        values: n.mask.clone(),
        checks: vec![Check::entries(
            r"M \odot \text{ReLU}(z_{1a}) = h",
            [&(&n.mask * n.value("relu1a")), n.value("dp1a"), n.value("dp1a")],
        )],
    });
    Part {
        title: "What goes in",
        text: "Rows of the table, the weights before the step, and the mask of dropout.",
        quantities,
    }
}

/// From x to both predictions.
pub(super) fn pass(n: &Numbers, names: &Names) -> Part {
    let m = n.m() as f64;
    let quantity =
        |symbol: &'static str, formula: &str, about: &str, columns: Vec<String>| Quantity {
            symbol,
            formula: format!("{symbol} = {formula}"),
            about: about.into(),
            origin: Origin::Production,
            rows: names.rows.clone(),
            columns,
            values: Array2::zeros((0, 0)),
            checks: Vec::new(),
        };
    let with = |quantity: Quantity, values: &Array2<f64>, checks: Vec<Check>| Quantity {
        values: values.clone(),
        checks,
        ..quantity
    };
    let linear = |symbol: &'static str,
                  formula,
                  about,
                  columns,
                  [x, node]: [&Array2<f64>; 2],
                  layer| {
        let [theta, b] = n.layer(layer);
        let equation = format!(
            r"\sum_i {symbol} = (\sum_i x_i)\,\theta^\top + m\,b,\quad \text{{where }} x \text{{ is what is multiplied by }} \theta"
        );
        let check = of_linear(&equation, (x, &theta.value, &b.value), node);
        with(quantity(symbol, formula, about, columns), node, vec![check])
    };
    let relu = |equation: &str, z: &Array2<f64>, r: &Array2<f64>| {
        Check::entries(equation, [&(r - &z.mapv(|z| f64::max(-z, 0.0))), z, r])
    };
    let (units_a, units_b) = (numbered("unit", n.mask.ncols()), numbered("unit", n.a_hat.ncols()));
    let [z_1a, relu_1a, h, y_a_hat] = ["fc1a", "relu1a", "dp1a", "fc2a"].map(|node| n.value(node));
    let [z_1b, a, s, z_2b] = ["fc1b", "relu1b", "join", "fc2b"].map(|node| n.value(node));
    // â is the difference of a and μ, whose rounding it magnifies.
    let rounded = |j: usize| {
        let r = 1.0 / (n.var[[0, j]] + n.eps).sqrt();
        a.column(j).iter().map(|a| (a.abs() + n.mean[[0, j]].abs()) * r).collect::<Sum>()
    };
    let one = vec!["of the batch".to_owned()];
    let by_formula = |quantity: Quantity| Quantity { origin: Origin::Formula, ..quantity };
    let (join, about_join) = match n.join {
        Join::Add => {
            (r"\gamma\hat{a} + \beta + \hat{y}_a", "The prediction of A joins, unit by unit.")
        }
        Join::Broadcast => (
            r"\gamma\hat{a} + \beta + \hat{y}_a\mathbf{1}^\top",
            "The one prediction of A joins every unit.",
        ),
        Join::Project => {
            (r"\gamma\hat{a} + \beta + \hat{y}_aW_j^\top", "The prediction of A joins through W.")
        }
    };
    let quantities = vec![
        linear(
            r"z_{1a}",
            r"x\theta_{1a}^\top + b_{1a}",
            "FC1A.",
            units_a.clone(),
            [&n.x, z_1a],
            "fc1a",
        ),
        with(
            quantity(
                "h",
                r"\text{ReLU}(z_{1a}) \odot M",
                "What is above 0 passes, and dropout keeps some of it.",
                units_a,
            ),
            h,
            vec![relu(r"\text{ReLU}(z_{1a}) - \text{ReLU}(-z_{1a}) = z_{1a}", z_1a, relu_1a)],
        ),
        linear(
            r"\hat{y}_a",
            r"h\theta_{2a}^\top + b_{2a}",
            "FC2A: the prediction of branch A.",
            names.outputs.clone(),
            [h, y_a_hat],
            "fc2a",
        ),
        linear(
            r"z_{1b}",
            r"x\theta_{1b}^\top + b_{1b}",
            "FC1B.",
            units_b.clone(),
            [&n.x, z_1b],
            "fc1b",
        ),
        with(
            quantity("a", r"\text{ReLU}(z_{1b})", "What is above 0 passes.", units_b.clone()),
            a,
            vec![relu(r"a - \text{ReLU}(-z_{1b}) = z_{1b}", z_1b, a)],
        ),
        Quantity {
            rows: one.clone(),
            ..by_formula(with(
                quantity(
                    r"\mu",
                    r"\frac{1}{m}\sum_i a_i",
                    "The mean of each unit.",
                    units_b.clone(),
                ),
                &n.mean,
                vec![Check::new(
                    r"m\mu = \sum_i a_i",
                    (0..a.ncols()).map(|j| (Sum::from(m * n.mean[[0, j]]), column(a, j))),
                )],
            ))
        },
        Quantity {
            rows: one,
            ..by_formula(with(
                quantity(
                    r"\sigma^2",
                    r"\frac{1}{m}\sum_i (a_i - \mu)^2",
                    "The variance of each unit, with divisor m.",
                    units_b.clone(),
                ),
                &n.var,
                vec![Check::new(
                    r"\sigma^2 = \frac{1}{m}\sum_i a_i^2 - \mu^2",
                    (0..a.ncols()).map(|j| {
                        let squares = along_column(a, a, j).times(1.0 / m);
                        let mean = n.mean[[0, j]];
                        (Sum::from(n.var[[0, j]]), squares.plus(Sum::from(-mean * mean)))
                    }),
                )],
            ))
        },
        by_formula(with(
            quantity(
                r"\hat{a}",
                r"\frac{a - \mu}{\sqrt{\sigma^2 + \varepsilon}}",
                &format!("Normalised, with ε = {:e}.", n.eps),
                units_b.clone(),
            ),
            &n.a_hat,
            vec![
                Check::new(
                    r"\sum_i \hat{a}_i = 0",
                    (0..a.ncols()).map(|j| (column(&n.a_hat, j), Sum { value: 0.0, ..rounded(j) })),
                ),
                Check::new(
                    r"\sum_i \hat{a}_i^2 = m\,\frac{\sigma^2}{\sigma^2 + \varepsilon}",
                    (0..a.ncols()).map(|j| {
                        let var = n.var[[0, j]];
                        let right = Sum::from(m * var / (var + n.eps));
                        let left = along_column(&n.a_hat, &n.a_hat, j);
                        (left, Sum { terms: right.terms + rounded(j).terms, ..right })
                    }),
                ),
            ],
        )),
        with(
            quantity("s", join, about_join, units_b),
            s,
            vec![Check::new(
                r"\sum_i (s_i - J(\hat{y}_{a,i})) = m\beta,\quad \text{since } \sum_i \hat{a}_i = 0",
                (0..s.ncols()).map(|j| {
                    let left = column(s, j).plus(column(&n.joined, j).times(-1.0));
                    (left, Sum::from(m * n.param("bn1b.bias").value[[0, j]]))
                }),
            )],
        ),
        linear(
            r"z_{2b}",
            r"s\theta_{2b}^\top + b_{2b}",
            "FC2B.",
            names.classes.clone(),
            [s, z_2b],
            "fc2b",
        ),
        by_formula(with(
            quantity(
                r"\hat{y}_b",
                r"\text{softmax}(z_{2b})",
                "The probability of each class: the prediction of branch B.",
                names.classes.clone(),
            ),
            &n.y_b_hat,
            vec![Check::new(
                r"\sum_j \hat{y}_{b,j} = 1",
                (0..n.m()).map(|i| (row(&n.y_b_hat, i), Sum::from(1.0))),
            )],
        )),
    ];
    Part {
        title: "Forward",
        text: "From the inputs to both predictions, a row of the batch in each row.",
        quantities,
    }
}

/// Both losses, and their sum.
pub(super) fn losses(n: &Numbers) -> Part {
    let sum: f64 = n.losses.iter().sum();
    let [w_a, w_b] = n.weights;
    let of = |symbol: &'static str, formula: &str, about: String, value: f64, checks| Quantity {
        symbol,
        formula: format!("{symbol} = {formula}"),
        about,
        origin: Origin::Production,
        rows: vec!["of the batch".into()],
        columns: vec!["loss".into()],
        values: Array2::from_elem((1, 1), value),
        checks,
    };
    let m = n.m() as f64;
    let error = n.value("fc2a") - &n.y_a;
    let squares = error.iter().map(|e| w_a / (2.0 * m) * e * e).collect::<Sum>();
    let reference = n.reference_losses.iter().copied();
    Part {
        title: "Loss",
        text: "How far the predictions are off, as one number.",
        quantities: vec![
            of(
                "L_a",
                r"\frac{w_a}{m}\sum_i \frac{1}{2}\lVert \hat{y}_{a,i} - y_{a,i} \rVert^2",
                format!("The loss of branch A, with weight {w_a}."),
                n.losses[0],
                vec![Check::new(
                    r"L_a = \frac{w_a}{2m}\langle \hat{y}_a - y_a, \hat{y}_a - y_a \rangle",
                    [(Sum::from(n.losses[0]), squares)],
                )],
            ),
            of(
                "L_b",
                r"-\frac{w_b}{m}\sum_i\sum_j y_{b,ij}\log\hat{y}_{b,ij}",
                format!("The loss of branch B, with weight {w_b}."),
                n.losses[1],
                vec![Check::new(
                    r"L_b = \text{that of the reference, by the logarithm of a sum}",
                    [(Sum::from(n.losses[1]), Sum::from(n.reference_losses[1]))],
                )],
            ),
            of(
                "L",
                "L_a + L_b",
                "What the step lowers.".into(),
                sum,
                vec![Check::new(
                    r"L = \text{that of the reference}",
                    [(Sum::from(sum), reference.collect::<Sum>())],
                )],
            ),
        ],
    }
}
