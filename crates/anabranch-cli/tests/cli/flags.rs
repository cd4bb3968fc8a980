//! Every flag of `train` does what the library's setting does: the same weights, to the bit, and
//! others than without the flag.

use std::collections::BTreeSet;

use anabranch::data::{
    AskedKind, ClassTarget, ColumnRules, Mark, MissingMarkers, ReadOptions, ScaleKind, Scaling,
    SplitBy, SplitRules, TargetColumns, TaskTarget, TextEncoding, Tolerance, prepare_split,
};
use anabranch::graph::{Branch, Fusion, Join, River, TwoBranch};
use anabranch::layers::{Activation, LossKind};
use anabranch::optim::{OptimizerKind, ScheduleKind};
use anabranch::tensor::Executor;
use anabranch::train::{
    NoObserver, TaskBalance, TrainConfig, Trainer, Validate, Watch, member_seed, weights_sha256,
};
use serde_json::Value;

use crate::program::Dir;

/// A run by the library.
#[derive(Clone)]
struct Run {
    data: &'static str,
    options: ReadOptions,
    columns: TargetColumns,
    split: SplitRules,
    test: Option<&'static str>,
    /// Of the two-branch network; widths apart from these follow from the data.
    network: TwoBranch,
    join: Option<Join>,
    loss: LossKind,
    /// The weights of the classes.
    class_weights: fn(&ClassTarget) -> Vec<f64>,
    /// A branch for each task instead, with these hidden layers.
    hidden: Option<Vec<usize>>,
    config: TrainConfig,
    n_members: usize,
}

impl Run {
    fn river(&self, inputs: usize, tasks: &[TaskTarget]) -> River {
        let outputs = |i: usize| tasks[i].outputs();
        if let Some(hidden) = &self.hidden {
            let with_blocks = |name: String, is_class: bool| {
                hidden.iter().fold(Branch::new(name), |branch, width| {
                    let branch = branch.hidden(*width, Activation::Relu);
                    if is_class { branch.batch_norm() } else { branch.dropout(0.05) }
                })
            };
            let numbers = with_blocks(tasks[0].name(), false);
            let class = with_blocks(tasks[1].name(), true);
            let class = class.join(&tasks[0].name(), Join::Broadcast);
            let numbers = numbers.head(outputs(0), LossKind::HalfSquaredError, 1.0);
            return River::new(
                inputs,
                [numbers, class.head(outputs(1), LossKind::CROSS_ENTROPY, 1.0)],
            );
        }
        let TwoBranch { hidden_a, hidden_b, .. } = self.network;
        let fitted = TwoBranch::new(inputs, hidden_a, outputs(0), hidden_b, outputs(1));
        let join = self.join.unwrap_or(fitted.join);
        let (outputs_a, classes) = (outputs(0), outputs(1));
        let network = TwoBranch { inputs, outputs_a, classes, join, ..self.network.clone() };
        let mut river = network.river();
        river.branches[0].head.as_mut().unwrap().loss = self.loss.clone();
        let TaskTarget::Classification(class) = &tasks[1] else { panic!("a class is asked for") };
        let class_weights = (self.class_weights)(class);
        river.branches[1].head.as_mut().unwrap().loss =
            LossKind::CrossEntropy { label_smoothing: 0.0, class_weights };
        river
    }

    fn hash(&self, dir: &Dir) -> String {
        let exec = Executor::serial();
        let read = |name: &str| self.options.clone().read(dir.path(name)).unwrap();
        let test = self.test.map(read);
        let (table, split) = (read(self.data), &self.split);
        let prepared =
            prepare_split::<f32>(&exec, &table, &self.columns, split, test.as_ref()).unwrap();
        let data = &prepared.dataset;
        let river = self.river(data.n_inputs, prepared.targets.tasks());
        let mut params = Vec::new();
        for member in 0..self.n_members {
            let seed = member_seed(self.config.seed, member);
            let config = TrainConfig { seed, ..self.config.clone() };
            let graph = river.build(Fusion::Fused).unwrap();
            let mut trainer = Trainer::new(data, graph, &config, &exec).unwrap();
            if let Some(split) = Validate::Turns.split(&data.split, member) {
                trainer = trainer.with_split(split).unwrap();
            }
            trainer.run(&mut NoObserver).unwrap();
            for snapshot in trainer.member().snapshots {
                params.extend(snapshot.params);
            }
        }
        weights_sha256(&params)
    }
}

/// What all runs here have in common.
const BASE: &str = "--epochs 4 --hidden-a 6 --hidden-b 5 --batch-size 16 --ensemble 1 --watch sum";
const TASKS: &str = "--regress price --classify kind";

fn base() -> Run {
    // Fewer than 1,000 rows train.
    let weight_decay = 0.01;
    let config = TrainConfig { epochs: 4, batch_size: 16, weight_decay, ..TrainConfig::default() };
    let rules = ColumnRules { scaling: Scaling::Ranked, ..ColumnRules::default() };
    Run {
        data: "t.csv",
        options: ReadOptions { rules, ..ReadOptions::default() },
        columns: TargetColumns::new().regress(["price"]).classify("kind"),
        split: SplitRules { seed: config.seed, ..SplitRules::default() },
        test: None,
        network: TwoBranch { dropout: 0.05, ..TwoBranch::new(1, 6, 1, 5, 1) },
        join: None,
        loss: LossKind::HalfSquaredError,
        class_weights: |_| Vec::new(),
        hidden: None,
        config,
        n_members: 1,
    }
}

/// A table with something for every flag; `from` is its first row's number.
fn table(from: usize, to: usize, separator: char) -> Vec<u8> {
    let mut csv = String::from("number,size,colour,price,kind,part,who,when\n");
    for i in from..to {
        let (number, size, colour) = (i * 13 % 29, i * 7 % 17, i % 3);
        let price = 2 * size + 5 * colour + i * 5 % 4;
        let kind = ["small", "large"][usize::from(size + i % 5 > 10)];
        let part = ["train", "test", "train", "validation"][i / 2 % 4];
        let colour = ["red", "\u{a4}", "\u{e9}"][colour];
        let day = 1 + i * 11 % 28;
        csv += &format!(
            "{number}.5,{size},{colour},{price}.5,{kind},{part},g{},2024-03-{day:02}\n",
            i % 9
        );
    }
    // Not UTF-8: one byte for each character.
    csv.replace(',', &separator.to_string()).chars().map(|c| u8::try_from(c).unwrap()).collect()
}

type Change = Box<dyn Fn(&mut Run)>;

/// A flag with its value, and the setting that it is.
fn cases() -> Vec<(String, Change)> {
    let mut cases: Vec<(String, Change)> = Vec::new();
    let mut case = |flag: &str, change: fn(&mut Run)| cases.push((flag.into(), Box::new(change)));
    case("--data other.csv", |run| run.data = "other.csv");
    case("--regress price,size", |run| {
        run.columns = TargetColumns::new().regress(["price", "size"]).classify("kind");
    });
    case("--classify colour", |run| {
        run.columns = TargetColumns::new().regress(["price"]).classify("colour");
    });

    case("--test-fraction 0.3", |run| run.split.fractions.test = 0.3);
    case("--validation-fraction 0.25", |run| run.split.fractions.validation = 0.25);
    case("--validation-fraction 0", |run| {
        run.split.fractions.validation = 0.0;
        run.config.patience = 0;
    });
    case("--test later.csv", |run| run.test = Some("later.csv"));
    case("--split-column part", |run| run.split.by = SplitBy::Column("part".into()));
    case("--group who", |run| run.split.by = SplitBy::Group("who".into()));
    case("--time when", |run| run.split.by = SplitBy::Time("when".into()));
    case("--target-scale price=log1p", |run| {
        run.columns = run.columns.clone().scale("price", ScaleKind::Log1p);
    });
    case("--scaling auto", |run| run.options.rules.scaling = Scaling::Auto);
    case("--scaling robust", |run| run.options.rules.scaling = Scaling::Robust);
    case("--sample-weight number", |run| {
        run.columns = run.columns.clone().sample_weight("number");
    });
    case("--split-seed 9", |run| run.split.seed = 9);

    case("--drop number,who", |run| {
        run.options.rules.drop = vec!["number".into(), "who".into()];
    });
    case("--keep size,colour", |run| {
        run.options.rules.keep = vec!["size".into(), "colour".into()];
    });
    case("--as number=category", |run| {
        run.options.rules.kinds = vec![("number".into(), AskedKind::Category)];
    });
    case("--missing 3", |run| {
        run.options.rules.missing = Some(MissingMarkers::new(["3"]));
    });
    case("--missing +3", |run| {
        run.options.rules.missing = Some(MissingMarkers::default().with(["3"]));
    });
    case("--missing-in number=+3.5,7.5", |run| {
        let markers = MissingMarkers::default().with(["3.5", "7.5"]);
        run.options.rules.column_missing = vec![("number".into(), markers)];
    });
    case("--encoding iso-8859-15", |run| {
        run.options.encoding = TextEncoding::named("iso-8859-15");
    });

    case("--hidden-a 9", |run| run.network.hidden_a = 9);
    case("--hidden-b 4", |run| run.network.hidden_b = 4);
    case("--hidden 7,5", |run| run.hidden = Some(vec![7, 5]));
    case("--dropout 0.4", |run| run.network.dropout = 0.4);
    case("--join project", |run| run.join = Some(Join::Project));
    case("--weight-a 0.3", |run| run.network.weight_a = 0.3);
    case("--weight-b 2.5", |run| run.network.weight_b = 2.5);
    case("--task-weight kind=0.2", |run| run.network.weight_b = 0.2);
    case("--loss price=huber", |run| run.loss = LossKind::HUBER);
    case("--class-weight kind=small:2.5", |run| run.class_weights = |_| vec![1.0, 2.5]);
    case("--class-weight kind=balanced", |run| {
        run.class_weights = |class| {
            let n = class.rows.iter().sum::<usize>() as f64;
            class.rows.iter().map(|rows| n / (2 * rows) as f64).collect()
        };
    });

    case("--epochs 5", |run| run.config.epochs = 5);
    case("--batch-size 11", |run| run.config.batch_size = 11);
    case("--lr 0.03", |run| run.config.lr = 0.03);
    case("--weight-decay 0.2", |run| run.config.weight_decay = 0.2);
    case("--clip 0.1", |run| run.config.clip = Some(0.1));
    // A run whose loss goes up and down: with more patience, another epoch would be the best.
    case("--lr 0.05 --epochs 60 --patience 2", |run| {
        run.config = TrainConfig { lr: 0.05, epochs: 60, patience: 2, ..run.config.clone() };
    });
    case("--ensemble 3", |run| run.n_members = 3);
    case("--task-balance uncertainty", |run| {
        run.config.task_balance = TaskBalance::Uncertainty;
    });
    case("--task-balance min-norm", |run| run.config.task_balance = TaskBalance::MinNorm);
    let rough = "--lr 0.05 --epochs 20 --watch";
    for (name, watch) in [("kind", Watch::Task(1)), ("each", Watch::Each)] {
        let change = move |run: &mut Run| {
            run.config = TrainConfig { lr: 0.05, epochs: 20, watch, ..run.config.clone() };
        };
        cases.push((format!("{rough} {name}"), Box::new(change)));
    }
    let mut case = |flag: &str, change: fn(&mut Run)| cases.push((flag.into(), Box::new(change)));
    case("--seed 7", |run| (run.config.seed, run.split.seed) = (7, 7));
    for kind in OptimizerKind::ALL.into_iter().filter(|kind| *kind != OptimizerKind::ADAM) {
        let change = move |run: &mut Run| run.config.optimizer = kind;
        cases.push((format!("--optimizer {kind}"), Box::new(change)));
    }
    for kind in ScheduleKind::ALL.into_iter().filter(|kind| *kind != ScheduleKind::COSINE) {
        let change = move |run: &mut Run| run.config.schedule = kind;
        cases.push((format!("--schedule {kind}"), Box::new(change)));
    }
    cases
}

/// The base and a flag, which takes the place of the base's own.
fn flags(flag: &str) -> String {
    let pair = |flags: &str| -> Vec<(String, String)> {
        let words: Vec<&str> = flags.split_whitespace().collect();
        words.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
    };
    let given = pair(flag);
    let mut all = pair(&format!("--data t.csv --encoding windows-1252 {TASKS} {BASE}"));
    all.retain(|(name, _)| given.iter().all(|(given, _)| given != name));
    all.extend(given);
    all.iter().map(|(name, value)| format!(" {name} {value}")).collect()
}

fn tables() -> Dir {
    let dir = Dir::new();
    dir.write("t.csv", table(0, 90, ','));
    dir.write("other.csv", table(5, 95, ','));
    dir.write("later.csv", table(90, 110, ','));
    dir
}

#[test]
fn every_flag_is_the_setting_of_the_library() {
    let dir = tables();
    let program = |flag: &str| {
        let json = dir.json(&format!("train{} --out m --force", flags(flag)));
        json["weights_sha256"].as_str().unwrap().to_owned()
    };
    let mut run = base();
    run.options.encoding = TextEncoding::named("windows-1252");
    let without = run.hash(&dir);
    assert_eq!(program("--seed 1"), without);
    for (flag, change) in cases() {
        let mut run = run.clone();
        change(&mut run);
        let by_library = run.hash(&dir);
        assert_ne!(by_library, without, "{flag}: choose a value that matters");
        assert_eq!(program(&flag), by_library, "{flag}");
    }
}

/// Flags that read a table otherwise, each with a table that shows it.
#[test]
fn flags_of_tables_are_settings_of_the_library() {
    let dir = Dir::new();
    let hash = |flags: &str| {
        let run = dir.run(&format!("train {TASKS} {BASE} --out m --force --json {flags}"));
        (run.code == 0).then(|| run.json()["weights_sha256"].as_str().unwrap().to_owned())
    };
    // A separator that no look at the file would choose.
    let wide = String::from_utf8_lossy(&table(0, 60, ';')).replace('\u{fffd}', "x");
    dir.write("semicolons.csv", wide.replace(";colour", ";a,b").replace(";x;", ";x,y;"));
    let mut run = Run { data: "semicolons.csv", ..base() };
    run.options.separator = Some(b';');
    assert_eq!(hash("--data semicolons.csv --separator ;"), Some(run.hash(&dir)));
    assert_eq!(hash("--data semicolons.csv --separator ,"), None);

    // 1,500 is a thousand times 1.5, or 1.5 itself.
    let number = |line: &str| line.replacen("3;", "1,500;", 1).replacen("4;", "2,250;", 1);
    dir.write("marks.csv", wide.lines().map(|line| number(line) + "\n").collect::<String>());
    let mut hashes = BTreeSet::new();
    for (name, mark) in [("point", Mark::Point), ("comma", Mark::Comma)] {
        let mut run = Run { data: "marks.csv", ..base() };
        run.options.rules.decimal = Some(mark);
        let by_library = run.hash(&dir);
        assert_eq!(hash(&format!("--data marks.csv --decimal {name}")), Some(by_library.clone()));
        hashes.insert(by_library);
    }
    assert_eq!(hashes.len(), 2);

    // Test rows of which a column is all words.
    dir.write("t.csv", table(0, 60, ','));
    let later = String::from_utf8_lossy(&table(60, 80, ',')).into_owned();
    let words =
        |line: &str| line.split_once(',').map(|(_, rest)| format!("word,{rest}\n")).unwrap();
    let words: String = later.lines().skip(1).map(words).collect();
    dir.write("later.csv", format!("{}\n{words}", later.lines().next().unwrap()));
    let flags = "--data t.csv --test later.csv --encoding windows-1252";
    let mut run = Run { test: Some("later.csv"), ..base() };
    run.options.encoding = TextEncoding::named("windows-1252");
    run.options.rules.tolerance = Tolerance::Lenient;
    assert_eq!(hash(&format!("{flags} --lenient")), Some(run.hash(&dir)));
}

/// A flag without a test above has another one, which is named here.
#[test]
fn no_flag_is_without_a_test() {
    let elsewhere = [
        ("--separator", "flags_of_tables_are_settings_of_the_library"),
        ("--decimal", "flags_of_tables_are_settings_of_the_library"),
        ("--lenient", "flags_of_tables_are_settings_of_the_library"),
        ("--threads", "training::threads_do_not_matter_and_seeds_do"),
        ("--out", "training::the_model_is_replaced_in_one_rename"),
        ("--force", "bad_input::outputs_that_cannot_be"),
        ("--folds", "training::every_row_is_predicted_by_a_network_that_did_not_see_it"),
        ("--blend", "blending::a_linear_model_counts_unless_told_otherwise"),
        ("--validate", "blending::members_validate_by_turns_unless_told_otherwise"),
        ("--coverage", "coverage::predictions_state_the_coverage_that_training_was_told"),
        ("--no-report", "reporting::a_run_without_a_report_is_the_same_run"),
        ("--json", "training::json_has_exactly_the_documented_keys"),
        ("--audit-every", "checks::a_run_can_be_audited_step_by_step"),
        ("--certify", "checks::a_certificate_is_kept_in_the_model"),
        ("--verbose", "training::verbose_runs_say_what_they_do_on_stderr_alone"),
        ("--config", "config::a_run_comes_back_from_its_config"),
        ("--set", "config::flags_count_more_than_set_and_set_more_than_the_file"),
        ("--quiet", "runs::a_quiet_run_says_nothing"),
        ("--single-task-baselines", "training::each_task_is_trained_alone_too"),
        ("--tensorboard", "runs::event_files_and_cosines_are_asked_for"),
        ("--grad-cosines", "runs::event_files_and_cosines_are_asked_for"),
        ("--resume", "resume::a_run_that_is_killed_again_and_again_comes_to_the_same_bits"),
        ("--checkpoint-every", "resume::checkpoints_come_after_seconds_too"),
        ("--help", "training::help_shows_the_defaults"),
    ];
    let tested: BTreeSet<String> = cases()
        .iter()
        .flat_map(|(flag, _)| flag.split_whitespace().step_by(2))
        .chain(elsewhere.iter().map(|(flag, _)| *flag))
        .map(ToOwned::to_owned)
        .collect();
    let help = Dir::new().succeed("train --help").stdout;
    let is_letter = |c: char| c.is_ascii_lowercase() || c == '-';
    let flags = help.lines().filter_map(|line| {
        let start = line.trim_start();
        let start = start.strip_prefix("-v, ").or(start.strip_prefix("-h, ")).unwrap_or(start);
        start.starts_with("--").then(|| start.split(|c| !is_letter(c)).next().unwrap())
    });
    let flags: BTreeSet<String> = flags.map(|flag| flag.trim_end_matches('.').to_owned()).collect();
    assert!(flags.len() > 30, "{flags:?}");
    assert_eq!(flags, tested);
}

/// Threads, and what is printed, change no weight.
#[test]
fn what_a_run_prints_and_who_works_changes_no_weight() {
    let dir = tables();
    let train = format!("train{} --out m --force", flags("--seed 1"));
    let hash =
        |flag: &str| -> Value { dir.json(&format!("{train} {flag}"))["weights_sha256"].clone() };
    let plain = hash("");
    for flag in ["--threads 2", "--audit-every 3", "-v", "--tensorboard --grad-cosines"] {
        assert_eq!(hash(flag), plain, "{flag}");
    }
}
