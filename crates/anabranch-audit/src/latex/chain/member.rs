//! One member of an equation: read, and compared with the truth.

use std::collections::{BTreeMap, HashMap};

use super::orientation::Kinds;
use super::repeated::summed;
use super::where_it_holds::under;
use super::{About, Judge, Judgement, Read, cost};
use crate::expr::{Axis, Expr, Index, Node, Slot};
use crate::formula::Indices;
use crate::judge::{assess, assess_values, rank, values};
use crate::latex::layout::{Atom, Base, Place, Unreadable};
use crate::latex::pull_back::{Contraction, contraction};
use crate::latex::reader::{Grouping, Reader, as_entry};
use crate::latex::statement::start;
use crate::latex::symbols::Meaning;
use crate::letters::index_name;
use crate::quantity::{Kind, Quantity, Target, Units};
use crate::task::{Loss, Task};
use crate::turn::Data;
use crate::{Evaluation, Finding, Formula, Verdict};

impl Judge<'_> {
    /// The quantity of the forward pass that has the value of an expression.
    pub(super) fn identify(&self, expr: &Expr, letters: &[char]) -> Option<Expr> {
        const CANDIDATES: [&str; 12] = [
            "z_1a", "a_1a", "h", "y_a_hat", "z_1b", "a_1b", "a_hat", "bn", "s", "z_2b", "y_b_hat",
            "mu",
        ];
        // For one entry, its index.
        let mut options: Vec<Vec<Index>> = vec![vec![]];
        for slot in [Slot::Component, Slot::Sample] {
            options.extend(letters.iter().map(|name| vec![Index { name: *name, slot }]));
        }
        for free in options {
            for name in CANDIDATES {
                let quantity = Quantity::named(name)?;
                if self.has_value(quantity, expr, &free) {
                    let value = Expr::new(Node::Quantity(quantity), expr.column);
                    return Some(match free.is_empty() {
                        true => value,
                        false => Expr::new(Node::Entry(Box::new(value), free), expr.column),
                    });
                }
            }
        }
        None
    }

    /// Whether an expression has the value of a quantity, or of its entries.
    pub(super) fn has_value(
        &self,
        quantity: &'static Quantity,
        expr: &Expr,
        free: &[Index],
    ) -> bool {
        let formula = self.formula("", Target(quantity), expr, free, None, Evaluation::PerRow);
        let truths = self.auditor.networks.of(formula.setting);
        let exact = |evaluation| {
            assess(truths, &formula, evaluation, formula.mask).verdict == Verdict::Exact
        };
        // A number for each sample, as BatchNorm is printed for one unit.
        let is_of_unit = quantity.units == Units::Columns
            && quantity.kind == Kind::Rows
            && (is_of_one_unit(expr, false) || (self.one_unit && is_of_one_unit(expr, true)))
            && free.iter().all(|index| index.slot == Slot::Sample);
        exact(Evaluation::PerRow)
            || (free.is_empty() && exact(Evaluation::Batch))
            || (is_of_unit && exact(Evaluation::PerUnit))
    }

    pub(super) fn formula(
        &self,
        text: &str,
        target: Target,
        expr: &Expr,
        free: &[Index],
        condition: Option<Expr>,
        evaluation: Evaluation,
    ) -> Formula {
        Formula {
            name: text.to_owned(),
            target,
            expression: text.to_owned(),
            expr: expr.clone(),
            evaluation,
            setting: self.setting.asked_for_by(target, expr),
            indices: Indices { free: free.to_vec(), condition },
            mask: self.mask,
            turn: self.conventions.turn(Data::AsEvaluated),
            loss: Loss::Whole,
            line: None,
            expected: None,
            points: None,
            note: None,
        }
    }

    pub(super) fn read(
        &mut self,
        atoms: &[Atom],
        grouping: Grouping,
        sample_letters: &[char],
        slots: &mut HashMap<char, Slot>,
    ) -> Result<Expr, Unreadable> {
        let mut in_batch_norm = false;
        self.read_in(atoms, grouping, sample_letters, slots, &mut in_batch_norm)
    }

    pub(super) fn read_in(
        &mut self,
        atoms: &[Atom],
        grouping: Grouping,
        sample_letters: &[char],
        slots: &mut HashMap<char, Slot>,
        in_batch_norm: &mut bool,
    ) -> Result<Expr, Unreadable> {
        let mut symbols = std::mem::take(&mut self.symbols);
        let identify = |expr: &Expr, letters: &[char]| self.identify(expr, letters);
        let mut all_slots = self.slots.clone();
        all_slots.extend(slots.drain());
        let mut reader = Reader {
            symbols: &mut symbols,
            grouping,
            slots: all_slots,
            sample_letters,
            identify: &identify,
            in_batch_norm: *in_batch_norm,
            unstated: 0,
            depth: 0,
        };
        let read = reader.whole(atoms);
        let (unstated, found, inside) = (reader.unstated, reader.slots, reader.in_batch_norm);
        self.symbols = symbols;
        *slots = found;
        *in_batch_norm = inside;
        let place = start(atoms).unwrap_or(Place { line: 1, column: 1 });
        let error = |message: &str| Err(Unreadable { place, message: message.to_owned() });
        match read {
            Ok(_) if unstated > crate::parser::MAX_UNSTATED => {
                error("more than four sums without a range")
            }
            Ok(expr) if expr.depth() > crate::parser::MAX_DEPTH => {
                error("an expression nested that deep")
            }
            read => read.map_err(|error| error.or(place)),
        }
    }

    /// A formula that is exact once ∂L/∂ŷa in it, or before it, is the partial derivative with s
    /// held fixed. Next to a term for the path through the join, it can be nothing else; by itself,
    /// it is if the derivation has such a sum.
    fn with_partial(&self, formula: &Formula, left: bool, right: bool) -> Option<Formula> {
        let changed = if right {
            let of_a = formula.expr.replaced(&|part| match &part.node {
                Node::OfTask(..) => Some(part.clone()),
                Node::Quantity(of) if of.name == "delta_2a" => {
                    let node = Node::OfTask(Task::A, Box::new(part.clone()));
                    Some(Expr::new(node, part.column))
                }
                _ => None,
            });
            Formula { expr: of_a, ..formula.clone() }
        } else if left && self.has_partial.get() {
            Formula { loss: Loss::OfA, ..formula.clone() }
        } else {
            return None;
        };
        let truths = self.auditor.networks.of(changed.setting);
        let found = assess(truths, &changed, changed.evaluation, changed.mask);
        let is_exact = found.verdict == Verdict::Exact;
        self.has_partial.set(self.has_partial.get() || is_exact);
        is_exact.then_some(changed)
    }

    /// Whether ∂L/∂ŷa is written in a formula, with ∂.
    pub(super) fn has_partial_by_y_a(&self, atoms: &[Atom]) -> bool {
        let is_y_a = |by: &Atom| {
            let meaning = self.symbols.clone().resolve(by).map(|resolved| resolved.meaning);
            matches!(meaning, Some(Meaning::Quantity(of)) if of.name == "y_a_hat")
        };
        let are = |all: [&Atom; 2]| all.iter().all(|atom| atom.is_symbol("partial"));
        let inline = atoms.windows(5).any(|five| match five {
            [above, _, slash, below, by] => {
                are([above, below]) && slash.is_operator("/") && is_y_a(by)
            }
            _ => false,
        });
        inline
            || atoms.iter().any(|atom| match &atom.base {
                Base::Group(_, inner) | Base::Root(inner) => self.has_partial_by_y_a(inner),
                Base::Fraction(above, below) => match (&above[..], &below[..]) {
                    ([above, _], [below, by]) if are([above, below]) => is_y_a(by),
                    _ => self.has_partial_by_y_a(above) || self.has_partial_by_y_a(below),
                },
                _ => false,
            })
    }

    pub(super) fn condition(
        &mut self,
        atoms: &[Atom],
        letters: &[char],
        slots: &HashMap<char, Slot>,
    ) -> Option<Expr> {
        let mut symbols = std::mem::take(&mut self.symbols);
        let identify = |_: &Expr, _: &[char]| None;
        let mut reader = Reader {
            symbols: &mut symbols,
            grouping: Grouping::SideBySideFirst,
            slots: slots.clone(),
            sample_letters: letters,
            identify: &identify,
            in_batch_norm: false,
            unstated: 0,
            depth: 0,
        };
        let condition = reader.condition(atoms).ok();
        self.symbols = symbols;
        condition
    }

    /// One member under its most favourable grouping and evaluation.
    pub(super) fn member(
        &mut self,
        atoms: &[Atom],
        text: &str,
        about: &About<'_>,
        letters: &[char],
        slots: &mut HashMap<char, Slot>,
        inside: &mut bool,
    ) -> Read {
        let mut best: Option<Read> = None;
        let mut unreadable = None;
        let (slots_before, inside_before) = (slots.clone(), *inside);
        let groupings =
            [Grouping::SideBySideFirst, Grouping::EntryByEntryLast, Grouping::FromTheLeft];
        let has = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
        let starred = has(&["*", "∗", r"\ast"]).then_some(Grouping::Starred);
        let dotted = has(&["·", "⋅", r"\cdot"]).then_some(Grouping::Dotted);
        for grouping in groupings.into_iter().chain(starred).chain(dotted) {
            let (mut own_slots, mut own_inside) = (slots_before.clone(), inside_before);
            let read = self.read_in(atoms, grouping, letters, &mut own_slots, &mut own_inside);
            let expr = match read {
                Ok(expr) => expr,
                Err(error) => {
                    unreadable = Some(error);
                    break;
                }
            };
            if grouping == Grouping::SideBySideFirst {
                (*slots, *inside) = (own_slots, own_inside);
            }
            let named = match &expr.node {
                Node::OfTask(task, inner) if Loss::from(*task) == about.loss => as_entry(inner),
                _ if about.loss == Loss::Whole => as_entry(&expr),
                _ => None,
            };
            if let Some((_, letters)) = named.filter(|(q, _)| q.name == about.target.name()) {
                if !are_of_others(&letters, about.free) {
                    return Read::unjudged(Judgement::Name, Some(expr));
                }
                let mut read = self.judged(expr, text, about, atoms);
                if let Judgement::Judged(finding) = &mut read.judgement {
                    finding.verdict = Verdict::Wrong;
                    finding.explanation = "It has other indices than the left side.".to_owned();
                }
                return Read { formula: None, ..read };
            }
            let expr = match about.elsewhere {
                Some(elsewhere) => under(expr, elsewhere),
                None => expr,
            };
            let read = self.judged(expr, text, about, atoms);
            let better =
                best.as_ref().is_none_or(|best| cost(&read.judgement) < cost(&best.judgement));
            if better {
                best = Some(read);
            }
            if best.as_ref().is_some_and(|best| cost(&best.judgement) == 0) {
                break;
            }
        }
        match (best, unreadable) {
            (Some(read), _) => read,
            (None, Some(error)) => {
                let at = error.place;
                let message = format!("line {}, column {}: {}", at.line, at.column, error.message);
                Read::unjudged(Judgement::Unreadable(message), None)
            }
            (None, None) => {
                let judgement = Judgement::Unreadable("something is missing here".into());
                Read::unjudged(judgement, None)
            }
        }
    }

    /// The judgement on an expression, with sums over repeated indices where the file has them. One
    /// that only lacks such sums is not judged in a file without any Σ that has others like it.
    fn judged(&self, expr: Expr, text: &str, about: &About<'_>, atoms: &[Atom]) -> Read {
        let expr = if self.repeated { summed(&expr, about.free) } else { expr };
        let read = self.judged_as_read(expr, text, about, atoms);
        let is_open = !self.repeated && !self.has_sums && cost(&read.judgement) > 0;
        let Some(expr) = read.expr.as_ref().filter(|_| is_open) else { return read };
        let with_sums = summed(expr, about.free);
        if with_sums.depth() == expr.depth()
            || cost(&self.judged_as_read(with_sums, text, about, atoms).judgement) > 0
        {
            return read;
        }
        let [now, before] = &self.would_repeat;
        now.borrow_mut().extend(start(atoms));
        if before.borrow().len() < 2 {
            return read;
        }
        let message = "an index repeats and is bound by no sum; if repeated indices are summed over, \
                       say so in a line `audit: sums = repeated`";
        Read::unjudged(Judgement::Unreadable(message.to_owned()), read.expr)
    }

    fn judged_as_read(&self, expr: Expr, text: &str, about: &About<'_>, atoms: &[Atom]) -> Read {
        let by_y_a = self.has_partial_by_y_a(atoms);
        let letters = self.letters_of(atoms, about.left);
        let target = about.target;
        let mut free = about.free.to_vec();
        // (…)ₖ for a vector: its k-th entry.
        let is_vector = matches!(target.0.kind, Kind::Rows | Kind::Vector);
        let unbound = expr.unbound_letters(Slot::Component);
        if let ([name], true) = (&unbound[..], is_vector)
            && !free.iter().any(|index| index.slot == Slot::Component)
            && !expr.any(&is_sum_of_others)
            && !(free.iter().any(|index| index.slot == Slot::Sample)
                && expr.any(&|part| is_of_no_sample(part, *name)))
        {
            free.push(Index { name: *name, slot: Slot::Component });
        }
        let formula = |expr: &Expr, evaluation| {
            let condition = about.condition.clone();
            let formula = self.formula(text, target, expr, &free, condition, evaluation);
            Formula { loss: about.loss, ..formula }
        };
        let truths = self.auditor.networks.of(formula(&expr, Evaluation::PerRow).setting);
        let of_chain = formula(&expr, Evaluation::Batch);
        match contraction(truths, &of_chain) {
            Some(Ok(Contraction { pairs, stray })) => {
                let found = assess_values(&pairs, &of_chain);
                let mut finding = Finding::new(&of_chain, found);
                finding.say("Read as the chain rule.");
                if let Some(letter) = stray {
                    finding.verdict = Verdict::Wrong;
                    finding.explanation = format!(
                        "The index `{}` is bound by no sum, or by one that it should not be in.",
                        index_name(letter)
                    );
                }
                let values = pairs.iter().map(|pair| pair.entries()).collect();
                let judgement = Judgement::Judged(Box::new(finding));
                return Read { values: Some(values), ..Read::unjudged(judgement, Some(expr)) };
            }
            Some(Err(message)) => {
                let judgement = Judgement::Unreadable(message);
                return Read::unjudged(judgement, Some(expr));
            }
            None if has_partial(&expr) => {
                let message = "a derivative of one quantity with respect to another, outside a product of derivatives";
                return Read::unjudged(Judgement::Unreadable(message.into()), Some(expr));
            }
            None => {}
        }
        let assessed = |expr: &Expr| {
            let is_of_unit =
                is_of_one_unit(expr, false) || (self.one_unit && is_of_one_unit(expr, true));
            let of_unit =
                (target.0.units == Units::Columns && is_of_unit).then_some(Evaluation::PerUnit);
            let ways = self.conventions.ways(Kinds::of(letters, target, expr));
            ways.into_iter()
                .chain(of_unit.map(|of_unit| (of_unit, Data::AsEvaluated)))
                .map(|(evaluation, data)| {
                    let turn = self.conventions.turn(data);
                    let formula = Formula { turn, ..formula(expr, evaluation) };
                    let found = assess(truths, &formula, evaluation, formula.mask);
                    (rank(found.verdict), formula)
                })
                .min_by_key(|(rank, _)| *rank)
        };
        let Some((cost, mut best)) = assessed(&expr) else {
            let judgement = Judgement::Unreadable("nothing to judge".into());
            return Read::unjudged(judgement, Some(expr));
        };
        let values = values(truths, &best);
        let mut finding = self.auditor.verdict(&best);
        if best.evaluation == Evaluation::PerUnit {
            finding.say("Read unit by unit.");
        }
        // What a derivation calls δ may not be δ; what follows from it may still be right.
        if cost > 0 {
            let mut own = self.definitions.clone();
            own.remove(target.name());
            if let Some(replaced) = substituted(&expr, &own)
                && let Some((replaced_cost, formula)) = assessed(&replaced)
                && replaced_cost < cost
            {
                finding = self.auditor.verdict(&formula);
                own.retain(|name, _| crate::latex::symbols::mentions(&expr, name));
                let names: Vec<&str> = own.into_keys().collect();
                let names = names.join(" and ");
                finding.say(&format!("This uses {names} as this derivation defines it."));
                best = formula;
            }
        }
        let kinds = Kinds::of(letters, target, &best.expr);
        let vote = self.is_open().then(|| self.vote(&best, kinds)).flatten();
        if let Some(sentence) =
            (finding.verdict != Verdict::Exact).then(|| self.contrary(&best, kinds)).flatten()
        {
            finding.say(&sentence);
        }
        if cost > 0
            && about.loss == Loss::Whole
            && let Some(formula) = self.with_partial(&best, about.is_partial, by_y_a)
        {
            finding = self.auditor.verdict(&formula);
            finding.say("It takes dL/dy_a_hat as the partial derivative, without the join's path.");
            best = formula;
        }
        // dθ = δᵢxᵢᵀ is right row by row, but a printed i asks for its sum.
        let samples = expr.unbound_letters(Slot::Sample);
        let is_sum = matches!(target.0.kind, Kind::Weight | Kind::Vector | Kind::Scalar);
        if let ([name, ..], true, Verdict::Exact) = (&samples[..], is_sum, finding.verdict) {
            finding.verdict = Verdict::Wrong;
            finding.explanation = format!(
                "The index `{}` is bound by no sum: a sum over the samples is missing. With it, the formula is exact.",
                index_name(*name)
            );
        }
        // A sample's letter that is not the left side's picks none of its entries.
        let own: Vec<char> = free
            .iter()
            .filter(|index| index.slot == Slot::Sample)
            .map(|index| index.name)
            .collect();
        let stray = samples.iter().find(|name| !own.contains(name));
        if let (Some(name), false, Verdict::Exact) = (stray, own.is_empty(), finding.verdict) {
            finding.verdict = Verdict::Wrong;
            finding.explanation = format!(
                "The index `{}` is bound by no sum, and the left side has another.",
                index_name(*name)
            );
        }
        // What is left to explain: not a missing sum.
        let formula = (samples.is_empty() || !is_sum || cost > 0).then_some(best);
        let judgement = Judgement::Judged(Box::new(finding));
        Read { judgement, values, expr: Some(expr), formula, vote }
    }
}

/// Whether everything in it is a number of one unit of branch B for each sample, or a constant; or
/// all these numbers in a vector. Otherwise a transpose is one of a vector of units.
fn is_of_one_unit(expr: &Expr, in_vectors: bool) -> bool {
    !expr.any(&|part| match &part.node {
        Node::Quantity(found) => match found.kind {
            Kind::Scalar => false,
            // ŷa is added to them.
            Kind::Rows if found.name == "ones_m" => !in_vectors,
            Kind::Rows | Kind::Vector => found.units != Units::Columns && found.name != "y_a_hat",
            Kind::UnitJacobian => false,
            _ => true,
        },
        Node::Transpose(_) | Node::Identity | Node::Fold(_, Axis::All, _) => !in_vectors,
        Node::Over(..) | Node::Gather(..) | Node::Fold(_, Axis::Cols, _) => true,
        _ => false,
    })
}

/// Whether it is a sum over samples of something that has other letters, but not the sample's.
fn is_sum_of_others(part: &Expr) -> bool {
    let Node::Fold(_, Axis::Samples(Some(name)), inner) = &part.node else { return false };
    !inner.any(&|part| match &part.node {
        Node::Entry(_, indices) => indices.iter().any(|index| index.name == *name),
        Node::Index(index) => index == name,
        _ => false,
    })
}

/// Whether this letter alone picks from something that each sample has: y_j beside the s_i of
/// another letter.
fn is_of_no_sample(part: &Expr, name: char) -> bool {
    let Node::Entry(inner, indices) = &part.node else { return false };
    matches!(inner.node, Node::Quantity(of) if of.kind == Kind::Rows)
        && matches!(&indices[..], [index] if index.name == name)
}

/// Whether two quantities have letters, and each has one that the other has not.
fn are_of_others(a: &[Index], b: &[Index]) -> bool {
    let lacks = |all: &[Index], one: &Index| all.iter().all(|other| other.name != one.name);
    a.iter().any(|index| lacks(b, index)) && b.iter().any(|index| lacks(a, index))
}

pub(super) fn has_partial(expr: &Expr) -> bool {
    expr.any(&|part| matches!(part.node, Node::Partial(..)))
}

/// The tree with every mention of these quantities replaced; `None` if there is none.
pub(super) fn substituted(expr: &Expr, by: &BTreeMap<&'static str, Expr>) -> Option<Expr> {
    let replacement = |part: &Expr| match part.node {
        Node::Quantity(quantity) => by.get(quantity.name).cloned(),
        _ => None,
    };
    expr.any(&|part| replacement(part).is_some()).then(|| expr.replaced(&replacement))
}
