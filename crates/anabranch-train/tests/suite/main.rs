//! Training, models and model files, on small tables.

mod balance;
mod blend;
mod calibration;
mod doctor;
mod grapes;
mod hostile;
mod linear;
mod model;
mod model_file;
mod recovery;
mod runs;
mod training;
mod validation;
