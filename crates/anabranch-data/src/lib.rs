//! Tables in, matrices out: columns, encoders, splits and batches; the built-in wine table.
#![forbid(unsafe_code)]
