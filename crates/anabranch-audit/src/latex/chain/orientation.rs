//! Which way round a file writes its matrices: one way for all formulas that depend on it.

use crate::Evaluation;
use crate::expr::{Expr, Node, Slot};
use crate::quantity::{Kind, Target};
use crate::turn::{Data, Jacobians, Ones, Turn, Weights};

/// Where the samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Samples {
    /// A batch has a column for each, one sample is a column vector.
    Columns,
    /// A batch has a row for each, one sample is a row vector.
    Rows,
    /// One sample is a column vector, a derivative with respect to it a row vector.
    RowGradients,
    /// So, and a derivative with respect to a weight is its transpose.
    AllGradients,
}

impl Samples {
    pub(super) const ALL: [Self; 4] =
        [Self::Columns, Self::Rows, Self::RowGradients, Self::AllGradients];

    /// Whether derivatives are laid out as numerators are.
    pub(super) fn is_of_numerators(self) -> bool {
        matches!(self, Self::RowGradients | Self::AllGradients)
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Columns => "columns",
            Self::Rows => "rows",
            Self::RowGradients => "columns, their derivatives rows",
            Self::AllGradients => "columns, derivatives by them rows, by weights transposed",
        }
    }
}

/// What a formula's letters are. A derivation may write one sample small and a batch in capitals,
/// each in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    Small,
    /// One of them is a capital.
    Mixed,
    Capital,
    /// They have the index of a sample.
    Indexed,
}

impl Letters {
    /// Those that are written in one way together, and what they are called.
    pub(super) const GROUPS: [&str; 3] = [
        "samples of small letters",
        "samples of capital letters",
        "samples of letters with a sample's index",
    ];

    /// The place of their group.
    pub(super) fn group(self) -> usize {
        match self {
            Self::Small => 0,
            Self::Mixed | Self::Capital => 1,
            Self::Indexed => 2,
        }
    }
}

/// The ways in which a file writes matrices, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Conventions {
    /// Where the samples are, for each group of letters.
    pub(super) samples: [Option<Samples>; 3],
    /// Whether small letters are those of a whole batch.
    pub(super) small_is: Extent,
    pub(super) weights: Option<Weights>,
    pub(super) jacobians: Option<Jacobians>,
    /// Whether each formula is read by itself.
    pub(super) scope: Together,
    /// How many formulas each of them is from, and how many contradict it.
    pub(super) counts: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Extent {
    /// One sample, or all of them.
    #[default]
    Open,
    Batch,
}

/// What has to be read in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Together {
    #[default]
    File,
    Each,
}

/// In which ways a formula is exact.
#[derive(Clone, Debug)]
pub(super) struct Vote {
    pub(super) letters: Letters,
    /// By samples, weights and Jacobians.
    pub(super) exact: [[[bool; 2]; 2]; 4],
    /// As a formula of the batch alone, of a sample alone.
    pub(super) extent: [[bool; 2]; 4],
    /// Whether it is exact as a formula of matrices with a row for each sample.
    pub(super) is_of_rows: bool,
    pub(super) is_forward: bool,
}

/// An evaluation, and what is turned for it.
pub(super) type Way = (Evaluation, Data);

/// What decides which ways there are to read a formula.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    pub(super) letters: Letters,
    /// Whether a sum over the samples would have to be printed.
    pub(super) sums: bool,
    is_number: bool,
}

impl Kinds {
    pub(super) fn of(letters: Letters, target: Target, expr: &Expr) -> Self {
        let is_indexed = expr.any(&|part| match &part.node {
            Node::Entry(_, indices) => indices.iter().any(|index| index.slot == Slot::Sample),
            _ => false,
        });
        let is_coupled = expr
            .any(&|part| matches!(part.node, Node::Quantity(of) if of.kind == Kind::UnitJacobian));
        let is_sum = matches!(target.0.kind, Kind::Weight | Kind::Vector | Kind::Scalar);
        let letters = if is_indexed { Letters::Indexed } else { letters };
        let is_number = target.0.kind == Kind::Scalar;
        Self { letters, sums: is_sum && !is_indexed && !is_coupled, is_number }
    }

    /// The ways to read a formula with the samples so; the plainest first.
    pub(super) fn ways(self, samples: Samples, small_is: Extent) -> Vec<Way> {
        let is_batch = match self.letters {
            Letters::Capital => self.sums,
            Letters::Small => self.sums && small_is == Extent::Batch,
            Letters::Mixed | Letters::Indexed => false,
        };
        let of_batch = |data| Some((Evaluation::Batch, data));
        let of_sample = |data| (!is_batch).then_some((Evaluation::PerRow, data));
        let both = match samples {
            Samples::Columns => {
                if self.letters == Letters::Indexed {
                    return vec![
                        (Evaluation::PerRow, Data::AsEvaluated),
                        (Evaluation::Batch, Data::AsEvaluated),
                    ];
                }
                let has_batch = is_batch || self.letters.group() == 1;
                let columns = of_batch(Data::Turned).filter(|_| has_batch);
                [of_sample(Data::AsEvaluated), columns]
            }
            // Over the batch, a sample with its index is a column vector.
            Samples::Rows if self.letters == Letters::Indexed && !self.is_number => {
                [of_sample(Data::Turned), None]
            }
            Samples::Rows => [of_batch(Data::AsEvaluated), of_sample(Data::Turned)],
            Samples::RowGradients => [of_sample(Data::Gradients), None],
            Samples::AllGradients => [of_sample(Data::AllGradients), None],
        };
        both.into_iter().flatten().collect()
    }
}

impl Conventions {
    /// What a file says itself of its samples.
    pub(super) fn give_samples(&mut self, scope: Together, samples: Option<Samples>) {
        (self.scope, self.samples) = (scope, [samples; 3]);
    }

    /// Where the samples are for these letters, if that is settled.
    pub(super) fn samples(&self, letters: Letters) -> Option<Samples> {
        self.samples[letters.group()]
    }

    /// The ways in which a formula may be read.
    pub(super) fn ways(&self, kinds: Kinds) -> Vec<Way> {
        match self.samples(kinds.letters) {
            Some(samples) => kinds.ways(samples, self.small_is),
            None => {
                let all = [Samples::Columns, Samples::Rows];
                let mut ways: Vec<Way> =
                    all.iter().flat_map(|samples| kinds.ways(*samples, Extent::Open)).collect();
                // That a sample is a row vector, a formula by itself does not show.
                ways.retain(|way| *way != (Evaluation::PerRow, Data::Turned));
                // Those that turn nothing come first.
                ways.sort_by_key(|(_, data)| *data != Data::AsEvaluated);
                ways
            }
        }
    }

    /// What is turned, of a formula that is read with this data.
    pub(super) fn turn(&self, data: Data) -> Turn {
        let (weights, jacobians) = (self.weights, self.jacobians);
        Turn {
            data,
            weights: weights.unwrap_or_default(),
            jacobians: jacobians.unwrap_or_default(),
            ones: Ones::AsPrinted,
        }
    }

    /// Settles what is open by what most formulas are exact with.
    pub(super) fn settle(&mut self, votes: &[Vote]) {
        if self.scope == Together::Each {
            return;
        }
        let options = |given: Option<usize>| given.map_or(vec![0, 1], |given| vec![given]);
        let mut best: Option<([usize; 2], [usize; 2], [Samples; 3])> = None;
        for weights in options(self.weights.map(|weights| weights as usize)) {
            for jacobians in options(self.jacobians.map(|jacobians| jacobians as usize)) {
                let mut group = 0;
                let found = self.samples.map(|given| {
                    let own: Vec<&Vote> =
                        votes.iter().filter(|vote| vote.letters.group() == group).collect();
                    group += 1;
                    fewest_contradictions(&own, [weights, jacobians], given)
                });
                let score = [0, 1].map(|of| found.iter().map(|(_, score)| score[of]).sum());
                // What is not usual needs two formulas, one of which defines a layer.
                let is_better = best.as_ref().is_none_or(|(before, ..)| {
                    let defined = weights == 0 || score[1] > before[1];
                    score[0] >= before[0] + 2 && defined
                });
                if is_better {
                    best = Some((score, [weights, jacobians], found.map(|(samples, _)| samples)));
                }
            }
        }
        let Some((_, [weights, jacobians], found)) = best else { return };
        self.count(votes, [weights, jacobians], found);
        self.weights = Some([Weights::OutIn, Weights::InOut][weights]);
        self.jacobians = Some([Jacobians::Numerator, Jacobians::Denominator][jacobians]);
        self.samples = found.map(Some);
        let small = found[0];
        let extents = |of: usize| {
            let own = |vote: &&Vote| vote.letters == Letters::Small;
            votes.iter().filter(own).filter(|vote| vote.extent[small as usize][of]).count()
        };
        if extents(0) >= extents(1).max(1) {
            self.small_is = Extent::Batch;
        }
    }

    /// Says how the file was read, where it makes a difference.
    fn count(&mut self, votes: &[Vote], [weights, jacobians]: [usize; 2], found: [Samples; 3]) {
        self.counts.clear();
        let said = |chosen: &str, yes: usize, no: usize| {
            let plural = if yes == 1 { "formula" } else { "formulas" };
            match no {
                0 => format!("{chosen} ({yes} {plural})"),
                no => format!("{chosen} ({yes} {plural}, {no} to the contrary)"),
            }
        };
        let mut compare =
            |name, chosen: &str, is_so: &dyn Fn(&Vote) -> bool, other: &dyn Fn(&Vote) -> bool| {
                let yes = votes.iter().filter(|vote| is_so(vote) && !other(vote)).count();
                let no = votes.iter().filter(|vote| !is_so(vote) && other(vote)).count();
                if yes + no > 0 {
                    self.counts.push((name, said(chosen, yes, no)));
                }
            };
        for (group, (name, samples)) in Letters::GROUPS.into_iter().zip(found).enumerate() {
            let of = |vote: &Vote, samples: Samples| {
                vote.letters.group() == group && vote.exact[samples as usize][weights][jacobians]
            };
            let others = |vote: &Vote| {
                let mut others = Samples::ALL.into_iter().take(2).filter(|one| *one != samples);
                others.any(|other| of(vote, other))
            };
            compare(name, samples.words(), &|vote| of(vote, samples), &others);
        }
        let any = |vote: &Vote, weights: usize, jacobians: usize| {
            let samples = found[vote.letters.group()];
            vote.exact[samples as usize][weights][jacobians]
        };
        compare(
            "weights",
            ["[out, in]", "[in, out]"][weights],
            &|vote| any(vote, weights, jacobians),
            &|vote| any(vote, 1 - weights, jacobians),
        );
        compare(
            "du/dv",
            ["a row for each entry of u", "a row for each entry of v"][jacobians],
            &|vote| any(vote, weights, jacobians),
            &|vote| any(vote, weights, 1 - jacobians),
        );
    }
}

/// So many formulas of single samples show that these are row vectors.
const ROW_VECTORS: usize = 3;

/// The way in which most of these formulas are exact; of two ways, that of the forward pass. With
/// how many formulas are, and how many of the forward pass.
fn fewest_contradictions(
    votes: &[&Vote],
    [weights, jacobians]: [usize; 2],
    given: Option<Samples>,
) -> (Samples, [usize; 2]) {
    let score = |samples: Samples| {
        let exact = || votes.iter().filter(|vote| vote.exact[samples as usize][weights][jacobians]);
        [exact().count(), exact().filter(|vote| vote.is_forward).count()]
    };
    if let Some(samples) = given {
        return (samples, score(samples));
    }
    let (columns, rows) = (score(Samples::Columns), score(Samples::Rows));
    let exact = |vote: &Vote, samples: Samples| vote.exact[samples as usize][weights][jacobians];
    let for_rows =
        || votes.iter().filter(|vote| exact(vote, Samples::Rows) && !exact(vote, Samples::Columns));
    // Row vectors alone may be a transpose that is missing.
    let is_shown = for_rows().any(|vote| vote.is_of_rows) || for_rows().count() >= ROW_VECTORS;
    let (best, most) = if rows > columns && is_shown {
        (Samples::Rows, rows)
    } else {
        (Samples::Columns, columns)
    };
    // The layout of numerators is nowhere near as usual.
    let (vectors, all) = (score(Samples::RowGradients), score(Samples::AllGradients));
    let (samples, numerator) = match all[0] > vectors[0] {
        true => (Samples::AllGradients, all),
        false => (Samples::RowGradients, vectors),
    };
    if numerator[0] >= most[0] + 2 { (samples, numerator) } else { (best, most) }
}

/// What a file's formulas say of the way in which it writes matrices.
#[derive(Debug)]
pub(super) enum Votes {
    Open(Vec<Vote>),
    /// It is settled.
    Closed,
}

impl Default for Votes {
    fn default() -> Self {
        Self::Open(Vec::new())
    }
}

impl Votes {
    pub(super) fn extend(&mut self, more: Vec<Vote>) {
        if let Self::Open(votes) = self {
            votes.extend(more);
        }
    }
}
