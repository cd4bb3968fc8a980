//! What of a file is LaTeX: its characters without comments and code, with macros expanded; and
//! what its comments tell the audit.

use super::layout::Place;
use super::macros::{Char, Command, Macros};

/// The characters of a file, each with the place of what it comes from.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) chars: Vec<(char, Place)>,
    /// What follows `audit:` in a comment, and the number of characters before it.
    pub(crate) directives: Vec<(usize, Directive)>,
    /// A macro that expands without end.
    pub(crate) endless: Option<Place>,
}

/// What follows `audit:` in a comment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Directive {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// Environments of LaTeX whose text is not read.
const VERBATIM: [&str; 5] = ["verbatim", "verbatim*", "lstlisting", "minted", "comment"];

/// What is to be read of a file.
pub(crate) fn source(text: &str, is_tex: bool) -> Source {
    let mut place = Place { line: 1, column: 1 };
    let mut input = Vec::with_capacity(text.len());
    for c in text.chars() {
        input.push(Char { c, place, depth: 0 });
        place = place.behind(c);
    }
    input.reverse();
    let mut filter = Filter { input, macros: Macros::new(), source: Source::default() };
    if is_tex {
        filter.latex();
    } else {
        filter.markdown();
    }
    Source { endless: filter.macros.endless, ..filter.source }
}

struct Filter {
    /// What is still to be read, the next character last.
    input: Vec<Char>,
    macros: Macros,
    source: Source,
}

impl Filter {
    fn latex(&mut self) {
        while let Some(next) = self.input.last().copied() {
            match next.c {
                '%' => {
                    let comment = self.until("\n");
                    self.directive(&comment, next.place);
                }
                '\\' => self.command(next),
                _ => self.keep(),
            }
        }
    }

    fn markdown(&mut self) {
        let mut line_start = true;
        // The fence around a block of mathematics that is open.
        let mut math: Option<&str> = None;
        while let Some(next) = self.input.last().copied() {
            let at_line_start = std::mem::replace(&mut line_start, next.c == '\n');
            let fence =
                ["```", "~~~"].into_iter().find(|fence| at_line_start && self.is_next(fence));
            match (fence, next.c) {
                (Some(fence), _) if math == Some(fence) => {
                    self.skip(fence);
                    self.put("\\]", next.place);
                    math = None;
                }
                (Some(fence), _) if math.is_none() => {
                    self.skip(fence);
                    // GitHub's math blocks are formulas.
                    if self.until("\n").trim() == "math" {
                        self.put("\\[", next.place);
                        (math, line_start) = (Some(fence), true);
                        self.keep();
                    } else {
                        self.until(&format!("\n{fence}"));
                        self.until(fence);
                        self.skip(fence);
                    }
                }
                (_, '`') => {
                    self.skip("`");
                    self.until("`");
                    self.skip("`");
                }
                (_, '<') if self.is_next("<!--") => {
                    let comment = self.until("-->");
                    for (i, line) in comment.lines().enumerate() {
                        let place = Place { line: next.place.line + i, column: 1 };
                        self.directive(line, if i == 0 { next.place } else { place });
                    }
                    self.skip("-->");
                }
                (_, '\\') => self.command(next),
                _ => self.keep(),
            }
        }
    }

    fn command(&mut self, first: Char) {
        self.input.pop();
        let letters = self.input.iter().rev().take_while(|one| one.c.is_ascii_alphabetic()).count();
        let length = letters.max(1).min(self.input.len());
        let name: String =
            self.input.drain(self.input.len() - length..).rev().map(|one| one.c).collect();
        match &*name {
            "verb" => {
                let delimiter = self.input.pop().map_or('|', |one| one.c).to_string();
                self.until(&delimiter);
                return self.skip(&delimiter);
            }
            "iffalse" => {
                self.until("\\fi");
                return self.skip("\\fi");
            }
            "begin" => {
                let open = |name: &&&str| self.is_next(&format!("{{{name}}}"));
                if let Some(name) = VERBATIM.iter().find(open) {
                    let end = format!("\\end{{{name}}}");
                    self.until(&end);
                    return self.skip(&end);
                }
            }
            _ => {}
        }
        match self.macros.command(&name, first, &mut self.input) {
            Command::Gone => {}
            Command::Stays => self.put(&format!("\\{name}"), first.place),
            // Its name ends here, whatever follows.
            Command::Is(name) => self.put(&format!("\\{name} "), first.place),
        }
    }

    fn keep(&mut self) {
        self.source.chars.extend(self.input.pop().map(|one| (one.c, one.place)));
    }

    fn put(&mut self, text: &str, mut place: Place) {
        for c in text.chars() {
            self.source.chars.push((c, place));
            place = place.behind(c);
        }
    }

    fn is_next(&self, text: &str) -> bool {
        let mut next = self.input.iter().rev();
        text.chars().all(|c| next.next().is_some_and(|one| one.c == c))
    }

    fn skip(&mut self, text: &str) {
        if self.is_next(text) {
            self.input.truncate(self.input.len() - text.chars().count());
        }
    }

    /// Takes what stands before `end`, or everything that is left.
    fn until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !self.is_next(end) {
            let Some(one) = self.input.pop() else { break };
            text.push(one.c);
        }
        text
    }

    fn directive(&mut self, comment: &str, place: Place) {
        let Some((before, text)) = comment.split_once("audit:") else { return };
        // `% audit:` and `<!-- audit:`, not a sentence about them.
        let is_bare = |c: char| c.is_whitespace() || "%<!-*".contains(c);
        if before.trim_matches(is_bare).is_empty() {
            let text = text.trim().trim_end_matches("-->").trim().to_owned();
            self.source.directives.push((self.source.chars.len(), Directive { text, place }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        source(text, true).chars.iter().map(|(c, _)| *c).collect()
    }

    #[test]
    fn macros_stand_for_their_text() {
        for (text, expected) in [
            (r"\newcommand{\pd}[2]{\frac{#1}{#2}}\pd{L}{\pd ab}", r"\frac{L}{\frac{a}{b}}"),
            (r"\newcommand*\T{^{\top}}x\T y", r"x^{\top} y"),
            (r"\newcommand\h{\hat}\h y \h{y}", r"\hat  y \hat {y}"),
            (r"\newcommand{\v}[1]{\bm#1}\v x\v\theta", r"\bm x\bm \theta "),
            (r"\newcommand{\avg}[1][m]{1/#1}\avg\ \avg[n]", r"1/m\ 1/n"),
            (r"\def\d#1#2{#2#1}\d{a}b\def\p(#1,#2){#1+#2}\p(x,{y})", r"bax+y"),
            (r"\DeclareMathOperator*{\R}{ReLU}\R(z)", r"\operatorname{ReLU}(z)"),
            (
                r"\DeclarePairedDelimiter{\n}{\|}{\|}\n*{x}\n[\big]{y}",
                r"\left\| x\right\| \left\| y\right\| ",
            ),
            (r"\NewDocumentCommand{\g}{O{L} m}{#1/#2}\g{x}\g[E]{x}", r"L/xE/x"),
            (r"\let\old\hat\renewcommand{\hat}[1]{\old{#1}}\hat{y}", r"\hat {y}"),
            (r"\newcommand{\a}{1}\renewcommand{\a}{2}\providecommand{\a}{3}\a", "2"),
            ("\\newcommand{\\a}{% why\n1}\\a % \\a", "1 "),
            (r"\verb|\begin|\begin{verbatim}$x$\end{verbatim}\iffalse$y$\fi z", "z"),
            (r"\newcommand{\be}{\begin{equation}}\be x", r"\begin{equation} x"),
            // Not uses: an argument is missing, a brace is not closed.
            (r"\newcommand{\a}[1]{#1}{\a} \a{", r"{\a} \a{"),
            (r"\pdv{L}{z}", r"\frac{\partial L}{\partial z}"),
            (r"\newcommand{\1}{\mathbf 1}\def\*{\cdot}\1\1^T\*\\", r"\mathbf 1\mathbf 1^T\cdot\\"),
        ] {
            assert_eq!(read(text).replace(' ', ""), expected.replace(' ', ""), "{text}");
        }
    }

    #[test]
    fn what_a_macro_puts_in_stands_where_it_is_used() {
        let found = source("\\newcommand{\\a}{bc}\n x\\a y", true).chars;
        let at =
            |c: char| found.iter().find(|one| one.0 == c).map(|one| (one.1.line, one.1.column));
        assert_eq!((at('b'), at('c'), at('y')), (Some((2, 3)), Some((2, 3)), Some((2, 6))));
    }

    #[test]
    fn macros_without_end_are_left_as_they_are() {
        for text in [
            r"\def\a{\a}\a",
            r"\def\a{\a\a}\a",
            r"\def\a{\b\b}\def\b{\a\a}x\b",
            r"\def\a#1{\a{#1#1}}\a{xyz}",
        ] {
            let found = source(text, true);
            assert!(found.endless.is_some() && found.chars.len() < 5_000_000, "{text}");
        }
        let nested = format!("\\def\\a#1{{#1}}{}", "\\a{".repeat(20_000));
        assert!(source(&nested, true).chars.len() < 200_000);
        for odd in
            [r"\newcommand", r"\newcommand{\a", r"\def\a#", r"\let\a", r"\verb", r"\def\a#2{}\a"]
        {
            let _ = (source(odd, true), source(odd, false));
        }
    }
}
