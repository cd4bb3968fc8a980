//! The step next to other frameworks: first the same losses, then times in turn, then ratios.

use std::path::PathBuf;
use std::time::Duration;

use anabranch_tensor::{Executor, Scalar};
use serde_json::{Value, json};

use crate::Result;
use crate::network::Network;
use crate::peers::{Launch, Peer, launches, python};
use crate::report::{Report, digits};
use crate::step::Case;
use crate::timing::median;

/// Largest relative difference of losses between two programs that compute the same in f32:
/// rounding, carried through a hundred updates.
const TOLERANCE: f64 = 1e-3;

/// Options of comparisons.
#[derive(clap::Args, Debug)]
#[group(id = "versus")]
pub(crate) struct Args {
    /// Also run the peers in benches/peers, in turn, and print the ratios
    #[arg(long)]
    peers: bool,
    /// Python with benches/peers/requirements.txt installed [default: the one in
    /// benches/peers/venv, else python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Folder of the built Rust peers [default: benches/peers/rust/target/release]
    #[arg(long, value_name = "DIR")]
    rust_peers: Option<PathBuf>,
    /// Steps over which a peer's losses must match ours before times are compared
    #[arg(long, value_name = "N", default_value_t = 100)]
    check_steps: usize,
}

impl Args {
    /// Whether peers take part.
    pub(crate) fn is_asked(&self) -> bool {
        self.peers
    }

    fn launches(&self) -> Vec<Launch> {
        if !self.peers {
            return Vec::new();
        }
        launches(&python(self.python.as_deref()), self.rust_peers.as_deref()).into()
    }
}

/// One peer's part in a case.
#[derive(Debug)]
struct Opponent {
    peer: Peer,
    /// The largest relative difference of its losses from ours.
    difference: f64,
    /// Of a step, in each round.
    micros: Vec<f64>,
    /// Its time over ours, in each round.
    ratios: Vec<f64>,
}

/// The peers of one case.
#[derive(Debug)]
pub(crate) struct Versus {
    opponents: Vec<Opponent>,
}

impl Versus {
    /// Starts the requested peers that are installed, and compares their losses with ours.
    pub(crate) fn start<T: Scalar>(case: Case, args: &Args) -> Result<Self> {
        let mut opponents = Vec::new();
        let mut ours = None;
        for mut peer in args.launches().iter().filter_map(|launch| launch.start(case)) {
            let ours = match &ours {
                Some(losses) => losses,
                None => ours.insert(losses::<T>(case, args.check_steps)?),
            };
            let difference = largest_difference(ours, &peer.check(args.check_steps)?);
            opponents.push(Opponent { peer, difference, micros: Vec::new(), ratios: Vec::new() });
        }
        Ok(Self { opponents })
    }

    /// Whether there is no peer.
    pub(crate) fn is_alone(&self) -> bool {
        self.opponents.is_empty()
    }

    /// One turn of every peer, after one of ours.
    pub(crate) fn round(&mut self, slice: Duration, our_micros: f64) -> Result<()> {
        for opponent in &mut self.opponents {
            let micros = opponent.peer.run(slice.as_secs_f64())?;
            opponent.micros.push(micros);
            opponent.ratios.push(micros / our_micros);
        }
        Ok(())
    }

    /// The peers' figures, and how many times faster we are: the median of the rounds' ratios.
    pub(crate) fn finish(self) -> Vec<PeerRecord> {
        let record = |opponent: Opponent| PeerRecord {
            name: opponent.peer.name,
            version: opponent.peer.version.clone(),
            median_us: median(&opponent.micros),
            ratio: median(&opponent.ratios),
            difference: opponent.difference,
        };
        self.opponents.into_iter().map(record).collect()
    }
}

/// A peer's figures in one case.
#[derive(Debug)]
pub(crate) struct PeerRecord {
    name: &'static str,
    version: String,
    median_us: f64,
    ratio: f64,
    difference: f64,
}

impl PeerRecord {
    /// Whether it computes the same; only then do times compare.
    fn is_valid(&self) -> bool {
        self.difference <= TOLERANCE
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "peer": self.name,
            "version": self.version,
            "median_us": self.median_us,
            "ratio": self.ratio,
            "loss_difference": self.difference,
            "valid": self.is_valid(),
        })
    }
}

/// The table of ratios: one row for each peer in each case, with the best one marked.
pub(crate) fn report<'a>(cases: impl IntoIterator<Item = (Case, f64, &'a [PeerRecord])>) -> Report {
    let mut report = Report::new([
        "shape",
        "threads",
        "optimizer",
        "peer",
        "version",
        "median µs",
        "ours µs",
        "ratio",
        "losses",
    ]);
    for (case, our_micros, peers) in cases {
        let valid = peers.iter().filter(|peer| peer.is_valid());
        let best = valid.map(|peer| peer.ratio).fold(f64::INFINITY, f64::min);
        for peer in peers {
            let mark = if peer.is_valid() && peer.ratio == best { " best" } else { "" };
            report.row([
                case.shape.name(),
                case.threads.to_string(),
                case.rule.name().to_owned(),
                format!("{}{mark}", peer.name),
                peer.version.clone(),
                digits(peer.median_us),
                digits(our_micros),
                format!("{}×", digits(peer.ratio)),
                match peer.is_valid() {
                    true => format!("within {:.0e}", peer.difference),
                    false => format!("INVALID: differ by {:.0e}", peer.difference),
                },
            ]);
        }
    }
    report
}

/// Our losses without dropout, from the initial state.
fn losses<T: Scalar>(case: Case, steps: usize) -> Result<Vec<f64>> {
    let exec = Executor::new(case.threads)?;
    let mut network = Network::<T>::new(&exec, case.shape, case.rule, 0.0)?;
    let one = |_| {
        network.step(&exec);
        network.loss()
    };
    Ok(exec.enter(|| (0..steps).map(one).collect()))
}

/// The largest relative difference; infinite if the counts differ or a loss is not a number.
fn largest_difference(ours: &[f64], theirs: &[f64]) -> f64 {
    if ours.len() != theirs.len() {
        return f64::INFINITY;
    }
    ours.iter().zip(theirs).fold(0.0, |largest, (a, b)| {
        let difference = ((a - b) / a).abs();
        if difference.is_nan() { f64::INFINITY } else { f64::max(largest, difference) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_that_differ_are_seen() {
        assert_eq!(largest_difference(&[4.0, 2.0], &[4.0, 2.0]), 0.0);
        assert_eq!(largest_difference(&[4.0, 2.0], &[4.0, 3.0]), 0.5);
        assert_eq!(largest_difference(&[4.0, 2.0], &[f64::NAN, 2.0]), f64::INFINITY);
        assert_eq!(largest_difference(&[4.0], &[]), f64::INFINITY);
    }
}
