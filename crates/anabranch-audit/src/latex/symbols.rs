//! Which quantity of the network a printed symbol means: what the file says, what the derivation
//! defines, or a guess.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{Atom, Base};
use crate::expr::{Expr, Node};
use crate::letters::{is_index, primed};
use crate::quantity::Quantity;
use crate::show::Shown;

/// What a symbol stands for.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    Quantity(&'static Quantity),
    /// What the derivation itself defines the symbol as, and its letters there.
    Defined(Expr, Vec<char>),
    /// A function of this name.
    Function(String),
    /// What the derivation defines it as cannot be read.
    Unread,
}

/// What a letter in front of brackets stands for, such as the σ of σ(z).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Relu,
    Softmax,
    /// Something that the network does not have.
    Other,
}

/// A symbol with the scripts that belong to its name: `W` and `["1"]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    base: String,
    tokens: Vec<String>,
}

/// A symbol in a formula, split into its parts.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) meaning: Meaning,
    /// Letters that pick a sample or a component.
    pub(crate) letters: Vec<Letter>,
}

/// A letter among the scripts; in parentheses above, it picks a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) name: char,
    pub(crate) in_parentheses: bool,
}

/// The symbols of a document.
#[derive(Clone, Debug)]
pub(crate) struct Symbols {
    given: Vec<(Name, Meaning)>,
    /// Letters that the file defines as functions. The same letter may be a quantity, too.
    activations: BTreeMap<String, Activation>,
    /// Whether dZ is the derivative of the sum of all samples' losses.
    pub(crate) sums_losses: bool,
    /// Whether a bar makes a symbol the derivative of the loss with respect to it.
    pub(crate) has_adjoints: bool,
    /// Letters that the file takes derivatives of, as others do of L.
    losses: BTreeSet<String>,
    /// BN′: BatchNorm's Jacobian with γ, unless the derivation says that it is without.
    pub(crate) batch_norm_prime: &'static str,
    /// Whether the file has `dL = …`: dW is a differential then, not the gradient.
    pub(crate) has_differentials: bool,
    /// Whether BatchNorm's statistics are constants, and couple no samples.
    pub(crate) is_frozen: bool,
    /// Whether differentials are read.
    pub(crate) reads_differentials: bool,
    /// What was read, and what it was read as.
    pub(crate) used: BTreeMap<String, String>,
}

/// A script's part.
#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    in_parentheses: bool,
}

impl Default for Symbols {
    fn default() -> Self {
        Self {
            given: Vec::new(),
            activations: BTreeMap::new(),
            sums_losses: false,
            has_adjoints: false,
            losses: BTreeSet::new(),
            batch_norm_prime: "jacobian_bn",
            has_differentials: false,
            is_frozen: false,
            reads_differentials: false,
            used: BTreeMap::new(),
        }
    }
}

impl Symbols {
    /// Says what a symbol means from now on.
    pub(crate) fn give(&mut self, atom: &Atom, meaning: Meaning) -> bool {
        let Some((base, tokens)) = name_of(atom) else { return false };
        self.given.insert(0, (Name { base, tokens }, meaning));
        // The longest names first: W_{12} before W_1.
        self.given.sort_by_key(|(name, _)| std::cmp::Reverse(name.tokens.len()));
        true
    }

    /// What a symbol with a bar is the derivative by, in a file where a bar means that.
    pub(crate) fn adjoint(&self, atom: &Atom) -> Option<Atom> {
        let Base::Symbol(name) = &atom.base else { return None };
        let of = name.strip_prefix("bar ").filter(|_| self.has_adjoints)?;
        Some(Atom { base: Base::Symbol(of.to_owned()), ..atom.clone() })
    }

    /// What the symbol stands for; `None` if it is unknown.
    pub(crate) fn resolve(&mut self, atom: &Atom) -> Option<Resolved> {
        let base = base_name(atom)?;
        let all = tokens(atom);
        let of_loss = if self.losses.contains(&base) { "L" } else { &base };
        let guessed = guess(of_loss, &all).and_then(|(quantity, taken, rest)| {
            let meaning = Meaning::Quantity(quantity);
            Some((taken, Resolved { meaning, letters: letters(&rest)? }))
        });
        let given =
            self.given.iter().filter(|(name, _)| name.base == base).find_map(|(name, meaning)| {
                let letters = letters(&without(&all, &name.tokens)?)?;
                Some((name.tokens.clone(), Resolved { meaning: meaning.clone(), letters }))
            });
        // A y with a given meaning is not the y of y_b.
        let (tokens, resolved) = match (given, guessed) {
            (Some((tokens, _)), Some(guessed)) if guessed.0.len() > tokens.len() => guessed,
            (Some(given), _) => given,
            (None, guessed) => guessed?,
        };
        self.note(&base, &tokens, &resolved.meaning);
        Some(resolved)
    }

    /// The function that a symbol was given as.
    pub(crate) fn function(&self, atom: &Atom) -> Option<&str> {
        let base = base_name(atom)?;
        self.given.iter().find_map(|(name, meaning)| match meaning {
            Meaning::Function(function) if name.base == base => Some(function.as_str()),
            _ => None,
        })
    }

    /// What the file defines a letter in front of brackets as.
    pub(crate) fn activation(&self, letter: &str) -> Option<Activation> {
        self.activations.get(letter).copied()
    }

    /// Says what a letter in front of brackets means from now on.
    pub(crate) fn declare(&mut self, letter: &str, activation: Activation) {
        self.activations.insert(letter.to_owned(), activation);
    }

    /// A letter in front of brackets was read as this function.
    pub(crate) fn note_activation(&mut self, letter: &str, function: &str) {
        self.used.insert(format!("{letter}(z)"), function.to_owned());
    }

    /// The file takes derivatives of this symbol: C and E are losses only then.
    pub(crate) fn derived(&mut self, atom: &Atom) {
        if let Base::Symbol(name) = &atom.base
            && matches!(name.as_str(), "C" | "E" | "Q")
        {
            self.losses.insert(name.clone());
        }
    }

    fn note(&mut self, base: &str, tokens: &[String], meaning: &Meaning) {
        let script = tokens.concat();
        let shown = if script.is_empty() { base.to_owned() } else { format!("{base}_{script}") };
        let meaning = match meaning {
            Meaning::Quantity(quantity) => quantity.name.to_owned(),
            Meaning::Defined(expr, _) => match expr.node {
                Node::OfTask(..) => Shown(expr).to_string(),
                _ => "as the derivation defines it".to_owned(),
            },
            Meaning::Function(name) => name.clone(),
            Meaning::Unread => return,
        };
        self.used.insert(shown, meaning);
    }
}

/// Letters that books use for an activation.
const LETTERS: [&str; 7] = ["f", "g", "h", "sigma", "phi", "psi", "rho"];

/// The letter of an activation, without the dot of its derivative, and how often it is derived.
pub(crate) fn activation_letter(atom: &Atom) -> Option<(&str, usize)> {
    let Base::Symbol(name) = &atom.base else { return None };
    let (name, primes) = match name.strip_prefix("dot ") {
        Some(name) => (name, atom.primes + 1),
        None => (&**name, atom.primes),
    };
    LETTERS.contains(&name).then_some((name, primes))
}

/// Whether the scripts of a function say only which layer's it is.
pub(crate) fn names_layer(atom: &Atom) -> bool {
    let mut rest = tokens(atom);
    layer(&mut rest, &mut Vec::new());
    rest.iter().all(|token| token.text.chars().all(|c| c.is_ascii_digit()))
}

/// The branch of the layer that the scripts name: the a of `1a`.
pub(crate) fn branch(atom: &Atom) -> Option<char> {
    layer(&mut tokens(atom), &mut Vec::new()).chars().last()
}

/// Whether a sum with this limit, or over this set, goes over the samples.
pub(crate) fn is_batch_size(atom: &Atom) -> bool {
    atom.is_bare() && ["m", "N", "n", "M", "B"].iter().any(|size| atom.is_symbol(size))
}

/// Whether a letter is a number of samples and nothing else.
pub(crate) fn is_sample_count(name: &str) -> bool {
    matches!(name, "m" | "N")
}

/// The name without scripts: a symbol's or a word's.
pub(crate) fn base_name(atom: &Atom) -> Option<String> {
    match &atom.base {
        Base::Symbol(name) | Base::Word(name) => Some(name.clone()),
        _ => None,
    }
}

/// The name and its scripts.
pub(crate) fn name_of(atom: &Atom) -> Option<(String, Vec<String>)> {
    Some((base_name(atom)?, tokens(atom).into_iter().map(|token| token.text).collect()))
}

/// The text of a script that is no name and no letter.
const UNKNOWN: &str = "?";

/// The scripts below and above, flattened; a transpose, a power and a prime do not count.
fn tokens(atom: &Atom) -> Vec<Token> {
    fn flatten(atoms: &[Atom], in_parentheses: bool, into: &mut Vec<Token>) {
        for atom in atoms {
            match &atom.base {
                Base::Symbol(name) if name == "top" => {}
                Base::Symbol(name) if atom.primes == 1 => {
                    let letter = name.chars().next().filter(|_| name.chars().count() == 1);
                    let text = letter.and_then(primed).map_or(UNKNOWN.to_owned(), String::from);
                    into.push(Token { text, in_parentheses });
                }
                Base::Symbol(text) | Base::Word(text) => {
                    into.push(Token { text: text.clone(), in_parentheses });
                }
                Base::Number(number) => {
                    // `1a` may come as one number and a letter, `12` as one number.
                    into.push(Token { text: number.to_string(), in_parentheses });
                }
                Base::Group(open, inner) => {
                    flatten(inner, in_parentheses || *open == '(', into);
                }
                Base::Operator(comma) if matches!(comma.as_str(), "," | ";") => {}
                // The inverse in W^{-T}, the + of i + 1: no part of a name, and no index.
                _ => into.push(Token { text: UNKNOWN.to_owned(), in_parentheses }),
            }
            flatten(&atom.sub, in_parentheses, into);
            flatten(&atom.sup, in_parentheses, into);
        }
    }
    let mut all = Vec::new();
    flatten(&atom.sub, false, &mut all);
    if !is_power(&atom.sup) {
        let sup: Vec<Atom> = atom.sup.iter().filter(|a| !is_transpose(a)).cloned().collect();
        flatten(&sup, false, &mut all);
    }
    all
}

/// `T` or ⊤.
pub(crate) fn is_transpose(atom: &Atom) -> bool {
    atom.is_symbol("top") || atom.is_symbol("T")
}

/// Whether the superscript is a number, and so an exponent.
pub(crate) fn is_power(sup: &[Atom]) -> bool {
    !sup.is_empty()
        && sup.iter().all(|atom| match &atom.base {
            Base::Number(_) => true,
            Base::Operator(symbol) => symbol == "-" || symbol == "/",
            Base::Fraction(above, below) => is_power(above) && is_power(below),
            _ => false,
        })
}

fn without(all: &[Token], tokens: &[String]) -> Option<Vec<Token>> {
    let mut rest = all.to_vec();
    for token in tokens {
        let at = rest.iter().position(|t| t.text == *token)?;
        rest.remove(at);
    }
    Some(rest)
}

/// Letters that can be indices; `None` if something else is left.
fn letters(rest: &[Token]) -> Option<Vec<Letter>> {
    rest.iter()
        .map(|token| {
            let mut chars = token.text.chars();
            let (name, None) = (chars.next()?, chars.next()) else { return None };
            is_index(name).then_some(Letter { name, in_parentheses: token.in_parentheses })
        })
        .collect()
}

/// The quantity that a symbol is likely to be, the scripts that belong to its name, and those that
/// are left.
fn guess(base: &str, all: &[Token]) -> Option<(&'static Quantity, Vec<String>, Vec<Token>)> {
    let is_layer_word =
        |text: &str| matches!(text, "FC" | "DP" | "BN" | "fc" | "dp" | "bn" | "Dropout");
    let dropout = all.iter().any(|t| matches!(t.text.as_str(), "DP" | "dp" | "Dropout"));
    let norm = all.iter().any(|t| matches!(t.text.as_str(), "BN" | "bn"));
    let mut rest: Vec<Token> =
        all.iter().filter(|token| !is_layer_word(&token.text)).cloned().collect();
    let mut taken: Vec<String> =
        all.iter().filter(|token| is_layer_word(&token.text)).map(|t| t.text.clone()).collect();
    let tag = layer(&mut rest, &mut taken);
    let of_layer = |names: [&'static str; 4]| {
        let index = ["1a", "2a", "1b", "2b"].iter().position(|layer| *layer == tag)?;
        Some(names[index]).filter(|name| !name.is_empty())
    };
    // One letter that names a branch or another quantity.
    let branch = |rest: &mut Vec<Token>, taken: &mut Vec<String>| {
        let at = rest.iter().position(|t| matches!(t.text.as_str(), "a" | "b" | "A" | "B"))?;
        taken.push(rest[at].text.clone());
        Some(rest.remove(at).text.to_lowercase())
    };
    let take = |wanted: &[&str], rest: &mut Vec<Token>, taken: &mut Vec<String>| {
        if let Some(at) = rest.iter().position(|t| wanted.contains(&t.text.as_str())) {
            taken.push(rest.remove(at).text);
            return true;
        }
        false
    };
    let name = match base {
        "x" | "X" => "x",
        "hat y" | "hat Y" => match &*tag {
            "2a" => "y_a_hat",
            "2b" => "y_b_hat",
            _ => match branch(&mut rest, &mut taken)?.as_str() {
                "a" => "y_a_hat",
                _ => "y_b_hat",
            },
        },
        "y" | "Y" | "t" => match branch(&mut rest, &mut taken)?.as_str() {
            "a" => "y_a",
            _ => "y_b",
        },
        "theta" | "Theta" | "W" | "w" | "lambda" | "alpha" if !tag.is_empty() => {
            of_layer(["theta_1a", "theta_2a", "theta_1b", "theta_2b"])?
        }
        // The j of W_{ij} is an index.
        "theta" | "W" if all.len() == 1 && take(&["j"], &mut rest, &mut taken) => "theta_j",
        "theta" | "W" if take(&["join", "J"], &mut rest, &mut taken) => "theta_j",
        "w" | "lambda" | "alpha" => match branch(&mut rest, &mut taken)?.as_str() {
            "a" => "w_a",
            _ => "w_b",
        },
        "b" => of_layer(["b_1a", "b_2a", "b_1b", "b_2b"])?,
        "z" | "Z" | "a" | "A" | "h" | "H" | "o" | "d" if dropout => "h",
        "z" | "Z" | "a" | "A" | "h" | "H" | "o" | "s" if norm && tag == "1b" => "bn",
        "z" | "Z" => of_layer(["z_1a", "y_a_hat", "z_1b", "z_2b"])?,
        "a" | "A" if tag.is_empty() => "a_1b",
        "a" | "A" => of_layer(["a_1a", "y_a_hat", "a_1b", "y_b_hat"])?,
        "hat a" | "hat A" | "hat x" | "hat X" | "hat z" | "hat h" => {
            if tag.is_empty() {
                take(&["b"], &mut rest, &mut taken);
            }
            Some("a_hat").filter(|_| matches!(&*tag, "" | "1b"))?
        }
        "tilde a" | "tilde h" | "tilde A" | "tilde H" => {
            Some("h").filter(|_| matches!(&*tag, "" | "1a"))?
        }
        "h" | "H" if tag.is_empty() => "h",
        "h" | "H" => of_layer(["h", "", "a_1b", ""])?,
        "s" | "S" => "s",
        "mu" | "bar a" => {
            take(&["b", "B", "mathcal B"], &mut rest, &mut taken);
            "mu"
        }
        "sigma" => {
            take(&["b", "B"], &mut rest, &mut taken);
            "var"
        }
        "var" | "Var" => "var",
        "gamma" => "gamma",
        "beta" => "beta",
        "epsilon" => "eps",
        "M" | "hat M" => "M",
        "m" | "N" => "m",
        "n" | "B" if all.is_empty() => "m",
        "p" => "p",
        "r" => "r",
        "ones" => {
            take(&["m", "N"], &mut rest, &mut taken);
            "ones_m"
        }
        "L" | "J" | "Loss" | "loss" if take(&["a", "A", "MSE"], &mut rest, &mut taken) => "loss_a",
        "L" | "J" | "Loss" | "loss" if take(&["b", "B", "CE"], &mut rest, &mut taken) => "loss_b",
        "L" | "J" | "Loss" | "loss" if rest.len() == 1 && letters(&rest).is_some() => "loss_row",
        "L" | "J" | "Loss" | "loss" => "loss",
        "delta" | "Delta" if tag.is_empty() => {
            let (at, name) = rest.iter().enumerate().find_map(|(at, token)| {
                Some((
                    at,
                    match token.text.as_str() {
                        "s" | "S" => "d_s",
                        "a" | "A" => "d_a",
                        "h" | "H" => "d_h",
                        "hat a" | "hat x" | "hat A" | "hat X" => "d_a_hat",
                        _ => return None,
                    },
                ))
            })?;
            taken.push(rest.remove(at).text);
            name
        }
        "delta" | "Delta" => {
            take(&["z", "Z"], &mut rest, &mut taken);
            of_layer(["delta_1a", "delta_2a", "delta_1b", "delta_2b"])?
        }
        "SO" => "y_b_hat",
        "SI" | "SJ" => "z_2b",
        "DO" => "h",
        "DI" | "DJ" => "a_1a",
        "BN" | "bn" => "bn",
        _ => return None,
    };
    Quantity::named(name).map(|quantity| (quantity, taken, rest))
}

/// `1a`, `a1` or one of them in several tokens, removed from `rest`; otherwise nothing.
fn layer(rest: &mut Vec<Token>, taken: &mut Vec<String>) -> String {
    for at in 0..rest.len().saturating_sub(1) {
        let (first, second) = (rest[at].text.to_lowercase(), rest[at + 1].text.to_lowercase());
        let pair = match (first.as_str(), second.as_str()) {
            ("1" | "2", "a" | "b") => format!("{first}{second}"),
            ("a" | "b", "1" | "2") => format!("{second}{first}"),
            _ => continue,
        };
        taken.extend(rest.drain(at..at + 2).map(|token| token.text));
        return pair;
    }
    if let Some(at) =
        rest.iter().position(|t| ["1a", "2a", "1b", "2b"].contains(&&*t.text.to_lowercase()))
    {
        let token = rest.remove(at).text;
        taken.push(token.clone());
        return token.to_lowercase();
    }
    String::new()
}

/// Whether a tree contains this quantity.
pub(crate) fn mentions(expr: &Expr, name: &str) -> bool {
    expr.any(&|part| matches!(part.node, Node::Quantity(q) if q.name == name))
}
