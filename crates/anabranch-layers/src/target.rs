//! Targets: what predictions are compared with.

use std::ops::Range;

use anabranch_tensor::rows::gather_rows;
use anabranch_tensor::{ArrayView2, Scalar, flat, matrix};
use ndarray::Axis;

use crate::error::LayerError;

/// The kind of target that a loss takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A number for each output.
    Values,
    /// One class, out of as many as there are outputs, or a probability for each.
    Classes,
    /// Yes or no in each column: 1, 0, or a probability.
    Binary,
}

/// The targets of some rows.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a, T> {
    /// A number for each output `[rows, outputs]`.
    Values(ArrayView2<'a, T>),
    /// The class of each row, below the number of outputs.
    Classes(&'a [u32]),
    /// A probability for each class `[rows, classes]`; each row sums to 1.
    Probabilities(ArrayView2<'a, T>),
}

impl<'a, T: Scalar> Target<'a, T> {
    /// The targets of a range of rows.
    ///
    /// # Panics
    /// If the range goes beyond the rows.
    pub fn rows(&self, rows: Range<usize>) -> Self {
        let of = |view: &ArrayView2<'a, T>| {
            let (to_end, _) = view.split_at(Axis(0), rows.end);
            to_end.split_at(Axis(0), rows.start).1
        };
        match self {
            Self::Values(view) => Self::Values(of(view)),
            Self::Classes(classes) => Self::Classes(&classes[rows]),
            Self::Probabilities(view) => Self::Probabilities(of(view)),
        }
    }

    /// Copies the targets of the rows `row_idx`, in this order, to the front of `values` or
    /// `classes`.
    ///
    /// # Panics
    /// If a row does not exist, or the copy does not fit its destination.
    pub fn gather<'b>(
        &self,
        row_idx: &[usize],
        values: &'b mut [T],
        classes: &'b mut [u32],
    ) -> Target<'b, T> {
        let n_rows = row_idx.len();
        let of = |view: &ArrayView2<'a, T>, values: &'b mut [T]| {
            let width = view.ncols();
            let values = &mut values[..n_rows * width];
            gather_rows(flat(*view), width, row_idx, values);
            matrix(values, n_rows, width)
        };
        match self {
            Self::Values(view) => Target::Values(of(view, values)),
            Self::Classes(all) => {
                gather_rows(all, 1, row_idx, &mut classes[..n_rows]);
                Target::Classes(&classes[..n_rows])
            }
            Self::Probabilities(view) => Target::Probabilities(of(view, values)),
        }
    }

    /// Checks everything a step relies on: kind and shape, contiguous rows, classes in range, soft
    /// labels that are distributions, and yes/no values from 0 to 1.
    ///
    /// # Errors
    /// If the target is of another kind, does not have `rows` rows and `outputs` columns, a class
    /// is not below `outputs`, a row of soft labels has a negative value or a sum more than 1e-4
    /// from 1, or a yes/no value is outside [0, 1].
    pub fn check(&self, kind: TargetKind, rows: usize, outputs: usize) -> Result<(), LayerError> {
        let refused = |got| Err(LayerError::TargetKind { expected: kind.name(), got });
        match (kind, self) {
            (TargetKind::Values, Self::Values(y)) => check_shape(y, rows, outputs),
            (TargetKind::Binary, Self::Values(y)) => {
                check_shape(y, rows, outputs)?;
                check_binary(y)
            }
            (TargetKind::Classes, Self::Classes(classes)) => {
                let (got, expected) = ([classes.len(), 1], [rows, 1]);
                if got != expected {
                    return Err(LayerError::Shape { what: "the classes", expected, got });
                }
                match classes.iter().position(|class| *class as usize >= outputs) {
                    Some(row) => {
                        let (class, classes) = (classes[row], outputs);
                        Err(LayerError::Class { row, class, classes })
                    }
                    None => Ok(()),
                }
            }
            (TargetKind::Classes, Self::Probabilities(y)) => {
                check_shape(y, rows, outputs)?;
                check_distributions(y)
            }
            (_, Self::Values(_)) => refused("numbers"),
            (_, Self::Classes(_)) => refused("classes"),
            (_, Self::Probabilities(_)) => refused("probabilities of classes"),
        }
    }
}

impl TargetKind {
    /// The kind in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Values => "numbers",
            Self::Classes => "classes or their probabilities",
            Self::Binary => "yes or no in each column",
        }
    }
}

fn check_shape<T>(y: &ArrayView2<'_, T>, rows: usize, outputs: usize) -> Result<(), LayerError> {
    let (expected, got) = ([rows, outputs], y.dim().into());
    if got != expected {
        return Err(LayerError::Shape { what: "the target", expected, got });
    }
    if !y.is_standard_layout() {
        return Err(LayerError::Layout { what: "the target" });
    }
    Ok(())
}

fn check_distributions<T: Scalar>(y: &ArrayView2<'_, T>) -> Result<(), LayerError> {
    for (row, labels) in y.rows().into_iter().enumerate() {
        let min = labels.iter().fold(f64::INFINITY, |min, v| min.min(v.to_f64()));
        let sum = labels.iter().map(|v| v.to_f64()).sum::<f64>();
        // Written so that NaN is rejected; the tolerance is for rounded f32 labels.
        let is_distribution = min >= 0.0 && (sum - 1.0).abs() <= 1e-4;
        if !is_distribution {
            return Err(LayerError::SoftLabels { row, min, sum });
        }
    }
    Ok(())
}

fn check_binary<T: Scalar>(y: &ArrayView2<'_, T>) -> Result<(), LayerError> {
    for (row, labels) in y.rows().into_iter().enumerate() {
        for (column, y) in labels.iter().enumerate() {
            let value = y.to_f64();
            if !(0.0..=1.0).contains(&value) {
                return Err(LayerError::Binary { row, column, value });
            }
        }
    }
    Ok(())
}
