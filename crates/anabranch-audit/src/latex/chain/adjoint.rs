//! Bars that stand for derivatives, as in reverse-mode differentiation.

use crate::latex::layout::{Atom, Base};

/// Whether it is v̄ = ∂L/∂v, of any v: what a bar means is said so.
pub(super) fn is_adjoint(left: &Atom, right: &[Atom]) -> bool {
    let Base::Symbol(name) = &left.base else { return false };
    let Some(of) = name.strip_prefix("bar ") else { return false };
    let by = match right {
        [Atom { base: Base::Fraction(above, below), .. }, ..] => {
            above.first().filter(|d| d.is_symbol("partial")).and(below.get(1))
        }
        [above, _, slash, below, by, ..]
            if above.is_symbol("partial")
                && slash.is_operator("/")
                && below.is_symbol("partial") =>
        {
            Some(by)
        }
        _ => None,
    };
    by.is_some_and(|by| by.is_symbol(of))
}
