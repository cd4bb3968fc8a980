//! What norms begin with, and a linear layer by hand.

use anabranch_layers::{BatchNorm, Infer, Layer, LayerNorm, Linear};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Executor, matrix, matrix_mut};

#[test]
fn norms_begin_with_a_scale_of_one_and_no_shift() {
    let layers: [Box<dyn Layer<f64>>; 2] = [BatchNorm::new().boxed(), LayerNorm::new().boxed()];
    for layer in layers {
        let (mut params, mut state) = ([f64::NAN; 6], [f64::NAN; 6]);
        let state_len =
            layer.shape(&[3]).unwrap().state.iter().map(|array| array.n_elements()).sum();
        let mut random = Random::new(1, Purpose::Init, 0);
        layer.init(&mut random, &[3], &mut params, &mut state[..state_len]);
        assert_eq!(params, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0], "{}", layer.describe());
    }
}

/// (1, 2)·(1, 2) + 10, (1, 2)·(3, −1) + 20, (1, 2)·(0, 5) + 30.
#[test]
fn a_linear_layer_adds_its_bias_to_the_product() {
    let exec = Executor::serial();
    let params = [1.0, 2.0, 3.0, -1.0, 0.0, 5.0, 10.0, 20.0, 30.0];
    let linear = Linear::new(3);
    let mut scratch = vec![0.0; Layer::<f64>::memory(&linear, &exec, 1, &[2]).scratch_len];
    let mut y = [f64::NAN; 3];
    linear.infer(Infer {
        exec: &exec,
        input: 0,
        x: matrix(&[1.0, 2.0], 1, 2),
        y: matrix_mut(&mut y, 1, 3),
        params: &params,
        state: &[],
        scratch: &mut scratch,
    });
    assert_eq!(y, [15.0, 21.0, 40.0]);
}
