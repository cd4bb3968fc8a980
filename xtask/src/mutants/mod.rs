//! Mistakes on purpose: each must be noticed by the check that is named beside it.
//!
//! The mistakes are listed in `xtask/mutants/*.toml`: a file, an expression in it (`before`, found
//! once in the file, or once `within` a piece that is), what is put in its place (`after`), and who
//! has to notice (`caught_by`). All of them are built into one copy of the tree, as
//! `if mutant() == N { after } else { before }`, so that one build serves all; which of them is
//! wrong is asked of the environment at run time.

mod checks;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use serde::Deserialize;

use crate::Result;
use crate::cargo::{root, target_dir};
use checks::{Checks, Outcome};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    mutant: Vec<Mutant>,
}

/// A mistake.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    name: String,
    file: String,
    before: String,
    after: String,
    /// Where `before` is found once, if it is not in the whole file.
    within: Option<String>,
    /// Each of them has to notice.
    caught_by: Vec<String>,
}

/// Every mistake whose name or file contains one of `words`; all, if there are none.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let mutants = list()?;
    let is_meant = |m: &Mutant| {
        words.is_empty() || words.iter().any(|word| m.name.contains(word) || m.file.contains(word))
    };
    let meant = || mutants.iter().enumerate().filter(|(_, mutant)| is_meant(mutant));
    if meant().next().is_none() {
        return Err(format!("no mistake is called {words:?}").into());
    }
    let folder = target_dir().join("mutants");
    fs::create_dir_all(&folder)?;
    // A second call would build other mistakes under the same numbers.
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    tree::copy_tree(&folder.join("tree"), &mutants)?;
    let names: BTreeSet<&str> =
        meant().flat_map(|(_, mutant)| &mutant.caught_by).map(String::as_str).collect();
    let start = Instant::now();
    let checks = Checks::build(&folder, &names)?;
    println!("-- built in {:.0} s", start.elapsed().as_secs_f64());

    let names: Vec<&str> = names.into_iter().collect();
    let mut alarms = Vec::new();
    in_parallel(
        &names,
        |check| checks.run(check, 0),
        |check, outcome| {
            println!("-- {check}, without a mistake: {:.1} s", outcome.seconds);
            alarms.extend(outcome.failure.map(|why| format!("{check} fails: {why}")));
        },
    )?;
    if !alarms.is_empty() {
        return Err(format!("without a mistake, {}", alarms.join("\n")).into());
    }

    let judgements: Vec<(usize, &Mutant, &str)> = meant()
        .flat_map(|(i, mutant)| mutant.caught_by.iter().map(move |check| (i + 1, mutant, &**check)))
        .collect();
    let mut survivors = Vec::new();
    in_parallel(
        &judgements,
        |(number, _, check)| checks.run(check, *number),
        |(_, Mutant { name, .. }, check), Outcome { failure, seconds }| {
            let verdict = if failure.is_some() { "noticed" } else { "NOT NOTICED" };
            println!("{verdict} by {check} in {seconds:.1} s: {name}");
            if failure.is_none() {
                survivors.push(format!("{name} ({check})"));
            }
        },
    )?;
    if survivors.is_empty() {
        println!("all {} mistakes are noticed", meant().count());
        return Ok(());
    }
    Err(format!("{} not noticed: {}", survivors.len(), survivors.join("; ")).into())
}

/// Does `work` for each item, on as many threads as there are cores, and tells of each in order.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> std::io::Result<R> + Sync,
    mut tell: impl FnMut(&T, R),
) -> Result<()> {
    let n_threads = thread::available_parallelism()?.get();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..n_threads {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { break };
                    // Nobody listens any more after an error.
                    if sender.send((i, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let (mut early, mut told) = (BTreeMap::new(), 0);
        for (i, result) in results {
            early.insert(i, result?);
            while let Some(result) = early.remove(&told) {
                tell(&items[told], result);
                told += 1;
            }
        }
        Ok(())
    })
}

/// The mistakes of all lists, in the order of the files.
fn list() -> Result<Vec<Mutant>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("xtask/mutants"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.sort();
    let mut mutants = Vec::new();
    for path in paths {
        let list: List = toml::from_str(&fs::read_to_string(&path)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        mutants.extend(list.mutant);
    }
    Ok(mutants)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tree::{place, with_mutants};

    /// A list that no longer fits the tree is noticed before it is run.
    #[test]
    fn every_mistake_has_its_place() {
        let mutants = list().unwrap();
        assert!(mutants.len() > 50);
        let names: BTreeSet<&str> = mutants.iter().map(|mutant| &*mutant.name).collect();
        assert_eq!(names.len(), mutants.len(), "each name is given once");
        let mut lost = Vec::new();
        for mutant in &mutants {
            let text = fs::read_to_string(root().join(&mutant.file)).unwrap_or_default();
            match place(&text, mutant) {
                Ok(place) => assert_ne!(text[place], *mutant.after, "{}", mutant.name),
                Err(error) => lost.push(error.to_string()),
            }
            assert!(!mutant.caught_by.is_empty(), "{}", mutant.name);
        }
        assert!(lost.is_empty(), "{}", lost.join("\n"));
        let files: BTreeSet<&str> = mutants.iter().map(|mutant| &*mutant.file).collect();
        for file in files {
            let text = fs::read_to_string(root().join(file)).unwrap();
            with_mutants(file, &text, &mutants).unwrap();
        }
    }
}
