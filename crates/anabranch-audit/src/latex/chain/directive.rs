//! What a file tells the audit, and what its formulas reveal about its network.

use super::adjoint::is_adjoint;
use super::orientation::{Samples, Together};
use super::seen::Seen;
use super::{Grading, Judge};
use crate::Verdict;
use crate::expr::{Expr, Node, Slot};
use crate::latex::layout::{Atom, Base, Place, layout};
use crate::latex::reader::{Reader, index_letter};
use crate::latex::symbols::{Meaning, Symbols, is_batch_size};
use crate::quantity::{Quantity, Target};
use crate::reference::{Affine, Join};
use crate::setting::{Mode, TaskWeights};
use crate::turn::{Jacobians, Weights};

impl Judge<'_> {
    /// Learns what letters run over from sums with limits, and which network it is from symbols.
    pub(super) fn learn(&mut self, atoms: &[Atom], seen: &mut Seen) {
        // ∇C, and ∂C/… on one line.
        for pair in atoms.windows(2) {
            if pair[0].is_symbol("nabla") || pair[0].is_symbol("partial") {
                self.symbols.derived(&pair[1]);
            }
        }
        // dL = … is the differential, and then so is dW.
        for three in atoms.windows(3) {
            if let [d, of, equals] = three
                && d.is_symbol("d")
                && d.is_bare()
                && equals.is_operator("=")
                && ["L", "J", "C", "E"].iter().any(|loss| of.is_symbol(loss))
            {
                self.symbols.has_differentials = true;
            }
        }
        self.symbols.has_adjoints |= atoms
            .windows(3)
            .enumerate()
            .any(|(i, three)| three[1].is_operator("=") && is_adjoint(&three[0], &atoms[i + 2..]));
        self.symbols.has_differentials |= atoms
            .split(|atom| matches!(atom.base, Base::Break | Base::Quad) || atom.is_operator(","))
            .any(is_between_differentials);
        // r < p: what dropout draws, not its mask.
        for pair in atoms.windows(2) {
            seen.is_r_drawn |= matches!(pair, [r, than] | [than, r] if r.is_symbol("r")
                && [">", "<", ">=", "<="].iter().any(|sign| than.is_operator(sign)));
        }
        for atom in atoms {
            self.has_sums |= atom.base == Base::Sum && !atom.sub.is_empty();
            match &atom.base {
                Base::Sum if matches!(&atom.sub[..], [x] if x.is_symbol("x")) => {
                    self.slots.insert('x', Slot::Sample);
                }
                Base::Sum if !atom.sup.is_empty() => {
                    if let Some(name) = atom.sub.first().and_then(index_letter) {
                        let over_batch = atom.sup.iter().any(is_batch_size);
                        let slot = if over_batch { Slot::Sample } else { Slot::Component };
                        if self.slots.insert(name, slot).is_some_and(|before| before != slot) {
                            seen.both.push(name);
                        }
                    }
                }
                Base::Group(_, inner) | Base::Root(inner) => self.learn(inner, seen),
                Base::Fraction(above, below) => {
                    self.learn(above, seen);
                    self.learn(below, seen);
                }
                Base::Cases(rows) | Base::Matrix(rows) => {
                    rows.iter().flatten().for_each(|cell| self.learn(cell, seen));
                }
                Base::Symbol(name) => {
                    // δᵢⱼ is no δ of a layer.
                    if !atom.is_symbol("delta") || Reader::kronecker(atom).is_none() {
                        seen.see(name);
                    }
                    if let Some(resolved) = Symbols::default().resolve(atom)
                        && let Meaning::Quantity(quantity) = resolved.meaning
                        && matches!(quantity.name, "w_a" | "w_b" | "theta_j")
                    {
                        let node = Expr::new(Node::Quantity(quantity), 0);
                        if let Some(loss) = Target::named("loss") {
                            self.setting = self.setting.asked_for_by(loss, &node);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Has a symbol mean a quantity or a function from now on.
    pub(super) fn give(&mut self, symbol: &str, name: &str, place: Place) -> Option<()> {
        let meaning = match Quantity::named(name) {
            Some(quantity) => Meaning::Quantity(quantity),
            None if matches!(name, "relu" | "softmax" | "exp" | "log" | "bn") => {
                Meaning::Function(name.to_owned())
            }
            None => return None,
        };
        match layout(symbol, place).as_deref() {
            Ok([atom]) => self.symbols.give(atom, meaning).then_some(()),
            _ => None,
        }
    }

    /// `points = 3`, `expected = wrong`, `join = project`, `symbol = quantity`.
    pub(super) fn directive(&mut self, text: &str, place: Place, grading: &mut Grading) {
        if text == "skip" {
            grading.skip = true;
            return;
        }
        let Some((key, value)) = text.rsplit_once('=') else {
            self.skip(place, text, "a line `audit: …` without `=`".into(), true);
            return;
        };
        let (key, value) = (key.trim(), value.trim());
        let understood = match key {
            "points" => {
                value.parse().ok().filter(|p: &f64| p.is_finite() && *p >= 0.0).map(|points| {
                    grading.points = Some(points);
                })
            }
            "expected" => Verdict::named(value).map(|verdict| grading.expected = Some(verdict)),
            "join" => match value {
                "add" => Some(Join::Add),
                "broadcast" => Some(Join::Broadcast),
                "project" => Some(Join::Project),
                _ => None,
            }
            .map(|join| self.setting.join = join),
            "affine" => match value {
                "per_unit" => Some(Affine::PerUnit),
                "shared" => Some(Affine::Shared),
                _ => None,
            }
            .map(|affine| self.setting.affine = affine),
            "mode" => match value {
                "training" => Some(Mode::Training),
                "evaluation" => Some(Mode::Evaluation),
                _ => None,
            }
            .map(|mode| {
                self.setting.mode = mode;
                self.symbols.is_frozen = mode == Mode::Evaluation;
            }),
            "task_weights" => match value {
                "one" => Some(TaskWeights::One),
                "free" => Some(TaskWeights::Free),
                _ => None,
            }
            .map(|weights| self.setting.task_weights = weights),
            "samples" => match value {
                "columns" => Some((Together::File, Some(Samples::Columns))),
                "rows" => Some((Together::File, Some(Samples::Rows))),
                "each" => Some((Together::Each, None)),
                _ => None,
            }
            .map(|(scope, samples)| self.conventions.give_samples(scope, samples)),
            "weights" => match value {
                "out_in" => Some(Weights::OutIn),
                "in_out" => Some(Weights::InOut),
                _ => None,
            }
            .map(|weights| self.conventions.weights = Some(weights)),
            "jacobians" => match value {
                "numerator" => Some(Jacobians::Numerator),
                "denominator" => Some(Jacobians::Denominator),
                _ => None,
            }
            .map(|jacobians| self.conventions.jacobians = Some(jacobians)),
            "sums" => match value {
                "repeated" => Some(true),
                "printed" => Some(false),
                _ => None,
            }
            .map(|repeated| self.repeated = repeated),
            symbol => self.give(symbol.trim_matches('$'), value, place),
        };
        if understood.is_none() {
            let reason = format!("`{value}` is not a value of `{key}` in a line `audit: …`");
            self.skip(place, text, reason, true);
        }
    }
}

/// Whether it is `dz = … dW …`: no gradient goes back from a weight, so these are differentials.
fn is_between_differentials(line: &[Atom]) -> bool {
    const PARAMETERS: [&str; 6] = ["theta", "W", "w", "b", "gamma", "beta"];
    let is_parameter = |of: &Atom| PARAMETERS.iter().any(|name| of.is_symbol(name));
    fn has(atoms: &[Atom], is_parameter: &dyn Fn(&Atom) -> bool) -> bool {
        let pairs = atoms.windows(2);
        let is_there =
            |pair: &[Atom]| pair[0].is_symbol("d") && pair[0].is_bare() && is_parameter(&pair[1]);
        pairs.into_iter().any(is_there)
            || atoms
                .iter()
                .any(|atom| matches!(&atom.base, Base::Group(_, inner) if has(inner, is_parameter)))
    }
    match line {
        [d, of, equals, rest @ ..] => {
            let end = rest.iter().position(|atom| atom.is_operator("=")).unwrap_or(rest.len());
            d.is_symbol("d")
                && d.is_bare()
                && !is_parameter(of)
                && equals.is_operator("=")
                && has(&rest[..end], &is_parameter)
        }
        _ => false,
    }
}
