//! From a table to the matrices that a network trains on.

use std::sync::OnceLock;

use anabranch_tensor::{ArrayView2, Executor, Scalar, gather_rows, matrix};

use crate::column::out_of_range_error;
use crate::encoder::{Encoded, Encoder, Fitted, ReadColumn, input_columns};
use crate::error::DataError;
use crate::split::{Fractions, Split};
use crate::table::Table;
use crate::target::{RawTargets, RegressionTarget, TargetColumns, Targets};
use crate::warning::Warning;

/// Encoded rows with their targets, and which of them train, validate and test. All matrices are row-major.
#[derive(Clone, Debug)]
pub struct Dataset<T> {
    /// Inputs `[n_rows, n_inputs]`.
    pub x: Vec<T>,
    /// Regression targets `[n_rows, n_outputs]`, standardised on the training rows.
    pub y: Vec<T>,
    /// Class of each row `[n_rows]`, below `n_classes`.
    pub class: Vec<u32>,
    /// The rows of each part, as indices into this data set.
    pub split: Split,
    /// Rows that have all targets.
    pub n_rows: usize,
    /// Encoded input columns.
    pub n_inputs: usize,
    /// Regression columns.
    pub n_outputs: usize,
    /// Class labels, at least 2.
    pub n_classes: usize,
}

impl<T: Scalar> Dataset<T> {
    /// The inputs `[n_rows, n_inputs]`.
    pub fn x(&self) -> ArrayView2<'_, T> {
        matrix(&self.x, self.n_rows, self.n_inputs)
    }

    /// The regression targets `[n_rows, n_outputs]`.
    pub fn y(&self) -> ArrayView2<'_, T> {
        matrix(&self.y, self.n_rows, self.n_outputs)
    }

    /// Copies rows into a batch's buffers: inputs, regression targets and classes of `row_idx`, in its order.
    /// Allocates nothing.
    ///
    /// # Panics
    /// If a buffer does not hold exactly `row_idx.len()` rows, or an index is out of range.
    pub fn gather(&self, row_idx: &[usize], x: &mut [T], y: &mut [T], class: &mut [u32]) {
        gather_rows(&self.x, self.n_inputs, row_idx, x);
        gather_rows(&self.y, self.n_outputs, row_idx, y);
        gather_rows(&self.class, 1, row_idx, class);
    }
}

/// A data set, and what was fitted to make it: a model file keeps `encoder` and `targets`.
#[derive(Clone, Debug)]
pub struct Prepared<T> {
    /// The matrices.
    pub dataset: Dataset<T>,
    /// The encoding of the input columns, fitted on the training rows.
    pub encoder: Encoder,
    /// Scale and labels of the targets, the scale fitted on the training rows.
    pub targets: Targets,
    /// Rows of the table that lack a target and are in no part of the data set.
    pub rows_left_out: usize,
    /// What a user should know about the table.
    pub warnings: Vec<Warning>,
}

/// Makes a data set of a table: leaves out rows that lack a target, splits the others by class, fits encoder and
/// scale on the training rows, and encodes all. Targets are never inputs. The same arguments give the same bits, on any
/// number of threads.
///
/// # Errors
/// [`DataError`] for a column that the table lacks or that is named as a target twice, no regression column, text in a
/// regression column, infinity, one class only, no input columns, fractions out of range, or too few rows to split.
pub fn prepare<T: Scalar>(
    exec: &Executor,
    table: &Table,
    columns: &TargetColumns,
    fractions: Fractions,
    seed: u64,
) -> Result<Prepared<T>, DataError> {
    let (regress, classify) = resolve(table, columns)?;
    let mut warnings = Vec::new();

    let target_names: Vec<&String> = columns.regress.iter().chain([&columns.classify]).collect();
    let inputs = input_columns(table, &target_names)?;
    let (raw, inputs) = read(exec, table, (&regress, classify), &inputs);
    let raw = raw?;
    let class_target = raw.classes(table, classify)?;
    let found = raw.with_classes(table, &class_target)?;
    if found.rows_left_out > 0 {
        warnings.push(Warning::RowsWithoutTarget { rows: found.rows_left_out });
    }

    let split = Split::stratified(&found.class, fractions, seed)?;
    warnings.extend(split.rare_classes.iter().map(|rare| Warning::RareClass {
        column: class_target.column.clone(),
        label: class_target.labels[*rare as usize].clone(),
        rows: found.class.iter().filter(|class| *class == rare).count(),
    }));

    let train_rows: Vec<usize> = split.train.iter().map(|i| found.rows[*i]).collect();
    let Fitted { encoder, cells, warnings: about_columns } =
        Encoder::fit_read(exec, table, &train_rows, inputs)?;
    let Encoded { x, warnings: about_cells } =
        encoder.encode_read(exec, table, &found.rows, &cells)?;
    warnings.extend(about_columns.into_iter().chain(about_cells));

    let n_outputs = regress.len();
    let regression = regress.iter().enumerate().map(|(j, column)| {
        let values = split.train.iter().map(|i| found.values[i * n_outputs + j]);
        RegressionTarget::fit(table.columns()[*column].trim(), values)
    });
    let regression: Vec<RegressionTarget> = regression.collect();
    let mut y = Vec::with_capacity(found.values.len());
    for (row, values) in found.rows.iter().zip(found.values.chunks_exact(n_outputs)) {
        for ((value, target), column) in values.iter().zip(&regression).zip(&regress) {
            let z = T::from_f64(target.standardise(*value));
            // Far from all training values, a target can be too large for T.
            if !z.is_finite() {
                return Err(out_of_range_error(table, *row, *column));
            }
            y.push(z);
        }
    }

    let dataset = Dataset {
        x,
        y,
        class: found.class,
        split,
        n_rows: found.rows.len(),
        n_inputs: encoder.width(),
        n_outputs,
        n_classes: class_target.labels.len(),
    };
    let targets = Targets::new(regression, class_target);
    Ok(Prepared { dataset, encoder, targets, rows_left_out: found.rows_left_out, warnings })
}

/// Reads the targets and the columns `inputs`.
fn read<'a>(
    exec: &Executor,
    table: &'a Table,
    (regress, classify): (&[usize], usize),
    inputs: &[usize],
) -> (Result<RawTargets<'a>, DataError>, Vec<ReadColumn<'a>>) {
    let read_targets = || RawTargets::read(table, regress, classify);
    let targets = OnceLock::new();
    let columns: Vec<OnceLock<_>> = inputs.iter().map(|_| OnceLock::new()).collect();
    exec.run(1 + inputs.len(), |task| {
        match task.checked_sub(1) {
            None => _ = targets.get_or_init(read_targets),
            Some(i) => _ = columns[i].get_or_init(|| ReadColumn::read(table, inputs[i])),
        };
    });
    // All is there: the executor runs every task.
    let targets = targets.into_inner().unwrap_or_else(read_targets);
    let columns = columns.into_iter().zip(inputs).map(|(column, index)| {
        column.into_inner().unwrap_or_else(|| ReadColumn::read(table, *index))
    });
    (targets, columns.collect())
}

/// The places of the target columns in the table.
fn resolve(table: &Table, columns: &TargetColumns) -> Result<(Vec<usize>, usize), DataError> {
    if columns.regress.is_empty() {
        return Err(DataError::NothingToRegress);
    }
    let names: Vec<&String> = columns.regress.iter().chain([&columns.classify]).collect();
    let places = names.iter().map(|name| table.column_index(name));
    let mut places: Vec<usize> = places.collect::<Result<_, _>>()?;
    for (i, place) in places.iter().enumerate() {
        if places[..i].contains(place) {
            return Err(DataError::TargetTwice { column: names[i].trim().to_owned() });
        }
    }
    let classify = places.remove(columns.regress.len());
    if table.columns().len() == names.len() {
        return Err(DataError::NoInputs { file: table.name().to_owned() });
    }
    Ok((places, classify))
}
