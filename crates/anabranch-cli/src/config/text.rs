//! Writing a config file.

use std::ffi::OsStr;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use toml::de::DeValue;

use super::{Settings, TASKS, keys, replaces};
use crate::failure::Failure;
use crate::flags::list;

/// What a file says of settings that were not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defaults {
    /// Their values, in comments, so that whoever edits the file sees them.
    Commented,
    /// Their values, so that the run is the same where defaults have changed.
    Kept,
}

/// A key whose value is written otherwise than it was given.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) key: &'static str,
    /// The value as TOML.
    pub(crate) value: String,
}

impl Settings<'_> {
    /// The settings as a file, each below the help of its flag.
    ///
    /// # Errors
    /// If a path is not UTF-8.
    pub(crate) fn text(
        &self,
        defaults: Defaults,
        written: Option<&Written>,
    ) -> Result<String, Failure> {
        let Self { command, matches } = self;
        let mut text = String::new();
        for table in keys::tables(command) {
            let args = || keys::all(command).filter(|arg| keys::table(arg) == table);
            if table == TASKS {
                text += &tasks(args(), matches)?;
                continue;
            }
            text += &format!("\n[{table}]\n");
            for (i, arg) in args().enumerate() {
                text += if i > 0 { "\n" } else { "" };
                text += &comment(arg);
                text += &match written.filter(|written| written.key == keys::name(arg)) {
                    Some(Written { key, value }) => format!("{key} = {value}\n"),
                    None => line(command, arg, matches, defaults)?,
                };
            }
        }
        Ok(text)
    }
}

/// A key and its value.
fn line(
    command: &Command,
    arg: &Arg,
    matches: &ArgMatches,
    defaults: Defaults,
) -> Result<String, Failure> {
    let (key, values) = (keys::name(arg), values(arg, matches)?);
    let is_given = |arg: &Arg| {
        let source = matches.value_source(arg.get_id().as_str());
        source.is_some_and(|source| source != ValueSource::DefaultValue)
    };
    let excluded =
        || keys::all(command).any(|other| is_given(other) && replaces(command, other, arg));
    let is_shown = is_given(arg) || defaults == Defaults::Kept && !excluded();
    let mark = if is_shown && !values.is_empty() { "" } else { "# " };
    let value = match &values[..] {
        [] => placeholder(arg),
        values if keys::repeats(arg) => {
            let items = values.iter().map(|value| of_one(arg, value));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        [value, ..] => of_one(arg, value),
    };
    Ok(format!("{mark}{key} = {value}\n"))
}

/// A table for each task, in their order.
fn tasks<'c>(args: impl Iterator<Item = &'c Arg>, matches: &ArgMatches) -> Result<String, Failure> {
    let (mut text, mut tasks, mut examples) = (String::from("\n"), Vec::new(), String::new());
    for arg in args {
        text += &comment(arg);
        examples += &format!("# [[{TASKS}]]\n# {} = {}\n", keys::name(arg), placeholder(arg));
        let places = matches.indices_of(arg.get_id().as_str()).into_iter().flatten();
        tasks.extend(places.zip(values(arg, matches)?).map(|(place, value)| (place, arg, value)));
    }
    if tasks.is_empty() {
        return Ok(text + &examples);
    }
    tasks.sort_by_key(|(place, ..)| *place);
    for (_, arg, value) in &tasks {
        text += &format!("[[{TASKS}]]\n{} = {}\n", keys::name(arg), of_one(arg, value));
    }
    Ok(text)
}

/// The values of a flag, also those by default.
fn values(arg: &Arg, matches: &ArgMatches) -> Result<Vec<String>, Failure> {
    let id = arg.get_id().as_str();
    if !arg.get_action().takes_values() {
        return Ok(vec![matches.get_flag(id).to_string()]);
    }
    let text = |value: &OsStr| {
        value.to_str().map(str::to_owned).ok_or_else(|| {
            let (name, value) = (keys::name(arg), value.display());
            Failure::input(format!("--{name} {value}: a path has to be UTF-8: rename the file"))
        })
    };
    matches.get_raw(id).into_iter().flatten().map(text).collect()
}

/// The help of a flag as a comment.
fn comment(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    help.lines().map(|line| format!("# {}\n", line.trim())).collect()
}

/// What stands for the value of a flag that has none.
fn placeholder(arg: &Arg) -> String {
    let name = arg.get_value_names().unwrap_or_default().join(" ");
    let (is_number, text) = (keys::is_number(arg), scalar(&name));
    match (keys::repeats(arg) && !keys::is_list(arg), is_number) {
        (_, true) => name,
        (true, false) => format!("[{text}]"),
        (false, false) => text,
    }
}

/// One value of a flag.
fn of_one(arg: &Arg, value: &str) -> String {
    if !arg.get_action().takes_values() {
        return value.to_owned();
    }
    match keys::is_list(arg) {
        true => array(&list(value).unwrap_or_default()),
        false => scalar(value),
    }
}

fn array(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| scalar(item)).collect::<Vec<_>>().join(", "))
}

/// A number as it is, anything else as text.
pub(crate) fn scalar(value: &str) -> String {
    let is_plain = value.bytes().all(|b| b.is_ascii_digit() || b".eE-".contains(&b));
    let parsed = DeValue::parse(value);
    if is_plain && parsed.is_ok_and(|v| v.get_ref().is_integer() || v.get_ref().is_float()) {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => text += "\\\"",
            '\\' => text += "\\\\",
            c if c.is_control() => text += &format!("\\u{:04X}", u32::from(c)),
            c => text.push(c),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        for (value, written) in [
            ("0.01", "0.01"),
            ("-3", "-3"),
            ("1e-4", "1e-4"),
            ("007", r#""007""#),
            ("1.", r#""1.""#),
            ("2024-03-01", r#""2024-03-01""#),
            ("+3", r#""+3""#),
            ("true", r#""true""#),
            ("", r#""""#),
            ("a \"b\" \\ c", r#""a \"b\" \\ c""#),
            ("a\tb\u{7f}", r#""a\u0009b\u007F""#),
            ("größe", r#""größe""#),
        ] {
            assert_eq!(scalar(value), written);
            let toml = format!("a = {written}");
            let table = toml::de::DeTable::parse(&toml).unwrap();
            let back = match table.get_ref()["a"].get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                DeValue::Float(number) => number.to_string(),
                other => panic!("{other:?}"),
            };
            assert_eq!(back, value);
        }
    }
}
