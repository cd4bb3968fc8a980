//! The program as a user meets it: files and flags in; exit codes, streams and files out.

mod bad_input;
mod blending;
mod checks;
mod config;
mod coverage;
mod doctor;
mod ensembles;
mod explaining;
mod exporting;
mod flags;
mod inspecting;
mod large_tables;
mod messages;
mod model_files;
mod numbers;
mod predicting;
mod program;
mod readme;
mod reporting;
mod resume;
mod runs;
mod sweeping;
mod traces;
mod training;
