//! The mathematics in a Markdown or LaTeX file, and what its comments tell the audit.

use super::layout::Place;
use super::source::{Directive, Source};

/// A piece of a document, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Math(Math),
    Directive(Directive),
}

/// A formula without its dollar signs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Math {
    pub(crate) chars: Vec<(char, Place)>,
    pub(crate) display: Display,
    /// What comments between its lines tell the audit.
    pub(crate) directives: Vec<Directive>,
    /// Where it ends.
    pub(crate) end: Place,
}

/// How a formula is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Display {
    InText,
    OnItsOwn,
}

impl Math {
    pub(crate) fn text(&self) -> String {
        self.chars.iter().map(|(c, _)| *c).collect()
    }
}

/// Environments that are mathematics by themselves.
const ENVIRONMENTS: [&str; 9] = [
    "equation",
    "align",
    "gather",
    "multline",
    "eqnarray",
    "displaymath",
    "math",
    "flalign",
    "alignat",
];

/// The formulas and directives of a file.
pub(crate) fn pieces(source: &Source) -> Vec<Piece> {
    let mut scanner = Scanner { source, at: 0, told: 0 };
    let mut pieces = Vec::new();
    loop {
        pieces.extend(scanner.directives().into_iter().map(Piece::Directive));
        let Some((c, _)) = scanner.rest().first() else { return pieces };
        let piece = match c {
            '\\' if scanner.is_next("\\[") => scanner.math("\\[", "\\]", Display::OnItsOwn),
            '\\' if scanner.is_next("\\(") => scanner.math("\\(", "\\)", Display::InText),
            '\\' => match scanner.environment() {
                Some(name) => {
                    let end = format!("\\end{{{name}}}");
                    scanner.through(&end, Display::OnItsOwn)
                }
                // Whatever is escaped begins nothing.
                None => {
                    scanner.at += 2;
                    continue;
                }
            },
            '$' if scanner.is_next("$$") => scanner.math("$$", "$$", Display::OnItsOwn),
            '$' => scanner.math("$", "$", Display::InText),
            _ => {
                scanner.at += 1;
                continue;
            }
        };
        pieces.push(Piece::Math(piece));
    }
}

struct Scanner<'a> {
    source: &'a Source,
    at: usize,
    /// The number of directives before it.
    told: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a [(char, Place)] {
        self.source.chars.get(self.at..).unwrap_or(&[])
    }

    fn is_next(&self, text: &str) -> bool {
        let mut next = self.rest().iter();
        text.chars().all(|c| next.next().is_some_and(|one| one.0 == c))
    }

    /// The directives up to here that are still to be told.
    fn directives(&mut self) -> Vec<Directive> {
        let rest = &self.source.directives[self.told..];
        let n = rest.iter().take_while(|(at, _)| *at <= self.at).count();
        self.told += n;
        rest[..n].iter().map(|(_, directive)| directive.clone()).collect()
    }

    /// The environment that begins here, if it is mathematics by itself.
    fn environment(&self) -> Option<String> {
        if !self.is_next("\\begin{") {
            return None;
        }
        let name = self.rest()["\\begin{".len()..].iter().map(|one| one.0);
        // No name is longer.
        let name: String = name.take(20).take_while(|c| *c != '}').collect();
        ENVIRONMENTS.contains(&name.trim_end_matches('*')).then_some(name)
    }

    /// Steps to `end`, or to the end of the file. An escaped character ends nothing.
    fn step_to(&mut self, end: &str) {
        while !self.rest().is_empty() && !self.is_next(end) {
            self.at += if self.is_next("\\") { 2 } else { 1 };
        }
        self.at = self.at.min(self.source.chars.len());
    }

    fn math(&mut self, open: &str, close: &str, display: Display) -> Math {
        self.at += open.len();
        let from = self.at;
        self.step_to(close);
        let math = self.piece(from, display);
        self.at += close.len();
        math
    }

    /// All up to and with `end`.
    fn through(&mut self, end: &str, display: Display) -> Math {
        let from = self.at;
        self.step_to(end);
        self.at = (self.at + end.chars().count()).min(self.source.chars.len());
        self.piece(from, display)
    }

    fn piece(&mut self, from: usize, display: Display) -> Math {
        let chars = self.source.chars[from..self.at].to_vec();
        let end = match (self.source.chars.get(self.at), chars.last()) {
            (Some((_, place)), _) => *place,
            (None, Some((c, place))) => place.behind(*c),
            (None, None) => Place { line: 1, column: 1 },
        };
        Math { chars, display, directives: self.directives(), end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latex::source::source;

    fn math(text: &str, is_tex: bool) -> Vec<(String, usize)> {
        pieces(&source(text, is_tex))
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Math(math) => Some((math.text(), math.chars.first()?.1.line)),
                Piece::Directive(_) => None,
            })
            .collect()
    }

    #[test]
    fn formulas_are_found_where_they_are() {
        let text =
            "a $x$ b\n$$y\n= z$$ `$no$` \\$5\n```\n$no$\n```\n\\[u\\] \\(v\\)\n```math\nw\n```\n";
        let found = math(text, false);
        assert_eq!(
            found,
            [
                ("x".into(), 1),
                ("y\n= z".into(), 2),
                ("u".into(), 7),
                ("v".into(), 7),
                ("\nw\n".into(), 8)
            ]
        );
        let tex = "% $no$\n\\begin{align*} a &= b % no\n\\end{align*}\n50\\% $c$";
        let found = math(tex, true);
        assert_eq!(found.len(), 2);
        assert!(found[0].0.starts_with("\\begin{align*} a &= b ") && !found[0].0.contains("no"));
        assert_eq!(found[1], ("c".into(), 4));
        let macros = "\\newcommand\\be{\\begin{equation}}\\def\\ee{\\end{equation}}\\be a\\ee $b$";
        assert_eq!(math(macros, true)[1], ("b".into(), 1));
    }

    #[test]
    fn comments_speak_to_the_audit() {
        let directives = |text: &str, is_tex| {
            pieces(&source(text, is_tex))
                .into_iter()
                .flat_map(|piece| match piece {
                    Piece::Directive(one) => vec![one.text],
                    Piece::Math(math) => math.directives.into_iter().map(|one| one.text).collect(),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(
            directives("%  audit: W_1 = theta_1a\n% an audit: no", true),
            ["W_1 = theta_1a"]
        );
        assert_eq!(
            directives("<!-- audit: points = 2 -->\n<!--\naudit: u = z_1a\n-->", false),
            ["points = 2", "u = z_1a"]
        );
        assert_eq!(directives("\\[ a = b \\\\\n% audit: skip\n c = d \\]", true), ["skip"]);
        for odd in ["$", "$$", "\\[", "```", "`", "<!--", "\\begin{align}", "\\begin{", "%", "\\"] {
            let _ = (math(odd, true), math(odd, false));
        }
    }
}
