//! Ensembles: several networks of one description, trained with seeds of their own.

use anabranch_tensor::Executor;
use anabranch_tensor::parallel::Part;
use anabranch_tensor::random::{Purpose, Random};

/// The seed of a member of an ensemble, counted from 0: that of the run for the first, which is
/// the network that a run without an ensemble trains, and one drawn from it for each other.
pub fn member_seed(seed: u64, member: usize) -> u64 {
    match member {
        0 => seed,
        _ => Random::new(seed, Purpose::Member, member as u64).next_u64(),
    }
}

/// Trains the members of an ensemble by `train`, which gets a member's number and what to train it
/// with, and returns what it has made of each, in order.
///
/// Several members are trained at the same time, each on one thread of `exec`; a single one on all
/// of them.
///
/// ```
/// use anabranch_data::{Fractions, Table, TargetColumns, prepare};
/// use anabranch_graph::{Fusion, TwoBranch};
/// use anabranch_tensor::Executor;
/// use anabranch_train::{
///     Model, NoObserver, TrainConfig, TrainError, Trainer, for_each_member, member_seed,
/// };
///
/// let exec = Executor::new(2)?;
/// let columns = TargetColumns::wine();
/// let prepared = prepare::<f32>(&exec, &Table::wine()?, &columns, Fractions::default(), 1)?;
/// let river = TwoBranch::new(prepared.dataset.n_inputs, 8, 1, 8, 6).river();
/// let members = for_each_member(&exec, 3, |member, exec| {
///     let seed = member_seed(1, member);
///     let config = TrainConfig { epochs: 2, seed, ..TrainConfig::default() };
///     let graph = river.build(Fusion::Fused)?;
///     let mut trainer = Trainer::new(&prepared.dataset, graph, &config, exec)?;
///     trainer.run(&mut NoObserver)?;
///     Ok::<_, TrainError>(trainer.member())
/// })?;
/// let model = Model::new(river.clone(), members, prepared.encoder, prepared.targets)?;
/// assert_eq!(model.members().len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The error of the first member, by its number, that has one.
pub fn for_each_member<R: Send, E: Send>(
    exec: &Executor,
    n_members: usize,
    train: impl Fn(usize, &Executor) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    if n_members == 1 {
        return Ok(vec![train(0, exec)?]);
    }
    let mut results: Vec<Option<Result<R, E>>> = (0..n_members).map(|_| None).collect();
    let slots = [Part::Chunks(&mut results, 1)];
    exec.for_each_large_chunk(n_members, 1, slots, |member, [slot]| {
        let alone = Executor::serial();
        for (member, slot) in member.zip(slot) {
            *slot = Some(train(member, &alone));
        }
    });
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_order_and_the_first_error_counts() {
        for threads in [1, 3] {
            let exec = Executor::new(threads).unwrap();
            let squares = for_each_member(&exec, 7, |i, exec| {
                assert_eq!(exec.threads(), 1);
                Ok::<_, ()>(i * i)
            });
            assert_eq!(squares, Ok(vec![0, 1, 4, 9, 16, 25, 36]));
            let failed = for_each_member(&exec, 7, |i, _| if i < 3 { Ok(()) } else { Err(i) });
            assert_eq!(failed, Err(3));
            let alone = for_each_member(&exec, 1, |_, exec| Ok::<_, ()>(exec.threads()));
            assert_eq!(alone, Ok(vec![threads]));
        }
    }

    #[test]
    fn the_first_member_has_the_seed_of_the_run() {
        let seeds: Vec<u64> = (0..4).map(|member| member_seed(9, member)).collect();
        assert_eq!(seeds[0], 9);
        let others: Vec<u64> = (0..4).map(|member| member_seed(10, member)).collect();
        let mut all = [seeds, others].concat();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
    }
}
