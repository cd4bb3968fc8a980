//! Text to tokens.

use crate::SyntaxError;
use crate::letters::greek;
use crate::quantity::Quantity;

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
const SYMBOLS: [(&str, &str); 38] = [
    (".*", ".*"),
    ("./", "./"),
    (".^", "^"),
    (".'", "'"),
    (".T", "'"),
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
    ("@", "*"),
    ("⊕", "+"),
    ("÷", "/"),
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
        if let Some((kinds, length)) = spelled_out(rest) {
            tokens.extend(kinds.into_iter().map(|kind| Token { kind, column }));
            column += rest[..length].chars().count();
            rest = &rest[length..];
            continue;
        }
        let (kind, length) = if first.is_whitespace() {
            (None, first.len_utf8())
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            let (number, length) = number(rest, column)?;
            (Some(TokenKind::Number(number)), length)
        } else if let Some((name, length)) = name(rest) {
            (Some(TokenKind::Name(name)), length)
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

/// What several tokens stand for: ², ½, and σ, which is the root of the quantity σ².
fn spelled_out(text: &str) -> Option<(Vec<TokenKind>, usize)> {
    let first = text.chars().next()?;
    let length = first.len_utf8();
    let named = |name: &str| TokenKind::Name(name.to_owned());
    match first {
        '²' => Some((vec![TokenKind::Symbol("^"), TokenKind::Number(2.0)], length)),
        '½' => Some((vec![TokenKind::Number(0.5)], length)),
        'σ' => {
            Some(match ["²", "^2", ".^2"].iter().find(|two| text[length..].starts_with(**two)) {
                Some(two) => (vec![named("var")], length + two.len()),
                None => {
                    let root = [named("sqrt"), TokenKind::Symbol("("), named("var")];
                    (root.into_iter().chain([TokenKind::Symbol(")")]).collect(), length)
                }
            })
        }
        _ => None,
    }
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

/// The name that `text` starts with, in ASCII, and its length. Only `relu` takes its quote with it:
/// `x'` is a transpose.
fn name(text: &str) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut length = 0;
    // What a combining accent stands on.
    let mut letter = 0;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            letter = name.len();
            name.push(c);
        } else if let Some(digit) = "₀₁₂₃₄₅₆₇₈₉".chars().position(|sub| sub == c)
        {
            name.push_str(&digit.to_string());
        } else if let Some(written) = written_out(c) {
            // dθ
            if name == "d" {
                name.push('_');
            }
            letter = name.len();
            name.push_str(written);
        } else if let Some(accent) = accent(c)
            && length > 0
        {
            let accented = format!("{}_{accent}", &name[letter..]);
            name.replace_range(letter.., &accented);
        } else {
            break;
        }
        length += c.len_utf8();
    }
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let name = known(&name);
    match text[length..].chars().next() {
        Some(quote @ ('\'' | '′' | '’')) if name == "relu" => {
            Some((format!("{name}'"), length + quote.len_utf8()))
        }
        _ => Some((name, length)),
    }
}

/// The whole text as a name in ASCII.
pub(crate) fn as_name(text: &str) -> Option<String> {
    match &tokens(text).ok()?[..] {
        [Token { kind: TokenKind::Name(name), .. }, _] => Some(name.clone()),
        _ => None,
    }
}

/// The name of a Greek letter, or of a letter with an accent.
fn written_out(c: char) -> Option<&'static str> {
    Some(match c {
        'ŷ' => "y_hat",
        'â' => "a_hat",
        'Σ' | '∑' => "sum",
        '√' => "sqrt",
        'ε' | 'ϵ' => "eps",
        '∂' => "d_",
        _ => return greek(c),
    })
}

fn accent(c: char) -> Option<&'static str> {
    match c {
        '\u{302}' => Some("hat"),
        '\u{304}' | '\u{305}' => Some("bar"),
        '\u{303}' => Some("tilde"),
        _ => None,
    }
}

/// The quantity's name where it is written otherwise: `y_hat_b` and `yhat_b` for `y_b_hat`,
/// `theta2b` for `theta_2b`, `ReLU` for `relu`.
fn known(written: &str) -> String {
    let is_known = |name: &str| Quantity::named(name).is_some();
    if is_known(written) {
        return written.to_owned();
    }
    let lower = written.to_lowercase();
    if matches!(&*lower, "relu" | "softmax" | "exp" | "log" | "sqrt" | "sum" | "mean") {
        return lower;
    }
    // Layer and branch behind the letter, the hat last, d_ in front of whatever it is of.
    let spread = written.replace("d__", "d_");
    let layers = ["1a", "2a", "1b", "2b"];
    let parted = layers.iter().find_map(|layer| {
        let stem = spread.strip_suffix(layer)?;
        (!stem.ends_with('_') && !stem.is_empty()).then(|| format!("{stem}_{layer}"))
    });
    let hat_last = ["a", "b"].iter().find_map(|branch| {
        let stem = spread.strip_suffix(branch)?.trim_end_matches('_').strip_suffix("hat")?;
        Some(format!("{}_{branch}_hat", stem.trim_end_matches('_')))
    });
    [Some(spread), parted, hat_last]
        .into_iter()
        .flatten()
        .find(|name| is_known(name))
        .unwrap_or_else(|| written.to_owned())
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
    fn greek_letters_and_accents_are_names() {
        for (written, name) in [
            ("δ_2b", "delta_2b"),
            ("δ2b", "delta_2b"),
            ("θ₂b", "theta_2b"),
            ("ŷ_b", "y_b_hat"),
            ("y\u{302}_b", "y_b_hat"),
            ("y_b\u{302}", "y_b_hat"),
            ("ŷb", "y_b_hat"),
            ("y_hat_a", "y_a_hat"),
            ("yhat_a", "y_a_hat"),
            ("â", "a_hat"),
            ("a\u{302}", "a_hat"),
            ("γ", "gamma"),
            ("β", "beta"),
            ("μ", "mu"),
            ("ε", "eps"),
            ("dθ_1a", "d_theta_1a"),
            ("∂θ_1a", "d_theta_1a"),
            ("d_γ", "d_gamma"),
            ("ReLU", "relu"),
            ("z1a", "z_1a"),
            ("theta2b", "theta_2b"),
            ("unknown", "unknown"),
        ] {
            assert_eq!(kinds(written)[0], TokenKind::Name(name.into()), "{written}");
        }
        assert_eq!(kinds("ReLU′(z)")[0], TokenKind::Name("relu'".into()));
    }

    #[test]
    fn columns_count_characters() {
        let tokens = tokens("€").unwrap_err();
        assert_eq!(tokens.column, 1);
        let error = super::tokens("x ⊙ y ⊙ $").unwrap_err();
        assert_eq!((error.column, error.message.as_str()), (9, "unexpected character `$`"));
        assert_eq!(super::tokens("1e999").unwrap_err().column, 1);
    }
}
