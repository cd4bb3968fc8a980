//! Optimizers, schedules and gradient clipping on flat slices, with PyTorch's semantics.
#![forbid(unsafe_code)]
