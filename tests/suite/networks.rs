//! Random networks of one to three branches: against differences, fused against unfused, and the
//! same bits on any number of threads. The cases are the same in every run.

use std::cell::Cell;
use std::ops::RangeInclusive;

use anabranch_graph::{Fusion, Graph, GraphBuilder, GraphError, Join, NodeId, TwoBranch};
use anabranch_layers::{Activation, Affine, BatchNorm, Dropout, Linear, LossKind};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Executor, Scalar};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::instance::{Instance, Results};
use crate::measure::{central_difference, draw, relative_error};

/// A hidden layer: linear, activation, then dropout and batch normalisation where there are any.
#[derive(Clone, Debug)]
struct Hidden {
    units: usize,
    activation: Activation,
    dropout: Option<f64>,
    batch_norm: Option<(f64, Affine)>,
}

/// Hidden layers, a join with the prediction of the branch before, and a head.
#[derive(Clone, Debug)]
struct Branch {
    hidden: Vec<Hidden>,
    /// Whether to project where a simpler join would fit.
    project: bool,
    outputs: usize,
    loss: LossKind,
    weight: f64,
}

#[derive(Clone, Debug)]
struct Network {
    rows: usize,
    inputs: usize,
    branches: Vec<Branch>,
    seed: u64,
}

/// The name of a branch's hidden layer of a kind.
fn name(kind: &str, branch: usize, depth: usize) -> String {
    format!("{kind}{branch}_{depth}")
}

impl Network {
    fn build<T: Scalar>(&self, fusion: Fusion) -> Result<Graph<T>, GraphError> {
        let mut g = GraphBuilder::new(self.inputs);
        let mut before: Option<NodeId> = None;
        for (i, branch) in self.branches.iter().enumerate() {
            let mut x = g.input();
            for (j, hidden) in branch.hidden.iter().enumerate() {
                x = g.layer(&name("fc", i, j), Linear::new(hidden.units), x)?;
                x = g.layer(&name("act", i, j), hidden.activation, x)?;
                if let Some(p) = hidden.dropout {
                    x = g.layer(&name("dropout", i, j), Dropout::new(p), x)?;
                }
                if let Some((eps, affine)) = hidden.batch_norm {
                    let layer = BatchNorm::new().with_eps(eps).with_affine(affine);
                    x = g.layer(&name("bn", i, j), layer, x)?;
                }
            }
            if let Some(before) = before {
                let fitting = Join::for_widths(g.width(x), g.width(before));
                let join = if branch.project { Join::Project } else { fitting };
                x = g.join(&format!("join{i}"), join, x, before)?;
            }
            let y = g.layer(&format!("head{i}"), Linear::new(branch.outputs), x)?;
            g.head(&format!("task{i}"), y, branch.weight, branch.loss.boxed())?;
            before = Some(y);
        }
        g.build(fusion)
    }

    /// The nodes that a ReLU reads: its switches are where they change sign.
    fn before_relus(&self, graph: &Graph<f64>) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        for (i, branch) in self.branches.iter().enumerate() {
            for (j, hidden) in branch.hidden.iter().enumerate() {
                if hidden.activation == Activation::Relu {
                    nodes.extend(graph.node(&name("fc", i, j)));
                }
            }
        }
        nodes
    }
}

fn hidden(units: RangeInclusive<usize>) -> impl Strategy<Value = Hidden> {
    let activation = prop_oneof![
        3 => Just(Activation::Relu),
        1 => Just(Activation::Gelu),
        1 => Just(Activation::Silu),
        1 => Just(Activation::Tanh),
        1 => Just(Activation::Identity),
    ];
    let dropout = prop_oneof![
        4 => Just(None),
        4 => (0.0..0.95).prop_map(Some),
        1 => Just(Some(1.0)),
    ];
    let affine = prop_oneof![Just(Affine::PerUnit), Just(Affine::Shared)];
    let batch_norm = proptest::option::of((prop_oneof![Just(1e-5), Just(0.5)], affine));
    (units, activation, dropout, batch_norm).prop_map(|(units, activation, dropout, batch_norm)| {
        Hidden { units, activation, dropout, batch_norm }
    })
}

fn branch(units: RangeInclusive<usize>) -> impl Strategy<Value = Branch> {
    let loss = prop_oneof![Just(LossKind::HalfSquaredError), Just(LossKind::CROSS_ENTROPY)];
    let hidden = proptest::collection::vec(hidden(units), 0..=3);
    (hidden, any::<bool>(), 1..=5usize, loss, 0.3..2.0).prop_map(
        |(hidden, project, outputs, loss, weight)| Branch {
            hidden,
            project,
            outputs,
            loss,
            weight,
        },
    )
}

fn network(
    rows: RangeInclusive<usize>,
    units: RangeInclusive<usize>,
) -> impl Strategy<Value = Network> {
    let branches = proptest::collection::vec(branch(units), 1..=3);
    (rows, 1..=6usize, branches, any::<u64>()).prop_map(|(rows, inputs, branches, seed)| Network {
        rows,
        inputs,
        branches,
        seed,
    })
}

/// Runs `check` on `cases` networks, always the same ones.
#[track_caller]
fn for_random_networks(
    cases: u32,
    networks: impl Strategy<Value = Network>,
    check: impl Fn(&Network) -> Result<(), TestCaseError>,
) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, rng).run(&networks, |network| check(&network));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// A batch that is cut into shards, whatever the number of threads: against differences, and the
/// same bits for any number of threads and in one call or three.
#[test]
fn shards_of_a_batch_add_up_to_its_gradient() {
    let execs = [1, 2, 3, 8].map(|threads| Executor::new(threads).unwrap());
    // The last has shards of 171, 171 and 170 rows.
    for (rows, join, outputs_a, expected_shards) in [
        (127, Join::Broadcast, 1, 1),
        (130, Join::Broadcast, 1, 2),
        (201, Join::Add, 70, 2),
        (512, Join::Project, 30, 2),
        (513, Join::Project, 7, 3),
    ] {
        let config = TwoBranch { join, ..TwoBranch::new(60, 120, outputs_a, 70, 5) };
        let graph = config.build::<f64>(Fusion::Fused).unwrap();
        let instance = Instance::draw(&graph, rows, 3);
        let results = instance.run(&graph, &execs[0]);
        for exec in &execs {
            let (at_once, n_parts) = exec.enter(|| instance.run_at_once(&graph, exec));
            // One thread adds the shards' gradients up itself.
            let expected_parts = if exec.threads() == 1 { 1 } else { expected_shards };
            assert_eq!(n_parts, expected_parts, "{rows} rows");
            assert!(at_once == results, "{rows} rows, {} threads", exec.threads());
            let in_three = exec.enter(|| instance.run(&graph, exec));
            assert!(in_three == results, "{rows} rows, {} threads", exec.threads());
        }
        let mut random = Random::new(1, Purpose::Sample, rows as u64);
        for array in graph.params() {
            let v: Vec<f64> = draw(&mut random, array.range.len());
            let h = 1e-6 / (array.range.len() as f64).sqrt();
            let difference = central_difference(h, |t| {
                let mut params = instance.params.clone();
                let moved = params[array.range.clone()].iter_mut();
                moved.zip(&v).for_each(|(param, v)| *param += t * v);
                instance.loss(&graph, &params, &[]).0
            });
            let gradient = &results.grads[array.range.clone()];
            let analytic: f64 = gradient.iter().zip(&v).map(|(g, v)| g * v).sum();
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            // A shard left out would be off by a third or more. ReLUs switch within ±2h for a few
            // of the thousands of units and rows, which costs some 1e-4; the loss, of size 100, is
            // rounded to 1e-14, divided by h.
            let tolerance = 1e-2 * norm + 1e-5;
            assert!(
                (analytic - difference).abs() <= tolerance,
                "{rows} rows, {}: {analytic} {difference} of {norm}",
                array.name
            );
        }
    }
}

/// The derivative of the loss along a random direction of each array.
#[test]
fn random_networks_agree_with_differences() {
    let (n_checked, n_left_out) = (Cell::new(0), Cell::new(0));
    for_random_networks(96, network(3..=24, 1..=9), |network| {
        let graph = network.build::<f64>(Fusion::Unfused).unwrap();
        let instance = Instance::draw(&graph, network.rows, network.seed);
        let relus = network.before_relus(&graph);
        let results = instance.run(&graph, &Executor::serial());
        let loss: f64 = results.losses.iter().sum();
        let mut random = Random::new(network.seed, Purpose::Sample, 1);
        for array in graph.params() {
            let v: Vec<f64> = draw(&mut random, array.range.len());
            let sample = |t: f64| {
                let mut params = instance.params.clone();
                let moved = params[array.range.clone()].iter_mut();
                moved.zip(&v).for_each(|(param, v)| *param += t * v);
                instance.loss(&graph, &params, &relus)
            };
            let h = 1e-5;
            if sample(-2.0 * h).1 != sample(2.0 * h).1 {
                // A ReLU switches in between, where the loss has no derivative.
                n_left_out.set(n_left_out.get() + 1);
                continue;
            }
            n_checked.set(n_checked.get() + 1);
            let gradient = &results.grads[array.range.clone()];
            let analytic: f64 = gradient.iter().zip(&v).map(|(g, v)| g * v).sum();
            let difference = central_difference(h, |t| sample(t).0);
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            // The loss is rounded to some 1e-16 of its terms, multiplied by 1/√ε = 316 where a
            // constant column (dead units, p = 1) is normalised, and divided by h = 1e-5.
            let tolerance = 1e-6 * norm + 1e-8 * (1.0 + loss);
            prop_assert!(
                (analytic - difference).abs() <= tolerance,
                "{}: {analytic} {difference} of {norm}",
                array.name
            );
        }
        Ok(())
    });
    let (n_checked, n_left_out) = (n_checked.get(), n_left_out.get());
    assert!(n_checked > 500 && 20 * n_left_out < n_checked, "{n_checked} {n_left_out}");
}

/// How far two runs are apart, the worst of their arrays.
fn distance<T: Scalar>(a: &Results<T>, b: &Results<T>) -> f64 {
    let arrays = [
        relative_error(&a.losses, &b.losses),
        relative_error(&a.grads, &b.grads),
        relative_error(&a.state, &b.state),
        relative_error(&a.evaluation, &b.evaluation),
    ];
    // Not `max`, which would lose NaN.
    arrays.into_iter().fold(0.0, |worst, error| if error <= worst { worst } else { error })
}

/// Fusion changes where a number is computed, not what is added to what: today the results are
/// equal to the bit. The tolerance, a few units in the last place, leaves room for a sum in another
/// order.
#[test]
fn fused_and_unfused_networks_agree() {
    fn check<T: Scalar>(network: &Network, tolerance: f64) -> Result<(), TestCaseError> {
        let exec = Executor::serial();
        let fused = network.build::<T>(Fusion::Fused).unwrap();
        let unfused = network.build::<T>(Fusion::Unfused).unwrap();
        let instance = Instance::draw(&unfused, network.rows, network.seed);
        let error = distance(&instance.run(&fused, &exec), &instance.run(&unfused, &exec));
        prop_assert!(error <= tolerance, "{} {error:.1e}", T::NAME);
        Ok(())
    }
    for_random_networks(128, network(3..=40, 1..=40), |network| {
        check::<f64>(network, 1e-14)?;
        check::<f32>(network, 1e-6)
    });
}

/// Rows and units that cut most loops into several tasks.
#[test]
fn random_networks_do_not_depend_on_threads() {
    let execs = [1, 2, 3, 8].map(|threads| Executor::new(threads).unwrap());
    fn check<T: Scalar>(network: &Network, execs: &[Executor]) -> Result<(), TestCaseError> {
        let graph = network.build::<T>(Fusion::Fused).unwrap();
        let instance = Instance::draw(&graph, network.rows, network.seed);
        let expected = instance.run(&graph, &execs[0]);
        for exec in &execs[1..] {
            let same = exec.enter(|| instance.run(&graph, exec)) == expected;
            prop_assert!(same, "{} {} threads", T::NAME, exec.threads());
        }
        Ok(())
    }
    for_random_networks(8, network(200..=600, 40..=120), |network| {
        check::<f32>(network, &execs)?;
        check::<f64>(network, &execs)
    });
}

/// The two-branch network on a batch whose products are shared between threads, with every join.
#[test]
fn the_two_branch_network_does_not_depend_on_threads_and_f32_agrees_with_f64() {
    let execs = [1, 2, 3, 8].map(|threads| Executor::new(threads).unwrap());
    fn check<T: Scalar>(config: &TwoBranch, execs: &[Executor]) -> Results<T> {
        let graph = config.build::<T>(Fusion::Fused).unwrap();
        let instance = Instance::draw(&graph, 300, 5);
        let expected = instance.run(&graph, &execs[0]);
        for exec in &execs[1..] {
            let same = exec.enter(|| instance.run(&graph, exec)) == expected;
            assert!(same, "{} {:?} {} threads", T::NAME, config.join, exec.threads());
        }
        expected
    }
    for (join, outputs_a) in [(Join::Add, 90), (Join::Broadcast, 1), (Join::Project, 70)] {
        let config = TwoBranch { join, ..TwoBranch::new(80, 100, outputs_a, 90, 12) };
        let (narrow, wide) = (check::<f32>(&config, &execs), check::<f64>(&config, &execs));
        // f32 rounds to 6e-8; the scores of branch B are sums of 90 terms of size 5, and a step has
        // four such layers.
        for (name, error) in [
            ("losses", relative_error(&narrow.losses, &wide.losses)),
            ("grads", relative_error(&narrow.grads, &wide.grads)),
            ("state", relative_error(&narrow.state, &wide.state)),
            ("evaluation", relative_error(&narrow.evaluation, &wide.evaluation)),
        ] {
            assert!(error <= 2e-6, "{join:?} {name}: {error:.1e}");
        }
    }
}
