//! Tests across crates, in one binary: the tests that invariants in ARCHITECTURE.md name.

mod allocation;
mod circles;
mod conformance;
mod differences;
mod dropout;
mod four_branches;
mod instance;
mod measure;
mod names;
mod networks;
mod onnx;
mod source;
mod tidy;
mod wirings;

use anabranch_tests::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;
