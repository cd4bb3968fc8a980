//! Predicting a table that is read piece by piece, as if it were read at once.

use std::ops::Range;

use anabranch_data::{ColumnRules, DataError, PieceEncoder, Table, Warning};

use crate::error::TrainError;
use crate::model::Model;
use crate::prediction::Predictions;

/// Predicts the rows of a table, some after the others, and judges at the end whether all of them
/// together are as training saw them: so a table need not fit into memory.
///
/// ```
/// # use anabranch_data::{DataError, ReadOptions};
/// # use anabranch_train::{Model, Predictions, TablePredictor, TrainError};
/// # fn predict(model: &Model, file: &[u8]) -> Result<(), TrainError> {
/// let options = ReadOptions::default();
/// let mut predictor = TablePredictor::new(model, &options.rules);
/// let mut predictions = Predictions::default();
/// // Pieces of a mebibyte.
/// for piece in options.pieces_from("table", file, 1 << 20)? {
///     let piece = piece?;
///     predictor.predict(&piece, 0..piece.n_rows(), &mut predictions)?;
/// }
/// let warnings = predictor.judge()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TablePredictor<'m> {
    model: &'m Model,
    pieces: PieceEncoder,
    rows: Vec<usize>,
    x: Vec<f32>,
}

impl<'m> TablePredictor<'m> {
    /// What predicts a table by these rules for its columns.
    pub fn new(model: &'m Model, rules: &ColumnRules) -> Self {
        let pieces = model.encoder().pieces(rules);
        Self { model, pieces, rows: Vec::new(), x: Vec::new() }
    }

    /// Predicts rows of a piece of the table, which come behind those of all calls before, into
    /// `predictions`, whose size follows.
    ///
    /// # Errors
    /// If an input column is missing or a number is infinite.
    ///
    /// # Panics
    /// If a row is out of the piece's range.
    pub fn predict(
        &mut self,
        piece: &Table,
        rows: Range<usize>,
        predictions: &mut Predictions,
    ) -> Result<(), DataError> {
        self.rows.clear();
        self.rows.extend(rows);
        self.pieces.encode(self.model.executor(), piece, &self.rows, &mut self.x)?;
        self.model.predict_encoded_into(&self.x, predictions);
        Ok(())
    }

    /// The rows of the last call as they were encoded, `[rows, width]`.
    pub fn encoded(&self) -> &[f32] {
        &self.x
    }

    /// What is to be said about the cells of all rows.
    ///
    /// # Errors
    /// If a column differs from what training saw in most of the rows, unless the rules are
    /// lenient.
    pub fn judge(&self) -> Result<Vec<Warning>, DataError> {
        self.pieces.judge()
    }
}

impl Model {
    /// Predicts every row of a table. It needs the input columns only, in any order.
    ///
    /// # Errors
    /// If an input column is missing or a number is infinite.
    pub fn predict_table(&self, table: &Table) -> Result<(Predictions, Vec<Warning>), TrainError> {
        let mut predictions = Predictions::default();
        let mut predictor = TablePredictor::new(self, table.rules());
        predictor.predict(table, 0..table.n_rows(), &mut predictions)?;
        Ok((predictions, predictor.judge()?))
    }
}
