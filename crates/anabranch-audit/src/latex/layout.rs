//! From LaTeX mathematics to a tree of atoms with their scripts: what is where on the page, not yet
//! what it means.

mod commands;

use crate::letters::greek;

/// Line and column of a character in its file, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Place {
    /// Behind a character that stands here.
    pub(crate) fn behind(self, c: char) -> Self {
        match c {
            '\n' => Self { line: self.line + 1, column: 1 },
            _ => Self { column: self.column + 1, ..self },
        }
    }
}

/// Something that cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) place: Place,
    pub(crate) message: String,
}

pub(crate) type Outcome<T> = Result<T, Unreadable>;

/// A symbol, fraction, bracket … with its subscripts and superscripts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Atom {
    pub(crate) base: Base,
    pub(crate) sub: Vec<Atom>,
    pub(crate) sup: Vec<Atom>,
    pub(crate) primes: usize,
    pub(crate) place: Place,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Base {
    /// A letter, a Greek letter's name, an accent and its letter: `x`, `theta`, `hat y`.
    Symbol(String),
    /// Several letters that are one name: `ReLU`, `log`, `SO`.
    Word(String),
    Number(f64),
    /// The content of brackets: `(`, `[`, `{` (invisible braces), `|`, `‖`.
    Group(char, Vec<Atom>),
    Fraction(Vec<Atom>, Vec<Atom>),
    Root(Vec<Atom>),
    /// Rows of cells: values and conditions.
    Cases(Vec<Vec<Vec<Atom>>>),
    /// Rows of cells: a matrix, written out.
    Matrix(Vec<Vec<Vec<Atom>>>),
    /// An operator or relation in one spelling: `+ - * ∗ .* / (+) = != < > <= >= and , ;`.
    Operator(String),
    /// Σ.
    Sum,
    /// The end of a line, `\\`.
    Break,
    /// A wide space.
    Quad,
    /// A command without a meaning here, and why it has none: what it stands in cannot be read.
    Unknown(String),
}

impl Atom {
    fn new(base: Base, place: Place) -> Self {
        Self { base, sub: vec![], sup: vec![], primes: 0, place }
    }

    pub(crate) fn is_operator(&self, symbol: &str) -> bool {
        matches!(&self.base, Base::Operator(s) if s == symbol)
    }

    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        matches!(&self.base, Base::Symbol(s) if s == symbol)
    }

    /// Whether it is `\dots` or the like.
    pub(crate) fn is_dots(&self) -> bool {
        matches!(&self.base, Base::Unknown(why) if why == DOTS)
    }

    pub(crate) fn is_bare(&self) -> bool {
        self.sub.is_empty() && self.sup.is_empty() && self.primes == 0
    }
}

/// Why dots have no meaning by themselves.
const DOTS: &str = "dots, which leave the meaning open";

/// So many letters side by side are a name, such as mask, and no product.
const WORD_LETTERS: usize = 4;

/// Deeper formulas are refused: reading recurses.
const MAX_DEPTH: usize = 60;

/// The atoms of a formula; `text` begins at `start` in its file.
pub(crate) fn layout(text: &str, start: Place) -> Outcome<Vec<Atom>> {
    let mut place = start;
    let mut chars = Vec::with_capacity(text.len());
    for c in text.chars() {
        chars.push((c, place));
        place = place.behind(c);
    }
    layout_of(&chars)
}

/// The atoms of a formula's characters.
pub(crate) fn layout_of(chars: &[(char, Place)]) -> Outcome<Vec<Atom>> {
    let end = chars.last().map_or(Place { line: 1, column: 1 }, |(c, place)| place.behind(*c));
    let mut reader = Reader { chars, at: 0, end, depth: 0, columns: None };
    let atoms = reader.atoms(&Until::End)?;
    Ok(words(atoms))
}

/// What ends a list of atoms.
enum Until {
    End,
    Brace,
    Bracket(char),
    /// `\end{…}`.
    Environment(String),
    /// `&`, `\\` or `\end`, in cases.
    Cell,
}

struct Reader<'a> {
    chars: &'a [(char, Place)],
    at: usize,
    end: Place,
    depth: usize,
    /// The number of `&` in a line of a display whose every second one begins a new equation.
    columns: Option<usize>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).map(|c| c.0)
    }

    fn place(&self) -> Place {
        self.chars.get(self.at).map_or(self.end, |c| c.1)
    }

    fn error<T>(&self, place: Place, message: impl Into<String>) -> Outcome<T> {
        Err(Unreadable { place, message: message.into() })
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|c| c.is_whitespace() || c == '~') {
            self.at += 1;
        }
    }

    /// `\name`, where one starts here: the name, without moving.
    fn command(&self) -> Option<String> {
        if self.peek() != Some('\\') {
            return None;
        }
        let rest = self.chars[self.at + 1..].iter().map(|c| c.0);
        let name: String = rest.clone().take_while(char::is_ascii_alphabetic).collect();
        if name.is_empty() { rest.take(1).map(String::from).next() } else { Some(name) }
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i).is_some_and(|x| x.0 == c))
    }

    /// Whether the character that was read stands right behind a letter.
    fn is_behind_letter(&self) -> bool {
        self.at >= 2 && self.chars[self.at - 2].0.is_alphabetic()
    }

    /// How many lowercase letters stand here side by side.
    fn letters(&self) -> usize {
        self.chars[self.at..].iter().take_while(|c| c.0.is_ascii_lowercase()).count()
    }

    fn is_script(&mut self) -> bool {
        self.skip_space();
        self.peek() == Some('_')
    }

    /// Whether a `|` stands here that only carries scripts, behind `\right` or `\big`.
    fn is_bar_with_scripts(&mut self) -> bool {
        self.skip_space();
        let before = self.at;
        let is_bar = self.peek() == Some('|');
        self.at += 1;
        let found = is_bar && self.is_script();
        self.at = before;
        found
    }

    /// The raw text of `{…}`.
    fn raw_group(&mut self) -> String {
        self.skip_space();
        if self.peek() != Some('{') {
            return String::new();
        }
        let mut depth = 0;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if !(c == '{' && depth == 1) {
                text.push(c);
            }
        }
        text
    }

    fn atoms(&mut self, until: &Until) -> Outcome<Vec<Atom>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.error(self.place(), format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let opened = self.place();
        let mut atoms: Vec<Atom> = Vec::new();
        let mut above = None;
        loop {
            self.skip_space();
            let place = self.place();
            let Some(c) = self.peek() else {
                if matches!(until, Until::End) {
                    break;
                }
                return self.error(opened, "a bracket or environment is not closed");
            };
            let command = self.command();
            match until {
                Until::Brace if c == '}' => {
                    self.at += 1;
                    break;
                }
                Until::Bracket(close) if self.closes(*close) => break,
                Until::Environment(name) if self.starts_with(&format!("\\end{{{name}}}")) => {
                    self.at += "\\end{}".len() + name.chars().count();
                    break;
                }
                Until::Cell
                    if c == '&' || matches!(command.as_deref(), Some("\\" | "end" | "cr")) =>
                {
                    break;
                }
                _ => {}
            }
            // {a \over b}: everything before it, and everything behind.
            if command.as_deref() == Some("over") && above.is_none() {
                self.at += "\\over".len();
                above = Some(words(std::mem::take(&mut atoms)));
                continue;
            }
            match c {
                '&' => {
                    self.at += 1;
                    if let Some(n) = &mut self.columns {
                        *n += 1;
                        if *n % 2 == 0 {
                            atoms.push(Atom::new(Base::Quad, place));
                        }
                    }
                }
                '%' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                '}' => return self.error(place, "`}` closes nothing"),
                '^' | '_' => {
                    self.at += 1;
                    let mut script = words(self.argument()?);
                    // A^{\odot 2}: a power goes entry by entry anyway.
                    if c == '^'
                        && matches!(&script[..], [product, Atom { base: Base::Number(_), .. }]
                            if product.is_operator(".*"))
                    {
                        script.remove(0);
                    }
                    if atoms.is_empty() {
                        atoms.push(Atom::new(Base::Group('{', vec![]), place));
                    }
                    // Not empty: just checked.
                    let Some(last) = atoms.last_mut() else { continue };
                    let primes = script.iter().filter(|a| a.is_symbol("prime")).count();
                    last.primes += primes;
                    let script = script.into_iter().filter(|a| !a.is_symbol("prime"));
                    if c == '^' { last.sup.extend(script) } else { last.sub.extend(script) }
                }
                '\'' | '′' | '’' => {
                    self.at += 1;
                    if let Some(last) = atoms.last_mut() {
                        last.primes += 1;
                    }
                }
                'ᵀ' | '²' => {
                    self.at += 1;
                    let base = match c {
                        'ᵀ' => Base::Symbol("top".into()),
                        _ => Base::Number(2.0),
                    };
                    if let Some(last) = atoms.last_mut() {
                        last.sup.push(Atom::new(base, place));
                    }
                }
                // A combining circumflex, bar or tilde.
                '\u{302}' | '\u{304}' | '\u{303}' => {
                    self.at += 1;
                    if let Some(Atom { base: Base::Symbol(name), .. }) = atoms.last_mut() {
                        let accent = match c {
                            '\u{302}' => "hat",
                            '\u{304}' => "bar",
                            _ => "tilde",
                        };
                        *name = format!("{accent} {name}");
                    }
                }
                _ => atoms.extend(self.atom()?),
            }
        }
        self.depth -= 1;
        Ok(match above {
            Some(above) => vec![Atom::new(Base::Fraction(above, words(atoms)), opened)],
            None => atoms,
        })
    }

    /// Whether the bracket that `close` names closes here; if so, steps over it.
    fn closes(&mut self, close: char) -> bool {
        let before = self.at;
        if matches!(self.command().as_deref(), Some("right" | "bigr" | "Bigr" | "biggr" | "Biggr"))
        {
            let name = self.command().unwrap_or_default();
            self.at += 1 + name.len();
            self.skip_space();
        }
        let length = match close {
            ')' | ']' if self.peek() == Some(close) => 1,
            '}' if self.starts_with("\\}") => 2,
            '}' if self.starts_with("\\rbrace") => 7,
            '⟩' if self.starts_with("\\rangle") => 7,
            '|' if self.starts_with("||") => 0,
            '|' if self.peek() == Some('|') => 1,
            '|' if self.starts_with("\\rvert") => 6,
            '|' if self.starts_with("\\vert") => 5,
            '‖' if self.starts_with("\\|") || self.starts_with("||") => 2,
            '‖' if self.peek() == Some('‖') => 1,
            '‖' if self.starts_with("\\rVert") => 6,
            '‖' if self.starts_with("\\Vert") => 5,
            _ => 0,
        };
        if length == 0 {
            self.at = before;
        }
        self.at += length;
        length > 0
    }

    /// `{…}`, a command with its arguments, or one character.
    fn argument(&mut self) -> Outcome<Vec<Atom>> {
        self.skip_space();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.error(self.place(), format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let argument = match self.peek() {
            Some('{') => {
                self.at += 1;
                self.atoms(&Until::Brace)
            }
            None => self.error(self.place(), "something is missing at the end"),
            Some(c) if c.is_ascii_digit() => {
                let place = self.place();
                self.at += 1;
                Ok(vec![Atom::new(Base::Number(f64::from(c.to_digit(10).unwrap_or(0))), place)])
            }
            Some(_) => self.atom(),
        };
        self.depth -= 1;
        argument
    }

    /// The next atom without scripts; nothing for a command that leaves no trace, several for one
    /// that only sets a colour.
    fn atom(&mut self) -> Outcome<Vec<Atom>> {
        let place = self.place();
        let one = |base| Ok(vec![Atom::new(base, place)]);
        let operator = |symbol: &str| Ok(vec![Atom::new(Base::Operator(symbol.into()), place)]);
        let Some(c) = self.peek() else { return Ok(vec![]) };
        if c == '\\' {
            return self.command_atom();
        }
        if c.is_ascii_digit()
            || (c == '.' && self.chars.get(self.at + 1).is_some_and(|c| c.0.is_ascii_digit()))
        {
            let mut text = String::new();
            while let Some(c) = self.peek().filter(|c| c.is_ascii_digit() || *c == '.') {
                text.push(c);
                self.at += 1;
                // 0{,}5 is a decimal mark in German and French.
                let digit = self.chars.get(self.at + 3).is_some_and(|c| c.0.is_ascii_digit());
                if self.starts_with("{,}") && digit {
                    text.push('.');
                    self.at += 3;
                }
            }
            return match text.parse::<f64>() {
                Ok(number) => one(Base::Number(number)),
                Err(_) => self.error(place, format!("`{text}` is not a number")),
            };
        }
        if self.starts_with("||") {
            self.at += 2;
            return self.bracket('‖', '‖', place);
        }
        self.at += 1;
        if c == '=' && self.starts_with(":") {
            self.at += 1;
            return operator("=:");
        }
        if self.starts_with("=") && matches!(c, ':' | '<' | '>' | '!') {
            self.at += 1;
            return operator(match c {
                ':' => "=",
                '<' => "<=",
                '>' => ">=",
                _ => "!=",
            });
        }
        match c {
            '{' => {
                let inner = self.atoms(&Until::Brace)?;
                // x{}^T: what follows belongs to what is before.
                if inner.is_empty() { Ok(vec![]) } else { one(Base::Group('{', inner)) }
            }
            '(' => self.bracket('(', ')', place),
            '[' => self.bracket('[', ']', place),
            // ∂u/∂v|_w: what is held fixed.
            '|' if self.is_script() => one(Base::Symbol("fixed".into())),
            '|' => self.bracket('|', '|', place),
            '‖' => self.bracket('‖', '‖', place),
            '+' | '/' | '=' | '<' | '>' | ',' | ';' | ':' => operator(&c.to_string()),
            '-' | '−' | '–' => operator("-"),
            '·' | '×' | '⋅' => operator("*"),
            '*' | '∗' => operator("∗"),
            '⊙' | '∘' => operator(".*"),
            '⊕' => operator("(+)"),
            '⊘' => operator("/"),
            '≠' => operator("!="),
            '≤' => operator("<="),
            '≥' => operator(">="),
            '∧' => operator("and"),
            '.' | '!' | '?' | '。' | '，' => operator(","),
            '∑' => one(Base::Sum),
            'Σ' if self.peek() == Some('_') => one(Base::Sum),
            '∂' => one(Base::Symbol("partial".into())),
            '∇' => one(Base::Symbol("nabla".into())),
            '⊤' => one(Base::Symbol("top".into())),
            'ŷ' => one(Base::Symbol("hat y".into())),
            'â' => one(Base::Symbol("hat a".into())),
            'ẑ' => one(Base::Symbol("hat z".into())),
            'n' if self.starts_with("p.") => one(Base::Unknown("a function of NumPy".into())),
            c if c.is_ascii_lowercase()
                && !self.is_behind_letter()
                && self.letters() >= WORD_LETTERS - 1 =>
            {
                let end = self.at + self.letters();
                let rest = self.chars[self.at..end].iter().map(|c| c.0);
                let word = std::iter::once(c).chain(rest).collect();
                self.at = end;
                one(Base::Word(word))
            }
            c if c.is_alphabetic() => match greek(c) {
                Some(name) => one(Base::Symbol(name.into())),
                None => one(Base::Symbol(c.to_string())),
            },
            c => self.error(place, format!("the character `{}`", c.escape_default())),
        }
    }

    fn bracket(&mut self, open: char, close: char, place: Place) -> Outcome<Vec<Atom>> {
        let inner = match self.atoms(&Until::Bracket(close)) {
            Err(error) if error.message.ends_with("is not closed") => {
                return self.error(place, format!("the bracket `{open}` is not closed"));
            }
            other => other?,
        };
        Ok(vec![Atom::new(Base::Group(open, inner), place)])
    }
}

/// `\mathbf{B} \mathbf{N}` is one word, as is `R e L U` set letter by letter.
fn words(atoms: Vec<Atom>) -> Vec<Atom> {
    const SPELLED: [&str; 10] =
        ["BN", "FC", "DP", "ReLU", "relu", "softmax", "Softmax", "diag", "log", "var"];
    let mut joined: Vec<Atom> = Vec::with_capacity(atoms.len());
    let mut rest = &atoms[..];
    while let Some(first) = rest.first() {
        let spelled = SPELLED.iter().find(|word| {
            let n = word.chars().count();
            rest.len() >= n
                && word.chars().zip(rest).enumerate().all(|(i, (c, atom))| {
                    atom.is_symbol(&c.to_string()) && (i + 1 == n || atom.is_bare())
                })
        });
        match spelled {
            Some(word) => {
                let n = word.chars().count();
                let mut atom = rest[n - 1].clone();
                atom.base = Base::Word((*word).to_owned());
                atom.place = first.place;
                joined.push(atom);
                rest = &rest[n..];
            }
            None => {
                let mut atom = first.clone();
                if let Base::Group(_, inner) = &mut atom.base {
                    *inner = words(std::mem::take(inner));
                }
                joined.push(atom);
                rest = &rest[1..];
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Atom> {
        layout(text, Place { line: 1, column: 1 }).unwrap()
    }

    #[test]
    fn scripts_belong_to_what_stands_before_them() {
        let atoms = read(r"\hat{y}_{bi}^{j}\mathrm{ReLU}'(z)");
        assert_eq!(atoms.len(), 3);
        assert_eq!(atoms[0].base, Base::Symbol("hat y".into()));
        assert_eq!((atoms[0].sub.len(), atoms[0].sup.len()), (2, 1));
        assert_eq!((&atoms[1].base, atoms[1].primes), (&Base::Word("ReLU".into()), 1));
        assert!(matches!(&atoms[2].base, Base::Group('(', inner) if inner.len() == 1));
    }

    #[test]
    fn spelled_words_and_norms_are_one_atom() {
        assert_eq!(read(r"\mathbf{B} \mathbf{N}'_{\gamma}")[0].base, Base::Word("BN".into()));
        for norm in [r"\|x\|_2^2", r"\lVert x\rVert^2", r"\left\| x \right\|^2", "||x||^2"] {
            let atoms = read(norm);
            assert_eq!(atoms.len(), 1, "{norm}");
            assert!(matches!(&atoms[0].base, Base::Group('‖', _)), "{norm}: {atoms:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_its_place() {
        let at = |text: &str| layout(text, Place { line: 3, column: 5 }).unwrap_err();
        assert_eq!(at("x +\n \\sqrt[3]x").place, Place { line: 4, column: 2 });
        assert_eq!(at("(x").place, Place { line: 3, column: 5 });
        let Base::Unknown(why) = &read(r"x \ldots")[1].base else { panic!() };
        assert!(why.contains("dots"));
        assert!(at(&"{".repeat(500)).message.contains("60"));
        for odd in ["\\", "^", "_", "\\frac", "\\begin{cases}", "}", "'", "\\left", "\\hat{x+y}"] {
            let _ = layout(odd, Place { line: 1, column: 1 });
        }
    }
}
