//! The suite `read`: a CSV file becomes a matrix, next to the readers of pandas and polars, and
//! predictions, by the calls of `anabranch predict`.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use anabranch_data::{Fractions, Prepared, ReadOptions, Table, TargetColumns, prepare, read_ahead};
use anabranch_graph::{Fusion, TwoBranch};
use anabranch_tensor::Executor;
use anabranch_tests::{Allocations, count_allocations};
use anabranch_train::{Member, Model, TablePredictor};
use serde_json::{Value, json};

use crate::Result;
use crate::peers;
use crate::report::{Report, digits, say, write_json};
use crate::timing::median;
use crate::workload::Lcg;

/// Decimals of the columns of numbers: eight of them, then as many more, then the rest.
const DECIMALS: [usize; 19] = [4, 4, 4, 4, 4, 4, 4, 4, 6, 6, 6, 6, 6, 6, 3, 3, 3, 3, 2];

/// Upper ends of the columns of whole numbers.
const WHOLE: [u32; 4] = [2, 10, 100, 100_000];

/// Number of labels of the columns of text, the last of which is to predict.
const LABELS: [u32; 5] = [2, 3, 7, 40, 4];

/// One cell in so many is empty in the last column of numbers.
const HOLES: u32 = 10;

/// Units of the branches of the network that predicts.
const HIDDEN: [usize; 2] = [128, 64];

/// Bytes of the table and rows that `anabranch predict` takes at a time.
const PIECE_BYTES: usize = 8 << 20;
const ROWS_AT_ONCE: usize = 4096;

/// Options of `read`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Rows of the generated file, of 30 columns
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// Readings, in turn with the peers'; the medians count
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Python with pandas and polars [default: the one in benches/peers/venv, else python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Write the results here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One reading.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// From the file to cells.
    cells: f64,
    /// From cells to a schema and an encoded matrix.
    matrix: f64,
    matrix_bytes: usize,
    peak: u64,
}

/// Predicting, by where the time goes.
#[derive(Clone, Copy, Debug, Default)]
struct Predicting {
    /// From the file to cells.
    cells: f64,
    /// From cells to encoded rows.
    encoding: f64,
    network: f64,
}

/// Runs the suite.
pub(crate) fn run(args: &Args) -> Result<()> {
    let generated = tempfile::Builder::new().suffix(".csv").tempfile()?;
    let file = generated.path();
    fs::write(file, csv(args.rows))?;
    let bytes = fs::metadata(file)?.len();
    let python = peers::python(args.python.as_deref());
    let (mut ours, mut plain, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let mut peers_are_there = true;
    let (mut predicting, mut on_all_cores) = (Vec::new(), Vec::new());
    for _ in 0..args.repeats.max(1) {
        let (reading, model) = read(file)?;
        ours.push(reading);
        predicting.push(predict(file, &model)?);
        on_all_cores.push(predict_on_all_cores(file, &model)?);
        plain.push(cells_and_numbers(file)?);
        if peers_are_there {
            match peer(file, &python) {
                Ok(readings) => theirs.push(readings),
                Err(error) => {
                    eprintln!(
                        "pandas and polars are skipped: {error}; see benches/peers/README.md"
                    );
                    peers_are_there = false;
                }
            }
        }
    }
    let speed = |seconds: f64| bytes as f64 / 1e6 / seconds;
    let of = |part: fn(&Reading) -> f64| median(&ours.iter().map(part).collect::<Vec<_>>());
    let (cells, both) = (of(|r| r.cells), of(|r| r.cells + r.matrix));
    let Reading { peak, matrix_bytes, .. } = ours[0];
    let limit = bytes + 2 * matrix_bytes as u64;

    say(&format_args!("{} rows, 30 columns, {} MB", args.rows, digits(bytes as f64 / 1e6)));
    let mut report = Report::new(["reader, one thread", "MB/s", "peak MB"]);
    let mut line = |name: &str, seconds: f64, peak: Option<f64>| {
        let peak = peak.map_or_else(String::new, |peak| digits(peak / 1e6));
        report.row([name.to_owned(), digits(speed(seconds)), peak]);
    };
    line("file to cells", cells, None);
    line("file to encoded matrix", both, Some(peak as f64));
    let of =
        |part: fn(&Predicting) -> f64| median(&predicting.iter().map(part).collect::<Vec<_>>());
    let rows_read = of(|p| p.cells + p.encoding);
    let predicted = of(|p| p.cells + p.encoding + p.network);
    line("predict: file to cells", of(|p| p.cells), None);
    line("predict: file to encoded rows", rows_read, None);
    line("predict: file to predictions", predicted, None);
    let on_all_cores = median(&on_all_cores);
    line("predict, on all cores: file to predictions", on_all_cores, None);
    line("csv crate and str::parse", median(&plain), None);
    let mut peers = serde_json::Map::new();
    for name in ["pandas", "polars"] {
        let of = |key: &str| -> Vec<f64> {
            theirs.iter().filter_map(|readings| readings[name][key].as_f64()).collect()
        };
        let (seconds, peak) = (of("seconds"), of("peak_bytes"));
        if !seconds.is_empty() {
            line(&format!("{name}: file to columns"), median(&seconds), Some(median(&peak)));
            let version = &theirs[0][name]["version"];
            let figures = json!({ "mb_per_second": speed(median(&seconds)), "version": version });
            peers.insert(name.to_owned(), figures);
        }
    }
    report.print();
    say(&format_args!(
        "\nfile and two matrices of {} MB: {} MB",
        digits(matrix_bytes as f64 / 1e6),
        digits(limit as f64 / 1e6)
    ));
    let record = json!({
        "suite": "read",
        "case": "generated",
        "threads": 1,
        "rows": args.rows,
        "bytes": bytes,
        "seconds": both,
        "mb_per_second": speed(both),
        "cells_mb_per_second": speed(cells),
        "predict_cells_mb_per_second": speed(of(|p| p.cells)),
        "predict_rows_mb_per_second": speed(rows_read),
        "predict_mb_per_second": speed(predicted),
        "predict_on_all_cores_mb_per_second": speed(on_all_cores),
        "csv_crate_mb_per_second": speed(median(&plain)),
        "peak_bytes": peak,
        "matrix_bytes": matrix_bytes,
        "peers": peers,
    });
    write_json(args.json.as_deref(), &[record])
}

/// Anabranch, on one thread; and a model of the table with its initial weights.
fn read(file: &Path) -> Result<(Reading, Model)> {
    let exec = Executor::serial();
    let columns = TargetColumns::new().regress(["number 1"]).classify("text 5");
    let (result, Allocations { peak, .. }) = count_allocations(&exec, || {
        let begin = Instant::now();
        let table = Table::read(file)?;
        let cells = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        let prepared = prepare::<f32>(&exec, &table, &columns, Fractions::default(), 1)?;
        Ok((cells, begin.elapsed().as_secs_f64(), prepared))
    });
    let (cells, matrix, prepared) = result.map_err(|error: anabranch_data::DataError| error)?;
    let Prepared { dataset, encoder, targets, .. } = prepared;
    let matrix_bytes = size_of_val(&dataset.x[..]);
    let [outputs, classes] = [0, 1].map(|task| dataset.tasks[task].outputs());
    let [hidden_a, hidden_b] = HIDDEN;
    let river = TwoBranch::new(dataset.n_inputs, hidden_a, outputs, hidden_b, classes).river();
    let (params, state) = river.build(Fusion::Fused)?.init(1);
    let member = Member::new(2, params.to_vec(), state.to_vec());
    let model = Model::new(river, vec![member], encoder, targets)?;
    Ok((Reading { cells, matrix, matrix_bytes, peak }, model))
}

/// The calls of `anabranch predict`, on one thread, but for the writing.
fn predict(file: &Path, model: &Model) -> Result<Predicting> {
    let exec = Executor::serial();
    let options = ReadOptions::default();
    let mut encoder = model.encoder().pieces(&options.rules);
    let mut x = Vec::new();
    let mut took = Predicting::default();
    let mut since = Instant::now();
    let mut lap = || {
        let seconds = since.elapsed().as_secs_f64();
        since = Instant::now();
        seconds
    };
    for piece in options.pieces(file, PIECE_BYTES)? {
        let piece = piece?;
        took.cells += lap();
        let rows: Vec<usize> = (0..piece.n_rows()).collect();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            encoder.encode(&exec, &piece, rows, &mut x)?;
            took.encoding += lap();
            black_box(model.predict_encoded(&x));
            took.network += lap();
        }
    }
    encoder.judge()?;
    Ok(took)
}

/// Seconds from the file to predictions on all cores, the next piece being read meanwhile.
fn predict_on_all_cores(file: &Path, model: &Model) -> Result<f64> {
    let exec = Executor::new(thread::available_parallelism().map_or(1, usize::from))?;
    let options = ReadOptions::default();
    let mut predictor = TablePredictor::new(model, &options.rules);
    let begin = Instant::now();
    for piece in read_ahead(options.pieces(file, PIECE_BYTES)?)? {
        black_box(predictor.predict(&exec, &piece?, |some| some.predictions.n_rows)?);
    }
    predictor.judge()?;
    Ok(begin.elapsed().as_secs_f64())
}

/// Seconds to go through the cells with the csv crate and to try to read each as a number.
fn cells_and_numbers(file: &Path) -> Result<f64> {
    let begin = Instant::now();
    let mut reader = csv::Reader::from_path(file)?;
    let mut record = csv::StringRecord::new();
    let (mut sum, mut n_numbers) = (0.0, 0);
    while reader.read_record(&mut record)? {
        for number in record.iter().filter_map(|cell| cell.parse::<f64>().ok()) {
            sum += number;
            n_numbers += 1;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    if n_numbers == 0 || !f64::is_finite(sum) {
        return Err("the generated file has no numbers".into());
    }
    Ok(seconds)
}

/// The readers of `peers/read_csv.py`.
fn peer(file: &Path, python: &Path) -> Result<Value> {
    let script = peers::folder().join("read_csv.py");
    let output = Command::new(python).arg(script).arg(file).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().last() {
        Some(line) if output.status.success() => Ok(serde_json::from_str(line)?),
        _ => {
            let why = String::from_utf8_lossy(&output.stderr);
            Err(why.lines().last().unwrap_or("it failed").into())
        }
    }
}

/// The table as CSV text: 19 columns of numbers, 4 of whole numbers, a date, a column with holes
/// and 5 of text. The same for the same number of rows.
fn csv(rows: usize) -> String {
    let mut lcg = Lcg(1);
    let numbers = (1..=DECIMALS.len()).map(|i| format!("number {i}"));
    let whole = (1..=WHOLE.len()).map(|i| format!("whole {i}"));
    let texts = (1..=LABELS.len()).map(|i| format!("text {i}"));
    let names: Vec<String> =
        numbers.chain(whole).chain(["date".into(), "holes".into()]).chain(texts).collect();
    let mut text = names.join(",") + "\n";
    for _ in 0..rows {
        let numbers: Vec<f64> = lcg.uniform(DECIMALS.len() + 1, 150.0);
        for (number, decimals) in numbers.iter().zip(DECIMALS) {
            write!(text, "{number:.decimals$},").expect("a string takes all text");
        }
        for end in WHOLE {
            write!(text, "{},", lcg.draw() % end).expect("a string takes all text");
        }
        let [year, month, day] = [15, 12, 28].map(|end| lcg.draw() % end);
        write!(text, "20{:02}-{:02}-{:02},", year + 10, month + 1, day + 1)
            .expect("a string takes all text");
        match lcg.draw() % HOLES {
            0 => text.push(','),
            _ => write!(text, "{:.2},", numbers[DECIMALS.len()]).expect("a string takes all text"),
        }
        for (i, n_labels) in LABELS.into_iter().enumerate() {
            let end = if i + 1 < LABELS.len() { ',' } else { '\n' };
            write!(text, "label {}{end}", lcg.draw() % n_labels).expect("a string takes all text");
        }
    }
    text
}
