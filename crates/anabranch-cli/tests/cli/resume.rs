//! Runs that are killed, stopped or damaged, and go on to the same bits.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::program::{Dir, Run, shapes};

/// A single network.
const ALONE: &str = "--ensemble 1 --watch sum";

fn train() -> String {
    train_with(ALONE)
}

/// Eight epochs of four steps.
fn train_with(flags: &str) -> String {
    let quick = "--regress price --classify kind --epochs 8 --batch-size 16 --hidden 7,5";
    format!("train --data t.csv {quick} {flags}")
}

fn table() -> Dir {
    let dir = Dir::new();
    dir.write("t.csv", shapes(90));
    dir
}

/// The hash of the weights of a run that is not disturbed.
fn hash(dir: &Dir, flags: &str) -> String {
    let json = dir.json(&format!("{} --out whole --force", train_with(flags)));
    json["weights_sha256"].as_str().unwrap().to_owned()
}

/// Starts a run, and waits for its n-th line on stderr that holds `word`; none if it ends before.
fn until(dir: &Dir, flags: &str, word: &str, n: usize) -> Option<Child> {
    let mut command = dir.command(&format!("{flags} -v --quiet"));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        said.push(line.unwrap());
        if said.iter().filter(|line| line.contains(word)).count() == n {
            return Some(child);
        }
    }
    assert!(child.wait().unwrap().success(), "{flags}: {:?}", said.last());
    None
}

/// Kills a run after so many checkpoints.
fn kill(dir: &Dir, flags: &str, n: usize) {
    let mut child = until(dir, flags, "checkpoint number", n).expect("that many checkpoints");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn resumed(run: &Run) -> String {
    assert_eq!(run.code, 0, "{run:?}");
    run.json()["weights_sha256"].as_str().unwrap().to_owned()
}

/// Kills a run again and again, each time after a few more lines of its log, so also between two
/// writes of files; every other time it goes on with another number of threads.
#[test]
fn a_run_that_is_killed_again_and_again_comes_to_the_same_bits() {
    for (i, (flags, every)) in [
        ("--ensemble 3 --watch each", "--checkpoint-every 3"),
        ("--ensemble 1 --watch sum", "--checkpoint-every 1"),
        (
            "--ensemble 1 --schedule plateau --patience 1 --lr 0.1 --watch each",
            "--checkpoint-every 1epoch",
        ),
        ("--ensemble 2 --patience 0 --seed 5 --optimizer momentum", "--checkpoint-every 2"),
    ]
    .into_iter()
    .enumerate()
    {
        let dir = table();
        let whole = hash(&dir, flags);
        let mut run = format!("{} {every} --out m", train_with(flags));
        let mut kills = 0;
        for lines in (20 + i..).step_by(7) {
            let Some(mut child) = until(&dir, &run, "", lines) else { break };
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            if dir.path("m/summary.json").exists() {
                break;
            }
            // There is something to go on from as soon as the settings are there.
            if dir.path("m/config.toml").exists() {
                let threads = 1 + kills % 2;
                run = format!("train --resume m {every} --threads {threads}");
            }
        }
        assert!(kills > 1, "{flags}");
        let summary: serde_json::Value = serde_json::from_str(&dir.read("m/summary.json")).unwrap();
        assert_eq!(summary["weights_sha256"], whole, "{flags}");
        // What is told of the epochs is that of the whole run.
        assert_eq!(dir.read("m/metrics.jsonl"), dir.read("whole/metrics.jsonl"));
    }
}

#[test]
fn the_last_two_checkpoints_are_kept_and_a_damaged_one_is_passed_over() {
    let dir = table();
    let whole = hash(&dir, ALONE);
    kill(&dir, &format!("{} --checkpoint-every 2 --out m", train()), 5);
    let mut names: Vec<u64> = std::fs::read_dir(dir.path("m/checkpoints"))
        .unwrap()
        .filter_map(|file| file.unwrap().file_name().to_str().unwrap().parse().ok())
        .collect();
    names.sort_unstable();
    let last = names[names.len() - 1];
    assert!(last >= 5 && names.contains(&(last - 1)) && names.len() <= 3, "{names:?}");

    let damage = |number: u64| {
        let name = format!("m/checkpoints/{number}");
        let mut bytes = dir.bytes(&name);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        dir.write(&name, bytes);
    };
    damage(last);
    std::fs::create_dir(dir.path("copy")).unwrap();
    let run = dir.run("train --resume m --json");
    let warning = format!(
        "warning: m/checkpoints/{last} is not a checkpoint of this version: its checksum is wrong: going on from the one before\n"
    );
    assert_eq!(run.stderr, warning);
    assert_eq!(resumed(&run), whole);
    let again = dir.run("train --resume m");
    assert_eq!(
        (again.code, again.stderr.as_str()),
        (2, "error: m: the run is complete (it goes on with more --epochs)\n")
    );

    // With all of them damaged, there is nothing to go on from.
    let flags = format!("{} --checkpoint-every 2 --out m --force", train());
    kill(&dir, &flags, 2);
    let numbers = std::fs::read_dir(dir.path("m/checkpoints")).unwrap();
    for number in numbers.filter_map(|f| f.unwrap().file_name().to_str().unwrap().parse().ok()) {
        damage(number);
    }
    let _ = std::fs::remove_file(dir.path("m/summary.json"));
    let run = dir.run("train --resume m --json");
    assert_eq!((run.code, run.json()["error"]["code"].as_str()), (2, Some("resume")));
}

#[test]
fn other_settings_and_data_are_refused_by_name() {
    let dir = table();
    kill(&dir, &format!("{} --checkpoint-every 1 --out m", train()), 1);
    let refused = |flags: &str, message: &str| {
        let run = dir.run(&format!("train --resume m {flags}"));
        assert_eq!((run.code, run.stderr), (2, format!("error: m: {message}\n")));
    };
    refused("--lr 0.5", "training.lr is 0.5 now, but was 0.01 when the run began");
    refused(
        "--set split.group=size",
        "split.group is size now, but was not set when the run began",
    );
    let config = dir.read("m/config.toml");
    dir.write("m/config.toml", config.replace("hidden = [7, 5]\n", ""));
    refused("", "network.hidden is not set now, but was 7, 5 when the run began");
    dir.write("m/config.toml", config);
    dir.write("t.csv", shapes(90).replacen("3,", "4,", 1));
    refused("", "the data have changed since the run began");
    dir.write("t.csv", shapes(90));

    let run = dir.run(&format!("{} --out m", train()));
    let message = "error: m has a run that is not complete: go on with --resume m, or replace it with --force\n";
    assert_eq!((run.code, run.stderr.as_str()), (2, message));
    let run = dir.run("train --resume none");
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.starts_with("error: none/config.toml: cannot be read: "), "{}", run.stderr);
    assert_eq!(dir.run("train --resume m --out n").code, 2);
    assert_eq!(resumed(&dir.run("train --resume m --json")), hash(&dir, ALONE));
}

#[cfg(unix)]
#[test]
fn a_signal_saves_the_run_and_says_how_it_goes_on() {
    let dir = table();
    // Longer than it takes to send a signal.
    let long = train().replace("--epochs 8", "--epochs 3000 --patience 0");
    let whole = dir.json(&format!("{long} --out whole"))["weights_sha256"].clone();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut command = dir.command(&format!("{long} --out m --force -v --quiet"));
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("epoch=2")));
        let kill =
            Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let last = lines.last().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(last, "error: stopped by a signal: `anabranch train --resume m` goes on");
        assert!(!dir.path("m/model.safetensors").exists() && dir.path("m/log.txt").exists());
        assert_eq!(dir.json("train --resume m")["weights_sha256"], whole);
        std::fs::remove_dir_all(dir.path("m")).unwrap();
    }
}

/// The first signal lets the run save, which here waits for somebody to read a pipe.
#[cfg(unix)]
#[test]
fn a_second_signal_ends_the_run_at_once() {
    let dir = table();
    let endless = train().replace("--epochs 8", "--epochs 9999999 --patience 0");
    std::fs::create_dir(dir.path("m")).unwrap();
    let pipe = Command::new("mkfifo").arg(dir.path("m/metrics.jsonl")).status();
    assert!(pipe.unwrap().success());
    let mut child = until(&dir, &format!("{endless} --out m"), "epoch=2", 1).unwrap();
    let id = child.id().to_string();
    // Another signal: two of the same kind may arrive as one.
    for signal in ["-INT", "-TERM"] {
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
    let code = child.wait().unwrap().code();
    assert!(code == Some(130) || code == Some(143), "{code:?}");
    assert!(!dir.path("m/log.txt").exists());
}

/// To the same bits as a run that was to have so many from the beginning, also where the last epoch
/// is not the best.
#[test]
fn a_run_goes_on_for_more_epochs() {
    for flags in [
        "--ensemble 2 --threads 1 --schedule plateau --watch each --lr 0.2",
        "--ensemble 1 --schedule step --patience 0",
    ] {
        let dir = table();
        let train_long = train_with(flags).replace("--epochs 8", "--epochs 13");
        let long = dir.json(&format!("{train_long} --out long"));
        // From the checkpoint at its end, and then from its beginning.
        for every in ["1epoch", "60s"] {
            let train = train_with(flags);
            dir.succeed(&format!("{train} --checkpoint-every {every} --out m --force"));
            let json = dir.json("train --resume m --epochs 13");
            for key in ["weights_sha256", "test", "tasks"] {
                assert_eq!(json[key], long[key], "{flags} {every}: {key}");
            }
            for file in ["config.toml", "metrics.jsonl", "model.safetensors"] {
                assert_eq!(dir.bytes(&format!("m/{file}")), dir.bytes(&format!("long/{file}")));
            }
            let run = dir.run("train --resume m --epochs 12");
            let message = "error: m: training.epochs is 12 now, but was 13 when the run began\n";
            assert_eq!((run.code, run.stderr.as_str()), (2, message));
        }
    }
    let dir = table();
    dir.succeed(&format!("{} --out m", train()));
    let run = dir.run("train --resume m --epochs 9");
    let message = "error: m: the run cannot go on for more than 8 epochs: with --schedule cosine, the learning rate of \
                   every step depends on how many there are\n";
    assert_eq!((run.code, run.stderr.as_str()), (2, message));
}

/// A run that was killed before its first checkpoint has settings at most.
#[test]
fn a_run_without_a_checkpoint_begins_again_with_its_settings() {
    let dir = table();
    let whole = hash(&dir, ALONE);
    std::fs::create_dir(dir.path("m")).unwrap();
    dir.write("m/config.toml", dir.read("whole/config.toml"));
    dir.write("m/.anabranch-dead.new", "");
    let run = dir.run("train --resume m --lr 0.5");
    let message = "error: m: training.lr is 0.5 now, but was 0.01 when the run began\n";
    assert_eq!((run.code, run.stderr.as_str()), (2, message));
    assert_eq!(resumed(&dir.run("train --resume m --json")), whole);
    assert!(!dir.path("m/.anabranch-dead.new").exists());
}

/// With an interval of time, a checkpoint comes by itself.
#[test]
fn checkpoints_come_after_seconds_too() {
    let dir = table();
    let endless = train().replace("--epochs 8", "--epochs 9999999 --patience 0");
    kill(&dir, &format!("{endless} --checkpoint-every 1s --out m"), 1);
    assert!(dir.path("m/checkpoints/1").exists());
}

/// Files that cannot be written end no run, and lose no model.
#[test]
fn a_checkpoint_that_cannot_be_written_is_said_and_the_run_goes_on() {
    let dir = table();
    hash(&dir, ALONE);
    std::fs::create_dir_all(dir.path("m/config.toml")).unwrap();
    let run = dir.run(&format!("{} --out m --checkpoint-every 16 --quiet", train()));
    assert_eq!(run.code, 1, "{run:?}");
    let said: Vec<&str> = run.stderr.lines().collect();
    let went_on = |line: &str| line.ends_with("): the run goes on without this checkpoint");
    assert!(said.len() == 3 && went_on(said[0]) && went_on(said[1]), "{said:?}");
    assert!(said[2].starts_with("error: cannot write m/config.toml ("), "{said:?}");
    assert_eq!(dir.bytes("m/model.safetensors"), dir.bytes("whole/model.safetensors"));
}
