//! The suite `infer`: one row, and ten thousand.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anabranch_data::{Cell, Fractions, Prepared, Table, TargetColumns, prepare};
use anabranch_export::{Format, export};
use anabranch_graph::{Mode, TwoBranch, Workspace};
use anabranch_tensor::{ArrayView2, Executor, matrix};
use anabranch_tests::count_allocations;
use anabranch_train::{Member, Model, Predictions, Snapshot};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Result;
use crate::peers;

use crate::report::{Report, digits, write_json};
use crate::timing::Sampler;
use crate::workload::Lcg;

const WARM_UP: Duration = Duration::from_millis(50);
const HIDDEN: [usize; 2] = [128, 64];

/// Options of `infer`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Rows of the large batch
    #[arg(long, default_value_t = 10_000)]
    rows: usize,
    /// Threads for the large batch
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Time for each case
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Also have onnxruntime predict one row of the same model (benches/peers/requirements.txt)
    #[arg(long)]
    peers: bool,
    /// Python with onnxruntime [default: the one in benches/peers/venv, else python3]
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
    /// Write the results here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The figures of one case.
#[derive(Debug)]
struct Record {
    case: &'static str,
    rows: usize,
    threads: usize,
    median_us: f64,
    /// Not known of other programs.
    allocations: Option<u64>,
}

impl Record {
    /// Times `work` on `rows` rows, then counts the allocations of one more call.
    fn measure(
        case: &'static str,
        rows: usize,
        exec: &Executor,
        seconds: f64,
        mut work: impl FnMut() + Send,
    ) -> Self {
        let median_us = exec.enter(|| {
            let mut sampler = Sampler::warm_up(WARM_UP, &mut work);
            sampler.sample_for(Duration::from_secs_f64(seconds), &mut work)
        });
        let ((), seen) = count_allocations(exec, work);
        let allocations = Some(seen.count);
        Self { case, rows, threads: exec.threads(), median_us, allocations }
    }

    fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.median_us * 1e6
    }

    fn json(&self) -> Value {
        json!({
            "suite": "infer",
            "case": self.case,
            "rows": self.rows,
            "threads": self.threads,
            "median_us": self.median_us,
            "rows_per_second": self.rows_per_second(),
            "allocations": self.allocations,
        })
    }
}

/// A model of the built-in table with its initial weights: its predictions take as long as a
/// trained one's.
fn model(exec: Executor) -> Result<Model> {
    let table = Table::wine()?;
    let Prepared { dataset, encoder, targets, .. } =
        prepare::<f32>(&exec, &table, &TargetColumns::wine(), Fractions::default(), 1)?;
    let [hidden_a, hidden_b] = HIDDEN;
    let [outputs, classes] = [0, 1].map(|task| dataset.tasks[task].outputs());
    let river = TwoBranch::new(dataset.n_inputs, hidden_a, outputs, hidden_b, classes).river();
    let (params, state) = river.build(anabranch_graph::Fusion::Fused)?.init(1);
    let member = Member::new(2, params.to_vec(), state.to_vec());
    Ok(Model::new(river, vec![member], encoder, targets)?.with_executor(exec)?)
}

/// Runs the suite.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut records = measure(args.rows, args.threads, args.seconds)?;
    if args.peers {
        records.push(onnxruntime(&peers::python(args.python.as_deref()), args.seconds)?);
    }
    let header = ["case", "rows", "threads", "median µs", "rows/s", "allocations"];
    let mut report = Report::new(header);
    for record in &records {
        report.row([
            record.case.to_owned(),
            record.rows.to_string(),
            record.threads.to_string(),
            digits(record.median_us),
            digits(record.rows_per_second()),
            record.allocations.map_or("?".into(), |n| n.to_string()),
        ]);
    }
    report.print();
    let records: Vec<Value> = records.iter().map(Record::json).collect();
    write_json(args.json.as_deref(), &records)
}

/// The records of one row and of `rows`.
pub(crate) fn quick(rows: usize, threads: usize, seconds: f64) -> Result<Vec<Value>> {
    Ok(measure(rows, threads, seconds)?.iter().map(Record::json).collect())
}

/// All cases of ours; `threads` is for the large batch.
fn measure(rows: usize, threads: usize, seconds: f64) -> Result<Vec<Record>> {
    let serial = Executor::serial();
    let one = model(Executor::serial())?;
    let many = model(Executor::new(threads)?)?;
    let columns = one.encoder().input_columns();
    let n_columns = columns.len();
    let cells: Vec<f64> = Lcg(1).uniform(rows.max(1) * n_columns, 10.0);
    let fields: Vec<(&str, Cell<'_>)> = columns
        .iter()
        .map(|column| column.name.as_str())
        .zip(cells.iter().map(|v| (*v).into()))
        .collect();

    let in_order: Vec<Cell<'_>> = fields.iter().map(|field| field.1).collect();
    let wine = Wine::of(&cells);

    let mut prediction = one.prediction();
    let mut predictions = Predictions::default();
    // Errors show up before the clock starts.
    one.predict_row(&fields, &mut prediction)?;
    one.predict_cells(&in_order, &mut prediction)?;
    one.predict_record(&wine, &mut prediction)?;
    let all = matrix(&cells, rows, n_columns);
    many.predict_matrix(all, &mut predictions)?;

    Ok(vec![
        Record::measure("one row, encoded and decoded", 1, &serial, seconds, || {
            one.predict_row(&fields, &mut prediction).ok();
        }),
        Record::measure("one row, cells in order", 1, &serial, seconds, || {
            one.predict_cells(&in_order, &mut prediction).ok();
        }),
        Record::measure("one row, a struct", 1, &serial, seconds, || {
            one.predict_record(&wine, &mut prediction).ok();
        }),
        bare("one row, the network alone", &one, &serial, 1, seconds)?,
        // The model enters its own threads.
        Record {
            threads,
            ..Record::measure("matrix, encoded and decoded", rows, &serial, seconds, || {
                many.predict_matrix(all, &mut predictions).ok();
            })
        },
        bare("matrix, the network alone", &one, &Executor::new(threads)?, rows, seconds)?,
    ])
}

/// A row of the built-in table.
#[derive(Debug, Serialize)]
struct Wine {
    #[serde(rename = "fixed acidity")]
    fixed_acidity: f64,
    #[serde(rename = "volatile acidity")]
    volatile_acidity: f64,
    #[serde(rename = "citric acid")]
    citric_acid: f64,
    #[serde(rename = "residual sugar")]
    residual_sugar: f64,
    chlorides: f64,
    #[serde(rename = "free sulfur dioxide")]
    free_sulfur_dioxide: f64,
    #[serde(rename = "total sulfur dioxide")]
    total_sulfur_dioxide: f64,
    density: f64,
    #[serde(rename = "pH")]
    ph: f64,
    sulphates: f64,
}

impl Wine {
    /// The first row of `cells`.
    fn of(cells: &[f64]) -> Self {
        Self {
            fixed_acidity: cells[0],
            volatile_acidity: cells[1],
            citric_acid: cells[2],
            residual_sugar: cells[3],
            chlorides: cells[4],
            free_sulfur_dioxide: cells[5],
            total_sulfur_dioxide: cells[6],
            density: cells[7],
            ph: cells[8],
            sulphates: cells[9],
        }
    }
}

/// One row of the same model in onnxruntime, from columns to units and labels as ours.
fn onnxruntime(python: &Path, seconds: f64) -> Result<Record> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), export(&model(Executor::serial())?, Format::Onnx)?.file)?;
    let mut script = Command::new(python);
    script.arg(peers::folder().join("onnx_row.py")).arg(file.path()).arg(seconds.to_string());
    let output = script.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("onnx_row.py failed: {}", peers::INSTALL_PYTHON).into());
    }
    let result: Value = serde_json::from_slice(&output.stdout)?;
    let median_us = result["median_us"].as_f64().ok_or("no median")?;
    Ok(Record { case: "one row, onnxruntime", rows: 1, threads: 1, median_us, allocations: None })
}

/// The network without encoding and decoding, on all rows at once.
fn bare(
    case: &'static str,
    model: &Model,
    exec: &Executor,
    rows: usize,
    seconds: f64,
) -> Result<Record> {
    let graph = model.graph();
    let mut workspace = Workspace::new(graph, exec, rows, Mode::Inference)?;
    let x: Vec<f32> = Lcg(1).uniform(rows * graph.inputs(), 1.0);
    let x: ArrayView2<'_, f32> = matrix(&x, rows, graph.inputs());
    let Snapshot { params, state, .. } = &model.members()[0].snapshots[0];
    Ok(Record::measure(case, rows, exec, seconds, || {
        graph.infer(exec, params, state, &mut workspace, &[x]);
    }))
}
