//! What a model shows about itself.

use anabranch_data::{Fractions, WarningCode};
use anabranch_train::{Model, examine_model};

use crate::grapes::{model, prepared};

/// The model of the grapes with a change to its parameters.
fn changed(array: &str, change: impl Fn(usize, &mut f32)) -> Model {
    let sound = model();
    let mut members = sound.members().to_vec();
    let range = sound.graph().param(array).unwrap().range.clone();
    let params = &mut members[0].snapshots[0].params;
    params[range].iter_mut().enumerate().for_each(|(i, value)| change(i, value));
    let (encoder, targets) = (sound.encoder().clone(), sound.targets().clone());
    Model::new(sound.river().clone(), members, encoder, targets).unwrap()
}

/// Sums far below 0 are 0 behind a ReLU: of four of the six units, and of two.
#[test]
fn dead_units_are_found() {
    let data = prepared(120, Fractions::default()).dataset;
    let dead = |n: usize| {
        let model = changed("fc1a.bias", |i, b| *b = if i < n { -1e6 } else { *b });
        let found = examine_model(&model, &data);
        found.into_iter().find(|warning| warning.code == WarningCode::DeadUnits)
    };
    let warning = dead(4).unwrap();
    assert!(warning.message.starts_with("4 of the 6 units of layer"), "{warning}");
    assert_eq!((warning.count, warning.share), (Some(4), Some(4.0 / 6.0)));
    assert_eq!(dead(0), None);
}

#[test]
fn a_task_without_progress_is_found() {
    // Rows enough to compare.
    let fractions = Fractions { validation: 0.4, test: 0.2 };
    let data = prepared(120, fractions).dataset;
    let columns = |model: &Model| -> Vec<String> {
        let found = examine_model(model, &data).into_iter();
        let found = found.filter(|warning| warning.code == WarningCode::NoProgress);
        found.filter_map(|warning| warning.column).collect()
    };
    // Three deviations too high.
    let far = changed("fc2a.bias", |_, b| *b = 3.0);
    assert!(columns(&far).contains(&"alcohol".to_owned()));
    assert!(!columns(&model()).contains(&"alcohol".to_owned()));
}
