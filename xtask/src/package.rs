//! Each crate as its users get it: packaged, unpacked elsewhere, and used by a separate program.
//!
//! The program is the first example in the crate's README. It depends on the packages that the
//! example names and is built outside the workspace, so anything missing from a package (a file, a
//! dependency, a feature that only a sibling turns on) is noticed here and not by the first user.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::cargo::{cargo, output, root, run as call, target_dir};

/// The crate that is a program.
const PROGRAM: &str = "anabranch-cli";

/// A crate that was packaged and unpacked.
struct Package {
    name: String,
    version: String,
    folder: PathBuf,
}

/// Packages all crates, and tries each of them.
pub(crate) fn run() -> Result<()> {
    // What a package lacks shows up below; cargo's own check would build everything once more.
    let flags = ["--workspace", "--no-verify", "--allow-dirty", "--offline", "--quiet"];
    call(cargo(&["package"]).args(flags))?;

    let outside = tempfile::tempdir()?;
    let packages = unpack(outside.path())?;
    for package in &packages {
        println!("-- {}", package.name);
        let n_dependencies = match package.name.as_str() {
            PROGRAM => try_program(package, &packages)?,
            _ => try_library(package, &packages, outside.path())?,
        };
        println!("   runs alone, with {n_dependencies} dependencies");
    }
    Ok(())
}

/// Unpacks the archive of every folder in `crates/`.
fn unpack(outside: &Path) -> Result<Vec<Package>> {
    let mut names: Vec<String> = fs::read_dir(root().join("crates"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    let version = env!("CARGO_PKG_VERSION");
    let mut packages = Vec::new();
    for name in names {
        let archive = target_dir().join(format!("package/{name}-{version}.crate"));
        let mut tar = std::process::Command::new("tar");
        call(tar.arg("-xzf").arg(archive).arg("-C").arg(outside))?;
        let folder = outside.join(format!("{name}-{version}"));
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            if !folder.join(file).is_file() {
                return Err(format!("the package {name} lacks {file}").into());
            }
        }
        packages.push(Package { name, version: version.to_owned(), folder });
    }
    Ok(packages)
}

/// Builds and runs the example in a library's README; returns the number of crates it depends on.
fn try_library(package: &Package, packages: &[Package], outside: &Path) -> Result<usize> {
    let readme = fs::read_to_string(package.folder.join("README.md"))?;
    let example = first_example(&readme)
        .ok_or_else(|| format!("the README of {} has no Rust example", package.name))?;
    let is_used = |other: &&Package| {
        let name = other.name.replace('-', "_");
        identifiers(&example).any(|word| word == name)
    };
    let used = packages.iter().filter(is_used);
    let dependencies: String =
        used.map(|other| format!("{} = \"{}\"\n", other.name, other.version)).collect();
    if !dependencies.contains(&format!("{} = ", package.name)) {
        return Err(format!("the example in the README of {} does not use it", package.name).into());
    }
    let folder = outside.join(format!("try-{}", package.name));
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/main.rs"), program(&example))?;
    fs::write(
        folder.join("Cargo.toml"),
        format!(
            "[package]\nname = \"try-{}\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}",
            package.name
        ),
    )?;
    try_folder(&folder, packages, &[])
}

/// Builds the program from its package, and has it print its version.
fn try_program(package: &Package, packages: &[Package]) -> Result<usize> {
    try_folder(&package.folder, packages, &["--version"])
}

/// Builds and runs the program in `folder`, whose dependencies from this workspace are `packages`.
fn try_folder(folder: &Path, packages: &[Package], args: &[&str]) -> Result<usize> {
    // The same versions of everything else as in the workspace, so that nothing is fetched.
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let command = |subcommand: &str| {
        let mut command = cargo(&[subcommand, "--quiet", "--offline"]);
        command.current_dir(folder).env("CARGO_TARGET_DIR", target_dir().join("packaged"));
        for package in packages.iter().filter(|package| package.folder != folder) {
            let path = package.folder.display();
            command.arg("--config").arg(format!("patch.crates-io.{}.path='{path}'", package.name));
        }
        command
    };
    call(command("run").arg("--").args(args).stdout(std::process::Stdio::null()))?;
    let tree = output(command("tree").args(["--edges", "normal", "--prefix", "none"]))?;
    Ok(n_dependencies(&tree))
}

/// The number of different crates below the first line of what `cargo tree --prefix none` prints.
fn n_dependencies(tree: &str) -> usize {
    let name_and_version = |line: &str| -> Vec<String> {
        line.split_whitespace().take(2).map(ToOwned::to_owned).collect()
    };
    let crates: BTreeSet<_> = tree.lines().skip(1).map(name_and_version).collect();
    crates.len()
}

/// The first Rust block in a page, without the marks of hidden lines.
fn first_example(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("\n```rust\n")?;
    let (example, _) = rest.split_once("\n```")?;
    let visible = |line: &str| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n";
    Some(example.lines().map(visible).collect())
}

/// `example` as a program, the way rustdoc makes one.
fn program(example: &str) -> String {
    if example.contains("fn main()") {
        return example.to_owned();
    }
    let (returns, result) = match example.lines().last() {
        Some(last) if last.trim_start().starts_with("Ok") => {
            ("Result<(), impl std::fmt::Debug>", ".unwrap()")
        }
        _ => ("()", ""),
    };
    format!(
        "fn main() {{\n    example(){result};\n}}\n\nfn example() -> {returns} {{\n{example}}}\n"
    )
}

fn identifiers(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_becomes_a_program() {
        let page = "# a\n\n```toml\nx = 1\n```\n\n```rust\nlet a = f()?;\n# Ok::<(), E>(())\n```\n";
        let example = first_example(page).unwrap();
        assert_eq!(example, "let a = f()?;\nOk::<(), E>(())\n");
        let program = program(&example);
        assert!(program.contains("example().unwrap();"), "{program}");
        assert!(program.ends_with("let a = f()?;\nOk::<(), E>(())\n}\n"), "{program}");
        assert_eq!(first_example("# a\n\n```toml\nx = 1\n```\n"), None);
    }

    #[test]
    fn a_crate_that_comes_twice_is_counted_once() {
        let tree = "try-x v0.0.0 (/x)\na v1.0.0 (/a)\nb v1.0.0\na v1.0.0 (/a) (*)\nb v2.0.0\n";
        assert_eq!(n_dependencies(tree), 3);
    }
}
