//! What functions do to values.

use crate::expr::Function;
use crate::matrix::Matrix;
use crate::truth::Scope;
use crate::value::{MAX_ENTRIES, Undefined, Value, outer};

/// A function of its arguments; the parser has checked how many there are.
pub(crate) fn applied(
    function: Function,
    values: Vec<Value>,
    scope: Scope,
) -> Result<Value, Undefined> {
    let mut values = values.into_iter();
    let mut next = || values.next().unwrap_or_else(|| Value::number(f64::NAN));
    let first = next();
    Ok(match function {
        Function::Relu => first.map(|v| if v > 0.0 { v } else { 0.0 * v }),
        Function::ReluPrime => {
            first.map(|v| if v.is_nan() { v } else { f64::from(u8::from(v > 0.0)) })
        }
        Function::Exp => first.map(f64::exp),
        Function::Log => first.map(f64::ln),
        Function::Sqrt => first.map(f64::sqrt),
        Function::Abs => first.map(f64::abs),
        Function::Softmax => {
            let z = first.matrix("softmax")?;
            // Row by row, the classes of a sample are in a column.
            let is_column = matches!(scope, Scope::Row(_)) && z.cols() == 1;
            Value::Matrix(if is_column {
                softmax(&z.transposed()).transposed()
            } else {
                softmax(&z)
            })
        }
        // The evaluator has the batch that it needs.
        Function::BatchNorm => first,
        Function::Diag => Value::Matrix(diag(&first.matrix("diag")?)?),
        Function::Outer => Value::Matrix(outer(&first.matrix("outer")?, &next().matrix("outer")?)?),
        Function::Eye => {
            let n = size(&first)?;
            within_limit(n, n)?;
            Value::Matrix(Matrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j))))
        }
        Function::Ones | Function::Zeros => {
            let (rows, cols) = (size(&first)?, size(&next())?);
            within_limit(rows, cols)?;
            let value = if function == Function::Ones { 1.0 } else { 0.0 };
            Value::Matrix(Matrix::filled(rows, cols, value))
        }
    })
}

/// The softmax of each row.
fn softmax(z: &Matrix) -> Matrix {
    let exponentials: Vec<Vec<f64>> = (0..z.rows())
        .map(|i| {
            let largest = z.row(i).iter().copied().fold(f64::NEG_INFINITY, f64::max);
            z.row(i).iter().map(|z| (z - largest).exp()).collect()
        })
        .collect();
    Matrix::from_fn(z.rows(), z.cols(), |i, j| {
        exponentials[i][j] / exponentials[i].iter().sum::<f64>()
    })
}

/// Of a vector, the diagonal matrix; of a square matrix, its diagonal as a column.
fn diag(v: &Matrix) -> Result<Matrix, Undefined> {
    let n = v.data().len();
    if v.rows() == 1 || v.cols() == 1 {
        within_limit(n, n)?;
        Ok(Matrix::from_fn(n, n, |i, j| if i == j { v.data()[i] } else { 0.0 }))
    } else if v.rows() == v.cols() {
        Ok(Matrix::from_fn(v.rows(), 1, |i, _| v[(i, i)]))
    } else {
        let shape = crate::value::shown(v);
        Err(Undefined::Shapes(format!("`diag` of {shape}: it takes a vector or a square matrix")))
    }
}

fn within_limit(rows: usize, cols: usize) -> Result<(), Undefined> {
    if rows.saturating_mul(cols) > MAX_ENTRIES { Err(Undefined::TooLarge) } else { Ok(()) }
}

/// A number of rows or columns.
fn size(value: &Value) -> Result<usize, Undefined> {
    match value {
        Value::Matrix(matrix) if matrix.shape() == [1, 1] => {
            let number = matrix[(0, 0)];
            if number > MAX_ENTRIES as f64 {
                Err(Undefined::TooLarge)
            } else if number >= 1.0 && number.fract() == 0.0 {
                Ok(number as usize)
            } else {
                Err(Undefined::Shapes(format!("a size of {number}: it is a whole number from 1")))
            }
        }
        other => Err(Undefined::Shapes(format!("a size of {}", other.shown()))),
    }
}
