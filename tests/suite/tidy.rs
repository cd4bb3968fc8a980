//! The house rules: levels of crates, what may be named where, and that ARCHITECTURE.md tells the
//! truth.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::source::{identifiers, without_comments_and_strings};

/// The crates from the ground up: a crate may use those on lower levels only.
const LEVELS: [&[&str]; 6] = [
    &["anabranch-tensor"],
    &["anabranch-layers", "anabranch-optim", "anabranch-data", "anabranch-audit"],
    &["anabranch-graph"],
    &["anabranch-train", "anabranch-verify"],
    &["anabranch", "anabranch-export", "anabranch-report"],
    &["anabranch-cli"],
];

/// The level that may print, ask for the time and read the environment.
const CLI_LEVEL: usize = 5;

/// Invariants that ARCHITECTURE.md must at least have: those of the design.
const MIN_INVARIANTS: usize = 9;

/// Longest line of a comment or page, in characters; rustfmt holds the code to as many.
const MAX_COLUMNS: usize = 100;

/// Longest source file in lines.
const MAX_LINES: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn level(name: &str) -> Option<usize> {
    LEVELS.iter().position(|names| names.contains(&name))
}

/// The folders in `crates/`, by name.
fn crates() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(root().join("crates")).unwrap();
    let mut crates: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    crates.sort();
    assert!(!crates.is_empty());
    crates
}

/// All Rust files below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// All Rust files of the workspace. `benches/peers` holds programs of other workspaces.
fn workspace_files() -> Vec<PathBuf> {
    let folders = ["crates", "tests", "benches/src", "xtask"];
    let files: Vec<_> =
        folders.iter().flat_map(|folder| rust_files(&root().join(folder))).collect();
    assert!(files.len() > 50, "only {} Rust files found", files.len());
    files
}

/// The dependencies of a package, and the development ones.
fn dependencies(manifest: &Path) -> [Vec<String>; 2] {
    let table: toml::Table = read(manifest).parse().unwrap();
    for other in ["build-dependencies", "target"] {
        assert!(!table.contains_key(other), "{}: [{other}] is not looked at", manifest.display());
    }
    ["dependencies", "dev-dependencies"].map(|key| match table.get(key) {
        Some(dependencies) => dependencies.as_table().unwrap().keys().cloned().collect(),
        None => Vec::new(),
    })
}

#[test]
fn crates_depend_on_lower_levels_only() {
    let named: BTreeSet<&str> = LEVELS.iter().copied().flatten().copied().collect();
    let found: BTreeSet<String> = crates().into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, named.iter().map(|name| (*name).to_owned()).collect());
    for (name, path) in crates() {
        let manifest = path.join("Cargo.toml");
        let table: toml::Table = read(&manifest).parse().unwrap();
        assert_eq!(table["package"]["name"].as_str(), Some(name.as_str()), "folder and package");
        for dependency in dependencies(&manifest).concat() {
            if !dependency.starts_with("anabranch") {
                continue;
            }
            let allowed = level(&dependency) < level(&name) && level(&dependency).is_some();
            assert!(allowed, "{name} depends on {dependency}, which is not on a lower level");
        }
    }
}

#[test]
fn unsafe_and_threads_stay_where_they_belong() {
    for (name, path) in crates() {
        let uses_rayon = dependencies(&path.join("Cargo.toml")).concat().contains(&"rayon".into());
        assert!(!uses_rayon || name == "anabranch-tensor", "{name} depends on rayon");
    }
    // The counting allocator, in a package that no crate uses.
    let allocator = root().join("tests/src/lib.rs");
    let tensor = root().join("crates/anabranch-tensor");
    let executor = tensor.join("src/parallel/executor.rs");
    let other_pools = tensor.join("tests/nested_pools.rs");
    for file in workspace_files() {
        let text = without_comments_and_strings(&read(&file));
        let names = |word: &str| identifiers(&text).any(|identifier| identifier == word);
        let place = file.display();
        let is_allowed = file == executor || file == other_pools;
        assert!(!names("rayon") || is_allowed, "{place} names rayon");
        assert!(
            !names("unsafe") || file == allocator || file.starts_with(&tensor),
            "{place}: unsafe"
        );
    }
    // The words are found where they are.
    let executor = without_comments_and_strings(&read(&executor));
    assert!(identifiers(&executor).any(|word| word == "rayon"));
    let allocator = without_comments_and_strings(&read(&allocator));
    assert!(identifiers(&allocator).any(|word| word == "unsafe"));
}

#[test]
fn nothing_below_the_program_prints_or_reads_the_clock() {
    let macros = ["print!", "println!", "eprint!", "eprintln!", "dbg!"];
    let paths = ["std::time", "std::env", "io::stdout", "io::stderr", "io::stdin", "process::exit"];
    for (name, path) in crates() {
        if level(&name) >= Some(CLI_LEVEL) {
            continue;
        }
        for file in rust_files(&path.join("src")) {
            let text = without_comments_and_strings(&read(&file));
            // `use std::{env, time}` would hide from a search for paths.
            let grouped = ["env", "time"].iter().find(|module| {
                let uses =
                    text.split("use std::{").skip(1).filter_map(|rest| rest.split(';').next());
                uses.flat_map(identifiers).any(|word| word == **module)
            });
            assert_eq!(grouped, None, "{}", file.display());
            for banned in macros {
                let word = banned.trim_end_matches('!');
                let found = text
                    .match_indices(banned)
                    .any(|(at, _)| identifiers(&text[..at + word.len()]).last() == Some(word));
                assert!(!found, "{}: {banned}", file.display());
            }
            for banned in paths {
                assert!(!text.contains(banned), "{}: {banned}", file.display());
            }
        }
    }
}

/// The functions of the standard library whose last bit is the platform's. (`sqrt` and `mul_add`
/// are rounded correctly everywhere.)
const PLATFORM_FUNCTIONS: [&str; 27] = [
    "exp", "exp2", "exp_m1", "ln", "ln_1p", "log", "log2", "log10", "sin", "cos", "tan", "sin_cos",
    "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "powf",
    "powi", "cbrt", "hypot", "gamma",
];

/// The calls in `code` of [`PLATFORM_FUNCTIONS`], as methods, or as functions of `f32` and `f64`.
fn platform_calls(code: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let callee = |(at, _): (usize, &str)| {
        let before = code[..at].trim_end();
        let name = &before[before.rfind(|c| !is_word(c)).map_or(0, |at| at + 1)..];
        let owner = before[..before.len() - name.len()].trim_end();
        let is_platform = owner.ends_with('.')
            || owner
                .strip_suffix("::")
                .is_some_and(|path| path.ends_with("f32") || path.ends_with("f64"));
        (is_platform && PLATFORM_FUNCTIONS.contains(&name)).then_some(name)
    };
    code.match_indices('(').filter_map(callee).collect()
}

/// A result must not depend on the system's mathematical library: what trains and predicts calls
/// the functions of `Scalar` and of libm. As paths, `T::exp(x)`: on an `f64`, the standard
/// library's method `x.exp()` shadows `Scalar`'s. The checks of `anabranch-verify` and
/// `anabranch-audit` compare within tolerances, and may use what they like.
#[test]
fn no_result_depends_on_the_systems_mathematical_library() {
    for (name, path) in crates() {
        let checks = ["anabranch-verify", "anabranch-audit"].contains(&name.as_str());
        if level(&name) >= Some(CLI_LEVEL) || checks {
            continue;
        }
        let is_test = |file: &PathBuf| file.ends_with("tests.rs");
        for file in rust_files(&path.join("src")).into_iter().filter(|file| !is_test(file)) {
            let text = without_comments_and_strings(&read(&file));
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            assert_eq!(platform_calls(code), [""; 0], "{}", file.display());
        }
    }
    assert_eq!(platform_calls("x.exp() + f64::ln(y) + (a + b) .powi(2)"), ["exp", "ln", "powi"]);
    assert_eq!(platform_calls("T::exp(x) + libm::cos(x) + x.sqrt() + iter.log_all()"), [""; 0]);
}

#[test]
fn files_are_short_and_say_what_they_hold() {
    for file in workspace_files() {
        let (place, lines) = (file.display(), read(&file).lines().count());
        assert!(lines <= MAX_LINES, "{place} has {lines} lines: one idea a file");
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let parent = file.parent().unwrap().file_name().unwrap().to_str().unwrap();
        for vague in ["utils", "util", "common", "helpers", "helper", "misc"] {
            assert!(stem != vague && parent != vague, "{place}: name the idea");
        }
    }
}

/// The numbers of the lines of prose in `source` that should have been broken: longer than
/// [`MAX_COLUMNS`], with a space to break them at, and neither a table nor code. Prose is what
/// follows `mark`: `//` in Rust, nothing in Markdown.
fn long_lines(source: &str, mark: &str) -> Vec<usize> {
    let mut is_code = false;
    let mut is_long = |line: &str| {
        let Some(prose) = line.trim_start().strip_prefix(mark) else { return false };
        let text = prose.trim_start_matches(['/', '!']).trim();
        is_code ^= text.starts_with("```");
        line.chars().count() > MAX_COLUMNS
            && text.contains(' ')
            && !(is_code || text.starts_with('|') || text.starts_with("```"))
    };
    (1..).zip(source.lines()).filter(|(_, line)| is_long(line)).map(|(number, _)| number).collect()
}

#[test]
fn prose_wraps_where_the_code_does() {
    for file in workspace_files() {
        assert_eq!(long_lines(&read(&file), "//"), [0; 0], "{}", file.display());
    }
    let crates = crates().into_iter().map(|(_, path)| path);
    let folders = [root().to_owned(), root().join("docs")].into_iter().chain(crates);
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let pages = files.map(|file| file.unwrap().path()).filter(|path| {
        // Entries of the changelog are added by everybody.
        path.extension().is_some_and(|end| end == "md") && !path.ends_with("CHANGELOG.md")
    });
    let n_pages = pages
        .inspect(|page| assert_eq!(long_lines(&read(page), ""), [0; 0], "{}", page.display()))
        .count();
    assert!(n_pages > 15, "only {n_pages} pages found");

    let (words, word) = ("word ".repeat(20), "w".repeat(MAX_COLUMNS));
    let source = format!(
        "//! {words}\n// |{words}|\n/// ```\n/// {words}\n/// ```\n    // {words}\n// {word}\nlet x = \"{words}\";\n"
    );
    assert_eq!(long_lines(&source, "//"), [1, 6]);
    assert_eq!(long_lines(&source, ""), [1, 6, 8]);
}

#[test]
fn no_test_is_switched_off() {
    for file in workspace_files() {
        let text = without_comments_and_strings(&read(&file));
        assert!(!text.contains("#[ignore"), "{}", file.display());
    }
}

/// On the page of a type, that is: a module that nobody can name has no page.
#[test]
fn every_layer_and_loss_shows_its_derivation() {
    let mut n_files = 0;
    for file in rust_files(&root().join("crates/anabranch-layers/src")) {
        let source = read(&file);
        let code = without_comments_and_strings(&source);
        let is_part = |of: &str| code.contains(&format!("impl<T: Scalar> {of}<T> for "));
        if is_part("RowWise") || is_part("WholeBatch") || is_part("Loss") && !code.contains("Box<")
        {
            assert!(source.contains("\n/// # Derivation"), "{}", file.display());
            n_files += 1;
        }
    }
    assert!(n_files >= 14, "only {n_files} files of layers and losses found");
}

/// The cells of a row of a Markdown table.
fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// The rows of the one table with these column heads.
fn table<'a>(text: &'a str, heads: &[&str]) -> Vec<Vec<&'a str>> {
    let is_row = |line: &&str| line.starts_with('|');
    let mut lines = text.lines().skip_while(|line| !is_row(line) || cells(line) != heads);
    assert!(lines.next().is_some(), "ARCHITECTURE.md has no table {heads:?}");
    // After the heads, a line of dashes.
    let rows: Vec<_> = lines.take_while(is_row).skip(1).map(cells).collect();
    for row in &rows {
        assert_eq!(row.len(), heads.len(), "{row:?}");
    }
    rows
}

/// What lies between backticks.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Each library's README names what the library depends on, if only as "the Anabranch crates".
#[test]
fn readmes_name_the_dependencies() {
    for (name, path) in crates().into_iter().filter(|(name, _)| level(name) < Some(CLI_LEVEL)) {
        let readme = read(&path.join("README.md"));
        let (_, rest) = readme.split_once("Dependencies: ").expect("a list of dependencies");
        let named: BTreeSet<&str> = code(rest.split_once('.').unwrap().0).into_iter().collect();
        let [dependencies, _] = dependencies(&path.join("Cargo.toml"));
        let is_named = |name: &&str| !name.starts_with("anabranch") || named.contains(name);
        let found = dependencies.iter().map(String::as_str).filter(is_named).collect();
        assert_eq!(named, found, "{name}");
    }
}

/// Whether the Rust file at `path` has a test called `function`.
fn check_test(path: &str, function: &str) -> Result<(), String> {
    if !(path.starts_with("tests/") || path.starts_with("crates/")) || !path.ends_with(".rs") {
        return Err(format!("`{path}` is not a Rust file in tests/ or crates/"));
    }
    let text = fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"))?;
    let text = without_comments_and_strings(&text);
    let signature = format!("fn {function}(");
    let (before, _) =
        text.split_once(&signature).ok_or_else(|| format!("{path} has no function {function}"))?;
    match before.trim_end().ends_with("#[test]") {
        true => Ok(()),
        false => Err(format!("{path}: {function} is not a test")),
    }
}

/// The crates of ARCHITECTURE.md are those that exist, on their levels, and every invariant names,
/// as `` `path.rs` `test` ``, tests that exist.
#[test]
fn the_architecture_page_is_true() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let on_page: BTreeSet<(String, &str)> = table(&text, &["level", "crate", "what it is"])
        .into_iter()
        .map(|row| (row[0].to_owned(), *code(row[1]).first().expect("a crate's name")))
        .collect();
    let with_level = |(level, names): (usize, &&[&'static str])| {
        names.iter().map(move |name| (level.to_string(), *name)).collect::<Vec<_>>()
    };
    assert_eq!(on_page, LEVELS.iter().enumerate().flat_map(with_level).collect());

    let rows = table(&text, &["n", "invariant", "test"]);
    assert!(rows.len() >= MIN_INVARIANTS, "only {} invariants", rows.len());
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row[0], (i + 1).to_string(), "invariants are numbered from 1: {row:?}");
        let names = code(row[2]);
        assert!(
            !names.is_empty() && names.len().is_multiple_of(2),
            "pairs of path and test: {row:?}"
        );
        for pair in names.chunks_exact(2) {
            if let Err(problem) = check_test(pair[0], pair[1]) {
                panic!("ARCHITECTURE.md, invariant {}: {problem}", i + 1);
            }
        }
    }

    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    for word in text.split(|c: char| !is_name(c)).filter(|word| word.starts_with("anabranch-")) {
        let is_package = ["anabranch-tests", "anabranch-benches"].contains(&word);
        assert!(is_package || level(word).is_some(), "ARCHITECTURE.md names {word}: no such crate");
    }
}

/// The check above can fail.
#[test]
fn tests_that_are_gone_are_missed() {
    let this = "tests/suite/tidy.rs";
    assert_eq!(check_test(this, "tests_that_are_gone_are_missed"), Ok(()));
    for (path, function) in [
        ("suite/tidy.rs", "tests_that_are_gone_are_missed"),
        ("tests/suite/gone.rs", "tests_that_are_gone_are_missed"),
        (this, "gone"),
        (this, "check_test"),
    ] {
        assert!(check_test(path, function).is_err(), "{path} {function}");
    }
}
