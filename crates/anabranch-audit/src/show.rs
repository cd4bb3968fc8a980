//! Expressions written in the language of formulas, with no more brackets than it needs.

use std::fmt::{self, Write as _};

use crate::expr::{Axis, Expr, Fold, Function, Node, Operator};
use crate::letters::index_name;

/// Shows an expression as a formula file would have it; what a file cannot say, such as an index,
/// is shown as in print.
pub(crate) struct Shown<'a>(pub(crate) &'a Expr);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write(self.0, 0, &mut text)?;
        f.write_str(&text)
    }
}

/// How tightly a node binds; see `parser.rs`.
fn level(expr: &Expr) -> u8 {
    match &expr.node {
        Node::Binary(operator, _) => match operator {
            Operator::And => 0,
            Operator::Add | Operator::Subtract => 2,
            Operator::Multiply | Operator::Hadamard | Operator::Divide => 3,
            Operator::Power => 5,
            _ => 1,
        },
        Node::Negate(_) => 4,
        Node::Transpose(_) => 5,
        _ => 6,
    }
}

/// Appends the expression; in brackets if it binds less tightly than `least`.
fn write(expr: &Expr, least: u8, text: &mut String) -> fmt::Result {
    let own = level(expr);
    let (open, close) = match own {
        0 | 1 => ("[", "]"),
        _ if own < least => ("(", ")"),
        _ => ("", ""),
    };
    text.push_str(open);
    match &expr.node {
        Node::Number(number) => write!(text, "{number}")?,
        Node::Quantity(quantity) => text.push_str(quantity.name),
        Node::Differential(quantity) => write!(text, "d {}", quantity.name)?,
        Node::Identity => text.push('I'),
        Node::Index(name) => text.push(*name),
        Node::Negate(inner) => {
            text.push('-');
            write(inner, own, text)?;
        }
        Node::Transpose(inner) => {
            write(inner, own, text)?;
            text.push('\'');
        }
        Node::Binary(operator, sides) => {
            write(&sides[0], own, text)?;
            write!(text, " {} ", operator.symbol())?;
            write(&sides[1], own + 1, text)?;
        }
        Node::Function(function, arguments) => {
            text.push_str(function.name());
            list(arguments, text)?;
        }
        Node::Fold(fold, axis, inner) => {
            text.push_str(match fold {
                Fold::Sum => "sum",
                Fold::Mean => "mean",
            });
            text.push('(');
            write(inner, 0, text)?;
            text.push_str(match axis {
                Axis::Rows => ", rows)",
                Axis::Cols => ", cols)",
                Axis::All => ", all)",
                Axis::Samples(Some(name)) => {
                    return write!(text, ", {}){close}", index_name(*name));
                }
                Axis::Samples(None) | Axis::Unstated(_) => ")",
            });
        }
        Node::Over(name, except, inner) => {
            text.push_str("sum(");
            write(inner, 0, text)?;
            match except {
                Some(except) => {
                    write!(text, ", {} != {})", index_name(*name), index_name(*except))?;
                }
                None => write!(text, ", {})", index_name(*name))?,
            }
        }
        Node::Gather(names, inner) => {
            text.push('(');
            write(inner, 0, text)?;
            write!(text, ")_{}", names.iter().collect::<String>())?;
        }
        Node::Entry(inner, indices) => {
            write(inner, 6, text)?;
            let names: Vec<String> = indices.iter().map(|index| index_name(index.name)).collect();
            write!(text, "[{}]", names.join(","))?;
        }
        Node::Cases(parts) => {
            text.push_str("cases");
            list(parts, text)?;
        }
        Node::OfTask(task, inner) => {
            write(inner, 6, text)?;
            write!(text, " of {}", task.loss())?;
        }
        Node::Partial(u, v, _) => write!(text, "d {}/d {}", u.name, v.name)?,
    }
    text.push_str(close);
    Ok(())
}

fn list(parts: &[Expr], text: &mut String) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        text.push_str(if i == 0 { "(" } else { ", " });
        write(part, 0, text)?;
    }
    text.push(')');
    Ok(())
}

impl Operator {
    /// As it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Hadamard => ".*",
            Self::Divide => "/",
            Self::Power => "^",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterEqual => ">=",
            Self::LessEqual => "<=",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::And => "and",
        }
    }
}

impl Function {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::ReluPrime => "relu'",
            Self::Exp => "exp",
            Self::Log => "log",
            Self::Sqrt => "sqrt",
            Self::Abs => "abs",
            Self::Softmax => "softmax",
            Self::BatchNorm => "BN",
            Self::Diag => "diag",
            Self::Outer => "outer",
            Self::Eye => "eye",
            Self::Ones => "ones",
            Self::Zeros => "zeros",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shown;
    use crate::parser::parse;

    #[test]
    fn what_is_shown_is_read_as_the_same() {
        for text in [
            "x - (y_a - m)",
            "(x + y_a) * m",
            "-x ^ 2",
            "(-x) ^ 2",
            "(x * s)' .* relu'(z_1b)",
            "1 / (2 * m) * sum((y_a_hat - y_a) ^ 2, all)",
            "x .* [z_1b > 0]",
            "mean(s, rows) - sum(s) + sum(s, cols)",
            "outer(s, ones(m, 1)) / (m / p)",
        ] {
            assert_eq!(Shown(&parse(text).unwrap()).to_string(), text);
        }
    }
}
