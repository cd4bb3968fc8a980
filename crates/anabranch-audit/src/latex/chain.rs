//! Every equation of a derivation against the truth, and each member against the one before.

mod activations;
mod adjoint;
mod definitions;
mod differentials;
mod directive;
mod forward;
mod local;
mod member;
mod orientation;
mod remark;
mod repeated;
mod sample;
mod seen;
mod summed_losses;
mod text;
mod vote;
mod where_it_holds;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use adjoint::is_adjoint;
use forward::Forward;
use local::{has_no_shape, local, on_diagonal, value_of_function};
use orientation::{Conventions, Vote, Votes};
use seen::Seen;

use super::derivation::{Derivation, Equation, Judgement, Member, Skipped};
use super::document::{Display, Math, Piece, pieces};
use super::layout::{Atom, Place, layout_of};
use super::reader::{Grouping, as_entry};
use super::source::{Directive, source};
use super::statement::{Statement, start, statements};
use super::symbols::{Activation, Meaning, Symbols};
use crate::expr::{Expr, Index, Node, Slot};
use crate::judge::{Values, rank};
use crate::quantity::{Kind, Quantity, Target, Units};
use crate::setting::Setting;
use crate::task::{Loss, Task};
use crate::truth::MaskReading;
use crate::{Auditor, Formula, Verdict};

impl Auditor {
    /// The verdicts on the equations of a Markdown text, or a LaTeX one.
    pub fn derivation(&self, text: &str, is_tex: bool) -> Derivation {
        let source = source(text, is_tex);
        let pieces = pieces(&source);
        let mut derivation = self.nearest(text, &pieces);
        if let Some(place) = source.endless {
            derivation.skipped.push(Skipped {
                place,
                text: "a macro".to_owned(),
                reason: "it expands to itself, or to far more text than a derivation has"
                    .to_owned(),
                unreadable: true,
            });
        }
        for member in derivation.equations.iter_mut().flat_map(|one| &mut one.members) {
            if let (Judgement::Judged(finding), Some(formula)) =
                (&mut member.judgement, &member.formula)
            {
                self.explain(formula, finding);
            }
        }
        derivation
    }

    /// The derivation with the meaning of M that makes more of it right.
    fn nearest(&self, text: &str, pieces: &[Piece]) -> Derivation {
        let (cost, scaled) = self.derivation_with(text, pieces, MaskReading::Scaled);
        if cost == (0, 0) || !scaled.symbols.values().any(|meaning| meaning == "M") {
            return scaled;
        }
        // Some write M for keep/(1-p), some for keep: whichever the forward pass is nearer to right
        // with, and then the whole derivation.
        let (binary_cost, mut binary) = self.derivation_with(text, pieces, MaskReading::Binary);
        if binary_cost < cost {
            for meaning in binary.symbols.values_mut().filter(|meaning| *meaning == "M") {
                meaning.push_str(" (0 or 1)");
            }
            return binary;
        }
        scaled
    }

    fn derivation_with(
        &self,
        text: &str,
        pieces: &[Piece],
        mask: MaskReading,
    ) -> ((usize, usize), Derivation) {
        // What a derivation defines may stand behind its first use: the first pass collects, the
        // second judges.
        let mut judge = Judge::new(self, text, pieces, mask);
        judge.judge(pieces);
        judge.settle(pieces);
        judge.done = Derivation::default();
        judge.would_repeat.swap(0, 1);
        judge.judge(pieces);
        let mut done = judge.done;
        done.symbols = judge.symbols.used;
        done.conventions = judge.conventions.counts.into_iter().collect();
        if judge.repeated {
            done.conventions.insert("indices that repeat", "summed over".to_owned());
        }
        let of = |equation: &Equation| -> usize {
            equation.members.iter().map(|member| cost(&member.judgement)).sum()
        };
        let is_forward = |equation: &&Equation| {
            let target = equation.target;
            !target.is_gradient()
                && !matches!(target.0.kind, Kind::RowJacobian | Kind::UnitJacobian)
        };
        let forward = done.equations.iter().filter(is_forward).map(of).sum();
        ((forward, done.equations.iter().map(of).sum()), done)
    }
}

struct Judge<'a> {
    auditor: &'a Auditor,
    lines: Vec<Vec<char>>,
    symbols: Symbols,
    /// What letters run over, where a sum of the document says it.
    slots: HashMap<char, Slot>,
    setting: Setting,
    mask: MaskReading,
    /// Which way round it writes matrices.
    conventions: Conventions,
    /// What its formulas say of that.
    votes: Votes,
    /// How the derivation defines a δ, where that is not what it is.
    definitions: BTreeMap<&'static str, Expr>,
    /// Whether the derivation writes ∂L/∂ŷa for the derivative without the path through the join.
    has_partial: Cell<bool>,
    /// Whether the derivation takes derivatives of BatchNorm's statistics by themselves.
    has_statistics: bool,
    /// Whether it says that vectors are those of one unit, with an entry for each sample.
    one_unit: bool,
    /// Whether indices that repeat in a product are summed over.
    repeated: bool,
    /// Whether some formula has a Σ with an index.
    has_sums: bool,
    /// Where formulas stand that would be exact if they were: of this pass, and the one before.
    would_repeat: [RefCell<BTreeSet<Place>>; 2],
    /// Where the formula ends that is judged now.
    end: Place,
    done: Derivation,
}

/// What is to be said of the next equation.
#[derive(Default)]
struct Grading {
    points: Option<f64>,
    expected: Option<Verdict>,
    skip: bool,
}

/// A member read, with its finding and values.
struct Read {
    judgement: Judgement,
    values: Option<Values>,
    expr: Option<Expr>,
    /// What its verdict is of, if there may be more to say about it.
    formula: Option<Formula>,
    vote: Option<Vote>,
}

impl Read {
    fn unjudged(judgement: Judgement, expr: Option<Expr>) -> Self {
        Self { judgement, values: None, expr, formula: None, vote: None }
    }
}

impl<'a> Judge<'a> {
    fn new(auditor: &'a Auditor, text: &str, pieces: &[Piece], mask: MaskReading) -> Self {
        let mut judge = Self {
            auditor,
            lines: text.split('\n').map(|line| line.chars().collect()).collect(),
            symbols: Symbols::default(),
            slots: HashMap::new(),
            setting: Setting::default(),
            mask,
            conventions: Conventions::default(),
            votes: Votes::default(),
            definitions: BTreeMap::new(),
            has_partial: Cell::new(false),
            has_statistics: false,
            one_unit: repeated::is_of_one_unit(text),
            repeated: repeated::is_declared(text),
            has_sums: false,
            would_repeat: Default::default(),
            end: Place { line: 1, column: 1 },
            done: Derivation::default(),
        };
        let (mut seen, mut forward, mut means) = (Seen::default(), Forward::default(), 0);
        for piece in pieces {
            if let Piece::Math(math) = piece
                && let Ok(atoms) = layout_of(&math.chars)
            {
                judge.learn(&atoms, &mut seen);
                let statements = statements(&atoms);
                forward.learn(&statements);
                means += summed_losses::votes(&statements);
            }
        }
        judge.symbols.sums_losses = means > 0;
        for letter in activations::of_other_networks(text) {
            judge.symbols.declare(letter, Activation::Other);
        }
        if seen.is_batch_norm() {
            for (symbol, name) in [("x", "a_1b"), ("y", "bn")] {
                judge.give(symbol, name, judge.end);
            }
        }
        // An r that nothing is compared with is a mask.
        if !seen.is_r_drawn {
            judge.give("r", "M", judge.end);
        }
        let (meanings, join) = forward.meanings(&judge.symbols);
        judge.setting.join = join.unwrap_or(judge.setting.join);
        for (atom, name) in meanings {
            if let Some(quantity) = Quantity::named(name) {
                judge.symbols.give(&atom, Meaning::Quantity(quantity));
            }
        }
        // A letter that is both says nothing.
        for letter in seen.both {
            judge.slots.remove(&letter);
        }
        judge
    }

    fn judge(&mut self, pieces: &[Piece]) {
        let mut grading = Grading::default();
        let mut condition: Option<Vec<Atom>> = None;
        for piece in pieces {
            match piece {
                Piece::Directive(one) => self.directive(&one.text, one.place, &mut grading),
                Piece::Math(math) => self.math(math, &mut grading, &mut condition),
            }
        }
    }

    /// The equations of one formula, after `condition`.
    fn math(&mut self, math: &Math, grading: &mut Grading, condition: &mut Option<Vec<Atom>>) {
        self.end = math.end;
        let mut directives = math.directives.iter().peekable();
        let tell = |judge: &mut Self, one: &Directive, grading: &mut Grading| {
            judge.directive(&one.text, one.place, grading);
        };
        let atoms = match layout_of(&math.chars) {
            Ok(atoms) => atoms,
            Err(error) => {
                if math.chars.iter().any(|(c, _)| *c == '=') {
                    self.skip(error.place, &math.text(), error.message, true);
                    *grading = Grading::default();
                }
                directives.for_each(|one| tell(self, one, grading));
                return;
            }
        };
        let all = statements(&atoms);
        let in_text = math.display == Display::InText;
        if in_text && let [Statement::Condition(found)] = &all[..] {
            *condition = Some(found.clone());
            return;
        }
        for (i, one) in all.iter().enumerate() {
            let Statement::Chain(members) = one else { continue };
            let begins = one.start().unwrap_or(math.end);
            while let Some(one) = directives.next_if(|one| one.place < begins) {
                tell(self, one, grading);
            }
            if std::mem::take(&mut grading.skip) {
                continue;
            }
            self.end = all[i + 1..].iter().find_map(Statement::start).unwrap_or(math.end);
            // A condition behind the equation is meant for it, one before for those that follow.
            let own = match all.get(i + 1) {
                Some(Statement::Condition(found)) => Some(found.clone()),
                _ => condition.clone(),
            };
            let comparison = match all.get(i + 1) {
                Some(Statement::Comparison(found)) => Some(&found[..]),
                _ => None,
            };
            self.chain(members, own.as_deref(), comparison, grading);
        }
        directives.for_each(|one| tell(self, one, grading));
        if !in_text && all.iter().any(|s| matches!(s, Statement::Chain(_))) {
            *condition = None;
        }
    }

    fn skip(&mut self, place: Place, text: &str, reason: String, unreadable: bool) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.done.skipped.push(Skipped { place, text, reason, unreadable });
    }

    fn chain(
        &mut self,
        members: &[Vec<Atom>],
        condition: Option<&[Atom]>,
        comparison: Option<&[Atom]>,
        grading: &mut Grading,
    ) {
        let Some(place) = start(&members[0]) else { return };
        let texts: Vec<String> = members
            .iter()
            .enumerate()
            .map(|(i, member)| self.text(member, members.get(i + 1).and_then(|next| start(next))))
            .collect();
        if let [[left], right, ..] = &members.iter().map(Vec::as_slice).collect::<Vec<_>>()[..]
            && is_adjoint(left, right)
        {
            let reason = "what a bar means: it is used as it stands".to_owned();
            self.skip(place, &texts.join(" = "), reason, false);
            return;
        }
        if self.defines_function(members, &texts) || self.defines(members, &texts) {
            return;
        }
        let mut best: Option<(usize, Equation, Outcome)> = None;
        let mut error = None;
        // What the document says of letters may not hold for an equation of its own letters.
        let usual = &['i', 'n', 'r', 't'][..];
        // In a derivative of BatchNorm, any letter may be a sample's.
        let every = &['i', 'n', 'r', 't', 'j', 'k', 'l', 'q'][..];
        let of_document = self.slots.clone();
        for (letters, slots) in [
            (usual, of_document.clone()),
            (usual, HashMap::new()),
            (&[], of_document.clone()),
            (every, of_document.clone()),
        ] {
            let is_of_units =
                |target: Target| target.0.units == Units::Columns && target.0.kind != Kind::Weight;
            if letters == every && best.as_ref().is_some_and(|best| !is_of_units(best.1.target)) {
                continue;
            }
            self.slots = slots;
            let equation = self.equation(members, &texts, (condition, comparison), letters);
            self.slots = of_document.clone();
            match equation {
                Ok((equation, _)) if letters == every && !is_of_units(equation.target) => {}
                Ok((mut equation, outcome)) => {
                    equation.place = place;
                    let cost: usize =
                        equation.members.iter().map(|member| cost(&member.judgement)).sum();
                    if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
                        best = Some((cost, equation, outcome));
                    }
                }
                Err(found) if letters.is_empty() => error = Some(found),
                Err(_) => {}
            }
            if best.as_ref().is_some_and(|(cost, ..)| *cost == 0) {
                break;
            }
        }
        let Some((_, mut equation, Outcome { exprs, votes })) = best else {
            let whole = texts.join(" = ");
            let (reason, unreadable) = self.without_target(members, &[usual, &[]], error);
            self.skip(place, &whole, reason, unreadable);
            return;
        };
        self.votes.extend(votes);
        let graded = std::mem::take(grading);
        (equation.points, equation.expected) = (graded.points, graded.expected);
        self.remember(&equation, &exprs, members);
        self.has_statistics |= matches!(equation.target.name(), "dmu_da" | "dvar_da");
        self.done.equations.push(equation);
    }

    fn equation(
        &mut self,
        members: &[Vec<Atom>],
        texts: &[String],
        (condition, comparison): (Option<&[Atom]>, Option<&[Atom]>),
        letters: &[char],
    ) -> Result<Judged, NotJudged> {
        let mut slots = HashMap::new();
        let mut inside = false;
        let first = Grouping::SideBySideFirst;
        let left = self.read_in(&members[0], first, letters, &mut slots, &mut inside);
        let mut left = left.map_err(|error| {
            (format!("the left side, column {}: {}", error.place.column, error.message), true)
        })?;
        if let Node::Transpose(inner) = &left.node {
            left = (**inner).clone();
        }
        // ∂La/∂u is judged with the loss of task A alone.
        let mut loss = Loss::Whole;
        let whole_left = left.clone();
        if let Node::OfTask(task, inner) = &left.node {
            loss = (*task).into();
            left = (**inner).clone();
        }
        if let Some(value) = value_of_function(&left) {
            left = value;
        }
        let found = as_entry(&left).or_else(|| local(&left, self.conventions.weights));
        let Some((quantity, mut free)) = found else {
            let partial = matches!(left.node, Node::Partial(..));
            let reason = if partial {
                "the left side is a derivative that is not among the targets"
            } else {
                "the left side is not a quantity of the network"
            };
            return Err((reason.to_owned(), true));
        };
        let Some(target) = Target::named(quantity.name) else {
            return Err((format!("`{}` is given, not derived", quantity.name), false));
        };
        let condition = match condition {
            Some(atoms)
                if quantity.kind == Kind::RowJacobian || quantity.kind == Kind::UnitJacobian =>
            {
                self.condition(atoms, letters, &slots)
            }
            _ => None,
        };
        if target.0.kind == Kind::UnitJacobian && free.len() == 4 {
            // The letter of the unit stands there twice.
            let mut seen = Vec::new();
            free.retain(|index| {
                let is_new = index.slot == Slot::Sample || !seen.contains(index);
                seen.push(*index);
                is_new
            });
        }
        let diagonal = on_diagonal(quantity, &mut free);
        // δ = ∂Lᵢ/∂z says which δ is meant.
        let of_sample = |member: &Vec<Atom>| {
            let read = self.read(member, first, letters, &mut slots.clone());
            read.is_ok_and(|expr| Self::is_of_sample(&expr, target))
        };
        if loss == Loss::Whole && members[1..].iter().any(of_sample) {
            loss = Loss::OfSample;
        }
        let is_partial = self.has_partial_by_y_a(&members[0]);
        let left = &members[0];
        let is_diagonal = free.is_empty() || diagonal.is_some();
        let condition = diagonal.or(condition);
        let read_as = |judge: &mut Self, target, free: &[Index], loss, whole_left: &Expr| {
            let (mut slots, mut inside) = (slots.clone(), inside);
            let condition = &condition;
            let elsewhere = comparison
                .and_then(|atoms| judge.elsewhere(atoms, (target, free), letters, &slots));
            let elsewhere = &elsewhere;
            let about = About { target, left, free, condition, elsewhere, loss, is_partial };
            let mut read = vec![Read::unjudged(Judgement::Name, Some(whole_left.clone()))];
            for (member, text) in members.iter().zip(texts).skip(1) {
                read.push(judge.member(member, text, &about, letters, &mut slots, &mut inside));
            }
            read
        };
        let mut read = read_as(self, target, &free, loss, &whole_left);
        // A δ that follows from those of one sample's loss is one itself.
        let total = |read: &[Read]| read.iter().map(|one| cost(&one.judgement)).sum::<usize>();
        if loss == Loss::Whole
            && total(&read) > 0
            && Self::names_delta(left, target)
            && read.iter().filter_map(|one| one.expr.as_ref()).any(Self::is_of_some_sample)
        {
            let node = Node::OfTask(Task::Sample, Box::new(whole_left.clone()));
            let of_sample = Expr::new(node, whole_left.column);
            let other = read_as(self, target, &free, Loss::OfSample, &of_sample);
            if total(&other) <= total(&read) {
                read = other;
            }
        }
        // Beside ∂μ/∂a and ∂σ²/∂a, ∂â/∂a is the derivative with both held fixed.
        let mut target = target;
        if self.has_statistics
            && is_diagonal
            && target.name() == "jacobian_batchnorm"
            && total(&read) > 0
            && let Some(by_itself) = Target::named("da_hat_da")
        {
            let other = read_as(self, by_itself, free.get(..1).unwrap_or(&[]), loss, &whole_left);
            if total(&other) == 0 {
                (read, target) = (other, by_itself);
            }
        }
        if has_no_shape(target, &free) && total(&read) > 0 {
            return Err(("a derivative by a weight as a whole".to_owned(), true));
        }
        let follows = self.links(&read, target);
        let broken = follows.iter().position(|follows| *follows == Some(false));
        let verdicts = || {
            read.iter().filter_map(|one| match &one.judgement {
                Judgement::Judged(finding) => Some(finding.verdict),
                Judgement::Name => None,
                Judgement::Unreadable(_) => None,
            })
        };
        let named = read.iter().skip(1).any(|one| matches!(one.judgement, Judgement::Name));
        let verdict = verdicts()
            .find(|verdict| *verdict != Verdict::Exact)
            .or(verdicts().next())
            .or(named.then_some(Verdict::Exact));
        let exprs = read.iter().map(|one| one.expr.clone()).collect();
        let votes = read.iter().filter_map(|one| one.vote.clone()).collect();
        let members = read
            .into_iter()
            .zip(members)
            .zip(texts)
            .zip(follows)
            .map(|(((read, atoms), text), follows)| Member {
                place: start(atoms).unwrap_or(Place { line: 1, column: 1 }),
                text: text.clone(),
                judgement: read.judgement,
                follows,
                formula: read.formula,
            })
            .collect();
        let place = Place { line: 1, column: 1 };
        let equation =
            Equation { place, target, members, verdict, broken, points: None, expected: None };
        Ok((equation, Outcome { exprs, votes }))
    }

    /// Of each member, whether it equals the one before that can be read.
    fn links(&self, read: &[Read], target: Target) -> Vec<Option<bool>> {
        let mut before: Option<&Read> = None;
        let mut links = Vec::with_capacity(read.len());
        for one in read {
            links.push(match (before, &one.judgement) {
                (_, Judgement::Unreadable(_)) => None,
                (None, _) => None,
                (Some(before), _) => Some(self.equal(before, one, target)),
            });
            if !matches!(one.judgement, Judgement::Unreadable(_)) {
                before = Some(one);
            }
        }
        links
    }

    fn equal(&self, a: &Read, b: &Read, _target: Target) -> bool {
        let exact = |read: &Read| match &read.judgement {
            Judgement::Name => true,
            Judgement::Judged(finding) => finding.verdict == Verdict::Exact,
            Judgement::Unreadable(_) => false,
        };
        match (exact(a), exact(b)) {
            (true, true) => true,
            (false, false) => match (&a.values, &b.values) {
                (Some(a), Some(b)) => crate::judge::same_values(a, b),
                _ => false,
            },
            _ => false,
        }
    }
}

/// The trees of an equation's members, and which way round they are written.
struct Outcome {
    exprs: Vec<Option<Expr>>,
    votes: Vec<Vote>,
}

/// An equation, and what else there is to remember of it.
type Judged = (Equation, Outcome);

/// Why an equation is not judged, and whether that is because it cannot be read.
type NotJudged = (String, bool);

/// What an equation is about.
struct About<'a> {
    target: Target,
    left: &'a [Atom],
    free: &'a [Index],
    condition: &'a Option<Expr>,
    /// The condition behind it, and what to take where that does not hold.
    elsewhere: &'a Option<[Expr; 2]>,
    loss: Loss,
    /// Whether it is written as ∂L/∂ŷa.
    is_partial: bool,
}

/// How far a member is from exact: the order in which readings are preferred.
fn cost(judgement: &Judgement) -> usize {
    match judgement {
        Judgement::Name => 0,
        Judgement::Judged(finding) => usize::from(rank(finding.verdict)),
        Judgement::Unreadable(_) => 6,
    }
}
