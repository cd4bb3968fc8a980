//! What kind of column a table has, decided by what its cells look like.

use serde::Serialize;

use crate::cell::{trimmed, value_of};
use crate::date::{DateDecision, DateFormat};
use crate::error::excerpt;
use crate::labels::{Categories, Labels};
use crate::missing::MissingMarkers;
use crate::number::{Mark, NumberDecision, NumberFormat, parse_plain};
use crate::profile::Profile;
use crate::rules::AskedKind;
use crate::table::Table;
use crate::warning::{Warning, WarningCode};

/// A column is of a kind when at least this percentage of its cells that are not missing are.
const MOST_PERCENT: usize = 90;

/// From this percentage on, a column that is not of a kind is said to be mostly of it.
const HALF_PERCENT: usize = 50;

/// What kind a column is of, and how it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ColumnKind {
    /// No cell has a value.
    Empty,
    /// Numbers.
    Number {
        /// How they are written.
        format: NumberFormat,
    },
    /// Dates and times.
    Date {
        /// How they are written.
        format: DateFormat,
    },
    /// Labels.
    Category {
        /// Which of them are the same.
        labels: Labels,
    },
    /// Cells that can be read in two ways.
    Unclear {
        /// The line of the first such cell.
        line: usize,
        /// What it holds.
        cell: String,
        /// What is unclear, and how to say what is meant.
        problem: String,
    },
}

impl ColumnKind {
    /// What to ask for so that a column of this kind is understood as it is; `None` where it has no
    /// values, or can be read in two ways.
    pub fn asked(&self) -> Option<AskedKind> {
        match self {
            Self::Empty | Self::Unclear { .. } => None,
            Self::Number { .. } => Some(AskedKind::Number),
            Self::Date { format } => Some(AskedKind::Date(Some(*format))),
            Self::Category { labels: Labels::Text } => Some(AskedKind::Text),
            Self::Category { .. } => Some(AskedKind::Category),
        }
    }
}

/// What a whole file says about the numbers in it.
pub(crate) struct FileFacts {
    /// The decimal mark that the user gives.
    pub(crate) decimal: Option<Mark>,
    /// The decimal mark that some columns prove.
    pub(crate) found_decimal: Option<Mark>,
    pub(crate) separator: u8,
    /// Whether the markers of missing values are the default ones, of which some can be labels.
    pub(crate) markers_may_be_labels: bool,
}

/// A column as it is to be understood.
pub(crate) struct Decision {
    pub(crate) kind: ColumnKind,
    pub(crate) why: String,
    /// What stands for a missing value.
    pub(crate) markers: MissingMarkers,
    pub(crate) n_missing: usize,
    /// The distinct labels; 0 for other kinds.
    pub(crate) n_distinct: usize,
    pub(crate) warnings: Vec<Warning>,
}

/// A column about which is decided.
struct Undecided<'a> {
    table: &'a Table,
    column: usize,
    name: &'a str,
    profile: &'a Profile,
    markers: &'a MissingMarkers,
    facts: &'a FileFacts,
}

impl Profile {
    /// Whether the numbers of a column can only be read with this decimal mark.
    pub(crate) fn proves(&self, mark: Mark) -> bool {
        if self.odd.count == 0 {
            return mark == Mark::Point && self.decimal_points;
        }
        let is_number = self.n_numbers * 100 >= self.n_values() * MOST_PERCENT;
        is_number
            && matches!(self.numbers.decide(None),
                NumberDecision::One { format, proves_decimal: true, .. } if format.decimal == mark)
    }
}

/// Decides what kind column number `column` of `table` is of.
pub(crate) fn decide(
    table: &Table,
    column: usize,
    profile: &Profile,
    asked: Option<AskedKind>,
    markers: &MissingMarkers,
    facts: &FileFacts,
) -> Decision {
    let name = table.columns()[column].trim();
    let undecided = Undecided { table, column, name, profile, markers, facts };
    let n = profile.n_values();
    let is_most = |count: usize| count * 100 >= n * MOST_PERCENT;
    let codes = profile.codes;
    let mut decision = match asked {
        _ if n == 0 => undecided.decided(ColumnKind::Empty, "no cell has a value"),
        Some(AskedKind::Category) => undecided.category(None, "asked for"),
        Some(AskedKind::Text) => undecided.category(Some(Labels::Text), "asked for"),
        Some(AskedKind::Date(Some(format))) => {
            undecided.decided(ColumnKind::Date { format }, "asked for")
        }
        Some(AskedKind::Date(None)) => undecided.asked_date(),
        Some(AskedKind::Number) => undecided.asked_number(),
        None if codes.count > 0 && (profile.equally_long || codes.count * 100 >= n) => {
            let mut decision = undecided.category(
                Some(Labels::Text),
                &format!("{} of {n} cells have leading zeros", codes.count),
            );
            let (line, text) = undecided.cell(codes.first);
            let message = format!(
                "column {name:?} holds codes with leading zeros: {} (the first on line {line}: {text:?}): read as \
                 categories",
                codes.count
            );
            let warning = Warning::new(WarningCode::Codes, message);
            let warning = warning.column(name).cell(line, &text).share(codes.count, n);
            decision.warnings.push(warning);
            decision
        }
        None if is_most(profile.n_numbers) => undecided.number_of_one_format(),
        None if is_most(profile.dates.n_cells()) => undecided.date(),
        None => undecided.mixed(),
    };
    decision.warnings.extend(undecided.marker_warning());
    decision
}

impl Undecided<'_> {
    fn decided(&self, kind: ColumnKind, why: &str) -> Decision {
        Decision {
            kind,
            why: why.to_owned(),
            markers: self.markers.clone(),
            n_missing: self.profile.n_missing,
            n_distinct: 0,
            warnings: Vec::new(),
        }
    }

    /// Line and text of a cell.
    fn cell(&self, row: usize) -> (usize, String) {
        (self.table.line(row), excerpt(self.table.cell(row, self.column)))
    }

    fn unclear(&self, row: usize, problem: String) -> Decision {
        let (line, cell) = self.cell(row);
        let why = problem.clone();
        self.decided(ColumnKind::Unclear { line, cell, problem }, &why)
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.table.column(self.column).map(trimmed)
    }

    /// Numbers, of which there has to be one.
    fn asked_number(&self) -> Decision {
        let decision = self.number();
        let ColumnKind::Number { format } = &decision.kind else { return decision };
        if self.texts().any(|text| format.parse(text).is_some()) {
            return decision;
        }
        let has_value = |text| value_of(text, self.markers).is_some();
        let first = self.texts().position(has_value).unwrap_or(0);
        self.unclear(
            first,
            "is no number, and no cell of the column is: ask for another kind".into(),
        )
    }

    /// Numbers, nearly all of which one format has to read.
    fn number_of_one_format(&self) -> Decision {
        let decision = self.number();
        let (n, ColumnKind::Number { format }) = (self.profile.n_values(), &decision.kind) else {
            return decision;
        };
        if self.profile.odd.count == 0 || self.facts.decimal.is_some() {
            return decision;
        }
        let has_other = |text: &&str| !self.markers.contains(text) && format.parse(text).is_none();
        let n_other = self.texts().filter(has_other).count();
        let first = self.texts().position(|text| has_other(&text));
        match first {
            Some(first) if (n - n_other.min(n)) * 100 < n * MOST_PERCENT => {
                let problem = format!(
                    "is a number in another format than most of the column ({}), as are {n_other} of {n} cells: write \
                     all of them alike, or read the column with --as '{name}=category', or those of one format with --as \
                     '{name}=number'",
                    format.describe(),
                    name = self.name
                );
                self.unclear(first, problem)
            }
            _ => decision,
        }
    }

    /// Numbers, in the format that the cells decide, or the file.
    fn number(&self) -> Decision {
        let Self { profile, facts, name, .. } = self;
        let n = profile.n_values();
        let why = |n_read: usize| format!("{n_read} of {n} cells are numbers");
        if profile.odd.count == 0 {
            // 1.234 is 1234 where all other columns have decimal commas.
            let decimal = facts.decimal.or(facts.found_decimal);
            let is_grouped =
                profile.grouping_points && !profile.decimal_points && decimal == Some(Mark::Comma);
            if !is_grouped {
                let format = NumberFormat::default();
                return self.decided(ColumnKind::Number { format }, &why(n));
            }
            let format =
                NumberFormat { decimal: Mark::Comma, grouping: Some(Mark::Point), unit: None };
            return self.formatted(format, &why(n));
        }
        let units: Vec<&str> = profile.numbers.units().collect();
        if let [first, second, ..] = units[..] {
            let problem = format!(
                "holds numbers in {first} and in {second}: give all cells one unit, or read it with --as \
                 '{name}=category'"
            );
            return self.unclear(profile.odd.first, problem);
        }
        if profile.numbers.mixes_percent() {
            let problem = format!(
                "holds numbers with % and others without: write all of them alike, or read it with --as \
                 '{name}=category'"
            );
            return self.unclear(profile.odd.first, problem);
        }
        let (format, n_read) = match profile.numbers.decide(facts.decimal) {
            NumberDecision::One { format, n_read, .. } => (format, n_read),
            NumberDecision::Ambiguous { point, comma, n_read } => {
                match (facts.found_decimal, facts.separator) {
                    (Some(Mark::Comma), _) | (None, b';') => (comma, n_read),
                    (Some(_), _) | (None, b',') => (point, n_read),
                    _ => {
                        let marked = |text: &str| text.contains(['.', ',']);
                        let row = self.texts().position(marked).unwrap_or(profile.odd.first);
                        let text = trimmed(self.table.cell(row, self.column));
                        let read = |format: &NumberFormat| format.parse(text).unwrap_or(f64::NAN);
                        let problem = format!(
                            "may mean {} or {}: say which with --decimal point or --decimal comma",
                            read(&point),
                            read(&comma)
                        );
                        return self.unclear(row, problem);
                    }
                }
            }
        };
        self.formatted(format, &why(n_read))
    }

    /// Numbers in a format that is not the plain one, or not in all cells, which is said.
    fn formatted(&self, format: NumberFormat, why: &str) -> Decision {
        let (mut n_read, mut first) = (0, None);
        for (row, text) in self.texts().enumerate() {
            let number = format.parse(text);
            if number.is_some() && number != parse_plain(text) {
                n_read += 1;
                first = first.or(Some((row, number)));
            }
        }
        let described = format.describe();
        let mut decision =
            self.decided(ColumnKind::Number { format }, &format!("{why} ({described})"));
        if let Some((row, Some(number))) = first {
            let (line, text) = self.cell(row);
            let message = format!(
                "column {:?}: cells read as numbers with {described}: {n_read} (the first on line {line}: {text:?} is \
                 {number})",
                self.name
            );
            let warning = Warning::new(WarningCode::NumberFormat, message).column(self.name);
            decision
                .warnings
                .push(warning.cell(line, &text).share(n_read, self.profile.n_values()));
        }
        decision
    }

    /// Dates, in the format that the cells decide.
    fn date(&self) -> Decision {
        let (profile, n) = (self.profile, self.profile.n_values());
        let DateDecision::One { format } = profile.dates.decide() else {
            let problem = format!(
                "may have the day first or the month first: say which with --as '{0}=date:dmy' or --as \
                 '{0}=date:mdy'",
                self.name
            );
            return self.unclear(profile.odd.first, problem);
        };
        let why = format!("{} of {n} cells are dates", profile.dates.n_cells());
        let mut decision = self.decided(ColumnKind::Date { format }, &why);
        let order = match format {
            DateFormat::DayMonthYear => "day",
            DateFormat::MonthDayYear => "month",
            _ => return decision,
        };
        let (line, text) = self.cell(profile.odd.first);
        let message = format!(
            "column {:?}: dates read with the {order} first (the first on line {line}: {text:?})",
            self.name
        );
        let warning = Warning::new(WarningCode::DateFormat, message);
        decision.warnings.push(warning.column(self.name).cell(line, &text));
        decision
    }

    /// What the user says are dates: by the calendar, or numbers since 1970, of which those over
    /// 10¹¹ are milliseconds (as seconds they would lie beyond the year 5138).
    fn asked_date(&self) -> Decision {
        let profile = self.profile;
        if profile.dates.n_cells() * 2 > profile.n_values() || profile.n_plain == 0 {
            return self.date();
        }
        let is_large = |text: &str| parse_plain(text).is_some_and(|number| number.abs() > 1e11);
        let n_large = self.texts().filter(|text| is_large(text)).count();
        let (format, unit) = if n_large * 2 > profile.n_plain {
            (DateFormat::EpochMilliseconds, "milliseconds")
        } else {
            (DateFormat::EpochSeconds, "seconds")
        };
        self.decided(ColumnKind::Date { format }, &format!("asked for, {unit} since 1970"))
    }

    /// Labels, though many cells may be numbers or dates, which is said.
    fn mixed(&self) -> Decision {
        let (profile, n) = (self.profile, self.profile.n_values());
        let (n_numbers, n_dates) = (profile.n_numbers, profile.dates.n_cells());
        let (what, count) =
            if n_numbers >= n_dates { ("numbers", n_numbers) } else { ("dates", n_dates) };
        let why = format!("{count} of {n} cells are {what}");
        let mut decision = self.category(None, &why);
        if count * 100 >= n * HALF_PERCENT {
            let is_other = |text: &str| {
                let is_number = crate::number::NumberVotes::default().add(text);
                let is_date = crate::date::DateVotes::default().add(text);
                !self.markers.contains(text)
                    && !if n_numbers >= n_dates { is_number } else { is_date }
            };
            let row = self.texts().position(is_other).unwrap_or(profile.odd.first);
            let (line, text) = self.cell(row);
            let message = format!(
                "column {:?} is mostly {what} ({count} of {n}) but read as categories, since other cells are not (the \
                 first on line {line}: {text:?}): if these stand for missing values, name them in --missing",
                self.name
            );
            let warning = Warning::new(WarningCode::MixedColumn, message).column(self.name);
            decision.warnings.push(warning.cell(line, &text).share(n - count, n));
        }
        decision
    }

    /// Labels, compared as asked for or as they look.
    fn category(&self, asked: Option<Labels>, why: &str) -> Decision {
        let mut decision =
            self.decided(ColumnKind::Category { labels: asked.unwrap_or_default() }, why);
        let label = self.marker_as_label();
        if let Some((marker, count, row)) = &label {
            decision.markers = self.markers.without(marker);
            decision.n_missing -= count;
            let (line, text) = self.cell(*row);
            let message = format!(
                "column {:?}: {marker:?} looks like a label and is taken as one: {count} (the first on line {line}): if it \
                 stands for a missing value, name it in --missing",
                self.name
            );
            let warning = Warning::new(WarningCode::MarkerAsLabel, message).column(self.name);
            decision.warnings.push(warning.cell(line, &text).share(*count, self.table.n_rows()));
        }
        let texts = self.texts().map(|text| value_of(text, &decision.markers));
        let found = Categories::of(texts);
        let labels = asked.unwrap_or_else(|| Labels::of(&found.values));
        decision.kind = ColumnKind::Category { labels };
        let n_found = found.values.len();
        let found = found.merged(labels);
        decision.n_distinct = found.values.len();
        if decision.n_distinct < n_found {
            let what = if labels == Labels::Numbers { "numbers" } else { "truth values" };
            let message = format!(
                "column {:?}: labels that are equal as {what} are one: {n_found} spellings of {} labels",
                self.name, decision.n_distinct
            );
            let warning = Warning::new(WarningCode::MergedLabels, message);
            decision.warnings.push(warning.column(self.name).count(n_found - decision.n_distinct));
        }
        if let Some([one, other]) = found.similar() {
            let message = format!(
                "column {:?}: {:?} and {:?} differ by case or space alone, and are two labels",
                self.name,
                excerpt(one),
                excerpt(other)
            );
            decision
                .warnings
                .push(Warning::new(WarningCode::SimilarLabels, message).column(self.name));
        }
        decision
    }

    /// A marker that looks like a label among the others, how many cells hold it, and the row of
    /// the first: `NA` among codes of two letters, and `None` among words, in both cases about as
    /// frequent as the others.
    fn marker_as_label(&self) -> Option<(String, usize, usize)> {
        if !self.facts.markers_may_be_labels || self.profile.n_missing == 0 {
            return None;
        }
        ["NA", "None", "nil"].into_iter().find_map(|marker| {
            let without = self.markers.without(marker);
            let holds = |text: &str| text.eq_ignore_ascii_case(marker);
            let first = self.texts().position(holds)?;
            let spelling = trimmed(self.table.cell(first, self.column));
            let found = Categories::of(self.texts().map(|text| value_of(text, &without)));
            let counts = found.counts();
            let is_like = |value: &str| {
                let is_upper = |text: &str| text.starts_with(|c: char| c.is_ascii_uppercase());
                if marker == "NA" {
                    spelling == marker
                        && value.len() == 2
                        && value.bytes().all(|byte| byte.is_ascii_uppercase())
                } else {
                    value.starts_with(char::is_alphabetic) && is_upper(value) == is_upper(spelling)
                }
            };
            let others = found.values.iter().zip(&counts).filter(|(value, _)| !holds(value));
            let (mut n_labels, mut n_cells) = (0, 0);
            for (value, count) in others {
                if !is_like(value) {
                    return None;
                }
                (n_labels, n_cells) = (n_labels + 1, n_cells + count);
            }
            let count = self.texts().filter(|text| holds(text)).count();
            let is_frequent = n_labels >= 2 && 2 * count * n_labels >= n_cells;
            is_frequent.then(|| (spelling.to_owned(), count, first))
        })
    }

    /// Says which unusual text counts as missing.
    fn marker_warning(&self) -> Option<Warning> {
        let markers = self.profile.markers;
        if markers.count == 0 {
            return None;
        }
        let (line, text) = self.cell(markers.first);
        let message = format!(
            "column {:?}: cells such as {text:?} count as missing: {} (the first on line {line})",
            self.name, markers.count
        );
        let warning = Warning::new(WarningCode::MissingMarkers, message).column(self.name);
        Some(warning.cell(line, &text).share(markers.count, self.table.n_rows()))
    }
}
