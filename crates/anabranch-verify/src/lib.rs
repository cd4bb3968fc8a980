//! Is this gradient right? Independent answers for the two-branch network.
//!
//! | module | what it holds |
//! |---|---|
//! | [`identities`] | equations that every exact gradient satisfies, at the cost of reading it once |
//! | [`gradcheck`] | the production gradient of a step of a run, checked by all of these routes |
//! | [`oracle`] | cases from an independent implementation, replayed through the production network |
//!
//! The naive reference that differentiates itself, and the backward pass by hand with its classic mistakes, are
//! [`anabranch_audit::reference`] and [`anabranch_audit::mistakes`]. `docs/verification.md` derives the identities and
//! says what is *not* covered.
#![forbid(unsafe_code)]

pub mod check;
pub mod gradcheck;
pub mod identities;
pub mod oracle;
mod reference;
mod rounding;
