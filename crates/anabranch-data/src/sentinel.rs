//! Numbers such as −9999 that seem to stand for a missing value.

use crate::cell::{Cell, Reading};
use crate::column_kind::ColumnKind;
use crate::error::excerpt;
use crate::schema::ColumnSchema;
use crate::table::Table;
use crate::warning::{Warning, WarningCode};

/// A number that stands for a missing value does so in some rows.
const MIN_COUNT: usize = 2;

/// A warning where the least or the largest number of a column of numbers has no other digit than
/// 9, is in several rows, and lies farther from all other numbers than these from each other.
pub(crate) fn about_sentinels(table: &Table, column: usize, about: &ColumnSchema) -> Vec<Warning> {
    let ColumnKind::Number { format } = &about.kind else { return Vec::new() };
    let number = |row| {
        let cell = Cell::Text(table.cell(row, column));
        match cell.read_number(format, &about.missing_markers) {
            Reading::Number(number) => Some((row, number)),
            _ => None,
        }
    };
    let numbers = || (0..table.n_rows()).filter_map(number);
    let [least, largest] =
        about.range.unwrap_or_else(|| range_of(numbers().map(|(_, number)| number)));
    let nines: Vec<f64> = [least, largest].into_iter().filter(|end| has_only_nines(*end)).collect();
    if nines.is_empty() {
        return Vec::new();
    }
    let others = numbers().map(|(_, number)| number).filter(|number| !nines.contains(number));
    let [inner_least, inner_largest] = range_of(others);
    let range = inner_largest - inner_least;
    let of_end = |(end, distance): (f64, f64)| {
        // Written so that NaN, of a column without other numbers, is not farther.
        if !(nines.contains(&end) && distance > range) {
            return None;
        }
        let mut rows = numbers().filter(|(_, number)| *number == end).map(|(row, _)| row);
        let first = rows.next()?;
        let count = rows.count() + 1;
        (count >= MIN_COUNT).then(|| warning(table, column, (end, first, count)))
    };
    [(least, inner_least - least), (largest, largest - inner_largest)]
        .into_iter()
        .filter_map(of_end)
        .collect()
}

fn warning(table: &Table, column: usize, (number, row, count): (f64, usize, usize)) -> Warning {
    let (name, line) = (table.columns()[column].trim(), table.line(row));
    let text = excerpt(table.cell(row, column));
    let message = format!(
        "column {name:?}: {number} lies far from all other numbers: {count} cells (the first on line {line}): if it stands \
         for a missing value, say so with --missing=+{number}"
    );
    let warning = Warning::new(WarningCode::Sentinel, message).column(name);
    warning.cell(line, &text).share(count, table.n_rows())
}

/// The least and the largest number; NaN if there are none.
fn range_of(numbers: impl Iterator<Item = f64>) -> [f64; 2] {
    numbers.fold([f64::NAN; 2], |[least, largest], number| [least.min(number), largest.max(number)])
}

/// Whether a number is written with nines alone, two at least, as −9999 and 99.9.
fn has_only_nines(number: f64) -> bool {
    let digits = number.abs().to_string().replace('.', "");
    digits.len() >= 2 && digits.bytes().all(|byte| byte == b'9')
}

#[cfg(test)]
mod tests {
    use anabranch_tensor::Executor;

    use super::*;
    use crate::schema::Schema;

    fn found(cells: &[&str]) -> Vec<(String, Option<usize>, Option<usize>)> {
        let csv = format!("x,y\n{}", cells.iter().map(|x| format!("{x},1\n")).collect::<String>());
        let table = Table::from_reader("t.csv", csv.as_bytes()).unwrap();
        let schema = Schema::infer(&Executor::serial(), &table).unwrap();
        let warnings = about_sentinels(&table, 0, &schema.columns()[0]);
        warnings.into_iter().map(|w| (w.text.unwrap(), w.line, w.count)).collect()
    }

    #[test]
    fn nines_far_from_all_others_are_named() {
        assert_eq!(
            found(&["1.5", "-9999", "30", "7", "-9999.0"]),
            [("-9999".into(), Some(3), Some(2))]
        );
        assert_eq!(
            found(&["-999", "99999", "30", "7.5", "-999", "99999"]),
            [("-999".into(), Some(2), Some(2)), ("99999".into(), Some(3), Some(2))]
        );
        // Once; among others; with another digit; with nothing beside it.
        for cells in [
            &["1.5", "-9999", "30", "7"][..],
            &["99", "99", "1", "60"],
            &["-1000", "-1000", "1", "3"],
            &["99", "99"],
        ] {
            assert_eq!(found(cells), [], "{cells:?}");
        }
    }
}
