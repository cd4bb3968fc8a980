//! What entries have in common that are written out with dots between them: `a_1, …, a_n` is aₖ for
//! every k.

use crate::latex::layout::{Atom, Base};
use crate::latex::symbols::is_sample_count;

/// The first index, and the letter of the last one.
type Ends = [Base; 2];

/// Entries with a letter in place of the index in which they differ.
pub(super) struct Pattern {
    pub(super) atoms: Vec<Atom>,
    /// The letter of the last index, if they differ in any.
    last: Option<Base>,
}

/// What all entries of a vector have in common; `None` if they follow no pattern.
pub(super) fn of_vector(cells: &[&[Atom]], letter: char) -> Option<Vec<Atom>> {
    let [first, .., last] = cells else { return None };
    let pattern = common(first, last, |ends| is_up(ends).then_some(letter))?;
    let between = cells[1..cells.len() - 1].iter().enumerate();
    let fits = |(i, cell): (usize, &&[Atom])| {
        pattern.with(letter, &Base::Number(i as f64 + 2.0)).is_some_and(|own| same(&own, cell))
    };
    // Entries that are all the same tell nothing of an index.
    (pattern.last.is_some() && between.into_iter().all(|(i, cell)| fits((i, cell))))
        .then_some(pattern.atoms)
}

/// The entries beside the diagonal of a matrix, and those on it where they are others; `None` if
/// they follow no pattern.
pub(super) fn of_matrix(
    rows: &[Vec<&[Atom]>],
    [row, column]: [char; 2],
) -> Option<(Vec<Atom>, Option<Vec<Atom>>)> {
    let (n, m) = (rows.len(), rows.first()?.len());
    if n < 2 || m < 2 || rows.iter().any(|row| row.len() != m) {
        return None;
    }
    let (upper, lower) = (rows[0][m - 1], rows[n - 1][0]);
    // In its row's index the upper entry has a 1 and the lower one the last; in the column's, the
    // other way round.
    let mut last: [Option<Base>; 2] = [None, None];
    let beside = common(upper, lower, |ends| {
        let (at, letter) = if is_up(ends) { (0, row) } else { (1, column) };
        let end = &ends[1 - at];
        (*last[at].get_or_insert_with(|| end.clone()) == *end).then_some(letter)
    })?;
    let with = |atoms: &[Atom], of_row: &Base, of_column: &Base| {
        put(&put(atoms, row, of_row), column, of_column)
    };
    let index = |at: usize, n: usize, last: &Option<Base>| match last {
        Some(last) if at + 1 == n => last.clone(),
        _ => Base::Number(at as f64 + 1.0),
    };
    let is_uniform = (0..n.min(m)).all(|at| {
        let (i, j) = (index(at, n, &last[0]), index(at, m, &last[1]));
        let is_corner = at == 0 || (at + 1 == n && at + 1 == m);
        !is_corner || same(&with(&beside.atoms, &i, &j), rows[at][at])
    });
    let diagonal = match is_uniform {
        true => None,
        false if n != m => return None,
        false => {
            let pattern =
                common(rows[0][0], rows[n - 1][n - 1], |ends| is_up(ends).then_some(row))?;
            let end = pattern.last.clone();
            let agrees = |of: &Option<Base>| of.is_none() || end.is_none() || *of == end;
            if !last.iter().all(agrees) {
                return None;
            }
            last = [end.clone().or(last[0].clone()), end.or(last[1].clone())];
            Some(pattern.atoms)
        }
    };
    // Without an index there is no telling how large the matrix is.
    if last.iter().all(Option::is_none) {
        return None;
    }
    for (i, cells) in rows.iter().enumerate() {
        for (j, cell) in cells.iter().enumerate() {
            let pattern = match &diagonal {
                Some(diagonal) if i == j => diagonal,
                _ => &beside.atoms,
            };
            let own = with(pattern, &index(i, n, &last[0]), &index(j, m, &last[1]));
            // Dots and gaps stand for whatever the pattern says.
            if !is_gap(cell) && !same(&own, cell) {
                return None;
            }
        }
    }
    Some((beside.atoms, diagonal))
}

/// The last index where none is printed: the last printed number stands for it.
const END: char = 'ω';

/// An entry before dots that nothing follows, with its last printed index as the end.
pub(super) fn closed(cell: &[Atom], end: Option<usize>) -> Vec<Atom> {
    fn below(atoms: &[Atom], number: &Base, is_script: bool) -> Vec<Atom> {
        let again = |atoms: &[Atom]| below(atoms, number, is_script);
        let of = |base: &Base| match base {
            base if is_script && base == number => Base::Symbol(END.to_string()),
            Base::Group(open, inner) => Base::Group(*open, again(inner)),
            Base::Fraction(above, below) => Base::Fraction(again(above), again(below)),
            Base::Root(inner) => Base::Root(again(inner)),
            base => base.clone(),
        };
        let one = |atom: &Atom| Atom {
            base: of(&atom.base),
            sub: below(&atom.sub, number, true),
            ..atom.clone()
        };
        atoms.iter().map(one).collect()
    }
    match end {
        Some(n) => below(&digits(cell), &Base::Number(n as f64), false),
        None => cell.to_vec(),
    }
}

/// A pattern of such entries with the number again where it is no index.
pub(super) fn opened(pattern: &[Atom], end: Option<usize>) -> Vec<Atom> {
    match end {
        Some(n) => put(pattern, END, &Base::Number(n as f64)),
        None => pattern.to_vec(),
    }
}

/// Whether a cell has nothing in it but dots.
pub(super) fn is_gap(cell: &[Atom]) -> bool {
    cell.iter().all(Atom::is_dots)
}

/// Whether the first of two differing indices is 1 and the second the last one.
fn is_up(ends: &Ends) -> bool {
    ends[0] == Base::Number(1.0)
}

impl Pattern {
    fn with(&self, letter: char, index: &Base) -> Option<Vec<Atom>> {
        Some(put(&self.atoms, letter, index))
    }
}

/// What two entries have in common, with `letter` of each pair of indices in its place: a 1 and the
/// last letter, in either order.
fn common(
    a: &[Atom],
    b: &[Atom],
    mut letter: impl FnMut(&Ends) -> Option<char>,
) -> Option<Pattern> {
    let mut last = None;
    let (a, b) = (digits(a), digits(b));
    let atoms = both(&a, &b, &mut |ends: &Ends| {
        let end = if is_up(ends) { &ends[1] } else { &ends[0] };
        if last.get_or_insert_with(|| end.clone()) != end && is_up(ends) {
            return None;
        }
        letter(ends)
    })?;
    Some(Pattern { atoms, last })
}

fn both(
    a: &[Atom],
    b: &[Atom],
    letter: &mut dyn FnMut(&Ends) -> Option<char>,
) -> Option<Vec<Atom>> {
    if a.len() != b.len() {
        return None;
    }
    a.iter()
        .zip(b)
        .map(|(a, b)| {
            let base = match (&a.base, &b.base) {
                (a, b) if is_index(a, b) || is_index(b, a) => {
                    Base::Symbol(letter(&[a.clone(), b.clone()])?.to_string())
                }
                (Base::Group(open, a), Base::Group(other, b)) if open == other => {
                    Base::Group(*open, both(a, b, letter)?)
                }
                (Base::Fraction(a, c), Base::Fraction(b, d)) => {
                    Base::Fraction(both(a, b, letter)?, both(c, d, letter)?)
                }
                (Base::Root(a), Base::Root(b)) => Base::Root(both(a, b, letter)?),
                (a, b) if a == b => a.clone(),
                _ => return None,
            };
            let (sub, sup) = (both(&a.sub, &b.sub, letter)?, both(&a.sup, &b.sup, letter)?);
            (a.primes == b.primes).then(|| Atom { base, sub, sup, ..a.clone() })
        })
        .collect()
}

/// Whether they are the first index and the last: a 1, and a letter that is no number of samples.
fn is_index(a: &Base, b: &Base) -> bool {
    *a == Base::Number(1.0)
        && matches!(b, Base::Symbol(name) if name.chars().count() == 1 && !is_sample_count(name))
}

/// The atoms with another index in the letter's place.
fn put(atoms: &[Atom], letter: char, index: &Base) -> Vec<Atom> {
    let within = |atoms: &[Atom]| put(atoms, letter, index);
    let of = |base: &Base| match base {
        Base::Symbol(name) if name.chars().eq([letter]) => index.clone(),
        Base::Group(open, inner) => Base::Group(*open, within(inner)),
        Base::Fraction(above, below) => Base::Fraction(within(above), within(below)),
        Base::Root(inner) => Base::Root(within(inner)),
        base => base.clone(),
    };
    atoms
        .iter()
        .map(|atom| Atom {
            base: of(&atom.base),
            sub: within(&atom.sub),
            sup: within(&atom.sup),
            ..atom.clone()
        })
        .collect()
}

/// Whether two lists look alike.
fn same(a: &[Atom], b: &[Atom]) -> bool {
    both(&digits(a), &digits(b), &mut |_| None).is_some()
}

/// The atoms with the digits of indices apart: the 11 of θ₁₁ is two of them.
fn digits(atoms: &[Atom]) -> Vec<Atom> {
    fn apart(atoms: &[Atom]) -> Vec<Atom> {
        let mut all = Vec::with_capacity(atoms.len());
        for atom in atoms {
            match atom.base {
                Base::Number(n) if n.fract() == 0.0 && (10.0..100.0).contains(&n) => {
                    let digit = |n: f64| Atom { base: Base::Number(n), ..atom.clone() };
                    all.extend([digit((n / 10.0).floor()), digit(n % 10.0)]);
                }
                _ => all.push(atom.clone()),
            }
        }
        digits(&all)
    }
    atoms
        .iter()
        .map(|atom| Atom {
            base: match &atom.base {
                Base::Group(open, inner) => Base::Group(*open, digits(inner)),
                Base::Fraction(above, below) => Base::Fraction(digits(above), digits(below)),
                Base::Root(inner) => Base::Root(digits(inner)),
                base => base.clone(),
            },
            sub: apart(&atom.sub),
            sup: apart(&atom.sup),
            ..atom.clone()
        })
        .collect()
}
