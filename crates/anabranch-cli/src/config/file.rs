//! Reading a config file.

use std::ops::Range;
use std::path::Path;

use clap::Command;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Setting, keys};
use crate::failure::Failure;
use crate::flags::joined;
use crate::output;

/// The settings of the file `path`, in its order.
pub(super) fn load<'c>(path: &Path, command: &'c Command) -> Result<Vec<Setting<'c>>, Failure> {
    let name = output::plain(path);
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::input(format!("{name}: cannot be read: {error}")).coded("read")
    })?;
    read(&name, &text, command)
}

/// The settings of the file called `name` with the contents `text`, in its order.
///
/// # Errors
/// If it is not TOML, or a key is none of the command's; of the values, [`Setting::check`] looks
/// at more than their type.
pub(crate) fn read<'c>(
    name: &str,
    text: &str,
    command: &'c Command,
) -> Result<Vec<Setting<'c>>, Failure> {
    let file = File { name, text, command };
    let tables = DeTable::parse(text).map_err(|error| {
        let why = error.message().lines().collect::<Vec<_>>().join(" ");
        file.refused(error.span().unwrap_or_default(), &why)
    })?;
    let mut settings = Vec::new();
    for (table, span, value) in in_order(tables.get_ref()) {
        keys::check_table(command, table, &file.place(&span))?;
        match value.get_ref() {
            DeValue::Table(keys) => file.add(table, keys, &mut settings)?,
            DeValue::Array(tables) => {
                for keys in tables.iter() {
                    let Some(keys) = keys.get_ref().as_table() else {
                        return Err(file.refused(keys.span(), "expected a table"));
                    };
                    file.add(table, keys, &mut settings)?;
                }
            }
            _ => return Err(file.refused(value.span(), "expected a table")),
        }
    }
    Ok(settings)
}

/// A value and where it is.
type Value<'t> = &'t Spanned<DeValue<'t>>;

/// A file that is read.
struct File<'a, 'c> {
    name: &'a str,
    text: &'a str,
    command: &'c Command,
}

impl<'c> File<'_, 'c> {
    /// Adds the keys of a table.
    fn add(
        &self,
        table: &str,
        keys: &DeTable<'_>,
        settings: &mut Vec<Setting<'c>>,
    ) -> Result<(), Failure> {
        for (key, span, value) in in_order(keys) {
            let place = self.place(&span);
            let arg = keys::find(self.command, table, key, &place)?;
            let mut add = |value: &Spanned<DeValue<'_>>| {
                let value = if arg.get_action().takes_values() {
                    self.value(value, keys::is_list(arg))?
                } else {
                    let found = value.get_ref().as_bool();
                    found.ok_or_else(|| self.wrong_type(value, "true or false"))?.to_string()
                };
                settings.push(Setting { arg, value, place: place.clone() });
                Ok::<(), Failure>(())
            };
            match value.get_ref() {
                DeValue::Array(items) if keys::repeats(arg) && !keys::is_list(arg) => {
                    items.iter().try_for_each(add)?;
                }
                _ => add(value)?,
            }
        }
        Ok(())
    }

    /// A value as it would be written after its flag.
    fn value(&self, value: &Spanned<DeValue<'_>>, is_list: bool) -> Result<String, Failure> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.clone().into_owned()),
            // As they are written: no digit is lost.
            DeValue::Integer(number) => Ok(number.to_string()),
            DeValue::Float(number) => Ok(number.to_string()),
            DeValue::Boolean(flag) => Ok(flag.to_string()),
            DeValue::Array(items) if is_list => {
                let items = items.iter().map(|item| self.value(item, false));
                Ok(joined(&items.collect::<Result<Vec<_>, _>>()?))
            }
            _ if is_list => Err(self.wrong_type(value, "text, a number or a list")),
            _ => Err(self.wrong_type(value, "text or a number")),
        }
    }

    fn wrong_type(&self, value: &Spanned<DeValue<'_>>, expected: &str) -> Failure {
        let found = value.get_ref().type_str();
        self.refused(value.span(), &format!("expected {expected}, found {found}"))
    }

    fn refused(&self, span: Range<usize>, why: &str) -> Failure {
        Failure::input(format!("{}: {why}", self.place(&span))).coded("config")
    }

    /// `FILE: line N, column N`, both counted from 1.
    fn place(&self, span: &Range<usize>) -> String {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}: line {line}, column {column}", self.name)
    }
}

/// The keys and values of a table, in the order of the file.
pub(super) fn in_order<'t>(table: &'t DeTable<'_>) -> Vec<(&'t str, Range<usize>, Value<'t>)> {
    let entries = table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value));
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|(_, span, _)| span.start);
    entries
}
