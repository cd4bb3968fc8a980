//! What programs tell errors by, and the places that these name.

use crate::error::DataError;

impl DataError {
    /// What programs tell errors by: a word for each variant, such as `unknown_column`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Empty { .. } => "empty",
            Self::NoRows { .. } => "no_rows",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::Ragged { .. } => "ragged",
            Self::LongRow { .. } => "long_row",
            Self::LongCell { .. } => "long_cell",
            Self::NulByte { .. } => "nul_byte",
            Self::NotATable { .. } => "not_a_table",
            Self::Encoding { .. } => "encoding",
            Self::Separator { .. } => "separator",
            Self::Unclear { .. } => "unclear",
            Self::Unlike { .. } => "unlike",
            Self::UnclosedQuote { .. } => "unclosed_quote",
            Self::DuplicateColumn { .. } => "duplicate_column",
            Self::TooManyColumns { .. } => "too_many_columns",
            Self::UnknownColumn { .. } => "unknown_column",
            Self::Name { .. } => "unknown_name",
            Self::NoInputColumn { .. } => "no_input_column",
            Self::NothingToPredict => "nothing_to_predict",
            Self::Array { .. } => "array",
            Self::NoSuchClass { .. } => "no_such_class",
            Self::SplitRow { .. } => "split_row",
            Self::TargetTwice { .. } => "target_twice",
            Self::NoScale { .. } => "no_scale",
            Self::NoInputs { .. } => "no_inputs",
            Self::OutOfRange { .. } => "out_of_range",
            Self::TextTarget { .. } => "text_target",
            Self::NoTargets { .. } => "no_targets",
            Self::NoTrainingTargets { .. } => "no_training_targets",
            Self::SampleWeight { .. } => "sample_weight",
            Self::NoSampleWeight { .. } => "no_sample_weight",
            Self::OneClass { .. } => "one_class",
            Self::TooManyClasses { .. } => "too_many_classes",
            Self::InputIsPrediction { .. } => "input_is_prediction",
            Self::UnknownClass { .. } => "unknown_class",
            Self::Fractions { .. } => "fractions",
            Self::SplitCell { .. } => "split_cell",
            Self::SplitTarget { .. } => "split_target",
            Self::TooFewValues { .. } => "too_few_values",
            Self::TooFewRows { .. } => "too_few_rows",
            Self::BatchTooSmall { .. } => "batch_too_small",
            Self::TooFewTrainingRows { .. } => "too_few_training_rows",
        }
    }

    /// The line of the file that it is about, counted from 1, if it is about one.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::NotUtf8 { line, .. }
            | Self::Ragged { line, .. }
            | Self::LongRow { line, .. }
            | Self::LongCell { line, .. }
            | Self::NulByte { line, .. }
            | Self::Unclear { line, .. }
            | Self::Unlike { line, .. }
            | Self::UnclosedQuote { line, .. }
            | Self::DuplicateColumn { line, .. }
            | Self::OutOfRange { line, .. }
            | Self::TextTarget { line, .. }
            | Self::UnknownClass { line, .. }
            | Self::SplitCell { line, .. } => Some(*line),
            _ => None,
        }
    }

    /// The column that it is about, if it is about one.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Unclear { column, .. }
            | Self::Unlike { column, .. }
            | Self::DuplicateColumn { column, .. }
            | Self::UnknownColumn { column, .. }
            | Self::NoInputColumn { column, .. }
            | Self::TargetTwice { column, .. }
            | Self::NoScale { column, .. }
            | Self::OutOfRange { column, .. }
            | Self::TextTarget { column, .. }
            | Self::OneClass { column, .. }
            | Self::TooManyClasses { column, .. }
            | Self::InputIsPrediction { column, .. }
            | Self::UnknownClass { column, .. }
            | Self::SplitCell { column, .. }
            | Self::SplitTarget { column, .. }
            | Self::TooFewValues { column, .. } => Some(column),
            _ => None,
        }
    }
}
