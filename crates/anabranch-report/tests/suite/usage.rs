//! Which columns a model uses, on data where that is known.

use anabranch_data::{Executor, TargetColumns};
use anabranch_report::{Findings, Values};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_train::Model;

use crate::runs::Trained;

/// y follows a and the category, c follows b, and `noise` says nothing.
fn table() -> String {
    let mut random = Random::new(5, Purpose::Sample, 0);
    let mut csv = String::from("a,b,noise,kind,y,c\n");
    for _ in 0..400 {
        let [a, b, noise] = [0; 3].map(|_| random.normal());
        let kind = random.below(3) as usize;
        let y = 10.0 * a + [0.0, 20.0, 40.0][kind] + 0.1 * random.normal();
        let c = if b > 0.0 { "yes" } else { "no" };
        csv += &format!("{a:.3},{b:.3},{noise:.3},{},{y:.3},{c}\n", ["p", "q", "r"][kind]);
    }
    csv
}

#[test]
fn columns_that_say_nothing_are_worth_nothing() {
    let columns = TargetColumns::new().regress(["y"]).classify("c");
    let trained = Trained::new(&table(), &columns, 60, 1);
    let exec = Executor::serial();
    let findings = Findings::of(&trained.run(), &exec).unwrap();
    let worth = |column: &str, target: &str| {
        let all = &findings.importance;
        let found = all.iter().find(|i| i.column == column && i.target == target).unwrap();
        assert!(found.deviation >= 0.0 && found.deviation < 10.0);
        found.mean
    };
    // What a column adds to y has the deviation s: 10 of a, and 20·√(2/3) of the category.
    // Permuted, it adds 2s² to the squared error. The network is not exact, and the rows are a
    // sample of 80.
    let run = trained.run();
    let rmse = run.metrics[0].regression()[0].rmse.unwrap();
    for (column, s) in [("a", 10.0), ("kind", 20.0 * f64::sqrt(2.0 / 3.0))] {
        let (worth, expected) = (worth(column, "y"), (rmse * rmse + 2.0 * s * s).sqrt() - rmse);
        assert!((worth - expected).abs() < 0.25 * expected, "{column}: {worth} for {expected}");
    }
    assert!(worth("noise", "y").abs() < 0.5);
    assert!(worth("b", "c") > 0.5 && worth("noise", "c").abs() < 0.1);
    assert_eq!(Findings::of(&trained.run(), &Executor::new(3).unwrap()).unwrap(), findings);

    // Partial dependence: 20 from one category to the next, and a slope of 10 along a.
    let along = |column: &str| {
        findings.dependence.iter().find(|d| d.column == column && d.target == "y").unwrap()
    };
    let kinds = along("kind");
    let Values::Names(names) = &kinds.values else { panic!("{kinds:?}") };
    let of = |name: &str| kinds.curves[0].mean[names.iter().position(|n| n == name).unwrap()];
    for (name, expected) in [("q", 20.0), ("r", 40.0)] {
        let found = of(name) - of("p");
        assert!((found - expected).abs() < 3.0, "{name}: {found}");
    }
    let a = along("a");
    let Values::Numbers(values) = &a.values else { panic!("{a:?}") };
    assert!(values.windows(2).all(|pair| pair[0] < pair[1]));
    let (first, last) = (values.len() / 4, 3 * values.len() / 4);
    let mean = &a.curves[0].mean;
    let slope = (mean[last] - mean[first]) / (values[last] - values[first]);
    assert!((slope - 10.0).abs() < 1.5, "{slope}");
    assert!(a.curves[0].rows.iter().all(|row| row.len() == values.len()));
}

/// Ten shops are as frequent as all 150 others. y is 4 higher from one of ten to the next.
#[test]
fn a_column_of_many_categories_is_followed_along_its_most_frequent_ones() {
    let mut random = Random::new(6, Purpose::Sample, 0);
    let mut csv = String::from("shop,noise,y\n");
    for i in 0..1500 {
        let shop = if i % 2 == 0 { i / 2 % 10 } else { 10 + i / 2 % 150 };
        let [noise, error] = [0; 2].map(|_| random.normal());
        csv += &format!("s{shop},{noise:.3},{:.3}\n", f64::from(shop % 10 * 4) + error);
    }
    let trained = Trained::new(&csv, &TargetColumns::new().regress(["y"]), 40, 1);
    let dependence = Findings::of(&trained.run(), &Executor::serial()).unwrap().dependence;
    let shops = dependence.iter().find(|d| d.column == "shop").unwrap();
    let Values::Names(names) = &shops.values else { panic!("{shops:?}") };
    let number = |name: &String| name[1..].parse::<u32>().unwrap();
    // Shops at either end have the same normal score, and the first of them stands for all.
    assert!(names[..7].iter().all(|name| number(name) < 10), "{names:?}");
    let mut along: Vec<(u32, f64)> =
        names[..7].iter().map(number).zip(shops.curves[0].mean.iter().copied()).collect();
    along.sort_by_key(|(number, _)| *number);
    assert!(along.is_sorted_by(|a, b| a.1 < b.1), "{along:?}");
}

/// Without a join that has weights, a model predicts as with weights of 0.
#[test]
fn a_model_without_a_join_is_one_whose_join_has_no_weight() {
    let columns = TargetColumns::new().regress(["y"]).classify("c");
    let trained = Trained::new(&table(), &columns, 5, 2);
    let run = trained.run();
    let joins = Findings::of(&run, &Executor::serial()).unwrap().joins;
    assert_eq!((joins.len(), joins[0].from, joins[0].task), (1, 0, 1));

    let model = &trained.model;
    let weights = model.graph().param("task 1.join.task 0.weight").unwrap().range.clone();
    let mut members = model.members().to_vec();
    for snapshot in members.iter_mut().flat_map(|member| &mut member.snapshots) {
        assert!(snapshot.params[weights.clone()].iter().any(|weight| *weight != 0.0));
        snapshot.params[weights.clone()].fill(0.0);
    }
    let (encoder, targets) = (model.encoder().clone(), model.targets().clone());
    let other = Model::new(model.river().clone(), members, encoder, targets).unwrap();
    let data = &trained.prepared.dataset;
    let metrics = other.metrics(data, &data.split.test, model.targets());
    assert_eq!(joins[0].without, metrics[1]);
    assert_ne!(joins[0].without, run.metrics[1]);
}
