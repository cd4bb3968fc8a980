//! Intervals, sets and temperatures on a table whose noise is known.

use anabranch_data::{Fractions, Prepared, Table, TargetColumns, prepare};
use anabranch_graph::{Fusion, TwoBranch};
use anabranch_tensor::Executor;
use anabranch_tensor::random::{Purpose, Random};
use anabranch_train::{
    Calibration, CoverageError, MODEL_FILE, Model, NoObserver, TrainConfig, TrainError, Trainer,
    for_each_member, member_seed,
};

use crate::grapes;

/// `y` is `x` and noise of deviation 2, `c` is 1 with the probability σ(x).
pub(crate) fn noisy(n_rows: usize) -> Prepared<f32> {
    let mut random = Random::new(5, Purpose::Sample, 0);
    let mut csv = String::from("x,y,c\n");
    for _ in 0..n_rows {
        let x = 3.0 * random.normal();
        let y = x + 2.0 * random.normal();
        let c = u8::from(random.uniform() < 1.0 / (1.0 + f64::exp(-x)));
        csv += &format!("{x:.3},{y:.3},{c}\n");
    }
    let table = Table::from_reader("noisy", csv.as_bytes()).unwrap();
    let columns = TargetColumns::new().regress(["y"]).classify("c");
    let fractions = Fractions { validation: 0.3, test: 0.4 };
    prepare(&Executor::serial(), &table, &columns, fractions, 1).unwrap()
}

pub(crate) fn ensemble(prepared: &Prepared<f32>) -> Model {
    let river = TwoBranch::new(prepared.dataset.n_inputs, 8, 1, 8, 2).river();
    let members = for_each_member(&Executor::serial(), 2, |member, exec| {
        let (epochs, batch_size, lr, seed) = (12, 32, 0.01, member_seed(1, member));
        let config = TrainConfig { epochs, batch_size, lr, seed, ..TrainConfig::default() };
        let mut trainer =
            Trainer::new(&prepared.dataset, river.build(Fusion::Fused)?, &config, exec)?;
        trainer.run(&mut NoObserver)?;
        Ok::<_, TrainError>(trainer.member())
    });
    let (encoder, targets) = (prepared.encoder.clone(), prepared.targets.clone());
    Model::new(river, members.unwrap(), encoder, targets).unwrap()
}

fn calibrated(prepared: &Prepared<f32>) -> Model {
    let (model, data) = (ensemble(prepared), &prepared.dataset);
    let judged = model.judged(data, &data.split.validation, &prepared.targets);
    model.with_calibration(Calibration::fit(&judged).0.stating(Some(0.8))).unwrap()
}

/// The share is that of 1,200 rows, by limits from 900 others: its standard deviation is at most
/// √(¼/1200 + ¼/900) = 0.022.
#[test]
fn the_truth_is_covered_as_often_as_asked() {
    let prepared = noisy(3000);
    let (model, data) = (calibrated(&prepared), &prepared.dataset);
    let judged = model.judged(data, &data.split.test, &prepared.targets);
    for share in [0.5, 0.8, 0.9, 0.95] {
        let covered = model.coverage(share).unwrap().judge(&judged, &prepared.targets);
        let columns: Vec<&str> = covered.iter().map(|covered| covered.column.as_str()).collect();
        assert_eq!(columns, ["y", "c"]);
        let found: Vec<f64> = covered.iter().map(|covered| covered.share.unwrap()).collect();
        assert!((found[0] - share).abs() < 0.06, "{share} {found:?}");
        // No set is empty: with half of the classes right anyway, a lower share is exceeded.
        let accuracy = judged[1].metrics().classification().unwrap().accuracy.unwrap();
        assert!((found[1] - share.max(accuracy)).abs() < 0.06, "{share} {accuracy} {found:?}");
    }
    // Normal noise of deviation 2: 90.5 %, of 900 rows, lie within 1.67 of these, on both sides;
    // the networks' own errors add a tenth.
    let width = model.coverage(0.9).unwrap().judge(&judged, &prepared.targets)[0].size.unwrap();
    assert!((width - 1.1 * 2.0 * 1.67 * 2.0).abs() < 0.4, "{width}");
}

#[test]
fn a_calibration_comes_back_with_its_model() {
    let model = calibrated(&noisy(400));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(MODEL_FILE);
    model.save(&file).unwrap();
    let back = Model::load(&file).unwrap();
    assert_eq!(back.calibration(), model.calibration());
    assert_eq!(back.calibration().coverage(), Some(0.8));
    let [a, b] = [&model, &back].map(|model| model.coverage(0.8).unwrap());
    assert_eq!(a.interval(0, 0, 1.5, 0.25), b.interval(0, 0, 1.5, 0.25));
    assert_eq!(a.set(1, &[0.3, 0.7]), b.set(1, &[0.3, 0.7]));
    let other = grapes::model();
    let error = other.with_calibration(model.calibration().clone()).unwrap_err();
    assert!(matches!(error, TrainError::Calibration), "{error}");
}

#[test]
fn too_few_rows_have_no_intervals() {
    assert_eq!(grapes::model().coverage(0.9).unwrap_err(), CoverageError::NotCalibrated);
    // Thirty rows: 0.96 takes 24 of them, 0.97 takes 33.
    let model = calibrated(&noisy(100));
    model.coverage(0.96).unwrap();
    let error = model.coverage(0.97).unwrap_err();
    let CoverageError::TooFewRows { n_rows, needed, .. } = &error else { panic!("{error}") };
    assert_eq!((*n_rows, *needed), (30, 33));
    for share in [0.0, 1.0, f64::NAN] {
        let error = model.coverage(share).unwrap_err();
        assert!(matches!(error, CoverageError::Share(_)), "{error}");
    }
}

/// The bits of probabilities are other ones, their order is not.
#[test]
fn a_temperature_changes_how_sure_a_model_is() {
    let model = ensemble(&noisy(400));
    let x: Vec<f32> = (-20..20).map(|i| i as f32 / 10.0).collect();
    let before = model.predict_encoded(&x);
    let scores = r#"{ "n_rows": 1, "sorted": [0.5] }"#;
    let json = format!(
        r#"{{ "temperatures": [null, 2.0],
             "scores": [{{ "numbers": [{{ "scores": {scores} }}] }}, {{ "class": {scores} }}] }}"#
    );
    let model = model.with_calibration(serde_json::from_str(&json).unwrap()).unwrap();
    let after = model.predict_encoded(&x);
    for row in 0..x.len() {
        let [before, after] = [before.row(row), after.row(row)];
        assert_eq!((before.values(0), before.class(1)), (after.values(0), after.class(1)));
        let odds = |p: &[f32]| (p[1] / p[0]).ln();
        let (hot, cold) = (odds(after.probabilities(1)), odds(before.probabilities(1)));
        // Four digits of a quotient of single-precision numbers.
        assert!((2.0 * hot - cold).abs() < 1e-4 * cold.abs().max(1.0), "{hot} {cold}");
    }
}
