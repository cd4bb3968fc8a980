//! The numbers of an explained step, recomputed by plain loops from those that go in.

use anabranch_graph::{Fusion, Join, TwoBranch};
use anabranch_layers::{LossKind, Target};
use anabranch_optim::{Optimizer, OptimizerKind, ParamGroup, Scales};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Executor, matrix};
use anabranch_verify::explain::{ExplainError, Explanation, Names, Quantity, Update, explain};
use anabranch_verify::gradcheck::{Instance, gradient};

const ROWS: usize = 5;
const LR: f64 = 0.01;
const DECAY: f64 = 0.1;
const CLASSES: [u32; ROWS] = [0, 2, 1, 2, 0];

type Matrix = Vec<Vec<f64>>;

fn network(join: Join, outputs: usize) -> TwoBranch {
    let network = TwoBranch::new(3, 4, outputs, 2, 3);
    TwoBranch { join, dropout: 0.25, weight_a: 0.7, weight_b: 1.3, ..network }
}

fn instance(network: &TwoBranch) -> Instance {
    with_rows(network, ROWS, 7)
}

fn with_rows(network: &TwoBranch, rows: usize, seed: u64) -> Instance {
    let river = network.river();
    let (params, _) = river.build::<f64>(Fusion::Fused).unwrap().init(3);
    let mut random = Random::new(seed, Purpose::Sample, 0);
    let mut draw = |len: usize| -> Vec<f64> { (0..len).map(|_| random.normal()).collect() };
    let (x, y) = (draw(rows * 3), draw(rows * network.outputs_a));
    let y = Target::Values(matrix(&y, rows, network.outputs_a));
    let targets = [y, Target::Classes(&CLASSES[..rows])];
    // Where γ, β and biases are not 1 and 0.
    Instance::new(&river, &params, matrix(&x, rows, 3), &targets, (11, 0)).perturbed(5)
}

/// Weights decay, as the trainer lets them.
fn page(network: &TwoBranch, instance: &Instance, optimizer: OptimizerKind) -> Explanation {
    let exec = Executor::serial();
    let grads = gradient(instance, &exec).unwrap();
    let graph = network.build::<f64>(Fusion::Fused).unwrap();
    let decay = |name: &str| name.ends_with(".weight") && !name.starts_with("bn");
    let decay = |name: &str| if decay(name) { DECAY } else { 0.0 };
    let arrays = graph.params().iter();
    let groups: Vec<ParamGroup> =
        arrays.map(|array| ParamGroup::new(array.range.clone(), decay(&array.name))).collect();
    let mut after = instance.params().to_vec();
    let mut rule = Optimizer::new(optimizer, LR, after.len(), &groups).unwrap();
    rule.step(&exec, &mut after, &grads, Scales { grads: 0.5, ..Scales::default() });
    let update = Update { optimizer, lr: LR, clip: 0.5, decay: DECAY, after: &after };
    explain(instance, &grads, &update, &Names::numbered(instance)).unwrap()
}

/// The quantity with that symbol; of a learned array, the one before the step.
fn found<'a>(page: &'a Explanation, symbol: &str) -> &'a Quantity {
    let mut all = page.parts.iter().flat_map(|part| &part.quantities);
    all.find(|quantity| quantity.symbol == symbol).unwrap_or_else(|| panic!("no {symbol}"))
}

fn numbers(page: &Explanation, symbol: &str) -> Matrix {
    found(page, symbol).values.rows().into_iter().map(|row| row.to_vec()).collect()
}

#[track_caller]
fn same(what: &str, found: &Matrix, expected: &Matrix) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        // A few roundings of sums of numbers around 1.
        assert!(
            (found - expected).abs() <= 1e-13 * (1.0 + expected.abs()),
            "{what}: {found} {expected}"
        );
    }
}

/// x·wᵀ.
fn times_transposed(x: &Matrix, w: &Matrix) -> Matrix {
    let dot = |a: &Vec<f64>, b: &Vec<f64>| a.iter().zip(b).map(|(a, b)| a * b).sum();
    x.iter().map(|x| w.iter().map(|w| dot(x, w)).collect()).collect()
}

fn transposed(x: &Matrix) -> Matrix {
    (0..x[0].len()).map(|j| x.iter().map(|row| row[j]).collect()).collect()
}

/// f of the entries in one place, where a matrix of one row stands for as many as are needed.
fn each<const N: usize>(matrices: [&Matrix; N], f: impl Fn([f64; N]) -> f64) -> Matrix {
    let rows = matrices.iter().map(|matrix| matrix.len()).max().unwrap();
    let at = |matrix: &Matrix, i: usize, j: usize| matrix[i % matrix.len()][j % matrix[0].len()];
    let cols = matrices.iter().map(|matrix| matrix[0].len()).max().unwrap();
    (0..rows).map(|i| (0..cols).map(|j| f(matrices.map(|m| at(m, i, j)))).collect()).collect()
}

fn column_sums(x: &Matrix) -> Matrix {
    vec![transposed(x).iter().map(|column| column.iter().sum()).collect()]
}

/// The step of DESIGN's derivation, forward and backward, with nothing but loops.
#[test]
fn every_quantity_is_that_of_the_formulas() {
    for (join, outputs) in [(Join::Add, 2), (Join::Broadcast, 1), (Join::Project, 3)] {
        let network = network(join, outputs);
        let page = page(&network, &instance(&network), OptimizerKind::SGD);
        let of = |symbol: &str| numbers(&page, symbol);
        let check = |symbol: &str, expected: &Matrix| same(symbol, &of(symbol), expected);
        let m = ROWS as f64;
        let (w_a, w_b) = (0.7, 1.3);
        let [x, y_a, y_b, mask] = ["x", "y_a", "y_b", "M"].map(of);
        let [t1a, b1a, t2a, b2a] = [r"\theta_{1a}", "b_{1a}", r"\theta_{2a}", "b_{2a}"].map(of);
        let [t1b, b1b, t2b, b2b] = [r"\theta_{1b}", "b_{1b}", r"\theta_{2b}", "b_{2b}"].map(of);
        let [gamma, beta] = [r"\gamma", r"\beta"].map(of);

        assert!(mask.iter().flatten().all(|v| *v == 0.0 || *v == 4.0 / 3.0), "{mask:?}");
        let z1a = each([&times_transposed(&x, &t1a), &b1a], |[z, b]| z + b);
        let h = each([&z1a, &mask], |[z, m]| z.max(0.0) * m);
        let y_a_hat = each([&times_transposed(&h, &t2a), &b2a], |[z, b]| z + b);
        let z1b = each([&times_transposed(&x, &t1b), &b1b], |[z, b]| z + b);
        let a = each([&z1b], |[z]| z.max(0.0));
        let mean = each([&column_sums(&a)], |[sum]| sum / m);
        let squares = each([&a, &mean], |[a, mean]| (a - mean) * (a - mean));
        let var = each([&column_sums(&squares)], |[sum]| sum / m);
        let a_hat = each([&a, &mean, &var], |[a, mean, var]| (a - mean) / (var + 1e-5).sqrt());
        let y = each([&a_hat, &gamma, &beta], |[a_hat, gamma, beta]| gamma * a_hat + beta);
        let joined = match join {
            Join::Project => times_transposed(&y_a_hat, &of("W_j")),
            _ => y_a_hat.clone(),
        };
        let s = each([&y, &joined], |[y, joined]| y + joined);
        let z2b = each([&times_transposed(&s, &t2b), &b2b], |[z, b]| z + b);
        let e = each([&z2b], |[z]| f64::exp(z));
        let sums: Matrix = e.iter().map(|row| vec![row.iter().sum()]).collect();
        let y_b_hat = each([&e, &sums], |[e, sum]| e / sum);
        for (symbol, expected) in [
            ("z_{1a}", &z1a),
            ("h", &h),
            (r"\hat{y}_a", &y_a_hat),
            ("z_{1b}", &z1b),
            ("a", &a),
            (r"\mu", &mean),
            (r"\sigma^2", &var),
            (r"\hat{a}", &a_hat),
            ("s", &s),
            ("z_{2b}", &z2b),
            (r"\hat{y}_b", &y_b_hat),
        ] {
            check(symbol, expected);
        }
        let squares = each([&y_a_hat, &y_a], |[p, y]| (p - y) * (p - y) / 2.0);
        let loss_a = w_a / m * squares.iter().flatten().sum::<f64>();
        let logs = each([&y_b, &y_b_hat], |[y, p]| if y == 0.0 { 0.0 } else { -y * p.ln() });
        let loss_b = w_b / m * logs.iter().flatten().sum::<f64>();
        check("L_a", &vec![vec![loss_a]]);
        check("L_b", &vec![vec![loss_b]]);
        check("L", &vec![vec![loss_a + loss_b]]);

        let d2b = each([&y_b_hat, &y_b], |[p, y]| w_b * (p - y) / m);
        let ds = times_transposed(&d2b, &transposed(&t2b));
        let through = match join {
            Join::Add => ds.clone(),
            Join::Broadcast => ds.iter().map(|row| vec![row.iter().sum()]).collect(),
            Join::Project => times_transposed(&ds, &transposed(&of("W_j"))),
        };
        let d2a = each([&y_a_hat, &y_a, &through], |[p, y, d]| w_a * (p - y) / m + d);
        let d_gamma = column_sums(&each([&ds, &a_hat], |[d, a_hat]| d * a_hat));
        let d_beta = column_sums(&ds);
        let da = each(
            [&ds, &a_hat, &gamma, &var, &d_beta, &d_gamma],
            |[d, a_hat, gamma, var, sum, along]| {
                gamma / (var + 1e-5).sqrt() * (d - sum / m - a_hat * along / m)
            },
        );
        let d1b = each([&da, &z1b], |[d, z]| if z > 0.0 { d } else { 0.0 });
        let dh = times_transposed(&d2a, &transposed(&t2a));
        let d1a = each([&dh, &mask, &z1a], |[d, m, z]| if z > 0.0 { d * m } else { 0.0 });
        let outer = |d: &Matrix, x: &Matrix| times_transposed(&transposed(d), &transposed(x));
        for (symbol, expected) in [
            (r"\delta_{2b}", d2b.clone()),
            (r"d\theta_{2b}", outer(&d2b, &s)),
            (r"db_{2b}", column_sums(&d2b)),
            ("d_s", ds.clone()),
            (r"d\gamma", d_gamma),
            (r"d\beta", d_beta),
            (r"\delta_{2a}", d2a.clone()),
            (r"d\theta_{2a}", outer(&d2a, &h)),
            (r"db_{2a}", column_sums(&d2a)),
            ("d_a", da),
            (r"\delta_{1b}", d1b.clone()),
            (r"d\theta_{1b}", outer(&d1b, &x)),
            (r"db_{1b}", column_sums(&d1b)),
            ("d_h", dh),
            (r"\delta_{1a}", d1a.clone()),
            (r"d\theta_{1a}", outer(&d1a, &x)),
            (r"db_{1a}", column_sums(&d1a)),
        ] {
            check(symbol, &expected);
        }
        if join == Join::Project {
            check("dW_j", &outer(&ds, &y_a_hat));
        }
        assert!(page.pass(), "{join}");
    }
}

/// θ ← θ − η·(g + λθ), with a gradient clipped to its half; Adam's first step goes by η, whatever g
/// is.
#[test]
fn the_update_is_that_of_the_rule() {
    let network = network(Join::Project, 3);
    let instance = instance(&network);
    for kind in OptimizerKind::ALL {
        let page = page(&network, &instance, kind);
        assert!(page.pass(), "{kind}");
        let [before, g] = [r"\theta_{2b}", r"d\theta_{2b}"].map(|symbol| numbers(&page, symbol));
        let after = page.parts[4].quantities.iter().find(|q| q.symbol == r"\theta_{2b}").unwrap();
        let after: Matrix = after.values.rows().into_iter().map(|row| row.to_vec()).collect();
        let l2 = each([&g, &before], |[g, p]| 0.5 * g + DECAY * p);
        match kind {
            OptimizerKind::Sgd => same("sgd", &after, &each([&before, &l2], |[p, g]| p - LR * g)),
            OptimizerKind::Adam(_) => {
                let expected = each([&before, &l2], |[p, g]| p - LR * g / (g.abs() + 1e-8));
                same("adam", &after, &expected);
            }
            _ => {}
        }
    }
}

/// A wrong gradient, or a wrong parameter after the step, breaks a check.
#[test]
fn mistakes_break_a_check() {
    let network = network(Join::Broadcast, 1);
    let instance = instance(&network);
    let grads = gradient(&instance, &Executor::serial()).unwrap();
    let names = Names::numbered(&instance);
    let sgd = |g: &[f64]| -> Vec<f64> {
        instance.params().iter().zip(g).map(|(p, g)| p - LR * g).collect()
    };
    let optimizer = OptimizerKind::SGD;
    let explained = |grads: &[f64], after: &[f64]| {
        let update = Update { optimizer, lr: LR, clip: 1.0, decay: 0.0, after };
        explain(&instance, grads, &update, &names).unwrap()
    };
    assert!(explained(&grads, &sgd(&grads)).pass());
    for i in 0..grads.len() {
        let mut wrong = grads.clone();
        wrong[i] = wrong[i] * 1.001 + 1e-9;
        assert!(!explained(&wrong, &sgd(&wrong)).pass(), "gradient {i}");
        let mut after = sgd(&grads);
        after[i] += 1e-6;
        assert!(!explained(&grads, &after).pass(), "parameter {i}");
    }
}

/// With two rows, batch normalisation leaves little of the terms of a derivative: rounding of those
/// is no mistake.
#[test]
fn few_rows_raise_no_false_alarm() {
    let network = network(Join::Project, 3);
    for rows in 2..=ROWS {
        for seed in 0..20 {
            let page = page(&network, &with_rows(&network, rows, seed), OptimizerKind::ADAM);
            let broken = page.checks().find(|check| !check.holds());
            assert!(broken.is_none(), "{rows} rows, seed {seed}: {broken:?}");
        }
    }
}

#[test]
fn other_networks_and_wrong_names_are_refused() {
    let network = network(Join::Broadcast, 1);
    let right = instance(&network);
    let update = Update {
        optimizer: OptimizerKind::SGD,
        lr: LR,
        clip: 1.0,
        decay: 0.0,
        after: right.params(),
    };
    let names = Names::numbered(&right);
    let zeros = vec![0.0; right.params().len()];
    let with = |instance: &Instance, grads: &[f64], names: &Names| {
        explain(instance, grads, &update, names).unwrap_err()
    };
    let mut river = network.river();
    river.branches[0].head.as_mut().unwrap().loss = LossKind::HUBER;
    let x = [0.0; ROWS * 3];
    let targets = [Target::Values(matrix(&x[..ROWS], ROWS, 1)), Target::Classes(&CLASSES)];
    let huber = Instance::new(&river, right.params(), matrix(&x, ROWS, 3), &targets, (1, 0));
    assert_eq!(with(&huber, &zeros, &names), ExplainError::Network);
    let len = |what, expected, found| ExplainError::Len { what, expected, found };
    assert_eq!(with(&right, &zeros[1..], &names), len("gradients", zeros.len(), zeros.len() - 1));
    let few = Names { classes: vec!["a".into()], ..names.clone() };
    assert_eq!(with(&right, &zeros, &few), len("names of classes", 3, 1));
    let update = Update { after: &zeros[1..], ..update };
    assert_eq!(
        explain(&right, &zeros, &update, &names).unwrap_err(),
        len("updated parameters", zeros.len(), zeros.len() - 1)
    );
}

/// Every number and every formula is on both pages, and names cannot break out.
#[test]
fn pages_show_all_of_it() {
    let network = network(Join::Project, 3);
    let instance = instance(&network);
    let mut all = page(&network, &instance, OptimizerKind::ADAMW);
    let name = "<script>|`$`";
    for quantity in all.parts.iter_mut().flat_map(|part| &mut part.quantities) {
        quantity.columns[0] = name.into();
    }
    let (html, markdown) = (all.html(), all.markdown());
    assert!(!html.contains("<merror>"), "a formula that is not understood");
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"));
    assert!(!html.contains("http"), "it needs nothing else");
    assert!(markdown.contains(r"\<script\>\|\`\$\`") && !markdown.contains(name));
    for quantity in all.parts.iter().flat_map(|part| &part.quantities) {
        assert!(markdown.contains(&format!("$${}$$", quantity.formula)), "{}", quantity.formula);
        for value in &quantity.values {
            assert!(html.contains(&format!("title=\"{value:?}\"")), "{value}");
        }
        for check in &quantity.checks {
            assert!(markdown.contains(&format!("✓ ${}$", check.equation)), "{}", check.equation);
        }
    }
}
