//! From tokens to a tree, by precedence climbing.
//!
//! From loose to tight: comparison, `+ -`, `* / .* ./`, sign, then `^` and the postfix `'`
//! together. Operators of one level group to the left: −x^2 is −(x^2), and x^2' is (x^2)'.

use crate::SyntaxError;
use crate::expr::{Axis, Expr, Fold, Function, Node, Operator};
use crate::lexer::{Token, TokenKind, tokens};
use crate::quantity::{QUANTITIES, Quantity, suggestion};

/// Deeper trees are refused: evaluation recurses.
pub(crate) const MAX_DEPTH: usize = 120;

/// More sums without a range are refused: each is read both ways.
pub(crate) const MAX_UNSTATED: usize = 4;

/// The tree of an expression.
pub(crate) fn parse(text: &str) -> Result<Expr, SyntaxError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, unstated: 0, nesting: 0 };
    let expr = parser.expression(0)?;
    match &parser.peek().kind {
        TokenKind::End => Ok(expr),
        found => {
            let message =
                format!("expected an operator or the end of the formula, found {}", shown(found));
            Err(parser.error_here(message))
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    unstated: usize,
    nesting: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        // `tokens` ends with End, which is never passed.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(&self.peek().kind, TokenKind::Symbol(s) if *s == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str, opened: usize) -> Result<(), SyntaxError> {
        if self.take(symbol) {
            return Ok(());
        }
        let found = shown(&self.peek().kind);
        Err(self.error_here(format!(
            "expected `{symbol}` to close the bracket in column {opened}, found {found}"
        )))
    }

    fn error_here(&self, message: String) -> SyntaxError {
        SyntaxError { column: self.peek().column, message }
    }

    /// An expression whose operators bind tighter than `least`.
    fn expression(&mut self, least: u8) -> Result<Expr, SyntaxError> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return Err(self.error_here(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let mut left = self.prefix(least)?;
        loop {
            let column = self.peek().column;
            if POWER > least && self.take("'") {
                left = node(Node::Transpose(Box::new(left)), column)?;
                continue;
            }
            let Some((operator, level)) = operator(&self.peek().kind) else { break };
            if level <= least {
                break;
            }
            self.at += 1;
            let right = self.expression(level)?;
            left = node(Node::Binary(operator, Box::new([left, right])), column)?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn prefix(&mut self, least: u8) -> Result<Expr, SyntaxError> {
        let Token { kind, column } = self.next();
        match kind {
            TokenKind::Number(number) => node(Node::Number(number), column),
            TokenKind::Name(name) => self.name(&name, column),
            TokenKind::Symbol("-") => {
                let inner = self.expression(SIGN.max(least))?;
                node(Node::Negate(Box::new(inner)), column)
            }
            TokenKind::Symbol("+") => self.expression(SIGN.max(least)),
            TokenKind::Symbol("(") => {
                let inner = self.expression(0)?;
                self.expect(")", column)?;
                Ok(inner)
            }
            // Iverson's bracket: [z > 0] is 1 where z > 0.
            TokenKind::Symbol("[") => {
                let inner = self.expression(0)?;
                self.expect("]", column)?;
                Ok(inner)
            }
            other => {
                let message = format!("expected a value, found {}", shown(&other));
                Err(SyntaxError { column, message })
            }
        }
    }

    fn name(&mut self, name: &str, column: usize) -> Result<Expr, SyntaxError> {
        let called = matches!(self.peek().kind, TokenKind::Symbol("("));
        if called && let Some((fold, axis)) = fold(name) {
            return self.fold(fold, axis, name, column);
        }
        if called && let Some((function, arity)) = function(name) {
            let arguments = self.arguments(name, arity)?;
            return node(Node::Function(function, arguments), column);
        }
        if let Some(quantity) = Quantity::named(name) {
            return node(Node::Quantity(quantity), column);
        }
        let message = if fold(name).is_some() || function(name).is_some() {
            format!("`{name}` is a function: write `{name}(…)`")
        } else if called {
            let names = FUNCTIONS.iter().map(|f| f.0).chain(FOLDS.iter().map(|f| f.0));
            format!("there is no function `{name}`{}", suggestion(name, names))
        } else {
            let names = QUANTITIES.iter().map(|quantity| quantity.name);
            format!("there is no quantity `{name}`{}", suggestion(name, names))
        };
        Err(SyntaxError { column, message })
    }

    fn arguments(&mut self, name: &str, arity: usize) -> Result<Vec<Expr>, SyntaxError> {
        let opened = self.next().column;
        let mut arguments = vec![self.expression(0)?];
        while arguments.len() <= arity && self.take(",") {
            arguments.push(self.expression(0)?);
        }
        if arguments.len() != arity {
            let plural = if arity == 1 { "argument" } else { "arguments" };
            let message = format!("`{name}` takes {arity} {plural}");
            return Err(SyntaxError { column: opened, message });
        }
        self.expect(")", opened)?;
        Ok(arguments)
    }

    /// `sum(x)`, `sum(x, rows)`, `sum_rows(x)` and the same for `mean`.
    fn fold(
        &mut self,
        fold: Fold,
        axis: Option<Axis>,
        name: &str,
        column: usize,
    ) -> Result<Expr, SyntaxError> {
        let opened = self.next().column;
        let inner = self.expression(0)?;
        let axis = if axis.is_none() && self.take(",") {
            match self.next() {
                Token { kind: TokenKind::Name(axis), .. } if axis == "rows" => Axis::Rows,
                Token { kind: TokenKind::Name(axis), .. } if axis == "cols" => Axis::Cols,
                Token { kind: TokenKind::Name(axis), .. } if axis == "all" => Axis::All,
                Token { column, .. } => {
                    let message = format!("`{name}(x, …)` goes over `rows`, `cols` or `all`");
                    return Err(SyntaxError { column, message });
                }
            }
        } else {
            axis.unwrap_or_else(|| {
                self.unstated += 1;
                Axis::Unstated(self.unstated - 1)
            })
        };
        self.expect(")", opened)?;
        if self.unstated > MAX_UNSTATED {
            let message = format!(
                "more than {MAX_UNSTATED} sums without a range: write `{name}(x, rows)`, \
                 `cols` or `all`"
            );
            return Err(SyntaxError { column, message });
        }
        node(Node::Fold(fold, axis, Box::new(inner)), column)
    }
}

fn node(node: Node, column: usize) -> Result<Expr, SyntaxError> {
    let expr = Expr::new(node, column);
    if expr.depth() > MAX_DEPTH {
        let message = format!("the expression is more than {MAX_DEPTH} operations deep");
        return Err(SyntaxError { column, message });
    }
    Ok(expr)
}

/// The level of a sign: tighter than `*`, looser than `^`.
const SIGN: u8 = 4;

/// The level of `^` and of the postfix `'`.
const POWER: u8 = 5;

fn operator(kind: &TokenKind) -> Option<(Operator, u8)> {
    let TokenKind::Symbol(symbol) = kind else { return None };
    Some(match *symbol {
        ">" => (Operator::Greater, 1),
        "<" => (Operator::Less, 1),
        ">=" => (Operator::GreaterEqual, 1),
        "<=" => (Operator::LessEqual, 1),
        "+" => (Operator::Add, 2),
        "-" => (Operator::Subtract, 2),
        "*" => (Operator::Multiply, 3),
        ".*" => (Operator::Hadamard, 3),
        "/" | "./" => (Operator::Divide, 3),
        "^" => (Operator::Power, POWER),
        _ => return None,
    })
}

/// Name, function, number of arguments.
const FUNCTIONS: [(&str, Function, usize); 12] = [
    ("relu", Function::Relu, 1),
    ("relu'", Function::ReluPrime, 1),
    ("exp", Function::Exp, 1),
    ("log", Function::Log, 1),
    ("sqrt", Function::Sqrt, 1),
    ("abs", Function::Abs, 1),
    ("softmax", Function::Softmax, 1),
    ("diag", Function::Diag, 1),
    ("outer", Function::Outer, 2),
    ("eye", Function::Eye, 1),
    ("ones", Function::Ones, 2),
    ("zeros", Function::Zeros, 2),
];

const FOLDS: [(&str, Fold, Option<Axis>); 6] = [
    ("sum", Fold::Sum, None),
    ("mean", Fold::Mean, None),
    ("sum_rows", Fold::Sum, Some(Axis::Rows)),
    ("sum_cols", Fold::Sum, Some(Axis::Cols)),
    ("mean_rows", Fold::Mean, Some(Axis::Rows)),
    ("mean_cols", Fold::Mean, Some(Axis::Cols)),
];

fn function(name: &str) -> Option<(Function, usize)> {
    FUNCTIONS.iter().find(|f| f.0 == name).map(|f| (f.1, f.2))
}

fn fold(name: &str) -> Option<(Fold, Option<Axis>)> {
    FOLDS.iter().find(|f| f.0 == name).map(|f| (f.1, f.2))
}

fn shown(kind: &TokenKind) -> String {
    match kind {
        TokenKind::Number(number) => format!("the number {number}"),
        TokenKind::Name(name) => format!("`{}`", name.chars().take(40).collect::<String>()),
        TokenKind::Symbol(symbol) => format!("`{symbol}`"),
        TokenKind::End => "the end".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in prefix form.
    fn tree(text: &str) -> String {
        fn write(expr: &Expr) -> String {
            let head = match &expr.node {
                Node::Number(number) => return number.to_string(),
                Node::Quantity(quantity) => return quantity.name.to_owned(),
                Node::Negate(_) => "neg".to_owned(),
                Node::Transpose(_) => "t".to_owned(),
                Node::Binary(operator, _) => format!("{operator:?}"),
                Node::Function(function, _) => format!("{function:?}"),
                Node::Fold(fold, axis, _) => format!("{fold:?}{axis:?}"),
                node => unreachable!("{node:?} is not written in this language"),
            };
            let parts: Vec<String> = expr.children().iter().map(write).collect();
            format!("{head}({})", parts.join(" "))
        }
        write(&parse(text).unwrap())
    }

    #[test]
    fn operators_bind_as_in_print() {
        assert_eq!(tree("x - y_a - m"), "Subtract(Subtract(x y_a) m)");
        assert_eq!(tree("x + y_a * m"), "Add(x Multiply(y_a m))");
        assert_eq!(tree("-x^2"), "neg(Power(x 2))");
        assert_eq!(tree("x^2'"), "t(Power(x 2))");
        assert_eq!(tree("x'^-1'"), "t(Power(t(x) neg(1)))");
        assert_eq!(tree("-x * s'"), "Multiply(neg(x) t(s))");
        assert_eq!(tree("x * -s"), "Multiply(x neg(s))");
        assert_eq!(tree("x .* relu'(z_1b)'"), "Hadamard(x t(ReluPrime(z_1b)))");
        assert_eq!(tree("x ⊙ [z_1b > 0]"), "Hadamard(x Greater(z_1b 0))");
        assert_eq!(tree("1/2*m"), "Multiply(Divide(1 2) m)");
    }

    #[test]
    fn sums_are_told_apart() {
        assert_eq!(
            tree("sum(sum(x), rows) + mean(s) + sum_cols(s)"),
            "Add(Add(SumRows(SumUnstated(0)(x)) MeanUnstated(1)(s)) SumCols(s))"
        );
    }

    #[test]
    fn an_error_points_at_its_column() {
        for (text, column, part) in [
            ("", 1, "expected a value, found the end"),
            ("delta_2b * )", 12, "expected a value, found `)`"),
            ("(x + s", 7, "bracket in column 1"),
            ("x s", 3, "expected an operator or the end of the formula, found `s`"),
            ("x + dleta_2b", 5, "did you mean `delta_2b`?"),
            ("x + sun(s)", 5, "did you mean `sum`?"),
            ("sum * x", 1, "`sum` is a function"),
            ("outer(x)", 6, "takes 2 arguments"),
            ("ones(1, 2, 3)", 5, "takes 2 arguments"),
            ("sum(x, 1)", 8, "`rows`, `cols` or `all`"),
            ("sum(x) + sum(x) + sum(x) + sum(x) + sum(x)", 37, "without a range"),
            ("x '' $", 6, "unexpected character"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.column, column, "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn depth_is_limited() {
        for deep in [
            "(".repeat(100_000),
            "-".repeat(100_000),
            format!("x{}", "'".repeat(100_000)),
            format!("x{}", "+x".repeat(100_000)),
            format!("x{}", "^x".repeat(100_000)),
            "relu(".repeat(100_000),
            "sum(".repeat(100_000),
        ] {
            assert!(parse(&deep).unwrap_err().message.contains("120"));
        }
        assert!(parse(&format!("x{}", "+x".repeat(100))).is_ok());
    }
}
