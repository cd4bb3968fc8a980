//! Whether dZ is the derivative of the sum of all samples' losses: where the mean is taken last, in
//! dW = 1/m dZ Xᵀ.

use crate::latex::layout::{Atom, Base};
use crate::latex::statement::Statement;
use crate::latex::symbols::is_batch_size;

/// Gradients of parameters that are 1/m of a product with some dZ, less those that are none.
pub(super) fn votes(statements: &[Statement]) -> isize {
    let vote = |statement: &Statement| {
        let Statement::Chain(members) = statement else { return 0 };
        let [d, of] = &members[0][..] else { return 0 };
        if !is_d(d) || !is_parameter(of) {
            return 0;
        }
        let follows = |member: &&Vec<Atom>| {
            has(member, &|pair| matches!(pair, [d, of, ..] if is_d(d) && !is_parameter(of)))
        };
        let is_mean = |member: &Vec<Atom>| {
            has(member, &|rest| match &rest[0].base {
                Base::Fraction(_, below) => below.iter().any(is_batch_size),
                Base::Word(word) => word == "mean",
                _ => false,
            })
        };
        let vote = |member| if is_mean(member) { 1 } else { -1 };
        members[1..].iter().find(follows).map_or(0, vote)
    };
    statements.iter().map(vote).sum()
}

fn is_d(atom: &Atom) -> bool {
    atom.is_symbol("d") && atom.is_bare()
}

fn is_parameter(atom: &Atom) -> bool {
    ["theta", "W", "w", "b", "gamma", "beta"].iter().any(|name| atom.is_symbol(name))
}

/// Whether `is` holds from some place on, in brackets too.
fn has(atoms: &[Atom], is: &dyn Fn(&[Atom]) -> bool) -> bool {
    (0..atoms.len()).any(|at| {
        let inside = matches!(&atoms[at].base, Base::Group(_, inner) if has(inner, is));
        inside || is(&atoms[at..])
    })
}
