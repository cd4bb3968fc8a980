#![doc = include_str!("../README.md")]
//!
//! # How the parts fit together
//!
//! [`Table`] holds a CSV file as text. [`prepare`] takes it to a [`Dataset`], fitting an
//! [`Encoder`] for the inputs and [`Targets`] for the outputs on the training rows of a [`Split`];
//! both can be stored and applied to another table. [`Batches`] draws the order of an epoch.
//!
//! Nothing is printed: what a user should know comes back as [`Warning`]s, what cannot be used as a
//! [`DataError`].
#![forbid(unsafe_code)]

mod ahead;
mod batch;
mod cell;
mod cells;
mod column;
mod column_kind;
mod dataset;
mod date;
mod dialect;
mod encoder;
mod error;
mod error_code;
mod far;
mod folds;
mod giveaway;
mod groups;
mod labels;
mod missing;
mod missing_targets;
mod number;
mod number_codes;
mod pieces;
mod presence;
mod profile;
mod raw_targets;
mod read;
mod regression_target;
mod row_hash;
mod rows;
mod rules;
mod sample_weights;
mod schema;
mod sentinel;
mod source;
mod split;
mod split_rules;
mod table;
mod target;
mod target_check;
mod target_scale;
mod turns;
mod warning;
mod wine;

pub use ahead::read_ahead;
pub use batch::Batches;
pub use cell::{Cell, LARGEST};
pub use column_kind::ColumnKind;
pub use dataset::{Dataset, Prepared, prepare, prepare_split};
pub use date::DateFormat;
pub use encoder::{
    Cycle, Encoded, Encoder, Encoding, InputColumn, MAX_CATEGORIES, MIN_CATEGORY_ROWS,
    MissingColumn, NormalScores, OtherColumn, PieceEncoder, RowNotes, RowTallies, TargetStatistics,
};
pub use error::{DataError, RowError, StoredError};
pub use far::FAR;
pub use folds::Fold;
pub use labels::Labels;
pub use missing::MissingMarkers;
pub use number::{Mark, NumberFormat};
pub use pieces::TablePieces;
pub use presence::Presence;
pub use raw_targets::{TargetValues, TaskValues};
pub use read::ReadOptions;
pub use regression_target::RegressionTarget;
pub use rules::{AskedKind, ColumnRules, Scaling, Tolerance};
pub use schema::{ColumnSchema, LeftOut, Schema};
pub use source::TextEncoding;
pub use split::{Fractions, Split};
pub use split_rules::{SplitBy, SplitRules};
pub use table::{FileFormat, LineEnd, Table};
pub use target::{ClassTarget, TargetColumns, Targets, TaskColumns, TaskTarget};
pub use target_scale::{MARGIN, ScaleKind, TargetScale};
pub use warning::{Warning, WarningCode};

// A program needs no other crate of the workspace to call what is here.
pub use anabranch_tensor::Executor;
