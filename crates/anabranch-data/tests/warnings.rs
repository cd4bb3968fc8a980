//! What a user is told about inputs that may be a mistake.

use anabranch_data::{Fractions, Table, TargetColumns, Warning, WarningCode, prepare};
use anabranch_tensor::Executor;

fn warnings(csv: &str) -> Vec<Warning> {
    let table = Table::from_reader("t.csv", csv.as_bytes()).unwrap();
    let columns = TargetColumns::new().regress(["y"]).classify("c");
    prepare::<f64>(&Executor::serial(), &table, &columns, Fractions::default(), 1).unwrap().warnings
}

/// 400 rows of a noisy number, a class that it decides, and what `cell` gives.
fn with_input(cell: impl Fn(i64, &str) -> String) -> String {
    let row = |i: i64| {
        let (y, class) = (i * 37 % 101, if i * 37 % 101 > 50 { "high" } else { "low" });
        format!("{}.5,{y},{class},{}\n", i * 29 % 53, cell(y, class))
    };
    "x,y,c,z\n".to_owned() + &(0..400).map(row).collect::<String>()
}

#[test]
fn inputs_that_give_a_target_away_are_named() {
    let given_away = |cell: &dyn Fn(i64, &str) -> String| -> Vec<String> {
        let found = warnings(&with_input(cell));
        let about = found.into_iter().filter(|w| w.code == WarningCode::TargetGiveaway);
        about.map(|w| w.message.split(" AWAY").next().unwrap().to_owned()).collect()
    };
    let of = |target: &str| format!("column \"z\" GIVES THE TARGET {target:?}");
    // Another unit, which orders the classes too; a power; a code of the class; its first letter.
    assert_eq!(given_away(&|y, _| format!("{}.25", 2 * y + 7)), [of("y"), of("c")]);
    assert_eq!(given_away(&|y, _| format!("{}.5", y * y * y)), [of("y"), of("c")]);
    assert_eq!(given_away(&|_, class| if class == "low" { "7.5" } else { "3" }.into()), [of("c")]);
    assert_eq!(given_away(&|_, class| class[..1].into()), [of("c")]);
    // What is only near it, or mostly right, gives nothing away.
    assert!(given_away(&|y, _| format!("{}.5", y + y * 13 % 23)).is_empty());
    let mostly = |y: i64, class: &str| if y % 10 == 3 { "l".into() } else { class[..1].to_owned() };
    assert!(given_away(&mostly).is_empty());
}

#[test]
fn numbers_that_seem_to_stand_for_missing_values_are_named() {
    let cell =
        |y: i64, _: &str| if y % 10 == 3 { "-9999".into() } else { format!("{}.5", y * 7 % 19) };
    let found = warnings(&with_input(cell));
    let Warning { code, column, text, .. } = found.last().unwrap();
    assert_eq!(*code, WarningCode::Sentinel);
    assert_eq!((column.as_deref(), text.as_deref()), (Some("z"), Some("-9999")));
}
