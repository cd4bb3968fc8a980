//! What members that validate by turns tell about rows that they were not trained on.

use anabranch_data::{
    Dataset, Fractions, Prepared, Split, Table, TargetColumns, TaskValues, prepare,
};
use anabranch_graph::{Fusion, TwoBranch};
use anabranch_tensor::Executor;
use anabranch_tensor::random::{Purpose, Random};
use anabranch_train::{
    JudgedTask, LinearModels, Member, Model, NoObserver, TaskMetrics, TrainConfig, TrainError,
    Trainer, Validate, Validation, member_seed,
};

use crate::calibration::noisy;

const MEMBERS: usize = 3;

/// A member that is trained and validated as a split says.
fn member(prepared: &Prepared<f32>, validate: Validate, member: usize) -> Member<f32> {
    let river = TwoBranch::new(prepared.dataset.n_inputs, 8, 1, 8, 2).river();
    let (epochs, batch_size, seed) = (4, 32, member_seed(1, member));
    let config = TrainConfig { epochs, batch_size, seed, ..TrainConfig::default() };
    let exec = Executor::serial();
    let graph = river.build(Fusion::Fused).unwrap();
    let mut trainer = Trainer::new(&prepared.dataset, graph, &config, &exec).unwrap();
    if let Some(split) = validate.split(&prepared.dataset.split, member) {
        trainer = trainer.with_split(split).unwrap();
    }
    trainer.run(&mut NoObserver).unwrap();
    trainer.member()
}

fn model_of(prepared: &Prepared<f32>, members: Vec<Member<f32>>) -> Model {
    let river = TwoBranch::new(prepared.dataset.n_inputs, 8, 1, 8, 2).river();
    Model::new(river, members, prepared.encoder.clone(), prepared.targets.clone()).unwrap()
}

fn model(prepared: &Prepared<f32>, validate: Validate) -> Model {
    model_of(prepared, (0..MEMBERS).map(|i| member(prepared, validate, i)).collect())
}

fn metrics(judged: &[JudgedTask]) -> Vec<TaskMetrics> {
    judged.iter().map(JudgedTask::metrics).collect()
}

/// The RMSE of the first task.
fn rmse(judged: &[JudgedTask]) -> f64 {
    judged[0].metrics().regression()[0].rmse.unwrap()
}

/// A member that validates by a split is one of a data set that is divided so.
#[test]
fn a_split_of_a_member_is_as_good_as_that_of_the_data_set() {
    let mut prepared = noisy(400);
    let by_turns = member(&prepared, Validate::Turns, 1);
    let split = prepared.dataset.split.of_member(1);
    assert_ne!(split.validation, prepared.dataset.split.validation);
    prepared.dataset.split = split;
    assert_eq!(by_turns, member(&prepared, Validate::Shared, 1));
    // The first member has the rows of the data set.
    let first = |prepared| [Validate::Turns, Validate::Shared].map(|how| member(prepared, how, 0));
    let [turns, shared] = first(&noisy(400));
    assert_eq!(turns, shared);
}

#[test]
fn a_split_has_to_fit() {
    let prepared = noisy(60);
    let river = TwoBranch::new(prepared.dataset.n_inputs, 8, 1, 8, 2).river();
    let exec = Executor::serial();
    let with = |change: fn(&mut anabranch_data::Split)| {
        let graph = river.build(Fusion::Fused).unwrap();
        let mut split = prepared.dataset.split.clone();
        change(&mut split);
        let config = TrainConfig::default();
        Trainer::new(&prepared.dataset, graph, &config, &exec)?.with_split(split)
    };
    assert!(matches!(with(|split| split.train.push(60)), Err(TrainError::Data(_))));
    assert!(matches!(with(|split| split.validation.push(60)), Err(TrainError::Data(_))));
    let none = with(|split| split.validation.clear());
    assert!(matches!(none, Err(TrainError::NoValidation { .. })));
    assert!(with(|_| {}).is_ok());
}

/// Turn by turn, rows are those of one member, predicted by it alone.
#[test]
fn each_row_is_judged_by_the_member_that_stopped_by_it() {
    let prepared = noisy(400);
    let data = &prepared.dataset;
    let model = model(&prepared, Validate::Turns);
    let judged = Validation::new(&model, data, Validate::Turns).unwrap().judged(&model);
    let rows: Vec<usize> = (0..2).flat_map(|i| data.split.of_member(i).validation).collect();
    // 120 rows train, as many validate: there are two turns, and the third member shares the first.
    assert_eq!(judged[0].n_judged(), rows.len());
    let alone = |members: &[usize], turn: usize| {
        let members = members.iter().map(|i| model.members()[*i].clone()).collect();
        let rows = data.split.of_member(turn).validation;
        (rmse(&model_of(&prepared, members).judged(data, &rows, &prepared.targets)), rows.len())
    };
    let (first, second) = (alone(&[0, 2], 0), alone(&[1], 1));
    let squares = [first, second].map(|(rmse, n)| rmse * rmse * n as f64).iter().sum::<f64>();
    let together = (squares / rows.len() as f64).sqrt();
    assert!((rmse(&judged) - together).abs() < 1e-9 * together, "{} {together}", rmse(&judged));
    // Shared rows are judged by all.
    let shared = Validation::new(&model, data, Validate::Shared).unwrap().judged(&model);
    let by_all = model.judged(data, &data.split.validation, &prepared.targets);
    assert_eq!(metrics(&shared), metrics(&by_all));
}

/// The linear models of a turn are fitted to the rows that train in it, and those of the model to
/// the rows of all turns.
#[test]
fn linear_models_take_turns_too() {
    let prepared = noisy(400);
    let data = &prepared.dataset;
    let model = model(&prepared, Validate::Turns);
    let mut validation = Validation::new(&model, data, Validate::Turns).unwrap();
    let before = rmse(&validation.judged(&model));
    let first = LinearModels::fit(data);
    let blend = validation.blend(&model, &first).unwrap().unwrap();
    // The number is a line and noise: the line helps rows that it was not fitted to.
    assert!(blend.shares()[0] > 0.0, "{:?}", blend.shares());
    assert!(rmse(&validation.judged(&model)) < before);
    // Weights and bias of the number, which are fitted in closed form, by their error on test rows.
    let rows = &data.split.test;
    let error_of = |train: &[usize]| {
        let split = Split { train: train.to_vec(), ..data.split.clone() };
        let fitted = LinearModels::fit(&Dataset { split, ..data.clone() });
        rmse(&fitted.judged(data, rows, &prepared.targets))
    };
    let of_all = error_of(&[&data.split.train[..], &data.split.validation].concat());
    let (weights, bias) = blend.snapshot().params[..=data.n_inputs].split_at(data.n_inputs);
    let target = &prepared.targets.tasks()[0].regression()[0];
    let TaskValues::Numbers { values, .. } = &data.tasks[0] else { panic!("a number") };
    let square = |row: &usize| {
        let x = &data.x[row * data.n_inputs..][..data.n_inputs];
        let dot: f64 = weights.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
        let error = dot + f64::from(bias[0]) - f64::from(values[*row]);
        (error * target.std).powi(2)
    };
    let found = (rows.iter().map(square).sum::<f64>() / rows.len() as f64).sqrt();
    // Weights of f32.
    assert!((found / of_all - 1.0).abs() < 1e-5, "{found} {of_all}");
    assert!((error_of(&data.split.train) / of_all - 1.0).abs() > 1e-4);
}

/// Of noise, a linear model of as many inputs as rows knows the rows that it was fitted to, and no
/// others: each turn has one that has not seen its rows, so that none counts for much.
#[test]
fn linear_models_have_not_seen_the_rows_that_speak_for_them() {
    let mut random = Random::new(3, Purpose::Sample, 0);
    let mut row = || (0..101).map(|_| format!("{:.3}", random.normal())).collect::<Vec<_>>();
    let names: Vec<String> = (0..100).map(|i| format!("x{i}")).collect();
    let mut csv = names.join(",") + ",y,c\n";
    for i in 0..240 {
        csv += &format!("{},{}\n", row().join(","), i % 2);
    }
    let table = Table::from_reader("noise", csv.as_bytes()).unwrap();
    let columns = TargetColumns::new().regress(["y"]).classify("c");
    let fractions = Fractions { validation: 0.2, test: 0.1 };
    let prepared = prepare(&Executor::serial(), &table, &columns, fractions, 1).unwrap();
    let data = &prepared.dataset;
    assert!(data.split.turns.len() >= MEMBERS - 1);
    let model = model(&prepared, Validate::Turns);
    let mut validation = Validation::new(&model, data, Validate::Turns).unwrap();
    let blend = validation.blend(&model, &LinearModels::fit(data)).unwrap();
    let share = blend.map_or(0.0, |blend| blend.shares()[0]);
    assert!(share < 0.3, "{share}");
}
