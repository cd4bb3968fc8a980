//! A config file as a list, to show or compare it; also one of another version, whose keys are
//! others.

use toml::de::{DeTable, DeValue};

use super::file::in_order;
use crate::failure::Failure;

/// `TABLE.KEY` and its value in words, in the order of the file called `name`; of repeated tables,
/// such as tasks, the name and what all of them hold.
///
/// # Errors
/// If the file is not TOML.
pub(crate) fn flat(name: &str, text: &str) -> Result<Vec<(String, String)>, Failure> {
    let tables = DeTable::parse(text).map_err(|error| {
        Failure::input(format!("{name}: is not TOML: {}", error.message())).coded("config")
    })?;
    let mut settings = Vec::new();
    for (table, _, value) in in_order(tables.get_ref()) {
        match value.get_ref() {
            DeValue::Table(keys) => settings.extend(
                in_order(keys)
                    .into_iter()
                    .map(|(key, _, value)| (format!("{table}.{key}"), words(value.get_ref()))),
            ),
            value => settings.push((table.to_owned(), words(value))),
        }
    }
    Ok(settings)
}

fn words(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => {
            items.iter().map(|item| words(item.get_ref())).collect::<Vec<_>>().join(", ")
        }
        DeValue::Table(keys) => {
            let keys = in_order(keys).into_iter();
            let of_key = keys.map(|(key, _, value)| format!("{key} {}", words(value.get_ref())));
            of_key.collect::<Vec<_>>().join(", ")
        }
    }
}
