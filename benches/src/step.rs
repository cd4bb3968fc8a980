//! The suite `step`: one training step, its matrix products alone, and the machine's peak, in turn.

use std::path::PathBuf;
use std::time::Duration;

use anabranch_tensor::{Executor, InstructionSet, Scalar};
use anabranch_tests::count_allocations;
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::Result;
use crate::instructions::{self, Count};
use crate::network::{DROPOUT, Network, Rule};
use crate::peak::Peak;
use crate::products::StepProducts;
use crate::report::{Report, digits, percent, say, write_json};
use crate::shape::Shape;
use crate::timing::{Sampler, rounds};
use crate::versus::{self, PeerRecord, Versus};

/// Before the first sample.
const WARM_UP: Duration = Duration::from_millis(50);
/// Of a round, for the step and then for its multiplications.
const SLICE: Duration = Duration::from_millis(20);
/// The same in a round with peers, and each peer's part of it.
const PEER_SLICE: Duration = Duration::from_millis(200);
const MIN_ROUNDS: usize = 5;
/// For counting allocations.
const COUNTED: Duration = Duration::from_millis(20);

/// Options of `step`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Shape, by name or as R,I,H,O,C; repeat for more [default: the five named ones]
    #[arg(long = "shape", value_name = "NAME|R,I,H,O,C")]
    shapes: Vec<Shape>,
    /// Numbers of threads
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Update rule
    #[arg(long, default_value = "sgd")]
    optimizer: Rule,
    /// Number type
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// Time for each case, which gets at least five rounds
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Whether callgrind counts instructions, if valgrind is installed
    #[arg(long, default_value = "auto")]
    instructions: Instructions,
    #[command(flatten)]
    versus: versus::Args,
    /// Write the results here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The number type of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Precision {
    /// Single precision
    F32,
    /// Double precision
    F64,
}

/// Whether instructions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Instructions {
    /// For small steps in f32 on one thread
    Auto,
    /// Never
    Off,
}

/// What is measured together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) shape: Shape,
    pub(crate) threads: usize,
    pub(crate) rule: Rule,
}

/// A case with its network and the times taken so far.
#[derive(Debug)]
struct StepBench<T> {
    case: Case,
    exec: Executor,
    network: Network<T>,
    products: StepProducts<T>,
    peak: Peak,
    step_times: Sampler,
    product_times: Sampler,
}

impl<T: Scalar> StepBench<T> {
    /// Sets up and warms up.
    fn new(case: Case) -> Result<Self> {
        let exec = Executor::new(case.threads)?;
        let mut network = Network::<T>::new(&exec, case.shape, case.rule, DROPOUT)?;
        let mut products = StepProducts::new(&exec, case.shape);
        let mut peak = Peak::default();
        let (step_times, product_times) = exec.enter(|| {
            peak.sample::<T>(&exec);
            let steps = Sampler::warm_up(WARM_UP, &mut || network.step(&exec));
            (steps, Sampler::warm_up(WARM_UP, &mut || products.run(&exec)))
        });
        Ok(Self { case, exec, network, products, peak, step_times, product_times })
    }

    /// Some steps, some matrix products, and the peak; returns the median step of this round in
    /// microseconds.
    fn round(&mut self, slice: Duration) -> f64 {
        let Self { exec, network, products, peak, step_times, product_times, .. } = self;
        let exec = &*exec;
        // Entered once for many steps, as in a training run.
        exec.enter(|| {
            let micros = step_times.sample_for(slice, &mut || network.step(exec));
            product_times.sample_for(slice, &mut || products.run(exec));
            peak.sample::<T>(exec);
            micros
        })
    }

    /// The figures.
    fn finish(mut self, count: Option<Count>, peers: Vec<PeerRecord>) -> Record {
        let n_steps = (COUNTED.as_secs_f64() * 1e6 / self.step_times.median_us()).ceil() as u64;
        let (exec, network) = (&self.exec, &mut self.network);
        let ((), seen) = count_allocations(exec, || (0..n_steps).for_each(|_| network.step(exec)));
        Record {
            case: self.case,
            median_us: self.step_times.median_us(),
            fastest_us: self.step_times.fastest_us(),
            gemm_us: self.product_times.median_us(),
            peak_gflops: self.peak.gflops(),
            allocations: seen.count.div_ceil(n_steps),
            precision: T::NAME,
            count,
            peers,
        }
    }
}

/// The figures of one case.
#[derive(Debug)]
struct Record {
    case: Case,
    median_us: f64,
    fastest_us: f64,
    gemm_us: f64,
    peak_gflops: f64,
    /// In a step, rounded up.
    allocations: u64,
    precision: &'static str,
    count: Option<Count>,
    peers: Vec<PeerRecord>,
}

impl Record {
    fn gflops(&self) -> f64 {
        self.case.shape.flops() / self.median_us / 1e3
    }

    /// The first nine keys are fixed: scripts read them.
    fn json(&self) -> Value {
        json!({
            "suite": "step",
            "shape": self.case.shape.sizes(),
            "threads": self.case.threads,
            "optimizer": self.case.rule.name(),
            "median_us": self.median_us,
            "gflops": self.gflops(),
            "peak_share": self.gflops() / self.peak_gflops,
            "allocations": self.allocations,
            "gemm_us": self.gemm_us,
            "precision": self.precision,
            "fastest_us": self.fastest_us,
            "peak_gflops": self.peak_gflops,
            "instruction_set": InstructionSet::detected().name(),
            "instructions": self.count.as_ref().map(|count| count.instructions),
            "instructions_set": self.count.as_ref().map(|count| count.instruction_set.as_str()),
            "peers": self.peers.iter().map(PeerRecord::json).collect::<Vec<_>>(),
        })
    }
}

/// The table for people.
fn report(records: &[Record]) -> Report {
    let mut report = Report::new([
        "shape",
        "threads",
        "optimizer",
        "type",
        "median µs",
        "fastest µs",
        "Gflop/s",
        "of P",
        "GEMMs µs",
        "step/GEMMs",
        "allocations",
        "instructions",
    ]);
    for record in records {
        report.row([
            record.case.shape.name(),
            record.case.threads.to_string(),
            record.case.rule.name().to_owned(),
            record.precision.to_owned(),
            digits(record.median_us),
            digits(record.fastest_us),
            digits(record.gflops()),
            percent(record.gflops() / record.peak_gflops),
            digits(record.gemm_us),
            digits(record.median_us / record.gemm_us),
            record.allocations.to_string(),
            match &record.count {
                Some(count) => format!("{} ({})", count.instructions, count.instruction_set),
                None => "–".to_owned(),
            },
        ]);
    }
    report
}

/// Runs the suite.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut records = Vec::new();
    for case in cases(args) {
        records.push(match args.precision {
            Precision::F32 => measure::<f32>(case, args)?,
            Precision::F64 => measure::<f64>(case, args)?,
        });
    }
    report(&records).print();
    say(
        &"\nGflop/s and shares of P count every multiplication of a step; zeros are skipped where that pays.",
    );
    if args.versus.is_asked() {
        say(&"");
        let cases = records.iter().map(|r| (r.case, r.median_us, r.peers.as_slice()));
        versus::report(cases).print();
    }
    let records: Vec<Value> = records.iter().map(Record::json).collect();
    write_json(args.json.as_deref(), &records)
}

/// The records of `shapes` for each of these numbers of threads: SGD in f32, without peers and
/// without counting instructions.
pub(crate) fn quick(shapes: &[Shape], threads: &[usize], seconds: f64) -> Result<Vec<Value>> {
    let mut records = Vec::new();
    for &shape in shapes {
        for &threads in threads {
            let mut bench = StepBench::<f32>::new(Case { shape, threads, rule: Rule::Sgd })?;
            rounds(seconds, MIN_ROUNDS, || {
                bench.round(SLICE);
                Ok(())
            })?;
            records.push(bench.finish(None, Vec::new()).json());
        }
    }
    Ok(records)
}

/// Every shape with every number of threads.
fn cases(args: &Args) -> Vec<Case> {
    let shapes = match args.shapes.as_slice() {
        [] => Shape::NAMED.map(|(_, shape)| shape).to_vec(),
        shapes => shapes.to_vec(),
    };
    let of_shape = |shape| {
        args.threads.iter().map(move |&threads| Case { shape, threads, rule: args.optimizer })
    };
    shapes.into_iter().flat_map(of_shape).collect()
}

fn measure<T: Scalar>(case: Case, args: &Args) -> Result<Record> {
    let mut versus = Versus::start::<T>(case, &args.versus)?;
    let slice = if versus.is_alone() { SLICE } else { PEER_SLICE };
    let mut bench = StepBench::<T>::new(case)?;
    rounds(args.seconds, MIN_ROUNDS, || {
        let micros = bench.round(slice);
        versus.round(PEER_SLICE, micros)
    })?;
    let is_counted = args.instructions == Instructions::Auto
        && args.precision == Precision::F32
        && case.threads == 1;
    let count = if is_counted { instructions::count(case.shape, case.rule)? } else { None };
    Ok(bench.finish(count, versus.finish()))
}
