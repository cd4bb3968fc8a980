//! What the cells of a column look like, counted in one pass or two: what its kind is decided by.

use crate::cell::{LARGEST, trimmed};
use crate::date::DateVotes;
use crate::missing::MissingMarkers;
use crate::number::{NumberVotes, has_leading_zeros, parse_plain};
use crate::table::Table;

/// Cells that are neither plain numbers nor missing are looked at for other formats until so many
/// have had none.
const HOPELESS: usize = 1000;

/// Cells of one sort.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: usize,
    /// The row of the first.
    pub(crate) first: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, row: usize) {
        if self.count == 0 {
            self.first = row;
        }
        self.count += 1;
    }

    /// Adds cells of later rows.
    pub(crate) fn add_all(&mut self, later: Self) {
        if self.count == 0 {
            self.first = later.first;
        }
        self.count += later.count;
    }
}

/// What the cells of a column look like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    /// Cells without a value.
    pub(crate) n_missing: usize,
    /// Those of them that hold a marker other than the plain ones.
    pub(crate) markers: Tally,
    /// Cells that are numbers as programs write them.
    pub(crate) n_plain: usize,
    /// All other cells with a value.
    pub(crate) odd: Tally,
    /// Plain numbers with leading zeros, such as `00501`.
    pub(crate) codes: Tally,
    /// Cells that are infinite or beyond [`LARGEST`].
    pub(crate) out_of_range: Tally,
    /// Whether all values have as many characters.
    pub(crate) equally_long: bool,
    /// Whether a point in a plain number cannot separate thousands.
    pub(crate) decimal_points: bool,
    /// Whether a point in a plain number could.
    pub(crate) grouping_points: bool,
    /// The plain numbers as a sequence, as long as they are whole.
    pub(crate) whole: Option<Sequence>,
    /// The least and the largest of the plain numbers that are in range; NaN if there are none.
    pub(crate) range: [f64; 2],
    /// Numbers in any format; empty if all are plain.
    pub(crate) numbers: NumberVotes,
    /// Number of cells that can be numbers in some format.
    pub(crate) n_numbers: usize,
    /// Dates.
    pub(crate) dates: DateVotes,
    /// Of all cells in order: equal columns have equal ones.
    pub(crate) hash: u64,
}

/// Whole numbers in the order of their rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) last: f64,
    /// Whether each is larger than the one before.
    pub(crate) increases: bool,
}

impl Profile {
    /// Profiles column number `column`. Where `wants_dates`, plain numbers are tried as dates too.
    pub(crate) fn of(
        table: &Table,
        column: usize,
        missing: &MissingMarkers,
        wants_dates: bool,
    ) -> Self {
        let plain_markers = MissingMarkers::format_1();
        let range = [f64::NAN; 2];
        let mut profile = Self { equally_long: true, range, ..Self::default() };
        let mut len = None;
        for (row, text) in table.column(column).map(trimmed).enumerate() {
            let number = parse_plain(text);
            let is_missing = match number {
                Some(number) => missing.contains_number(number),
                None => missing.contains(text),
            };
            profile.hash(number.map_or_else(|| hash_of(text), f64::to_bits));
            if is_missing {
                profile.n_missing += 1;
                if !text.is_empty() && !plain_markers.contains(text) {
                    profile.markers.add(row);
                }
                continue;
            }
            profile.equally_long &= *len.get_or_insert(text.len()) == text.len();
            match number {
                Some(number) => profile.add_plain(row, text, number),
                None => profile.odd.add(row),
            }
        }
        if profile.odd.count > 0 || wants_dates {
            profile.add_formats(table, column, missing, wants_dates);
        } else {
            profile.n_numbers = profile.n_plain;
        }
        profile
    }

    fn add_plain(&mut self, row: usize, text: &str, number: f64) {
        self.n_plain += 1;
        if number.abs() > LARGEST {
            self.out_of_range.add(row);
        } else {
            let [least, largest] = self.range;
            self.range = [least.min(number), largest.max(number)];
        }
        if has_leading_zeros(text) {
            self.codes.add(row);
        }
        if !self.decimal_points
            && let Some(point) = text.find('.')
        {
            // One to three digits, a point, and three more: 1.234 may be 1234.
            let head = text[..point].trim_start_matches('-');
            let may_group = (1..=3).contains(&head.len())
                && !head.starts_with('0')
                && text.len() == point + 4
                && text[point + 1..].bytes().all(|byte| byte.is_ascii_digit());
            self.grouping_points |= may_group;
            self.decimal_points |= !may_group;
        }
        if self.n_plain == 1 {
            self.whole = Some(Sequence { min: number, max: number, last: number, increases: true });
        }
        if let Some(sequence) = &mut self.whole {
            if number.fract() != 0.0 {
                self.whole = None;
                return;
            }
            sequence.increases &= self.n_plain == 1 || number > sequence.last;
            sequence.last = number;
            sequence.min = sequence.min.min(number);
            sequence.max = sequence.max.max(number);
        }
    }

    /// Looks at the cells once more, for other formats than the plain one.
    fn add_formats(
        &mut self,
        table: &Table,
        column: usize,
        missing: &MissingMarkers,
        wants_dates: bool,
    ) {
        let mut n_hopeless = 0;
        for text in table.column(column).map(trimmed) {
            if missing.contains(text) {
                continue;
            }
            let number = parse_plain(text);
            if number.is_some_and(|number| missing.contains_number(number)) {
                continue;
            }
            // Infinity is a number too: one that is reported, should the column prove to be
            // numeric.
            let is_number = self.numbers.add(text) || number.is_some();
            self.n_numbers += usize::from(is_number);
            let is_date = (number.is_none() || wants_dates) && self.dates.add(text);
            if !is_number && !is_date {
                n_hopeless += 1;
                if n_hopeless == HOPELESS && self.n_numbers + self.dates.n_cells() == 0 {
                    return;
                }
            }
        }
    }

    fn hash(&mut self, cell: u64) {
        self.hash = (self.hash.rotate_left(5) ^ cell).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// Cells with a value.
    pub(crate) fn n_values(&self) -> usize {
        self.n_plain + self.odd.count
    }
}

/// A quick hash of a text's length and of its first and last bytes.
fn hash_of(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let part = |bytes: &mut dyn Iterator<Item = &u8>| {
        bytes.take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    };
    part(&mut bytes.iter()) ^ part(&mut bytes.iter().rev()).rotate_left(32) ^ bytes.len() as u64
}
