//! `anabranch predict --data -` with lines of JSON: an object in, the same with predictions out.

use std::fmt::Display;
use std::io::BufRead;

use anabranch::data::{RowNotes, Warning, WarningCode};
use anabranch::train::{Coverage, Model, Prediction};
use serde_json::{Map, Value};

use crate::covered;
use crate::failure::Failure;
use crate::out_file::{OutFile, Reader};

/// Whether standard input begins with an object.
pub(crate) fn are_next() -> bool {
    let mut stdin = std::io::stdin().lock();
    let start = stdin.fill_buf().unwrap_or_default();
    start.trim_ascii_start().starts_with(b"{")
}

/// Predicts each line of `input`, and writes it before the next is read. `names` are those of the
/// predictions. Returns the number of lines, and what is to be said about their cells.
pub(crate) fn predict(
    model: &Model,
    coverage: Option<&Coverage<'_>>,
    names: &[String],
    input: impl BufRead,
    output: &mut OutFile<'_>,
) -> Result<(usize, Vec<Warning>), Failure> {
    let (mut n_lines, mut notes) = (0, RowNotes::default());
    let mut prediction = model.prediction();
    for (number, line) in (1..).zip(input.lines()) {
        let wrong = |message: &dyn Display| {
            Failure::input(format!("stdin: line {number}: {message}")).on_line(number)
        };
        let line = line.map_err(|error| wrong(&error))?;
        if line.trim().is_empty() {
            continue;
        }
        let mut object: Map<String, Value> = serde_json::from_str(&line)
            .map_err(|error| wrong(&format!("expected a JSON object ({error})")))?;
        let of_row = model.predict_record(&object, &mut prediction).map_err(|e| wrong(&e))?;
        notes.unseen_categories += of_row.unseen_categories;
        notes.unreadable += of_row.unreadable;
        notes.outside += of_row.outside;
        for (name, value) in names.iter().zip(values(model, coverage, &prediction)) {
            if value.is_null() {
                return Err(Failure::on_the_way(format!(
                    "stdin: line {number}: {name:?} is not finite: is a number far outside what training saw, or the model damaged?"
                ))
                .coded("not_finite")
                .on_line(number));
            }
            if object.insert(name.clone(), value).is_some() {
                return Err(wrong(&format!("a prediction would be named {name:?}: rename it")));
            }
        }
        let line = Value::Object(object).to_string() + "\n";
        if output.write(line.as_bytes())? == Reader::Gone {
            break;
        }
        n_lines += 1;
    }
    Ok((n_lines, warnings(notes)))
}

/// The values of a row's predictions, in the order of their names; null where one is not finite.
fn values(model: &Model, coverage: Option<&Coverage<'_>>, prediction: &Prediction) -> Vec<Value> {
    let mut values = Vec::new();
    for (task, target) in model.targets().tasks().iter().enumerate() {
        let deviations = prediction.deviations(task);
        values.extend(model.label(task, prediction).map(Value::from));
        values.extend(prediction.values(task).iter().map(|number| Value::from(*number)));
        values.extend(prediction.probabilities(task).iter().map(|p| Value::from(shortest(*p))));
        match prediction.class(task) {
            Some(class) => values.extend(deviations.get(class).map(|std| Value::from(*std))),
            None => values.extend(deviations.iter().map(|std| Value::from(*std))),
        }
        let Some(coverage) = coverage else { continue };
        match prediction.class(task) {
            Some(_) => {
                let probabilities = prediction.probabilities(task);
                values.push(covered::set(coverage, task, target, probabilities).into());
            }
            None => {
                let numbers = prediction.values(task);
                let ends = covered::intervals(coverage, task, numbers, deviations);
                values.extend(ends.map(Value::from));
            }
        }
    }
    values
}

/// The number with the few digits that a single-precision one has.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::NAN)
}

fn warnings(notes: RowNotes) -> Vec<Warning> {
    let RowNotes { unseen_categories, unreadable, outside } = notes;
    let all = [
        (
            WarningCode::UnseenCategories,
            unseen_categories,
            "cells with a category that training saw rarely or never",
        ),
        (
            WarningCode::Unreadable,
            unreadable,
            "cells that are neither missing nor of their column's kind, counted as missing",
        ),
        (WarningCode::OutsideTraining, outside, "numbers far outside what training saw"),
    ];
    let found = all.into_iter().filter(|(_, count, _)| *count > 0);
    let warning = |(code, count, what): (_, usize, &str)| {
        Warning::new(code, format!("stdin: {what}: {count}")).count(count)
    };
    found.map(warning).collect()
}
