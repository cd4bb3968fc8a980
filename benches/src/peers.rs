//! Other frameworks doing the same step: processes that answer line by line, as `peers/README.md`
//! describes.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::Result;
use crate::step::Case;

/// How to start one peer.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    program: PathBuf,
    args: Vec<String>,
    /// The line that says how to get it.
    install: &'static str,
}

pub(crate) const INSTALL_PYTHON: &str =
    "install benches/peers/requirements.txt, and name its Python with --python";
const INSTALL_RUST: &str = "run `cargo build --release --locked` in benches/peers/rust";

/// The folder of the peers.
pub(crate) fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
}

/// The Python to run scripts with: the requested one, the README's virtual environment, or the
/// system's.
pub(crate) fn python(asked: Option<&Path>) -> PathBuf {
    let environment = folder().join("venv/bin/python");
    match asked {
        Some(python) => python.to_owned(),
        None if environment.exists() => environment,
        None => "python3".into(),
    }
}

/// All peers, installed or not.
pub(crate) fn launches(python: &Path, rust_folder: Option<&Path>) -> [Launch; 5] {
    let script = |name, script: &str, mode: &[&str]| {
        let args = [folder().join(script).display().to_string()];
        let args = args.into_iter().chain(mode.iter().map(ToString::to_string)).collect();
        Launch { name, program: python.to_owned(), args, install: INSTALL_PYTHON }
    };
    let built = folder().join("rust/target/release");
    let binary = |name, file: &str| {
        let program = rust_folder.unwrap_or(&built).join(file);
        Launch { name, program, args: Vec::new(), install: INSTALL_RUST }
    };
    [
        script("torch-eager", "torch_step.py", &["--mode", "eager"]),
        script("torch-compile", "torch_step.py", &["--mode", "compile"]),
        script("jax", "jax_step.py", &[]),
        binary("candle", "peer-candle"),
        binary("burn-flex", "peer-burn"),
    ]
}

impl Launch {
    /// Starts the peer and waits until it is warmed up. If that fails, stderr says so, with the
    /// line that says how to get the peer.
    pub(crate) fn start(&self, case: Case) -> Option<Peer> {
        match self.connect(case) {
            Ok(peer) => Some(peer),
            Err(error) => {
                eprintln!("{} is skipped: {error}; to get it, {}", self.name, self.install);
                None
            }
        }
    }

    fn connect(&self, case: Case) -> Result<Peer> {
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .args(["--shape", &case.shape.to_string()])
            .args(["--threads", &case.threads.to_string()])
            .args(["--optimizer", case.rule.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        let piped = "the peer's pipes";
        let (to, from) = (child.stdin.take().ok_or(piped)?, child.stdout.take().ok_or(piped)?);
        let mut errors = child.stderr.take().ok_or(piped)?;
        // Read all the time, so that a peer with many complaints is not blocked by a full pipe.
        let errors = thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).map(|_| text).unwrap_or_default()
        });
        let mut talk = Talk { from: BufReader::new(from), to };
        match talk.ready() {
            Ok(version) => Ok(Peer { name: self.name, version, child, talk }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                let errors = errors.join().unwrap_or_default();
                // The last line of a Python traceback is the reason.
                let reason = errors.lines().rfind(|line| !line.trim().is_empty());
                Err(reason.map_or(error, Into::into))
            }
        }
    }
}

/// A running peer, set up for one case.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    child: Child,
    talk: Talk<BufReader<ChildStdout>, ChildStdin>,
}

impl Peer {
    /// Trains for a while; returns the median step in microseconds.
    pub(crate) fn run(&mut self, seconds: f64) -> Result<f64> {
        self.talk.run(seconds).map_err(|error| format!("{}: {error}", self.name).into())
    }

    /// The losses of the first steps without dropout.
    pub(crate) fn check(&mut self, steps: usize) -> Result<Vec<f64>> {
        self.talk.check(steps).map_err(|error| format!("{}: {error}", self.name).into())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // One that has gone cannot be asked to quit.
        if writeln!(self.talk.to, "quit").is_err() {
            self.child.kill().ok();
        }
        self.child.wait().ok();
    }
}

/// The protocol: one line there, one line back.
#[derive(Debug)]
struct Talk<R, W> {
    from: R,
    to: W,
}

impl<R: BufRead, W: Write> Talk<R, W> {
    /// Waits for the line `ready {…}`; returns its version.
    fn ready(&mut self) -> Result<String> {
        let line = self.line()?;
        let Some(json) = line.strip_prefix("ready ") else {
            return Err(format!("expected `ready`, got `{}`", line.trim()).into());
        };
        let fields: Value = serde_json::from_str(json)?;
        Ok(fields["version"].as_str().unwrap_or("unknown").to_owned())
    }

    fn run(&mut self, seconds: f64) -> Result<f64> {
        let answer = self.ask(&format!("run {seconds}"))?;
        answer["median_us"].as_f64().ok_or_else(|| format!("no median in {answer}").into())
    }

    fn check(&mut self, steps: usize) -> Result<Vec<f64>> {
        let answer = self.ask(&format!("check {steps}"))?;
        let losses = answer["losses"].as_array().ok_or_else(|| format!("no losses in {answer}"))?;
        // JSON has no NaN: a loss that is not a number matches nothing.
        Ok(losses.iter().map(|loss| loss.as_f64().unwrap_or(f64::NAN)).collect())
    }

    fn ask(&mut self, question: &str) -> Result<Value> {
        writeln!(self.to, "{question}")?;
        self.to.flush()?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err("it ended without an answer".into());
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Rule;

    #[test]
    fn the_protocol_is_spoken_as_documented() {
        let answers = "ready {\"peer\":\"p\",\"version\":\"0.11.1\"}\n\
            {\"median_us\":104.5,\"steps\":7134,\"loss\":3.24}\n\
            {\"losses\":[9.5,null]}\nnonsense\n";
        let mut talk = Talk { from: answers.as_bytes(), to: Vec::new() };
        assert_eq!(talk.ready().unwrap(), "0.11.1");
        assert_eq!(talk.run(0.25).unwrap(), 104.5);
        let losses = talk.check(2).unwrap();
        assert!(losses[0] == 9.5 && losses[1].is_nan());
        assert!(talk.run(1.0).is_err());
        assert!(talk.run(1.0).unwrap_err().to_string().contains("ended"));
        assert_eq!(talk.to, b"run 0.25\ncheck 2\nrun 1\nrun 1\n");
    }

    #[test]
    fn a_peer_that_is_not_there_is_skipped() {
        let case = Case { shape: "4,3,5,2,3".parse().unwrap(), threads: 1, rule: Rule::Sgd };
        let nowhere = Path::new("no/such/place");
        for launch in launches(nowhere, Some(nowhere)) {
            assert!(launch.start(case).is_none(), "{}", launch.name);
        }
    }
}
