//! What an export cannot hold, in words.

use anabranch_data::{Encoding, InputColumn, Labels};
use anabranch_train::{Coverage, Model};

use crate::Format;

/// In what `format` differs from the model.
pub(crate) fn of(model: &Model, format: Format, coverage: Option<&Coverage<'_>>) -> Vec<String> {
    let columns = model.encoder().input_columns();
    let mut differences = Vec::new();
    let mut add = |is_so: fn(&InputColumn) -> bool, what: &str| {
        let which = columns.iter().filter(|column| is_so(column));
        let which: Vec<String> = which.map(|column| format!("{:?}", column.name)).collect();
        if !which.is_empty() {
            differences.push(format!("{}: {what}", which.join(", ")));
        }
    };
    add(
        |column| matches!(column.encoding, Encoding::Date { .. }),
        "dates are given in seconds since 1970-01-01 00:00 UTC, not as text",
    );
    add(
        |column| column.encoding.number_format().is_some_and(|format| !format.is_plain()),
        "numbers are given as numbers, not as they are written in the table",
    );
    if format == Format::Onnx {
        add(
            |column| compared_as(column).is_some(),
            "space around a text is not passed over, and markers of missing values with more than \
             six letters are known as written, in small and in capital letters",
        );
        add(
            |column| compared_as(column) == Some(Labels::Numbers),
            "numbers are texts, which are known as 1, 1.0 and 1.00",
        );
        add(
            |column| matches!(compared_as(column), Some(Labels::Prefix(_))),
            "codes are given as their prefixes alone",
        );
    }
    let is_beside = coverage.is_some() || model.members().len() > 1;
    if format == Format::PyTorch && is_beside {
        differences.push("deviations, intervals and sets are not predicted".to_owned());
    }
    let has_classes = model.targets().tasks().iter().any(|task| !task.labels().is_empty());
    if format == Format::Onnx && has_classes && coverage.is_some() {
        differences.push(
            "a class at the very edge of a set may be in it here and not there, since its \
             probability is rounded otherwise"
                .to_owned(),
        );
    }
    differences.push(match format {
        Format::Onnx | Format::PyTorch => {
            "no row is refused or warned about: infinite and absurdly large numbers give some \
             prediction"
                .to_owned()
        }
        Format::Rust => "nothing is said about cells that training never saw".to_owned(),
    });
    differences
}

/// When two texts of a column are the same category.
fn compared_as(column: &InputColumn) -> Option<Labels> {
    column.encoding.categories().map(|(_, labels)| labels)
}
