//! Predicting a table that is read piece by piece, as if it were read at once.

use std::ops::Range;

use anabranch_data::{ColumnRules, DataError, PieceEncoder, Table, Warning};
use anabranch_tensor::Executor;

use crate::error::TrainError;
use crate::model::Model;
use crate::prediction::Predictions;

/// Rows that a thread predicts at a time: their encoding takes more memory than their text.
const ROWS_AT_ONCE: usize = 1024;

/// Predicts the rows of a table, some after the others, and judges at the end whether all of them
/// together are as training saw them: so a table need not fit into memory.
///
/// ```
/// # use anabranch_data::{DataError, ReadOptions};
/// # use anabranch_tensor::Executor;
/// # use anabranch_train::{Model, TablePredictor, TrainError};
/// # fn predict(model: &Model, file: &'static [u8]) -> Result<(), TrainError> {
/// let exec = Executor::new(4)?;
/// let options = ReadOptions::default();
/// let mut predictor = TablePredictor::new(model, &options.rules);
/// // Pieces of a mebibyte.
/// for piece in options.pieces_from("table", file, 1 << 20)? {
///     let piece = piece?;
///     let texts = predictor.predict(&exec, &piece, |some| format!("{:?}", some.predictions))?;
///     texts.iter().for_each(|text| println!("{text}"));
/// }
/// let warnings = predictor.judge()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TablePredictor<'m> {
    model: &'m Model,
    pieces: PieceEncoder,
}

/// Rows of a piece that were predicted together.
#[derive(Debug)]
pub struct PredictedRows<'a> {
    /// Which rows of the piece.
    pub rows: Range<usize>,
    /// They as the network got them, `[rows, width]`.
    pub encoded: &'a [f32],
    /// What is predicted for them.
    pub predictions: &'a Predictions,
}

impl<'m> TablePredictor<'m> {
    /// What predicts a table by these rules for its columns.
    pub fn new(model: &'m Model, rules: &ColumnRules) -> Self {
        Self { model, pieces: model.encoder().pieces(rules) }
    }

    /// Predicts all rows of a piece of the table, which come behind those of all calls before: some
    /// at a time, on each thread of `exec`. What `read` makes of them is returned in the order of
    /// the rows.
    ///
    /// # Errors
    /// If an input column is missing or a number is infinite.
    pub fn predict<R: Send>(
        &mut self,
        exec: &Executor,
        piece: &Table,
        read: impl Fn(PredictedRows<'_>) -> R + Sync,
    ) -> Result<Vec<R>, DataError> {
        let n_rows = piece.n_rows();
        let predicted = exec.map(n_rows.div_ceil(ROWS_AT_ONCE), |chunk| {
            let start = chunk * ROWS_AT_ONCE;
            let rows = start..n_rows.min(start + ROWS_AT_ONCE);
            let (mut x, places) = (Vec::new(), rows.clone().collect::<Vec<usize>>());
            let tallies = self.pieces.encode_rows(piece, &places, &mut x)?;
            let predictions = self.model.predict_encoded(&x);
            let made = read(PredictedRows { rows, encoded: &x, predictions: &predictions });
            Ok((tallies, made))
        });
        let mut all = Vec::new();
        for chunk in predicted {
            let (tallies, made) = chunk?;
            self.pieces.add(piece, &tallies);
            all.push(made);
        }
        Ok(all)
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
        let rows: Vec<usize> = (0..table.n_rows()).collect();
        let encoded = self.encoder().encode(self.executor(), table, &rows)?;
        Ok((self.predict_encoded(&encoded.x), encoded.warnings))
    }
}
