//! The tree of an expression.

use crate::letters::primed;
use crate::quantity::Quantity;
use crate::task::Task;

/// A node of the tree, and the column of its operator or first character.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) node: Node,
    pub(crate) column: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Number(f64),
    Quantity(&'static Quantity),
    /// How much a quantity changes along a direction.
    Differential(&'static Quantity),
    /// λ times the identity, of whatever size fits.
    Identity,
    /// The number that an index stands for, to compare it with another.
    Index(char),
    Negate(Box<Expr>),
    Transpose(Box<Expr>),
    Binary(Operator, Box<[Expr; 2]>),
    Function(Function, Vec<Expr>),
    Fold(Fold, Axis, Box<Expr>),
    /// Σ over the values of an index of components, all but that of another index.
    Over(char, Option<char>, Box<Expr>),
    /// The values of an entry for all values of its index: a column; of two, a matrix.
    Gather(Vec<char>, Box<Expr>),
    /// The entries that the indices pick.
    Entry(Box<Expr>, Vec<Index>),
    /// Values and conditions in turn: the first value whose condition holds.
    Cases(Vec<Expr>),
    /// A derivative of one task's loss instead of the whole loss.
    OfTask(Task, Box<Expr>),
    /// ∂u/∂v for quantities u and v, with the letters of each: a factor of a chain of derivatives.
    Partial(&'static Quantity, &'static Quantity, [Vec<Index>; 2]),
}

/// A letter that picks a sample or a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: char,
    pub(crate) slot: Slot,
}

/// What an index runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Sample,
    Component,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    /// `*`: the matrix product, or a scaling when either side is a number.
    Multiply,
    /// `.*`
    Hadamard,
    /// `/` and `./`: there is no matrix division.
    Divide,
    Power,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Equal,
    NotEqual,
    And,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Relu,
    ReluPrime,
    Exp,
    Log,
    Sqrt,
    Abs,
    Softmax,
    /// γ(a−μ)/√(σ²+ε)+β with the statistics of a.
    BatchNorm,
    Diag,
    Outer,
    Eye,
    Ones,
    Zeros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    Sum,
    Mean,
}

/// What a sum or mean runs over: `Rows` adds the rows up to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    Rows,
    Cols,
    All,
    /// The samples of the batch, each under this name.
    Samples(Option<char>),
    /// The formula does not say; the number distinguishes such sums.
    Unstated(usize),
}

impl Expr {
    pub(crate) fn new(node: Node, column: usize) -> Self {
        Self { node, column }
    }

    /// The number of nodes on the longest path down.
    pub(crate) fn depth(&self) -> usize {
        1 + self.children().iter().map(Self::depth).max().unwrap_or(0)
    }

    /// The number of nodes.
    pub(crate) fn size(&self) -> usize {
        1 + self.children().iter().map(Self::size).sum::<usize>()
    }

    /// The parts of this node.
    pub(crate) fn children(&self) -> &[Self] {
        match &self.node {
            Node::Number(_)
            | Node::Quantity(_)
            | Node::Differential(_)
            | Node::Identity
            | Node::Index(_)
            | Node::Partial(..) => &[],
            Node::Negate(inner)
            | Node::Transpose(inner)
            | Node::Fold(_, _, inner)
            | Node::Over(_, _, inner)
            | Node::Gather(_, inner)
            | Node::OfTask(_, inner)
            | Node::Entry(inner, _) => std::slice::from_ref(inner),
            Node::Cases(parts) => parts,
            Node::Binary(_, sides) => sides.as_slice(),
            Node::Function(_, arguments) => arguments,
        }
    }

    /// The parts of this node, to put others in their place.
    pub(crate) fn children_mut(&mut self) -> &mut [Self] {
        match &mut self.node {
            Node::Number(_)
            | Node::Quantity(_)
            | Node::Differential(_)
            | Node::Identity
            | Node::Index(_)
            | Node::Partial(..) => &mut [],
            Node::Negate(inner)
            | Node::Transpose(inner)
            | Node::Fold(_, _, inner)
            | Node::Over(_, _, inner)
            | Node::Gather(_, inner)
            | Node::OfTask(_, inner)
            | Node::Entry(inner, _) => std::slice::from_mut(inner),
            Node::Cases(parts) => parts,
            Node::Binary(_, sides) => sides.as_mut_slice(),
            Node::Function(_, arguments) => arguments,
        }
    }

    /// The letters that it gives all their values.
    pub(crate) fn binds(&self) -> &[char] {
        match &self.node {
            Node::Over(name, ..) | Node::Fold(_, Axis::Samples(Some(name)), _) => {
                std::slice::from_ref(name)
            }
            Node::Gather(names, _) => names,
            _ => &[],
        }
    }

    /// Letters of a slot that no sum binds.
    pub(crate) fn unbound_letters(&self, slot: Slot) -> Vec<char> {
        fn collect(expr: &Expr, slot: Slot, bound: &mut Vec<char>, unbound: &mut Vec<char>) {
            if let Node::Entry(_, indices) = &expr.node {
                for index in indices.iter().filter(|index| index.slot == slot) {
                    if !bound.contains(&index.name) && !unbound.contains(&index.name) {
                        unbound.push(index.name);
                    }
                }
            }
            let n_bound = bound.len();
            bound.extend_from_slice(expr.binds());
            for child in expr.children() {
                collect(child, slot, bound, unbound);
            }
            bound.truncate(n_bound);
        }
        let mut unbound = Vec::new();
        collect(self, slot, &mut Vec::new(), &mut unbound);
        unbound
    }

    /// The tree with parts replaced by what `by` returns for them.
    pub(crate) fn replaced(&self, by: &dyn Fn(&Self) -> Option<Self>) -> Self {
        if let Some(other) = by(self) {
            return other;
        }
        let boxed = |inner: &Self| Box::new(inner.replaced(by));
        let all = |parts: &[Self]| parts.iter().map(|part| part.replaced(by)).collect();
        let node = match &self.node {
            Node::Negate(inner) => Node::Negate(boxed(inner)),
            Node::Transpose(inner) => Node::Transpose(boxed(inner)),
            Node::Fold(fold, axis, inner) => Node::Fold(*fold, *axis, boxed(inner)),
            Node::Over(name, except, inner) => Node::Over(*name, *except, boxed(inner)),
            Node::Gather(names, inner) => Node::Gather(names.clone(), boxed(inner)),
            Node::OfTask(task, inner) => Node::OfTask(*task, boxed(inner)),
            Node::Entry(inner, indices) => Node::Entry(boxed(inner), indices.clone()),
            Node::Binary(operator, sides) => {
                Node::Binary(*operator, Box::new(sides.each_ref().map(|side| side.replaced(by))))
            }
            Node::Function(function, arguments) => Node::Function(*function, all(arguments)),
            Node::Cases(parts) => Node::Cases(all(parts)),
            leaf => leaf.clone(),
        };
        Self { node, column: self.column }
    }

    /// The tree with other names for letters that no sum binds: of each pair, the second for the
    /// first. A sum that has the new name already gets another letter.
    pub(crate) fn renamed(&self, names: &[(char, char)]) -> Self {
        let mut names = names.to_vec();
        names.retain(|(from, to)| from != to && !self.binds().contains(from));
        for bound in self.binds() {
            if names.iter().any(|(_, to)| to == bound) {
                let others = [*bound].into_iter().chain('a'..='z').filter_map(primed);
                let is_free = |name: &char| !self.any(&|part| part.has_letter(*name));
                names.extend(others.into_iter().find(is_free).map(|other| (*bound, other)));
            }
        }
        let mut renamed = self.clone();
        let new = |name: &mut char| {
            if let Some((_, to)) = names.iter().find(|(from, _)| from == name) {
                *name = *to;
            }
        };
        match &mut renamed.node {
            Node::Index(name) | Node::Fold(_, Axis::Samples(Some(name)), _) => new(name),
            Node::Over(name, except, _) => {
                new(name);
                except.iter_mut().for_each(new);
            }
            Node::Gather(all, _) => all.iter_mut().for_each(new),
            Node::Entry(_, all) => all.iter_mut().for_each(|index| new(&mut index.name)),
            Node::Partial(_, _, of) => {
                of.iter_mut().flatten().for_each(|index| new(&mut index.name));
            }
            _ => {}
        }
        for child in renamed.children_mut() {
            *child = child.renamed(&names);
        }
        renamed
    }

    /// Whether this node has the letter, bound or not.
    fn has_letter(&self, name: char) -> bool {
        let of = |all: &[Index]| all.iter().any(|index| index.name == name);
        match &self.node {
            Node::Index(own) => *own == name,
            Node::Over(_, except, _) => *except == Some(name) || self.binds().contains(&name),
            Node::Entry(_, all) => of(all),
            Node::Partial(_, _, all) => all.iter().any(|all| of(all)),
            _ => self.binds().contains(&name),
        }
    }

    /// Whether `found` holds for this node or any node below it.
    pub(crate) fn any(&self, found: &dyn Fn(&Self) -> bool) -> bool {
        found(self) || self.children().iter().any(|child| child.any(found))
    }
}
