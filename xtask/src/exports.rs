//! Exported models in the programs they are for: `xtask/exports/check.py`, in a Python environment
//! of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::cargo::{cargo, root, run as call, target_dir};

/// Builds the program, and has its exports checked against it.
pub(crate) fn run() -> Result<()> {
    call(&mut cargo(&["build", "--quiet", "--package", "anabranch-cli"]))?;
    let program = target_dir().join("debug/anabranch");
    let folder = root().join("xtask/exports");
    let python = environment(&folder.join("requirements.txt"))?;
    let check = || {
        let mut check = Command::new(&python);
        check.arg(folder.join("check.py")).arg(&program);
        check
    };
    call(&mut check())?;
    // What no flag of the program asks for.
    let made = tempfile::tempdir()?;
    let example = ["run", "--quiet", "--package", "anabranch-export", "--example"];
    call(cargo(&example).args(["01-every-layer", "--"]).arg(made.path()))?;
    let [model, table] = ["grapes.safetensors", "grapes.csv"].map(|file| made.path().join(file));
    call(check().arg("--model").args([model, table]))
}

/// The Python of an environment with these packages, which is made if there is none.
fn environment(requirements: &Path) -> Result<PathBuf> {
    let folder = target_dir().join("exports-environment");
    let python = folder.join("bin/python");
    // What was installed last, once it was installed whole.
    let installed = folder.join("requirements.txt");
    if fs::read(&installed).is_ok_and(|old| fs::read(requirements).is_ok_and(|new| new == old)) {
        return Ok(python);
    }
    let venv = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).status();
    if !venv.is_ok_and(|status| status.success()) {
        return Err("this stage needs python3 with its module venv: install it".into());
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    call(pip.arg(requirements))?;
    fs::copy(requirements, installed)?;
    Ok(python)
}
