//! Fitting an encoder: which columns become inputs, and with which statistics.

use super::{Encoder, Encoding, InputColumn, MAX_CATEGORIES, MissingColumn};
use crate::cell::value_of;
use crate::column::{Column, distinct, mean_and_std, median};
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
        let Fitted { encoder, warnings, .. } = Self::fit_keeping(table, rows, leave_out)?;
        Ok((encoder, warnings))
    }

    /// [`fit`](Self::fit), with the numbers that were read for it.
    pub(crate) fn fit_keeping<S: AsRef<str>>(
        table: &Table,
        rows: &[usize],
        leave_out: &[S],
    ) -> Result<Fitted, DataError> {
        let left_out = leave_out.iter().map(|name| table.column_index(name.as_ref()));
        let left_out: Vec<usize> = left_out.collect::<Result<_, _>>()?;
        let (mut columns, mut numbers, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for index in (0..table.columns().len()).filter(|index| !left_out.contains(index)) {
            let name = table.columns()[index].trim().to_owned();
            let (fit, values) = fit_column(table, index, rows)?;
            match fit {
                Fit::Column(_) => {}
                Fit::Constant(_) => warnings.push(Warning::ConstantColumn { column: name.clone() }),
                Fit::Empty => warnings.push(Warning::EmptyColumn { column: name.clone() }),
                Fit::ManyCategories { distinct } => {
                    warnings.push(Warning::ManyCategories { column: name.clone(), distinct });
                }
            }
            if let Fit::Column(encoding) | Fit::Constant(encoding) = fit {
                columns.push(InputColumn { name, encoding });
                numbers.push(values);
            }
        }
        if columns.is_empty() {
            return Err(DataError::NoInputs { file: table.name().to_owned() });
        }
        Ok(Fitted { encoder: Self::new(columns), numbers, warnings })
    }
}

/// A fitted encoder, and what was read to fit it.
pub(crate) struct Fitted {
    pub(crate) encoder: Encoder,
    /// For each input column, the numbers in the table's rows, NaN where there is none; empty for categories.
    pub(crate) numbers: Vec<Vec<f64>>,
    pub(crate) warnings: Vec<Warning>,
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

/// The fit of a column, and its numbers if it is numeric.
fn fit_column(table: &Table, index: usize, rows: &[usize]) -> Result<(Fit, Vec<f64>), DataError> {
    let column = Column::read(table, index)?;
    let fit = fit_read(&column, table, index, rows);
    Ok(match column {
        Column::Numbers(values) => (fit, values),
        _ => (fit, Vec::new()),
    })
}

fn fit_read(column: &Column<'_>, table: &Table, index: usize, rows: &[usize]) -> Fit {
    let (n_values, constant, encoding) = match column {
        Column::Empty => return Fit::Empty,
        Column::Categories(all) if all.len() > MAX_CATEGORIES => {
            return Fit::ManyCategories { distinct: all.len() };
        }
        Column::Categories(_) => {
            let cells = rows.iter().map(|row| table.cell(*row, index));
            let present: Vec<&str> = cells.filter_map(value_of).collect();
            let categories = distinct(present.iter().copied());
            let missing = missing_column(rows.len() - present.len());
            let constant = categories.len() == 1;
            let categories = categories.into_iter().map(str::to_owned).collect();
            (present.len(), constant, Encoding::Categorical { categories, missing })
        }
        Column::Numbers(values) => {
            let mut numbers: Vec<f64> =
                rows.iter().map(|row| values[*row]).filter(|v| !v.is_nan()).collect();
            if numbers.is_empty() {
                return Fit::Empty;
            }
            let (mean, std) = mean_and_std(numbers.iter().copied());
            let constant = numbers.iter().all(|v| *v == numbers[0]);
            let missing = missing_column(rows.len() - numbers.len());
            let median = median(&mut numbers);
            (numbers.len(), constant, Encoding::Numeric { mean, std, median, missing })
        }
    };
    match n_values {
        0 => Fit::Empty,
        // Where some cells are missing, that they are still tells rows apart.
        n if constant && n == rows.len() => Fit::Constant(encoding),
        _ => Fit::Column(encoding),
    }
}

fn missing_column(n_missing: usize) -> MissingColumn {
    if n_missing > 0 { MissingColumn::Present } else { MissingColumn::Absent }
}
