//! The network that the flags ask for.

use anabranch::data::{Dataset, TaskTarget};
use anabranch::graph::{Branch, Graph, Join, River, TwoBranch};
use anabranch::layers::{Activation, LossKind};
use anabranch::tensor::{Executor, Scalar};
use anabranch::train::{RunMemory, TrainConfig};
use clap::ValueEnum;

use crate::class_weights::class_weights;
use crate::failure::Failure;
use crate::flags::{assignment, count, counts, non_negative, number};

/// Most hidden units of a branch.
const MAX_HIDDEN: usize = 1_000_000;

/// Most memory for the numbers of a run, in GiB: a mistyped width must not bring the machine down.
const MAX_GIB: f64 = 8.0;

/// Branches, joins and losses.
#[derive(Debug, clap::Args)]
pub(crate) struct NetworkArgs {
    /// Hidden units of a branch that predicts numbers
    #[arg(long, value_name = "N", default_value_t = 128, help_heading = "Network",
        allow_hyphen_values = true, value_parser = count(1, MAX_HIDDEN))]
    hidden_a: usize,
    /// Hidden units of a branch that predicts a class
    #[arg(long, value_name = "N", default_value_t = 64, help_heading = "Network",
        allow_hyphen_values = true, value_parser = count(1, MAX_HIDDEN))]
    hidden_b: usize,
    /// Hidden units of each layer of every branch, separated by commas
    /// [default: one layer, from --hidden-a or --hidden-b]
    #[arg(long, value_name = "N[,N…]", help_heading = "Network", verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = counts(1, MAX_HIDDEN))]
    hidden: Option<Counts>,
    /// Probability of dropping a hidden unit of a branch that predicts numbers
    #[arg(long, value_name = "P", default_value_t = 0.05, help_heading = "Network",
        allow_hyphen_values = true, value_parser = number("a number from 0 to 1", |p| (0.0..=1.0).contains(&p)))]
    dropout: f64,
    /// How predictions flow into the last branch; auto means add for equal
    /// widths, broadcast for one number, and otherwise project
    #[arg(
        long,
        value_name = "NAME",
        default_value = "auto",
        help_heading = "Network",
        verbatim_doc_comment
    )]
    join: JoinArg,
    /// Weight of losses of numbers
    #[arg(long, value_name = "X", default_value_t = 1.0, help_heading = "Network",
        allow_hyphen_values = true, value_parser = non_negative())]
    weight_a: f64,
    /// Weight of losses of classes
    #[arg(long, value_name = "X", default_value_t = 1.0, help_heading = "Network",
        allow_hyphen_values = true, value_parser = non_negative())]
    weight_b: f64,
    /// Weight of one task's loss; may be repeated
    /// [default: from --weight-a or --weight-b]
    #[arg(long, value_name = "NAME=X", help_heading = "Network", verbatim_doc_comment,
        value_parser = assignment)]
    task_weight: Vec<(String, String)>,
    /// Loss of one task; may be repeated: half_squared_error,
    /// absolute_error, huber, pinball for numbers; cross_entropy for a
    /// class [default: half_squared_error, cross_entropy]
    #[arg(long, value_name = "NAME=KIND", help_heading = "Network", verbatim_doc_comment,
        value_parser = assignment)]
    loss: Vec<(String, String)>,
    /// How much each class of a task counts in its loss: balanced, so that
    /// all classes count alike, or weights of labels; may be repeated
    #[arg(long, value_name = "NAME=balanced|LABEL:X,…", help_heading = "Network",
        verbatim_doc_comment, value_parser = assignment)]
    class_weight: Vec<(String, String)>,
}

/// The units of hidden layers.
pub(crate) type Counts = Vec<usize>;

/// How predictions flow into the last branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum JoinArg {
    Auto,
    Add,
    Broadcast,
    Project,
}

impl NetworkArgs {
    /// The network for `tasks`: one regression and one class make the two-branch network; otherwise
    /// each task is a branch, and all the others join the last one.
    ///
    /// # Errors
    /// If a weight or loss is given for a task or class that does not exist, or cannot be parsed.
    pub(crate) fn river(&self, inputs: usize, tasks: &[TaskTarget]) -> Result<River, Failure> {
        let mut river = match (tasks, &self.hidden) {
            ([TaskTarget::Regression(numbers), TaskTarget::Classification(class)], None) => {
                self.two_branch(inputs, numbers.len(), class.labels.len()).river()
            }
            _ => self.branches(inputs, tasks),
        };
        let names: Vec<String> = tasks.iter().map(TaskTarget::name).collect();
        let mut heads: Vec<_> =
            river.branches.iter_mut().filter_map(|branch| branch.head.as_mut()).collect();
        let place = |flag: &str, name: &str| {
            names.iter().position(|known| known == name).ok_or_else(|| {
                let names = names.join("\", \"");
                Failure::input(format!(
                    "{flag}: there is no task {name:?}: the tasks are \"{names}\""
                ))
            })
        };
        for (name, value) in &self.task_weight {
            let weight = non_negative()(value)
                .map_err(|why| Failure::input(format!("--task-weight {name}={value}: {why}")))?;
            heads[place("--task-weight", name)?].weight = weight;
        }
        for (name, value) in &self.loss {
            let loss: LossKind = value
                .parse()
                .map_err(|why| Failure::input(format!("--loss {name}={value}: {why}")))?;
            heads[place("--loss", name)?].loss = loss;
        }
        for (name, value) in &self.class_weight {
            let task = place("--class-weight", name)?;
            let weights = class_weights(value, &tasks[task])
                .map_err(|why| Failure::input(format!("--class-weight {name}={value}: {why}")))?;
            if let LossKind::CrossEntropy { class_weights, .. } = &mut heads[task].loss {
                *class_weights = weights;
            }
        }
        if heads.iter().all(|head| head.weight == 0.0) {
            return Err(Failure::input(
                "all weights are 0, so there is nothing to learn: give a task a weight",
            ));
        }
        Ok(river)
    }

    fn two_branch(&self, inputs: usize, outputs: usize, classes: usize) -> TwoBranch {
        let network = TwoBranch::new(inputs, self.hidden_a, outputs, self.hidden_b, classes);
        TwoBranch {
            dropout: self.dropout,
            join: self.join(self.hidden_b, outputs),
            weight_a: self.weight_a,
            weight_b: self.weight_b,
            ..network
        }
    }

    /// A branch for each task.
    fn branches(&self, inputs: usize, tasks: &[TaskTarget]) -> River {
        let mut river = River::new(inputs, []);
        for (i, task) in tasks.iter().enumerate() {
            let (is_class, default_hidden) = match task {
                TaskTarget::Regression(_) => (false, self.hidden_a),
                TaskTarget::Classification(_) => (true, self.hidden_b),
            };
            let default_hidden = [default_hidden];
            let hidden = self.hidden.as_deref().unwrap_or(&default_hidden);
            let mut branch = Branch::new(task.name());
            for width in hidden {
                branch = branch.hidden(*width, Activation::Relu);
                branch = if is_class { branch.batch_norm() } else { branch.dropout(self.dropout) };
            }
            if i + 1 == tasks.len() {
                let units = hidden.last().copied().unwrap_or(inputs);
                for earlier in &tasks[..i] {
                    let join = self.join(units, earlier.outputs());
                    branch = branch.join(&earlier.name(), join);
                }
            }
            let (loss, weight) = match is_class {
                false => (LossKind::HalfSquaredError, self.weight_a),
                true => (LossKind::CROSS_ENTROPY, self.weight_b),
            };
            river.push(branch.head(task.outputs(), loss, weight));
        }
        river
    }

    fn join(&self, units: usize, outputs: usize) -> Join {
        match self.join {
            JoinArg::Auto => Join::for_widths(units, outputs),
            JoinArg::Add => Join::Add,
            JoinArg::Broadcast => Join::Broadcast,
            JoinArg::Project => Join::Project,
        }
    }
}

/// Refuses a run that would fill the machine's memory: of `n_members` networks as `graph`, on the
/// threads of `exec`.
pub(crate) fn check_memory<T: Scalar>(
    graph: &Graph<T>,
    dataset: &Dataset<T>,
    config: &TrainConfig,
    exec: &Executor,
    n_members: usize,
) -> Result<(), Failure> {
    let memory = RunMemory::of(graph, dataset, config, exec, n_members)?;
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    if gib(memory.peak()) <= MAX_GIB {
        return Ok(());
    }
    let networks = match n_members {
        1 => "a network".to_owned(),
        _ => format!("{n_members} networks"),
    };
    let failure = Failure::input(format!(
        "{networks} of {} parameters on {} inputs, in steps of {} rows, would take {:.1} GiB, more than {MAX_GIB} \
         (data {:.1}, training {:.1}, trained networks {:.1}): choose fewer hidden units, a smaller --batch-size, --ensemble or \
         --threads",
        graph.params_len(),
        graph.inputs(),
        config.batch_size.min(dataset.split.train.len()),
        gib(memory.peak()),
        gib(memory.data),
        gib(memory.training),
        gib(memory.members)
    ));
    Err(failure.coded("memory"))
}
