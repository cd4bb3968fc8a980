//! Networks of layers: fan-out, joins, memory plan, forward and backward order; the two-branch network.
#![forbid(unsafe_code)]
