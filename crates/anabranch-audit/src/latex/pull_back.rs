//! Products of derivatives, read as the chain rule: each factor takes a derivative of the loss one
//! quantity further back. A letter that both quantities of a factor have picks the same entry of
//! both; any other has to be summed over.

use crate::eval::{Reading, evaluate};
use crate::expr::{Axis, Expr, Fold, Index, Node, Operator, Slot};
use crate::factor::Pair;
use crate::formula::Indices;
use crate::matrix::Matrix;
use crate::quantity::{JACOBIANS, Kind, Quantity, Target};
use crate::reference::{Batch, Param, Running, Source, dual_pull_back};
use crate::truth::{Truth, node_named};
use crate::turn::Weights;
use crate::{Evaluation, Formula};

/// A product of derivatives, worked out.
pub(crate) struct Contraction<'a> {
    /// Its value on every network, with the truth.
    pub(crate) pairs: Vec<Pair<'a>>,
    /// A letter that no sum binds, or that is summed over though the target has it.
    pub(crate) stray: Option<char>,
}

/// ∂u/∂v, with the letters of both.
struct Link {
    u: &'static str,
    v: &'static str,
    letters: [Vec<Index>; 2],
}

/// A product of such factors with whatever else stands in it.
#[derive(Default)]
struct Product<'e> {
    links: Vec<Link>,
    rest: Vec<&'e Expr>,
    summed: Vec<char>,
    is_negative: bool,
}

/// The value of a product of derivatives, or a sum of such products; `None` if the expression is
/// neither, or has a value without the chain rule. Layouts differ between books, so transposes and
/// order do not count, only which derivatives there are.
pub(crate) fn contraction<'a>(
    truths: &'a [Truth],
    formula: &Formula,
) -> Option<Result<Contraction<'a>, String>> {
    let mut terms = Vec::new();
    terms_of(&formula.expr, false, &mut terms);
    if !formula.expr.any(&|part| matches!(part.node, Node::Partial(..))) {
        let [term] = &terms[..] else { return None };
        if !term.is_of_wholes() {
            return None;
        }
    }
    // Next to ∂L/∂σ² ∂σ²/∂a, ∂â/∂a is the derivative with σ² and μ held fixed.
    let fixed = terms.iter().any(|term| {
        term.links.iter().any(|link| matches!(link.u, "mu" | "var") && link.v == "a_1b")
    });
    let mut stray = None;
    let mut pair = |truth: &'a Truth| -> Result<Pair<'a>, String> {
        let expected = formula.true_value(truth, Evaluation::Batch);
        let mut printed = vec![];
        for term in &terms {
            let (value, letter) = term.value(truth, formula, fixed)?;
            stray = stray.or(letter);
            printed.push(if term.is_negative { value.map(|v| -v) } else { value });
        }
        let fits = |value: &Matrix| expected.len() == 1 && value.shape() == expected[0].shape();
        if !printed.iter().all(fits) {
            return Err(format!("the chain does not end at {}", formula.target));
        }
        let sum = printed.into_iter().reduce(|sum, value| added(sum, &value));
        let units = truth.unit_axis(formula.target, Evaluation::Batch);
        Ok(Pair { truth, printed: sum.into_iter().collect(), expected, units })
    };
    let pairs: Result<Vec<_>, _> = truths.iter().map(&mut pair).collect();
    Some(pairs.map(|pairs| Contraction { pairs, stray }))
}

fn added(mut sum: Matrix, value: &Matrix) -> Matrix {
    sum.data_mut().iter_mut().zip(value.data()).for_each(|(sum, v)| *sum += v);
    sum
}

/// The terms of a sum, each as a product.
fn terms_of<'e>(expr: &'e Expr, is_negative: bool, terms: &mut Vec<Product<'e>>) {
    match &expr.node {
        Node::Binary(operator @ (Operator::Add | Operator::Subtract), sides) => {
            terms_of(&sides[0], is_negative, terms);
            terms_of(&sides[1], is_negative != (*operator == Operator::Subtract), terms);
        }
        Node::Negate(inner) => terms_of(inner, !is_negative, terms),
        _ => {
            let mut product = Product { is_negative, ..Product::default() };
            product.add(expr);
            terms.push(product);
        }
    }
}

fn jacobian(of: &Quantity) -> Option<(&'static str, &'static str)> {
    JACOBIANS.iter().find(|(name, ..)| *name == of.name).map(|(_, u, v)| (*u, *v))
}

/// The factor ∂u/∂v that an expression is.
fn link(expr: &Expr) -> Option<Link> {
    let (of, indices) = match &expr.node {
        Node::Partial(u, v, letters) => {
            return Some(Link { u: u.name, v: v.name, letters: letters.clone() });
        }
        Node::Entry(inner, indices) => (&inner.node, &indices[..]),
        node => (node, &[][..]),
    };
    let Node::Quantity(of) = of else { return None };
    let (u, v) = jacobian(of)?;
    let (of_u, of_v) = indices.split_at(indices.len().div_ceil(2));
    Some(Link { u, v, letters: [of_u.to_vec(), of_v.to_vec()] })
}

fn has_links(expr: &Expr) -> bool {
    expr.any(&|part| match part.node {
        Node::Partial(..) => true,
        Node::Quantity(of) => jacobian(of).is_some(),
        _ => false,
    })
}

impl<'e> Product<'e> {
    fn add(&mut self, expr: &'e Expr) {
        if let Some(link) = link(expr) {
            self.links.push(link);
            return;
        }
        match &expr.node {
            _ if !has_links(expr) => self.rest.push(expr),
            Node::Negate(inner) => {
                self.is_negative = !self.is_negative;
                self.add(inner);
            }
            Node::Transpose(inner) | Node::Entry(inner, _) => self.add(inner),
            Node::Fold(Fold::Sum, axis, inner) => {
                if let Axis::Samples(Some(name)) = axis {
                    self.summed.push(*name);
                }
                self.add(inner);
            }
            Node::Over(name, None, inner) => {
                self.summed.push(*name);
                self.add(inner);
            }
            Node::Binary(Operator::Multiply | Operator::Hadamard, sides) => {
                sides.iter().for_each(|side| self.add(side));
            }
            _ => self.rest.push(expr),
        }
    }

    /// Whether it is a derivative of the loss times Jacobians, all of them as a whole: entries have
    /// a value of their own.
    fn is_of_wholes(&self) -> bool {
        let is_part = |link: &Link| {
            let couples = link.v == "a_1b";
            link.letters.iter().flatten().any(|at| couples || at.slot == Slot::Component)
        };
        let is_gradient = |part: &Expr| match &part.node {
            Node::Quantity(of) => Target(of).is_gradient(),
            Node::Entry(inner, indices) => {
                matches!(inner.node, Node::Quantity(of) if Target(of).is_gradient())
                    && indices.iter().all(|index| index.slot == Slot::Sample)
            }
            _ => false,
        };
        let is_number = |part: &&&Expr| matches!(part.node, Node::Number(_));
        let rest: Vec<&&Expr> = self.rest.iter().filter(|part| !is_number(part)).collect();
        !self.links.is_empty()
            && self.summed.is_empty()
            && !self.links.iter().any(is_part)
            && matches!(rest[..], [one] if is_gradient(one))
    }

    /// Its value, and a letter that should be summed over or should not.
    fn value(
        &self,
        truth: &Truth,
        formula: &Formula,
        fixed: bool,
    ) -> Result<(Matrix, Option<char>), String> {
        let starts = |link: &&Link| !self.links.iter().any(|other| other.v == link.u);
        let first = self.links.iter().find(starts);
        let start = first.map_or(Some(formula.target.0), |link| {
            Quantity::named(link.u).and_then(Quantity::gradient)
        });
        let Some(start) = start else { return Err("the factors are not a chain".to_owned()) };
        let mut value = self.start(truth, formula, start)?;
        let mut stray = None;
        let mut left: Vec<&Link> = self.links.iter().collect();
        let mut at = first.map_or("", |link| link.u);
        let mut letters = formula.indices.free.clone();
        while let Some(next) = left.iter().position(|link| link.u == at) {
            let link = left.remove(next);
            value = link.pull_back(truth, &value, fixed, formula.turn.weights)?;
            let [of_u, of_v] = &link.letters;
            let is_shared = |index: &&Index| of_v.iter().any(|other| other.name == index.name);
            let lost = of_u.iter().find(|u| !is_shared(u) && !self.summed.contains(&u.name));
            stray = stray.or(lost.map(|index| index.name));
            (at, letters) = (link.v, of_v.clone());
        }
        if let Some(link) = left.first() {
            return Err(format!(
                "the factors are not a chain: nothing leads from the derivative with respect to \
                 {at} to d {}/d {}",
                link.u, link.v
            ));
        }
        let free = &formula.indices.free;
        let is_free = |index: &&Index| {
            self.summed.contains(&index.name) || !free.iter().any(|of| of.name == index.name)
        };
        stray = stray.or(letters.iter().find(is_free).map(|index| index.name));
        Ok((value, stray.filter(|_| !self.links.is_empty())))
    }

    /// What stands next to the chain: the derivative that it begins with.
    fn start(
        &self,
        truth: &Truth,
        formula: &Formula,
        gradient: &'static Quantity,
    ) -> Result<Matrix, String> {
        let product = self.rest.iter().map(|part| (*part).clone()).reduce(|left, right| {
            let column = left.column;
            Expr::new(Node::Binary(Operator::Multiply, Box::new([left, right])), column)
        });
        let Some(product) = product else { return Err("a chain without a beginning".to_owned()) };
        let mut free = Vec::new();
        for slot in [Slot::Sample, Slot::Component] {
            let names = product.unbound_letters(slot);
            free.extend(names.into_iter().map(|name| Index { name, slot }));
        }
        let indices = Indices { free, condition: None };
        let value = |evaluation| {
            let reading = Reading::in_place(evaluation, formula.mask);
            let blocks = evaluate(&product, (Target(gradient), &indices), truth, reading).ok()?;
            let value = match evaluation {
                Evaluation::Batch => blocks.into_iter().next()?,
                _ => in_rows(&blocks, gradient.kind),
            };
            (value.shape() == truth.matrix(gradient)?.shape()).then_some(value)
        };
        value(Evaluation::PerRow).or_else(|| value(Evaluation::Batch)).ok_or_else(|| {
            format!(
                "what stands beside the derivatives does not have the shape of {}",
                gradient.name
            )
        })
    }
}

/// The columns of the samples as rows; of what no sample has a part of, its own shape.
fn in_rows(blocks: &[Matrix], kind: Kind) -> Matrix {
    match (kind, blocks) {
        (Kind::Weight | Kind::Scalar, [one]) => one.clone(),
        _ => {
            let data: Vec<f64> = blocks.iter().flat_map(|block| block.data()).copied().collect();
            Matrix::new(blocks.len(), data.len() / blocks.len().max(1), data)
        }
    }
}

impl Link {
    /// Takes a derivative with respect to u back to v.
    fn pull_back(
        &self,
        truth: &Truth,
        g: &Matrix,
        fixed: bool,
        weights: Weights,
    ) -> Result<Matrix, String> {
        let source = source(self.v).ok_or_else(|| format!("a derivative by {}", self.v))?;
        let mut batch: Batch = truth.batch.clone();
        if fixed && self.v == "a_1b" && !matches!(self.u, "mu" | "var") {
            let statistic = |name| Matrix::new(1, truth.net.hidden_b, truth.vector(name).to_vec());
            batch.running = Some(Running { mean: statistic("mu"), var: statistic("var") });
        }
        // Where a letter picks an entry of both, only this entry of u counts for that of v.
        let shared: Vec<[usize; 2]> = self.letters[0]
            .iter()
            .filter_map(|index| {
                let at = self.letters[1].iter().position(|other| other.name == index.name)?;
                // Only BatchNorm couples samples.
                let matters = index.slot == Slot::Component || matches!(self.v, "a_1b" | "z_1b");
                let of_u = self.letters[0].iter().position(|other| other.name == index.name)?;
                matters.then(|| {
                    [(self.u, 0, of_u), (self.v, 1, at)]
                        .map(|(name, side, at)| axis(name, &self.letters[side], at, weights))
                })
            })
            .collect();
        let back = |g: &Matrix| {
            dual_pull_back(&truth.net, &truth.params, &batch, (self.u, source), g)
                .ok_or_else(|| format!("no derivative of {} by {}", self.u, self.v))
        };
        restricted(g, &shared, &back)
    }
}

/// The sum, over the values of each pair of axes, of what the entries of g there give there.
fn restricted(
    g: &Matrix,
    shared: &[[usize; 2]],
    back: &dyn Fn(&Matrix) -> Result<Matrix, String>,
) -> Result<Matrix, String> {
    let [[of_g, of_value], rest @ ..] = shared else { return back(g) };
    let only = |of: &Matrix, axis: usize, at: usize| {
        Matrix::from_fn(
            of.rows(),
            of.cols(),
            |i, j| if [i, j][axis] == at { of[(i, j)] } else { 0.0 },
        )
    };
    let mut sum: Option<Matrix> = None;
    for at in 0..g.shape()[*of_g] {
        let value = only(&restricted(&only(g, *of_g, at), rest, back)?, *of_value, at);
        sum = Some(match sum {
            Some(sum) => added(sum, &value),
            None => value,
        });
    }
    sum.ok_or_else(|| "a derivative without entries".to_owned())
}

/// The axis that a letter of a quantity goes along.
fn axis(name: &str, letters: &[Index], at: usize, weights: Weights) -> usize {
    let is_weight = Quantity::named(name).is_some_and(|of| of.kind == Kind::Weight);
    match letters[at].slot {
        Slot::Component if is_weight && weights == Weights::InOut => 1 - at.min(1),
        Slot::Component if is_weight => at.min(1),
        Slot::Component => 1,
        Slot::Sample => 0,
    }
}

/// Where a derivative with respect to this quantity is taken.
fn source(name: &str) -> Option<Source> {
    if let Some(node) = node_named(name) {
        return Some(Source::Node(node));
    }
    Some(match name {
        "theta_1a" => Source::Param(Param::Theta1a),
        "b_1a" => Source::Param(Param::B1a),
        "theta_2a" => Source::Param(Param::Theta2a),
        "b_2a" => Source::Param(Param::B2a),
        "theta_1b" => Source::Param(Param::Theta1b),
        "b_1b" => Source::Param(Param::B1b),
        "gamma" => Source::Param(Param::Gamma),
        "beta" => Source::Param(Param::Beta),
        "theta_j" => Source::Param(Param::JoinWeight),
        "theta_2b" => Source::Param(Param::Theta2b),
        "b_2b" => Source::Param(Param::B2b),
        _ => return None,
    })
}

impl Pair<'_> {
    /// The printed value, entry by entry.
    pub(crate) fn entries(&self) -> Vec<f64> {
        self.printed.iter().flat_map(|block| block.data()).copied().collect()
    }
}
