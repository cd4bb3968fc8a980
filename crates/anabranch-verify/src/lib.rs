//! Gradient checks by independent routes, oracle cases and the audit of printed formulas.
#![forbid(unsafe_code)]
