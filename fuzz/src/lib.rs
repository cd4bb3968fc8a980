//! What the fuzz targets do with their bytes: functions that panic where something is wrong. A test
//! of the workspace (`tests/suite/fuzz_seeds.rs`) calls them with every committed seed.

pub mod cells;
pub mod config;
pub mod json_lines;
pub mod model_file;
pub mod tables;

/// A function that makes something of any bytes.
pub type Target = fn(&[u8]);

/// The targets by their names, which are those of their files and of the folders of their seeds.
pub const TARGETS: [(&str, Target); 6] = [
    ("cells", cells::run),
    ("config", config::run),
    ("dates", cells::run_dates),
    ("json_lines", json_lines::run),
    ("model_file", model_file::run),
    ("tables", tables::run),
];
