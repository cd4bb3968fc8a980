//! Rust source in the making: what is called of the functions that a model's file may need, and
//! how numbers and texts are written.

use std::collections::HashSet;
use std::fmt::Debug;

/// Columns that a line has at most, where it can be broken.
const WIDTH: usize = 100;

/// The functions and types that a file may need.
const RUNTIME: [&str; 4] = [
    include_str!("runtime/columns.rs"),
    include_str!("runtime/layers.rs"),
    include_str!("runtime/predictions.rs"),
    include_str!("runtime/math.rs"),
];

/// The items of the runtime that `source` names, and those that these name in turn, in order.
pub(super) fn needed_by(source: &str) -> String {
    let all: Vec<&str> = RUNTIME.iter().flat_map(|file| items(file)).collect();
    let mut named: HashSet<&str> = words(source).collect();
    let mut is_needed = vec![false; all.len()];
    while let Some(i) = (0..all.len()).find(|i| !is_needed[*i] && named.contains(name(all[*i]))) {
        is_needed[i] = true;
        named.extend(words(all[i]));
    }
    let needed = all.iter().zip(is_needed).filter(|(_, is_needed)| *is_needed);
    needed.map(|(item, _)| format!("\n{item}\n")).collect()
}

/// The items of a file: what lies between empty lines that are followed by the beginning of
/// another line.
fn items(file: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut start = 0;
    for (end, _) in file.match_indices("\n\n") {
        let next = &file[end + 2..];
        if !next.starts_with([' ', '}']) {
            items.push(&file[start..end]);
            start = end + 2;
        }
    }
    items.push(file[start..].trim_end());
    items
}

/// The name of the function or type that an item defines or adds to.
fn name(item: &str) -> &str {
    let code = item.lines().find(|line| !line.starts_with("//")).unwrap_or_default();
    words(code).nth(1).unwrap_or_default()
}

fn words(source: &str) -> impl Iterator<Item = &str> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split(|c: char| !(c.is_alphanumeric() || c == '_')))
        .filter(|word| !word.is_empty())
}

/// Appends a list in brackets, broken into lines.
pub(super) fn list(source: &mut String, indent: usize, elements: &[String]) {
    let one_line = format!("[{}]", elements.join(", "));
    if indent + one_line.len() + 2 <= WIDTH {
        *source += &one_line;
        return;
    }
    let pad = " ".repeat(indent);
    *source += "[\n";
    let mut line = String::new();
    for element in elements {
        if !line.is_empty() && indent + 4 + line.len() + element.len() + 2 > WIDTH {
            line_of(source, &pad, &mut line);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += element;
        line.push(',');
    }
    line_of(source, &pad, &mut line);
    *source += &pad;
    source.push(']');
}

fn line_of(source: &mut String, pad: &str, line: &mut String) {
    *source += &format!("{pad}    {line}\n");
    line.clear();
}

/// Numbers or texts as literals.
pub(super) fn literals<T: Debug>(values: &[T]) -> Vec<String> {
    values.iter().map(|value| format!("{value:?}")).collect()
}

/// A number as an expression.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() { "f64::NAN".to_owned() } else { format!("{value:?}") }
}
