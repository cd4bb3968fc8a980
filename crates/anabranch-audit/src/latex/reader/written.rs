//! Vectors and matrices that are written out, with dots: `\begin{pmatrix} a_1 \\ \vdots \\ a_n
//! \end{pmatrix}` has the entries aₖ.

use super::pattern::{closed, is_gap, of_matrix, of_vector, opened};
use super::{Reader, as_entry, at, unreadable};
use crate::expr::{Expr, Node, Operator, Slot};
use crate::latex::layout::{Atom, Base, Outcome, Place};
use crate::quantity::Kind;

impl Reader<'_> {
    /// A matrix of rows of cells.
    pub(super) fn written_out(&mut self, rows: &[Vec<Vec<Atom>>], place: Place) -> Outcome<Expr> {
        let n = rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell =
            |row: usize, column: usize| rows[row].get(column).map_or(&[][..], |cell| &cell[..]);
        let is_row = |row: &usize| (0..n).any(|column| !is_gap(cell(*row, column)));
        let is_column = |column: &usize| (0..rows.len()).any(|row| !is_gap(cell(row, *column)));
        let own_rows: Vec<usize> = (0..rows.len()).filter(is_row).collect();
        let columns: Vec<usize> = (0..n).filter(is_column).collect();
        // Without dots it has as many entries as are printed, and no layer has.
        let dots = [own_rows.len() < rows.len(), columns.len() < n];
        // Behind the last entry that is printed may be dots alone.
        let ends = |own: &[usize], n| own.last().is_some_and(|last| last + 1 < n);
        let is_square = own_rows.len() == columns.len();
        let is_vector = own_rows.len() == 1 || columns.len() == 1;
        let is_open = dots == [ends(&own_rows, rows.len()), ends(&columns, n)];
        let printed = own_rows.len().max(columns.len());
        let end = (is_open && (is_square || is_vector)).then_some(printed);
        let cells: Vec<Vec<Vec<Atom>>> = own_rows
            .iter()
            .map(|row| columns.iter().map(|column| closed(cell(*row, *column), end)).collect())
            .collect();
        let grid: Vec<Vec<&[Atom]>> =
            cells.iter().map(|row| row.iter().map(Vec::as_slice).collect()).collect();
        match (&grid[..], dots) {
            (cells, [true, false]) if columns.len() == 1 => {
                let cells: Vec<&[Atom]> = cells.iter().map(|row| row[0]).collect();
                self.vector(&cells, end, place)
            }
            ([cells], [false, true]) => {
                let vector = self.vector(cells, end, place)?;
                Ok(at(place, Node::Transpose(Box::new(vector))))
            }
            (rows, [true, true]) => {
                let letters = self.unused_letters(rows.iter().flatten());
                let Some((beside, diagonal)) = of_matrix(rows, letters) else {
                    return unreadable(place, NO_PATTERN);
                };
                let beside = self.gathered_entry(&opened(&beside, end), &letters, place)?;
                let entry = match diagonal {
                    None => beside,
                    Some(diagonal) => {
                        let diagonal = opened(&diagonal, end);
                        let diagonal = self.gathered_entry(&diagonal, &letters, place)?;
                        let sides = letters.map(|letter| at(place, Node::Index(letter)));
                        let equal = at(place, Node::Binary(Operator::Equal, Box::new(sides)));
                        let one = at(place, Node::Number(1.0));
                        at(place, Node::Cases(vec![diagonal, equal, beside, one]))
                    }
                };
                Ok(gathered(&letters, entry))
            }
            _ => unreadable(place, "a written-out matrix without dots"),
        }
    }

    /// `(a_1, \dots, a_n)`, if it is one.
    pub(super) fn list(&mut self, inner: &[Atom], place: Place) -> Option<Outcome<Expr>> {
        let cells: Vec<&[Atom]> = inner.split(|atom| atom.is_operator(",")).collect();
        let has_dots = cells.len() > 2 && cells.iter().any(|cell| is_gap(cell));
        let is_open = cells.last().is_some_and(|cell| is_gap(cell));
        let cells: Vec<&[Atom]> = cells.into_iter().filter(|cell| !is_gap(cell)).collect();
        let end = is_open.then_some(cells.len());
        let cells: Vec<Vec<Atom>> = cells.into_iter().map(|cell| closed(cell, end)).collect();
        let cells: Vec<&[Atom]> = cells.iter().map(Vec::as_slice).collect();
        has_dots.then(|| self.vector(&cells, end, place))
    }

    fn vector(&mut self, cells: &[&[Atom]], end: Option<usize>, place: Place) -> Outcome<Expr> {
        let [letter, _] = self.unused_letters(cells.iter());
        let Some(pattern) = of_vector(cells, letter) else { return unreadable(place, NO_PATTERN) };
        let entry = self.gathered_entry(&opened(&pattern, end), &[letter], place)?;
        Ok(gathered(&[letter], entry))
    }

    fn gathered_entry(
        &mut self,
        pattern: &[Atom],
        letters: &[char],
        place: Place,
    ) -> Outcome<Expr> {
        let before = self.slots.clone();
        self.slots.extend(letters.iter().map(|letter| (*letter, Slot::Component)));
        let entry = self.expression(pattern).map_err(|error| error.or(place));
        self.slots = before;
        entry
    }

    /// Two letters that stand for nothing here.
    fn unused_letters<'a>(&self, cells: impl Iterator<Item = &'a &'a [Atom]>) -> [char; 2] {
        fn mark(atoms: &[Atom], used: &mut Vec<String>) {
            for atom in atoms {
                mark(&atom.sub, used);
                mark(&atom.sup, used);
                match &atom.base {
                    Base::Symbol(name) => used.push(name.clone()),
                    Base::Group(_, inner) | Base::Root(inner) => mark(inner, used),
                    Base::Fraction(above, below) => {
                        mark(above, used);
                        mark(below, used);
                    }
                    _ => {}
                }
            }
        }
        let mut used = Vec::new();
        cells.for_each(|cell| mark(cell, &mut used));
        let is_free = |letter: &char| {
            !self.slots.contains_key(letter) && !used.iter().any(|name| name.chars().eq([*letter]))
        };
        let mut free = "qvwucgofkljtirn".chars().filter(is_free);
        [free.next().unwrap_or('q'), free.next().unwrap_or('v')]
    }
}

const NO_PATTERN: &str = "a written-out matrix whose entries follow no pattern";

/// All values of an entry together: of all of a quantity's entries, the quantity.
fn gathered(letters: &[char], entry: Expr) -> Expr {
    if let Some((of, indices)) = as_entry(&entry)
        && indices.iter().map(|index| index.name).eq(letters.iter().copied())
        && indices.iter().all(|index| index.slot == Slot::Component)
        && match of.kind {
            Kind::Rows | Kind::Vector => letters.len() == 1,
            Kind::Weight | Kind::RowJacobian => letters.len() == 2,
            Kind::Scalar | Kind::UnitJacobian | Kind::RowWeight => false,
        }
    {
        return Expr::new(Node::Quantity(of), entry.column);
    }
    let column = entry.column;
    Expr::new(Node::Gather(letters.to_vec(), Box::new(entry)), column)
}
