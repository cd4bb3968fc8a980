//! The suite `parts`: where the time of a step goes.
//!
//! Passes are timed inside the step, with the caches as they are there. Dropout and BatchNorm are
//! fused into other work: their cost is how much faster a step is when its network is built without
//! them. The zeros that dropout makes save more than drawing them costs, so its own cost is
//! measured with few dropped.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anabranch_graph::{Fusion, Graph, GraphBuilder, GraphError, Join};
use anabranch_layers::{Activation, BatchNorm, CrossEntropy, Dropout, HalfSquaredError, Linear};
use anabranch_tensor::{Executor, Scalar};
use serde_json::{Value, json};

use crate::Result;
use crate::network::{DROPOUT, Network, Rule};
use crate::products::StepProducts;
use crate::report::{Report, digits, percent, write_json};
use crate::shape::Shape;
use crate::timing::{median, rounds};

/// Time of a round, for each network and for the matrix products.
const SLICE: Duration = Duration::from_millis(20);
const MIN_ROUNDS: usize = 5;

/// Options of `parts`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Shape, by name or as R,I,H,O,C; repeat for more [default: tiny, small, medium, large]
    #[arg(long = "shape", value_name = "NAME|R,I,H,O,C")]
    shapes: Vec<Shape>,
    /// Number of threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Update rule
    #[arg(long, default_value = "sgd")]
    optimizer: Rule,
    /// Time for each shape, which gets at least five rounds
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Write the results here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The layers that differ between the networks compared.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Layers {
    dropout: Option<f64>,
    batch_norm: bool,
}

impl Layers {
    const ALL: Self = Self { dropout: Some(DROPOUT), batch_norm: true };
    /// The smallest probability for which as many random bits are drawn as for one half.
    const FEW_DROPPED: Self = Self { dropout: Some(1.0 / 256.0), ..Self::ALL };
    const NO_DROPOUT: Self = Self { dropout: None, ..Self::ALL };
    const NO_BATCH_NORM: Self = Self { batch_norm: false, ..Self::ALL };
}

/// The network of a shape, as [`anabranch_graph::TwoBranch`] builds it, with or without some of its
/// layers.
fn graph<T: Scalar>(shape: Shape, layers: Layers) -> std::result::Result<Graph<T>, GraphError> {
    let Shape { inputs, hidden_a, outputs_a, classes, .. } = shape;
    if layers == Layers::ALL {
        return shape.network(DROPOUT).build(Fusion::Fused);
    }
    let mut g = GraphBuilder::new(inputs);
    let x = g.input();
    let z1a = g.layer("fc1a", Linear::new(hidden_a), x)?;
    let mut h = g.layer("relu1a", Activation::Relu, z1a)?;
    if let Some(p) = layers.dropout {
        h = g.layer("dp1a", Dropout::new(p), h)?;
    }
    let y_a = g.layer("fc2a", Linear::new(outputs_a), h)?;
    let z1b = g.layer("fc1b", Linear::new(outputs_a), x)?;
    let mut a = g.layer("relu1b", Activation::Relu, z1b)?;
    if layers.batch_norm {
        a = g.layer("bn1b", BatchNorm::new(), a)?;
    }
    let s = g.join("join", Join::Add, a, y_a)?;
    let z2b = g.layer("fc2b", Linear::new(classes), s)?;
    g.head("a", y_a, 1.0, HalfSquaredError)?;
    g.head("b", z2b, 1.0, CrossEntropy::default())?;
    g.build(Fusion::Fused)
}

/// Microseconds of each pass (forward, losses, backward, update), a mean over a slice of steps.
fn timed_steps<T: Scalar>(network: &mut Network<T>, exec: &Executor) -> [f64; 4] {
    let mut sums = [Duration::ZERO; 4];
    let mut n_steps = 0;
    let begin = Instant::now();
    while n_steps == 0 || begin.elapsed() < SLICE {
        let passes = [
            Network::forward,
            Network::losses,
            Network::backward,
            Network::update as fn(&mut _, &_),
        ];
        for (sum, pass) in sums.iter_mut().zip(passes) {
            let start = Instant::now();
            pass(network, exec);
            *sum += start.elapsed();
        }
        n_steps += 1;
    }
    sums.map(|sum| sum.as_secs_f64() * 1e6 / f64::from(n_steps))
}

/// Microseconds of the forward and the backward matrix products.
fn timed_products<T: Scalar>(products: &mut StepProducts<T>, exec: &Executor) -> [f64; 2] {
    let mut sums = [Duration::ZERO; 2];
    let mut n_times = 0;
    let begin = Instant::now();
    while n_times == 0 || begin.elapsed() < SLICE {
        for (sum, part) in
            sums.iter_mut().zip([StepProducts::<T>::FORWARD, StepProducts::<T>::BACKWARD])
        {
            let start = Instant::now();
            products.run_part(exec, part);
            *sum += start.elapsed();
        }
        n_times += 1;
    }
    sums.map(|sum| sum.as_secs_f64() * 1e6 / f64::from(n_times))
}

/// Microseconds of an event of `tracing` that nobody listens to, of which an epoch has one.
fn timed_event() -> f64 {
    let mut n_events = 0_u32;
    let begin = Instant::now();
    while begin.elapsed() < SLICE {
        for _ in 0..10_000 {
            tracing::info!(n_events, "unheard");
            n_events += 1;
        }
    }
    begin.elapsed().as_secs_f64() * 1e6 / f64::from(n_events)
}

/// The results of the rounds of one shape.
#[derive(Debug, Default)]
struct Times {
    /// Of each pass.
    passes: [Vec<f64>; 4],
    /// Of the forward and backward matrix products alone.
    products: [Vec<f64>; 2],
    step: Vec<f64>,
    /// How much more a step costs with than without, in the same round.
    dropout: Vec<f64>,
    batch_norm: Vec<f64>,
    /// How much more a step costs where few are dropped.
    zeros: Vec<f64>,
    event: Vec<f64>,
}

/// Names and microseconds of the parts of a step.
#[derive(Debug)]
struct Parts {
    shape: Shape,
    step: f64,
    parts: Vec<(&'static str, f64)>,
}

impl Times {
    fn parts(&self, shape: Shape) -> Parts {
        let step = median(&self.step);
        let [forward, losses, backward, optimizer] = self.passes.each_ref().map(|v| median(v));
        let [gemm_forward, gemm_backward] = self.products.each_ref().map(|v| median(v));
        let (dropout, batch_norm) = (median(&self.dropout), median(&self.batch_norm));
        let zeros = median(&self.zeros);
        let parts = vec![
            ("forward GEMMs", gemm_forward),
            ("forward, the rest", forward - gemm_forward),
            ("losses (softmax)", losses),
            ("backward GEMMs", gemm_backward),
            ("backward, the rest", backward - gemm_backward),
            ("optimizer", optimizer),
            ("dropout, where it is fused", dropout),
            ("BatchNorm, where it is fused", batch_norm),
            (
                "dropout + BatchNorm + softmax + optimizer",
                dropout + batch_norm + losses + optimizer,
            ),
            ("saved by the zeros of dropout", zeros),
            ("a trace event that nobody listens to", median(&self.event)),
        ];
        Parts { shape, step, parts }
    }
}

fn measure(args: &Args, shape: Shape) -> Result<Parts> {
    let exec = Executor::new(args.threads)?;
    let network = |layers| Network::<f32>::of(&exec, shape, args.optimizer, graph(shape, layers)?);
    let mut full = network(Layers::ALL)?;
    let mut few_dropped = network(Layers::FEW_DROPPED)?;
    let mut no_dropout = network(Layers::NO_DROPOUT)?;
    let mut no_batch_norm = network(Layers::NO_BATCH_NORM)?;
    let mut products = StepProducts::<f32>::new(&exec, shape);
    let mut times = Times::default();
    let is_warm = &mut false;
    rounds(args.seconds, MIN_ROUNDS + 1, || {
        let (passes, others, gemms) = exec.enter(|| {
            let passes = timed_steps(&mut full, &exec);
            let others = [&mut few_dropped, &mut no_dropout, &mut no_batch_norm]
                .map(|network| timed_steps(network, &exec).iter().sum::<f64>());
            (passes, others, timed_products(&mut products, &exec))
        });
        // The first round warms up.
        if std::mem::replace(is_warm, true) {
            let step = passes.iter().sum::<f64>();
            times.step.push(step);
            times.passes.iter_mut().zip(passes).for_each(|(v, pass)| v.push(pass));
            times.products.iter_mut().zip(gemms).for_each(|(v, gemm)| v.push(gemm));
            let [few_dropped, no_dropout, no_batch_norm] = others;
            times.dropout.push(few_dropped - no_dropout);
            times.batch_norm.push(step - no_batch_norm);
            times.zeros.push(few_dropped - step);
            times.event.push(timed_event());
        }
        Ok(())
    })?;
    Ok(times.parts(shape))
}

/// Runs the suite.
pub(crate) fn run(args: &Args) -> Result<()> {
    let shapes = match args.shapes.as_slice() {
        [] => Shape::NAMED[..4].iter().map(|(_, shape)| *shape).collect(),
        shapes => shapes.to_vec(),
    };
    let mut report = Report::new(["part", "shape", "µs", "of the step"]);
    let mut json = Vec::new();
    for shape in shapes {
        let Parts { shape, step, parts } = measure(args, shape)?;
        for (part, micros) in [("step", step)].into_iter().chain(parts) {
            report.row([part.to_owned(), shape.name(), digits(micros), percent(micros / step)]);
            json.push(record(args, shape, part, micros, step));
        }
    }
    report.print();
    write_json(args.json.as_deref(), &json)
}

fn record(args: &Args, shape: Shape, part: &str, micros: f64, step: f64) -> Value {
    json!({
        "suite": "parts",
        "shape": shape.sizes(),
        "threads": args.threads,
        "optimizer": args.optimizer.name(),
        "case": part,
        "median_us": micros,
        "step_share": micros / step,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    /// The networks have the same parameters, except those of the layer left out.
    #[test]
    fn a_network_lacks_only_what_is_left_out() {
        let shape = "8,3,5,4,3".parse().unwrap();
        let params = |layers| graph::<f32>(shape, layers).unwrap().params_len();
        assert_eq!(params(Layers::NO_DROPOUT), params(Layers::ALL));
        assert_eq!(params(Layers::FEW_DROPPED), params(Layers::ALL));
        assert_eq!(params(Layers::NO_BATCH_NORM) + 2 * 4, params(Layers::ALL));
        let n_drawn: usize = Workload::<f32>::new(shape).params.iter().map(|(_, v)| v.len()).sum();
        assert_eq!(params(Layers::NO_BATCH_NORM), n_drawn);
    }
}
