//! Test vectors: rows that visit what the encoder knows, with the predictions of the model.

use anabranch_data::{Cell, DateFormat, Encoding, InputColumn};
use anabranch_train::{Coverage, Model, Prediction};

use super::encode::Field;
use super::predictions::{Kind, Predicted};
use super::source::{list, literals, number};
use crate::calendar::{self, SECONDS_A_DAY};
use crate::error::ExportError;

/// Rows, unless a column has more categories.
const MIN_ROWS: usize = 16;
const MAX_ROWS: usize = 64;

/// A cell as the model reads it and as the file's `Row` has it.
enum Value {
    Number(f64),
    Text(Option<String>),
    /// Seconds since 1970, and how the table writes them; NaN is missing.
    Date(f64, String),
}

impl Value {
    fn cell(&self) -> Cell<'_> {
        match self {
            Self::Number(number) => Cell::Number(*number),
            Self::Text(Some(text)) | Self::Date(_, text) => Cell::Text(text),
            Self::Text(None) => Cell::Missing,
        }
    }

    fn literal(&self) -> String {
        match self {
            Self::Number(value) | Self::Date(value, _) => number(*value),
            Self::Text(text) => format!("{text:?}"),
        }
    }
}

/// The module `tests` of the file.
pub(super) fn write(
    model: &Model,
    coverage: Option<&Coverage<'_>>,
    fields: &[Field<'_>],
    predicted: &[Predicted<'_>],
) -> Result<String, ExportError> {
    let choices: Vec<Vec<Value>> =
        fields.iter().map(|field| choices(field.column, &field.column.encoding)).collect();
    let most = choices.iter().map(Vec::len).max().unwrap_or(0);
    let mut cases = String::new();
    let mut prediction = model.prediction();
    let n_rows = most.clamp(MIN_ROWS, MAX_ROWS);
    for row in 0..n_rows {
        // Every choice of a column meets others of the next one each time.
        let values = choices.iter().enumerate().map(|(j, of_column)| {
            &of_column[(row + row / of_column.len() * (j + 1) + j) % of_column.len()]
        });
        let values: Vec<&Value> = values.collect();
        let named = fields.iter().zip(&values);
        let cells: Vec<(&str, Cell<'_>)> = named
            .clone()
            .map(|(field, value)| (field.column.name.as_str(), value.cell()))
            .collect();
        model
            .predict_row(&cells, &mut prediction)
            .map_err(|reason| ExportError::TestRow { reason })?;
        let inputs: Vec<String> =
            named.map(|(field, value)| format!("{}: {}", field.name, value.literal())).collect();
        let outputs = predicted.iter().map(|field| {
            let value = value(field, &prediction, coverage);
            format!("{}: {value}", field.name)
        });
        let outputs: Vec<String> = outputs.collect();
        cases += &format!(
            "            (\n                Row {{ {} }},\n                Prediction {{ {} }},\n            ),\n",
            inputs.join(", "),
            outputs.join(", ")
        );
    }
    let near = |name: &str, unit: f64| {
        format!(
            "            assert!(is_near(found.{name}, expected.{name}, {unit:?}), \"{{row:?}} {{found:?}}\");\n"
        )
    };
    let all_near = |name: &str, unit: f64| {
        format!(
            "            for (found, expected) in found.{name}.iter().zip(&expected.{name}) {{\n                assert!(is_near((*found).into(), (*expected).into(), {unit:?}), \"{{row:?}} {{found}} {{expected}}\");\n            }}\n"
        )
    };
    let checks = predicted.iter().map(|Predicted { name, kind, .. }| match kind {
        Kind::Number { column, .. } | Kind::Deviation { column, .. } => near(name, column.unit()),
        Kind::Interval { column, .. } => all_near(name, column.unit()),
        Kind::Probabilities { .. } => all_near(name, 1.0),
        Kind::ClassDeviation => near(name, 1.0),
        Kind::Label { .. } | Kind::Set { .. } => {
            format!("            assert_eq!(found.{name}, expected.{name}, \"{{row:?}}\");\n")
        }
    });
    let checks: String = checks.collect();
    Ok(format!(
        "
#[cfg(test)]
mod tests {{
    use super::*;

    /// Within a millionth of the number, or of the deviation of its column.
    fn is_near(found: f64, expected: f64, deviation: f64) -> bool {{
        (found - expected).abs() <= 1e-6 * expected.abs().max(deviation)
    }}

    /// What `anabranch predict` says about rows with and without missing cells, with categories
    /// that training saw and one that it did not.
    #[rustfmt::skip]
    #[test]
    fn predictions_are_those_of_anabranch() {{
        let cases = [
{cases}        ];
        for (row, expected) in cases {{
            let found = predict(&row).unwrap();
{checks}        }}
    }}
}}
"
    ))
}

/// What the model predicts for a field, as an expression.
fn value(
    Predicted { kind, task, .. }: &Predicted<'_>,
    prediction: &Prediction,
    coverage: Option<&Coverage<'_>>,
) -> String {
    let list_of = |elements: &[String]| {
        let mut text = String::new();
        list(&mut text, 0, elements);
        text
    };
    let class = prediction.class(*task).unwrap_or_default();
    let deviation = |place: usize| prediction.deviations(*task).get(place).copied().unwrap_or(0.0);
    match kind {
        Kind::Number { place, .. } => number(prediction.values(*task)[*place]),
        Kind::Deviation { place, .. } => number(deviation(*place)),
        Kind::ClassDeviation => number(deviation(class)),
        Kind::Interval { place, .. } => {
            let value = prediction.values(*task)[*place];
            let ends = coverage.map(|c| c.interval(*task, *place, value, deviation(*place)));
            list_of(&ends.unwrap_or_default().map(number))
        }
        Kind::Label { .. } => class.to_string(),
        Kind::Probabilities { .. } => list_of(&literals(prediction.probabilities(*task))),
        Kind::Set { labels, .. } => {
            let set = coverage.map(|c| c.set(*task, prediction.probabilities(*task)));
            let is_in =
                (0..labels.len()).map(|class| set.as_ref().is_some_and(|s| s.contains(&class)));
            list_of(&literals(&is_in.collect::<Vec<_>>()))
        }
    }
}

/// Cells of a column: what training saw, more of it, and what it did not.
fn choices(column: &InputColumn, encoding: &Encoding) -> Vec<Value> {
    let numbers = |center: f64, width: f64| {
        let around = [0.0, 1.0, -1.0, 0.25, 2.5, -0.5].map(|z| Value::Number(center + z * width));
        let mut values = Vec::from(around);
        values.push(Value::Number(f64::NAN));
        values
            .extend(column.missing_markers.numbers().first().map(|marker| Value::Number(*marker)));
        values
    };
    match encoding {
        Encoding::NamedNumber { number, names } => {
            let mut values = choices(column, number);
            let names = names.numbers_of_labels().unwrap_or_default();
            values.extend(names.into_iter().map(Value::Number));
            values
        }
        Encoding::Numeric { mean, std, .. } => numbers(*mean, *std),
        Encoding::Robust { median, spread, .. } => numbers(*median, *spread),
        Encoding::Date { mean, std, format, .. } => {
            let days = [0.0, 0.5, -1.0, 1.0, 0.1, -0.37].map(|z| mean + z * std);
            let seconds = days.map(|days| (days * SECONDS_A_DAY) as i64);
            let mut values = Vec::from(
                seconds.map(|seconds| Value::Date(seconds as f64, date_text(*format, seconds))),
            );
            values.push(Value::Date(f64::NAN, String::new()));
            values
        }
        Encoding::Categorical { categories, .. }
        | Encoding::TargetStatistics { categories, .. } => {
            let mut values: Vec<Value> =
                categories.iter().map(|text| Value::Text(Some(text.clone()))).collect();
            values.push(Value::Text(Some("never seen".to_owned())));
            values.push(Value::Text(Some(format!(" {} ", categories[0]))));
            values.push(Value::Text(None));
            values
        }
    }
}

/// A point in time as a column writes it.
fn date_text(format: DateFormat, seconds: i64) -> String {
    let day_len = SECONDS_A_DAY as i64;
    let [year, month, day] = calendar::date(seconds.div_euclid(day_len));
    let second = seconds.rem_euclid(day_len);
    let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    match format {
        DateFormat::YearMonthDay => format!("{year:04}-{month:02}-{day:02} {time}"),
        DateFormat::DayMonthYear => format!("{day}/{month}/{year:04} {time}"),
        DateFormat::MonthDayYear => format!("{month}/{day}/{year:04} {time}"),
        DateFormat::EpochSeconds => seconds.to_string(),
        DateFormat::EpochMilliseconds => format!("{seconds}000"),
    }
}
