//! Fitting an encoder: which columns become inputs, and with which statistics.

use std::sync::OnceLock;

use anabranch_tensor::Executor;

use super::{Encoder, Encoding, InputColumn, MAX_CATEGORIES, MissingColumn, ReadCells};
use crate::column::{Categories, Column, mean_and_std, median};
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
        let inputs = input_columns(table, leave_out)?;
        let inputs = inputs.into_iter().map(|index| ReadColumn::read(table, index)).collect();
        let Fitted { encoder, warnings, .. } =
            Self::fit_read(&Executor::serial(), table, rows, inputs)?;
        Ok((encoder, warnings))
    }

    /// [`fit`](Self::fit) of columns that have been read, with their cells.
    pub(crate) fn fit_read(
        exec: &Executor,
        table: &Table,
        rows: &[usize],
        inputs: Vec<ReadColumn<'_>>,
    ) -> Result<Fitted, DataError> {
        let fits: Vec<OnceLock<_>> = inputs.iter().map(|_| OnceLock::new()).collect();
        exec.run(inputs.len(), |i| {
            fits[i].get_or_init(|| inputs[i].column.as_ref().ok().map(|c| fit_column(c, rows)));
        });
        let (mut columns, mut cells, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for (ReadColumn { index, column }, fit) in inputs.into_iter().zip(fits) {
            let column = column?;
            let name = table.columns()[index].trim().to_owned();
            // It is there: the executor runs every task.
            let fit = fit.into_inner().flatten().unwrap_or_else(|| fit_column(&column, rows));
            match fit {
                Fit::Column(_) => {}
                Fit::Constant(_) => warnings.push(Warning::ConstantColumn { column: name.clone() }),
                Fit::Empty => warnings.push(Warning::EmptyColumn { column: name.clone() }),
                Fit::ManyCategories { distinct } => {
                    warnings.push(Warning::ManyCategories { column: name.clone(), distinct });
                }
            }
            if let Fit::Column(fitted) | Fit::Constant(fitted) = fit {
                columns.push(InputColumn { name, encoding: fitted.encoding });
                cells.push(match column {
                    Column::Numbers(values) => ReadCells::Numbers(values),
                    Column::Empty | Column::Categories(_) => ReadCells::Hot(fitted.hot),
                });
            }
        }
        if columns.is_empty() {
            return Err(DataError::NoInputs { file: table.name().to_owned() });
        }
        Ok(Fitted { encoder: Self::new(columns), cells, warnings })
    }
}

/// The columns of `table` but `leave_out`, in its order.
pub(crate) fn input_columns<S: AsRef<str>>(
    table: &Table,
    leave_out: &[S],
) -> Result<Vec<usize>, DataError> {
    let left_out = leave_out.iter().map(|name| table.column_index(name.as_ref()));
    let left_out: Vec<usize> = left_out.collect::<Result<_, _>>()?;
    Ok((0..table.columns().len()).filter(|index| !left_out.contains(index)).collect())
}

/// A column that may become an input.
pub(crate) struct ReadColumn<'a> {
    /// Its place in the table.
    pub(crate) index: usize,
    pub(crate) column: Result<Column<'a>, DataError>,
}

impl<'a> ReadColumn<'a> {
    pub(crate) fn read(table: &'a Table, index: usize) -> Self {
        Self { index, column: Column::read(table, index) }
    }
}

/// A fitted encoder, and what was read to fit it.
pub(crate) struct Fitted {
    pub(crate) encoder: Encoder,
    /// The cells of each input column.
    pub(crate) cells: Vec<ReadCells>,
    pub(crate) warnings: Vec<Warning>,
}

/// An encoding, and for categories what it makes of each cell.
struct FittedColumn {
    encoding: Encoding,
    hot: Vec<Option<u32>>,
}

enum Fit {
    Column(FittedColumn),
    /// Encodes every training row alike.
    Constant(FittedColumn),
    Empty,
    ManyCategories {
        distinct: usize,
    },
}

fn fit_column(column: &Column<'_>, rows: &[usize]) -> Fit {
    match column {
        Column::Empty => Fit::Empty,
        Column::Numbers(values) => fit_numbers(values, rows),
        Column::Categories(Categories { values, .. }) if values.len() > MAX_CATEGORIES => {
            Fit::ManyCategories { distinct: values.len() }
        }
        Column::Categories(all) => fit_categories(all, rows),
    }
}

fn fit_numbers(values: &[f64], rows: &[usize]) -> Fit {
    let mut numbers: Vec<f64> =
        rows.iter().map(|row| values[*row]).filter(|v| !v.is_nan()).collect();
    if numbers.is_empty() {
        return Fit::Empty;
    }
    let (mean, std) = mean_and_std(numbers.iter().copied());
    let constant = numbers.iter().all(|v| *v == numbers[0]);
    let missing = missing_column(rows.len() - numbers.len());
    let median = median(&mut numbers);
    let encoding = Encoding::Numeric { mean, std, median, missing };
    fit((numbers.len(), rows.len()), constant, FittedColumn { encoding, hot: Vec::new() })
}

fn fit_categories(all: &Categories<'_>, rows: &[usize]) -> Fit {
    let mut is_trained = vec![false; all.values.len()];
    let mut n_missing = 0;
    for row in rows {
        match all.numbers[*row] {
            Some(number) => is_trained[number as usize] = true,
            None => n_missing += 1,
        }
    }
    // The places of the training rows' categories among themselves.
    let mut places = vec![None; all.values.len()];
    let mut categories = Vec::new();
    for (number, value) in all.values.iter().enumerate().filter(|(number, _)| is_trained[*number]) {
        places[number] = Some(categories.len() as u32);
        categories.push((*value).to_owned());
    }
    let missing = missing_column(n_missing);
    let of_missing = (missing == MissingColumn::Present).then_some(categories.len() as u32);
    let hot = all.numbers.iter().map(|number| match number {
        Some(number) => places[*number as usize],
        None => of_missing,
    });
    let hot = hot.collect();
    let constant = categories.len() == 1;
    let encoding = Encoding::Categorical { categories, missing };
    fit((rows.len() - n_missing, rows.len()), constant, FittedColumn { encoding, hot })
}

/// The fit of a column that has a value in `n_values` of `n_rows` training rows.
fn fit((n_values, n_rows): (usize, usize), constant: bool, fitted: FittedColumn) -> Fit {
    match n_values {
        0 => Fit::Empty,
        // Where some cells are missing, that they are still tells rows apart.
        n if constant && n == n_rows => Fit::Constant(fitted),
        _ => Fit::Column(fitted),
    }
}

fn missing_column(n_missing: usize) -> MissingColumn {
    if n_missing > 0 { MissingColumn::Present } else { MissingColumn::Absent }
}
