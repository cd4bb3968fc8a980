//! What LaTeX's commands and environments put on the page.

use super::{Atom, Base, DOTS, Outcome, Place, Reader, Until, layout, words};

impl Reader<'_> {
    pub(super) fn command_atom(&mut self) -> Outcome<Vec<Atom>> {
        let place = self.place();
        let one = |base| Ok(vec![Atom::new(base, place)]);
        let Some(name) = self.command() else {
            return self.error(place, "a `\\` at the end");
        };
        self.at += 1 + name.chars().count();
        if let Some(symbol) = OPERATORS.iter().find(|(n, _)| *n == name).map(|(_, s)| *s) {
            return one(Base::Operator(symbol.into()));
        }
        if GREEK.contains(&name.as_str()) {
            let name = name.strip_prefix("var").unwrap_or(&name);
            return one(Base::Symbol(name.to_owned()));
        }
        match name.as_str() {
            "\\" | "cr" | "newline" => {
                self.skip_space();
                // \\[2pt]
                if self.peek() == Some('[') {
                    while self.peek().is_some_and(|c| c != ']') {
                        self.at += 1;
                    }
                    self.at += 1;
                }
                self.columns = self.columns.map(|_| 0);
                one(Base::Break)
            }
            "quad" | "qquad" => one(Base::Quad),
            "," | ";" | ":" | "!" | " " | "\n" | "left" | "right" | "big" | "Big" | "bigg"
            | "Bigg" | "bigl" | "bigr" | "Bigl" | "Bigr" | "biggl" | "biggr" | "Biggl"
            | "Biggr" | "displaystyle" | "textstyle" | "limits" | "nolimits" | "nonumber"
            | "notag" | "middle" | "noindent" | "hfill" | "allowdisplaybreaks" | "thinspace"
            | "rm" | "bf" | "small" | "normalsize" | "scriptstyle" | "mathstrut" | "/" | "-"
            | "hline" => {
                if self.is_bar_with_scripts() {
                    return self.atom();
                }
                if matches!(name.as_str(), "left" | "right") {
                    self.skip_space();
                    // \left. is not a bracket.
                    if self.peek() == Some('.') {
                        self.at += 1;
                    } else if name == "left" && !matches!(self.peek(), None | Some('\\')) {
                        return self.atom().map(|atoms| moved(atoms, place));
                    }
                }
                Ok(vec![])
            }
            "label" | "tag" | "hspace" | "vspace" | "phantom" | "hphantom" | "vphantom"
            | "color" | "intertext" | "shortintertext" | "ref" | "eqref" => {
                if self.peek() == Some('*') {
                    self.at += 1;
                }
                let text = self.raw_group();
                if name.ends_with("text") {
                    one(Base::Operator(";".into()))
                } else {
                    drop(text);
                    Ok(vec![])
                }
            }
            "textcolor" | "stackrel" | "overset" | "underset" | "colorbox" => {
                self.raw_group();
                self.argument()
            }
            // What a slide shows at first, and what later.
            "onslide" | "only" | "uncover" | "visible" | "alert" | "pause" => {
                self.skip_space();
                if self.peek() == Some('<') {
                    while self.peek().is_some_and(|c| c != '>') {
                        self.at += 1;
                    }
                    self.at += 1;
                    self.skip_space();
                }
                if self.peek() == Some('{') { self.argument() } else { Ok(vec![]) }
            }
            "underbrace" | "overbrace" | "boxed" | "cancel" | "mathstrip" | "underline"
            | "mathop" | "mathrel" | "mathbin" | "fbox" => {
                let inner = self.argument()?;
                // What is written below a brace is a remark.
                if name.ends_with("brace") {
                    self.skip_space();
                    if matches!(self.peek(), Some('_' | '^')) {
                        self.at += 1;
                        self.skip_space();
                        if self.peek() == Some('{') {
                            self.raw_group();
                        } else {
                            self.argument()?;
                        }
                    }
                }
                one(Base::Group('{', inner))
            }
            "frac" | "dfrac" | "tfrac" | "cfrac" => {
                let (above, below) = (self.argument()?, self.argument()?);
                one(Base::Fraction(words(above), words(below)))
            }
            "sqrt" => {
                self.skip_space();
                if self.peek() == Some('[') {
                    return self.error(place, "a root other than the square root");
                }
                let inner = self.argument()?;
                one(Base::Root(words(inner)))
            }
            "sum" => one(Base::Sum),
            "hat" | "widehat" | "bar" | "overline" | "tilde" | "widetilde" | "dot" | "vec" => {
                let inner = words(self.argument()?);
                let accent = match name.as_str() {
                    "hat" | "widehat" => "hat",
                    "bar" | "overline" => "bar",
                    "tilde" | "widetilde" => "tilde",
                    "dot" => "dot",
                    // An arrow says that it is a vector.
                    _ => return Ok(inner),
                };
                match (accented(accent, inner.clone()), accent) {
                    (Some(atom), _) => Ok(moved(vec![atom], place)),
                    // A bar over a whole expression is its mean.
                    (None, "bar") => Ok(vec![
                        Atom::new(Base::Word("mean".into()), place),
                        Atom::new(Base::Group('(', inner), place),
                    ]),
                    _ => self.error(place, format!("`\\{name}` of a whole expression")),
                }
            }
            "mathbf" | "mathrm" | "mathcal" | "mathit" | "mathsf" | "mathbb" | "mathds"
            | "mathfrak" | "mathscr" | "boldsymbol" | "bm" | "pmb" | "operatorname" | "text"
            | "textbf" | "textrm" | "textit" | "textsf" | "mbox" | "bold" | "emph" => {
                if self.peek() == Some('*') {
                    self.at += 1;
                }
                if name.starts_with("text") || name == "mbox" || name == "emph" {
                    let text = self.raw_group();
                    // `and` in Spanish, Italian and Portuguese, not a letter.
                    if [" y ", " e "].contains(&text.as_str()) {
                        return one(Base::Word(text.trim().to_owned()));
                    }
                    let text = text.trim();
                    if text.contains('$') {
                        // if $i = j$: words and formulas in turn.
                        let mut atoms = Vec::new();
                        for (i, part) in text.split('$').enumerate() {
                            match part.trim() {
                                "" => {}
                                part if i % 2 == 1 => atoms.extend(layout(part, place)?),
                                part => atoms.push(Atom::new(Base::Word(part.to_owned()), place)),
                            }
                        }
                        return Ok(atoms);
                    }
                    return match text.chars().count() {
                        0 => Ok(vec![]),
                        1 => layout(text, place),
                        _ => one(Base::Word(text.to_owned())),
                    };
                }
                let inner = self.argument()?;
                let mut atoms = in_font(inner, place)?;
                // grad is ∇.
                if let [Atom { base, .. }] = &mut atoms[..]
                    && matches!(base, Base::Word(word) if word == "grad" || word == "Grad")
                {
                    *base = Base::Symbol("nabla".into());
                }
                Ok(moved(atoms, place))
            }
            "partial" => one(Base::Symbol("partial".into())),
            "nabla" => one(Base::Symbol("nabla".into())),
            "top" | "intercal" | "mathsfT" => one(Base::Symbol("top".into())),
            "prime" => one(Base::Symbol("prime".into())),
            "infty" => one(Base::Symbol("infty".into())),
            "ell" => one(Base::Symbol("L".into())),
            "log" | "ln" | "exp" | "max" | "min" | "tanh" | "diag" => one(Base::Word(name)),
            "lbrace" | "{" => self.bracket('{', '}', place).map(braces),
            // ⟨u⟩ is the mean, ⟨u, v⟩ the inner product.
            "langle" => {
                let mut atoms = self.bracket('⟨', '⟩', place)?;
                let is_pair = matches!(&atoms[..], [Atom { base: Base::Group(_, inner), .. }]
                    if inner.iter().any(|a| a.is_operator(",")));
                let name = if is_pair { "inner" } else { "mean" };
                atoms.insert(0, Atom::new(Base::Word(name.into()), place));
                Ok(braces(atoms))
            }
            "lvert" | "vert" => self.bracket('|', '|', place),
            "lVert" | "Vert" | "|" => self.bracket('‖', '‖', place),
            "begin" => self.environment(place),
            "ldots" | "dots" | "cdots" | "vdots" | "ddots" | "dotsc" | "dotsb" | "hdots" => {
                one(Base::Unknown(DOTS.into()))
            }
            _ => one(Base::Unknown(format!("the command `\\{name}`"))),
        }
    }

    pub(super) fn environment(&mut self, place: Place) -> Outcome<Vec<Atom>> {
        let name = self.raw_group();
        match name.trim_end_matches('*') {
            "cases" | "dcases" | "rcases" => Ok(vec![Atom::new(Base::Cases(self.rows()?), place)]),
            "matrix" | "pmatrix" | "bmatrix" | "Bmatrix" | "smallmatrix" => {
                Ok(vec![Atom::new(Base::Matrix(self.rows()?), place)])
            }
            "array" | "alignedat" | "alignat" | "aligned" | "split" | "gathered" | "align"
            | "gather" | "multline" | "equation" | "eqnarray" | "flalign" => {
                if self.peek() == Some('[') {
                    while self.peek().is_some_and(|c| c != ']') {
                        self.at += 1;
                    }
                    self.at += 1;
                }
                if name.starts_with("array")
                    || name.starts_with("alignedat")
                    || name.starts_with("alignat")
                {
                    self.raw_group();
                }
                let is_in_columns =
                    ["align", "flalign"].iter().any(|start| name.starts_with(start));
                let around = std::mem::replace(&mut self.columns, is_in_columns.then_some(0));
                let inner = self.atoms(&Until::Environment(name));
                self.columns = around;
                inner
            }
            _ => self.error(place, format!("the environment `{name}`")),
        }
    }

    /// The cells up to the end of an environment, without empty rows.
    fn rows(&mut self) -> Outcome<Vec<Vec<Vec<Atom>>>> {
        let around = self.columns.take();
        let mut rows = vec![Vec::new()];
        loop {
            let cell = self.atoms(&Until::Cell)?;
            if let Some(row) = rows.last_mut() {
                row.push(words(cell));
            }
            if self.peek() == Some('&') {
                self.at += 1;
            } else if self.command().as_deref() == Some("end") {
                self.at += "\\end".len();
                self.raw_group();
                break;
            } else {
                self.command_atom()?;
                rows.push(Vec::new());
            }
        }
        self.columns = around;
        rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
        Ok(rows)
    }
}

/// Starting where its command does.
pub(super) fn moved(mut atoms: Vec<Atom>, place: Place) -> Vec<Atom> {
    if let Some(first) = atoms.first_mut() {
        first.place = place;
    }
    atoms
}

/// A set's braces group like parentheses.
pub(super) fn braces(mut atoms: Vec<Atom>) -> Vec<Atom> {
    for atom in &mut atoms {
        if let Base::Group(open, _) = &mut atom.base {
            *open = '[';
        }
    }
    atoms
}

pub(super) fn accented(accent: &str, mut inner: Vec<Atom>) -> Option<Atom> {
    while let [Atom { base: Base::Group('{', _), .. }] = &inner[..] {
        let atom = inner.pop()?;
        match atom.base {
            Base::Group(_, nested) if atom.sub.is_empty() && atom.sup.is_empty() => inner = nested,
            _ => return None,
        }
    }
    let mut inner = inner.into_iter();
    let (mut atom, None) = (inner.next()?, inner.next()) else { return None };
    match &mut atom.base {
        Base::Symbol(name) | Base::Word(name) => *name = format!("{accent} {name}"),
        _ => return None,
    }
    if let Base::Word(name) = atom.base {
        atom.base = Base::Symbol(name);
    }
    Some(atom)
}

/// Letters in a special font: one is a letter, several are a word; a bold or blackboard 1 is a
/// vector of ones.
pub(super) fn in_font(inner: Vec<Atom>, place: Place) -> Outcome<Vec<Atom>> {
    let letters: Option<String> = inner
        .iter()
        .map(|atom| match &atom.base {
            Base::Symbol(name) if atom.is_bare() && name.chars().count() == 1 => {
                Some(name.as_str())
            }
            _ => None,
        })
        .collect();
    match (letters, &inner[..]) {
        (Some(word), [_, _, ..]) => Ok(vec![Atom::new(Base::Word(word), place)]),
        (_, [Atom { base: Base::Number(1.0), .. }]) => {
            let mut one = inner;
            one[0].base = Base::Symbol("ones".into());
            Ok(one)
        }
        _ => Ok(inner),
    }
}

pub(super) const OPERATORS: [(&str, &str); 47] = [
    ("cdot", "*"),
    ("times", "*"),
    ("ast", "∗"),
    ("bullet", "*"),
    ("odot", ".*"),
    ("circ", ".*"),
    ("oplus", "(+)"),
    ("oslash", "/"),
    ("div", "/"),
    ("otimes", "⊗"),
    ("ne", "!="),
    ("neq", "!="),
    ("le", "<="),
    ("leq", "<="),
    ("leqslant", "<="),
    ("ge", ">="),
    ("geq", ">="),
    ("geqslant", ">="),
    ("lt", "<"),
    ("gt", ">"),
    ("land", "and"),
    ("wedge", "and"),
    ("coloneqq", "="),
    ("triangleq", "="),
    ("equiv", "="),
    ("coloneq", "="),
    ("Rightarrow", ";"),
    ("implies", ";"),
    ("iff", ";"),
    ("Leftrightarrow", ";"),
    ("Longrightarrow", ";"),
    ("therefore", ";"),
    ("because", ";"),
    ("approx", "≈"),
    ("propto", "∝"),
    ("sim", "~"),
    ("to", "→"),
    ("rightarrow", "→"),
    ("mapsto", "→"),
    ("leftarrow", "←"),
    ("gets", "←"),
    ("in", "∈"),
    ("forall", "∀"),
    ("mid", "∣"),
    ("colon", ":"),
    ("pm", "±"),
    ("setminus", "∖"),
];

pub(super) const GREEK: [&str; 34] = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "varepsilon",
    "zeta",
    "eta",
    "theta",
    "vartheta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "pi",
    "rho",
    "sigma",
    "tau",
    "phi",
    "varphi",
    "chi",
    "psi",
    "omega",
    "Gamma",
    "Delta",
    "Theta",
    "Lambda",
    "Sigma",
    "Phi",
    "Psi",
    "Omega",
    "varrho",
];
