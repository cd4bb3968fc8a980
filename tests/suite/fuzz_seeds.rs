//! Every seed of the fuzz targets goes through the function that fuzzing calls, so that it is known
//! to be fit for that, and what fuzzing once found stays mended.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::fuzz::TARGETS;

/// The names in a folder of `fuzz/`, without their extensions.
fn names(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_target_has_a_file_and_seeds() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}

#[test]
fn every_seed_is_digested() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let seeds: Vec<Vec<u8>> = entries.map(|path| fs::read(path).unwrap()).collect();
        assert!(!seeds.is_empty(), "{name}");
        for seed in seeds {
            target(&seed);
            // Cut, as files are.
            target(&seed[..seed.len() / 2]);
        }
    }
}
