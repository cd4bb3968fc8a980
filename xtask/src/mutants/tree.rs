//! A copy of the tree with all mistakes in it.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use super::Mutant;
use crate::Result;
use crate::cargo::{output, root};

/// What asks the environment, in the copy of the tree.
const WHICH: &str = "
#[doc(hidden)]
#[inline]
pub fn mutant() -> u32 {
    static NUMBER: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *NUMBER.get_or_init(|| std::env::var(\"MUTANT\").map_or(0, |n| n.parse().unwrap_or(0)))
}
";

/// Makes `tree` a copy of the files that git knows, with all mistakes in it.
pub(super) fn copy_tree(tree: &Path, mutants: &[Mutant]) -> Result<()> {
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
pub(super) fn with_mutants(file: &str, text: &str, mutants: &[Mutant]) -> Result<String> {
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
pub(super) fn place(text: &str, mutant: &Mutant) -> Result<Range<usize>> {
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
