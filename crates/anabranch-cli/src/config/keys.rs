//! The keys of a config file: the flags of a command that have a heading.

use std::any::TypeId;

use clap::{Arg, ArgAction, Command};

use super::Setting;
use crate::failure::Failure;
use crate::output::one_line;

/// How alike an unknown key and a known one are, from 0 to 1, for the known one to be proposed.
const ALIKE: f64 = 0.75;

/// The flags that are keys, in their order.
pub(super) fn all(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.get_help_heading().is_some())
}

/// The table that a key is in.
pub(super) fn table(arg: &Arg) -> String {
    arg.get_help_heading().unwrap_or_default().to_lowercase()
}

/// The key's name.
pub(super) fn name(arg: &Arg) -> &str {
    arg.get_long().unwrap_or_default()
}

/// The tables in the order of the flags.
pub(super) fn tables(command: &Command) -> Vec<String> {
    let mut tables = Vec::new();
    for table in all(command).map(table) {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    tables
}

/// Whether a flag may be repeated.
pub(super) fn repeats(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Whether the value of a flag is a list.
pub(super) fn is_list(arg: &Arg) -> bool {
    is_one_of(arg, &[TypeId::of::<Vec<String>>(), TypeId::of::<Vec<usize>>()])
}

/// Whether the value of a flag is a number.
pub(super) fn is_number(arg: &Arg) -> bool {
    is_one_of(arg, &[TypeId::of::<f64>(), TypeId::of::<u64>(), TypeId::of::<usize>()])
}

/// Whether the value of a flag is a whole number, or a list of them.
pub(super) fn is_whole(arg: &Arg) -> bool {
    is_one_of(arg, &[TypeId::of::<u64>(), TypeId::of::<usize>(), TypeId::of::<Vec<usize>>()])
}

fn is_one_of(arg: &Arg, types: &[TypeId]) -> bool {
    let value = arg.get_value_parser().type_id();
    types.iter().any(|known| value == *known)
}

/// The flag that a key is.
///
/// # Errors
/// If there is none; the message names a key that looks like it.
pub(super) fn find<'c>(
    command: &'c Command,
    table_name: &str,
    key: &str,
    place: &str,
) -> Result<&'c Arg, Failure> {
    check_table(command, table_name, place)?;
    let mut args = all(command);
    if let Some(arg) = args.find(|arg| name(arg) == key && table(arg) == table_name) {
        return Ok(arg);
    }
    let known = |arg: &Arg| format!("{} in [{}]", name(arg), table(arg));
    let hint = match all(command).find(|arg| name(arg) == key) {
        Some(arg) => format!(": it belongs in [{}]", table(arg)),
        None => nearest(key, all(command).map(|arg| (name(arg).to_owned(), known(arg)))),
    };
    let message = format!("{place}: there is no key {key:?} in [{table_name}]{hint}");
    Err(Failure::input(message).coded("config"))
}

/// Refuses a table that no flag belongs to.
pub(super) fn check_table(command: &Command, name: &str, place: &str) -> Result<(), Failure> {
    let tables = tables(command);
    if tables.iter().any(|table| table == name) {
        return Ok(());
    }
    let message = match all(command).find(|arg| self::name(arg) == name) {
        Some(arg) => format!("the key {name:?} belongs in [{}]", table(arg)),
        None => {
            let hint =
                nearest(name, tables.iter().map(|table| (table.clone(), format!("[{table}]"))));
            let name = one_line(name);
            format!("there is no table [{name}]{hint}; the tables are {}", tables.join(", "))
        }
    };
    Err(Failure::input(format!("{place}: {message}")).coded("config"))
}

/// The setting that `--set TABLE.KEY=VALUE` means.
pub(super) fn set<'c>(command: &'c Command, text: &str) -> Result<Setting<'c>, Failure> {
    let place = format!("--set {text}");
    let parts = text.split_once('=').and_then(|(key, value)| Some((key.split_once('.')?, value)));
    let Some(((table, key), value)) = parts else {
        let message = format!("{place}: expected TABLE.KEY=VALUE, such as training.lr=0.01");
        return Err(Failure::input(message).coded("config"));
    };
    let arg = find(command, table.trim(), key.trim(), &place)?;
    let value = value.trim().to_owned();
    if !arg.get_action().takes_values() && value != "true" && value != "false" {
        let message = format!("{place}: expected true or false");
        return Err(Failure::input(message).coded("config"));
    }
    Ok(Setting { arg, value, place })
}

/// `: did you mean …?` for what looks like `text` among names and what to call them.
fn nearest(text: &str, names: impl Iterator<Item = (String, String)>) -> String {
    let text = text.to_lowercase().replace('_', "-");
    let alike = names.map(|(name, words)| (strsim::jaro_winkler(&text, &name), words));
    match alike.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((share, words)) if share >= ALIKE => format!(": did you mean {words}?"),
        _ => String::new(),
    }
}
