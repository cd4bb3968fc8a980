//! The words in which a description of a network names its layers and losses.

use anabranch_layers::{
    AbsoluteError, Activation, Affine, BatchNorm, BinaryCrossEntropy, Concat, CrossEntropy,
    Dropout, HalfSquaredError, Huber, Join, Layer, LayerNorm, Linear, Loss, PRelu, Pinball,
    Product, Softmax,
};

#[test]
fn layers_are_described_with_their_hyperparameters() {
    let layers: [(Box<dyn Layer<f32>>, &str); 16] = [
        (Linear::new(3).boxed(), "linear"),
        (Activation::Relu.boxed(), "relu"),
        (Activation::Gelu.boxed(), "gelu"),
        (Activation::Silu.boxed(), "silu"),
        (Activation::Tanh.boxed(), "tanh"),
        (Activation::Identity.boxed(), "identity"),
        (PRelu::new().boxed(), "prelu"),
        (BatchNorm::new().boxed(), "batch norm eps=1e-5"),
        (
            BatchNorm::new().with_affine(Affine::Shared).with_eps(0.25).boxed(),
            "batch norm eps=2.5e-1, shared affine",
        ),
        (LayerNorm::new().boxed(), "layer norm eps=1e-5"),
        (Dropout::new(0.25).boxed(), "dropout p=0.25"),
        (Softmax.boxed(), "softmax"),
        (Join::Add.boxed(), "join add"),
        (Join::Project.boxed(), "join project, learned"),
        (Concat::new([1, 2]).boxed(), "concat"),
        (Product::new(2).boxed(), "product"),
    ];
    for (layer, words) in layers {
        assert_eq!(layer.describe(), words);
    }
}

#[test]
fn losses_are_described_with_their_hyperparameters() {
    let smoothed = CrossEntropy { label_smoothing: 0.1, class_weights: vec![1.0, 2.0] };
    let losses: [(Box<dyn Loss<f32>>, &str); 7] = [
        (Box::new(HalfSquaredError), "half squared error"),
        (Box::new(AbsoluteError), "absolute error"),
        (Box::new(Huber { delta: 1.5 }), "huber delta=1.5"),
        (Box::new(Pinball { quantile: 0.9 }), "pinball quantile=0.9"),
        (Box::new(BinaryCrossEntropy), "binary cross-entropy"),
        (Box::new(CrossEntropy::default()), "cross-entropy"),
        (Box::new(smoothed), "cross-entropy label smoothing=0.1, class weights"),
    ];
    for (loss, words) in losses {
        assert_eq!(loss.describe(), words);
    }
}
