//! Invalid layers and inputs are rejected with an error that names the cause.

use anabranch_layers::{
    Activation, BatchNorm, Dropout, Layer, LayerError, Linear, Mask, Output, Shape, Softmax,
    Standalone, vjp,
};
use anabranch_tensor::{Executor, matrix};
use ndarray::Array2;

fn shape(layer: &dyn Layer<f32>, inputs: usize) -> Result<Shape, LayerError> {
    layer.shape(&[inputs])
}

#[test]
fn empty_layers() {
    let empty = |layer, what| Err(LayerError::Empty { layer, what });
    assert_eq!(shape(&Linear::new(0), 3), empty("linear", "outputs"));
    assert_eq!(shape(&Linear::new(3), 0), empty("linear", "inputs"));
    assert_eq!(shape(&BatchNorm::new(), 0), empty("batch norm", "inputs"));
    assert_eq!(shape(&Softmax, 0), empty("softmax", "inputs"));
}

#[test]
fn hyperparameters_out_of_range() {
    let name = |result: Result<_, LayerError>| match result {
        Err(LayerError::Range { name, .. }) => Some(name),
        _ => None,
    };
    for eps in [0.0, -1e-9, f64::NAN, f64::INFINITY] {
        assert_eq!(name(shape(&BatchNorm::new().with_eps(eps), 3)), Some("eps"), "{eps}");
    }
    for momentum in [-0.1, 1.1, f64::NAN] {
        let layer = BatchNorm::new().with_momentum(momentum);
        assert_eq!(name(shape(&layer, 3)), Some("momentum"), "{momentum}");
    }
    for p in [-0.01, 1.01, f64::NAN] {
        assert!(matches!(shape(&Dropout::new(p), 3), Err(LayerError::Range { .. })), "{p}");
    }
    // Each range includes both ends.
    for layer in [BatchNorm::new().with_momentum(0.0), BatchNorm::new().with_momentum(1.0)] {
        assert!(shape(&layer, 3).is_ok());
    }
    assert!([0.0, 1.0].iter().all(|p| shape(&Dropout::new(*p), 3).is_ok()));
}

#[test]
fn a_layer_alone_refuses_what_does_not_fit() {
    let mask = Mask::Given(&[]);
    let x = [0.5; 6];
    let (one_row, two_rows) = (matrix(&x[..3], 1, 3), matrix(&x, 2, 3));
    let batch_norm = BatchNorm::new();
    let params = [1.0; 6];
    let error = vjp(&batch_norm, one_row, &params, mask, one_row).unwrap_err();
    assert!(matches!(error, LayerError::Rows { expected: 2, rows: 1, .. }), "{error}");
    let error = vjp(&batch_norm, two_rows, &params, mask, one_row).unwrap_err();
    assert!(matches!(error, LayerError::Shape { what: "dy", expected: [2, 3], got: [1, 3] }));
    let error = vjp(&batch_norm, two_rows, &params[1..], mask, two_rows).unwrap_err();
    assert!(matches!(error, LayerError::Shape { what: "params", expected: [1, 6], got: [1, 5] }));
}

#[test]
fn a_standalone_layer_refuses_what_does_not_fit_and_stays_as_it_is() {
    let mut layer = Standalone::<f64>::new(BatchNorm::new(), 3, 1).unwrap();
    let x = Array2::from_shape_fn((4, 3), |(i, j)| ((3 * i + j) % 5) as f64);
    assert_eq!(layer.backward(x.view()).unwrap_err(), LayerError::NoForward);
    let error = layer.forward(x.t()).unwrap_err();
    assert!(matches!(error, LayerError::Shape { what: "x", expected: [3, 3], got: [3, 4] }));
    let no_rows = Array2::zeros((0, 3));
    let error = layer.forward(no_rows.view()).unwrap_err().to_string();
    assert_eq!(error, "a layer by itself: the number of rows must be at least 1");
    // A Jacobian changes neither the running statistics nor the gradients.
    let before = layer.state("running_mean").unwrap().to_vec();
    layer.jacobian(x.view()).unwrap();
    assert_eq!(layer.state("running_mean").unwrap(), before);
    assert_eq!(layer.backward(x.view()).unwrap_err(), LayerError::NoForward);
    layer.forward(x.view()).unwrap();
    assert_ne!(layer.state("running_mean").unwrap(), before);
    assert!(matches!(layer.backward(x.t()), Err(LayerError::Shape { what: "dy", .. })));
    assert_eq!((layer.param("gamma"), layer.state("mean")), (None, None));

    // A mask that is too short, or too long.
    let mut dropout = Standalone::<f64>::new(Dropout::new(0.5), 3, 1).unwrap();
    for len in [0, 11, 13] {
        let error = dropout.forward_with_mask(x.view(), Mask::Given(&vec![1.0; len])).unwrap_err();
        assert!(matches!(error, LayerError::Shape { what: "the mask", .. }), "{error}");
    }
}

/// Batch normalisation's Jacobian over several columns is that of each column, block by block, and
/// its backward pass is the product with it.
#[test]
fn a_jacobian_is_that_of_the_formula() {
    let mut layer = Standalone::<f64>::new(BatchNorm::new(), 2, 1).unwrap();
    layer.param_mut("weight").unwrap().copy_from_slice(&[1.5, -0.5]);
    let x = Array2::from_shape_fn((4, 2), |(i, j)| ((5 * i + 3 * j) % 7) as f64 * 0.3);
    let jacobian = layer.jacobian(x.view()).unwrap();
    for (column, gamma) in [(0, 1.5), (1, -0.5)] {
        let expected = BatchNorm::new().jacobian(&x.column(column).to_vec(), gamma);
        for i in 0..4 {
            for j in 0..4 {
                let found = jacobian[[2 * i + column, 2 * j + column]];
                assert!((found - expected[[i, j]]).abs() < 1e-14, "{i} {j}");
                assert_eq!(jacobian[[2 * i + column, 2 * j + 1 - column]], 0.0);
            }
        }
    }
}

#[test]
fn shapes_and_memories_say_the_sizes() {
    let linear = shape(&Linear::new(5), 3).unwrap();
    let shapes: Vec<_> = linear.params.iter().map(|spec| (spec.name, spec.shape.clone())).collect();
    assert_eq!(shapes, [("weight", vec![5, 3]), ("bias", vec![5])]);
    assert_eq!((linear.outputs, linear.output, linear.min_rows), (5, Output::Free, 1));
    // Two operations for each product, one for each bias.
    assert_eq!(linear.flops_per_row, 2 * 5 * 3 + 5);
    let batch_norm = shape(&BatchNorm::new(), 3).unwrap();
    assert_eq!((batch_norm.outputs, batch_norm.min_rows), (3, 2));
    let saved_len = |layer: &dyn Layer<f32>| layer.memory(&Executor::serial(), 4, &[3]).saved_len;
    // Four vectors: the mean, r, γ·r and β.
    assert_eq!(saved_len(&BatchNorm::new()), 4 * 3);
    let names: Vec<_> = batch_norm.state.iter().map(|spec| spec.name).collect();
    assert_eq!(names, ["running_mean", "running_var"]);
    let dropout = shape(&Dropout::new(0.5), 3).unwrap();
    assert_eq!((dropout.outputs, dropout.output), (3, Output::Free));
    assert_eq!(saved_len(&Dropout::new(0.5)), 12);
    // Its backward pass reads y.
    assert_eq!(shape(&Softmax, 3).unwrap().output, Output::Kept);
    assert_eq!(shape(&Activation::Tanh, 3).unwrap().output, Output::Kept);
    assert_eq!(shape(&Activation::Relu, 3).unwrap().output, Output::Free);
}
