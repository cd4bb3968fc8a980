//! The program `anabranch`.
#![forbid(unsafe_code)]

fn main() {}
