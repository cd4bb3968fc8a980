//! From the columns of a table to the encoded row, as operators.

use anabranch_data::{
    Cycle, Encoding, InputColumn, LARGEST, MissingColumn, NormalScores, OtherColumn,
    TargetStatistics,
};

use super::graph::{Attribute, Constant, GraphBuilder, Type};
use crate::calendar::{self, SECONDS_A_DAY};
use crate::{spellings, statistics};

/// Adds the operators that encode the columns; returns the encoded row `[N, width]`.
pub(super) fn encode(g: &mut GraphBuilder, columns: &[InputColumn]) -> String {
    for column in columns {
        let kind = if column.encoding.categories().is_some() { Type::Text } else { Type::Double };
        g.input(&column.name, kind);
    }
    let parts: Vec<String> =
        columns.iter().flat_map(|column| encoded(g, column, &column.encoding)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    g.op("row", "Concat", &parts, &[("axis", Attribute::Int(1))])
}

/// What a column is encoded as, `[N, 1]` or `[N, several]` each.
fn encoded(g: &mut GraphBuilder, column: &InputColumn, encoding: &Encoding) -> Vec<String> {
    let name = &column.name;
    let mut parts = Vec::new();
    match encoding {
        Encoding::Numeric { mean, std, median, missing, scores, .. } => {
            let is_missing = is_missing(g, column);
            let value = filled(g, name, &is_missing, name, *median);
            let value = within(g, name, &value, encoding.believed_range());
            parts.push(standardised(g, name, &value, *mean, *std));
            parts.extend(scores.iter().map(|scores| score(g, name, &value, scores)));
            parts.extend(indicator(g, column, &is_missing, *missing));
        }
        Encoding::Robust { median, spread, missing, scores, .. } => {
            let is_missing = is_missing(g, column);
            let value = filled(g, name, &is_missing, name, *median);
            parts.push(clipped(g, name, &value, *median, *spread));
            parts.extend(scores.iter().map(|scores| score(g, name, &value, scores)));
            parts.extend(indicator(g, column, &is_missing, *missing));
        }
        Encoding::Date { mean, std, median, cycles, missing, .. } => {
            let is_missing = is_no_date(g, column);
            // In place of a missing date, one whose calendar can be computed.
            let seconds = filled(g, name, &is_missing, name, 0.0);
            let day = g.double(name, SECONDS_A_DAY);
            let days = g.call(name, "Div", &[&seconds, &day]);
            let value = filled(g, name, &is_missing, &days, *median);
            parts.push(standardised(g, name, &value, *mean, *std));
            parts.extend(pairs(g, name, &is_missing, &seconds, cycles));
            parts.extend(indicator(g, column, &is_missing, *missing));
        }
        Encoding::Categorical { categories, other, missing, .. } => {
            parts.push(category(g, column, categories.len(), *other, *missing));
        }
        Encoding::TargetStatistics { categories, statistics, missing, .. } => {
            parts.push(by_targets(g, column, categories.len(), statistics, *missing));
        }
        Encoding::NamedNumber { number, names } => {
            parts = encoded(g, column, number);
            parts.push(named(g, column, names));
        }
    }
    parts
}

/// Whether a number is missing: NaN, or one that stands for it.
fn is_missing(g: &mut GraphBuilder, column: &InputColumn) -> String {
    let name = &column.name;
    // NaN alone differs from itself; tract has no IsNaN for double.
    let is_number = g.call(name, "Equal", &[name, name]);
    let is_nan = g.call(name, "Not", &[&is_number]);
    let markers = column.missing_markers.numbers();
    if markers.is_empty() {
        return is_nan;
    }
    let markers = g.constant(name, &[1, markers.len()], &Constant::Double(markers));
    let is_marker = g.call(name, "Equal", &[name, &markers]);
    let is_marker = g.cast(name, &is_marker, Type::Float);
    let axes = [("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(1))];
    let is_marker = g.op(name, "ReduceMax", &[&is_marker], &axes);
    let is_marker = g.cast(name, &is_marker, Type::Bool);
    g.call(name, "Or", &[&is_nan, &is_marker])
}

/// Whether a column of seconds holds no date: NaN, or beyond the years of a calendar.
fn is_no_date(g: &mut GraphBuilder, column: &InputColumn) -> String {
    let name = &column.name;
    let [first, end] = calendar::SECONDS.map(|seconds| g.double(name, seconds));
    let is_late_enough = g.call(name, "GreaterOrEqual", &[name, &first]);
    let is_early_enough = g.call(name, "Less", &[name, &end]);
    let is_date = g.call(name, "And", &[&is_late_enough, &is_early_enough]);
    g.call(name, "Not", &[&is_date])
}

/// `x`, and `instead` where it is missing.
fn filled(g: &mut GraphBuilder, name: &str, is_missing: &str, x: &str, instead: f64) -> String {
    let instead = g.double(name, instead);
    g.call(name, "Where", &[is_missing, &instead, x])
}

/// `x`, and the end of `range` where it is outside of that.
fn within(g: &mut GraphBuilder, name: &str, x: &str, range: Option<[f64; 2]>) -> String {
    let Some(range) = range else { return x.to_owned() };
    let [least, most] = range.map(|end| g.double(name, end));
    let x = g.call(name, "Max", &[x, &least]);
    g.call(name, "Min", &[&x, &most])
}

/// (x − mean)/std.
fn standardised(g: &mut GraphBuilder, name: &str, x: &str, mean: f64, std: f64) -> String {
    let (mean, std) = (g.double(name, mean), g.double(name, std));
    let x = g.call(name, "Sub", &[x, &mean]);
    let x = g.call(name, "Div", &[&x, &std]);
    g.cast(name, &x, Type::Float)
}

/// z/√(1 + (z/3)²) with z = (x − median)/spread, within a range in which the square is finite.
fn clipped(g: &mut GraphBuilder, name: &str, x: &str, median: f64, spread: f64) -> String {
    let [median, spread, least, most, clip, one] =
        [median, spread, -LARGEST, LARGEST, 3.0, 1.0].map(|value| g.double(name, value));
    let z = g.call(name, "Sub", &[x, &median]);
    let z = g.call(name, "Div", &[&z, &spread]);
    let z = g.call(name, "Max", &[&z, &least]);
    let z = g.call(name, "Min", &[&z, &most]);
    let part = g.call(name, "Div", &[&z, &clip]);
    let square = g.call(name, "Mul", &[&part, &part]);
    let square = g.call(name, "Add", &[&one, &square]);
    let root = g.call(name, "Sqrt", &[&square]);
    let z = g.call(name, "Div", &[&z, &root]);
    g.cast(name, &z, Type::Float)
}

/// The normal score, as the sum of what each piece between two knots adds: its share of the piece
/// that lies below x, times the piece's height.
fn score(g: &mut GraphBuilder, name: &str, x: &str, scores: &NormalScores) -> String {
    let pieces = scores.knots().windows(2);
    let starts: Vec<f64> = pieces.clone().map(|piece| piece[0][0]).collect();
    let widths: Vec<f64> = pieces.clone().map(|piece| piece[1][0] - piece[0][0]).collect();
    let heights: Vec<f32> = pieces.map(|piece| (piece[1][1] - piece[0][1]) as f32).collect();
    let n = starts.len();
    let starts = g.constant(name, &[1, n], &Constant::Double(&starts));
    let widths = g.constant(name, &[1, n], &Constant::Double(&widths));
    let heights = g.constant(name, &[n, 1], &Constant::Float(&heights));
    let [zero, one] = [0.0, 1.0].map(|value| g.double(name, value));
    let lowest = g.constant(name, &[1, 1], &Constant::Float(&[scores.knots()[0][1] as f32]));
    let share = g.call(name, "Sub", &[x, &starts]);
    let share = g.call(name, "Div", &[&share, &widths]);
    let share = g.call(name, "Max", &[&share, &zero]);
    let share = g.call(name, "Min", &[&share, &one]);
    let share = g.cast(name, &share, Type::Float);
    let sum = g.call(name, "MatMul", &[&share, &heights]);
    g.call(name, "Add", &[&sum, &lowest])
}

/// 1 where a cell is missing, else 0.
fn indicator(
    g: &mut GraphBuilder,
    column: &InputColumn,
    is_missing: &str,
    missing: MissingColumn,
) -> Option<String> {
    (missing == MissingColumn::Present).then(|| g.cast(&column.name, is_missing, Type::Float))
}

/// One-hot categories by the texts of cells.
fn category(
    g: &mut GraphBuilder,
    column: &InputColumn,
    n_own: usize,
    other: OtherColumn,
    missing: MissingColumn,
) -> String {
    let width = column.width();
    // A place beyond the encoded columns gives zeros.
    let none = width as i64;
    let unseen = if other == OtherColumn::Present { n_own as i64 } else { none };
    let is_missing = if missing == MissingColumn::Present { none - 1 } else { none };
    let place = place(g, column, unseen, is_missing);
    one_hot(g, &column.name, &place, width)
}

/// The place of a cell's category, `[N, 1]`, or one of these for other cells.
fn place(g: &mut GraphBuilder, column: &InputColumn, unseen: i64, is_missing: i64) -> String {
    let (mut texts, mut places) = (Vec::new(), Vec::new());
    for (text, category) in spellings::of(column) {
        texts.push(text);
        places.push(category.map_or(is_missing, |place| place as i64));
    }
    let attributes = [
        ("cats_strings", Attribute::Texts(&texts)),
        ("cats_int64s", Attribute::Ints(&places)),
        ("default_int64", Attribute::Int(unseen)),
    ];
    g.op(&column.name, "CategoryMapper", &[&column.name], &attributes)
}

/// The statistics of a cell's category, from a table of all that ends in those of an unseen and
/// of a missing one.
fn by_targets(
    g: &mut GraphBuilder,
    column: &InputColumn,
    n_categories: usize,
    statistics: &TargetStatistics,
    missing: MissingColumn,
) -> String {
    let name = &column.name;
    let (unseen, is_missing) = (n_categories as i64, n_categories as i64 + 1);
    let table = statistics::table(statistics, n_categories, missing);
    let table = g.constant(name, &[n_categories + 2, column.width()], &Constant::Float(&table));
    let place = place(g, column, unseen, is_missing);
    let all = g.constant(name, &[1], &Constant::Int64(&[-1]));
    let place = g.call(name, "Reshape", &[&place, &all]);
    g.op(name, "Gather", &[&table, &place], &[("axis", Attribute::Int(0))])
}

/// 1 in the column `place`, else 0, `[N, width]`; zeros for a place beyond them.
fn one_hot(g: &mut GraphBuilder, name: &str, place: &str, width: usize) -> String {
    let places: Vec<i64> = (0..width as i64).collect();
    let places = g.constant(name, &[1, width], &Constant::Int64(&places));
    let is_place = g.call(name, "Equal", &[place, &places]);
    g.cast(name, &is_place, Type::Float)
}

/// What each number names.
fn named(g: &mut GraphBuilder, column: &InputColumn, encoding: &Encoding) -> String {
    let name = &column.name;
    let numbers = encoding.numbers_of_labels().unwrap_or_default();
    let is_missing = is_missing(g, column);
    let is_there = g.call(name, "Not", &[&is_missing]);
    let known = g.constant(name, &[1, numbers.len()], &Constant::Double(&numbers));
    let is_one = g.call(name, "Equal", &[name, &known]);
    let is_one = g.call(name, "And", &[&is_one, &is_there]);
    let hot = g.cast(name, &is_one, Type::Float);
    let axes = [("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(1))];
    let is_known = g.op(name, "ReduceMax", &[&hot], &axes);
    let is_known = g.cast(name, &is_known, Type::Bool);
    let is_other = g.call(name, "Not", &[&is_known]);
    let with_other = |g: &mut GraphBuilder, is_other: &str| {
        let other = g.cast(name, is_other, Type::Float);
        g.op(name, "Concat", &[&hot, &other], &[("axis", Attribute::Int(1))])
    };
    match encoding {
        Encoding::TargetStatistics { statistics, missing, .. } => {
            // Of the table's rows, that of missing cells is the same as that of unseen ones.
            let mut table = statistics::table(statistics, numbers.len(), *missing);
            let width = encoding.width();
            table.truncate((numbers.len() + 1) * width);
            let table = g.constant(name, &[numbers.len() + 1, width], &Constant::Float(&table));
            let hot = with_other(g, &is_other);
            g.call(name, "MatMul", &[&hot, &table])
        }
        Encoding::Categorical { other: OtherColumn::Present, .. } => {
            let is_other = g.call(name, "And", &[&is_other, &is_there]);
            with_other(g, &is_other)
        }
        _ => hot,
    }
}

/// Sine and cosine of the place in each cycle; zeros where the date is missing.
fn pairs(
    g: &mut GraphBuilder,
    name: &str,
    is_missing: &str,
    seconds: &str,
    cycles: &[Cycle],
) -> Vec<String> {
    let mut sum = Calendar { g, name };
    let day = sum.divided(seconds, SECONDS_A_DAY);
    let days = sum.floor(&day);
    let pairs = cycles.iter().map(|cycle| {
        let pair = match cycle {
            Cycle::Month => sum.month(&days),
            Cycle::Weekday => sum.weekday(&days),
            Cycle::Hour => sum.hour(seconds, &days),
        };
        let zero = sum.g.constant(name, &[1, 1], &Constant::Float(&[0.0]));
        sum.g.call(name, "Where", &[is_missing, &zero, &pair])
    });
    pairs.collect()
}

/// Arithmetic with whole numbers in double, where it is exact.
struct Calendar<'g> {
    g: &'g mut GraphBuilder,
    name: &'g str,
}

impl Calendar<'_> {
    fn with(&mut self, op: &str, x: &str, number: f64) -> String {
        let number = self.g.double(self.name, number);
        self.g.call(self.name, op, &[x, &number])
    }

    fn call(&mut self, op: &str, a: &str, b: &str) -> String {
        self.g.call(self.name, op, &[a, b])
    }

    fn floor(&mut self, x: &str) -> String {
        self.g.call(self.name, "Floor", &[x])
    }

    fn divided(&mut self, x: &str, by: f64) -> String {
        self.with("Div", x, by)
    }

    /// ⌊x/by⌋.
    fn quotient(&mut self, x: &str, by: f64) -> String {
        let x = self.divided(x, by);
        self.floor(&x)
    }

    /// x − by·⌊x/by⌋.
    fn remainder(&mut self, x: &str, by: f64) -> String {
        let whole = self.quotient(x, by);
        let whole = self.with("Mul", &whole, by);
        self.call("Sub", x, &whole)
    }

    /// The pair of a month, by [`calendar::month`]'s steps.
    fn month(&mut self, days: &str) -> String {
        let z = self.with("Add", days, calendar::DAYS_BEFORE_1970);
        let day_of_era = self.remainder(&z, 146_097.0);
        let mut day = day_of_era.clone();
        for (op, by) in [("Sub", 1460.0), ("Add", 36_524.0), ("Sub", 146_096.0)] {
            let leap_days = self.quotient(&day_of_era, by);
            day = self.call(op, &day, &leap_days);
        }
        let year = self.quotient(&day, 365.0);
        let mut before = self.with("Mul", &year, 365.0);
        for (op, by) in [("Add", 4.0), ("Sub", 100.0)] {
            let leap_days = self.quotient(&year, by);
            before = self.call(op, &before, &leap_days);
        }
        let day_of_year = self.call("Sub", &day_of_era, &before);
        let day_of_year = self.with("Mul", &day_of_year, 5.0);
        let day_of_year = self.with("Add", &day_of_year, 2.0);
        // Months since March.
        let month = self.quotient(&day_of_year, 153.0);
        self.gathered(&month, 12, 2)
    }

    fn weekday(&mut self, days: &str) -> String {
        // 1970 began on a Thursday.
        let since_monday = self.with("Add", days, 3.0);
        let weekday = self.remainder(&since_monday, 7.0);
        self.gathered(&weekday, 7, 0)
    }

    fn hour(&mut self, seconds: &str, days: &str) -> String {
        let midnight = self.with("Mul", days, SECONDS_A_DAY);
        let hour = self.call("Sub", seconds, &midnight);
        let angle = self.with("Mul", &hour, std::f64::consts::TAU / SECONDS_A_DAY);
        let (g, name) = (&mut *self.g, self.name);
        let angle = g.cast(name, &angle, Type::Float);
        let sin = g.call(name, "Sin", &[&angle]);
        let cos = g.call(name, "Cos", &[&angle]);
        g.op(name, "Concat", &[&sin, &cos], &[("axis", Attribute::Int(1))])
    }

    /// The pair of the `place`-th of `period` places, counted from place `first`.
    fn gathered(&mut self, place: &str, period: usize, first: usize) -> String {
        let pairs = (0..period).flat_map(|i| calendar::pair((i + first) % period, period));
        let pairs: Vec<f32> = pairs.map(|value| value as f32).collect();
        let (g, name) = (&mut *self.g, self.name);
        let pairs = g.constant(name, &[period, 2], &Constant::Float(&pairs));
        let place = g.cast(name, place, Type::Int64);
        let place = one_hot(g, name, &place, period);
        g.call(name, "MatMul", &[&place, &pairs])
    }
}
