//! The checks for parts of one's own: right parts pass, and each kind of mistake is named.

use anabranch_graph::{Fusion, Graph, GraphBuilder, GraphError, Join};
use anabranch_layers::{
    AbsoluteError, Activation, Affine, Backward, BatchNorm, BinaryCrossEntropy, Concat,
    CrossEntropy, Dropout, Dx, Forward, HalfSquaredError, Huber, Infer, Layer, LayerError,
    LayerNorm, Linear, Loss, LossGradient, PRelu, Pinball, Product, RowWise, Shape, Softmax,
    TargetKind, Training, one_input,
};
use anabranch_tensor::{Scalar, flat, flat_mut};
use anabranch_verify::check::{Report, check_graph, check_layer, check_loss};

#[track_caller]
fn passes(report: Result<Report, LayerError>) {
    let report = report.unwrap();
    assert!(report.pass(), "{report}");
}

#[test]
fn built_in_layers_pass() {
    // Few rows, one column, and sizes that loops cut into tasks.
    for (rows, inputs) in [(3, 1), (7, 5), (300, 20)] {
        passes(check_layer(&Linear::new(6), rows, inputs));
        passes(check_layer(&Softmax, rows, inputs));
        passes(check_layer(&LayerNorm::new(), rows, inputs.max(3)));
        passes(check_layer(&PRelu::new(), rows, inputs));
        for activation in Activation::ALL {
            passes(check_layer(&activation, rows, inputs));
        }
        for p in [0.0, 0.4, 1.0] {
            passes(check_layer(&Dropout::new(p), rows, inputs));
        }
        for affine in [Affine::PerUnit, Affine::Shared] {
            passes(check_layer(&BatchNorm::new().with_affine(affine), rows, inputs));
        }
    }
}

#[test]
fn built_in_losses_pass() {
    for (rows, outputs) in [(1, 1), (5, 3), (200, 11)] {
        passes(check_loss(&HalfSquaredError, rows, outputs));
        passes(check_loss(&AbsoluteError, rows, outputs));
        passes(check_loss(&Huber { delta: 0.7 }, rows, outputs));
        passes(check_loss(&Pinball { quantile: 0.8 }, rows, outputs));
        passes(check_loss(&CrossEntropy::default(), rows, outputs));
        passes(check_loss(&BinaryCrossEntropy, rows, outputs));
    }
}

/// A network that no river describes.
fn build<T: Scalar>(fusion: Fusion) -> Result<anabranch_graph::Graph<T>, GraphError> {
    let mut g = GraphBuilder::new(4);
    let x = g.input();
    let h = g.layer("h", Linear::new(6), x)?;
    let h = g.layer("relu", Activation::Relu, h)?;
    let a = g.layer("a", Linear::new(3), h)?;
    let b = g.layer("b", Linear::new(3), h)?;
    let b = g.layer("bn", BatchNorm::new(), b)?;
    let s = g.join("s", Join::Add, b, a)?;
    g.head("a", a, 0.7, HalfSquaredError)?;
    g.head("s", s, 1.0, CrossEntropy::default())?;
    g.build(fusion)
}

#[test]
fn a_network_built_by_hand_passes_and_one_that_is_not_the_same_unfused_does_not() {
    let (fused, unfused) = (build(Fusion::Fused).unwrap(), build(Fusion::Unfused).unwrap());
    let single = build(Fusion::Fused).unwrap();
    let report = check_graph(&fused, &unfused, &single, 20).unwrap();
    assert!(report.pass(), "{report}");

    let other = |activation| {
        let mut g = GraphBuilder::<f64>::new(2);
        let x = g.layer("x", Linear::new(2), g.input()).unwrap();
        let y = g.layer("f", activation, x).unwrap();
        g.head("y", y, 1.0, HalfSquaredError).unwrap();
        g.build(Fusion::Unfused).unwrap()
    };
    let mut single = GraphBuilder::<f32>::new(2);
    let x = single.layer("x", Linear::new(2), single.input()).unwrap();
    let y = single.layer("f", Activation::Tanh, x).unwrap();
    single.head("y", y, 1.0, HalfSquaredError).unwrap();
    let single = single.build(Fusion::Fused).unwrap();
    let report =
        check_graph(&other(Activation::Tanh), &other(Activation::Silu), &single, 9).unwrap();
    assert_eq!(failed(&report), ["difference of x.weight", "difference of x.bias", "unfused"]);
}

/// Two input matrices, nodes that are neither layers nor joins, an input that two inputs of one
/// node read, and sums in and out of place.
fn several_inputs<T: Scalar>(fusion: Fusion) -> Result<Graph<T>, GraphError> {
    let mut g = GraphBuilder::new(3);
    let (x, side) = (g.input(), g.add_input("side", 2)?);
    let a = g.node("both", Concat::new([3, 2]).boxed(), &[x, side])?;
    let a = g.layer("fc1", Linear::new(6), a)?;
    let a = g.layer("bn", BatchNorm::new(), a)?;
    let gate = g.layer("fc2", Linear::new(6), side)?;
    let gate = g.layer("tanh", Activation::Tanh, gate)?;
    let gated = g.node("gated", Product::new(3).boxed(), &[a, gate, a])?;
    let y = g.layer("y", Linear::new(1), gated)?;
    let sum = g.join("in place", Join::Broadcast, gate, y)?;
    let sum = g.join("twice", Join::Project, sum, gated)?;
    let z = g.layer("z", Linear::new(4), sum)?;
    g.head("y", y, 1.0, HalfSquaredError)?;
    g.head("z", z, 0.5, CrossEntropy::default())?;
    g.build(fusion)
}

#[test]
fn nodes_with_several_inputs_and_networks_with_several_matrices_pass() {
    let fused = several_inputs(Fusion::Fused).unwrap();
    assert_eq!(fused.input_widths().collect::<Vec<_>>(), [3, 2]);
    let unfused = several_inputs(Fusion::Unfused).unwrap();
    let single = several_inputs(Fusion::Fused).unwrap();
    let report = check_graph(&fused, &unfused, &single, 21).unwrap();
    assert!(report.pass(), "{report}");
}

#[test]
fn nodes_refuse_inputs_that_do_not_fit() {
    let mut g = GraphBuilder::<f64>::new(3);
    let (x, side) = (g.input(), g.add_input("side", 2).unwrap());
    for (node, inputs, expected) in [
        (
            Concat::new([3, 3]).boxed(),
            &[x, side][..],
            "takes inputs with [3, 3] columns, not [3, 2]",
        ),
        (Concat::new([]).boxed(), &[], "the number of inputs must be at least 1"),
        (Product::new(2).boxed(), &[x, side], "takes inputs with [3, 3] columns, not [3, 2]"),
        (Product::new(2).boxed(), &[x], "takes 2 inputs, not 1"),
        (Join::Add.boxed(), &[x, x, x], "takes 2 inputs, not 3"),
        (Linear::new(2).boxed(), &[x, side], "takes 1 inputs, not 2"),
    ] {
        let error = g.node("n", node, inputs).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
}

fn failed(report: &Report) -> Vec<&str> {
    report.checks.iter().filter(|check| !check.pass()).map(|check| check.name.as_str()).collect()
}

/// y = x³, with a mistake of one's choice.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cube {
    Right,
    WrongSlope,
    IgnoresAccum,
    ForgetsARow,
    EvaluatesOtherwise,
    LosesDigits,
}

impl<T: Scalar> Layer<T> for Cube {
    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        Ok(Shape::new(one_input("cube", inputs)?))
    }

    fn infer(&self, cx: Infer<'_, T>) {
        let factor = T::from_f64(if *self == Self::EvaluatesOtherwise { 0.5 } else { 1.0 });
        for (y, x) in flat_mut(cx.y).iter_mut().zip(flat(cx.x)) {
            *y = *x * *x * *x * factor;
        }
    }

    fn training(&self) -> Training<'_, T> {
        Training::RowWise(self)
    }

    fn describe(&self) -> String {
        format!("cube, {self:?}")
    }
}

impl<T: Scalar> RowWise<T> for Cube {
    fn forward(&self, cx: Forward<'_, T>) {
        let width = cx.x.ncols();
        let skipped = if *self == Self::ForgetsARow { width } else { 0 };
        for (y, x) in flat_mut(cx.y).iter_mut().zip(flat(cx.x)).skip(skipped) {
            *y = *x * *x * *x;
            if *self == Self::LosesDigits && T::NAME == "f32" {
                *y *= T::from_f64(1.001);
            }
        }
    }

    fn backward(&self, cx: Backward<'_, T>) {
        let Some(Dx { values: dx, accum }) = cx.dx else { return };
        let factor = T::from_f64(if *self == Self::WrongSlope { 3.01 } else { 3.0 });
        for ((dx, x), dy) in flat_mut(dx).iter_mut().zip(flat(cx.x)).zip(cx.dy.iter()) {
            let d = *dy * factor * *x * *x;
            *dx = if *self == Self::IgnoresAccum { d } else { accum.combine(*dx, d) };
        }
    }
}

#[test]
fn each_mistake_in_a_layer_is_named() {
    for (cube, expected) in [
        (Cube::Right, &[][..]),
        (Cube::WrongSlope, &["difference of x"]),
        (Cube::IgnoresAccum, &["added"]),
        (Cube::EvaluatesOtherwise, &["evaluation"]),
        (Cube::LosesDigits, &["f32, y"]),
    ] {
        let report = check_layer(&cube, 5, 3).unwrap();
        assert_eq!(failed(&report), expected, "{report}");
    }
    let report = check_layer(&Cube::ForgetsARow, 5, 3).unwrap();
    assert!(failed(&report).contains(&"written") && report.to_string().ends_with("FAIL"));
}

/// ℓ = ½‖ŷ − y‖², with a slope that is a percent too large, or without the factor.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mistaken {
    Slope,
    NoScale,
}

impl<T: Scalar> Loss<T> for Mistaken {
    fn target_kind(&self) -> TargetKind {
        TargetKind::Values
    }

    fn gradient(&self, cx: LossGradient<'_, '_, T>) {
        let anabranch_layers::Target::Values(y) = cx.target else { panic!("numbers") };
        let mut d = cx.d;
        let factor = match self {
            Self::Slope => cx.scale * T::from_f64(1.01),
            Self::NoScale => T::ONE,
        };
        for (i, loss) in cx.row_losses.iter_mut().enumerate() {
            *loss = T::ZERO;
            for j in 0..y.ncols() {
                let r = cx.prediction[[i, j]] - y[[i, j]];
                d[[i, j]] = factor * r;
                *loss += T::from_f64(0.5) * r * r;
            }
        }
    }

    fn describe(&self) -> String {
        "mistaken".into()
    }
}

#[test]
fn each_mistake_in_a_loss_is_named() {
    let report = check_loss(&Mistaken::Slope, 6, 2).unwrap();
    assert_eq!(failed(&report), ["difference of prediction"], "{report}");
    let report = check_loss(&Mistaken::NoScale, 6, 2).unwrap();
    assert_eq!(failed(&report), ["difference of prediction", "scale"], "{report}");
}

#[test]
fn what_a_layer_refuses_is_an_error() {
    assert!(check_layer(&Linear::new(0), 5, 3).is_err());
    let error = check_layer(&BatchNorm::new(), 1, 3).unwrap_err();
    assert_eq!(error, LayerError::Rows { layer: "check", expected: 2, rows: 1 });
    assert!(check_loss(&Pinball { quantile: 2.0 }, 5, 3).is_err());
}
