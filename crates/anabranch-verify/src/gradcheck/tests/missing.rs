//! Rows that lack targets, or count more than others.

use anabranch_graph::RowWeights;
use anabranch_tensor::random::{Purpose, Random};

use super::data::Data;
use super::rivers::four_branches;
use super::*;
use crate::reference::OwnedTarget;

/// Some rows of each head without a target, where a number that must not matter stands; the others
/// weigh the same, or as `weight` says.
fn with_holes(
    data: &mut Data<f32>,
    share: f64,
    weight: impl Fn(&mut Random) -> f32,
) -> Vec<RowWeights<f32>> {
    let mut random = Random::new(5, Purpose::Sample, 0);
    let mut weights = Vec::new();
    for target in &mut data.targets {
        let of_rows: Vec<f32> = (0..data.rows)
            .map(|_| if random.uniform() < share { 0.0 } else { weight(&mut random) })
            .collect();
        for (row, _) in of_rows.iter().enumerate().filter(|(_, weight)| **weight == 0.0) {
            match target {
                OwnedTarget::Values(y) => y.row_mut(row).fill(1e30),
                OwnedTarget::Classes(class) => class[row] = 0,
                OwnedTarget::Probabilities(_) => {}
            }
        }
        weights.push(RowWeights::Each(of_rows));
    }
    weights
}

#[track_caller]
fn passes(instance: &Instance) -> Gradcheck {
    let report = gradcheck(instance, &Executor::new(2).unwrap(), DEFAULT_WORK).unwrap();
    assert!(report.pass && !report.sampled, "{report}");
    assert!(report.tensors.iter().all(|t| t.dual.max(t.by_hand) <= 1e-12), "{report}");
    report
}

#[test]
fn rows_without_a_target_pass_every_route() {
    for river in [network(Join::Add).river(), network(Join::Project).river(), four_branches()] {
        for share in [0.1, 0.6] {
            let mut data = Data::<f32>::new(&river, 24, 3);
            let weights = with_holes(&mut data, share, |_| 1.0);
            let report = passes(&data.instance().with_row_weights(&weights));
            assert_eq!(report.zeros().count(), 0, "{report}");
            let weights = with_holes(&mut data, share, |random| random.uniform() as f32 + 0.01);
            let instance = data.instance().with_row_weights(&weights);
            passes(&instance);
            passes(&instance.perturbed(4));
        }
    }
}

/// The last task has no target: what leads to it alone gets no gradient, and nothing is NaN.
#[test]
fn a_batch_without_any_target_of_a_task_passes() {
    let river = four_branches();
    let mut data = Data::<f32>::new(&river, 24, 3);
    let mut weights = with_holes(&mut data, 0.3, |_| 1.0);
    *weights.last_mut().unwrap() = RowWeights::Each(vec![0.0; 24]);
    let report = passes(&data.instance().with_row_weights(&weights));
    let zeros: Vec<&str> = report.zeros().collect();
    assert!(zeros.len() == 8 && zeros.iter().all(|name| name.starts_with("color.")), "{zeros:?}");
    let loss = report.values.iter().find(|value| value.name == "loss of color").unwrap();
    assert_eq!(loss.error, 0.0);
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let data = Data::<f32>::new(&network(Join::Add).river(), 9, 1);
    for weights in [vec![1.0_f32; 8], vec![-1.0; 9], vec![f32::NAN; 9]] {
        let weights = [RowWeights::Each(weights), RowWeights::Equal];
        let instance = data.instance().with_row_weights(&weights);
        assert!(gradcheck(&instance, &Executor::serial(), 1).is_err());
    }
    let one = data.instance().with_row_weights(&[RowWeights::<f32>::Equal]);
    assert!(gradcheck(&one, &Executor::serial(), 1).is_err());
}
