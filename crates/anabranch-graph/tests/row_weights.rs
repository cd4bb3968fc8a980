//! Rows that lack a target, or count more than others, in the loss of a head.

use anabranch_graph::{
    Batch, Branch, Fusion, Graph, GraphError, Join, Masks, Mode, River, RowWeights, TwoBranch,
    Workspace,
};
use anabranch_layers::{Activation, LossKind, Target};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Executor, Gradients, Scalar, matrix};

const INPUTS: usize = 3;

/// Inputs, two numbers and a class for each row.
struct Rows<T> {
    x: Vec<T>,
    y: Vec<T>,
    class: Vec<u32>,
}

impl<T: Scalar> Rows<T> {
    fn draw(n_rows: usize) -> Self {
        let mut random = Random::new(3, Purpose::Sample, 0);
        let mut normals = |n: usize| (0..n).map(|_| T::from_f64(random.normal())).collect();
        let (x, y) = (normals(n_rows * INPUTS), normals(n_rows * 2));
        Self { x, y, class: (0..n_rows as u32).map(|i| i * 7 % 4).collect() }
    }

    fn n_rows(&self) -> usize {
        self.class.len()
    }

    fn of(&self, rows: &[usize]) -> Self {
        let pick = |all: &[T], width: usize| {
            rows.iter().flat_map(|row| all[row * width..][..width].to_vec()).collect()
        };
        let class = rows.iter().map(|row| self.class[*row]).collect();
        Self { x: pick(&self.x, INPUTS), y: pick(&self.y, 2), class }
    }

    /// Losses and gradient of a step.
    fn step(
        &self,
        graph: &Graph<T>,
        exec: &Executor,
        row_weights: &[RowWeights<T>],
        row_idx: Option<&[usize]>,
    ) -> (Vec<f64>, Vec<T>) {
        let n_rows = row_idx.map_or(self.n_rows(), <[usize]>::len);
        let mut workspace = Workspace::new(graph, exec, n_rows, Mode::Training).unwrap();
        let (params, mut state) = graph.init(2);
        let targets =
            [Target::Values(matrix(&self.y, self.n_rows(), 2)), Target::Classes(&self.class)];
        let x = matrix(&self.x, self.n_rows(), INPUTS);
        let masks = Masks::Drawn { seed: 1, step: 0 };
        let batch = Batch { inputs: &[x], targets: &targets, row_weights, row_idx, masks };
        graph.check(&workspace, &params, &state, &batch).unwrap();
        let mut grads = Gradients::zeros(params.len());
        graph.gradient(exec, &params, &mut state, &mut grads, &mut workspace, batch);
        (workspace.losses().to_vec(), grads.whole(exec).to_vec())
    }
}

/// Two branches on a trunk, whose rows do not depend on each other.
fn river(weights: [f64; 2]) -> River {
    let branch = |name: &str| Branch::new(name).from("trunk").hidden(4, Activation::Tanh);
    River::new(
        INPUTS,
        [
            Branch::new("trunk").hidden(5, Activation::Tanh),
            branch("y").head(2, LossKind::HalfSquaredError, weights[0]),
            branch("class").join("y", Join::Project).head(4, LossKind::CROSS_ENTROPY, weights[1]),
        ],
    )
}

fn each<T: Scalar>(weights: &[f64]) -> RowWeights<T> {
    RowWeights::Each(weights.iter().map(|w| T::from_f64(*w)).collect())
}

fn sum(parts: &[(f64, &[f64])]) -> Vec<f64> {
    let of_entry = |i| parts.iter().map(|(factor, part)| factor * part[i]).sum();
    (0..parts[0].1.len()).map(of_entry).collect()
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64]) {
    let size = expected.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-14 * size, "{found} instead of {expected}");
    }
}

/// The gradient is the sum of each task's over the rows that have its target.
#[test]
fn each_task_is_averaged_over_the_rows_that_have_it() {
    let rows = Rows::<f64>::draw(9);
    let (with_y, with_class) = ([0, 2, 3, 4, 7, 8], [1, 2, 5]);
    let weights = |rows: &[usize]| {
        each(&(0..9).map(|row| f64::from(u8::from(rows.contains(&row)))).collect::<Vec<_>>())
    };
    let exec = Executor::serial();
    let both = river([0.7, 1.3]).build(Fusion::Fused).unwrap();
    let (losses, grads) = rows.step(&both, &exec, &[weights(&with_y), weights(&with_class)], None);
    let alone = |weights, of: &[usize]| {
        let graph = river(weights).build(Fusion::Fused).unwrap();
        rows.of(of).step(&graph, &exec, &[], None)
    };
    let (y, class) = (alone([0.7, 0.0], &with_y), alone([0.0, 1.3], &with_class));
    assert_close(&grads, &sum(&[(1.0, &y.1), (1.0, &class.1)]));
    assert_close(&losses, &[y.0[0], class.0[1]]);
}

/// By plain loops: Σ w·(gradient of the row alone) / Σ w.
#[test]
fn rows_count_by_their_weights() {
    let rows = Rows::<f64>::draw(5);
    let given = [0.5, 0.0, 3.0, 1e-3, 2.0];
    let total: f64 = given.iter().sum();
    let exec = Executor::serial();
    let graph = river([0.7, 0.0]).build(Fusion::Fused).unwrap();
    let (losses, grads) = rows.step(&graph, &exec, &[each(&given), RowWeights::Equal], None);
    let alone: Vec<_> = (0..5).map(|row| rows.of(&[row]).step(&graph, &exec, &[], None)).collect();
    let parts: Vec<(f64, &[f64])> =
        given.iter().zip(&alone).map(|(w, (_, grads))| (w / total, &grads[..])).collect();
    assert_close(&grads, &sum(&parts));
    let loss: f64 = given.iter().zip(&alone).map(|(w, (losses, _))| w / total * losses[0]).sum();
    assert_close(&losses[..1], &[loss]);
}

/// With one thread or two, all rows at once or in shards, picked from a table or not.
#[test]
fn complete_targets_keep_their_bits_and_threads_do_not_matter() {
    let graph = TwoBranch { dropout: 0.3, ..TwoBranch::new(INPUTS, 128, 2, 128, 4) };
    let graph = graph.build::<f32>(Fusion::Fused).unwrap();
    let rows = Rows::<f32>::draw(700);
    let ones = [each(&[1.0; 700]), each(&[1.0; 700])];
    let holes = |step: usize| {
        let weight = |row: usize| if row.is_multiple_of(step) { 0.0 } else { 1.0 };
        each(&(0..700).map(weight).collect::<Vec<_>>())
    };
    let holes = [holes(3), holes(7)];
    let row_idx: Vec<usize> = (0..600).map(|i| i * 31 % 700).collect();
    let [one, two] = [1, 2].map(|threads| Executor::new(threads).unwrap());
    for row_idx in [None, Some(&row_idx[..])] {
        let plain = rows.step(&graph, &one, &[], row_idx);
        assert!(rows.step(&graph, &two, &ones, row_idx) == plain);
        let with_holes = rows.step(&graph, &one, &holes, row_idx);
        assert!(rows.step(&graph, &two, &holes, row_idx) == with_holes);
        assert!(with_holes != plain);
    }
    // The rows of a table by their weights there.
    let picked: Vec<RowWeights<f32>> = holes
        .iter()
        .map(|all| {
            let mut weights = RowWeights::Equal;
            weights.gather(all, &row_idx);
            weights
        })
        .collect();
    let from_table = rows.step(&graph, &one, &holes, Some(&row_idx));
    assert!(rows.of(&row_idx).step(&graph, &one, &picked, None) == from_table);
}

/// Without A's targets, whatever only B's loss reaches has the same gradient, to the bit.
#[test]
fn taking_a_tasks_targets_away_changes_nothing_that_it_does_not_reach() {
    let graph = TwoBranch { dropout: 0.3, ..TwoBranch::new(INPUTS, 6, 2, 5, 4) };
    let graph = graph.build::<f32>(Fusion::Fused).unwrap();
    let rows = Rows::<f32>::draw(40);
    let exec = Executor::serial();
    let (losses, with) = rows.step(&graph, &exec, &[], None);
    let none = [each(&[0.0; 40]), RowWeights::Equal];
    let (losses_without, without) = rows.step(&graph, &exec, &none, None);
    assert_eq!(losses_without, [0.0, losses[1]]);
    for array in graph.params() {
        let is_reached = array.name.starts_with("fc1a") || array.name.starts_with("fc2a");
        let same = with[array.range.clone()] == without[array.range.clone()];
        assert_eq!(same, !is_reached, "{}", array.name);
    }
}

#[test]
fn without_any_target_losses_and_gradient_are_zero_whatever_is_predicted() {
    let graph = river([0.7, 1.3]).build::<f32>(Fusion::Fused).unwrap();
    let mut rows = Rows::<f32>::draw(6);
    // What is predicted and what stands for the targets is too large to be squared.
    rows.y.fill(f32::MAX);
    let none = [each(&[0.0; 6]), each(&[0.0; 6])];
    let (losses, grads) = rows.step(&graph, &Executor::serial(), &none, None);
    assert_eq!(losses, [0.0, 0.0]);
    assert!(grads.iter().all(|g| *g == 0.0));
}

#[test]
fn weights_that_cannot_be_are_refused() {
    let graph = river([1.0, 1.0]).build::<f64>(Fusion::Fused).unwrap();
    let exec = Executor::serial();
    let workspace = Workspace::new(&graph, &exec, 2, Mode::Training).unwrap();
    let (params, state) = graph.init(1);
    let (x, y) = ([0.5; 2 * INPUTS], [1.0; 4]);
    let targets = [Target::Values(matrix(&y, 2, 2)), Target::Classes(&[0, 1])];
    let check = |row_weights: &[RowWeights<f64>]| {
        let inputs = &[matrix(&x, 2, INPUTS)];
        let masks = Masks::Drawn { seed: 1, step: 0 };
        let batch = Batch { inputs, targets: &targets, row_weights, row_idx: None, masks };
        graph.check(&workspace, &params, &state, &batch)
    };
    assert_eq!(check(&[RowWeights::Equal, each(&[0.0, 0.5])]), Ok(()));
    let (what, expected) = ("weights of rows", 2);
    assert_eq!(
        check(&[RowWeights::Equal, each(&[1.0])]),
        Err(GraphError::Batch { what, expected, got: 1 })
    );
    assert!(matches!(check(&[RowWeights::Equal]), Err(GraphError::Batch { got: 1, .. })));
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        let message = check(&[each(&[1.0, weight]), RowWeights::Equal]).unwrap_err().to_string();
        assert!(message.starts_with("head \"y\": the weight of a row must be finite"), "{message}");
        assert!(message.contains(&format!("{weight} (row 1")), "{message}");
    }
}

/// By hand: 2·3 + ½·4; what has no weight may be anything.
#[test]
fn what_has_no_weight_is_no_part_of_a_sum() {
    let weights = RowWeights::Each(vec![2.0, 0.0, 0.5, 0.0]);
    assert_eq!(weights.weighted_sum(&[3.0, f64::NAN, 4.0, f64::INFINITY]), 8.0);
}
