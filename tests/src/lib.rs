//! Tests across crates, in one binary, and the counting allocator they use.
