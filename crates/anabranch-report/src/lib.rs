#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod by_group;
mod dependence;
mod errors;
mod figures;
mod findings;
mod groups;
mod history;
mod importance;
mod joins;
mod named;
mod page;
mod plot;
mod run;
mod sample;
mod scores;
mod shapley;
mod short;
mod target;

pub use by_group::{ByGroup, JudgedGroup};
pub use dependence::{Curve, Dependence, Values};
pub use errors::{Bin, Errors, WorstRow};
pub use figures::figure;
pub use findings::Findings;
pub use groups::Grouping;
pub use history::{Epoch, History};
pub use importance::{Importance, top};
pub use joins::JoinWorth;
pub use named::{Better, HEADLINES, Named, is_headline, named};
pub use page::{Comparison, html};
pub use run::Run;
pub use scores::Score;
pub use shapley::{Explainer, Explanation, shapley_values};
pub use short::short;
pub use target::{Target, TargetKind};
