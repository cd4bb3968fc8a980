//! Nothing is allocated inside a step after warm-up, at any number of threads.

use std::collections::BTreeMap;
use std::hint::black_box;

use anabranch::data::{Cell, Fractions, Table, TargetColumns, prepare};
use anabranch::train::{Model, TrainConfig, Trainer};
use anabranch_graph::{Batch, Fusion, Join, Masks, Mode, TwoBranch, Workspace};
use anabranch_layers::Target;
use anabranch_optim::{ClipNorm, Optimizer, OptimizerKind, ParamGroup, Scales, global_norm};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Executor, Gradients, Scalar, matrix};
use anabranch_tests::count_allocations;

/// (rows, inputs, hidden A, outputs A, hidden B, classes): products that fit one tile and leave B
/// where it lies; a batch that is cut into shards; products that are packed and shared between
/// threads (2·100·128·256 operations, over the gate of 4 million).
const SIZES: [[usize; 6]; 3] =
    [[9, 5, 8, 1, 8, 3], [128, 128, 256, 1, 128, 16], [100, 128, 256, 1, 128, 16]];

fn network(
    [_, inputs, hidden_a, outputs_a, hidden_b, classes]: [usize; 6],
    join: Join,
) -> TwoBranch {
    let outputs_a = match join {
        Join::Add => hidden_b,
        Join::Broadcast => outputs_a,
        Join::Project => outputs_a + 2,
    };
    TwoBranch { join, ..TwoBranch::new(inputs, hidden_a, outputs_a, hidden_b, classes) }
}

/// Counts the allocations of two steps and two evaluations after one of each.
fn check<T: Scalar>(exec: &Executor, size: [usize; 6], join: Join, kind: OptimizerKind) {
    let config = network(size, join);
    let graph = config.build::<T>(Fusion::Fused).unwrap();
    let rows = size[0];
    let mut random = Random::new(1, Purpose::Sample, 0);
    let mut draw =
        |len: usize| -> Vec<T> { (0..len).map(|_| T::from_f64(random.normal())).collect() };
    let (x, y_a) = (draw(rows * config.inputs), draw(rows * config.outputs_a));
    let classes: Vec<u32> = (0..rows).map(|i| (i % config.classes) as u32).collect();
    let x = matrix(&x, rows, config.inputs);
    let targets = [Target::Values(matrix(&y_a, rows, config.outputs_a)), Target::Classes(&classes)];

    let (mut params, mut state) = graph.init(1);
    let mut grads = Gradients::zeros(params.len());
    let mut training = Workspace::new(&graph, exec, rows, Mode::Training).unwrap();
    let mut inference = Workspace::new(&graph, exec, rows, Mode::Inference).unwrap();
    let half = params.len() / 2;
    let groups = [ParamGroup::new(0..half, 0.01), ParamGroup::new(half..params.len(), 0.0)];
    let mut optimizer = Optimizer::new(kind, 1e-3, params.len(), &groups).unwrap();
    let clip = ClipNorm::new(0.1).unwrap();

    let mut step = |step: u64| {
        let masks = Masks::Drawn { seed: 1, step };
        graph.forward(exec, &params, &mut state, &mut training, &[x], masks);
        graph.losses(exec, &mut training, &targets, &[]);
        graph.backward(exec, &params, &mut grads, &mut training, &[x]);
        let batch =
            Batch { inputs: &[x], targets: &targets, row_weights: &[], row_idx: None, masks };
        graph.check(&training, &params, &state, &batch).unwrap();
        graph.gradient(exec, &params, &mut state, &mut grads, &mut training, batch);
        let scales = Scales { lr: 1.0, grads: clip.scale(global_norm(exec, &grads)) };
        optimizer.step(exec, &mut params, &grads, scales);
        graph.infer(exec, &params, &state, &mut inference, &[x]);
        assert!(training.losses().iter().all(|loss| loss.is_finite()));
    };
    exec.enter(|| step(0));
    let ((), seen) = count_allocations(exec, || (1..3).for_each(&mut step));
    let place = format!("{} {join:?} {kind} {size:?} {} threads", T::NAME, exec.threads());
    assert_eq!(seen.count, 0, "{place}: {} bytes", seen.bytes);
}

#[test]
fn a_step_and_an_evaluation_allocate_nothing() {
    for threads in [1, 2] {
        let exec = Executor::new(threads).unwrap();
        for size in SIZES {
            for (i, join) in Join::ALL.into_iter().enumerate() {
                check::<f32>(&exec, size, join, OptimizerKind::ALL[i]);
                check::<f64>(&exec, size, join, OptimizerKind::ALL[i]);
            }
        }
        for kind in OptimizerKind::ALL {
            check::<f32>(&exec, SIZES[0], Join::Broadcast, kind);
            check::<f64>(&exec, SIZES[0], Join::Broadcast, kind);
        }
    }
}

/// An optimizer's step over several chunks: the networks above have fewer parameters than one.
#[test]
fn a_large_optimizer_step_allocates_nothing() {
    let exec = Executor::new(2).unwrap();
    let mut params = vec![1.0f32; 100_000];
    let grads = vec![0.5f32; params.len()];
    let groups = [ParamGroup::new(0..params.len(), 0.1)];
    for kind in OptimizerKind::ALL {
        let mut optimizer = Optimizer::new(kind, 1e-3, params.len(), &groups).unwrap();
        let mut step = || {
            let norm = global_norm(&exec, &grads);
            let scales = Scales { lr: 1.0, grads: ClipNorm::new(1.0).unwrap().scale(norm) };
            optimizer.step(&exec, &mut params, &grads, scales);
        };
        exec.enter(&mut step);
        let ((), seen) = count_allocations(&exec, step);
        assert_eq!(seen.count, 0, "{kind}: {} bytes", seen.bytes);
    }
}

/// The counter sees what it must: each thread's allocations, and new memory for a vector that
/// grows.
#[test]
fn allocations_are_counted_on_every_thread_of_the_executor_and_no_other() {
    for threads in [1, 2, 3] {
        let exec = Executor::new(threads).unwrap();
        let (vector, seen) = count_allocations(&exec, || vec![0u64; 125]);
        assert_eq!((seen.count, seen.bytes), (1, 1000), "{threads}");
        let (_, seen) = count_allocations(&exec, || {
            let mut vector = vector;
            vector.reserve_exact(1);
            vector
        });
        assert_eq!((seen.count, seen.bytes), (1, 1008), "{threads}");

        // Each thread one box; while they wait for each other, no thread can take two tasks.
        let barrier = std::sync::Barrier::new(threads);
        let ((), seen) = count_allocations(&exec, || {
            exec.run(threads, |_| {
                drop(black_box(Box::new([0u8; 7])));
                barrier.wait();
            });
        });
        assert_eq!((seen.count, seen.bytes), (threads as u64, 7 * threads as u64), "{threads}");
    }
    let ((), seen) = count_allocations(&Executor::serial(), || {
        let other = Executor::new(2).unwrap();
        let before = black_box(Box::new(0u8));
        // The worker of another executor is not counted; the tasks wait for each other, so that it
        // has one.
        let barrier = std::sync::Barrier::new(2);
        other.run(2, |_| {
            if other.worker() == 1 {
                drop(black_box(vec![0u8; 1 << 20]));
            }
            barrier.wait();
        });
        drop(before);
    });
    assert!(seen.count > 0 && seen.bytes < 1 << 20, "{seen:?}");
}

/// A row however it is given, once there is a cache.
#[test]
fn a_prediction_allocates_nothing() {
    let (wine, exec) = (Table::wine().unwrap(), Executor::serial());
    let columns = TargetColumns::wine();
    let prepared = prepare::<f32>(&exec, &wine, &columns, Fractions::default(), 1).unwrap();
    let river = TwoBranch::new(prepared.dataset.n_inputs, 32, 1, 16, 6).river();
    let graph = river.build(Fusion::Fused).unwrap();
    let trainer = Trainer::new(&prepared.dataset, graph, &TrainConfig::default(), &exec).unwrap();
    let model = Model::from_trainer(&trainer, river, prepared.encoder, prepared.targets).unwrap();
    let columns = model.encoder().input_columns();
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let cells = vec![Cell::Number(1.0); names.len()];
    let fields: Vec<(&str, Cell<'_>)> = names.iter().copied().zip(cells.iter().copied()).collect();
    let record: BTreeMap<&str, f64> = names.iter().map(|name| (*name, 1.0)).collect();
    let mut prediction = model.prediction();
    let ((), seen) = count_allocations(&exec, || {
        model.predict_row(&fields, &mut prediction).unwrap();
        model.predict_cells(&cells, &mut prediction).unwrap();
        model.predict_record(&record, &mut prediction).unwrap();
    });
    assert_eq!(seen.count, 0);
}
