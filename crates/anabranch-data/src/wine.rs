//! The built-in table: red wines, their measurements and their grades. `data/README.md` names
//! source and licence.

use crate::target::TargetColumns;
use crate::{DataError, Table};

static CSV: &str = include_str!("../data/winequality-red.csv");

impl Table {
    /// UCI Wine Quality, red wines: 1,599 rows, 11 measurements and `quality`, read from the
    /// binary.
    ///
    /// P. Cortez et al., 2009, [doi:10.24432/C56S3T](https://doi.org/10.24432/C56S3T), CC BY 4.0.
    ///
    /// # Errors
    /// None that the tests have not ruled out: the file is part of the crate.
    pub fn wine() -> Result<Self, DataError> {
        Self::from_reader("wine", CSV.as_bytes())
    }
}

impl TargetColumns {
    /// The two questions to [`Table::wine`]: regress `alcohol`, classify `quality`, whose best
    /// predictor alcohol is.
    pub fn wine() -> Self {
        Self::new().regress(["alcohol"]).classify("quality")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wine_is_the_published_table() {
        let wine = Table::wine().unwrap();
        assert_eq!((wine.n_rows(), wine.columns().len()), (1599, 12));
        // Means that the paper's Table 1 prints for red wine, to one decimal.
        for (column, mean) in [("fixed acidity", 8.3), ("alcohol", 10.4)] {
            let c = wine.column_index(column).unwrap();
            let sum: f64 = (0..1599).map(|r| wine.cell(r, c).parse::<f64>().unwrap()).sum();
            assert!((sum / 1599.0 - mean).abs() <= 0.05, "{column}: {}", sum / 1599.0);
        }
        // Rows of each grade, 3 to 8, as UCI's description counts them.
        let quality = wine.column_index("quality").unwrap();
        let mut grades = [0; 6];
        for row in 0..1599 {
            grades[wine.cell(row, quality).parse::<usize>().unwrap() - 3] += 1;
        }
        assert_eq!(grades, [10, 53, 681, 638, 199, 18]);
    }
}
