//! What a run is set up from: the flags that `train` and `gradcheck` share.

use std::path::{Path, PathBuf};

use anabranch::data::{Fractions, Prepared, Table, TargetColumns, prepare};
use anabranch::graph::{Join, TwoBranch};
use anabranch::optim::{OptimizerKind, ScheduleKind};
use anabranch::tensor::{Executor, Scalar};
use anabranch::train::TrainConfig;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::failure::Failure;
use crate::flags::{count, non_negative, number};
use crate::output;

/// The name of the built-in table.
const WINE: &str = "wine";

/// Most hidden units of a branch.
const MAX_HIDDEN: usize = 1_000_000;

/// Most memory that the numbers of a run may take, in GiB: a mistyped width shall not bring the machine down.
const MAX_GIB: f64 = 8.0;

/// Data, network and training.
#[derive(Debug, clap::Args)]
pub(crate) struct SetupArgs {
    /// A CSV file with a header, or `wine`: 1,599 red wines, built in
    #[arg(long, value_name = "wine|FILE.csv", default_value = WINE, help_heading = "Data")]
    data: PathBuf,
    /// Columns of numbers to predict, separated by commas
    /// [default for wine: alcohol]
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "COL[,COL…]",
        value_delimiter = ',',
        help_heading = "Data"
    )]
    regress: Vec<String>,
    /// Column of classes to predict [default for wine: quality]
    #[arg(long, value_name = "COL", help_heading = "Data")]
    classify: Option<String>,
    /// Share of the rows that judge the result
    #[arg(long, value_name = "F", default_value_t = Fractions::default().test, help_heading = "Data",
        allow_hyphen_values = true, value_parser = number("a number between 0 and 1", |f| f > 0.0 && f < 1.0))]
    test_fraction: f64,
    /// Share of the rows that choose when to stop
    #[arg(long, value_name = "F", default_value_t = Fractions::default().validation, help_heading = "Data",
        allow_hyphen_values = true, value_parser = number("a number from 0, below 1", |f| (0.0..1.0).contains(&f)))]
    validation_fraction: f64,

    /// Hidden units of branch A, which predicts the numbers
    #[arg(long, value_name = "N", default_value_t = 128, help_heading = "Network",
        allow_hyphen_values = true, value_parser = count(1, MAX_HIDDEN))]
    hidden_a: usize,
    /// Hidden units of branch B, which predicts the class
    #[arg(long, value_name = "N", default_value_t = 64, help_heading = "Network",
        allow_hyphen_values = true, value_parser = count(1, MAX_HIDDEN))]
    hidden_b: usize,
    /// Probability of dropping a hidden unit of branch A in a training step
    #[arg(long, value_name = "P", default_value_t = 0.05, help_heading = "Network",
        allow_hyphen_values = true, value_parser = number("a number from 0 to 1", |p| (0.0..=1.0).contains(&p)))]
    dropout: f64,
    /// How the numbers flow into branch B; auto is add for equal widths,
    /// broadcast for one number, else project
    #[arg(
        long,
        value_name = "NAME",
        default_value = "auto",
        help_heading = "Network",
        verbatim_doc_comment
    )]
    join: JoinArg,
    /// Weight of the numbers' loss
    #[arg(long, value_name = "X", default_value_t = 1.0, help_heading = "Network",
        allow_hyphen_values = true, value_parser = non_negative())]
    weight_a: f64,
    /// Weight of the class's loss
    #[arg(long, value_name = "X", default_value_t = 1.0, help_heading = "Network",
        allow_hyphen_values = true, value_parser = non_negative())]
    weight_b: f64,

    /// Passes over the training rows, at most
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().epochs, help_heading = "Training",
        allow_hyphen_values = true, value_parser = count(1, usize::MAX))]
    epochs: usize,
    /// Rows of a training step
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().batch_size, help_heading = "Training",
        allow_hyphen_values = true, value_parser = count(0, usize::MAX))]
    batch_size: usize,
    /// The update rule
    #[arg(long, value_name = "NAME", default_value_t = TrainConfig::default().optimizer, help_heading = "Training",
        value_parser = PossibleValuesParser::new(OptimizerKind::ALL.map(|kind| kind.name()))
            .try_map(|name| name.parse::<OptimizerKind>()))]
    optimizer: OptimizerKind,
    /// Learning rate before the schedule
    #[arg(long, value_name = "X", default_value_t = TrainConfig::default().lr, help_heading = "Training",
        allow_hyphen_values = true, value_parser = non_negative())]
    lr: f64,
    /// The course of the learning rate
    #[arg(long, value_name = "NAME", default_value_t = TrainConfig::default().schedule, help_heading = "Training",
        value_parser = PossibleValuesParser::new(ScheduleKind::ALL.map(|kind| kind.name()))
            .try_map(|name| name.parse::<ScheduleKind>()))]
    schedule: ScheduleKind,
    /// Weight decay of the weights; biases and normalisations have none
    #[arg(long, value_name = "X", default_value_t = TrainConfig::default().weight_decay, help_heading = "Training",
        allow_hyphen_values = true, value_parser = non_negative())]
    weight_decay: f64,
    /// Largest norm of all gradients together [default: no limit]
    #[arg(long, value_name = "X", help_heading = "Training",
        allow_hyphen_values = true, value_parser = number("a number over 0", |v| v > 0.0))]
    clip: Option<f64>,
    /// Epochs without a lower validation loss after which training stops
    /// and the best weights return; 0 trains all epochs
    /// [default: 15, or 0 if there are no validation rows]
    #[arg(long, value_name = "N", help_heading = "Training", verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = count(0, usize::MAX))]
    patience: Option<usize>,
    /// What the split, initial weights, shuffles and dropout are drawn by
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().seed, help_heading = "Training")]
    seed: u64,
    /// Threads that work; the result is the same for any number
    /// [default: one for each core]
    #[arg(long, value_name = "N", help_heading = "Training", verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = count(1, 1024))]
    threads: Option<usize>,
}

/// How the numbers flow into branch B.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum JoinArg {
    Auto,
    Add,
    Broadcast,
    Project,
}

/// A run that has its data.
#[derive(Debug)]
pub(crate) struct Setup<T> {
    pub(crate) prepared: Prepared<T>,
    pub(crate) network: TwoBranch,
    pub(crate) config: TrainConfig,
}

impl SetupArgs {
    /// What the user calls the data.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Reads and prepares the data, prints what is odd about it, and sizes the network.
    pub(crate) fn setup<T: Scalar>(&self, exec: &Executor) -> Result<Setup<T>, Failure> {
        let table = read_table(&self.data)?;
        let columns = self.targets(&table)?;
        let fractions =
            Fractions { test: self.test_fraction, validation: self.validation_fraction };
        let prepared = prepare::<T>(exec, &table, &columns, fractions, self.seed)?;
        output::warn(&prepared.warnings);
        let data = &prepared.dataset;
        let (hidden_a, hidden_b) = (self.hidden_a, self.hidden_b);
        let network =
            TwoBranch::new(data.n_inputs, hidden_a, data.n_outputs, hidden_b, data.n_classes);
        let network = TwoBranch {
            dropout: self.dropout,
            join: match self.join {
                JoinArg::Auto => network.join,
                JoinArg::Add => Join::Add,
                JoinArg::Broadcast => Join::Broadcast,
                JoinArg::Project => Join::Project,
            },
            weight_a: self.weight_a,
            weight_b: self.weight_b,
            ..network
        };
        let config = self.config();
        check_memory(&network, config.batch_size.min(data.split.train.len()))?;
        Ok(Setup { prepared, network, config })
    }

    /// The threads asked for, or one for each core.
    pub(crate) fn executor(&self) -> Result<Executor, Failure> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from).min(1024);
        Ok(Executor::new(self.threads.unwrap_or_else(cores))?)
    }

    fn config(&self) -> TrainConfig {
        let patience = match self.patience {
            Some(patience) => patience,
            None if self.validation_fraction > 0.0 => TrainConfig::default().patience,
            None => 0,
        };
        TrainConfig {
            epochs: self.epochs,
            batch_size: self.batch_size,
            optimizer: self.optimizer,
            lr: self.lr,
            schedule: self.schedule,
            weight_decay: self.weight_decay,
            clip: self.clip,
            patience,
            seed: self.seed,
        }
    }

    /// The columns to predict: those asked for, and wine's own for wine.
    fn targets(&self, table: &Table) -> Result<TargetColumns, Failure> {
        let mut columns = TargetColumns { regress: self.regress.clone(), classify: String::new() };
        if self.data == Path::new(WINE) {
            let wine = TargetColumns::wine();
            if columns.regress.is_empty() {
                columns.regress = wine.regress;
            }
            columns.classify = self.classify.clone().unwrap_or(wine.classify);
            return Ok(columns);
        }
        let missing = match (columns.regress.is_empty(), &self.classify) {
            (false, Some(classify)) => {
                columns.classify = classify.clone();
                return Ok(columns);
            }
            (true, None) => "--regress and --classify",
            (true, Some(_)) => "--regress",
            (false, None) => "--classify",
        };
        let found: Vec<String> = table.columns().iter().map(|name| format!("{name:?}")).collect();
        Err(Failure::input(format!(
            "{}: name what to predict with {missing}: the columns found are {}",
            table.name(),
            found.join(", ")
        )))
    }
}

/// The table that `data` means: a file, or the one built in.
pub(crate) fn read_table(data: &Path) -> Result<Table, Failure> {
    let table = if data == Path::new(WINE) { Table::wine() } else { Table::read(data) };
    Ok(table?)
}

/// Refuses a network whose numbers in training would fill the machine.
fn check_memory(network: &TwoBranch, batch_rows: usize) -> Result<(), Failure> {
    let [inputs, hidden_a, outputs_a, hidden_b, classes] =
        [network.inputs, network.hidden_a, network.outputs_a, network.hidden_b, network.classes]
            .map(|n| n as f64);
    let projection = if network.join == Join::Project { outputs_a } else { 0.0 };
    let params =
        hidden_a * (inputs + outputs_a + 1.0) + hidden_b * (inputs + classes + projection + 3.0);
    // Weights, the best ones, gradients, two moments; for each row, values, derivatives and what layers save.
    let (copies, copies_per_row) = (5.0, 4.0);
    let per_row = hidden_a + outputs_a + hidden_b + classes;
    let numbers = copies * params + copies_per_row * per_row * batch_rows as f64;
    let gib = numbers * 4.0 / f64::from(1 << 30);
    if gib <= MAX_GIB {
        return Ok(());
    }
    Err(Failure::input(format!(
        "a network of {} and {} hidden units on {} inputs, in steps of {batch_rows} rows, would take {gib:.0} GiB, \
         more than {MAX_GIB}: choose a smaller --hidden-a, --hidden-b or --batch-size",
        network.hidden_a, network.hidden_b, network.inputs
    )))
}
