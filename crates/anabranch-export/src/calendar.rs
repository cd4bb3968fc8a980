//! What a date is made of: the constants that exported arithmetic needs.

use std::f64::consts::TAU;

pub(crate) const SECONDS_A_DAY: f64 = 86_400.0;

/// Days from the beginning of an era of 400 years, March of the year −10000, to 1970.
pub(crate) const DAYS_BEFORE_1970: f64 = 719_468.0 + 25.0 * 146_097.0;

/// Seconds since 1970 that a calendar has: from the year −9999 to the end of the year 9999.
pub(crate) const SECONDS: [f64; 2] = [-4_371_587.0 * SECONDS_A_DAY, 2_932_897.0 * SECONDS_A_DAY];

/// Sine and cosine of the `place`-th of `period` places in a cycle.
pub(crate) fn pair(place: usize, period: usize) -> [f64; 2] {
    let (sin, cos) = libm::sincos(TAU * place as f64 / period as f64);
    [sin, cos]
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_data::{Cell, ColumnRules, Encoder, Executor, Table};

    /// The encoder reads dates in these seconds and no others.
    #[test]
    fn the_first_and_the_last_second_are_the_encoders() {
        let table = Table::from_reader("t", "at\n0\n86400\n".as_bytes()).unwrap();
        let kinds = vec![("at".into(), "date:s".parse().unwrap())];
        let table = table.with_rules(ColumnRules { kinds, ..ColumnRules::default() });
        let (encoder, _) = Encoder::fit::<&str>(&Executor::serial(), &table, &[0, 1], &[]).unwrap();
        let mut x = vec![0.0f64; encoder.width()];
        let mut is_date = |seconds: f64| {
            let text = format!("{seconds}");
            let notes = encoder.encode_row(&[Cell::Text(&text)], &mut x).unwrap();
            notes.unreadable == 0
        };
        let [first, end] = SECONDS;
        assert!(is_date(first) && !is_date(first - 1.0));
        assert!(is_date(end - 1.0) && !is_date(end));
    }
}
