//! Mistakes on purpose: each must be noticed by the check that is named beside it.
//!
//! The mistakes are listed in `xtask/mutants/*.toml`: a file, an expression in it (`before`, found
//! once in the file, or once `within` a piece that is), what is put in its place (`after`), and who
//! has to notice (`caught_by`). All of them are built into one copy of the tree, as
//! `if mutant() == N { after } else { before }`, so that one build serves all; which of them is
//! wrong is asked of the environment at run time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::Result;
use crate::cargo::{cargo, output, root, target_dir};

/// A check that takes longer has run into the mistake as into a wall.
const PATIENCE: Duration = Duration::from_secs(60);

/// What asks the environment, in the copy of the tree.
const WHICH: &str = "
#[doc(hidden)]
pub fn mutant() -> u32 {
    static NUMBER: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *NUMBER.get_or_init(|| std::env::var(\"MUTANT\").map_or(0, |n| n.parse().unwrap_or(0)))
}
";

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
    let tree = target_dir().join("mutants/tree");
    copy_tree(&tree, &mutants)?;
    let names: BTreeSet<&String> = meant().flat_map(|(_, mutant)| &mutant.caught_by).collect();
    for name in &names {
        println!("-- {name}, without a mistake");
        if let Some(why) = notices(&tree, name, 0)? {
            return Err(format!("{name} fails without a mistake: {why}").into());
        }
    }
    let mut survivors = Vec::new();
    for (i, mutant) in meant() {
        for check in &mutant.caught_by {
            let start = Instant::now();
            let is_noticed = notices(&tree, check, i + 1)?.is_some();
            let verdict = if is_noticed { "noticed" } else { "NOT NOTICED" };
            let seconds = start.elapsed().as_secs_f64();
            println!("{verdict} by {check} in {seconds:.1} s: {}", mutant.name);
            if !is_noticed {
                survivors.push(format!("{} ({check})", mutant.name));
            }
        }
    }
    if survivors.is_empty() {
        println!("all {} mistakes are noticed", meant().count());
        return Ok(());
    }
    Err(format!("{} not noticed: {}", survivors.len(), survivors.join("; ")).into())
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

/// Whether a check notices mistake `number`: how it failed, if it did.
fn notices(tree: &Path, check: &str, number: usize) -> Result<Option<String>> {
    let program = ["run", "--quiet", "--package", "anabranch-cli", "--"];
    let cli = ["test", "--quiet", "--package", "anabranch-cli", "--test", "cli", "--"];
    let words = match check {
        "gradcheck" => [&program[..], &["gradcheck"]].concat(),
        "traces" => [&cli[..], &["traces::"]].concat(),
        "checks" => [&cli[..], &["checks::"]].concat(),
        "flags" => [&cli[..], &["flags::"]].concat(),
        "inspecting" => [&cli[..], &["inspecting::"]].concat(),
        "numbers" => [&cli[..], &["numbers::"]].concat(),
        "resume" => [&cli[..], &["resume::"]].concat(),
        "sweeping" => [&cli[..], &["sweeping::"]].concat(),
        "program" => cli[..cli.len() - 1].to_vec(),
        "oracle" => vec!["test", "--quiet", "--package", "anabranch-verify", "--test", "oracle"],
        package => vec!["test", "--quiet", "--package", package, "--lib", "--tests"],
    };
    let mut command: Command = cargo(&words);
    command.current_dir(tree).env("CARGO_TARGET_DIR", target_dir().join("mutants/target"));
    command.env("RUSTFLAGS", "--cap-lints=allow").env("MUTANT", number.to_string());
    // The build is not the check's to pay for.
    if number == 0 {
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = said + &String::from_utf8_lossy(&output.stdout);
        return Ok((!output.status.success()).then_some(said));
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((!status.success()).then(|| status.to_string()));
        }
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(Some("it does not end".to_owned()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes `tree` a copy of the files that git knows, with all mistakes in it.
fn copy_tree(tree: &Path, mutants: &[Mutant]) -> Result<()> {
    // Of the last copy, what is as it was moves over and is not built again.
    let last = tree.with_extension("last");
    fs::create_dir_all(tree)?;
    if last.exists() {
        fs::remove_dir_all(&last)?;
    }
    fs::rename(tree, &last)?;
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    for file in output(&mut git)?.lines() {
        let from = root().join(file);
        let Ok(mut contents) = fs::read(&from) else { continue };
        if file.ends_with(".rs") {
            let text = String::from_utf8(contents)?;
            let mut text = with_mutants(file, &text, mutants)?;
            if file == "crates/anabranch-tensor/src/lib.rs" {
                text += WHICH;
            }
            contents = text.into_bytes();
        }
        let (to, old) = (tree.join(file), last.join(file));
        fs::create_dir_all(to.parent().unwrap_or(tree))?;
        if fs::read(&old).is_ok_and(|old| old == contents) {
            fs::rename(old, to)?;
        } else {
            fs::write(to, contents)?;
        }
    }
    Ok(fs::remove_dir_all(last)?)
}

/// The text of a file with its mistakes, which are numbered from 1.
fn with_mutants(file: &str, text: &str, mutants: &[Mutant]) -> Result<String> {
    let mut by_place: BTreeMap<(usize, usize), Vec<(usize, &Mutant)>> = BTreeMap::new();
    for (i, mutant) in mutants.iter().enumerate().filter(|(_, mutant)| mutant.file == file) {
        let Range { start, end } = place(text, mutant)?;
        by_place.entry((start, end)).or_default().push((i + 1, mutant));
    }
    let which = match file.split('/').nth(1) {
        Some("anabranch-tensor") => "crate::mutant()",
        Some("anabranch-cli") => "anabranch::tensor::mutant()",
        _ => "anabranch_tensor::mutant()",
    };
    let (mut mutated, mut done) = (String::new(), 0);
    for ((start, end), mutants) in by_place {
        if start < done {
            return Err(format!("{file}: mistakes overlap at {:?}", &text[start..end]).into());
        }
        mutated += &text[done..start];
        mutated += "(";
        for (number, mutant) in mutants {
            mutated += &format!("if {which} == {number} {{ {} }} else ", mutant.after);
        }
        mutated += &format!("{{ {} }})", &text[start..end]);
        done = end;
    }
    Ok(mutated + &text[done..])
}

/// Where `before` is.
fn place(text: &str, mutant: &Mutant) -> Result<Range<usize>> {
    let once = |text: &str, part: &str| -> Result<usize> {
        let mut places = text.match_indices(part);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => Ok(place),
            (found, _) => {
                let how = if found.is_none() { "not" } else { "more than once" };
                let Mutant { name, file, .. } = mutant;
                Err(format!("{name:?}: {part:?} is {how} in {file}").into())
            }
        }
    };
    let (outer, part) = match &mutant.within {
        Some(within) => (once(text, within)?, &**within),
        None => (0, text),
    };
    let start = outer + once(part, &mutant.before)?;
    Ok(start..start + mutant.before.len())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn mistakes_in_one_place_are_alternatives() {
        let mutant = |after: &str| Mutant {
            name: after.into(),
            file: "crates/a/src/b.rs".into(),
            before: "x + y".into(),
            after: after.into(),
            within: Some("z = x + y;".into()),
            caught_by: vec!["traces".into()],
        };
        let text = "w = x + y; z = x + y;";
        let mutated = with_mutants("crates/a/src/b.rs", text, &[mutant("x"), mutant("y")]).unwrap();
        let which = "anabranch_tensor::mutant()";
        let expected = format!(
            "w = x + y; z = (if {which} == 1 {{ x }} else if {which} == 2 {{ y }} else {{ x + y }});"
        );
        assert_eq!(mutated, expected);
        let twice = Mutant { within: None, ..mutant("x") };
        let error = with_mutants("crates/a/src/b.rs", text, &[twice]).unwrap_err();
        assert!(error.to_string().contains("more than once"), "{error}");
    }
}
