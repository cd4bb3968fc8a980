//! A column that says how much each row counts in the losses.

use anabranch_tensor::Scalar;

use crate::cell::{Cell, Reading};
use crate::column_kind::ColumnKind;
use crate::error::{DataError, excerpt};
use crate::number::NumberFormat;
use crate::schema::Schema;
use crate::split::Split;
use crate::table::Table;

/// The weights of `rows` of a table, which the column number `column` holds: numbers from 0.
///
/// # Errors
/// [`DataError::SampleWeight`] for a cell without such a number.
pub(crate) fn read_weights(
    table: &Table,
    schema: &Schema,
    column: usize,
    rows: &[usize],
) -> Result<Vec<f64>, DataError> {
    let about = &schema.columns()[column];
    let format = match &about.kind {
        ColumnKind::Number { format } => format.clone(),
        _ => NumberFormat::default(),
    };
    let weight = |row: &usize| {
        let cell = Cell::Text(table.cell(*row, column));
        match cell.read_number(&format, &about.missing_markers) {
            Reading::Number(weight) if weight >= 0.0 => Ok(weight),
            _ => Err(DataError::SampleWeight {
                file: table.name().to_owned(),
                line: table.line(*row),
                column: about.name.clone(),
                cell: excerpt(table.cell(*row, column)),
            }),
        }
    };
    rows.iter().map(weight).collect()
}

/// The weights divided by their mean over the training rows, so that they are numbers around 1.
///
/// # Errors
/// [`DataError::NoSampleWeight`] if all training rows have the weight 0.
pub(crate) fn relative<T: Scalar>(
    weights: &[f64],
    split: &Split,
    column: &str,
) -> Result<Vec<T>, DataError> {
    let total: f64 = split.train.iter().map(|row| weights[*row]).sum();
    if total <= 0.0 {
        return Err(DataError::NoSampleWeight { column: column.to_owned() });
    }
    let mean = total / split.train.len() as f64;
    Ok(weights.iter().map(|weight| T::from_f64(weight / mean)).collect())
}
