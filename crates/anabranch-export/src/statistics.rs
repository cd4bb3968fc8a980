//! Columns whose categories are told apart by statistics of the targets, as a table.

use anabranch_data::{MissingColumn, TargetStatistics};

/// What each category is encoded as, then what an unseen and what a missing one is:
/// `[categories + 2, width]`, row-major.
pub(crate) fn table(
    statistics: &TargetStatistics,
    n_categories: usize,
    missing: MissingColumn,
) -> Vec<f32> {
    let indicator = (missing == MissingColumn::Present).then_some(0.0);
    let mut table = Vec::new();
    for place in (0..n_categories).map(Some).chain([None]) {
        table.extend_from_slice(statistics.row(place));
        table.extend(indicator);
    }
    table.extend_from_slice(statistics.row(None));
    table.extend(indicator.map(|_| 1.0));
    table
}
