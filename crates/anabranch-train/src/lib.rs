//! Training loop, metrics, model files and prediction.
#![forbid(unsafe_code)]
