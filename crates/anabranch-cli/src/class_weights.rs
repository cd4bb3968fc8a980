//! How much each class counts in a loss: what `--class-weight` asks for.

use anabranch::data::{ClassTarget, TaskTarget};

use crate::flags::{list, non_negative};

/// The weight of each class of a task, in class order, where the flag says `balanced` or
/// `LABEL:X,…`.
///
/// Balanced weights are n/(k·n_c) for a class of n_c training rows, where n rows have one of k
/// classes: all classes then count alike, and the mean weight of the rows is 1. A class without
/// training rows, and one that is not named, has the weight 1.
///
/// # Errors
/// In words, if the task predicts no class, a label is unknown or named twice, or a weight is not a
/// number from 0.
pub(crate) fn class_weights(asked: &str, task: &TaskTarget) -> Result<Vec<f64>, String> {
    let TaskTarget::Classification(class) = task else {
        return Err("it predicts numbers, not a class".to_owned());
    };
    if asked == "balanced" { Ok(balanced(class)) } else { given(asked, class) }
}

fn balanced(class: &ClassTarget) -> Vec<f64> {
    let rows: usize = class.rows.iter().sum();
    let classes = class.rows.iter().filter(|rows| **rows > 0).count();
    let weight = |of_class: &usize| match of_class {
        0 => 1.0,
        n => rows as f64 / (classes * n) as f64,
    };
    class.rows.iter().map(weight).collect()
}

fn given(asked: &str, class: &ClassTarget) -> Result<Vec<f64>, String> {
    let mut weights = vec![None; class.labels.len()];
    for pair in list(asked).map_err(|_| "expected balanced, or LABEL:X,…".to_owned())? {
        let (label, weight) = pair
            .rsplit_once(':')
            .ok_or_else(|| format!("expected balanced, or LABEL:X,… instead of {pair:?}"))?;
        let place =
            class.labels.iter().position(|known| known == label.trim()).ok_or_else(|| {
                let known = class.labels.join("\", \"");
                format!("there is no class {label:?}: the classes are \"{known}\"")
            })?;
        let weight = non_negative()(weight).map_err(|why| format!("{pair}: {why}"))?;
        if weights[place].replace(weight).is_some() {
            return Err(format!("the class {label:?} has two weights"));
        }
    }
    Ok(weights.into_iter().map(|weight| weight.unwrap_or(1.0)).collect())
}

#[cfg(test)]
mod tests {
    use anabranch::data::Targets;

    use super::*;

    fn task() -> TaskTarget {
        let json = r#"{"tasks": [{"classification":
            {"column": "c", "labels": ["a", "b:1", "c,d", "e"], "rows": [1, 0, 4, 4]}}]}"#;
        serde_json::from_str::<Targets>(json).unwrap().tasks()[0].clone()
    }

    /// scikit-learn: `compute_class_weight("balanced", classes=[0, 1, 2], y=[0] + 4*[1] + 4*[2])`
    /// gives 3, 0.75 and 0.75.
    #[test]
    fn balanced_classes_count_alike() {
        assert_eq!(class_weights("balanced", &task()), Ok(vec![3.0, 1.0, 0.75, 0.75]));
    }

    #[test]
    fn labels_are_quoted_as_in_csv_and_may_hold_colons() {
        assert_eq!(class_weights("a:2", &task()), Ok(vec![2.0, 1.0, 1.0, 1.0]));
        let asked = r#"b:1:0.5,"c,d:4",e:0"#;
        assert_eq!(class_weights(asked, &task()), Ok(vec![1.0, 0.5, 4.0, 0.0]));
        for (asked, message) in [
            ("f:1", "there is no class \"f\": the classes are \"a\", \"b:1\", \"c,d\", \"e\""),
            ("a:1,a:2", "the class \"a\" has two weights"),
            ("a:-1", "a:-1: expected a number, at least 0"),
            ("a", "expected balanced, or LABEL:X,… instead of \"a\""),
            ("", "expected balanced, or LABEL:X,…"),
        ] {
            assert_eq!(class_weights(asked, &task()), Err(message.to_owned()), "{asked}");
        }
        let numbers = r#"{"tasks": [{"regression": [{"column": "y", "mean": 0, "std": 1}]}]}"#;
        let numbers = serde_json::from_str::<Targets>(numbers).unwrap();
        assert!(class_weights("balanced", &numbers.tasks()[0]).is_err());
    }
}
