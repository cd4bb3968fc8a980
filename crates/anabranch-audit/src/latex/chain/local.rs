//! Left sides that are a target under another name: derivatives of one quantity by another, and of
//! which entries, and values of functions.

use crate::expr::{Expr, Function, Index, Node, Operator, Slot};
use crate::latex::reader::as_entry;
use crate::letters::primed;
use crate::quantity::{Kind, LOCAL, Quantity, Target};
use crate::turn::Weights;

/// The target that ∂u/∂v is, and the letters that pick its entries.
pub(super) fn local(
    left: &Expr,
    weights: Option<Weights>,
) -> Option<(&'static Quantity, Vec<Index>)> {
    let Node::Partial(u, v, [of_u, of_v]) = &left.node else { return None };
    let of_names = |(_, above, below): &&(_, _, _)| (*above, *below) == (u.name, v.name);
    let name = match (u.name, v.name) {
        // The join adds something that â is not in.
        ("s", "a_hat") => "dbn_da_hat",
        _ => LOCAL.iter().find(of_names)?.0,
    };
    let target = Quantity::named(name)?;
    let of = |letters: &[Index], slot| -> Vec<Index> {
        letters.iter().filter(|index| index.slot == slot).copied().collect()
    };
    let components = [of_u, of_v].map(|letters| of(letters, Slot::Component));
    let samples = [of_u, of_v].map(|letters| of(letters, Slot::Sample));
    // Both are about the same sample, if both have one.
    let mut free = match &samples.each_ref().map(|own| &own[..]) {
        [[], []] => vec![],
        [[one], []] | [[], [one]] => vec![*one],
        [[u], [v]] if u == v => vec![*u],
        _ => return None,
    };
    match (v.kind, &components.each_ref().map(|own| &own[..])) {
        // zⱼ has a part of θ's row j alone: ∂zⱼ/∂θⱼₖ has the letter k.
        (Kind::Weight, [[j], [row, k]]) if j == row && j != k => {
            free.push(*k);
            (weights != Some(Weights::InOut)).then_some(())?;
        }
        (Kind::Weight, [[j], [k, column]]) if j == column && j != k => {
            free.push(*k);
            (weights != Some(Weights::OutIn)).then_some(())?;
        }
        (Kind::Weight, [[], []]) => {}
        (Kind::Weight, _) => return None,
        (_, [[], []]) => {}
        (_, [[j], [k]]) if target.kind == Kind::RowJacobian => free.extend([*j, *k]),
        (_, [[j], [k]]) if j == k => free.push(*j),
        _ => return None,
    }
    Some((target, free))
}

/// Whether it is ∂z/∂θ as a whole, which has no shape that texts agree on: x, xᵀ, xᵀ ⊗ I.
pub(super) fn has_no_shape(target: Target, free: &[Index]) -> bool {
    let is_by_weight = LOCAL.iter().any(|(name, _, v)| {
        *name == target.name() && Quantity::named(v).is_some_and(|v| v.kind == Kind::Weight)
    });
    is_by_weight && free.iter().all(|index| index.slot == Slot::Sample)
}

/// A Jacobian's letters, where both are the same: the entries on its diagonal, of two letters that
/// are equal.
pub(super) fn on_diagonal(target: &Quantity, free: &mut [Index]) -> Option<Expr> {
    let is_jacobian = matches!(target.kind, Kind::RowJacobian | Kind::UnitJacobian);
    let [first, second] = free else { return None };
    if !is_jacobian || first != second {
        return None;
    }
    let name = first.name;
    second.name = primed(name)?;
    let sides = [name, second.name].map(|letter| Expr::new(Node::Index(letter), 1));
    Some(Expr::new(Node::Binary(Operator::Equal, Box::new(sides)), 1))
}

/// ReLU(z), softmax(z) and ReLU'(z) as quantities of the network.
pub(super) fn value_of_function(left: &Expr) -> Option<Expr> {
    let Node::Function(function, arguments) = &left.node else { return None };
    let (of, indices) = as_entry(arguments.first()?)?;
    let name = match (function, of.name, indices.is_empty()) {
        (Function::Relu, "z_1a", _) => "a_1a",
        (Function::Relu, "z_1b", _) => "a_1b",
        (Function::ReluPrime, "z_1a", true) => "da_dz_1a",
        (Function::ReluPrime, "z_1b", true) => "da_dz_1b",
        (Function::Softmax, "z_2b", true) => "y_b_hat",
        _ => return None,
    };
    let value = Expr::new(Node::Quantity(Quantity::named(name)?), left.column);
    Some(match indices.is_empty() {
        true => value,
        false => Expr::new(Node::Entry(Box::new(value), indices), left.column),
    })
}
