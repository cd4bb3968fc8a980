//! The mathematics in a Markdown or LaTeX file, and what its comments tell the audit.

use super::layout::Place;

/// A piece of a document, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// A formula without its dollar signs.
    Math { text: String, place: Place, display: Display },
    /// What follows `audit:` in a comment.
    Directive { text: String, place: Place },
}

/// How a formula is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Display {
    InText,
    OnItsOwn,
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
pub(crate) fn pieces(text: &str, is_tex: bool) -> Vec<Piece> {
    let mut scanner = Scanner { rest: text, place: Place { line: 1, column: 1 } };
    let mut pieces = Vec::new();
    let mut line_start = true;
    while let Some(c) = scanner.rest.chars().next() {
        let at_line_start = line_start;
        line_start = c == '\n';
        let place = scanner.place;
        if is_tex && c == '%' {
            let comment = scanner.until("\n");
            pieces.extend(directive(&comment, place));
        } else if !is_tex && scanner.rest.starts_with("<!--") {
            let comment = scanner.until("-->");
            for (i, line) in comment.lines().enumerate() {
                let place = Place { line: place.line + i, column: 1 };
                pieces.extend(directive(line, place));
            }
            scanner.skip("-->".len());
        } else if !is_tex
            && at_line_start
            && (scanner.rest.starts_with("```") || scanner.rest.starts_with("~~~"))
        {
            let fence = &scanner.rest[..3].to_owned();
            scanner.skip(3);
            let language = scanner.until("\n");
            // GitHub's math blocks are formulas.
            let place = scanner.place;
            let code = scanner.until(&format!("\n{fence}"));
            if language.trim() == "math" {
                pieces.push(Piece::Math { text: code, place, display: Display::OnItsOwn });
            }
            scanner.skip(4);
        } else if !is_tex && c == '`' {
            scanner.skip(1);
            scanner.until("`");
            scanner.skip(1);
        } else if scanner.rest.starts_with("\\$")
            || scanner.rest.starts_with("\\\\")
            || scanner.rest.starts_with("\\%")
        {
            scanner.skip(2);
        } else if scanner.rest.starts_with("$$") {
            pieces.push(scanner.math("$$", "$$", Display::OnItsOwn));
        } else if c == '$' {
            pieces.push(scanner.math("$", "$", Display::InText));
        } else if scanner.rest.starts_with("\\[") {
            pieces.push(scanner.math("\\[", "\\]", Display::OnItsOwn));
        } else if scanner.rest.starts_with("\\(") {
            pieces.push(scanner.math("\\(", "\\)", Display::InText));
        } else if let Some(name) = environment(scanner.rest) {
            let end = format!("\\end{{{name}}}");
            let place = scanner.place;
            let inner = scanner.until(&end);
            let text = format!("{inner}{end}");
            scanner.skip(end.chars().count());
            pieces.push(Piece::Math { text, place, display: Display::OnItsOwn });
        } else {
            scanner.skip(1);
        }
    }
    if is_tex {
        // A comment inside a formula is not part of it.
        for piece in &mut pieces {
            if let Piece::Math { text, .. } = piece {
                *text = without_comments(text);
            }
        }
    }
    pieces
}

/// The formula without `% …`, every line as long as it was, so that places stay correct.
fn without_comments(text: &str) -> String {
    let blank = |line: &str| {
        let mut escaped = false;
        let mut comment = false;
        line.chars()
            .map(|c| {
                comment |= c == '%' && !escaped;
                escaped = c == '\\' && !escaped;
                if comment { ' ' } else { c }
            })
            .collect::<String>()
    };
    text.split('\n').map(blank).collect::<Vec<_>>().join("\n")
}

/// The environment that begins here, if it is mathematics by itself.
fn environment(text: &str) -> Option<&str> {
    let name = text.strip_prefix("\\begin{")?;
    let name = &name[..name.find('}')?];
    ENVIRONMENTS.contains(&name.trim_end_matches('*')).then_some(name)
}

fn directive(comment: &str, place: Place) -> Option<Piece> {
    let (before, text) = comment.split_once("audit:")?;
    // `% audit:` and `<!-- audit:`, not a sentence about them.
    before.trim_matches(|c: char| c.is_whitespace() || "%<!-*".contains(c)).is_empty().then(|| {
        let text = text.trim().trim_end_matches("-->").trim().to_owned();
        Piece::Directive { text, place }
    })
}

struct Scanner<'a> {
    rest: &'a str,
    place: Place,
}

impl Scanner<'_> {
    fn skip(&mut self, n_chars: usize) {
        for _ in 0..n_chars {
            let Some(c) = self.rest.chars().next() else { return };
            self.rest = &self.rest[c.len_utf8()..];
            self.place = match c {
                '\n' => Place { line: self.place.line + 1, column: 1 },
                _ => Place { column: self.place.column + 1, ..self.place },
            };
        }
    }

    /// The text before `end`, or everything that is left.
    fn until(&mut self, end: &str) -> String {
        let length = self.rest.find(end).unwrap_or(self.rest.len());
        let text = self.rest[..length].to_owned();
        self.skip(text.chars().count());
        text
    }

    fn math(&mut self, open: &str, close: &str, display: Display) -> Piece {
        self.skip(open.len());
        let place = self.place;
        let mut text = String::new();
        loop {
            text.push_str(&self.until(close));
            // An escaped dollar closes nothing.
            if close.starts_with('$') && text.ends_with('\\') && !self.rest.is_empty() {
                text.push('$');
                self.skip(1);
                continue;
            }
            break;
        }
        self.skip(close.len());
        Piece::Math { text, place, display }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn math(text: &str, is_tex: bool) -> Vec<(String, usize)> {
        pieces(text, is_tex)
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Math { text, place, .. } => Some((text, place.line)),
                Piece::Directive { .. } => None,
            })
            .collect()
    }

    #[test]
    fn formulas_are_found_where_they_are() {
        let text = "a $x$ b\n$$y\n= z$$ `$no$` \\$5\n```\n$no$\n```\n\\[u\\] \\(v\\)\n";
        let found = math(text, false);
        assert_eq!(
            found,
            [("x".into(), 1), ("y\n= z".into(), 2), ("u".into(), 7), ("v".into(), 7)]
        );
        let tex = "% $no$\n\\begin{align*} a &= b % no\n\\end{align*}\n50\\% $c$";
        let found = math(tex, true);
        assert_eq!(found.len(), 2);
        assert!(found[0].0.starts_with("\\begin{align*} a &= b ") && !found[0].0.contains("no"));
        assert_eq!(found[1], ("c".into(), 4));
    }

    #[test]
    fn comments_speak_to_the_audit() {
        let directives = |text: &str, is_tex| {
            pieces(text, is_tex)
                .into_iter()
                .filter_map(|piece| match piece {
                    Piece::Directive { text, .. } => Some(text),
                    Piece::Math { .. } => None,
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
        for odd in ["$", "$$", "\\[", "```", "`", "<!--", "\\begin{align}", "\\begin{", "%"] {
            let _ = (pieces(odd, true), pieces(odd, false));
        }
    }
}
