//! Reading a config file.

use std::ops::Range;
use std::path::Path;

use clap::{Arg, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::range::{Ranged, ValueRange};
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
    let (settings, _) = File { name, text, command, reading: Reading::Values }.contents()?;
    Ok(settings)
}

/// [`read`]s a file in which a value may be a table with a range; also the keys with such ones.
///
/// # Errors
/// As [`read`], and if a range is none, or its ends are no values of the flag.
pub(crate) fn read_ranges<'c>(
    name: &str,
    text: &str,
    command: &'c Command,
) -> Result<(Vec<Setting<'c>>, Vec<Ranged<'c>>), Failure> {
    File { name, text, command, reading: Reading::Ranges }.contents()
}

/// A value and where it is.
type Value<'t> = &'t Spanned<DeValue<'t>>;

/// A file that is read.
struct File<'a, 'c> {
    name: &'a str,
    text: &'a str,
    command: &'c Command,
    reading: Reading,
}

/// What a key may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Values,
    /// A value, or the range of one.
    Ranges,
}

/// The keys of a file that have a value, and those that have a range.
type Contents<'c> = (Vec<Setting<'c>>, Vec<Ranged<'c>>);

impl<'c> File<'_, 'c> {
    /// The keys in the order of the file.
    fn contents(&self) -> Result<Contents<'c>, Failure> {
        let tables = DeTable::parse(self.text).map_err(|error| {
            let why = error.message().lines().collect::<Vec<_>>().join(" ");
            self.refused(error.span().unwrap_or_default(), &why)
        })?;
        let mut contents = Contents::default();
        for (table, span, value) in in_order(tables.get_ref()) {
            keys::check_table(self.command, table, &self.place(&span))?;
            match value.get_ref() {
                DeValue::Table(keys) => self.add(table, keys, &mut contents)?,
                DeValue::Array(tables) => {
                    for keys in tables.iter() {
                        let Some(keys) = keys.get_ref().as_table() else {
                            return Err(self.refused(keys.span(), "expected a table"));
                        };
                        self.add(table, keys, &mut contents)?;
                    }
                }
                _ => return Err(self.refused(value.span(), "expected a table")),
            }
        }
        Ok(contents)
    }

    /// Adds the keys of a table.
    fn add(
        &self,
        table: &str,
        keys: &DeTable<'_>,
        (settings, ranges): &mut Contents<'c>,
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
                DeValue::Table(_) if self.reading == Reading::Ranges => {
                    ranges.push(Ranged { arg, range: self.range(arg, value)?, place });
                }
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

    /// A range: a table with the kind of it, and a list.
    fn range(&self, arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<ValueRange, Failure> {
        let refused = |why: &str| {
            let why = format!("{}: {why}", keys::name(arg));
            self.refused(value.span(), &why)
        };
        let table = value.get_ref().as_table().map(in_order).unwrap_or_default();
        let [(kind, _, list)] = &table[..] else {
            return Err(refused("expected a range, such as { choice = [1, 2] }"));
        };
        let Some(items) = list.get_ref().as_array() else {
            return Err(self.wrong_type(list, "a list"));
        };
        let is_list = keys::is_list(arg);
        let items = items.iter().map(|item| self.value(item, is_list));
        let items: Vec<String> = items.collect::<Result<_, _>>()?;
        ValueRange::new(kind, items, keys::is_whole(arg)).map_err(|why| refused(&why))
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
