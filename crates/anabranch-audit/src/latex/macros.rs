//! Macros: `\newcommand`, `\def`, `\DeclareMathOperator` and the like, from where they stand to the
//! end of the file, and what their uses stand for.

use std::collections::HashMap;

use super::layout::Place;

/// A character with the place of what it comes from, and the number of macros it came through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Char {
    pub(super) c: char,
    pub(super) place: Place,
    pub(super) depth: u8,
}

/// What a macro stands for.
#[derive(Clone, Debug)]
struct Macro {
    /// The text before the first argument, and behind each: none but with `\def\a(#1){…}`.
    delimiters: Vec<Vec<char>>,
    /// The first argument, where it stands in `[…]` or not at all.
    default: Option<Vec<char>>,
    /// Whether a `*` or `[\big]` may stand behind the name.
    has_size: bool,
    meaning: Meaning,
}

#[derive(Clone, Debug)]
enum Meaning {
    Text(Vec<char>),
    /// What this command is without any macro, after `\let`.
    Command(String),
}

/// Macros within macros, and characters that all of them may put in; a thesis needs a few hundred
/// thousand.
const MAX_DEPTH: u8 = 50;
const BUDGET: usize = 4_000_000;

/// The macros known so far.
#[derive(Debug)]
pub(super) struct Macros {
    known: HashMap<String, Macro>,
    left: usize,
    /// The first use that expands without end.
    pub(super) endless: Option<Place>,
}

/// What has become of a command.
pub(super) enum Command {
    /// Gone: a definition, or a use whose text stands in the input now.
    Gone,
    /// It is no macro, and stays as it is.
    Stays,
    /// It is this command, whatever macro has its name.
    Is(String),
}

impl Macros {
    pub(super) fn new() -> Self {
        let mut known = HashMap::new();
        // Of the package `physics`.
        for (name, n, text) in [
            ("pdv", 2, r"\frac{\partial #1}{\partial #2}"),
            ("dv", 2, r"\frac{d #1}{d #2}"),
            ("norm", 1, r"\left\lVert #1\right\rVert"),
            ("abs", 1, r"\left\lvert #1\right\rvert"),
        ] {
            let mut one = Macro::new(n, text.chars().collect());
            one.has_size = n == 1;
            known.insert(name.to_owned(), one);
        }
        Self { known, left: BUDGET, endless: None }
    }

    /// Defines or expands the command `\name` that has just been taken from the end of `input`.
    pub(super) fn command(&mut self, name: &str, first: Char, input: &mut Vec<Char>) -> Command {
        let mut cursor = Cursor { input, at: input.len() };
        let before = cursor.at;
        if let Some((names, one)) = self.definition(name, &mut cursor) {
            let at = cursor.at;
            self.left = self.left.saturating_sub(before - at);
            input.truncate(at);
            if let Some(one) = one {
                self.known.insert(names, one);
            }
            return Command::Gone;
        }
        let Some(one) = self.known.get(name) else { return Command::Stays };
        if first.depth >= MAX_DEPTH || self.left == 0 {
            self.endless.get_or_insert(first.place);
            return Command::Stays;
        }
        let mut cursor = Cursor { input, at: before };
        let arguments = one.arguments(&mut cursor);
        let at = cursor.at;
        // Looking for arguments counts, found or not.
        self.left = self.left.saturating_sub(before - at);
        let Some(arguments) = arguments else { return Command::Stays };
        let text = match &one.meaning {
            Meaning::Command(name) => return Command::Is(name.clone()),
            Meaning::Text(text) => substituted(text, &arguments),
        };
        self.left = self.left.saturating_sub(text.len());
        input.truncate(at);
        let depth = first.depth + 1;
        input.extend(text.into_iter().rev().map(|c| Char { c, place: first.place, depth }));
        Command::Gone
    }

    /// The definition that `\name` begins; without a macro, if it changes nothing.
    fn definition(&self, name: &str, cursor: &mut Cursor<'_>) -> Option<(String, Option<Macro>)> {
        match name {
            "newcommand" | "renewcommand" | "providecommand" | "DeclareRobustCommand" => {
                cursor.skip('*');
                let own = cursor.name()?;
                let n = match cursor.bracket() {
                    Some(n) => n.iter().collect::<String>().trim().parse().ok()?,
                    None => 0,
                };
                let default = (n > 0).then(|| cursor.bracket()).flatten();
                let one = Macro { default, ..Macro::new(n, cursor.argument()?) };
                let keeps = name == "providecommand" && self.known.contains_key(&own);
                Some((own, (n < 10 && !keeps).then_some(one)))
            }
            "def" | "gdef" | "edef" | "xdef" => {
                let own = cursor.name()?;
                let delimiters = cursor.parameters()?;
                let one = Macro::new(0, cursor.group()?);
                Some((own, Some(Macro { delimiters, ..one })))
            }
            "let" => {
                let own = cursor.name()?;
                cursor.skip('=');
                let of = cursor.name()?;
                let one = self.known.get(&of).cloned().unwrap_or_else(|| Macro {
                    meaning: Meaning::Command(of),
                    ..Macro::new(0, vec![])
                });
                Some((own, Some(one)))
            }
            "DeclareMathOperator" => {
                cursor.skip('*');
                let own = cursor.name()?;
                let text = [&chars(r"\operatorname{"), &cursor.argument()?[..], &['}']].concat();
                Some((own, Some(Macro::new(0, text))))
            }
            "DeclarePairedDelimiter" => {
                let own = cursor.name()?;
                let (open, close) = (cursor.argument()?, cursor.argument()?);
                let parts = [&chars(r"\left"), &open[..], &chars(" #1\\right"), &close, &[' ']];
                let one = Macro { has_size: true, ..Macro::new(1, parts.concat()) };
                Some((own, Some(one)))
            }
            "NewDocumentCommand" | "RenewDocumentCommand" | "DeclareDocumentCommand" => {
                let own = cursor.name()?;
                let kinds: String = cursor.argument()?.into_iter().collect();
                let (default, kinds) = match kinds.trim().strip_prefix("O{") {
                    Some(rest) => {
                        let (default, kinds) = rest.split_once('}')?;
                        (Some(chars(default)), kinds)
                    }
                    None => (None, kinds.trim()),
                };
                let n =
                    kinds.chars().filter(|c| *c == 'm').count() + usize::from(default.is_some());
                let is_plain = kinds.chars().all(|c| c == 'm' || c.is_whitespace());
                let one = Macro { default, ..Macro::new(n, cursor.argument()?) };
                Some((own, is_plain.then_some(one)))
            }
            _ => None,
        }
    }
}

impl Macro {
    fn new(n: usize, text: Vec<char>) -> Self {
        let delimiters = vec![vec![]; n + 1];
        Self { delimiters, default: None, has_size: false, meaning: Meaning::Text(text) }
    }

    /// The arguments of a use; `None` if something else stands there.
    fn arguments(&self, cursor: &mut Cursor<'_>) -> Option<Vec<Vec<char>>> {
        let mut arguments = Vec::new();
        if self.has_size {
            cursor.skip('*');
            cursor.bracket();
        }
        let (first, rest) = self.delimiters.split_first()?;
        cursor.literal(first)?;
        if let Some(default) = &self.default {
            arguments.push(cursor.bracket().unwrap_or_else(|| default.clone()));
        }
        for delimiter in &rest[arguments.len()..] {
            arguments.push(match &delimiter[..] {
                [] => cursor.argument()?,
                delimiter => cursor.until(delimiter)?,
            });
        }
        Some(arguments)
    }
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// The text with arguments for `#1` to `#9`. A command's name ends before an argument and at the
/// end, where its letters must not meet those of another.
fn substituted(text: &[char], arguments: &[Vec<char>]) -> Vec<char> {
    let mut all = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(c) = rest.next() {
        if *c != '#' {
            all.push(*c);
            continue;
        }
        match rest.next() {
            Some('#') | None => all.push('#'),
            Some(n) => {
                let at = n.to_digit(10).and_then(|n| (n as usize).checked_sub(1));
                end_name(&mut all);
                all.extend(at.and_then(|at| arguments.get(at)).into_iter().flatten());
                end_name(&mut all);
            }
        }
    }
    end_name(&mut all);
    all
}

fn end_name(text: &mut Vec<char>) {
    let letters = text.iter().rev().take_while(|c| c.is_ascii_alphabetic()).count();
    if letters > 0 && text.len() > letters && text[text.len() - letters - 1] == '\\' {
        text.push(' ');
    }
}

/// Reads from the end of the input, where what comes next stands.
struct Cursor<'a> {
    input: &'a [Char],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.input[..self.at].last().map(|one| one.c)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at -= 1;
        Some(c)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at -= 1;
        }
    }

    fn skip(&mut self, c: char) {
        self.skip_space();
        if self.peek() == Some(c) {
            self.at -= 1;
        }
    }

    /// `\name` or `{\name}`.
    fn name(&mut self) -> Option<String> {
        self.skip_space();
        let is_braced = self.peek() == Some('{');
        if is_braced {
            self.at -= 1;
            self.skip_space();
        }
        let name = self.command()?;
        if is_braced {
            self.skip_space();
            (self.next()? == '}').then_some(())?;
        }
        Some(name)
    }

    fn command(&mut self) -> Option<String> {
        (self.next()? == '\\').then_some(())?;
        let mut name = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_alphabetic) {
            name.push(c);
            self.at -= 1;
        }
        if name.is_empty() {
            name.push(self.next()?);
        }
        Some(name)
    }

    /// The text of `{…}`, without comments.
    fn group(&mut self) -> Option<Vec<char>> {
        self.skip_space();
        (self.next()? == '{').then_some(())?;
        self.balanced(&['}']).map(|text| without_comments(&text))
    }

    /// The text of `[…]`, if it comes next.
    fn bracket(&mut self) -> Option<Vec<char>> {
        let before = self.at;
        self.skip_space();
        let found = (self.next() == Some('[')).then(|| self.balanced(&[']'])).flatten();
        if found.is_none() {
            self.at = before;
        }
        found
    }

    /// A group, a command or a character.
    fn argument(&mut self) -> Option<Vec<char>> {
        self.skip_space();
        match self.peek()? {
            '{' => self.group(),
            '\\' => self.command().map(|name| chars(&format!("\\{name}"))),
            '}' => None,
            c => {
                self.at -= 1;
                Some(vec![c])
            }
        }
    }

    fn literal(&mut self, text: &[char]) -> Option<()> {
        text.iter().all(|c| self.next() == Some(*c)).then_some(())
    }

    fn until(&mut self, delimiter: &[char]) -> Option<Vec<char>> {
        let text = self.balanced(delimiter)?;
        // {…} around the whole argument is not part of it.
        let inner = text.strip_prefix(&['{']).and_then(|text| text.strip_suffix(&['}']));
        Some(inner.map_or_else(|| text.clone(), <[char]>::to_vec))
    }

    /// What stands before `end`, outside of braces.
    fn balanced(&mut self, end: &[char]) -> Option<Vec<char>> {
        let mut text = Vec::new();
        let mut depth = 0_usize;
        loop {
            if depth == 0 {
                let before = self.at;
                if self.literal(end).is_some() {
                    return Some(text);
                }
                self.at = before;
            }
            let c = self.next()?;
            text.push(c);
            match c {
                '\\' => text.push(self.next()?),
                '{' => depth += 1,
                '}' => depth = depth.checked_sub(1)?,
                _ => {}
            }
        }
    }

    /// The parameters of `\def`, up to its body: what stands before the first and behind each.
    fn parameters(&mut self) -> Option<Vec<Vec<char>>> {
        let mut all = vec![vec![]];
        loop {
            match self.peek()? {
                '{' => break,
                '#' => {
                    self.at -= 1;
                    let n = self.next()?.to_digit(10)? as usize;
                    (n == all.len() && n < 10).then_some(())?;
                    all.push(vec![]);
                }
                c => {
                    self.at -= 1;
                    all.last_mut()?.push(c);
                }
            }
        }
        let spaces = |text: &Vec<char>| text.iter().all(|c| c.is_whitespace());
        all.iter_mut().filter(|text| spaces(text)).for_each(Vec::clear);
        Some(all)
    }
}

/// Without `% …` to the end of each line.
fn without_comments(text: &[char]) -> Vec<char> {
    let mut kept = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(c) = rest.next() {
        match c {
            '%' => {
                rest.by_ref().find(|c| **c == '\n');
            }
            '\\' => {
                kept.push('\\');
                kept.extend(rest.next());
            }
            c => kept.push(*c),
        }
    }
    kept
}
