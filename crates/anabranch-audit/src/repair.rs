//! The fewest changes that make a wrong formula right: one, or two at once, or one and a factor,
//! or one or two and an average taken last instead of first.

use crate::Formula;
use crate::edits::{Edit, Exchange, edits};
use crate::eval::{Reading, Sums};
use crate::expr::{Axis, Expr, Node};
use crate::factor::{Pair, factor, mistakes_of};
use crate::judge::{EXACT, largest_error};
use crate::pairs::pairs_with;
use crate::truth::Truth;

/// What is wrong with a formula.
pub(crate) struct Repair {
    pub(crate) sentence: String,
    /// Each mistake in words.
    pub(crate) mistakes: Vec<String>,
}

/// As many pairs of changes are tried. A formula of this network has about ten thousand.
const MOST_PAIRS: usize = 8_000;

/// Longer formulas are not searched: every change to one is another formula of this length.
const LONGEST: usize = 100;

/// Whether a formula is short enough to look for what is wrong with it.
pub(crate) fn is_searched(formula: &Formula) -> bool {
    formula.expr.size() <= LONGEST
}

/// A single change that makes a formula exact. What is not right on the smallest networks need not
/// be tried on the others.
pub(crate) fn one_change(
    truths: &[Truth],
    smallest: &[Truth],
    formula: &Formula,
) -> Option<Repair> {
    let search = Search { truths, smallest: smallest.get(..1)?, formula };
    let singles = edits(formula, &formula.expr, Exchange::SameKind);
    let edit = singles.iter().find(|edit| search.is_exact(&edit.expr, Sums::InPlace))?;
    let sentence = format!("It is exact {}.", edit.words);
    Some(Repair { sentence, mistakes: vec![edit.words.clone()] })
}

/// Two changes, or three; `None` if nothing that is tried is enough.
pub(crate) fn several_changes(
    truths: &[Truth],
    smallest: &[Truth],
    formula: &Formula,
) -> Option<Repair> {
    let search = Search { truths, smallest: smallest.get(..1)?, formula };
    let singles = edits(formula, &formula.expr, Exchange::SameKind);
    let found = |edits: &[&Edit]| edits.iter().map(|edit| edit.words.clone()).collect::<Vec<_>>();
    let with_factor = singles.iter().find_map(|edit| Some((edit, search.factor(&edit.expr)?)));
    if let Some((edit, factor)) = with_factor {
        let sentence = format!(
            "Two mistakes at once: {}, it is still {factor} times the true value.",
            edit.words
        );
        let mistakes = found(&[edit]).into_iter().chain(mistakes_of(&factor)).collect();
        return Some(Repair { sentence, mistakes });
    }
    let early = "averaged too early".to_owned();
    if let Some(edit) = singles.iter().find(|edit| search.is_early(&edit.expr)) {
        let sentence = format!("Two mistakes at once: {}, it is averaged too early.", edit.words);
        return Some(Repair { sentence, mistakes: [found(&[edit]), vec![early]].concat() });
    }
    let mut left = MOST_PAIRS;
    let firsts = edits(formula, &formula.expr, Exchange::Neighbours);
    for first in &firsts {
        let seconds = edits(formula, &first.expr, Exchange::Neighbours);
        left = left.checked_sub(seconds.len())?;
        for second in &seconds {
            let words = || format!("{} and {}", first.words, second.words);
            if search.is_exact(&second.expr, Sums::InPlace) {
                let sentence = format!("Two mistakes at once: it is exact {}.", words());
                return Some(Repair { sentence, mistakes: found(&[first, second]) });
            }
            if search.is_early(&second.expr) {
                let sentence =
                    format!("Three mistakes at once: {}, it is averaged too early.", words());
                let mistakes = [found(&[first, second]), vec![early]].concat();
                return Some(Repair { sentence, mistakes });
            }
        }
    }
    None
}

struct Search<'a> {
    truths: &'a [Truth],
    smallest: &'a [Truth],
    formula: &'a Formula,
}

impl Search<'_> {
    fn reading(&self, sums: Sums) -> Reading {
        Reading { sums, ..Reading::in_place(self.formula.evaluation, self.formula.mask) }
    }

    /// Whether the formula is exact with this tree.
    fn is_exact(&self, expr: &Expr, sums: Sums) -> bool {
        let reading = self.reading(sums);
        let one_by_one = self.smallest.chunks(1).chain(self.truths.chunks(1));
        one_by_one.into_iter().all(|one| {
            pairs_with(one, self.formula, expr, reading).is_ok_and(|pairs| {
                fits(&pairs)
                    && largest_error(pairs.iter().map(|p| (&p.printed[..], &p.expected[..])))
                        <= EXACT
            })
        })
    }

    /// Whether it is exact with the sums over the batch taken last.
    fn is_early(&self, expr: &Expr) -> bool {
        let has_sum = expr.any(&|part| {
            matches!(part.node, Node::Fold(_, Axis::Unstated(_) | Axis::Rows | Axis::Samples(_), _))
        });
        has_sum && self.is_exact(expr, Sums::Hoisted)
    }

    /// The factor that is left with this tree.
    fn factor(&self, expr: &Expr) -> Option<String> {
        let reading = self.reading(Sums::InPlace);
        let of = |truths| {
            pairs_with(truths, self.formula, expr, reading).ok().filter(|pairs| fits(pairs))
        };
        factor(&of(self.smallest)?)?;
        // A factor of several parts explains nothing.
        factor(&of(self.truths)?).filter(|factor| mistakes_of(factor).len() == 1)
    }
}

fn fits(pairs: &[Pair<'_>]) -> bool {
    pairs.iter().all(|pair| {
        pair.printed.len() == pair.expected.len()
            && pair.printed.iter().zip(&pair.expected).all(|(p, e)| p.shape() == e.shape())
    })
}
