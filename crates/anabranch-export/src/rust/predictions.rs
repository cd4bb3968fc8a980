//! What is predicted: `Prediction`, the labels, and `predict`.

use anabranch_data::{RegressionTarget, TargetScale, TaskTarget};

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
    /// The most probable label, and the name of the list of them.
    Label { labels: &'a [String], list: String },
    /// The probability of each label.
    Probabilities { labels: &'a [String] },
}

impl<'a> Predicted<'a> {
    /// The fields of all tasks.
    pub(super) fn of(tasks: &'a [TaskTarget]) -> Vec<Self> {
        let mut names = Names::default();
        let mut fields = Vec::new();
        for (task, target) in tasks.iter().enumerate() {
            for (place, column) in target.regression().iter().enumerate() {
                let name = names.variable(&format!("{}_pred", column.column));
                fields.push(Self { name, kind: Kind::Number { place, column }, task });
            }
            if let TaskTarget::Classification(class) = target {
                let labels = class.labels.as_slice();
                let name = names.variable(&format!("{}_pred", class.column));
                let list = names.variable(&format!("{}_labels", class.column)).to_uppercase();
                fields.push(Self { name, kind: Kind::Label { labels, list }, task });
                let name = names.variable(&format!("{}_p", class.column));
                fields.push(Self { name, kind: Kind::Probabilities { labels }, task });
            }
        }
        fields
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
    for Predicted { name, kind, task } in fields {
        let Predictors { networks, linear, temperature } = &predictors[*task];
        let averaged = |mean: &str, call: &dyn Fn(&str) -> String| {
            let calls: Vec<String> = networks.iter().map(|output| call(output)).collect();
            let mean = format!("{mean}([{}])", calls.join(", "));
            match linear {
                None => mean,
                Some((share, line)) => format!("blended({mean}, {}, {share:?})", call(line)),
            }
        };
        match kind {
            Kind::Number { place, column } => {
                source +=
                    &format!("    /// {:?}, in its unit.\n    pub {name}: f64,\n", column.column);
                let scale = name.to_uppercase();
                statics += &knots(column, &scale);
                let value = averaged("mean", &|output| {
                    format!("[{}]", in_units(column, &format!("{output}[{place}]"), &scale))
                });
                inits += &format!("        {name}: {value}[0],\n");
            }
            Kind::Label { labels, list: constant } => {
                source += &format!(
                    "    /// The most probable class: its place in [`{constant}`].\n    pub {name}: usize,\n"
                );
                statics += &format!(
                    "\n/// The classes of [`Prediction::{name}`].\n#[rustfmt::skip]\npub static {constant}: [&str; {}] = ",
                    labels.len()
                );
                list(&mut statics, 0, &literals(labels));
                statics += ";\n";
                let mean = averaged("mean", &|output| format!("softmax(&{output})"));
                let probabilities = match temperature {
                    None => mean,
                    Some(temperature) => format!("tempered({mean}, {temperature:?})"),
                };
                lets += &format!("    let class_{task} = {probabilities};\n");
                inits += &format!("        {name}: largest(&class_{task}),\n");
            }
            Kind::Probabilities { labels } => {
                source += &format!(
                    "    /// The probability of each class.\n    pub {name}: [f32; {}],\n",
                    labels.len()
                );
                inits += &format!("        {name}: class_{task}.map(|p| p as f32),\n");
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

/// The number that an output means: [`RegressionTarget::predicted`].
fn in_units(column: &RegressionTarget, output: &str, scale: &str) -> String {
    let RegressionTarget { mean, std, .. } = column;
    let u = format!("f64::from({output}) * {std:?} + {mean:?}");
    let value = match &column.scale {
        TargetScale::Standard | TargetScale::None => format!("({u})"),
        TargetScale::Log1p => format!("from_log1p({u})"),
        TargetScale::RankNormal { .. } => format!("on_lines({u}, &{scale}_KNOTS)"),
    };
    match column.bounds() {
        None => value,
        Some([low, high]) => format!("{value}.clamp({low:?}, {high:?})"),
    }
}

fn knots(column: &RegressionTarget, scale: &str) -> String {
    let TargetScale::RankNormal { knots } = &column.scale else { return String::new() };
    let mut source = format!(
        "\n/// Numbers, and what they are on the network's scale.\n#[rustfmt::skip]\nstatic {scale}_KNOTS: [[f64; 2]; {}] = ",
        knots.len()
    );
    list(&mut source, 0, &literals(knots));
    source + ";\n"
}
