//! Checkpoints: the state of a run in a file, from which it goes on to the same bits.
//!
//! A file is the line `anabranch checkpoint 3`, the [`Checkpoint`] in the wire format of `postcard`
//! (numbers by their bits, little-endian, so that NaN and infinity come back too), and the SHA-256
//! of all before it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::file::replace_file;
use crate::run_state::RunState;

/// What a file begins with; the number is that of the format.
const START: &[u8] = b"anabranch checkpoint 3\n";

/// The bytes of a SHA-256.
const HASH_LEN: usize = 32;

/// A run that can go on: what it is a run of, and how far each of its networks has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint<T> {
    /// The settings, in words of the program that runs it.
    pub config: String,
    /// The hash of the data, as of [`data_sha256`](crate::data_sha256).
    pub data_sha256: String,
    /// One for each network.
    pub members: Vec<MemberState<T>>,
}

/// How far a network has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberState<T> {
    /// None before its first step.
    pub run: Option<RunState<T>>,
    /// What is told of its epochs so far, in words of the program that runs it.
    pub history: String,
}

/// Why a checkpoint cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file system.
    #[error("cannot {action} {}: {reason}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A file of something else, of another version, or a damaged one.
    #[error("{} is not a checkpoint of this version: {reason}", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl<T: Serialize + DeserializeOwned> Checkpoint<T> {
    /// Writes the file `path` in one rename, as [`replace_file`].
    ///
    /// # Errors
    /// [`CheckpointError::Io`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let failed =
            |reason| CheckpointError::Io { action: "write", path: path.to_owned(), reason };
        let mut bytes = postcard::to_extend(self, START.to_vec())
            .map_err(|error| failed(std::io::Error::other(error)))?;
        bytes.extend(Sha256::digest(&bytes));
        replace_file(path, &bytes).map_err(failed)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or is not as [`save`](Self::save) wrote it.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = fs::read(path).map_err(|reason| CheckpointError::Io {
            action: "read",
            path: path.to_owned(),
            reason,
        })?;
        let wrong = |reason: &str| CheckpointError::NotACheckpoint {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let contents = bytes.strip_prefix(START).ok_or_else(|| wrong("it begins otherwise"))?;
        let end = bytes.len().saturating_sub(HASH_LEN);
        if contents.len() < HASH_LEN || Sha256::digest(&bytes[..end])[..] != bytes[end..] {
            return Err(wrong("its checksum is wrong"));
        }
        let contents = &contents[..contents.len() - HASH_LEN];
        match postcard::take_from_bytes(contents) {
            Ok((checkpoint, [])) => Ok(checkpoint),
            Ok(_) => Err(wrong("it is too long")),
            Err(error) => Err(wrong(&error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use anabranch_optim::{OptimizerState, PlateauState};

    use super::*;
    use crate::run_state::{BestState, Position};

    fn checkpoint() -> Checkpoint<f32> {
        let odd = f32::from_bits(0x7fa0_1234);
        let run = RunState {
            params: vec![odd, f32::INFINITY, -0.0, 1e-45],
            state: vec![0.1],
            optimizer: OptimizerState {
                steps: u64::MAX,
                moments: [("m".into(), vec![1.5; 4])].into(),
            },
            plateau: PlateauState::default(),
            log_variances: vec![-0.5],
            best: vec![Some(BestState {
                loss: f64::NAN,
                epoch: 3,
                params: vec![odd],
                state: Vec::new(),
            })],
            position: Position {
                epochs: 7,
                batches: 1,
                rows: 16,
                loss_sums: vec![-1e300],
                row_totals: vec![16.0],
                norm_sums: [2.0, 1.0],
                cosine_sums: (vec![-0.5], 1),
            },
            start: None,
            recoveries: 1,
        };
        let begun = MemberState { run: Some(run), history: "one\ntwo\n".into() };
        let members = vec![begun, MemberState { run: None, history: String::new() }];
        Checkpoint { config: "lr = 1\n".into(), data_sha256: "ab".into(), members }
    }

    #[test]
    fn every_bit_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1");
        checkpoint().save(&path).unwrap();
        let back = Checkpoint::<f32>::load(&path).unwrap();
        // NaN is not equal to itself: its bits are.
        let again = dir.path().join("2");
        back.save(&again).unwrap();
        assert_eq!(fs::read(&path).unwrap(), fs::read(&again).unwrap());
        let run = back.members[0].run.as_ref().unwrap();
        assert_eq!(run.params[0].to_bits(), 0x7fa0_1234);
        assert_eq!(run.optimizer.steps, u64::MAX);
        assert_eq!((back.members.len(), &back.members[1].run), (2, &None));
    }

    #[test]
    fn every_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1");
        checkpoint().save(&path).unwrap();
        let good = fs::read(&path).unwrap();
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(Checkpoint::<f32>::load(&path).is_err(), "byte {place}");
            fs::write(&path, &good[..place]).unwrap();
            assert!(Checkpoint::<f32>::load(&path).is_err(), "{place} bytes");
        }
        fs::write(&path, [&good[..], b"1"].concat()).unwrap();
        assert!(Checkpoint::<f32>::load(&path).is_err());
        // Of another kind of number, and no file at all.
        fs::write(&path, &good).unwrap();
        assert!(Checkpoint::<f64>::load(&path).is_err());
        let error = Checkpoint::<f32>::load(&dir.path().join("none")).unwrap_err();
        assert!(matches!(error, CheckpointError::Io { action: "read", .. }));
    }
}
