//! How a peer is started and told what to do: see `../../../README.md`.

use std::io;
use std::process;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::environment;
use crate::workload::{Shape, Workload};

const WARM_UP_STEPS: usize = 5;
const MIN_STEPS: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    Sgd,
    Adam,
}

/// Timing draws masks; the check has none, so that all peers compute the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dropout {
    On,
    Off,
}

pub trait Peer {
    fn new(shape: Shape, data: Workload, optimizer: Optimizer, dropout: Dropout) -> Self;

    /// One whole training step, finished when it returns.
    fn step(&mut self);

    /// Of the last step.
    fn loss(&self) -> f32;
}

struct Arguments {
    shape: Shape,
    threads: usize,
    optimizer: Optimizer,
}

impl Arguments {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut shape, mut threads, mut optimizer) = (None, None, None);
        while let Some(name) = args.next() {
            let value = args.next().ok_or(format!("`{name}` has no value"))?;
            match name.as_str() {
                "--shape" => shape = Some(value.parse()?),
                "--threads" => {
                    threads = Some(value.parse().map_err(|e| format!("--threads {value}: {e}"))?);
                }
                "--optimizer" => {
                    optimizer = Some(match value.as_str() {
                        "sgd" => Optimizer::Sgd,
                        "adam" => Optimizer::Adam,
                        _ => return Err(format!("expected sgd or adam, got `{value}`")),
                    });
                }
                _ => return Err(format!("unknown option `{name}`")),
            }
        }
        match (shape, threads, optimizer) {
            (Some(shape), Some(threads), Some(optimizer)) => Ok(Self { shape, threads, optimizer }),
            _ => Err("needs --shape R,I,H,O,C --threads N --optimizer sgd|adam".into()),
        }
    }
}

/// Answers the benchmark until it says `quit` or closes the pipe.
pub fn serve<P: Peer>(name: &str, version: &str) {
    if let Err(why) = answer::<P>(name, version) {
        eprintln!("{name}: {why}");
        process::exit(2);
    }
}

fn answer<P: Peer>(name: &str, version: &str) -> Result<(), String> {
    let Arguments { shape, threads, optimizer } = Arguments::parse(std::env::args().skip(1))?;
    environment::prepare(threads);
    let initial = |dropout| P::new(shape, Workload::new(shape), optimizer, dropout);

    let mut peer = initial(Dropout::On);
    (0..WARM_UP_STEPS).for_each(|_| peer.step());
    println!("ready {}", json!({ "peer": name, "version": version }));
    for line in io::stdin().lines() {
        let line = line.map_err(|e| e.to_string())?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let bad = || format!("expected `run SECONDS`, `check STEPS` or `quit`, got `{line}`");
        match words[..] {
            ["run", seconds] => {
                let seconds = seconds.parse().map_err(|_| bad())?;
                println!("{}", run(&mut peer, Duration::from_secs_f64(seconds)));
            }
            ["check", steps] => {
                let steps: usize = steps.parse().map_err(|_| bad())?;
                let mut checked = initial(Dropout::Off);
                let one = |_| {
                    checked.step();
                    checked.loss()
                };
                let losses: Vec<f32> = (0..steps).map(one).collect();
                println!("{}", json!({ "losses": losses }));
            }
            ["quit"] => return Ok(()),
            _ => return Err(bad()),
        }
    }
    Ok(())
}

fn run<P: Peer>(peer: &mut P, time: Duration) -> serde_json::Value {
    let mut micros = Vec::new();
    let begin = Instant::now();
    while micros.len() < MIN_STEPS || begin.elapsed() < time {
        let start = Instant::now();
        peer.step();
        micros.push(start.elapsed().as_secs_f64() * 1e6);
    }
    json!({ "median_us": median(&mut micros), "steps": micros.len(), "loss": peer.loss() })
}

/// The mean of the two middle values where there are two.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let (upper, lower) = (values.len() / 2, (values.len() - 1) / 2);
    (values[lower] + values[upper]) / 2.0
}
