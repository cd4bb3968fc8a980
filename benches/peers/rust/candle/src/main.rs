//! One training step in candle.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer as _, ParamsAdamW};
use candle_nn::{BatchNorm, Linear, Module, VarBuilder, VarMap, batch_norm, linear, loss, ops};
use peer_harness::{
    DROPOUT, Dropout, LEARNING_RATE, MOMENTUM, Matrix, Optimizer, Peer, Shape, Workload,
};

struct TwoBranches {
    fc1a: Linear,
    fc2a: Linear,
    fc1b: Linear,
    bn1b: BatchNorm,
    fc2b: Linear,
    dropout: Dropout,
}

impl TwoBranches {
    fn new(shape: Shape, dropout: Dropout, vars: &VarBuilder) -> Result<Self> {
        Ok(Self {
            fc1a: linear(shape.inputs, shape.hidden_a, vars.pp("fc1a"))?,
            fc2a: linear(shape.hidden_a, shape.outputs_a, vars.pp("fc2a"))?,
            fc1b: linear(shape.inputs, shape.outputs_a, vars.pp("fc1b"))?,
            bn1b: batch_norm(shape.outputs_a, 1e-5, vars.pp("bn1b"))?,
            fc2b: linear(shape.outputs_a, shape.classes, vars.pp("fc2b"))?,
            dropout,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let mut h = self.fc1a.forward(x)?.relu()?;
        if self.dropout == Dropout::On {
            h = ops::dropout(&h, DROPOUT as f32)?;
        }
        let y_a = self.fc2a.forward(&h)?;
        let a = self.fc1b.forward(x)?.relu()?;
        let s = (self.bn1b.forward_train(&a)? + &y_a)?;
        Ok((y_a, self.fc2b.forward(&s)?))
    }
}

/// `candle_nn::SGD` has no momentum.
struct Sgd {
    vars: Vec<(Var, Tensor)>,
}

impl Sgd {
    fn new(vars: Vec<Var>) -> Result<Self> {
        let at_rest = |var: Var| {
            let velocity = var.as_tensor().zeros_like()?.detach();
            Ok((var, velocity))
        };
        Ok(Self { vars: vars.into_iter().map(at_rest).collect::<Result<_>>()? })
    }

    fn step(&mut self, grads: &GradStore) -> Result<()> {
        for (var, velocity) in &mut self.vars {
            if let Some(grad) = grads.get(var) {
                *velocity = ((&*velocity * MOMENTUM)? + grad)?.detach();
                var.set(&var.sub(&(&*velocity * LEARNING_RATE)?)?)?;
            }
        }
        Ok(())
    }
}

enum Update {
    Sgd(Sgd),
    Adam(AdamW),
}

struct Candle {
    net: TwoBranches,
    update: Update,
    rows: usize,
    x: Tensor,
    y_a: Tensor,
    y_b: Tensor,
    loss: Tensor,
}

impl Candle {
    fn new(shape: Shape, data: Workload, optimizer: Optimizer, dropout: Dropout) -> Result<Self> {
        let device = Device::Cpu;
        let mut vars = VarMap::new();
        let builder = VarBuilder::from_varmap(&vars, DType::F32, &device);
        let net = TwoBranches::new(shape, dropout, &builder)?;

        let matrix = |m: Matrix| Tensor::from_vec(m.data, (m.rows, m.cols), &device);
        let vector = |v: Vec<f32>| {
            let len = v.len();
            Tensor::from_vec(v, len, &device)
        };
        let initial = [
            ("fc1a.weight", matrix(data.w1a)?),
            ("fc1a.bias", vector(data.b1a)?),
            ("fc2a.weight", matrix(data.w2a)?),
            ("fc2a.bias", vector(data.b2a)?),
            ("fc1b.weight", matrix(data.w1b)?),
            ("fc1b.bias", vector(data.b1b)?),
            ("fc2b.weight", matrix(data.w2b)?),
            ("fc2b.bias", vector(data.b2b)?),
        ];
        vars.set(initial.into_iter())?;

        let learned = vars.all_vars();
        let update = match optimizer {
            Optimizer::Sgd => Update::Sgd(Sgd::new(learned)?),
            // Without weight decay AdamW is Adam.
            Optimizer::Adam => {
                let params = ParamsAdamW {
                    lr: LEARNING_RATE,
                    beta1: 0.9,
                    beta2: 0.999,
                    eps: 1e-8,
                    weight_decay: 0.0,
                };
                Update::Adam(AdamW::new(learned, params)?)
            }
        };
        Ok(Self {
            net,
            update,
            rows: shape.rows,
            x: matrix(data.x)?,
            y_a: matrix(data.y_a)?,
            y_b: Tensor::from_vec(data.y_b, shape.rows, &device)?,
            loss: Tensor::new(0f32, &device)?,
        })
    }

    fn step(&mut self) -> Result<()> {
        let (y_a, logits) = self.net.forward(&self.x)?;
        let loss_a = ((y_a - &self.y_a)?.sqr()?.sum_all()? * (0.5 / self.rows as f64))?;
        let loss = (loss_a + loss::cross_entropy(&logits, &self.y_b)?)?;
        let grads = loss.backward()?;
        match &mut self.update {
            Update::Sgd(sgd) => sgd.step(&grads)?,
            Update::Adam(adam) => adam.step(&grads)?,
        }
        self.loss = loss.detach();
        Ok(())
    }
}

impl Peer for Candle {
    fn new(shape: Shape, data: Workload, optimizer: Optimizer, dropout: Dropout) -> Self {
        Self::new(shape, data, optimizer, dropout).expect("the network is well formed")
    }

    fn step(&mut self) {
        self.step().expect("the network is well formed");
    }

    fn loss(&self) -> f32 {
        self.loss.to_scalar().expect("the loss is one f32")
    }
}

fn main() {
    peer_harness::serve::<Candle>("candle", "0.11.1");
}
