//! Groups of rows: those that have the same value in a column.

use std::collections::BTreeMap;

/// What a column says about which rows belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// The column.
    pub column: String,
    /// Its values: in the order of numbers if all of them are some, or else of texts.
    pub values: Vec<String>,
    /// The place of each row's value among them.
    pub value_of: Vec<usize>,
}

impl Grouping {
    /// Groups rows by the cells that they have in a column; space around these says nothing.
    pub fn of<'c>(column: &str, cells: impl IntoIterator<Item = &'c str>) -> Self {
        Self::of_cells(column, cells.into_iter().collect())
    }

    fn of_cells(column: &str, cells: Vec<&str>) -> Self {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let cells = cells.into_iter().map(|cell| {
            let next = places.len();
            *places.entry(cell.trim()).or_insert(next)
        });
        let mut value_of: Vec<usize> = cells.collect();
        let mut values: Vec<(&str, usize)> = places.into_iter().collect();
        let number = |(text, _): &(&str, usize)| text.parse::<f64>().ok();
        if values.iter().all(|value| number(value).is_some()) {
            // Those that are no more than equal stay in the order of texts.
            values.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(a.0.cmp(b.0)));
        }
        let mut new_place = vec![0; values.len()];
        values.iter().enumerate().for_each(|(new, (_, old))| new_place[*old] = new);
        value_of.iter_mut().for_each(|place| *place = new_place[*place]);
        let values = values.into_iter().map(|(text, _)| text.to_owned()).collect();
        Self { column: column.trim().to_owned(), values, value_of }
    }

    /// How often each of these rows counts in the group of a value: once or not at all.
    pub fn counts(&self, value: usize, rows: impl IntoIterator<Item = usize>) -> Vec<f64> {
        let count = |row: usize| if self.value_of[row] == value { 1.0 } else { 0.0 };
        rows.into_iter().map(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_the_order_of_numbers_if_they_are_some() {
        let numbers = Grouping::of(" age ", ["10", "9", " 10", "1e1", "-2"]);
        assert_eq!((numbers.column.as_str(), numbers.value_of), ("age", vec![2, 1, 2, 3, 0]));
        assert_eq!(numbers.values, ["-2", "9", "10", "1e1"]);
        let texts = Grouping::of("sex", ["male", "", "10", "female"]);
        assert_eq!(texts.values, ["", "10", "female", "male"]);
        assert_eq!(texts.counts(3, [0, 3, 0]), [1.0, 0.0, 1.0]);
    }
}
