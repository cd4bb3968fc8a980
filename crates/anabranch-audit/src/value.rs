//! What an expression evaluates to, and the operations on it.

use crate::expr::Operator;
use crate::matrix::Matrix;

/// A matrix, or a family of them that acts on a batch.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Matrix(Matrix),
    /// λ times the identity, of whatever size fits.
    Identity(f64),
    /// One square matrix for each row of the batch: applied to a batch, each to its own row.
    ForEachRow(Vec<Matrix>),
    /// One `[m, m]` matrix for each unit: applied to a batch, each to its own column.
    ForEachUnit(Vec<Matrix>),
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Undefined {
    /// An operation that these shapes do not allow.
    Shapes(String),
    /// More arithmetic or memory than any formula needs.
    TooLarge,
}

/// Most entries of an intermediate result.
pub(crate) const MAX_ENTRIES: usize = 20_000;

type Outcome<T> = Result<T, Undefined>;

impl Value {
    pub(crate) fn number(number: f64) -> Self {
        Self::Matrix(Matrix::filled(1, 1, number))
    }

    /// The matrix, for operations that a family does not support.
    pub(crate) fn matrix(self, operation: &str) -> Outcome<Matrix> {
        match self {
            Self::Matrix(matrix) => Ok(matrix),
            family => Err(Undefined::Shapes(format!(
                "{operation} of {}: such a family can only be multiplied with `*`, scaled and \
                 transposed",
                family.shown()
            ))),
        }
    }

    /// Its shape in words.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Matrix(matrix) => shown(matrix),
            Self::Identity(_) => "an identity matrix".to_owned(),
            Self::ForEachRow(of) => format!("a matrix for each of {} rows", of.len()),
            Self::ForEachUnit(of) => format!("a matrix for each of {} units", of.len()),
        }
    }

    /// Applies `f` to every entry.
    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        let all = |of: &[Matrix]| of.iter().map(|matrix| matrix.map(|v| f(*v))).collect();
        match self {
            Self::Matrix(matrix) => Self::Matrix(matrix.map(|v| f(*v))),
            Self::Identity(scale) => Self::Identity(f(*scale)),
            Self::ForEachRow(of) => Self::ForEachRow(all(of)),
            Self::ForEachUnit(of) => Self::ForEachUnit(all(of)),
        }
    }

    pub(crate) fn transposed(&self) -> Self {
        let all = |of: &[Matrix]| of.iter().map(Matrix::transposed).collect();
        match self {
            Self::Matrix(matrix) => Self::Matrix(matrix.transposed()),
            Self::Identity(scale) => Self::Identity(*scale),
            Self::ForEachRow(of) => Self::ForEachRow(all(of)),
            Self::ForEachUnit(of) => Self::ForEachUnit(all(of)),
        }
    }

    /// This number, if the value is one.
    fn as_number(&self) -> Option<f64> {
        match self {
            Self::Matrix(matrix) if matrix.shape() == [1, 1] => Some(matrix[(0, 0)]),
            _ => None,
        }
    }

    /// `left operator right`.
    pub(crate) fn combined(operator: Operator, left: Self, right: Self) -> Outcome<Self> {
        let (left, right) = match (left, right, operator) {
            (Self::Identity(scale), Self::Matrix(m), Operator::Add | Operator::Subtract)
                if m.rows() == m.cols() =>
            {
                (Self::Matrix(identity(m.rows(), scale)), Self::Matrix(m))
            }
            (
                Self::Matrix(m),
                Self::Identity(scale),
                Operator::Add | Operator::Subtract | Operator::Hadamard,
            ) if m.rows() == m.cols() => {
                let n = m.rows();
                (Self::Matrix(m), Self::Matrix(identity(n, scale)))
            }
            (Self::Identity(scale), other, Operator::Multiply)
            | (other, Self::Identity(scale), Operator::Multiply) => {
                return Ok(match other {
                    // A number that multiplies it scales it.
                    Self::Matrix(m) if m.shape() == [1, 1] => Self::Identity(scale * m[(0, 0)]),
                    other => other.map(|v| v * scale),
                });
            }
            sides => (sides.0, sides.1),
        };
        match (left.as_number(), right.as_number(), operator) {
            (Some(number), _, Operator::Multiply | Operator::Hadamard) => {
                Ok(right.map(|v| number * v))
            }
            (_, Some(number), Operator::Multiply | Operator::Hadamard) => {
                Ok(left.map(|v| v * number))
            }
            (_, Some(number), Operator::Divide) => Ok(left.map(|v| v / number)),
            (_, _, Operator::Multiply) => left.times(&right),
            _ => {
                let symbol = operator.symbol();
                let left = left.matrix(&format!("`{symbol}`"))?;
                let right = right.matrix(&format!("`{symbol}`"))?;
                entry_by_entry(operator, &left, &right).map(Self::Matrix)
            }
        }
    }

    /// The matrix product; for a family, its action on a batch.
    fn times(&self, right: &Self) -> Outcome<Self> {
        let mismatch =
            || Undefined::Shapes(format!("`*` of {} and {}", self.shown(), right.shown()));
        Ok(Self::Matrix(match (self, right) {
            (Self::Matrix(a), Self::Matrix(b)) => product(a, b)?,
            // Jᵢ·vᵢ for the column vector vᵢ of each row, and vᵢᵀ·Jᵢ.
            (Self::ForEachRow(of), Self::Matrix(v)) if of.len() == v.rows() => {
                let transposed: Vec<Matrix> = of.iter().map(Matrix::transposed).collect();
                rows_times(v, &transposed).ok_or_else(mismatch)?
            }
            (Self::Matrix(v), Self::ForEachRow(of)) if of.len() == v.rows() => {
                rows_times(v, of).ok_or_else(mismatch)?
            }
            // Jᵤ·(column u). From the right, (column u)ᵀ·Jᵤ: the batch is then read as its
            // transpose.
            (Self::ForEachUnit(of), Self::Matrix(v)) if of.len() == v.cols() => {
                let transposed: Vec<Matrix> = of.iter().map(Matrix::transposed).collect();
                rows_times(&v.transposed(), &transposed).ok_or_else(mismatch)?.transposed()
            }
            (Self::Matrix(v), Self::ForEachUnit(of)) if of.len() == v.rows() => {
                rows_times(v, of).ok_or_else(mismatch)?
            }
            _ => return Err(mismatch()),
        }))
    }
}

fn identity(n: usize, scale: f64) -> Matrix {
    Matrix::from_fn(n, n, |i, j| if i == j { scale } else { 0.0 })
}

/// Row i of `v` times matrix i.
fn rows_times(v: &Matrix, of: &[Matrix]) -> Option<Matrix> {
    let cols = of.first()?.cols();
    of.iter().all(|j| j.rows() == v.cols()).then(|| {
        Matrix::from_fn(v.rows(), cols, |i, k| {
            v.row(i).iter().enumerate().map(|(j, v)| v * of[i][(j, k)]).sum()
        })
    })
}

/// ab.
pub(crate) fn product(a: &Matrix, b: &Matrix) -> Outcome<Matrix> {
    if a.cols() != b.rows() {
        let message = format!("`*` of {} and {}: inner sizes differ", shown(a), shown(b));
        return Err(Undefined::Shapes(message));
    }
    if a.rows().saturating_mul(b.cols()) > MAX_ENTRIES {
        return Err(Undefined::TooLarge);
    }
    Ok(Matrix::from_fn(a.rows(), b.cols(), |i, k| {
        a.row(i).iter().enumerate().map(|(j, a)| a * b[(j, k)]).sum()
    }))
}

/// `outer(u, v)` of vectors is uvᵀ; of matrices with equally many rows, the outer products of their
/// rows, summed: uᵀv.
pub(crate) fn outer(u: &Matrix, v: &Matrix) -> Outcome<Matrix> {
    let is_vector = |matrix: &Matrix| matrix.rows() == 1 || matrix.cols() == 1;
    let as_row = |v: &Matrix| if v.cols() == 1 { v.transposed() } else { v.clone() };
    if is_vector(u) && is_vector(v) {
        product(&as_row(u).transposed(), &as_row(v))
    } else if u.rows() == v.rows() {
        product(&u.transposed(), v)
    } else {
        Err(Undefined::Shapes(format!(
            "`outer` of {} and {}: it takes two vectors, or two matrices with a row for each sample",
            shown(u),
            shown(v)
        )))
    }
}

/// Entry by entry; a number, a row `[1, n]` or a column `[m, 1]` is repeated to fit the other side.
fn entry_by_entry(operator: Operator, a: &Matrix, b: &Matrix) -> Outcome<Matrix> {
    let fits = |small: &Matrix, large: &Matrix| {
        (small.rows() == large.rows() || small.rows() == 1)
            && (small.cols() == large.cols() || small.cols() == 1)
    };
    // Only one side is repeated: a row and a column do not make a matrix here, since that would
    // hide a wrong transpose.
    let [rows, cols] = if fits(b, a) {
        a.shape()
    } else if fits(a, b) {
        b.shape()
    } else {
        let symbol = operator.symbol();
        return Err(Undefined::Shapes(format!("`{symbol}` of {} and {}", shown(a), shown(b))));
    };
    let at = |matrix: &Matrix, i: usize, j: usize| {
        matrix[(i.min(matrix.rows() - 1), j.min(matrix.cols() - 1))]
    };
    let truth = |holds: bool| f64::from(u8::from(holds));
    Ok(Matrix::from_fn(rows, cols, |i, j| {
        let (a, b) = (at(a, i, j), at(b, i, j));
        match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply | Operator::Hadamard => a * b,
            Operator::Divide => a / b,
            Operator::Power => a.powf(b),
            Operator::Greater => truth(a > b),
            Operator::Less => truth(a < b),
            Operator::GreaterEqual => truth(a >= b),
            Operator::LessEqual => truth(a <= b),
            Operator::Equal => truth(a == b),
            Operator::NotEqual => truth(a != b),
            Operator::And => truth(a != 0.0 && b != 0.0),
        }
    }))
}

/// `3×4`.
pub(crate) fn shown(matrix: &Matrix) -> String {
    format!("{}×{}", matrix.rows(), matrix.cols())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, cols: usize) -> Matrix {
        Matrix::from_fn(rows, cols, |i, j| (1 + i * cols + j) as f64)
    }

    #[test]
    fn one_side_is_repeated_never_both() {
        let sum = |a: Matrix, b: Matrix| {
            Value::combined(Operator::Add, Value::Matrix(a), Value::Matrix(b))
                .and_then(|value| value.matrix("test"))
        };
        assert_eq!(sum(matrix(2, 2), matrix(1, 2)).unwrap().data(), [2., 4., 4., 6.]);
        assert_eq!(sum(matrix(2, 1), matrix(2, 2)).unwrap().data(), [2., 3., 5., 6.]);
        assert_eq!(sum(matrix(1, 1), matrix(1, 2)).unwrap().data(), [2., 3.]);
        assert!(sum(matrix(2, 1), matrix(1, 2)).is_err());
        assert!(sum(matrix(2, 3), matrix(3, 2)).is_err());
        assert!(sum(matrix(2, 2), matrix(3, 2)).is_err());
    }

    #[test]
    fn a_family_acts_on_its_rows_or_columns() {
        let family = vec![matrix(2, 2), matrix(2, 2).map(|v| 10.0 * v)];
        let v = || Value::Matrix(matrix(2, 2));
        let apply = |a: Value, b: Value| {
            Value::combined(Operator::Multiply, a, b).and_then(|value| value.matrix("test"))
        };
        // J₀·(1,2)ᵀ = (5,11)ᵀ; J₁·(3,4)ᵀ = (110,250)ᵀ.
        let rows = apply(Value::ForEachRow(family.clone()), v()).unwrap();
        assert_eq!(rows.data(), [5., 11., 110., 250.]);
        // J₀·(1,3)ᵀ = (7,15)ᵀ; J₁·(2,4)ᵀ = (100,220)ᵀ.
        let units = apply(Value::ForEachUnit(family.clone()), v()).unwrap();
        assert_eq!(units.data(), [7., 100., 15., 220.]);
        let sum = Value::combined(Operator::Add, Value::ForEachRow(family), v());
        assert!(matches!(sum, Err(Undefined::Shapes(_))));
    }

    #[test]
    fn outer_sums_over_the_rows_of_matrices() {
        assert_eq!(outer(&matrix(1, 2), &matrix(3, 1)).unwrap().shape(), [2, 3]);
        assert_eq!(outer(&matrix(4, 2), &matrix(4, 3)).unwrap().shape(), [2, 3]);
        assert!(outer(&matrix(4, 2), &matrix(3, 3)).is_err());
    }
}
