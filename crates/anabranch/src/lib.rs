//! Two-branch neural networks on CPUs: verified gradients, repeatable training, small model files.
#![forbid(unsafe_code)]
