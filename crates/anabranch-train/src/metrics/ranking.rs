//! Metrics of an order of rows: how well scores tell the rows of a class from the others.

/// Rows from the highest score to the lowest, and where equal scores end.
pub(crate) struct Ranking {
    rows: Vec<usize>,
    /// Whether the score of each of `rows` is another than that of the next.
    is_last: Vec<bool>,
}

/// What an order of rows is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ranked {
    /// The share of pairs of a row of the class and another one in which the former is first; of
    /// pairs with equal scores, half.
    pub(crate) auroc: f64,
    /// Σ (rₙ − rₙ₋₁)·pₙ: the mean precision p over the steps of the recall r.
    pub(crate) average_precision: f64,
}

impl Ranking {
    pub(crate) fn new(scores: &[f64]) -> Self {
        let mut rows: Vec<usize> = (0..scores.len()).collect();
        rows.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let mut is_last: Vec<bool> =
            rows.windows(2).map(|pair| scores[pair[0]] != scores[pair[1]]).collect();
        is_last.resize(rows.len(), true);
        Self { rows, is_last }
    }

    /// How well the order tells the rows for which `is_positive` from the others, where row i
    /// counts `counts[i]` times; `None` where there are none of either.
    pub(crate) fn judge(
        &self,
        counts: &[f64],
        is_positive: impl Fn(usize) -> bool,
    ) -> Option<Ranked> {
        // Of the rows before these equal scores, and of theirs: positives and negatives.
        let (mut before, mut equal) = ([0.0; 2], [0.0; 2]);
        let (mut pairs, mut precisions) = (0.0, 0.0);
        for (row, is_last) in self.rows.iter().zip(&self.is_last) {
            equal[usize::from(!is_positive(*row))] += counts[*row];
            if *is_last {
                pairs += equal[1] * (before[0] + equal[0] / 2.0);
                before = [before[0] + equal[0], before[1] + equal[1]];
                if equal[0] > 0.0 {
                    precisions += equal[0] * (before[0] / (before[0] + before[1]));
                }
                equal = [0.0; 2];
            }
        }
        let [positives, negatives] = before;
        (positives > 0.0 && negatives > 0.0).then(|| Ranked {
            auroc: pairs / (positives * negatives),
            average_precision: precisions / positives,
        })
    }
}
