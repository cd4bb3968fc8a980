//! The nodes of a river, in order, each with its equation and the arrays that it reads.

use std::collections::HashMap;

use anabranch_graph::{Join, LayerKind, NamedLayer, River};
use anabranch_layers::{Activation, Affine, LossKind, RunningVariance};
use ndarray::Array2;

/// A river as the reference goes through it.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// Each reads earlier ones only; the first is the input.
    pub(crate) nodes: Vec<Node>,
    pub(crate) heads: Vec<Head>,
    /// The learned arrays.
    pub(crate) params: Vec<ArrayShape>,
    /// The running statistics.
    pub(crate) state: Vec<ArrayShape>,
}

/// A named array; a vector has one row.
#[derive(Clone, Debug)]
pub(crate) struct ArrayShape {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) stream: u32,
    /// Columns of the output.
    pub(crate) width: usize,
    pub(crate) op: Op,
}

/// What a node computes; the numbers refer to nodes (`x`, `left`, `right`) and arrays.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Input,
    /// xwᵀ + b.
    Linear {
        x: usize,
        w: usize,
        b: usize,
    },
    Activation {
        x: usize,
        f: Activation,
    },
    BatchNorm(BatchNorm),
    /// γ·(x − μ)/√(σ² + ε) + β, with μ and σ² of each row.
    LayerNorm {
        x: usize,
        gamma: usize,
        beta: usize,
        eps: f64,
    },
    /// x, or a·x where x is not above 0.
    PRelu {
        x: usize,
        a: usize,
    },
    /// x⊙M.
    Dropout {
        x: usize,
        p: f64,
    },
    /// left + J(right).
    Join {
        left: usize,
        right: usize,
        join: Join,
        /// A projection's.
        w: Option<usize>,
    },
}

/// γâ + β.
#[derive(Clone, Debug)]
pub(crate) struct BatchNorm {
    pub(crate) x: usize,
    pub(crate) gamma: usize,
    pub(crate) beta: usize,
    pub(crate) eps: f64,
    pub(crate) momentum: f64,
    pub(crate) affine: Affine,
    pub(crate) running: RunningVariance,
    /// The running mean and variance among the state.
    pub(crate) mean: usize,
    pub(crate) var: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) node: usize,
    pub(crate) weight: f64,
    pub(crate) loss: LossKind,
}

impl Op {
    /// The nodes that it reads.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = usize> {
        let (first, second) = match *self {
            Self::Input => (None, None),
            Self::Linear { x, .. }
            | Self::Activation { x, .. }
            | Self::LayerNorm { x, .. }
            | Self::PRelu { x, .. }
            | Self::Dropout { x, .. } => (Some(x), None),
            Self::BatchNorm(BatchNorm { x, .. }) => (Some(x), None),
            Self::Join { left, right, .. } => (Some(left), Some(right)),
        };
        first.into_iter().chain(second)
    }

    /// The learned arrays that it reads.
    pub(crate) fn params(&self) -> impl Iterator<Item = usize> {
        let (first, second) = match *self {
            Self::Linear { w, b, .. } => (Some(w), Some(b)),
            Self::BatchNorm(BatchNorm { gamma, beta, .. }) => (Some(gamma), Some(beta)),
            Self::LayerNorm { gamma, beta, .. } => (Some(gamma), Some(beta)),
            Self::PRelu { a, .. } => (Some(a), None),
            Self::Join { w, .. } => (w, None),
            Self::Input | Self::Activation { .. } | Self::Dropout { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }
}

impl Network {
    /// # Panics
    /// If a branch reads one that does not come before it; such a river cannot be built.
    pub(crate) fn new(river: &River) -> Self {
        let input = Node { name: "input".into(), stream: 0, width: river.inputs, op: Op::Input };
        let mut network =
            Self { nodes: vec![input], heads: Vec::new(), params: Vec::new(), state: Vec::new() };
        // The last layer and the prediction of each branch.
        let mut ends: HashMap<&str, (usize, Option<usize>)> = HashMap::new();
        for branch in &river.branches {
            let mut node = branch.from.as_ref().map_or(0, |from| ends[from.as_str()].0);
            for layer in &branch.layers {
                node = network.add_layer(layer, node);
            }
            let trunk = node;
            for join in &branch.joins {
                let right = ends[join.from.as_str()].1.expect("a river that builds joins heads");
                let (width, columns) = (network.nodes[node].width, network.nodes[right].width);
                let w = (join.join == Join::Project)
                    .then(|| network.add_param(&join.name, "weight", width, columns));
                let op = Op::Join { left: node, right, join: join.join, w };
                node = network.add(&join.name, join.stream, width, op);
            }
            let head = branch.head.as_ref().map(|head| {
                let node = network.add_layer(&head.layer, node);
                let (name, loss) = (branch.name.clone(), head.loss.clone());
                network.heads.push(Head { name, node, weight: head.weight, loss });
                node
            });
            ends.insert(&branch.name, (trunk, head));
        }
        network
    }

    fn add_layer(&mut self, layer: &NamedLayer, x: usize) -> usize {
        let NamedLayer { name, stream, layer } = layer;
        let inputs = self.nodes[x].width;
        let (width, op) = match *layer {
            LayerKind::Linear { outputs, .. } => {
                let w = self.add_param(name, "weight", outputs, inputs);
                let b = self.add_param(name, "bias", 1, outputs);
                (outputs, Op::Linear { x, w, b })
            }
            LayerKind::Activation(f) => (inputs, Op::Activation { x, f }),
            LayerKind::BatchNorm { eps, momentum, affine, running } => {
                let units = if affine == Affine::PerUnit { inputs } else { 1 };
                let gamma = self.add_param(name, "weight", 1, units);
                let beta = self.add_param(name, "bias", 1, units);
                let mean = self.state.len();
                for array in ["running_mean", "running_var"] {
                    let name = format!("{name}.{array}");
                    self.state.push(ArrayShape { name, rows: 1, cols: inputs });
                }
                let var = mean + 1;
                let op = BatchNorm { x, gamma, beta, eps, momentum, affine, running, mean, var };
                (inputs, Op::BatchNorm(op))
            }
            LayerKind::LayerNorm { eps } => {
                let gamma = self.add_param(name, "weight", 1, inputs);
                let beta = self.add_param(name, "bias", 1, inputs);
                (inputs, Op::LayerNorm { x, gamma, beta, eps })
            }
            LayerKind::PRelu { .. } => {
                let a = self.add_param(name, "weight", 1, inputs);
                (inputs, Op::PRelu { x, a })
            }
            LayerKind::Dropout { p } => (inputs, Op::Dropout { x, p }),
        };
        self.add(name, *stream, width, op)
    }

    fn add(&mut self, name: &str, stream: u32, width: usize, op: Op) -> usize {
        self.nodes.push(Node { name: name.into(), stream, width, op });
        self.nodes.len() - 1
    }

    fn add_param(&mut self, node: &str, array: &str, rows: usize, cols: usize) -> usize {
        self.params.push(ArrayShape { name: format!("{node}.{array}"), rows, cols });
        self.params.len() - 1
    }

    /// The learned arrays in flat parameters or gradients.
    ///
    /// # Panics
    /// If there are too few numbers.
    pub(crate) fn unflatten(&self, flat: &[f64]) -> Vec<Array2<f64>> {
        unflatten(&self.params, flat)
    }

    /// The running statistics in a flat state.
    ///
    /// # Panics
    /// If there are too few numbers.
    pub(crate) fn unflatten_state(&self, flat: &[f64]) -> Vec<Array2<f64>> {
        unflatten(&self.state, flat)
    }

    /// The node that reads the learned array number `param`.
    pub(crate) fn reader(&self, param: usize) -> usize {
        let reads = |node: &Node| node.op.params().any(|read| read == param);
        self.nodes.iter().position(reads).expect("each array belongs to a node")
    }

    /// Approximate number of multiplications in a forward pass over one row.
    pub(crate) fn multiplications_per_row(&self) -> usize {
        self.params.iter().map(|array| array.rows * array.cols).sum()
    }
}

/// All arrays as one, in the order of the network's flat parameters.
pub(crate) fn flatten(arrays: &[Array2<f64>]) -> Vec<f64> {
    arrays.iter().flatten().copied().collect()
}

fn unflatten(shapes: &[ArrayShape], flat: &[f64]) -> Vec<Array2<f64>> {
    let mut rest = flat;
    let mut array = |shape: &ArrayShape| {
        let (values, behind) = rest.split_at(shape.rows * shape.cols);
        rest = behind;
        let dim = (shape.rows, shape.cols);
        Array2::from_shape_vec(dim, values.to_vec()).expect("split off in this size")
    };
    shapes.iter().map(&mut array).collect()
}
