//! Layers and losses with gradients derived by hand, next to their derivations.
#![forbid(unsafe_code)]
