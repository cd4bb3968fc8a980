//! What an export cannot hold, in words.

use anabranch_data::{Encoding, InputColumn, Labels};
use anabranch_train::Model;

use crate::Format;

/// In what `format` differs from the model.
pub(crate) fn of(model: &Model, format: Format) -> Vec<String> {
    let columns = model.encoder().input_columns();
    let mut differences = Vec::new();
    let mut add = |which: Vec<&str>, what: &str| {
        if !which.is_empty() {
            let which: Vec<String> = which.iter().map(|name| format!("{name:?}")).collect();
            differences.push(format!("{}: {what}", which.join(", ")));
        }
    };
    let names = |is_so: &dyn Fn(&InputColumn) -> bool| -> Vec<&str> {
        columns.iter().filter(|column| is_so(column)).map(|column| column.name.as_str()).collect()
    };
    let compared = |column: &InputColumn| match &column.encoding {
        Encoding::Categorical { labels, .. } => Some(*labels),
        _ => None,
    };
    add(
        names(&|column| matches!(column.encoding, Encoding::Date { .. })),
        "dates are given in seconds since 1970-01-01 00:00 UTC, not as text",
    );
    add(
        names(&|column| match &column.encoding {
            Encoding::Numeric { format, .. } | Encoding::Robust { format, .. } => {
                !format.is_plain()
            }
            _ => false,
        }),
        "numbers are given as numbers, not as they are written in the table",
    );
    match format {
        Format::Onnx => {
            add(
                names(&|column| compared(column).is_some()),
                "space around a text is not passed over, and markers of missing values with more \
                 than six letters are known as written, in small and in capital letters",
            );
            add(
                names(&|column| compared(column) == Some(Labels::Numbers)),
                "numbers are texts, which are known as 1, 1.0 and 1.00",
            );
            add(
                names(&|column| matches!(compared(column), Some(Labels::Prefix(_)))),
                "codes are given as their prefixes alone",
            );
        }
    }
    differences.push(
        "no row is refused or warned about: infinite and absurdly large numbers give some prediction"
            .to_owned(),
    );
    differences
}
