//! One training step in burn with its flex backend.

use burn::module::{Module, Param};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig, Relu};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use peer_harness::{DROPOUT, LEARNING_RATE, MOMENTUM, Matrix, Optimizer, Peer, Shape, Workload};

#[derive(Module, Debug)]
struct TwoBranches {
    fc1a: Linear,
    fc2a: Linear,
    fc1b: Linear,
    bn1b: BatchNorm,
    fc2b: Linear,
    dropout: Dropout,
    relu: Relu,
}

impl TwoBranches {
    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let h = self.dropout.forward(self.relu.forward(self.fc1a.forward(x.clone())));
        let y_a = self.fc2a.forward(h);
        let s = self.bn1b.forward(self.relu.forward(self.fc1b.forward(x))) + y_a.clone();
        (y_a, self.fc2b.forward(s))
    }
}

struct Burn {
    /// Taken and put back by a step: the optimizer consumes it.
    net: Option<TwoBranches>,
    optimizer: ModuleOptimizer,
    cross_entropy: CrossEntropyLoss,
    device: Device,
    rows: usize,
    x: Tensor<2>,
    y_a: Tensor<2>,
    y_b: Tensor<1, Int>,
    loss: Option<Tensor<1>>,
}

fn matrix(m: Matrix, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(m.data, [m.rows, m.cols]), device)
}

/// burn keeps weights `[in, out]`.
fn linear(weight: &Matrix, bias: Vec<f32>, device: &Device) -> Linear {
    let mut layer = LinearConfig::new(weight.cols, weight.rows).init(device);
    let bias = TensorData::new(bias, [weight.rows]);
    layer.weight = Param::from_tensor(matrix(weight.transposed(), device));
    layer.bias = Some(Param::from_tensor(Tensor::from_data(bias, device)));
    layer
}

impl Peer for Burn {
    fn new(
        shape: Shape,
        data: Workload,
        optimizer: Optimizer,
        dropout: peer_harness::Dropout,
    ) -> Self {
        let device = Device::flex().autodiff();
        let probability = match dropout {
            peer_harness::Dropout::On => DROPOUT,
            peer_harness::Dropout::Off => 0.0,
        };
        let net = TwoBranches {
            fc1a: linear(&data.w1a, data.b1a, &device),
            fc2a: linear(&data.w2a, data.b2a, &device),
            fc1b: linear(&data.w1b, data.b1b, &device),
            bn1b: BatchNormConfig::new(shape.outputs_a).init(&device),
            fc2b: linear(&data.w2b, data.b2b, &device),
            dropout: DropoutConfig::new(probability).init(),
            relu: Relu::new(),
        };
        let optimizer = match optimizer {
            Optimizer::Sgd => {
                // Dampening is 0.1 unless told otherwise; PyTorch's is 0.
                let momentum = MomentumConfig::new().with_momentum(MOMENTUM).with_dampening(0.0);
                SgdConfig::new().with_momentum(Some(momentum)).init()
            }
            // 1e-5 unless told otherwise.
            Optimizer::Adam => AdamConfig::new().with_epsilon(1e-8).init(),
        };
        let y_b: Vec<i32> = data.y_b.iter().map(|&label| label as i32).collect();
        Self {
            net: Some(net),
            optimizer,
            cross_entropy: CrossEntropyLossConfig::new().init(&device),
            rows: shape.rows,
            x: matrix(data.x, &device),
            y_a: matrix(data.y_a, &device),
            y_b: Tensor::from_data(TensorData::new(y_b, [shape.rows]), &device),
            loss: None,
            device,
        }
    }

    fn step(&mut self) {
        let net = self.net.take().expect("a step puts the network back");
        let (y_a, logits) = net.forward(self.x.clone());
        let error = y_a - self.y_a.clone();
        let loss_a = (error.clone() * error).sum() * (0.5 / self.rows as f64);
        let loss = loss_a + self.cross_entropy.forward(logits, self.y_b.clone());
        self.loss = Some(loss.clone().detach());
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        self.net = Some(self.optimizer.step(LEARNING_RATE, net, grads));
        self.device.sync().expect("the CPU is always there");
    }

    fn loss(&self) -> f32 {
        self.loss.clone().expect("a step has run").into_scalar()
    }
}

fn main() {
    peer_harness::serve::<Burn>("burn-flex", "0.22.1");
}
