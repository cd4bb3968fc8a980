//! Is this gradient right? Independent answers for the two-branch network, and for formulas on paper.
//!
//! | module | what it holds |
//! |---|---|
//! | [`reference`](mod@reference) | the network in plain loops, generic over its number: with dual numbers it differentiates itself |
//! | [`identities`] | equations that every exact gradient satisfies, at the cost of reading it once |
//! | [`mistakes`] | the backward pass by hand, and the classic ways to get it wrong |
//! | [`audit`] | verdicts on printed gradient formulas |
//! | [`gradcheck`] | the production gradient of a step of a run, checked by all of these routes |
//! | [`oracle`] | cases from an independent implementation, replayed through the production network |
//!
//! `docs/verification.md` derives the identities and says what is *not* covered.
#![forbid(unsafe_code)]

pub mod audit;
pub mod gradcheck;
pub mod identities;
pub mod matrix;
pub mod measure;
pub mod mistakes;
pub mod oracle;
pub mod reference;
