//! The suite `gemm`: the step's matrix products one by one, and sweeps of widths, next to other
//! libraries.

use std::path::PathBuf;
use std::time::Duration;

use anabranch_tensor::Executor;
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::Result;
use crate::backends::{Backend, Multiplication};
use crate::cliffs;
use crate::peak::Peak;
use crate::products::{Form, StepProducts};
use crate::report::{Report, digits, percent, say, write_json};
use crate::shape::Shape;
use crate::timing::{Sampler, rounds};

/// Of a round, for one library.
const SLICE: Duration = Duration::from_millis(3);
const WARM_UP: Duration = Duration::from_millis(3);
const MIN_ROUNDS: usize = 3;
/// Rows of the panels in the sweeps, a batch of medium size.
pub(crate) const PANEL_ROWS: usize = 128;
/// Widths of the sweep: powers of two, their neighbours, and odd numbers in between.
const WIDTHS: [usize; 40] = [
    1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 24, 31, 32, 33, 47, 48, 63, 64, 65, 95, 96, 100,
    127, 128, 129, 191, 255, 256, 257, 383, 511, 512, 513, 1000, 1023, 1024, 2048,
];

/// Options of `gemm`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to measure
    #[arg(long, default_value = "all")]
    part: Part,
    /// Shape of the step, by name or as R,I,H,O,C; repeat for more [default: the named ones]
    #[arg(long = "shape", value_name = "NAME|R,I,H,O,C")]
    shapes: Vec<Shape>,
    /// Largest width in the sweeps
    #[arg(long, default_value_t = 2048)]
    max_width: usize,
    /// Time for each product, which is measured at least three times
    #[arg(long, default_value_t = 0.1)]
    seconds: f64,
    /// Write the results here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Parts of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Everything
    All,
    /// The ten matrix products of each shape's step
    Step,
    /// Widths from 1 to 2048, for squares and for panels of 128 rows
    Sweep,
    /// Every width from 8 to 512, for products and steps, against the next multiple of 16
    Cliffs,
}

/// One product, by all libraries.
#[derive(Debug)]
struct Record {
    case: String,
    form: Form,
    dims: [usize; 3],
    peak_gflops: f64,
    /// Microseconds, in the order of [`Backend::ALL`].
    micros: Vec<f64>,
}

impl Record {
    fn gflops(&self, micros: f64) -> f64 {
        2.0 * self.dims.iter().product::<usize>() as f64 / micros / 1e3
    }

    /// One for each library.
    fn json(&self) -> impl Iterator<Item = Value> {
        let [m, n, k] = self.dims;
        Backend::ALL.iter().zip(&self.micros).map(move |(backend, &micros)| {
            let gflops = self.gflops(micros);
            json!({
                "suite": "gemm",
                "case": self.case,
                "form": self.form.name(),
                "m": m,
                "n": n,
                "k": k,
                "backend": backend.name(),
                "median_us": micros,
                "gflops": gflops,
                "peak_share": gflops / self.peak_gflops,
            })
        })
    }
}

/// Runs the suite.
pub(crate) fn run(args: &Args) -> Result<()> {
    if cfg!(not(feature = "faer")) {
        eprintln!("faer is skipped: build with `--features faer`, as cargo xtask bench gemm does");
    }
    let mut json = Vec::new();
    if matches!(args.part, Part::All | Part::Step) {
        let records = measure_all(step_products(&args.shapes), args.seconds)?;
        say(&"The matrix products of a step, one thread");
        report(&records).print();
        json.extend(records.iter().flat_map(Record::json));
    }
    if matches!(args.part, Part::All | Part::Sweep) {
        let records = measure_all(sweep(args.max_width), args.seconds)?;
        say(&"\nSweeps of widths, one thread");
        report(&records).print();
        json.extend(records.iter().flat_map(Record::json));
    }
    if matches!(args.part, Part::All | Part::Cliffs) {
        say(&"\nWidths from 8, each against the next multiple of 16");
        json.extend(cliffs::run(args.max_width.min(512), args.seconds)?);
    }
    write_json(args.json.as_deref(), &json)
}

/// Name, form and dimensions of a product.
type Case = (String, Form, [usize; 3]);

fn step_products(shapes: &[Shape]) -> Vec<Case> {
    let named = Shape::NAMED.map(|(_, shape)| shape);
    let shapes = if shapes.is_empty() { &named[..] } else { shapes };
    let of_shape = |shape: &Shape| {
        let shape = *shape;
        StepProducts::<f32>::ALL
            .map(|p| (format!("{} {}", shape.name(), p.name), p.form, p.dims(shape)))
    };
    shapes.iter().flat_map(of_shape).collect()
}

fn sweep(max_width: usize) -> Vec<Case> {
    let widths = || WIDTHS.into_iter().filter(move |width| *width <= max_width);
    let squares = Form::ALL
        .into_iter()
        .flat_map(|form| widths().map(move |w| ("square".to_owned(), form, [w, w, w])));
    let panels = Form::ALL
        .into_iter()
        .flat_map(|form| widths().map(move |w| ("panel".to_owned(), form, panel(form, w))));
    squares.chain(panels).collect()
}

/// What a layer of `width` inputs and outputs multiplies on a batch.
pub(crate) fn panel(form: Form, width: usize) -> [usize; 3] {
    match form {
        Form::Nt | Form::Nn => [PANEL_ROWS, width, width],
        Form::Tn => [width, width, PANEL_ROWS],
    }
}

fn measure_all(cases: Vec<Case>, seconds: f64) -> Result<Vec<Record>> {
    cases.into_iter().map(|case| measure(case, seconds)).collect()
}

/// All libraries in turn, and the peak.
fn measure((case, form, dims): Case, seconds: f64) -> Result<Record> {
    let exec = Executor::serial();
    let mut product = Multiplication::new(form, dims);
    let mut peak = Peak::default();
    let warm_up = |backend: &Backend| Sampler::warm_up(WARM_UP, &mut || product.run(*backend));
    let mut samplers: Vec<Sampler> = Backend::ALL.iter().map(warm_up).collect();
    rounds(seconds, MIN_ROUNDS, || {
        for (sampler, backend) in samplers.iter_mut().zip(Backend::ALL) {
            sampler.sample_for(SLICE, &mut || product.run(*backend));
        }
        peak.sample::<f32>(&exec);
        Ok(())
    })?;
    let micros = samplers.iter().map(Sampler::median_us).collect();
    Ok(Record { case, form, dims, peak_gflops: peak.gflops(), micros })
}

fn report(records: &[Record]) -> Report {
    let mut header = vec!["product".to_owned(), "form".into(), "m".into(), "n".into(), "k".into()];
    for backend in Backend::ALL {
        header.extend([format!("{} µs", backend.name()), "Gflop/s".into(), "of P".into()]);
    }
    let mut report = Report::with_header(header);
    for record in records {
        let mut row = vec![record.case.clone(), record.form.name().to_owned()];
        row.extend(record.dims.map(|dim| dim.to_string()));
        for &micros in &record.micros {
            let gflops = record.gflops(micros);
            row.extend([digits(micros), digits(gflops), percent(gflops / record.peak_gflops)]);
        }
        report.row(row);
    }
    report
}
