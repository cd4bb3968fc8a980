//! The suite `train`: from a CSV file to a trained model and its test scores, next to plain
//! PyTorch.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use anabranch_data::{Fractions, Prepared, Table, TargetColumns, prepare};
use anabranch_graph::{Fusion, TwoBranch};
use anabranch_optim::{OptimizerKind, ScheduleKind};
use anabranch_tensor::Executor;
use anabranch_train::{NoObserver, TaskBalance, TrainConfig, Trainer, Watch};
use serde_json::{Value, json};

use crate::Result;
use crate::generate::{self, CLASSIFY, REGRESS};
use crate::memory;
use crate::peers;
use crate::report::{Report, digits, say, write_json};
use crate::timing::median;

const HIDDEN: [usize; 2] = [128, 64];
const BATCH_SIZE: usize = 256;
const DROPOUT: f64 = 0.1;
const LEARNING_RATE: f64 = 1e-3;
const FRACTIONS: Fractions = Fractions { validation: 0.1, test: 0.2 };
/// Epochs of the program on the built-in table.
const WINE_EPOCHS: &str = "30";

/// Options of `train`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// CSV file [default: a generated one with 54,000 rows]
    #[arg(long, value_name = "FILE", requires = "regress", requires = "classify")]
    data: Option<PathBuf>,
    /// Column of numbers to predict
    #[arg(long, value_name = "COLUMN", requires = "data")]
    regress: Option<String>,
    /// Column of classes to predict
    #[arg(long, value_name = "COLUMN", requires = "data")]
    classify: Option<String>,
    /// Rows of the generated file
    #[arg(long, default_value_t = 54_000)]
    rows: usize,
    /// Passes over the training rows
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Threads for both [default: one for each core]
    #[arg(long, default_value_t = cores(), hide_default_value = true)]
    threads: usize,
    /// Runs of each, in turn; the medians count
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Python with PyTorch [default: the one in benches/peers/venv, else python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Write the results here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// One run: seconds and scores.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// From the file to matrices.
    load: f64,
    /// Training, with validation after each epoch.
    train: f64,
    r2: f64,
    accuracy: f64,
}

impl Run {
    fn seconds(&self) -> f64 {
        self.load + self.train
    }
}

/// What is trained.
#[derive(Debug)]
struct Task<'a> {
    file: &'a Path,
    regress: &'a str,
    classify: &'a str,
    epochs: usize,
    threads: usize,
}

/// Sizes of what was trained.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    rows: usize,
    inputs: usize,
    parameters: usize,
}

/// Runs the suite.
pub(crate) fn run(args: &Args) -> Result<()> {
    let generated = tempfile::Builder::new().suffix(".csv").tempfile()?;
    let task = match (&args.data, &args.regress, &args.classify) {
        (Some(file), Some(regress), Some(classify)) => {
            Task { file, regress, classify, ..task(args) }
        }
        _ => {
            fs::write(generated.path(), generate::csv(args.rows))?;
            Task { file: generated.path(), ..task(args) }
        }
    };
    let before = memory::resident_bytes();
    let (first, sizes) = ours(&task)?;
    let peak = memory::peak_bytes().zip(before).map(|(peak, before)| peak.saturating_sub(before));

    let python = peers::python(args.python.as_deref());
    let (mut our_runs, mut their_runs, mut peer_is_there) = (vec![first], Vec::new(), true);
    for repeat in 0..args.repeats.max(1) {
        if repeat > 0 {
            our_runs.push(ours(&task)?.0);
        }
        if !peer_is_there {
            continue;
        }
        match theirs(&task, &python) {
            Ok(run) => their_runs.push(run),
            Err(error) => {
                eprintln!("PyTorch is skipped: {error}; to get it, see benches/peers/README.md");
                peer_is_there = false;
            }
        }
    }
    let ratios: Vec<f64> =
        our_runs.iter().zip(&their_runs).map(|(us, them)| them.seconds() / us.seconds()).collect();
    let ratio = (!ratios.is_empty()).then(|| median(&ratios));
    say(&format_args!(
        "{} rows, {} inputs, {} parameters",
        sizes.rows, sizes.inputs, sizes.parameters
    ));
    report(&our_runs, &their_runs, ratio).print();
    if let Some(peak) = peak {
        say(&format_args!("\nPeak memory of our first run: {} MB", digits(peak as f64 / 1e6)));
    }
    let program = program_on_wine(args.threads)?;
    let record = json!({
        "suite": "train",
        "case": if args.data.is_some() { "file" } else { "generated" },
        "threads": args.threads,
        "epochs": args.epochs,
        "rows": sizes.rows,
        "inputs": sizes.inputs,
        "parameters": sizes.parameters,
        "seconds": of(&our_runs, Run::seconds),
        "anabranch": summary(&our_runs),
        "torch": summary(&their_runs),
        "ratio": ratio,
        "peak_bytes": peak,
        "program_on_wine_seconds": program,
    });
    write_json(args.json.as_deref(), &[record])
}

/// The record of some runs on a generated table, without a peer.
pub(crate) fn quick(rows: usize, epochs: usize, threads: usize, repeats: usize) -> Result<Value> {
    let generated = tempfile::Builder::new().suffix(".csv").tempfile()?;
    fs::write(generated.path(), generate::csv(rows))?;
    let file = generated.path();
    let task = Task { file, regress: REGRESS, classify: CLASSIFY, epochs, threads };
    let runs: Vec<Run> = (0..repeats).map(|_| Ok(ours(&task)?.0)).collect::<Result<_>>()?;
    Ok(json!({
        "suite": "train",
        "case": "generated",
        "threads": threads,
        "epochs": epochs,
        "rows": rows,
        "seconds": of(&runs, Run::seconds),
    }))
}

/// The generated table's task, its file not yet known.
fn task(args: &Args) -> Task<'static> {
    let (epochs, threads) = (args.epochs, args.threads);
    Task { file: Path::new(""), regress: REGRESS, classify: CLASSIFY, epochs, threads }
}

/// Anabranch, in this process.
fn ours(task: &Task<'_>) -> Result<(Run, Sizes)> {
    let begin = Instant::now();
    let table = Table::read(task.file)?;
    let columns = TargetColumns::new().regress([task.regress]).classify(task.classify);
    let exec = Executor::new(task.threads)?;
    let Prepared { dataset, targets, .. } = prepare::<f32>(&exec, &table, &columns, FRACTIONS, 1)?;
    let load = begin.elapsed().as_secs_f64();

    let begin = Instant::now();
    let [hidden_a, hidden_b] = HIDDEN;
    let [outputs, classes] = [0, 1].map(|task| dataset.tasks[task].outputs());
    let network = TwoBranch {
        dropout: DROPOUT,
        ..TwoBranch::new(dataset.n_inputs, hidden_a, outputs, hidden_b, classes)
    };
    let config = TrainConfig {
        epochs: task.epochs,
        batch_size: BATCH_SIZE,
        optimizer: OptimizerKind::ADAM,
        lr: LEARNING_RATE,
        schedule: ScheduleKind::CONSTANT,
        weight_decay: 0.0,
        clip: None,
        patience: 0,
        watch: Watch::Sum,
        task_balance: TaskBalance::Fixed,
        seed: 1,
    };
    let mut trainer = Trainer::new(&dataset, network.build(Fusion::Fused)?, &config, &exec)?;
    trainer.run(&mut NoObserver)?;
    let train = begin.elapsed().as_secs_f64();

    let metrics = trainer.test_metrics(&targets);
    let r2 = metrics[0].regression()[0].r2.unwrap_or(f64::NAN);
    let accuracy = metrics[1].classification().and_then(|m| m.accuracy).unwrap_or(f64::NAN);
    let sizes = Sizes {
        rows: dataset.n_rows,
        inputs: dataset.n_inputs,
        parameters: trainer.params().len(),
    };
    Ok((Run { load, train, r2, accuracy }, sizes))
}

/// `peers/train_torch.py` on the same file with the same settings.
fn theirs(task: &Task<'_>, python: &Path) -> Result<Run> {
    let [hidden_a, hidden_b] = HIDDEN;
    let output = Command::new(python)
        .arg(peers::folder().join("train_torch.py"))
        .arg("--data")
        .arg(task.file)
        .args(["--regress", task.regress, "--classify", task.classify])
        .args(["--epochs", &task.epochs.to_string()])
        .args(["--threads", &task.threads.to_string()])
        .args(["--batch-size", &BATCH_SIZE.to_string()])
        .args(["--hidden-a", &hidden_a.to_string(), "--hidden-b", &hidden_b.to_string()])
        .args(["--dropout", &DROPOUT.to_string(), "--lr", &LEARNING_RATE.to_string()])
        .args(["--validation-fraction", &FRACTIONS.validation.to_string()])
        .args(["--test-fraction", &FRACTIONS.test.to_string()])
        .output()
        .map_err(|error| format!("{}: {error}", python.display()))?;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let (Some(line), true) = (out.lines().last(), output.status.success()) else {
        let reason = err.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed");
        return Err(reason.into());
    };
    read_theirs(line, task)
}

/// The last line of the script.
fn read_theirs(line: &str, task: &Task<'_>) -> Result<Run> {
    let fields: Value = serde_json::from_str(line)?;
    let test = &fields["test"];
    let number =
        |value: &Value| value.as_f64().ok_or_else(|| format!("a figure is missing in {line}"));
    Ok(Run {
        load: number(&fields["load_seconds"])?,
        train: number(&fields["train_seconds"])?,
        r2: number(&test[task.regress]["r2"])?,
        accuracy: number(&test[task.classify]["accuracy"])?,
    })
}

/// The median of a figure.
fn of(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    median(&runs.iter().map(figure).collect::<Vec<_>>())
}

fn summary(runs: &[Run]) -> Value {
    if runs.is_empty() {
        return Value::Null;
    }
    json!({
        "load_seconds": of(runs, |run| run.load),
        "train_seconds": of(runs, |run| run.train),
        "r2": of(runs, |run| run.r2),
        "accuracy": of(runs, |run| run.accuracy),
    })
}

fn report(ours: &[Run], theirs: &[Run], ratio: Option<f64>) -> Report {
    let header = ["", "load s", "train s", "together s", "R²", "accuracy", "ratio"];
    let mut report = Report::new(header);
    for (name, runs, ratio) in [("Anabranch", ours, None), ("PyTorch", theirs, ratio)] {
        if runs.is_empty() {
            continue;
        }
        report.row([
            name.to_owned(),
            format!("{:.3}", of(runs, |run| run.load)),
            format!("{:.3}", of(runs, |run| run.train)),
            format!("{:.3}", of(runs, Run::seconds)),
            format!("{:.4}", of(runs, |run| run.r2)),
            format!("{:.4}", of(runs, |run| run.accuracy)),
            ratio.map_or(String::new(), |ratio| format!("{}×", digits(ratio))),
        ]);
    }
    report
}

/// Wall time of the program on the built-in table, from start to exit, if it has been built next to
/// this one.
fn program_on_wine(threads: usize) -> Result<Option<f64>> {
    let program = env::current_exe()?.with_file_name("anabranch");
    let program = program.with_extension(env::consts::EXE_EXTENSION);
    if !program.exists() {
        say(&"\nThe program is not built: `cargo build --release` first to see it train on wine");
        return Ok(None);
    }
    let mut seconds = Vec::new();
    for _ in 0..5 {
        let folder = tempfile::tempdir()?;
        let begin = Instant::now();
        let output = Command::new(&program)
            .args(["train", "--epochs", WINE_EPOCHS, "--patience", "0"])
            .args(["--threads", &threads.to_string(), "--out"])
            .arg(folder.path().join("model"))
            .output()?;
        seconds.push(begin.elapsed().as_secs_f64());
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
    }
    let seconds = median(&seconds);
    say(&format_args!(
        "\n`anabranch train --epochs {WINE_EPOCHS}` on wine, start to exit: {seconds:.3} s"
    ));
    Ok(Some(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_s_last_line_is_read() {
        let args = ["train", "--rows", "100"];
        let args = <Args as clap::Args>::augment_args(clap::Command::new("train"))
            .try_get_matches_from(args)
            .and_then(|matches| <Args as clap::FromArgMatches>::from_arg_matches(&matches))
            .unwrap();
        let line = r#"{"load_seconds": 0.5, "train_seconds": 7.0,
            "test": {"value": {"r2": 0.9}, "grade": {"accuracy": 0.8}}}"#;
        let run = read_theirs(line, &task(&args)).unwrap();
        assert_eq!((run.seconds(), run.r2, run.accuracy), (7.5, 0.9, 0.8));
        assert!(read_theirs("{}", &task(&args)).is_err());
    }
}
