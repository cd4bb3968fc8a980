//! Text to tokens.

use crate::SyntaxError;

/// A token and the column (in characters, from 1) where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) column: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    Number(f64),
    /// A name of letters, digits and `_`; also `relu'`.
    Name(String),
    /// An operator, bracket or comma.
    Symbol(&'static str),
    End,
}

/// Spelling → the symbol that it means. Longer spellings come first.
const SYMBOLS: [(&str, &str); 34] = [
    (".*", ".*"),
    ("./", "./"),
    (".^", "^"),
    (".'", "'"),
    ("**", "^"),
    (">=", ">="),
    ("<=", "<="),
    ("+", "+"),
    ("-", "-"),
    ("*", "*"),
    ("/", "/"),
    ("^", "^"),
    ("'", "'"),
    ("(", "("),
    (")", ")"),
    ("[", "["),
    ("]", "]"),
    (",", ","),
    (">", ">"),
    ("<", "<"),
    // As printed.
    ("⊙", ".*"),
    ("∘", ".*"),
    ("⊘", "./"),
    ("·", "*"),
    ("⋅", "*"),
    ("×", "*"),
    ("−", "-"),
    ("–", "-"),
    ("ᵀ", "'"),
    ("⊤", "'"),
    ("′", "'"),
    ("’", "'"),
    ("≥", ">="),
    ("≤", "<="),
];

/// The tokens of `text`, with [`TokenKind::End`] last.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut column = 1;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = if first.is_whitespace() {
            (None, first.len_utf8())
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            let (number, length) = number(rest, column)?;
            (Some(TokenKind::Number(number)), length)
        } else if first.is_ascii_alphabetic() || first == '_' {
            let name = name(rest);
            (Some(TokenKind::Name(name.replace(['′', '’'], "'"))), name.len())
        } else if let Some((written, meant)) =
            SYMBOLS.iter().find(|(written, _)| rest.starts_with(written))
        {
            (Some(TokenKind::Symbol(meant)), written.len())
        } else {
            let message = format!("unexpected character `{}`", first.escape_debug());
            return Err(SyntaxError { column, message });
        };
        tokens.extend(kind.map(|kind| Token { kind, column }));
        column += rest[..length].chars().count();
        rest = &rest[length..];
    }
    tokens.push(Token { kind: TokenKind::End, column });
    Ok(tokens)
}

/// The number that `text` starts with, and its length. `2.*x` is 2 .* x.
fn number(text: &str, column: usize) -> Result<(f64, usize), SyntaxError> {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        from + bytes[from.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let mut end = digits(0);
    let is_operator = |at: usize| matches!(bytes.get(at), Some(b'*' | b'/' | b'^' | b'\''));
    if bytes.get(end) == Some(&b'.') && !is_operator(end + 1) {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    match text[..end].parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((number, end)),
        _ => Err(SyntaxError { column, message: "a number too large for a double".to_owned() }),
    }
}

/// The name that `text` starts with. Only `relu` takes its quote with it: `x'` is a transpose.
fn name(text: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = text.find(|c| !is_part(c)).unwrap_or(text.len());
    match text[length..].chars().next() {
        Some(quote @ ('\'' | '′' | '’')) if &text[..length] == "relu" => {
            &text[..length + quote.len_utf8()]
        }
        _ => &text[..length],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn a_dot_belongs_to_the_operator_and_a_quote_to_relu() {
        use TokenKind::{End, Name, Number, Symbol};
        assert_eq!(kinds("2.*x'"), [Number(2.0), Symbol(".*"), Name("x".into()), Symbol("'"), End]);
        assert_eq!(kinds(".5e-1"), [Number(0.05), End]);
        assert_eq!(kinds("relu′(z)")[0], Name("relu'".into()));
        assert_eq!(kinds("2e")[..2], [Number(2.0), Name("e".into())]);
    }

    #[test]
    fn columns_count_characters() {
        let tokens = tokens("δ").unwrap_err();
        assert_eq!(tokens.column, 1);
        let error = super::tokens("x ⊙ y ⊙ $").unwrap_err();
        assert_eq!((error.column, error.message.as_str()), (9, "unexpected character `$`"));
        assert_eq!(super::tokens("1e999").unwrap_err().column, 1);
    }
}
