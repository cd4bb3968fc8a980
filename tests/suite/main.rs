//! Tests across crates, in one binary: the tests that invariants in ARCHITECTURE.md name.

mod allocation;
mod circles;
mod conformance;
mod differences;
mod dropout;
mod four_branches;
// A library of its own for the fuzz targets, which are outside the workspace.
#[allow(unreachable_pub)]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;
mod fuzz_seeds;
mod instance;
mod measure;
mod memory;
mod names;
mod networks;
mod onnx;
mod source;
mod tidy;
mod wirings;

use anabranch_tests::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;
