//! The automation of the workspace: `cargo xtask bench`.
#![forbid(unsafe_code)]

fn main() {}
