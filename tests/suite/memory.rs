//! The memory that a run is said to take is what it takes.

use anabranch::data::{Fractions, Prepared, Table, TargetColumns, prepare};
use anabranch::graph::{Fusion, TwoBranch};
use anabranch::tensor::Executor;
use anabranch::train::{
    Model, NoObserver, RunMemory, TrainConfig, TrainError, Trainer, Watch, for_each_member,
    member_seed,
};
use anabranch_tests::{Allocations, count_allocations};

/// Trains an ensemble and makes a model of it; the memory that was planned besides that of the
/// data, and the most that was allocated at one time.
fn planned_and_taken(
    [hidden_a, hidden_b]: [usize; 2],
    config: &TrainConfig,
    threads: usize,
    n_members: usize,
) -> (f64, f64) {
    let (exec, columns) = (Executor::new(threads).unwrap(), TargetColumns::wine());
    let table = Table::wine().unwrap();
    let Prepared { dataset, encoder, targets, .. } =
        prepare::<f32>(&exec, &table, &columns, Fractions::default(), 1).unwrap();
    let river = TwoBranch::new(dataset.n_inputs, hidden_a, 1, hidden_b, 6).river();
    let graph = river.build::<f32>(Fusion::Fused).unwrap();
    let memory = RunMemory::of(&graph, &dataset, config, &exec, n_members).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_, Allocations { peak, .. }) = count_allocations(&exec, || {
        let members = for_each_member(&exec, n_members, |member, exec| {
            let seed = member_seed(1, member);
            let config = TrainConfig { seed, ..config.clone() };
            let graph = river.build(Fusion::Fused)?;
            let mut trainer = Trainer::new(&dataset, graph, &config, exec)?;
            trainer.run(&mut NoObserver)?;
            Ok::<_, TrainError>(trainer.member())
        });
        let model = Model::new(river.clone(), members.unwrap(), encoder, targets).unwrap();
        model.save(folder.path().join("m")).unwrap();
    });
    (memory.peak() - memory.data, peak as f64)
}

/// Large enough for what is left out not to count: for a network of many weights, one of large
/// batches, an ensemble, and one in which each task keeps its best weights.
#[test]
fn what_a_run_is_said_to_take_is_what_it_takes() {
    let small = TrainConfig { epochs: 2, batch_size: 64, patience: 1, ..TrainConfig::default() };
    let large = TrainConfig { batch_size: 1000, ..small };
    let each = TrainConfig { watch: Watch::Each, ..small };
    for (hidden, config, threads, n_members) in [
        ([9000, 9000], &small, 1, 1),
        ([500, 700], &large, 1, 1),
        ([500, 700], &large, 2, 1),
        ([5000, 3000], &small, 2, 5),
        ([5000, 3000], &each, 1, 3),
    ] {
        let (planned, taken) = planned_and_taken(hidden, config, threads, n_members);
        let share = taken / planned;
        // A hundredth for what does not grow.
        assert!(
            (0.9..=1.01).contains(&share),
            "{hidden:?} {threads} {n_members}: {planned} bytes planned, {taken} taken"
        );
    }
}
