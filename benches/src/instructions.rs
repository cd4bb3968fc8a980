//! Instructions of a step, counted by callgrind: a figure that does not depend on how busy the
//! machine is.
//!
//! The program runs itself under valgrind for a few steps and for some more; the difference is what
//! the steps take.

use std::env;
use std::process::{Command, Output};

use anabranch_tensor::{Executor, InstructionSet};
use clap::Args;

use crate::Result;
use crate::network::{DROPOUT, Network, Rule};
use crate::report::say;
use crate::shape::Shape;

const FEW_STEPS: u64 = 2;
const MORE_STEPS: u64 = 12;
/// Valgrind is about fifty times slower than the machine: larger steps would take minutes.
const MOST_FLOPS: f64 = 50e6;

/// The command line of the program that valgrind runs.
#[derive(Args, Debug)]
pub(crate) struct ChildArgs {
    #[arg(long)]
    shape: Shape,
    #[arg(long)]
    optimizer: Rule,
    #[arg(long)]
    steps: u64,
}

/// What callgrind counted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// Instructions of one step.
    pub(crate) instructions: u64,
    /// The vector instructions that the program found: valgrind may know fewer than the machine.
    pub(crate) instruction_set: String,
}

/// Counts the instructions of a step in `f32` on one thread; `None` if the step is large or
/// valgrind is not installed.
pub(crate) fn count(shape: Shape, rule: Rule) -> Result<Option<Count>> {
    if shape.flops() > MOST_FLOPS {
        return Ok(None);
    }
    let Some(few) = callgrind(shape, rule, FEW_STEPS)? else { return Ok(None) };
    let Some(more) = callgrind(shape, rule, MORE_STEPS)? else { return Ok(None) };
    let total = collected(&more)?.saturating_sub(collected(&few)?);
    Ok(Some(Count {
        instructions: total / (MORE_STEPS - FEW_STEPS),
        instruction_set: String::from_utf8_lossy(&more.stdout).trim().to_owned(),
    }))
}

/// Runs this program under callgrind; `None` if there is no valgrind.
fn callgrind(shape: Shape, rule: Rule, steps: u64) -> Result<Option<Output>> {
    let started = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["steps-only", "--optimizer", rule.name()])
        .args(["--shape", &shape.to_string(), "--steps", &steps.to_string()])
        .output();
    let Ok(output) = started else { return Ok(None) };
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("valgrind failed: {}", why.trim()).into());
    }
    Ok(Some(output))
}

/// The number after `Collected :` in callgrind's report.
fn collected(output: &Output) -> Result<u64> {
    let report = String::from_utf8_lossy(&output.stderr);
    let counted = report.lines().rev().find_map(|line| line.split_once("Collected :"));
    let count = counted.and_then(|(_, count)| count.trim().parse().ok());
    count.ok_or_else(|| format!("callgrind reported no count: {report}").into())
}

/// The program that valgrind runs: prints which vector instructions it found, and does some steps.
pub(crate) fn run_child(args: &ChildArgs) -> Result<()> {
    say(&format_args!("{}", InstructionSet::detected().name()));
    let exec = Executor::serial();
    let mut network = Network::<f32>::new(&exec, args.shape, args.optimizer, DROPOUT)?;
    (0..args.steps).for_each(|_| network.step(&exec));
    Ok(())
}
