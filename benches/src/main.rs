//! Benchmarks of Anabranch, in one binary.

fn main() {}
