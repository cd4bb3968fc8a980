//! `--tensorboard`: event files, which TensorBoard and others draw curves of.
//!
//! A file is a sequence of records (TFRecord): the length of the data as 64 bits, its checksum, the
//! data, their checksum; all numbers little-endian. A checksum is the CRC-32C, rotated right by 15
//! bits, plus a constant: one of data that hold a CRC is weak otherwise. The data are messages of
//! `tensorflow/core/util/event.proto`:
//!
//! | message | fields |
//! |---|---|
//! | `Event` | 1 time in seconds, 2 step, 3 version of the file (first record), 5 `Summary` |
//! | `Summary` | 1 each `Value` |
//! | `Value` | 1 tag, 2 number |

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anabranch::train::EpochReport;
use anabranch_export::protobuf::Message;
use crc::{CRC_32_ISCSI, Crc};

use crate::failure::Failure;
use crate::output;

/// The directory of the event files in that of a run.
pub(crate) const DIR: &str = "tensorboard";

/// What the first record says.
const VERSION: &str = "brain.Event:2";

/// CRC-32C, Castagnoli's.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The event file of a network.
#[derive(Debug)]
pub(crate) struct Events {
    file: File,
    tasks: Vec<String>,
    /// Whether a record could not be written, which is said once.
    has_failed: bool,
}

impl Events {
    /// A new file in `dir`, beside those of earlier runs of the same network.
    pub(crate) fn create(dir: &Path, tasks: Vec<String>) -> Result<Self, Failure> {
        let time = now();
        let name = format!("events.out.tfevents.{time:.0}.{}.anabranch", std::process::id());
        let path = dir.join(name);
        let create = || {
            fs::create_dir_all(dir)?;
            let mut file = File::options().append(true).create(true).open(&path)?;
            file.write_all(&record(&Message::new().double(1, time).text(3, VERSION)))?;
            Ok(file)
        };
        let file = create().map_err(|error: io::Error| {
            let message = format!("cannot write {} ({error})", output::plain(&path));
            Failure::on_the_way(message).coded("write")
        })?;
        Ok(Self { file, tasks, has_failed: false })
    }

    /// Adds an epoch.
    pub(crate) fn add(&mut self, report: &EpochReport) {
        let written = self.file.write_all(&event(now(), &self.tasks, report));
        if let (Err(error), false) = (written, self.has_failed) {
            self.has_failed = true;
            output::caution(&format!("cannot write the events for TensorBoard ({error})"));
        }
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The record of an epoch.
fn event(time: f64, tasks: &[String], report: &EpochReport) -> Vec<u8> {
    let mut scalars: Vec<(String, f64)> = Vec::new();
    for (i, task) in tasks.iter().enumerate() {
        scalars.push((format!("train/{task}"), report.train[i]));
        if let Some(validation) = &report.validation {
            scalars.push((format!("validation/{task}"), validation[i]));
        }
    }
    scalars.push(("learning rate".to_owned(), report.lr));
    scalars.push(("gradient/norm".to_owned(), report.grad_norm));
    scalars.push(("gradient/clipped norm".to_owned(), report.clipped_norm));
    let pairs = (1..tasks.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
    scalars.extend(
        pairs.zip(&report.cosines).map(|((i, j), cosine)| {
            (format!("gradient/cosine {} {}", tasks[i], tasks[j]), *cosine)
        }),
    );
    let value = |(tag, value): &(String, f64)| Message::new().text(1, tag).float(2, *value as f32);
    let summary = Message::new().messages(1, &scalars.iter().map(value).collect::<Vec<_>>());
    let epoch = i64::try_from(report.epoch).unwrap_or(i64::MAX);
    record(&Message::new().double(1, time).int(2, epoch).message(5, &summary))
}

/// A message as a record.
fn record(message: &Message) -> Vec<u8> {
    let data = message.clone().into_bytes();
    let length = (data.len() as u64).to_le_bytes();
    let checksum = |data: &[u8]| masked(CRC.checksum(data)).to_le_bytes();
    [&length[..], &checksum(&length), &data, &checksum(&data)].concat()
}

/// A checksum as records hold it.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file of `tests/fixtures/make_events.py`, by TensorBoard's own writer.
    #[test]
    fn files_are_those_of_tensorboard() {
        let tasks = ["price", "cut, of a gem"].map(str::to_owned);
        let report = |epoch: usize, validation: Option<Vec<f64>>, cosines: Vec<f64>| EpochReport {
            epoch,
            epochs: 300,
            train: vec![0.25, 1.5 / epoch as f64],
            validation,
            lr_factor: 1.0,
            lr: 0.01,
            grad_norm: 2.5,
            clipped_norm: 1.0,
            cosines,
            is_best: true,
        };
        let first = Message::new().double(1, 1.75e9).text(3, VERSION);
        let file = [
            record(&first),
            event(1.75e9 + 0.5, &tasks, &report(1, Some(vec![0.5, 2.0]), vec![-0.125])),
            event(1.75e9 + 1.0, &tasks, &report(300, None, Vec::new())),
        ];
        let expected = include_bytes!("../tests/fixtures/events.tfevents");
        assert_eq!(file.concat(), expected);
    }
}
