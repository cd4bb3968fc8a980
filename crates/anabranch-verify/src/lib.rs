//! Is this gradient right? Independent answers for any river, and for your own layers, losses and
//! networks.
//!
//! | module | what it contains |
//! |---|---|
//! | [`gradcheck`] | the gradient of a step of a run: dual numbers, a backward pass by hand, differences, identities |
//! | [`identities`] | equations that every exact gradient satisfies, at the cost of reading it once |
//! | [`check`] | differences, threads, shards and precisions, for your own parts |
//! | [`explain`] | one step of the two-branch network, with every formula and its numbers, as a page |
//! | [`oracle`] | cases from an independent implementation, replayed through the production network |
//! | [`page`] | the frame and the style of pages |
//! | [`trace`] | whole runs from an independent implementation, to compare with the trainer's |
//!
//! `docs/verification.md` derives the identities and says what is *not* covered; `docs/random.md`
//! defines the masks that the naive reference draws by itself.
#![forbid(unsafe_code)]

pub mod check;
pub mod explain;
pub mod gradcheck;
pub mod identities;
pub mod oracle;
pub mod page;
mod reference;
mod rounding;
pub mod trace;

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
