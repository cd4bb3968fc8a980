/// A column of numbers: z = (v − center)/scale, with `instead` in place of a missing v, and a v
/// outside of `range` taken to be at its end.
struct Number {
    column: &'static str,
    center: f64,
    scale: f64,
    instead: f64,
    range: Option<(f64, f64)>,
    /// Numbers that stand for a missing one.
    missing: &'static [f64],
    /// Points (v, score) between which the normal score is linear; none where there is no score.
    knots: &'static [[f64; 2]],
}

impl Number {
    /// The number that a cell holds; `None` if it is missing.
    fn read(&self, v: f64) -> Result<Option<f64>, OutOfRange> {
        if v.is_nan() || self.missing.contains(&v) {
            Ok(None)
        } else if v.abs() <= 1e100 {
            Ok(Some(v))
        } else {
            Err(OutOfRange { column: self.column })
        }
    }

    /// A number that is there, within the range.
    fn within(&self, v: f64) -> f64 {
        match (self.read(v), self.range) {
            (Ok(Some(v)), Some((least, most))) => v.clamp(least, most),
            _ => v,
        }
    }

    fn z(&self, v: Option<f64>) -> f64 {
        (v.unwrap_or(self.instead) - self.center) / self.scale
    }

    /// The normal score, if the column has one.
    fn score(&self, v: Option<f64>) -> Option<f64> {
        let v = v.unwrap_or(self.instead);
        let (first, last) = (self.knots.first()?, self.knots.last()?);
        if v <= first[0] {
            return Some(first[1]);
        }
        if v >= last[0] {
            return Some(last[1]);
        }
        let above = self.knots.partition_point(|knot| knot[0] <= v);
        let ([v0, s0], [v1, s1]) = (self.knots[above - 1], self.knots[above]);
        Some(s0 + (s1 - s0) * ((v - v0) / (v1 - v0)))
    }
}

/// Writes z, the score, and whether the number is missing, if there is room for that.
fn standardised(x: &mut [f32], v: f64, number: &Number) -> Result<(), OutOfRange> {
    let v = number.read(v)?;
    let z = number.z(v);
    if z.abs() > 1e6 {
        return Err(OutOfRange { column: number.column });
    }
    let z = match (v, number.range) {
        (Some(v), Some((least, most))) => number.z(Some(v.clamp(least, most))),
        _ => z,
    };
    write(x, [Some(z), number.score(v)], v.is_none());
    Ok(())
}

/// Writes z/√(1 + (z/3)²), the score, and whether the number is missing, if there is room for that.
fn clipped(x: &mut [f32], v: f64, number: &Number) -> Result<(), OutOfRange> {
    let v = number.read(v)?;
    // Within this range the square is finite.
    let z = number.z(v).clamp(-1e100, 1e100);
    let z = z / sqrt(1.0 + (z / 3.0) * (z / 3.0));
    write(x, [Some(z), number.score(v)], v.is_none());
    Ok(())
}

/// Writes what stands for a number, and behind it 1 if it is missing, else 0, if there is room for
/// that.
fn write(x: &mut [f32], encoded: [Option<f64>; 2], is_missing: bool) {
    let indicator = if is_missing { 1.0 } else { 0.0 };
    for (x, value) in x.iter_mut().zip(encoded.into_iter().flatten().chain([indicator])) {
        *x = value as f32;
    }
}

/// A column of categories.
struct Category {
    /// Texts that stand for a missing one, in capital or small letters.
    missing: &'static [&'static str],
    categories: &'static [&'static str],
    /// Whether two texts are the same category.
    is_same: fn(&str, &str) -> bool,
    /// The places of what is no category here, and of a missing one; `None` has none.
    unseen_place: Option<usize>,
    missing_place: Option<usize>,
}

/// Writes 1 in the place of the category, and 0 in all others.
fn one_hot(x: &mut [f32], text: Option<&str>, column: &Category) {
    x.fill(0.0);
    if let Some(place) = place(text, column) {
        x[place] = 1.0;
    }
}

/// The place of a text's category.
fn place(text: Option<&str>, column: &Category) -> Option<usize> {
    let text = text.unwrap_or("").trim();
    let is_missing = text.is_empty() || column.missing.iter().any(|m| m.eq_ignore_ascii_case(text));
    let equal = || column.categories.iter().position(|category| *category == text);
    let same = || column.categories.iter().position(|category| (column.is_same)(category, text));
    if is_missing { column.missing_place } else { equal().or_else(same).or(column.unseen_place) }
}

/// A column of categories, and what each place is encoded as, row by row.
struct Table {
    column: Category,
    rows: &'static [f32],
}

/// Writes the row of the category.
fn from_table(x: &mut [f32], text: Option<&str>, table: &Table) {
    let n = x.len();
    let row = place(text, &table.column).and_then(|place| table.rows.get(place * n..(place + 1) * n));
    if let Some(row) = row {
        x.copy_from_slice(row);
    }
}

/// A column of numbers, some of which are names.
struct Names {
    number: &'static Number,
    numbers: &'static [f64],
    /// The places of what is none of them, and of a missing one; `None` has none.
    unseen_place: Option<usize>,
    missing_place: Option<usize>,
}

impl Names {
    fn place(&self, v: f64) -> Option<usize> {
        let Ok(Some(v)) = self.number.read(v) else { return self.missing_place };
        self.numbers.iter().position(|number| *number == v).or(self.unseen_place)
    }
}

/// Writes 1 in the place of what the number names, and 0 in all others.
fn named(x: &mut [f32], v: f64, names: &Names) {
    x.fill(0.0);
    if let Some(place) = names.place(v) {
        x[place] = 1.0;
    }
}

/// Numbers that are names, and what each place is encoded as, row by row.
struct NamesTable {
    names: Names,
    rows: &'static [f32],
}

/// Writes the row of what the number names.
fn named_from_table(x: &mut [f32], v: f64, table: &NamesTable) {
    let n = x.len();
    let row = table.names.place(v).and_then(|place| table.rows.get(place * n..(place + 1) * n));
    if let Some(row) = row {
        x.copy_from_slice(row);
    }
}

/// Texts that are equal.
fn same_text(a: &str, b: &str) -> bool {
    a == b
}

/// Texts that are equal as numbers, or as texts if they are none.
fn same_number(a: &str, b: &str) -> bool {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a == b,
        (Err(_), Err(_)) => a == b,
        _ => false,
    }
}

/// Texts that are equal in small letters.
fn same_letters(a: &str, b: &str) -> bool {
    a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}

/// Texts whose first characters are equal.
fn same_prefix<const N: usize>(a: &str, b: &str) -> bool {
    a.chars().take(N).eq(b.chars().take(N))
}

/// A column of dates: z = (days since 1970 − mean)/std, with the median in place of a missing one,
/// and sine and cosine of the place in each cycle.
struct Date {
    mean: f64,
    std: f64,
    median: f64,
    cycles: &'static [Cycle],
}

/// A cycle of the calendar.
enum Cycle {
    Month,
    Weekday,
    Hour,
}

/// Writes z, a pair for each cycle, and behind them whether the date is missing if there is room
/// for that. A missing date has no place in a cycle: its pairs are (0, 0).
fn dated(x: &mut [f32], seconds: f64, date: &Date) {
    // A calendar has the years from −9999 to 9999.
    let is_date = (-377_705_116_800.0..253_402_300_800.0).contains(&seconds);
    let (values, indicator) = x.split_at_mut(1 + 2 * date.cycles.len());
    let seconds = if is_date { seconds } else { 0.0 };
    let days = if is_date { seconds / 86_400.0 } else { date.median };
    values[0] = ((days - date.mean) / date.std) as f32;
    for (pair, cycle) in values[1..].chunks_exact_mut(2).zip(date.cycles) {
        let place = match cycle {
            Cycle::Month => f64::from(month(whole_days(seconds))) / 12.0,
            // 1970 began on a Thursday.
            Cycle::Weekday => (whole_days(seconds) + 3).rem_euclid(7) as f64 / 7.0,
            Cycle::Hour => (seconds - whole_days(seconds) as f64 * 86_400.0) / 86_400.0,
        };
        let angles = sin_cos(core::f64::consts::TAU * place);
        pair.copy_from_slice(&angles.map(|value| if is_date { value as f32 } else { 0.0 }));
    }
    indicator.fill(if is_date { 0.0 } else { 1.0 });
}

/// ⌊seconds/86400⌋.
fn whole_days(seconds: f64) -> i64 {
    let days = (seconds / 86_400.0) as i64;
    if days as f64 * 86_400.0 > seconds { days - 1 } else { days }
}

/// Months since January of a day since 1970.
fn month(day: i64) -> u8 {
    // Days since March of a year that 400 divides, in years that begin in March.
    let day = (day + 719_468).rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    ((5 * day + 2) / 153 + 2) as u8 % 12
}
