//! What kind of column a table has: numbers, categories, or nothing.

use std::collections::BTreeMap;

use crate::cell::{Cell, Reading, value_of};
use crate::error::{DataError, excerpt};
use crate::table::Table;

/// A column is numeric when at least this percentage of its cells that are not missing are numbers.
const NUMERIC_PERCENT: usize = 99;

/// A table's column, read as what it is.
pub(crate) enum Column<'a> {
    /// No cell has a value.
    Empty,
    /// A number for each row of the table; NaN where it is missing or not a number.
    Numbers(Vec<f64>),
    /// Texts.
    Categories(Categories<'a>),
}

/// Texts, numbered.
pub(crate) struct Categories<'a> {
    /// The distinct ones, in text order.
    pub(crate) values: Vec<&'a str>,
    /// Which of them each text is; `None` where there is none.
    pub(crate) numbers: Vec<Option<u32>>,
}

impl<'a> Column<'a> {
    /// Reads column number `column` of `table`.
    ///
    /// # Errors
    /// [`DataError::OutOfRange`] for infinity in a numeric column.
    pub(crate) fn read(table: &'a Table, column: usize) -> Result<Self, DataError> {
        let n_rows = table.n_rows();
        let mut values = Vec::with_capacity(n_rows);
        let (mut numbers, mut texts, mut out_of_range) = (0, 0, None);
        for row in 0..n_rows {
            let mut value = f64::NAN;
            match Cell::Text(table.cell(row, column)).read_number() {
                Reading::Missing => {}
                Reading::Number(number) => {
                    value = number;
                    numbers += 1;
                }
                // Infinity is a number that is wrong: it is reported, if the column proves to be numeric.
                Reading::OutOfRange => {
                    out_of_range = out_of_range.or(Some(row));
                    numbers += 1;
                }
                Reading::Text => texts += 1,
            }
            values.push(value);
            if texts * 100 > n_rows * (100 - NUMERIC_PERCENT) {
                return Ok(Self::categories(table, column));
            }
        }
        if numbers + texts == 0 {
            Ok(Self::Empty)
        } else if numbers * 100 < (numbers + texts) * NUMERIC_PERCENT {
            Ok(Self::categories(table, column))
        } else if let Some(row) = out_of_range {
            Err(out_of_range_error(table, row, column))
        } else {
            Ok(Self::Numbers(values))
        }
    }

    fn categories(table: &'a Table, column: usize) -> Self {
        let cells = (0..table.n_rows()).map(|row| table.cell(row, column));
        Self::Categories(Categories::of(cells.map(value_of)))
    }
}

impl<'a> Categories<'a> {
    /// Numbers texts.
    pub(crate) fn of(texts: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut numbering = Numbering::default();
        texts.for_each(|text| numbering.push(text));
        numbering.finish()
    }
}

/// [`Categories`] in the making.
#[derive(Default)]
pub(crate) struct Numbering<'a> {
    /// The distinct texts, of which there are few as a rule, numbered as they were found.
    found: BTreeMap<&'a str, u32>,
    numbers: Vec<Option<u32>>,
}

impl<'a> Numbering<'a> {
    pub(crate) fn push(&mut self, text: Option<&'a str>) {
        let next = self.found.len() as u32;
        self.numbers.push(text.map(|text| *self.found.entry(text).or_insert(next)));
    }

    /// From the order in which texts were found to that of the texts.
    pub(crate) fn finish(self) -> Categories<'a> {
        let Self { found, mut numbers } = self;
        let mut places = vec![0; found.len()];
        for (place, found) in (0..).zip(found.values()) {
            places[*found as usize] = place;
        }
        for number in numbers.iter_mut().flatten() {
            *number = places[*number as usize];
        }
        Categories { values: found.into_keys().collect(), numbers }
    }
}

pub(crate) fn out_of_range_error(table: &Table, row: usize, column: usize) -> DataError {
    DataError::OutOfRange {
        file: table.name().to_owned(),
        line: table.line(row),
        column: table.columns()[column].trim().to_owned(),
        cell: excerpt(table.cell(row, column)),
    }
}

/// Mean and population standard deviation √(Σ(v−mean)²/n), in two passes from the first value on, which is exact for equal
/// values: a constant column has deviation 0, not a rounding error. A deviation of 0 is given back as 1, so that dividing by
/// it turns such a column into zeros. No values: (0, 1).
pub(crate) fn mean_and_std(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let Some(first) = values.clone().next() else { return (0.0, 1.0) };
    let (mut n, mut sum) = (0.0, 0.0);
    for value in values.clone() {
        n += 1.0;
        sum += value - first;
    }
    let mean = first + sum / n;
    let std = f64::sqrt(values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / n);
    (mean, if std > 0.0 { std } else { 1.0 })
}

/// The middle value, or the mean of the two in the middle. `values` is not empty and holds no NaN.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if even { (below.iter().copied().fold(f64::MIN, f64::max) + upper) / 2.0 } else { upper }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(cells: impl IntoIterator<Item = &'static str>) -> String {
        let csv = cells.into_iter().fold("x,y".to_owned(), |csv, cell| csv + "\n" + cell + ",");
        let table = Table::from_reader("t.csv", csv.as_bytes()).unwrap();
        match Column::read(&table, 0) {
            Ok(Column::Empty) => "empty".into(),
            Ok(Column::Numbers(values)) => format!("numbers {}", values.len()),
            Ok(Column::Categories(categories)) => {
                format!("{:?} {:?}", categories.values, categories.numbers)
            }
            Err(error) => error.to_string(),
        }
    }

    fn numbers_and(n: usize, other: &[&'static str]) -> impl Iterator<Item = &'static str> {
        std::iter::repeat_n("1.5", n).chain(other.to_vec())
    }

    #[test]
    fn ninety_nine_in_a_hundred_make_a_numeric_column() {
        assert_eq!(kind(numbers_and(99, &["x"])), "numbers 100");
        assert!(kind(numbers_and(98, &["x"])).starts_with(r#"["1.5", "x"] [Some(0), "#));
        // Missing cells do not count on either side.
        let text = kind(numbers_and(98, &["x", "NA", ""]));
        assert!(text.ends_with(", Some(0), Some(1), None, None]"), "{text}");
        assert_eq!(kind(numbers_and(1, &["NA", "null"])), "numbers 3");
        assert_eq!(kind(["NA", "", "nan"]), "empty");
        assert_eq!(kind(["b", " a", "", "a "]), r#"["a", "b"] [Some(1), Some(0), None, Some(0)]"#);
    }

    #[test]
    fn infinity_counts_as_a_number_and_is_refused() {
        let error = "t.csv: line 3: column \"x\" holds \"-inf\": numbers must be finite and not beyond 1e100: \
                     correct the cell or leave it empty";
        assert_eq!(kind(["1", "-inf", "1e300"]), error);
        assert_eq!(kind(["a", "inf", "b"]), r#"["a", "b", "inf"] [Some(0), Some(2), Some(1)]"#);
    }

    #[test]
    fn mean_std_and_median() {
        assert_eq!(mean_and_std([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter()), (5.0, 2.0));
        assert_eq!(mean_and_std([0.1; 7].into_iter()), (0.1, 1.0));
        assert_eq!(mean_and_std(std::iter::empty()), (0.0, 1.0));
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [-5.0]), -5.0);
    }
}
