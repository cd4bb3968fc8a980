//! Checks of a network built by hand.

use anabranch_graph::{Batch, Graph, GraphError, Masks, Mode, Workspace};
use anabranch_layers::Target;
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Executor, Gradients, Scalar, matrix};

use super::loss::draw_target;
use super::report::Report;
use super::{ORDER, SINGLE, THREADS, difference, draw, executor, same, widen, written};
use crate::reference::OwnedTarget;

/// The results of a step and of an evaluation after it.
struct Results<T> {
    losses: Vec<f64>,
    grads: Vec<T>,
    state: Vec<T>,
    /// Of all heads, in training and in evaluation.
    predictions: Vec<T>,
    evaluation: Vec<T>,
}

/// A batch with targets, parameters and running state.
struct Inputs<T> {
    rows: usize,
    x: Vec<T>,
    targets: Vec<OwnedTarget<T>>,
    params: Vec<T>,
    state: Vec<T>,
    step: u64,
}

/// Checks a network on a batch of `rows` rows, with random parameters: `fused` and `unfused` are
/// the same network built with and without fusion, `single` is the same in f32.
///
/// For networks that a [`River`](anabranch_graph::River) describes, [`gradcheck`](crate::gradcheck)
/// checks more.
///
/// # Errors
/// If the network refuses the batch.
pub fn check_graph(
    fused: &Graph<f64>,
    unfused: &Graph<f64>,
    single: &Graph<f32>,
    rows: usize,
) -> Result<Report, GraphError> {
    let serial = Executor::serial();
    let heads: Vec<&str> = fused.heads().iter().map(|head| head.name()).collect();
    let mut report = Report::new(format!("network of {}, {rows} rows", heads.join(", ")));
    let given = Inputs::<f64>::draw(fused, rows);
    let workspace = |exec: &Executor| Workspace::new(fused, exec, rows, Mode::Training);
    let results = given.run(fused, &serial, &mut workspace(&serial)?)?;
    let all = results.all();
    report.add("written", written(&all), 0.0);

    let mut memory = Workspace::new(unfused, &serial, rows, Mode::Training)?;
    for array in fused.params() {
        let len = array.range.len();
        let entries = array.range.clone().step_by(len.div_ceil(20).max(1));
        let at = (&given.params[..], &results.grads[..]);
        difference::compare(&mut report, &array.name, at, entries, |params| {
            let moved = Inputs { params: params.to_vec(), ..given.clone() };
            let results = moved.run(unfused, &serial, &mut memory);
            results.map_or(f64::NAN, |results| results.losses.iter().sum())
        });
    }
    let other = given.run(unfused, &serial, &mut memory)?;
    report.compare("unfused", &other.all(), &all, ORDER);
    for threads in THREADS {
        let exec = executor(threads);
        let mut memory = workspace(&exec)?;
        let on_threads = exec.enter(|| given.run(fused, &exec, &mut memory))?.all();
        report.add(format!("{threads} threads"), same(&all, &on_threads), 0.0);
    }
    for shard in [1, rows.div_ceil(3)] {
        let mut memory = Workspace::with_shards_of(shard, fused, &serial, rows)?;
        let sharded = given.run(fused, &serial, &mut memory)?;
        report.compare(format!("shards of {shard}"), &sharded.all(), &all, ORDER);
    }
    let given32 = given.narrow();
    let mut memory = Workspace::new(single, &serial, rows, Mode::Training)?;
    let single = given32.run(single, &serial, &mut memory)?;
    report.compare("f32, gradient", &widen(&single.grads), &results.grads, SINGLE);
    report.compare("f32, predictions", &widen(&single.predictions), &results.predictions, SINGLE);
    report.compare("f32, evaluation", &widen(&single.evaluation), &results.evaluation, SINGLE);

    let unmasked = Inputs { step: given.step + 1, ..given.clone() };
    let draws = unmasked.run(fused, &serial, &mut workspace(&serial)?)?.losses != results.losses;
    if given.state.is_empty() && !draws {
        report.compare("evaluation", &results.evaluation, &results.predictions, ORDER);
    }
    Ok(report)
}

impl Inputs<f64> {
    fn draw(graph: &Graph<f64>, rows: usize) -> Self {
        let mut random = Random::new(3, Purpose::Sample, rows as u64);
        let x = draw(&mut random, rows * graph.inputs());
        let half = |v: f64| 0.5 * v;
        let params: Vec<f64> = draw(&mut random, graph.params_len());
        let state: Vec<f64> = draw(&mut random, graph.state_len());
        let heads = graph.heads().iter();
        let targets = heads
            .map(|head| {
                let kind = head.loss().target_kind();
                draw_target(kind, false, rows, head.outputs(), &mut random)
            })
            .collect();
        Self {
            rows,
            x,
            targets,
            params: params.into_iter().map(half).collect(),
            // Variances are positive; f32 has the same numbers.
            state: state.iter().map(|v| f64::from((v * v) as f32)).collect(),
            step: 17,
        }
    }

    fn narrow(&self) -> Inputs<f32> {
        let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
        Inputs {
            rows: self.rows,
            x: narrow(&self.x),
            targets: self.targets.iter().map(|target| OwnedTarget::new(&target.view())).collect(),
            params: narrow(&self.params),
            state: narrow(&self.state),
            step: self.step,
        }
    }
}

impl<T: Clone> Clone for Inputs<T> {
    fn clone(&self) -> Self {
        Self {
            rows: self.rows,
            x: self.x.clone(),
            targets: self.targets.clone(),
            params: self.params.clone(),
            state: self.state.clone(),
            step: self.step,
        }
    }
}

impl<T: Scalar> Inputs<T> {
    fn run(
        &self,
        graph: &Graph<T>,
        exec: &Executor,
        workspace: &mut Workspace<T>,
    ) -> Result<Results<T>, GraphError> {
        let mut rest = &self.x[..];
        let inputs: Vec<_> = graph
            .input_widths()
            .map(|width| {
                let (x, others) = rest.split_at(self.rows * width);
                rest = others;
                matrix(x, self.rows, width)
            })
            .collect();
        let targets: Vec<Target<'_, T>> = self.targets.iter().map(OwnedTarget::view).collect();
        let mut state = self.state.clone();
        let mut grads = Gradients::zeros(self.params.len());
        let masks = Masks::Drawn { seed: 4, step: self.step };
        let batch =
            Batch { inputs: &inputs, targets: &targets, row_weights: &[], row_idx: None, masks };
        graph.check(workspace, &self.params, &state, &batch)?;
        graph.gradient(exec, &self.params, &mut state, &mut grads, workspace, batch);
        let grads = grads.whole(exec).to_vec();
        let losses = workspace.losses().to_vec();
        let predictions = predictions(graph, workspace);
        graph.infer(exec, &self.params, &state, workspace, &inputs);
        let evaluation = self::predictions(graph, workspace);
        Ok(Results { losses, grads, state, predictions, evaluation })
    }
}

fn predictions<T: Scalar>(graph: &Graph<T>, workspace: &Workspace<T>) -> Vec<T> {
    let heads = graph.heads().iter();
    heads.flat_map(|head| workspace.prediction(head).iter().copied().collect::<Vec<T>>()).collect()
}

impl<T: Scalar> Results<T> {
    fn all(&self) -> Vec<f64> {
        let Self { losses, grads, state, predictions, evaluation } = self;
        let arrays = [grads, state, predictions, evaluation].into_iter().flatten();
        losses.iter().copied().chain(arrays.map(|v| v.to_f64())).collect()
    }
}
