//! Fitting an encoder: which columns become inputs, and with which statistics.

use std::collections::BTreeSet;

use super::{Encoder, Encoding, InputColumn, MAX_CATEGORIES, MissingColumn};
use crate::cell::is_missing;
use crate::column::{Column, mean_and_std, median};
use crate::error::DataError;
use crate::table::Table;
use crate::warning::Warning;

impl Encoder {
    /// Fits an encoding of all columns of `table` but `leave_out` (the targets), in the table's order.
    ///
    /// What kind a column is of, and whether it has too many categories, is read off the whole table. Every statistic
    /// (mean, deviation, median, categories, whether cells are missing) is taken from `rows` alone, the training
    /// rows, so that nothing leaks from the rows that the network is tested on.
    ///
    /// The warnings are about columns: left out because they are empty or have too many categories, or constant.
    ///
    /// # Errors
    /// [`DataError::UnknownColumn`] when `leave_out` names one; [`DataError::OutOfRange`] for infinity in a numeric
    /// column; [`DataError::NoInputs`] when no column is left.
    ///
    /// # Panics
    /// If a row is out of the table's range.
    pub fn fit<S: AsRef<str>>(
        table: &Table,
        rows: &[usize],
        leave_out: &[S],
    ) -> Result<(Self, Vec<Warning>), DataError> {
        let left_out = leave_out.iter().map(|name| table.column_index(name.as_ref()));
        let left_out: Vec<usize> = left_out.collect::<Result<_, _>>()?;
        let mut columns = Vec::new();
        let mut warnings = Vec::new();
        for index in (0..table.columns().len()).filter(|index| !left_out.contains(index)) {
            let name = table.columns()[index].trim().to_owned();
            match fit_column(table, index, rows)? {
                Fit::Column(encoding) => columns.push(InputColumn { name, encoding }),
                Fit::Constant(encoding) => {
                    warnings.push(Warning::ConstantColumn { column: name.clone() });
                    columns.push(InputColumn { name, encoding });
                }
                Fit::Empty => warnings.push(Warning::EmptyColumn { column: name }),
                Fit::ManyCategories { distinct } => {
                    warnings.push(Warning::ManyCategories { column: name, distinct });
                }
            }
        }
        if columns.is_empty() {
            return Err(DataError::NoInputs { file: table.name().to_owned() });
        }
        Ok((Self::new(columns), warnings))
    }
}

enum Fit {
    Column(Encoding),
    /// Encodes every training row alike.
    Constant(Encoding),
    Empty,
    ManyCategories {
        distinct: usize,
    },
}

fn fit_column(table: &Table, index: usize, rows: &[usize]) -> Result<Fit, DataError> {
    let (n_values, constant, encoding) = match Column::read(table, index)? {
        Column::Empty => return Ok(Fit::Empty),
        Column::Categories(all) if all.len() > MAX_CATEGORIES => {
            return Ok(Fit::ManyCategories { distinct: all.len() });
        }
        Column::Categories(_) => {
            let cells = rows.iter().map(|row| table.cell(*row, index));
            let present: Vec<&str> = cells.filter(|c| !is_missing(c)).map(str::trim).collect();
            let categories: BTreeSet<&str> = present.iter().copied().collect();
            let missing = missing_column(rows.len() - present.len());
            let constant = categories.len() == 1;
            let categories = categories.into_iter().map(str::to_owned).collect();
            (present.len(), constant, Encoding::Categorical { categories, missing })
        }
        Column::Numbers(values) => {
            let mut numbers: Vec<f64> =
                rows.iter().map(|row| values[*row]).filter(|v| !v.is_nan()).collect();
            if numbers.is_empty() {
                return Ok(Fit::Empty);
            }
            let (mean, std) = mean_and_std(numbers.iter().copied());
            let constant = numbers.iter().all(|v| *v == numbers[0]);
            let missing = missing_column(rows.len() - numbers.len());
            let median = median(&mut numbers);
            (numbers.len(), constant, Encoding::Numeric { mean, std, median, missing })
        }
    };
    Ok(match n_values {
        0 => Fit::Empty,
        // Where some cells are missing, that they are still tells rows apart.
        n if constant && n == rows.len() => Fit::Constant(encoding),
        _ => Fit::Column(encoding),
    })
}

fn missing_column(n_missing: usize) -> MissingColumn {
    if n_missing > 0 { MissingColumn::Present } else { MissingColumn::Absent }
}
