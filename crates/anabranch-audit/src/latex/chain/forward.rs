//! Which quantities a file's own names are, by their place in its forward pass: where X is
//! multiplied in two layers, Z = XU + c is one of them, and the prediction of the other joins what
//! comes of Z, U is θ1b.
//!
//! Four layers are looked for, `out = weight · input + bias`. Two share their input, x. Of the
//! other two, one has an input that depends on what the other predicts: it is the head of branch B,
//! and the other that of branch A. Labels, mask, γ, β and ε are what stands beside quantities that
//! are known by then. A name that tells what it is, such as W_{1a}, keeps its meaning, and one that
//! would be two things gets none.

use std::collections::{BTreeMap, BTreeSet};

use crate::latex::layout::{Atom, Base};
use crate::latex::reader::{terms, without};
use crate::latex::statement::Statement;
use crate::latex::symbols::{Symbols, name_of};
use crate::reference::Join;

/// Letters that pick a sample or a component, and are no part of a name.
const INDICES: [char; 6] = ['i', 'j', 'k', 'l', 'n', 't'];

/// A name with the scripts that belong to it.
type Name = String;

/// What the formulas of a file say of names.
#[derive(Default)]
pub(super) struct Forward {
    /// The right side of each name's first equation.
    produced: BTreeMap<Name, Vec<Atom>>,
    /// The names that are produced, in the order of the file.
    order: Vec<Name>,
    /// Each name as it is printed.
    atoms: BTreeMap<Name, Atom>,
    /// A − B and A log B, wherever they stand.
    pairs: Vec<(Name, &'static str, Name)>,
    /// A + B under a root.
    under_roots: Vec<[Name; 2]>,
    /// How ŷa joins, where it is not just added.
    join: Option<Join>,
}

/// out = weight · input + bias, where only the place of each name is known.
struct Layer {
    /// One or more names of the same.
    outs: Vec<Name>,
    product: Vec<Name>,
    bias: Vec<Name>,
}

impl Layer {
    /// What `input` is multiplied by.
    fn weight(&self, input: &Name) -> Option<&Name> {
        self.product.iter().find(|name| *name != input).filter(|_| self.product.contains(input))
    }
}

/// The name of an atom as a text.
fn printed(atom: &Atom) -> Option<Name> {
    let (base, scripts) = name_of(atom)?;
    Some(format!("{base}_{}", scripts.concat()))
}

impl Forward {
    /// Learns from the statements of a formula.
    pub(super) fn learn(&mut self, statements: &[Statement]) {
        for statement in statements {
            let Statement::Chain(members) = statement else { continue };
            members.iter().for_each(|member| self.learn_pairs(member));
            let Some((right, names)) = members.split_last() else { continue };
            for left in names {
                let [atom] = &left[..] else { continue };
                if let Some(name) = self.name(atom)
                    && !self.produced.contains_key(&name)
                {
                    self.produced.insert(name.clone(), right.clone());
                    self.order.push(name);
                }
            }
        }
    }

    fn learn_pairs(&mut self, atoms: &[Atom]) {
        for three in atoms.windows(3) {
            let between = match &three[1].base {
                Base::Operator(minus) if minus == "-" => "-",
                Base::Word(word) if word == "log" || word == "ln" => "log",
                _ => continue,
            };
            if let (Some(a), Some(b)) = (self.name(&three[0]), self.name(&three[2])) {
                self.pairs.push((a, between, b));
            }
        }
        for atom in atoms {
            match &atom.base {
                Base::Group(_, inner) => self.learn_pairs(inner),
                Base::Root(inner) => {
                    if let [a, plus, b] = &inner[..]
                        && plus.is_operator("+")
                        && let (Some(a), Some(b)) = (self.name(a), self.name(b))
                    {
                        self.under_roots.push([a, b]);
                    }
                }
                Base::Fraction(above, below) => {
                    self.learn_pairs(above);
                    self.learn_pairs(below);
                }
                _ => {}
            }
        }
    }

    /// The name of an atom without its indices, if it has one.
    fn name(&mut self, atom: &Atom) -> Option<Name> {
        let atom = match &atom.base {
            Base::Group('{' | '(', inner) => match &inner[..] {
                [one] => one,
                _ => return None,
            },
            _ => atom,
        };
        let bare = without(atom, &INDICES);
        let name = printed(&bare)?;
        self.atoms.entry(name.clone()).or_insert(bare);
        Some(name)
    }

    /// The factors of each term of a sum, and whether they are multiplied entry by entry; nothing
    /// if there is more to it.
    fn sum_of_products(&mut self, atoms: &[Atom]) -> Option<Vec<(Vec<Name>, bool)>> {
        let of_term = |(sign, _, term): (char, _, &[Atom])| {
            let is_times = |atom: &&Atom| ["*", "∗", ".*"].iter().any(|c| atom.is_operator(c));
            let factors = term.iter().filter(|a| !is_times(a) && a.base != Base::Quad);
            let names = factors.map(|atom| self.name(atom)).collect::<Option<Vec<_>>>()?;
            Some((names, term.iter().any(|a| a.is_operator(".*")))).filter(|_| sign == '+')
        };
        terms(atoms).into_iter().map(of_term).collect()
    }

    /// What names mean of which `symbols` do not know it, and how ŷa joins, where it is not added.
    pub(super) fn meanings(
        mut self,
        symbols: &Symbols,
    ) -> (Vec<(Atom, &'static str)>, Option<Join>) {
        let Some(found) = self.found() else { return (vec![], None) };
        let join = self.join;
        let mut meanings: BTreeMap<Name, BTreeSet<&'static str>> = BTreeMap::new();
        let mut names: BTreeMap<&'static str, BTreeSet<Name>> = BTreeMap::new();
        for (name, meaning) in found {
            meanings.entry(name.clone()).or_default().insert(meaning);
            names.entry(meaning).or_default().insert(name);
        }
        let mut known = symbols.clone();
        let only = |(name, of): (Name, BTreeSet<&'static str>)| {
            let meaning = of.first().copied().filter(|meaning| {
                of.len() == 1 && (names[meaning].len() == 1 || *meaning == "y_a_hat")
            })?;
            let atom = self.atoms.remove(&name)?;
            // What usually is a probability, a mask or a count is what it stands for here.
            let is_weak = ["p", "r", "n", "N", "B"].iter().any(|letter| atom.is_symbol(letter));
            (is_weak || known.resolve(&atom).is_none()).then_some((atom, meaning))
        };
        (meanings.into_iter().filter_map(only).collect(), join)
    }

    /// What names are, if all four layers are there.
    fn found(&mut self) -> Option<Vec<(Name, &'static str)>> {
        let mut layers: Vec<Layer> = Vec::new();
        for out in self.order.clone() {
            let right = self.produced[&out].clone();
            let Some(sum) = self.sum_of_products(&right) else { continue };
            if let [(product, false), (bias, _)] = &sum[..]
                && product.len() == 2
                && bias.len() <= 2
            {
                let is_same = |layer: &&mut Layer| layer.product == *product && layer.bias == *bias;
                match layers.last_mut().filter(is_same) {
                    Some(layer) => layer.outs.push(out),
                    None => layers.push(Layer {
                        outs: vec![out],
                        product: product.clone(),
                        bias: bias.clone(),
                    }),
                }
            }
        }
        if layers.len() != 4 {
            return None;
        }
        let is_in =
            |layer: &&Layer, name: &Name| layer.product.contains(name) || layer.bias.contains(name);
        let names = layers.iter().flat_map(|l| l.product.iter().chain(&l.bias)).cloned();
        let names: BTreeSet<Name> = names.collect();
        // Ones that repeat a bias are in each layer.
        let ones =
            names.iter().find(|name| layers.iter().all(|layer| is_in(&layer, name))).cloned();
        let shared: Vec<&Name> = names
            .iter()
            .filter(|name| layers.iter().filter(|layer| layer.product.contains(name)).count() == 2)
            .filter(|name| !self.produced.contains_key(*name))
            .collect();
        let [x] = &shared[..] else { return None };
        let (first, second): (Vec<&Layer>, Vec<&Layer>) =
            layers.iter().partition(|layer| layer.product.contains(x));
        let input = |layer: &Layer| {
            layer.product.iter().find(|name| self.produced.contains_key(*name)).cloned()
        };
        let [(one, into_one), (other, into_other)] =
            [second.first()?, second.get(1)?].map(|layer| (*layer, input(layer)));
        let (into_one, into_other) = (into_one?, into_other?);
        let comes_of = |name: &Name, layer: &Layer| self.is_from(name, &layer.outs);
        let (head_a, h, head_b, s) = if comes_of(&into_other, one) {
            (one, into_one, other, into_other)
        } else if comes_of(&into_one, other) {
            (other, into_other, one, into_one)
        } else {
            return None;
        };
        let is_a = |layer: &&&Layer| comes_of(&h, layer);
        let (trunk_a, trunk_b) =
            (*first.iter().find(is_a)?, *first.iter().find(|layer| !is_a(layer))?);

        let mut found = vec![((*x).clone(), "x")];
        found.extend(ones.clone().map(|ones| (ones, "ones_m")));
        for (layer, input, [weight, bias, out]) in [
            (trunk_a, *x, ["theta_1a", "b_1a", "z_1a"]),
            (head_a, &h, ["theta_2a", "b_2a", "y_a_hat"]),
            (trunk_b, *x, ["theta_1b", "b_1b", "z_1b"]),
            (head_b, &s, ["theta_2b", "b_2b", "z_2b"]),
        ] {
            found.push((layer.weight(input)?.clone(), weight));
            let of_bias = layer.bias.iter().find(|name| Some(*name) != ones.as_ref());
            found.push((of_bias?.clone(), bias));
            found.extend(layer.outs.iter().map(|name| (name.clone(), out)));
        }
        let outs = [head_a, head_b, trunk_b].map(|layer| layer.outs.clone());
        self.beside(outs, &h, &s, ones.as_ref(), &mut found);
        Some(found)
    }

    /// What stands beside what is known: labels, mask, γ, β, ε.
    fn beside(
        &mut self,
        [y_a, z_2b, z_1b]: [Vec<Name>; 3],
        h: &Name,
        s: &Name,
        ones: Option<&Name>,
        found: &mut Vec<(Name, &'static str)>,
    ) {
        let is_new = |forward: &Self, name: &Name| {
            !forward.produced.contains_key(name) && Some(name) != ones
        };
        // ŷb is what comes of z2b.
        let y_b = self.order.iter().find(|name| self.is_from(name, &z_2b)).cloned();
        for (a, between, b) in self.pairs.clone() {
            if between == "-" && y_a.contains(&a) && is_new(self, &b) {
                found.push((b, "y_a"));
            } else if between == "-" && Some(&a) == y_b.as_ref() && is_new(self, &b) {
                found.push((b, "y_b"));
            } else if between == "log" && Some(&b) == y_b.as_ref() && is_new(self, &a) {
                found.push((a, "y_b"));
            }
        }
        // L = … log ŷb …
        let of_logs =
            self.pairs.iter().filter(|(_, between, _)| *between == "log").collect::<Vec<_>>();
        let losses = self.order.iter().filter(|name| {
            let mut names = Vec::new();
            self.names_in(&self.produced[*name], &mut names);
            of_logs.iter().any(|(_, _, b)| names.contains(b))
                && names.iter().any(|n| y_a.contains(n))
        });
        found.extend(losses.map(|name| (name.clone(), "loss")));
        // What comes of z1b at once.
        for name in &self.order {
            let mut names = Vec::new();
            self.names_in(&self.produced[name], &mut names);
            names.retain(|name| self.produced.contains_key(name));
            if !names.is_empty() && names.iter().all(|name| z_1b.contains(name)) {
                found.push((name.clone(), "a_1b"));
            }
        }
        // h = a ⊙ M
        let right = self.produced[h].clone();
        if let Some([(factors, _)]) = self.sum_of_products(&right).as_deref() {
            let is_function = |name: &Name| ["ReLU_", "relu_", "max_"].contains(&name.as_str());
            let masks = factors.iter().filter(|name| is_new(self, name) && !is_function(name));
            found.extend(masks.map(|name| (name.clone(), "M")));
        }
        // γ ⊙ â + β, in s or before it.
        for name in self.ancestors(s).into_iter().chain([s.clone()]) {
            let right = self.produced.get(&name).cloned().unwrap_or_default();
            let Some(sum) = self.sum_of_products(&right) else { continue };
            let scaled = sum.iter().find(|(factors, _)| {
                factors.len() > 1 && factors.iter().any(|name| self.is_from(name, &z_1b))
            });
            // P ŷa, and ŷa for each unit.
            for (factors, _) in &sum {
                let by = match &factors[..] {
                    [a, b] if y_a.contains(a) => b,
                    [a, b] if y_a.contains(b) => a,
                    _ => continue,
                };
                if by.starts_with("ones_") {
                    self.join = Some(Join::Broadcast);
                } else if is_new(self, by) {
                    self.join = Some(Join::Project);
                    found.push((by.clone(), "theta_j"));
                }
            }
            let Some((factors, _)) = scaled else { continue };
            for factor in factors.iter().filter(|name| Some(*name) != ones) {
                let is_scale = !self.produced.contains_key(factor);
                found.push((factor.clone(), if is_scale { "gamma" } else { "a_hat" }));
            }
            for (shift, _) in &sum {
                let new: Vec<&Name> = shift.iter().filter(|name| is_new(self, name)).collect();
                if let ([beta], true) =
                    (&new[..], shift.iter().all(|n| !self.produced.contains_key(n)))
                {
                    found.push(((*beta).clone(), "beta"));
                }
            }
        }
        for [variance, eps] in &self.under_roots {
            if self.produced.contains_key(variance) && is_new(self, eps) {
                found.extend([(variance.clone(), "var"), (eps.clone(), "eps")]);
            }
        }
    }

    /// The names that a name is computed from, directly or not.
    fn ancestors(&self, name: &Name) -> BTreeSet<Name> {
        let mut all = BTreeSet::new();
        let mut next = vec![name.clone()];
        while let Some(name) = next.pop() {
            let Some(right) = self.produced.get(&name) else { continue };
            let mut names = Vec::new();
            self.names_in(right, &mut names);
            for name in names {
                if all.insert(name.clone()) {
                    next.push(name);
                }
            }
        }
        all
    }

    /// Whether a name is computed from one of these.
    fn is_from(&self, name: &Name, of: &[Name]) -> bool {
        let ancestors = self.ancestors(name);
        of.iter().any(|one| ancestors.contains(one))
    }

    fn names_in(&self, atoms: &[Atom], into: &mut Vec<Name>) {
        for atom in atoms {
            match &atom.base {
                Base::Group(_, inner) | Base::Root(inner) => self.names_in(inner, into),
                Base::Fraction(above, below) => {
                    self.names_in(above, into);
                    self.names_in(below, into);
                }
                _ => into.extend(printed(&without(atom, &INDICES))),
            }
        }
    }
}
