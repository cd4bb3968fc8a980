//! The columns of a row, and the function that encodes them.

use anabranch_data::{
    Cycle, Encoding, InputColumn, Labels, MissingColumn, MissingMarkers, NormalScores, OtherColumn,
};

use super::names::Names;
use super::source::{list, literals};
use crate::statistics;

/// A column with the name of its field.
pub(super) struct Field<'a> {
    pub(super) name: String,
    pub(super) column: &'a InputColumn,
}

impl<'a> Field<'a> {
    pub(super) fn of(columns: &'a [InputColumn]) -> Vec<Self> {
        let mut names = Names::default();
        columns.iter().map(|column| Self { name: names.variable(&column.name), column }).collect()
    }

    pub(super) fn is_text(&self) -> bool {
        self.column.encoding.categories().is_some()
    }
}

/// `Row`, what is known of each column, and `encode`.
pub(super) fn write(fields: &[Field<'_>], width: usize) -> String {
    let lifetime = lifetime(fields);
    let mut source = format!(
        "\n/// A row to be predicted.\n#[derive(Clone, Copy, Debug, PartialEq)]\npub struct Row{lifetime} {{\n"
    );
    for field @ Field { name, column } in fields {
        let what = match column.encoding {
            Encoding::Numeric { .. } | Encoding::Robust { .. } | Encoding::NamedNumber { .. } => {
                "a number; NaN is missing"
            }
            Encoding::Date { .. } => "seconds since 1970-01-01 00:00 UTC; NaN is missing",
            Encoding::Categorical { .. } | Encoding::TargetStatistics { .. } => {
                "a text; `None` is missing"
            }
        };
        let kind = if field.is_text() { "Option<&'a str>" } else { "f64" };
        source += &format!("    /// {:?}: {what}.\n    pub {name}: {kind},\n", column.name);
    }
    source += "}\n";
    for field in fields {
        source += &about(field);
    }
    let parameter = if lifetime.is_empty() { "Row" } else { "Row<'_>" };
    source += &format!(
        "\n/// What the network sees of a row.\nfn encode(row: &{parameter}) -> Result<[f32; {width}], OutOfRange> {{\n    let mut x = [0.0; {width}];\n"
    );
    let mut start = 0;
    for Field { name, column } in fields {
        for (prefix, encoding) in parts(&column.encoding) {
            let is_number = column.encoding.number_format().is_some();
            let (call, may_fail) = match encoding {
                Encoding::Numeric { .. } => ("standardised", "?"),
                Encoding::Robust { .. } => ("clipped", "?"),
                Encoding::Date { .. } => ("dated", ""),
                Encoding::Categorical { .. } if is_number => ("named", ""),
                Encoding::TargetStatistics { .. } if is_number => ("named_from_table", ""),
                Encoding::TargetStatistics { .. } => ("from_table", ""),
                Encoding::Categorical { .. } | Encoding::NamedNumber { .. } => ("one_hot", ""),
            };
            let (about, end) = (constant(prefix, name), start + encoding.width());
            let mut value = format!("row.{name}");
            if matches!(column.encoding, Encoding::NamedNumber { .. }) && prefix == "COLUMN" {
                value = format!("{about}.within({value})");
            }
            source +=
                &format!("    {call}(&mut x[{start}..{end}], {value}, &{about}){may_fail};\n");
            start = end;
        }
    }
    source + "    Ok(x)\n}\n"
}

/// The lifetime parameter of `Row`: that of its texts.
pub(super) fn lifetime(fields: &[Field<'_>]) -> &'static str {
    if fields.iter().any(Field::is_text) { "<'a>" } else { "" }
}

/// The encodings of a column one behind the other, with what the names of their constants begin
/// with.
fn parts(encoding: &Encoding) -> Vec<(&'static str, &Encoding)> {
    match encoding {
        Encoding::NamedNumber { number, names } => vec![("COLUMN", number), ("NAMES_OF", names)],
        _ => vec![("COLUMN", encoding)],
    }
}

fn constant(prefix: &str, field: &str) -> String {
    format!("{prefix}_{}", field.to_uppercase())
}

/// The constants that say how a column is encoded.
fn about(field: &Field<'_>) -> String {
    let about = parts(&field.column.encoding).into_iter().map(|(prefix, encoding)| {
        let name = constant(prefix, &field.name);
        let text = match encoding.numbers_of_labels() {
            Some(numbers) if prefix == "NAMES_OF" => about_names(field, encoding, &numbers),
            _ => about_part(field.column, encoding),
        };
        format!("\n#[rustfmt::skip]\nstatic {name}: {text},\n}};\n")
    });
    about.collect()
}

/// What numbers name, up to the end of the last field.
fn about_names(field: &Field<'_>, encoding: &Encoding, numbers: &[f64]) -> String {
    let n = numbers.len();
    let [unseen, missing] = match encoding {
        Encoding::TargetStatistics { .. } => [Some(n), Some(n)],
        Encoding::Categorical { other: OtherColumn::Present, .. } => [Some(n), None],
        _ => [None, None],
    };
    let names = |indent: usize| {
        let start = " ".repeat(indent);
        let mut text = format!(
            "Names {{\n{start}number: &{},\n{start}numbers: &",
            constant("COLUMN", &field.name)
        );
        list(&mut text, indent, &literals(numbers));
        text + &format!(",\n{start}unseen_place: {unseen:?},\n{start}missing_place: {missing:?}")
    };
    let Encoding::TargetStatistics { statistics, missing, .. } = encoding else {
        return "Names = ".to_owned() + &names(4);
    };
    let mut text =
        format!("NamesTable = NamesTable {{\n    names: {},\n    }},\n    rows: &", names(8));
    let mut rows = statistics::table(statistics, n, *missing);
    rows.truncate((n + 1) * encoding.width());
    list(&mut text, 4, &literals(&rows));
    text
}

/// How a column, or a part of it, is encoded, up to the end of the last field.
fn about_part(column: &InputColumn, encoding: &Encoding) -> String {
    let number = |[center, scale, median]: [f64; 3], scores: &Option<NormalScores>| {
        let range = encoding.believed_range();
        let range =
            range.map_or("None".to_owned(), |[least, most]| format!("Some(({least:?}, {most:?}))"));
        let mut text = format!(
            "Number = Number {{\n    column: {:?},\n    center: {center:?},\n    scale: {scale:?},\n    instead: {median:?},\n    range: {range},\n    missing: &",
            column.name
        );
        list(&mut text, 4, &literals(column.missing_markers.numbers()));
        text += ",\n    knots: &";
        list(&mut text, 4, &literals(scores.as_ref().map_or(&[], NormalScores::knots)));
        text
    };
    match encoding {
        Encoding::NamedNumber { number, .. } => about_part(column, number),
        Encoding::Numeric { mean, std, median, scores, .. } => {
            number([*mean, *std, *median], scores)
        }
        Encoding::Robust { median, spread, scores, .. } => {
            number([*median, *spread, *median], scores)
        }
        Encoding::Date { mean, std, median, cycles, .. } => {
            let cycle = |cycle: &Cycle| match cycle {
                Cycle::Month => "Cycle::Month".to_owned(),
                Cycle::Weekday => "Cycle::Weekday".to_owned(),
                Cycle::Hour => "Cycle::Hour".to_owned(),
            };
            let cycles: Vec<String> = cycles.iter().map(cycle).collect();
            format!(
                "Date = Date {{\n    mean: {mean:?},\n    std: {std:?},\n    median: {median:?},\n    cycles: &[{}]",
                cycles.join(", ")
            )
        }
        Encoding::Categorical { categories, labels, other, missing } => {
            let n = categories.len();
            let unseen = (*other == OtherColumn::Present).then_some(n);
            let missing = (*missing == MissingColumn::Present).then_some(encoding.width() - 1);
            let fields =
                category(&column.missing_markers, categories, *labels, [unseen, missing], 4);
            format!("Category = Category {{\n{fields}")
        }
        Encoding::TargetStatistics { categories, labels, statistics, missing } => {
            let n = categories.len();
            let places = [Some(n), Some(n + 1)];
            let fields = category(&column.missing_markers, categories, *labels, places, 8);
            let mut text = format!(
                "Table = Table {{\n    column: Category {{\n{fields},\n    }},\n    rows: &"
            );
            list(&mut text, 4, &literals(&statistics::table(statistics, n, *missing)));
            text
        }
    }
}

/// The fields of a `Category`.
fn category(
    markers: &MissingMarkers,
    categories: &[String],
    labels: Labels,
    [unseen, missing]: [Option<usize>; 2],
    indent: usize,
) -> String {
    let is_same = match labels {
        Labels::Text => "same_text".to_owned(),
        Labels::Numbers => "same_number".to_owned(),
        Labels::Booleans => "same_letters".to_owned(),
        Labels::Prefix(len) => format!("same_prefix::<{len}>"),
    };
    let start = " ".repeat(indent);
    let mut text = format!("{start}missing: &");
    list(&mut text, indent, &literals(markers.texts()));
    text += &format!(",\n{start}categories: &");
    list(&mut text, indent, &literals(categories));
    text + &format!(
        ",\n{start}is_same: {is_same},\n{start}unseen_place: {unseen:?},\n{start}missing_place: {missing:?}"
    )
}
