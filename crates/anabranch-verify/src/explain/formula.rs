//! Formulas in a small part of LaTeX, as MathML.
//!
//! Markdown takes them as they are written, a page what this file makes of them. It knows what the
//! derivation needs: letters, numbers, operators, `_` and `^` with a symbol or a group, groups in
//! braces, and the commands of [`command`]: far less than a library for LaTeX brings to the build.

use std::iter::Peekable;
use std::str::Chars;

/// The formula as a `math` element; what is not known stands in it as an error.
pub(super) fn mathml(latex: &str) -> String {
    let mut reader = Reader { rest: latex.chars().peekable() };
    format!("<math>{}</math>", reader.row(None))
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    /// Everything up to `end`, which is taken too.
    fn row(&mut self, end: Option<char>) -> String {
        let mut row = String::new();
        loop {
            let next = self.rest.peek().copied();
            if next.is_none() || next == end {
                self.rest.next();
                return row;
            }
            row += &self.scripted();
        }
    }

    /// An atom with what is below and above it.
    fn scripted(&mut self) -> String {
        let base = self.atom();
        let (mut below, mut above) = (None, None);
        while let Some(mark @ ('_' | '^')) = self.rest.peek().copied() {
            self.rest.next();
            let script = self.atom();
            *(if mark == '_' { &mut below } else { &mut above }) = Some(script);
        }
        match (below, above) {
            (None, None) => base,
            (Some(below), None) => format!("<msub>{base}{below}</msub>"),
            (None, Some(above)) => format!("<msup>{base}{above}</msup>"),
            (Some(below), Some(above)) => format!("<msubsup>{base}{below}{above}</msubsup>"),
        }
    }

    fn atom(&mut self) -> String {
        match self.rest.next() {
            Some('{') => format!("<mrow>{}</mrow>", self.row(Some('}'))),
            Some('\\') => self.command(),
            Some(c) if c.is_ascii_digit() => {
                let mut number = c.to_string();
                while let Some(c) = self.rest.next_if(|c| c.is_ascii_digit() || *c == '.') {
                    number.push(c);
                }
                format!("<mn>{number}</mn>")
            }
            Some(c) if c.is_alphabetic() => format!("<mi>{c}</mi>"),
            Some(c) if c.is_whitespace() => String::new(),
            Some('-') => "<mo>−</mo>".into(),
            Some('<') => "<mo>&lt;</mo>".into(),
            Some('>') => "<mo>&gt;</mo>".into(),
            Some('&') => "<mo>&amp;</mo>".into(),
            Some(c) => format!("<mo>{c}</mo>"),
            None => "<merror><mtext>something is missing</mtext></merror>".into(),
        }
    }

    fn command(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(char::is_ascii_alphabetic) {
            name.push(c);
        }
        if name.is_empty() {
            name.extend(self.rest.next());
        }
        match name.as_str() {
            "frac" => format!("<mfrac>{}{}</mfrac>", self.atom(), self.atom()),
            "sqrt" => format!("<msqrt>{}</msqrt>", self.atom()),
            "hat" => format!("<mover accent=\"true\">{}<mo>^</mo></mover>", self.atom()),
            "mathbf" => format!("<mstyle style=\"font-weight:bold\">{}</mstyle>", self.atom()),
            "mathrm" => format!("<mi mathvariant=\"normal\">{}</mi>", self.text()),
            // Spaces at the ends would be left out.
            "text" => format!("<mtext>{}</mtext>", self.text().replace(' ', "\u{a0}")),
            _ => match command(&name) {
                Some(element) => element.into(),
                None => format!("<merror><mtext>\\{name}</mtext></merror>"),
            },
        }
    }

    /// The letters of a group.
    fn text(&mut self) -> String {
        self.rest.next_if_eq(&'{');
        let mut text = String::new();
        while let Some(c) = self.rest.next_if(|c| *c != '}') {
            text.push(c);
        }
        self.rest.next();
        text
    }
}

/// The element of a command without arguments.
fn command(name: &str) -> Option<&'static str> {
    Some(match name {
        "theta" => "<mi>θ</mi>",
        "delta" => "<mi>δ</mi>",
        "gamma" => "<mi>γ</mi>",
        "beta" => "<mi>β</mi>",
        "mu" => "<mi>μ</mi>",
        "sigma" => "<mi>σ</mi>",
        "varepsilon" => "<mi>ε</mi>",
        "eta" => "<mi>η</mi>",
        "lambda" => "<mi>λ</mi>",
        "odot" => "<mo>⊙</mo>",
        "oplus" => "<mo>⊕</mo>",
        "cdot" => "<mo>·</mo>",
        "top" => "<mi mathvariant=\"normal\">T</mi>",
        "sum" => "<mo>∑</mo>",
        "log" => "<mi>log</mi>",
        "max" => "<mi>max</mi>",
        "langle" => "<mo>⟨</mo>",
        "rangle" => "<mo>⟩</mo>",
        "lVert" => "<mo>‖</mo>",
        "rVert" => "<mo>‖</mo>",
        "leftarrow" => "<mo>←</mo>",
        "partial" => "<mo>∂</mo>",
        "in" => "<mo>∈</mo>",
        "{" => "<mo>{</mo>",
        "}" => "<mo>}</mo>",
        "," | "quad" => "<mspace width=\"0.3em\"></mspace>",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::mathml;

    #[test]
    fn formulas_become_elements() {
        assert_eq!(
            mathml(r"z_{1a} = x\theta^\top"),
            "<math><msub><mi>z</mi><mrow><mn>1</mn><mi>a</mi></mrow></msub><mo>=</mo><mi>x</mi>\
             <msup><mi>θ</mi><mi mathvariant=\"normal\">T</mi></msup></math>"
        );
        assert_eq!(
            mathml(r"\frac{1}{\sqrt{x-0.5}}"),
            "<math><mfrac><mrow><mn>1</mn></mrow><mrow><msqrt><mrow><mi>x</mi><mo>−</mo>\
             <mn>0.5</mn></mrow></msqrt></mrow></mfrac></math>"
        );
        assert_eq!(
            mathml(r"\sum_i\hat{y}^2_i"),
            "<math><msub><mo>∑</mo><mi>i</mi></msub><msubsup><mover accent=\"true\"><mrow><mi>y</mi>\
             </mrow><mo>^</mo></mover><mi>i</mi><mn>2</mn></msubsup></math>"
        );
    }

    #[test]
    fn what_is_not_known_is_an_error_in_its_place() {
        assert_eq!(
            mathml(r"a\unheard"),
            "<math><mi>a</mi><merror><mtext>\\unheard</mtext></merror></math>"
        );
        assert!(mathml("a^").contains("<merror>"));
    }
}
