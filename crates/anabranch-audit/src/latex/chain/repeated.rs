//! Indices that repeat in a product, where a file sums over them without a Σ.

use crate::expr::{Axis, Expr, Fold, Index, Node, Operator, Slot};

/// How texts say that they do, in small letters.
const PHRASES: [&str; 9] = [
    "summation convention",
    "convenção de soma",
    "repeated indices are summed",
    "repeated index is summed",
    "summenkonvention",
    "summationskonvention",
    "convention de sommation",
    "convenio de suma",
    "convenzione di somma",
];

/// Whether a sentence, in small letters, says that something is not so.
pub(super) fn is_denied(sentence: &str) -> bool {
    const NOT: [&str; 14] = [
        "not ", "n't", "no ", "never", "without", "would", "instead", "unlike", "nicht", "kein",
        "ohne", "statt", "sans", " ne ",
    ];
    NOT.iter().any(|not| sentence.contains(not))
}

/// Whether a text says that it is about one unit of BatchNorm.
pub(super) fn is_of_one_unit(text: &str) -> bool {
    const PHRASES: [&str; 9] = [
        "one unit",
        "single unit",
        "unit by unit",
        "one activation",
        "eine einheit",
        "une unité",
        "una unidad",
        "un'unità",
        "uma unidade",
    ];
    text.to_lowercase().split(['.', '\n']).any(|sentence| {
        PHRASES.iter().any(|phrase| sentence.contains(phrase)) && !is_denied(sentence)
    })
}

/// Whether a text says that repeated indices are summed over.
pub(super) fn is_declared(text: &str) -> bool {
    // Whoever only names Einstein does not sum like him.
    const HIS: [&str; 6] =
        ["convention", "konvention", "notation", "convenio", "convenzione", "summ"];
    let text = text.to_lowercase();
    let sentence = |at: usize| {
        let before = text[..at].rsplit(['.', '\n']).next().unwrap_or_default();
        let behind = text[at..].split(['.', '\n']).next().unwrap_or_default();
        (before, behind)
    };
    let is_named = PHRASES
        .iter()
        .any(|phrase| text.match_indices(phrase).any(|(at, _)| !is_denied(sentence(at).0)));
    is_named
        || text.match_indices("einstein").any(|(at, _)| {
            let (before, behind) = sentence(at);
            !is_denied(before)
                && !is_denied(behind)
                && HIS.iter().any(|word| before.contains(word) || behind.contains(word))
        })
}

/// The tree with a sum over every index that a product has twice, and the left side has not.
pub(super) fn summed(expr: &Expr, free: &[Index]) -> Expr {
    let again = |part: &Expr| Box::new(summed(part, free));
    let node = match &expr.node {
        Node::Binary(operator @ (Operator::Add | Operator::Subtract), sides) => {
            Node::Binary(*operator, Box::new(sides.each_ref().map(|side| summed(side, free))))
        }
        Node::Negate(inner) => Node::Negate(again(inner)),
        Node::Transpose(inner) => Node::Transpose(again(inner)),
        _ => {
            let mut found = Vec::new();
            unbound(expr, &mut Vec::new(), &mut found);
            let mut sum = expr.clone();
            for (at, index) in found.iter().enumerate() {
                let is_second =
                    found[..at].iter().filter(|other| other.name == index.name).count() == 1;
                if !is_second || free.iter().any(|own| own.name == index.name) {
                    continue;
                }
                let inner = Box::new(sum);
                sum = Expr::new(
                    match index.slot {
                        Slot::Sample => {
                            Node::Fold(Fold::Sum, Axis::Samples(Some(index.name)), inner)
                        }
                        Slot::Component => Node::Over(index.name, None, inner),
                    },
                    expr.column,
                );
            }
            return sum;
        }
    };
    Expr::new(node, expr.column)
}

/// Every index that no sum binds, as often as it stands there.
fn unbound(expr: &Expr, bound: &mut Vec<char>, found: &mut Vec<Index>) {
    if let Node::Entry(_, indices) = &expr.node {
        found.extend(indices.iter().filter(|index| !bound.contains(&index.name)));
    }
    let n_bound = bound.len();
    bound.extend_from_slice(expr.binds());
    expr.children().iter().for_each(|child| unbound(child, bound, found));
    bound.truncate(n_bound);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_that_repeated_indices_are_summed() {
        for (text, declared) in [
            ("We use the summation convention.", true),
            ("Es gilt die Einsteinsche Summenkonvention.", true),
            ("Sums are written. We do not use Einstein's summation convention.", false),
            ("Repeated indices are summed over.", true),
            ("Indices repeat.", false),
            ("We sum as in Einstein's notation.", true),
            ("Einstein knew no networks.", false),
            ("One would follow Einstein's convention; here all sums are printed.", false),
        ] {
            assert_eq!(is_declared(text), declared, "{text}");
        }
    }
}
