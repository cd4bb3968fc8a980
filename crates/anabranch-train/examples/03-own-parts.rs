//! A layer, a loss and an update rule of one's own in a network of three branches, which is trained
//! on arrays, stopped in the middle of an epoch, saved, continued, and asked by eight threads.

use std::error::Error;
use std::ops::ControlFlow;

use anabranch_train::data::{Dataset, Split, TaskValues};
use anabranch_train::graph::{Fusion, GraphBuilder, GraphError, Mode, Workspace};
use anabranch_train::graph::{Graph, Join};
use anabranch_train::layers::{
    Backward, BatchNorm, CrossEntropy, Dx, HalfSquaredError, Infer, Layer, LayerError, Linear,
    Loss, LossGradient, RowWise, Shape, Target, TargetKind, Training, one_input,
};
use anabranch_train::optim::{OptimError, Rule};
use anabranch_train::{Executor, NoObserver, Observer, RunState, Scalar, StepView};
use anabranch_train::{TrainConfig, Trainer, flat, flat_mut, matrix};

/// y = x/(1 + |x|), whose derivative is 1/(1 + |x|)².
#[derive(Debug)]
struct Softsign;

impl<T: Scalar> Layer<T> for Softsign {
    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        Ok(Shape::new(one_input("softsign", inputs)?))
    }

    fn infer(&self, cx: Infer<'_, T>) {
        for (y, x) in flat_mut(cx.y).iter_mut().zip(flat(cx.x)) {
            *y = *x / (T::ONE + x.abs());
        }
    }

    fn training(&self) -> Training<'_, T> {
        Training::RowWise(self)
    }

    fn describe(&self) -> String {
        "softsign".into()
    }
}

impl<T: Scalar> RowWise<T> for Softsign {
    fn backward(&self, cx: Backward<'_, T>) {
        let Some(Dx { values, accum }) = cx.dx else { return };
        for ((dx, x), dy) in flat_mut(values).iter_mut().zip(flat(cx.x)).zip(flat(cx.dy.view())) {
            let denominator = T::ONE + x.abs();
            *dx = accum.combine(*dx, *dy / (denominator * denominator));
        }
    }
}

/// ℓ = ln(1 + (ŷ − y)²) for each number, which large errors move little; ∂ℓ/∂ŷ = 2e/(1 + e²).
#[derive(Debug)]
struct Cauchy;

impl<T: Scalar> Loss<T> for Cauchy {
    fn target_kind(&self) -> TargetKind {
        TargetKind::Values
    }

    fn gradient(&self, cx: LossGradient<'_, '_, T>) {
        let Target::Values(y) = cx.target else { unreachable!("the kind of target was checked") };
        cx.row_losses.fill(T::ZERO);
        let width = y.ncols();
        let pairs = flat(cx.prediction).iter().zip(flat(y)).enumerate();
        for (d, (i, (prediction, y))) in flat_mut(cx.d).iter_mut().zip(pairs) {
            let e = *prediction - *y;
            let q = T::ONE + e * e;
            *d = cx.scale * (e + e) / q;
            cx.row_losses[i / width] += T::ln(q);
        }
    }

    fn describe(&self) -> String {
        "cauchy".into()
    }
}

/// m = βm + (1 − β)g, p −= η·m/(|m| + 0.01): steps of nearly one size.
#[derive(Debug)]
struct NearlySign;

impl Rule<1> for NearlySign {
    const NAME: &'static str = "nearly sign";
    const MOMENTS: [&'static str; 1] = ["mean"];
    type Constants<T: Scalar> = [T; 2];

    fn check(&self) -> Result<(), OptimError> {
        Ok(())
    }

    fn constants<T: Scalar>(&self, _step: u64) -> [T; 2] {
        [0.9, 0.01].map(T::from_f64)
    }

    #[inline(always)]
    fn update<T: Scalar>([beta, floor]: [T; 2], lr: T, p: T, g: T, [m]: [T; 1]) -> (T, [T; 1]) {
        let m = beta * m + (T::ONE - beta) * g;
        (p - lr * m / (m.abs() + floor), [m])
    }
}

/// Branch `product` flows into `quadrant`, and both into `radius`.
fn three_branches() -> Result<Graph<f32>, GraphError> {
    let mut g = GraphBuilder::new(2);
    let hidden = |g: &mut GraphBuilder<f32>, name: &str| {
        let z = g.layer(&format!("{name}1"), Linear::new(24), g.input())?;
        let a = g.layer(&format!("{name}_softsign"), Softsign, z)?;
        g.layer(&format!("{name}_bn"), BatchNorm::new(), a)
    };
    let product = hidden(&mut g, "product")?;
    let product = g.layer("product2", Linear::new(1), product)?;
    let quadrant = hidden(&mut g, "quadrant")?;
    let quadrant = g.join("product_quadrant", Join::Broadcast, quadrant, product)?;
    let quadrant = g.layer("quadrant2", Linear::new(4), quadrant)?;
    let radius = hidden(&mut g, "radius")?;
    let radius = g.join("product_radius", Join::Broadcast, radius, product)?;
    let radius = g.join("quadrant_radius", Join::Project, radius, quadrant)?;
    let radius = g.layer("radius2", Linear::new(1), radius)?;
    g.head("product", product, 1.0, HalfSquaredError)?;
    g.head("quadrant", quadrant, 0.5, CrossEntropy::default())?;
    g.head("radius", radius, 1.0, Cauchy)?;
    g.build(Fusion::Fused)
}

/// Points of a grid, and three questions about each.
fn dataset() -> Dataset<f32> {
    let points: Vec<[f32; 2]> =
        (0..900).map(|i| [(i % 30) as f32, (i / 30) as f32].map(|v| v / 7.25 - 2.0)).collect();
    let numbers = |f: fn(&[f32; 2]) -> f32| TaskValues::Numbers {
        values: points.iter().map(f).collect(),
        n_columns: 1,
    };
    let quadrant = |[u, v]: &[f32; 2]| 2 * u32::from(*u > 0.0) + u32::from(*v > 0.0);
    let quadrants =
        TaskValues::Classes { class: points.iter().map(quadrant).collect(), n_classes: 4 };
    let (validation, train) = (0..points.len()).partition(|row| row % 5 == 0);
    Dataset {
        x: points.concat(),
        tasks: vec![numbers(|[u, v]| u * v), quadrants, numbers(|[u, v]| (u * u + v * v).sqrt())],
        // Every row has all targets.
        present: Vec::new(),
        sample_weights: None,
        split: Split { train, validation, test: Vec::new(), ..Split::default() },
        n_rows: points.len(),
        n_inputs: 2,
    }
}

/// Stops a run after so many steps.
struct StopAfter(u64);

impl Observer<f32> for StopAfter {
    fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
        if step.step + 1 < self.0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (data, exec) = (dataset(), Executor::new(2)?);
    let config = TrainConfig { epochs: 60, lr: 0.01, ..TrainConfig::default() };
    let trainer = || Trainer::new(&data, three_branches()?, &config, &exec)?.with_rule(NearlySign);

    // Stopped, saved as JSON, and continued by another trainer …
    let mut stopped = trainer()?;
    stopped.run(&mut StopAfter(100))?;
    let saved = serde_json::to_string(&stopped.run_state())?;
    let mut continued = trainer()?;
    continued.restore(&serde_json::from_str::<RunState<f32>>(&saved)?)?;
    continued.run(&mut NoObserver)?;
    continued.take_best();

    // … to the same bits as a run from beginning to end.
    let mut whole = trainer()?;
    whole.run(&mut NoObserver)?;
    whole.take_best();
    assert_eq!(continued.params(), whole.params());

    // Eight threads ask the one network, each with memory of its own.
    let (graph, alone) = (whole.graph(), Executor::serial());
    let ask = |thread: usize| -> Result<f64, GraphError> {
        let mut workspace = Workspace::new(graph, &alone, 900, Mode::Inference)?;
        graph.infer(&alone, whole.params(), whole.state(), &mut workspace, &[data.x()]);
        let radius = workspace.prediction(&graph.heads()[2]);
        let TaskValues::Numbers { values, .. } = &data.tasks[2] else { return Ok(f64::NAN) };
        let errors = radius.iter().zip(matrix(values, 900, 1)).skip(thread).step_by(8);
        Ok(errors.map(|(prediction, y)| f64::from((prediction - y).powi(2))).sum())
    };
    let squares: Result<Vec<f64>, GraphError> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || ask(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let error = (squares?.iter().sum::<f64>() / 900.0).sqrt();
    println!("the radius is off by {error:.3} (root mean square), of 0 to 2.8");
    // The best constant is off by 0.53.
    assert!(error < 0.2, "{error}");
    Ok(())
}
