//! Equations that the numbers of a step have to satisfy.

use ndarray::Array2;

use crate::rounding::{LIMIT, SHARE, error};

/// Both sides of an equation, computed from different numbers of the step.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The equation, in LaTeX.
    pub equation: String,
    /// Its left side, for each unit, row or entry.
    pub left: Vec<f64>,
    /// Its right side.
    pub right: Vec<f64>,
    /// The largest distance of the two sides, relative to their size and a small share of the terms
    /// that they are sums of; ∞ where one is not finite.
    pub error: f64,
}

impl Check {
    /// Whether the sides are the same, except for rounding.
    pub fn holds(&self) -> bool {
        self.error <= LIMIT
    }

    /// The equation of pairs of sums.
    pub(super) fn new(
        equation: impl Into<String>,
        sides: impl IntoIterator<Item = (Sum, Sum)>,
    ) -> Self {
        let equation = equation.into();
        let mut check = Self { equation, left: Vec::new(), right: Vec::new(), error: 0.0 };
        for (left, right) in sides {
            let terms = SHARE * (left.terms + right.terms);
            check.error = check.error.max(error(left.value, right.value, terms));
            check.left.push(left.value);
            check.right.push(right.value);
        }
        check
    }

    /// The equation of two matrices, whose entries are sums of `terms`.
    pub(super) fn entries(
        equation: impl Into<String>,
        [left, right, terms]: [&Array2<f64>; 3],
    ) -> Self {
        let entries = left.iter().zip(right).zip(terms);
        let sides = entries
            .map(|((left, right), terms)| (Sum::from(*left), Sum { value: *right, terms: *terms }));
        Self::new(equation, sides)
    }
}

/// A sum, and the sizes of its terms, before they cancel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub(super) value: f64,
    pub(super) terms: f64,
}

impl From<f64> for Sum {
    fn from(value: f64) -> Self {
        Self { value, terms: value.abs() }
    }
}

impl FromIterator<f64> for Sum {
    fn from_iter<I: IntoIterator<Item = f64>>(terms: I) -> Self {
        let mut sum = Self::default();
        for term in terms {
            sum.value += term;
            sum.terms += term.abs();
        }
        sum
    }
}

impl Sum {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { value: self.value + other.value, terms: self.terms + other.terms }
    }

    pub(super) fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, terms: self.terms * factor.abs() }
    }
}

/// The sum of column `j`.
pub(super) fn column(x: &Array2<f64>, j: usize) -> Sum {
    x.column(j).iter().copied().collect()
}

/// The sum of row `i`.
pub(super) fn row(x: &Array2<f64>, i: usize) -> Sum {
    x.row(i).iter().copied().collect()
}

/// Σᵢ xᵢⱼ·yᵢⱼ of column `j`.
pub(super) fn along_column(x: &Array2<f64>, y: &Array2<f64>, j: usize) -> Sum {
    x.column(j).iter().zip(y.column(j)).map(|(x, y)| x * y).collect()
}

/// A matrix whose entries are themselves sums, and the sizes of their terms.
#[derive(Clone, Copy)]
pub(super) struct Sums<'a> {
    pub(super) values: &'a Array2<f64>,
    pub(super) terms: &'a Array2<f64>,
}

impl Sums<'_> {
    /// The sum of row `i`.
    pub(super) fn row(self, i: usize) -> Sum {
        Sum { terms: self.terms.row(i).sum(), ..row(self.values, i) }
    }

    /// The sum of column `j`.
    pub(super) fn column(self, j: usize) -> Sum {
        Sum { terms: self.terms.column(j).sum(), ..column(self.values, j) }
    }

    /// Σᵢ xᵢⱼ·dᵢⱼ of column `j` of a matrix x and this one.
    pub(super) fn along_column(self, x: &Array2<f64>, j: usize) -> Sum {
        let sizes = x.mapv(f64::abs);
        let terms = along_column(&sizes, self.terms, j).value;
        Sum { terms, ..along_column(x, self.values, j) }
    }

    /// Σⱼ xᵢⱼ·dᵢⱼ of row `i` of a matrix x and this one.
    pub(super) fn along_row(self, x: &Array2<f64>, i: usize) -> Sum {
        let products = |x: &Array2<f64>, y: &Array2<f64>| -> Sum {
            x.row(i).iter().zip(y.row(i)).map(|(x, y)| x * y).collect()
        };
        let terms = products(&x.mapv(f64::abs), self.terms).value;
        Sum { terms, ..products(x, self.values) }
    }
}

/// Σᵢⱼ xᵢⱼ·yᵢⱼ.
pub(super) fn inner(x: &Array2<f64>, y: &Array2<f64>) -> Sum {
    x.iter().zip(y).map(|(x, y)| x * y).collect()
}

/// Column sums of z = xθᵀ + b: those of x, through θ.
pub(super) fn of_linear(
    equation: &str,
    (x, theta, b): (&Array2<f64>, &Array2<f64>, &Array2<f64>),
    z: &Array2<f64>,
) -> Check {
    Check::new(
        equation,
        (0..z.ncols()).map(|j| {
            let bias = Sum::from(z.nrows() as f64 * b[[0, j]]);
            let products = (0..x.ncols()).map(|k| column(x, k).times(theta[[j, k]]));
            (column(z, j), products.fold(bias, Sum::plus))
        }),
    )
}

/// ⟨θ,dθ⟩ + b·db of each unit of z = xθᵀ + b: multiplying its θ and b by c multiplies z by c, so
/// both are the derivative of L by c.
pub(super) fn of_gradients(
    equation: &str,
    [theta, b]: [&Array2<f64>; 2],
    [d_theta, d_b]: [Sums<'_>; 2],
    (z, delta): (&Array2<f64>, Sums<'_>),
) -> Check {
    Check::new(
        equation,
        (0..z.ncols()).map(|j| {
            let own = d_theta.along_row(theta, j).plus(d_b.along_column(b, j));
            (own, delta.along_column(z, j))
        }),
    )
}
