//! Derivatives of one quantity by another on the left: which target they are, and of which of its
//! entries.

use crate::expr::{Expr, Index, Node, Operator, Slot};
use crate::letters::primed;
use crate::quantity::{Kind, LOCAL, Quantity, Target};
use crate::turn::Weights;

/// The target that ∂u/∂v is, and the letters that pick its entries.
pub(super) fn local(
    left: &Expr,
    weights: Option<Weights>,
) -> Option<(&'static Quantity, Vec<Index>)> {
    let Node::Partial(u, v, [of_u, of_v]) = &left.node else { return None };
    let (name, ..) = LOCAL.iter().find(|(_, above, below)| (*above, *below) == (u.name, v.name))?;
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
