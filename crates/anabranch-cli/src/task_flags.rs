//! The flags that say what to predict: `--regress` and `--classify`, each as often as there are
//! tasks.

use anabranch::data::{TargetColumns, TaskColumns};
use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

use crate::flags::list;

const REGRESS: &str = "regress";
const CLASSIFY: &str = "classify";

/// The tasks in the order in which their flags were given.
#[derive(Clone, Debug)]
pub(crate) struct TaskFlags(TargetColumns);

impl TaskFlags {
    /// The columns of each task; no task if no flag was given.
    pub(crate) fn columns(&self) -> &TargetColumns {
        &self.0
    }
}

// By hand: clap's derive keeps the order of the values of one flag, not that of two flags.
impl clap::Args for TaskFlags {
    fn augment_args(command: Command) -> Command {
        let flag = |name: &'static str| {
            Arg::new(name).long(name).action(ArgAction::Append).help_heading("Tasks")
        };
        command
            .arg(flag(REGRESS).value_name("COL[,COL…]").value_parser(ValueParser::new(list)).help(
                "Columns of numbers that one head predicts, separated by commas (\"quoted\"\n\
                         if a name contains one); repeat it for another head\n\
                         [default for wine: alcohol]",
            ))
            .arg(
                flag(CLASSIFY).value_name("COL").help(
                    "Column of classes to predict; may be repeated [default for wine: quality]",
                ),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TaskFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let places = |name| matches.indices_of(name).into_iter().flatten();
        let regress = matches.get_many::<Vec<String>>(REGRESS).into_iter().flatten();
        let regress = regress.map(|columns| TaskColumns::Regress(columns.clone()));
        let classify = matches.get_many::<String>(CLASSIFY).into_iter().flatten();
        let classify = classify.map(|column| TaskColumns::Classify(column.clone()));
        let mut tasks: Vec<(usize, TaskColumns)> = places(REGRESS).zip(regress).collect();
        tasks.extend(places(CLASSIFY).zip(classify));
        tasks.sort_by_key(|(place, _)| *place);
        let tasks = tasks.into_iter().map(|(_, task)| task).collect();
        Ok(Self(TargetColumns { tasks, ..TargetColumns::default() }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;

    fn tasks(args: &[&str]) -> TargetColumns {
        let command = TaskFlags::augment_args(Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(args).unwrap();
        TaskFlags::from_arg_matches(&matches).unwrap().0
    }

    #[test]
    fn tasks_keep_the_order_of_their_flags() {
        assert_eq!(tasks(&[]), TargetColumns::new());
        assert_eq!(
            tasks(&["--classify", "c", "--regress", "a,b", "--classify", "d,e", "--regress=f"]),
            TargetColumns::new().classify("c").regress(["a", "b"]).classify("d,e").regress(["f"])
        );
        assert_eq!(
            tasks(&["--regress", r#""price, EUR",b"#]),
            TargetColumns::new().regress(["price, EUR", "b"])
        );
    }
}
