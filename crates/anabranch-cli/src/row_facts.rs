//! What the tables say about rows that a data set does not hold, and a report tells.

use anabranch::data::{Encoding, InputColumn, Prepared, SplitBy, Table};
use anabranch_report::Grouping;

use crate::failure::Failure;
use crate::setup::Source;

/// Most categories of an input column by which rows are grouped.
const MOST_CATEGORIES: usize = 10;

/// The tables, and which of their rows those of a data set are, in its order.
#[derive(Debug)]
pub(crate) struct RowFacts<'s> {
    source: &'s Source,
    tables: Vec<(&'s Table, Vec<usize>)>,
}

impl<'s> RowFacts<'s> {
    /// # Errors
    /// If the table of test rows lacks a column, or cannot be read.
    pub(crate) fn of(source: &'s Source, prepared: &Prepared<f32>) -> Result<Self, Failure> {
        let mut tables = vec![(&source.table, prepared.rows.clone())];
        if let Some(test) = &source.test {
            tables.push((test, prepared.targets.read(test)?.rows));
        }
        Ok(Self { source, tables })
    }

    /// The line on which each row begins in its file.
    pub(crate) fn lines(&self) -> Vec<usize> {
        let of_table = |(table, rows): &(&Table, Vec<usize>)| -> Vec<usize> {
            rows.iter().map(|row| table.line(*row)).collect()
        };
        self.tables.iter().flat_map(of_table).collect()
    }

    /// What inputs of few categories say, and the column that the split kept together.
    pub(crate) fn groupings(&self, prepared: &Prepared<f32>) -> Vec<Grouping> {
        let Self { source, tables } = self;
        let is_small = |input: &&InputColumn| match &input.encoding {
            Encoding::Categorical { categories, .. } => categories.len() <= MOST_CATEGORIES,
            _ => false,
        };
        let inputs = prepared.encoder.input_columns().iter().filter(is_small);
        let kept_together = match &source.rules.by {
            SplitBy::Group(column) => Some(column.as_str()),
            _ => None,
        };
        let columns = inputs.map(|input| input.name.as_str()).chain(kept_together);
        let grouping = |column: &str| {
            // A table of test rows need not have the column that the other one is split by.
            let places: Option<Vec<usize>> =
                tables.iter().map(|(table, _)| table.column_index(column).ok()).collect();
            let cells = tables.iter().zip(places?);
            let cells = cells.flat_map(|((table, rows), place)| cells_of(table, rows, place));
            Some(Grouping::of(column, cells))
        };
        columns.filter_map(grouping).collect()
    }
}

/// The cells of a column in some rows.
fn cells_of<'t>(
    table: &'t Table,
    rows: &'t [usize],
    place: usize,
) -> impl Iterator<Item = &'t str> {
    rows.iter().map(move |row| table.cell(*row, place))
}
