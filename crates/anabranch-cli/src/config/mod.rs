//! `--config FILE` and `--set TABLE.KEY=VALUE`: a run's settings, which take the form of flags
//! before the flags are parsed. So a key of a file is what its flag is: it has the same name, range
//! and messages, and there is one description of both.
//!
//! A table of the file is a heading of `--help`, and its keys are the flags under it: `--lr` is
//! `lr` in `[training]`. Flags without a heading say what one command is to do, and are in no file.

mod file;
mod flat;
mod keys;
mod range;
mod text;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::failure::Failure;

pub(crate) use flat::flat;
pub(crate) use range::Ranged;
pub(crate) use text::{Defaults, Written, scalar};

/// The name of the file in a run's directory.
pub(crate) const FILE: &str = "config.toml";

/// The table whose keys say in which order tasks are; any of them stands for all.
const TASKS: &str = "tasks";

/// Where settings come from, besides flags of their own.
#[derive(Debug, Default, Args)]
pub(crate) struct ConfigArgs {
    /// File with settings, such as `anabranch init` writes; flags given here
    /// count more
    #[arg(long, value_name = "FILE.toml", verbatim_doc_comment, help_heading = None::<&str>)]
    config: Option<PathBuf>,
    /// A setting by its key in such a file, such as training.lr=0.01; counts
    /// more than the file; may be repeated
    #[arg(long, value_name = "TABLE.KEY=VALUE", verbatim_doc_comment, help_heading = None::<&str>)]
    set: Vec<String>,
}

/// All settings of a command line, from wherever they come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    command: &'a Command,
    matches: &'a ArgMatches,
}

impl<'a> Settings<'a> {
    /// Those of `matches` of a command.
    pub(crate) fn new(command: &'a Command, matches: &'a ArgMatches) -> Self {
        Self { command, matches }
    }

    /// Those of the command that `matches` are of.
    pub(crate) fn of(program: &'a Command, matches: &'a ArgMatches) -> Self {
        let found = matches.subcommand().and_then(|(name, matches)| {
            Some(Self { command: program.find_subcommand(name)?, matches })
        });
        found.unwrap_or(Self { command: program, matches })
    }
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Setting<'c> {
    arg: &'c Arg,
    /// As it would be written after the flag; for a flag without a value, `true` or `false`.
    value: String,
    /// Where it was given, for messages.
    place: String,
}

impl Setting<'_> {
    /// The key without its table, and the value.
    pub(crate) fn named(&self) -> (&str, &str) {
        (keys::name(self.arg), &self.value)
    }

    /// The flag, unless it is one that is not given.
    fn flag(&self) -> Option<String> {
        let (name, value) = (keys::name(self.arg), &self.value);
        match self.arg.get_action().takes_values() {
            true => Some(format!("--{name}={value}")),
            false => (value == "true").then(|| format!("--{name}")),
        }
    }

    /// Refuses a value that its flag does not take.
    fn check(&self, command: &Command) -> Result<(), Failure> {
        let Self { place, .. } = self;
        let args = [Some(command.get_name().to_owned()), self.flag()];
        match command.clone().try_get_matches_from(args.into_iter().flatten()) {
            Ok(_) => Ok(()),
            // Of flags that are not looked at here.
            Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => Ok(()),
            Err(error) => {
                let why = Failure::words(&error);
                Err(Failure::input(format!("{place}: {why}")).coded("config"))
            }
        }
    }
}

/// The matches of a command with these settings alone.
///
/// # Errors
/// If they do not go together.
pub(crate) fn matches(
    command: &Command,
    settings: &[Setting<'_>],
    more: &[OsString],
) -> Result<ArgMatches, Failure> {
    let flags = settings.iter().filter_map(|setting| setting.flag().map(OsString::from));
    let args = std::iter::once(command.get_name().into()).chain(flags).chain(more.iter().cloned());
    command.clone().try_get_matches_from(args).map_err(|error| Failure::usage(&error))
}

/// The matches of a command line with the settings of its `--config` and `--set`, of which `given`
/// are the matches without.
///
/// # Errors
/// If the file cannot be read, or a key or its value is none of the command's.
pub(crate) fn with_settings(
    program: &mut Command,
    args: &[OsString],
    given: ArgMatches,
) -> Result<ArgMatches, Failure> {
    let Some((name, of_command)) = given.subcommand() else { return Ok(given) };
    let Some(command) = program.find_subcommand(name) else { return Ok(given) };
    // A command that takes no settings does not know the flag.
    if of_command.try_contains_id("config").is_err() {
        return Ok(given);
    }
    let asked = ConfigArgs::from_arg_matches(of_command).map_err(|e| Failure::usage(&e))?;
    let set = set(command, &asked.set)?;
    // A run goes on with its own settings.
    let resumed = of_command.try_get_one::<PathBuf>("resume").ok().flatten();
    let path = asked.config.or_else(|| resumed.map(|dir| dir.join(FILE)));
    let from_file = path.map(|path| file::load(&path, command));
    let mut settings = from_file.transpose()?.unwrap_or_default();
    settings.iter().chain(&set).try_for_each(|setting| setting.check(command))?;

    settings.retain(|setting| !set.iter().any(|over| replaces(command, over.arg, setting.arg)));
    settings.extend(set);
    let is_flag = |arg: &&Arg| {
        of_command.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
    };
    let flags: Vec<&Arg> = keys::all(command).filter(is_flag).collect();
    settings.retain(|setting| !flags.iter().any(|over| replaces(command, over, setting.arg)));

    let flags: Vec<OsString> =
        settings.iter().filter_map(|setting| Some(setting.flag()?.into())).collect();
    let place = args.iter().skip(1).position(|arg| arg == name).map_or(args.len(), |i| i + 2);
    let args = [&args[..place], &flags, &args[place..]].concat();
    program.try_get_matches_from_mut(args).map_err(|e| Failure::usage(&e))
}

/// The settings of `--set`.
fn set<'c>(command: &'c Command, texts: &[String]) -> Result<Vec<Setting<'c>>, Failure> {
    texts.iter().map(|text| keys::set(command, text)).collect()
}

/// The settings and ranges of the file called `name`, of which `--set` replaces some.
///
/// # Errors
/// If a key or its value is none of the command's.
pub(crate) fn space<'c>(
    command: &'c Command,
    (name, text): (&str, &str),
    over: &[String],
) -> Result<(Vec<Setting<'c>>, Vec<Ranged<'c>>), Failure> {
    let (mut settings, mut ranges) = file::read_ranges(name, text, command)?;
    let set = set(command, over)?;
    settings.iter().chain(&set).try_for_each(|setting| setting.check(command))?;
    ranges.iter().try_for_each(|range| range.check(command))?;
    let is_kept = |arg: &Arg| !set.iter().any(|over| replaces(command, over.arg, arg));
    settings.retain(|setting| is_kept(setting.arg));
    ranges.retain(|range| is_kept(range.arg));
    settings.extend(set);
    Ok((settings, ranges))
}

/// Whether a setting that counts more takes the place of another: of the same flag, of one that
/// it cannot be combined with, or of the tasks.
fn replaces(command: &Command, more: &Arg, less: &Arg) -> bool {
    let excludes = |a: &Arg, b: &Arg| {
        command.get_arg_conflicts_with(a).iter().any(|arg| arg.get_id() == b.get_id())
    };
    let are_tasks = || [more, less].iter().all(|arg| keys::table(arg) == TASKS);
    more.get_id() == less.get_id() || are_tasks() || excludes(more, less) || excludes(less, more)
}
