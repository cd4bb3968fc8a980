//! The backward pass: from the loss to the gradient of every learned array.

use anabranch_graph::Join;
use ndarray::{Array2, Axis};

use super::check::{Check, Sum, Sums, inner, of_gradients, row};
use super::explanation::{Origin, Part, Quantity};
use super::names::{Names, numbered};
use super::numbers::Numbers;

/// From L to every gradient. δ is always a matrix with a row for each row of the batch.
pub(super) fn pass(n: &Numbers, names: &Names) -> Part {
    let (m, [w_a, w_b]) = (n.m() as f64, n.weights);
    let derivative = |symbol: &'static str,
                      formula: &str,
                      about: &str,
                      columns: &[String],
                      d: Sums<'_>,
                      checks| {
        Quantity {
            symbol,
            formula: format!("{symbol} = {formula}"),
            about: about.into(),
            origin: Origin::Production,
            rows: names.rows.clone(),
            columns: columns.to_vec(),
            values: d.values.clone(),
            checks,
        }
    };
    let gradient = |symbol: &'static str, formula: &str, array: &str, mut checks: Vec<Check>| {
        let param = n.param(array);
        let (rows, columns) = param.labels(names);
        let equation = format!(
            r"{symbol} = \text{{the coefficient of }} \varepsilon \text{{ in }} L \text{{, by dual numbers}}"
        );
        checks.push(Check::entries(equation, [&param.grad, &param.dual, &param.terms]));
        Quantity {
            symbol,
            formula: format!("{symbol} = {formula}"),
            about: format!("The gradient of {array}."),
            origin: Origin::Production,
            rows,
            columns,
            values: param.grad.clone(),
            checks,
        }
    };
    // Multiplying a unit's θ and b by c multiplies its z by c.
    let scale = |layer, z: &Array2<f64>, delta: Sums<'_>| {
        let [theta, b] = n.layer(layer);
        of_gradients(
            r"\langle \theta_j, d\theta_j \rangle + b_j\,db_j = \sum_i z_{ij}\,\delta_{ij}",
            [&theta.value, &b.value],
            [theta.sums(), b.sums()],
            (z, delta),
        )
    };
    // Row sums of d = δθ.
    let through = |equation: &str, d: Sums<'_>, delta: Sums<'_>, theta: &Array2<f64>| {
        Check::new(
            equation,
            (0..d.values.nrows()).map(|i| {
                let units = 0..theta.nrows();
                let right = units.map(|j| row(theta, j).times(delta.values[[i, j]]));
                (d.row(i), right.fold(Sum::default(), Sum::plus))
            }),
        )
    };
    let [d_2b, d_s, d_2a, d_a, d_1b, d_h, d_1a] =
        ["fc2b", "join", "fc2a", "relu1b", "fc1b", "dp1a", "fc1a"].map(|node| n.delta(node));
    let [z_1a, h, y_a_hat] = ["fc1a", "dp1a", "fc2a"].map(|node| n.value(node));
    let [z_1b, a, z_2b] = ["fc1b", "relu1b", "fc2b"].map(|node| n.value(node));
    let (units_a, units_b) = (numbered("unit", h.ncols()), numbered("unit", a.ncols()));
    let [gamma, beta] = n.layer("bn1b");
    let (through_join, d_joined) = match n.join {
        Join::Add => (r"d_s", d_s.values.clone()),
        Join::Broadcast => (r"d_s\mathbf{1}", d_s.values.sum_axis(Axis(1)).insert_axis(Axis(1))),
        Join::Project => (r"d_sW_j", d_s.values.dot(&n.param("join.weight").value)),
    };
    let mut quantities = vec![
        derivative(
            r"\delta_{2b}",
            r"\frac{w_b}{m}(\hat{y}_b - y_b)",
            "The derivative by z2b: softmax and cross-entropy together.",
            &names.classes,
            d_2b,
            vec![
                Check::new(
                    r"\sum_j \delta_{2b,ij} = 0 \quad \text{(softmax does not see a constant added to a row)}",
                    (0..n.m()).map(|i| (d_2b.row(i), Sum::default())),
                ),
                Check::new(
                    r"m\,\delta_{2b} + w_b\,y_b = w_b\,\hat{y}_b",
                    d_2b.values.iter().zip(&n.y_b).zip(&n.y_b_hat).map(|((d, y), y_hat)| {
                        (Sum::from(m * d).plus(Sum::from(w_b * y)), Sum::from(w_b * y_hat))
                    }),
                ),
            ],
        ),
        gradient(
            r"d\theta_{2b}",
            r"\delta_{2b}^\top s",
            "fc2b.weight",
            vec![scale("fc2b", z_2b, d_2b)],
        ),
        gradient(
            r"db_{2b}",
            r"\sum_i \delta_{2b,i}",
            "fc2b.bias",
            vec![Check::new(
                r"\sum_j db_{2b,j} = 0",
                [(n.param("fc2b.bias").sums().row(0), Sum::default())],
            )],
        ),
        derivative(
            "d_s",
            r"\delta_{2b}\theta_{2b}",
            "The derivative by s, which both of its parts get.",
            &units_b,
            d_s,
            vec![through(
                r"\sum_k d_{s,ik} = \sum_j \delta_{2b,ij}\sum_k\theta_{2b,jk}",
                d_s,
                d_2b,
                &n.param("fc2b.weight").value,
            )],
        ),
        gradient(
            r"d\gamma",
            r"\sum_i d_{s,i} \odot \hat{a}_i",
            "bn1b.weight",
            vec![Check::new(
                r"\gamma_j\,d\gamma_j + \beta_j\,d\beta_j = \sum_i (\gamma\hat{a}+\beta)_{ij}\,d_{s,ij}",
                (0..n.y.ncols()).map(|j| {
                    let [own_gamma, own_beta] =
                        [gamma, beta].map(|p| p.sums().along_column(&p.value, j));
                    (own_gamma.plus(own_beta), d_s.along_column(&n.y, j))
                }),
            )],
        ),
        gradient(r"d\beta", r"\sum_i d_{s,i}", "bn1b.bias", Vec::new()),
    ];
    if n.join == Join::Project {
        let w = n.param("join.weight");
        let check = Check::new(
            r"\langle W_j, dW_j \rangle = \sum_i J(\hat{y}_a)_{ij}\,d_{s,ij}",
            (0..n.joined.ncols())
                .map(|j| (w.sums().along_row(&w.value, j), d_s.along_column(&n.joined, j))),
        );
        quantities.push(gradient("dW_j", r"d_s^\top\hat{y}_a", "join.weight", vec![check]));
    }
    let parts = [(w_a / m * (y_a_hat - &n.y_a)), d_joined];
    quantities.extend([
        derivative(
            r"\delta_{2a}",
            &format!(r"\frac{{w_a}}{{m}}(\hat{{y}}_a - y_a) + {through_join}"),
            "The derivative by ŷa: from its own loss, and through the join from that of B.",
            &names.outputs,
            d_2a,
            vec![Check::new(
                r"\langle \delta_{2a}, \hat{y}_a \rangle = \frac{w_a}{m}\langle \hat{y}_a - y_a, \hat{y}_a \rangle + \langle J^\top d_s, \hat{y}_a \rangle",
                [(
                    (0..y_a_hat.ncols())
                        .map(|j| d_2a.along_column(y_a_hat, j))
                        .fold(Sum::default(), Sum::plus),
                    inner(&parts[0], y_a_hat).plus(inner(&parts[1], y_a_hat)),
                )],
            )],
        ),
        gradient(
            r"d\theta_{2a}",
            r"\delta_{2a}^\top h",
            "fc2a.weight",
            vec![scale("fc2a", y_a_hat, d_2a)],
        ),
        gradient(r"db_{2a}", r"\sum_i \delta_{2a,i}", "fc2a.bias", Vec::new()),
        derivative(
            "d_a",
            r"\frac{\gamma}{\sqrt{\sigma^2+\varepsilon}}\odot(d_s - \frac{1}{m}\sum_i d_{s,i} - \hat{a}\odot\frac{1}{m}\sum_i d_{s,i}\odot\hat{a}_i)",
            "The derivative by a: each row moves the mean and the variance of all.",
            &units_b,
            d_a,
            vec![
                Check::new(
                    r"\sum_i d_{a,i} = 0 \quad \text{(BatchNorm undoes a shift)}",
                    (0..a.ncols()).map(|j| (d_a.column(j), Sum::default())),
                ),
                Check::new(
                    r"\sum_i a_{ij}\,d_{a,ij} = \gamma_j\,d\gamma_j\,\frac{\varepsilon}{\sigma_j^2+\varepsilon} \quad \text{(and a scale, up to } \varepsilon \text{)}",
                    (0..a.ncols()).map(|j| {
                        let (var, own) = (n.var[[0, j]], gamma.value[[0, j]] * gamma.grad[[0, j]]);
                        let right = Sum::from(own).plus(Sum::from(-own * (var / (var + n.eps))));
                        (d_a.along_column(a, j), right)
                    }),
                ),
            ],
        ),
        derivative(
            r"\delta_{1b}",
            r"d_a \odot [z_{1b} > 0]",
            "The derivative by z1b: what ReLU let pass.",
            &units_b,
            d_1b,
            vec![Check::new(
                r"\langle \delta_{1b}, z_{1b} \rangle = \langle d_a, a \rangle \quad \text{(of each unit)}",
                (0..a.ncols()).map(|j| (d_1b.along_column(z_1b, j), d_a.along_column(a, j))),
            )],
        ),
        gradient(
            r"d\theta_{1b}",
            r"\delta_{1b}^\top x",
            "fc1b.weight",
            vec![scale("fc1b", z_1b, d_1b)],
        ),
        gradient(r"db_{1b}", r"\sum_i \delta_{1b,i}", "fc1b.bias", Vec::new()),
        derivative(
            "d_h",
            r"\delta_{2a}\theta_{2a}",
            "The derivative by h.",
            &units_a,
            d_h,
            vec![through(
                r"\sum_k d_{h,ik} = \sum_j \delta_{2a,ij}\sum_k\theta_{2a,jk}",
                d_h,
                d_2a,
                &n.param("fc2a.weight").value,
            )],
        ),
        derivative(
            r"\delta_{1a}",
            r"d_h \odot M \odot [z_{1a} > 0]",
            "The derivative by z1a: what dropout and ReLU let pass.",
            &units_a,
            d_1a,
            vec![Check::new(
                r"\langle \delta_{1a}, z_{1a} \rangle = \langle d_h, h \rangle \quad \text{(of each unit)}",
                (0..h.ncols()).map(|j| (d_1a.along_column(z_1a, j), d_h.along_column(h, j))),
            )],
        ),
        gradient(
            r"d\theta_{1a}",
            r"\delta_{1a}^\top x",
            "fc1a.weight",
            vec![scale("fc1a", z_1a, d_1a)],
        ),
        gradient(r"db_{1a}", r"\sum_i \delta_{1a,i}", "fc1a.bias", Vec::new()),
    ]);
    Part {
        title: "Backward",
        text: "The derivative of L by everything, from the end to the beginning. Every gradient is also \
               compared, entry by entry, with the exact derivative by dual numbers.",
        quantities,
    }
}
