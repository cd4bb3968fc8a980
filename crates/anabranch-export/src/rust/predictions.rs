//! What is predicted: `Prediction`, the labels, and `predict`.

use anabranch_data::{RegressionTarget, TargetScale, TaskTarget};
use anabranch_train::{Coverage, IntervalRule, Model};

use crate::network::Predictors;

use super::names::Names;
use super::source::{list, literals};

/// A field of `Prediction`.
pub(super) struct Predicted<'a> {
    /// The field's name.
    pub(super) name: String,
    pub(super) kind: Kind<'a>,
    pub(super) task: usize,
}

/// What a field is.
pub(super) enum Kind<'a> {
    /// A column of a regression: its place in the head's output.
    Number { place: usize, column: &'a RegressionTarget },
    /// How far the networks are apart in it; `of` is its field.
    Deviation { place: usize, column: &'a RegressionTarget, of: String },
    /// Where its interval begins and ends.
    Interval { place: usize, column: &'a RegressionTarget, of: String, rule: IntervalRule },
    /// The most probable label, and the name of the list of them.
    Label { labels: &'a [String], list: String },
    /// The probability of each label.
    Probabilities { labels: &'a [String] },
    /// How far the networks are apart in that of the most probable one.
    ClassDeviation,
    /// Which labels are in the set.
    Set { labels: &'a [String], limit: f64 },
}

impl<'a> Predicted<'a> {
    /// The fields of all tasks.
    pub(super) fn of(model: &'a Model, coverage: Option<&Coverage<'_>>) -> Vec<Self> {
        let mut names = Names::default();
        let mut fields = Vec::new();
        let is_ensemble = model.members().len() > 1;
        for (task, target) in model.targets().tasks().iter().enumerate() {
            let mut add = |name: String, kind| fields.push(Self { name, kind, task });
            for (place, column) in target.regression().iter().enumerate() {
                let mut named = |what| names.variable(&format!("{}_{what}", column.column));
                let of = named("pred");
                add(of.clone(), Kind::Number { place, column });
                if is_ensemble {
                    let of = of.clone();
                    add(named("std"), Kind::Deviation { place, column, of });
                }
                if let Some(coverage) = coverage {
                    let rule = coverage.interval_rule(task, place);
                    add(named("interval"), Kind::Interval { place, column, of, rule });
                }
            }
            if let TaskTarget::Classification(class) = target {
                let labels = class.labels.as_slice();
                let mut named = |what| names.variable(&format!("{}_{what}", class.column));
                let name = named("pred");
                let list = named("labels").to_uppercase();
                add(name, Kind::Label { labels, list });
                add(named("p"), Kind::Probabilities { labels });
                if is_ensemble {
                    add(named("std"), Kind::ClassDeviation);
                }
                if let Some(coverage) = coverage {
                    add(named("set"), Kind::Set { labels, limit: coverage.set_limit(task) });
                }
            }
        }
        fields
    }

    /// What the field holds, and its type.
    fn described(&self) -> (String, String) {
        match &self.kind {
            Kind::Number { column, .. } => {
                (format!("{:?}, in its unit.", column.column), "f64".into())
            }
            Kind::Deviation { of, .. } => (
                format!(
                    "How far the networks are apart in `{of}`: their sample standard deviation."
                ),
                "f64".into(),
            ),
            Kind::Interval { of, .. } => {
                (format!("Where the interval around `{of}` begins and ends."), "[f64; 2]".into())
            }
            Kind::Label { list, .. } => {
                (format!("The most probable class: its place in [`{list}`]."), "usize".into())
            }
            Kind::Probabilities { labels } => {
                ("The probability of each class.".into(), format!("[f32; {}]", labels.len()))
            }
            Kind::ClassDeviation => (
                "How far the networks are apart in the probability of the most probable class."
                    .into(),
                "f64".into(),
            ),
            Kind::Set { labels, .. } => (
                "Which classes are in the set that holds the truth as often as was asked for."
                    .into(),
                format!("[bool; {}]", labels.len()),
            ),
        }
    }
}

/// `predictors` are expressions, for each task.
pub(super) fn write(
    fields: &[Predicted<'_>],
    predictors: &[Predictors],
    calls: &str,
    row: &str,
) -> String {
    let mut source = "\n/// What is predicted for a row.\n#[derive(Clone, Copy, Debug, PartialEq)]\npub struct Prediction {\n".to_owned();
    let (mut statics, mut lets, mut inits) = (String::new(), String::new(), String::new());
    for field in fields {
        let Predicted { name, kind, task } = field;
        let (what, of_type) = field.described();
        source += &format!("    /// {what}\n    pub {name}: {of_type},\n");
        let Predictors { networks, linear, temperature } = &predictors[*task];
        let is_ensemble = networks.len() > 1;
        // What each network gives as `all`, and the mean of that and of a linear model.
        let mut averaged = |all: &str, call: &dyn Fn(&str) -> String| {
            let calls: Vec<String> = networks.iter().map(|output| call(output)).collect();
            lets += &format!("    let {all} = [{}];\n", calls.join(", "));
            let mean = format!("mean({all})");
            match linear {
                None => mean,
                Some((share, line)) => format!("blended({mean}, {}, {share:?})", call(line)),
            }
        };
        match kind {
            Kind::Number { place, column } => {
                statics += &knots(column, name);
                let value = averaged(&format!("all_{name}"), &|output| {
                    let output = format!("f64::from({output}[{place}])");
                    format!("[{}]", in_units(column, &output, name))
                });
                lets += &format!("    let [{name}] = {value};\n");
                inits += &format!("        {name},\n");
            }
            Kind::Deviation { of, .. } => {
                inits += &format!("        {name}: deviation(all_{of})[0],\n");
            }
            Kind::Interval { column, of, rule, .. } => {
                let value = interval(column, of, rule, is_ensemble);
                inits += &format!("        {name}: {value},\n");
            }
            Kind::Label { labels, list: constant } => {
                statics += &format!(
                    "\n/// The classes of [`Prediction::{name}`].\n#[rustfmt::skip]\npub static {constant}: [&str; {}] = ",
                    labels.len()
                );
                list(&mut statics, 0, &literals(labels));
                statics += ";\n";
                let all = format!("all_{task}");
                let mean = averaged(&all, &|output| format!("softmax(&{output})"));
                let probabilities = match temperature {
                    None => mean,
                    Some(temperature) => format!("tempered({mean}, {temperature:?})"),
                };
                lets += &format!("    let class_{task} = {probabilities};\n");
                inits += &format!("        {name}: largest(&class_{task}),\n");
            }
            Kind::Probabilities { .. } => {
                inits += &format!("        {name}: class_{task}.map(|p| p as f32),\n");
            }
            Kind::ClassDeviation => {
                inits +=
                    &format!("        {name}: deviation(all_{task})[largest(&class_{task})],\n");
            }
            Kind::Set { limit, .. } => {
                inits += &format!("        {name}: set(&class_{task}, {limit:?}),\n");
            }
        }
    }
    source
        + "}\n"
        + &statics
        + "\n/// Predicts a row.\n///\n/// # Errors\n/// If a number is infinite, or absurdly far outside what training saw.\n#[rustfmt::skip]\n"
        + &format!(
            "pub fn predict(row: &{row}) -> Result<Prediction, OutOfRange> {{\n    let x = encode(row)?;\n{calls}{lets}    Ok(Prediction {{\n{inits}    }})\n}}\n"
        )
}

/// Both ends of the interval around the prediction that the field `of` holds.
fn interval(column: &RegressionTarget, of: &str, rule: &IntervalRule, is_ensemble: bool) -> String {
    let IntervalRule { limit, spread } = rule;
    let RegressionTarget { mean, std, .. } = column;
    match spread {
        None => {
            let u = match &column.scale {
                TargetScale::Standard | TargetScale::None => of.to_owned(),
                TargetScale::Log1p => format!("to_log1p({of})"),
                TargetScale::RankNormal { .. } => {
                    format!("on_lines({of}, [0, 1], &{}_KNOTS)", of.to_uppercase())
                }
            };
            let z = format!("(({u} - {mean:?}) / {std:?})");
            let end = |sign: &str| in_units(column, &format!("({z} {sign} {limit:?})"), of);
            format!("[{}, {}]", end("-"), end("+"))
        }
        Some(spread) => {
            let width = match is_ensemble {
                true => format!("deviation(all_{of})[0] + {spread:?}"),
                false => format!("{spread:?}"),
            };
            let half = format!("{limit:?} * ({width})");
            let end = |sign: &str| within_bounds(column, format!("({of} {sign} {half})"));
            format!("[{}, {}]", end("-"), end("+"))
        }
    }
}

/// The number that an output means: [`RegressionTarget::predicted`].
fn in_units(column: &RegressionTarget, output: &str, field: &str) -> String {
    let RegressionTarget { mean, std, .. } = column;
    let u = format!("{output} * {std:?} + {mean:?}");
    let value = match &column.scale {
        TargetScale::Standard | TargetScale::None => format!("({u})"),
        TargetScale::Log1p => format!("from_log1p({u})"),
        TargetScale::RankNormal { .. } => {
            format!("on_lines({u}, [1, 0], &{}_KNOTS)", field.to_uppercase())
        }
    };
    within_bounds(column, value)
}

/// What training saw no number beyond.
fn within_bounds(column: &RegressionTarget, value: String) -> String {
    match column.bounds() {
        None => value,
        Some([low, high]) => format!("{value}.clamp({low:?}, {high:?})"),
    }
}

fn knots(column: &RegressionTarget, field: &str) -> String {
    let TargetScale::RankNormal { knots } = &column.scale else { return String::new() };
    let mut source = format!(
        "\n/// Numbers, and what they are on the network's scale.\n#[rustfmt::skip]\nstatic {}_KNOTS: [[f64; 2]; {}] = ",
        field.to_uppercase(),
        knots.len()
    );
    list(&mut source, 0, &literals(knots));
    source + ";\n"
}
