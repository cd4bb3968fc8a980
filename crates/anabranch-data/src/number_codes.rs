//! Whole numbers that name things: persons, schools, places, of which each has several rows.
//!
//! As a number, such a name says next to nothing: that of the next person is as near as can be, and
//! tells of somebody else. As a label it says whose rows these are. Whether a column of whole
//! numbers holds names, the targets y of the training rows tell, by how unlike rows are (a
//! variogram, Matheron, *Principles of Geostatistics*, 1963):
//!
//! ```text
//! same = ½ mean (y − y')²    of rows with the same number
//! next = ½ mean (y − y')²    of rows with one number and the next larger one there is
//! all  = variance of y
//! ```
//!
//! Where the number measures something, rows of the next one are about as alike as those of the
//! same: all − next is hardly less than all − same. Where it is a name, hardly anything is left of
//! that. Of a class, (y − y')² is 1 where two rows are of different classes; of numbers, y is their
//! rank, so that a few far ones do not decide.
//!
//! Names of one target may measure another one: of patients that are numbered treatment by
//! treatment, each has its own course. So numbers that are names for any target become inputs both
//! as numbers and as labels. It also helps with names that training never saw.

use std::collections::HashSet;
use std::sync::OnceLock;

use anabranch_tensor::Executor;

use crate::cell::{Cell, Reading};
use crate::column_kind::ColumnKind;
use crate::encoder::{MAX_CATEGORIES, Target, TrainingTargets};
use crate::giveaway::ranks;
use crate::number::whole;
use crate::schema::{ColumnSchema, Schema, for_each_column};
use crate::table::Table;
use crate::warning::{Warning, WarningCode};

/// In fewer rows, or with fewer numbers, rows are alike by chance.
const MIN_ROWS: usize = 50;
const MIN_NUMBERS: usize = 10;

/// Fewer rows of other classes than the most frequent one are in the same group by chance.
const MIN_OTHERS: f64 = 30.0;

/// The share of a target's variance that the same number explains has to be larger than this, and
/// than so many standard deviations of what chance explains.
const MIN_SHARE: f64 = 0.1;
const MIN_DEVIATIONS: f64 = 3.0;

/// The next number explains less than this part of what the same one does.
const MOST_LEFT: f64 = 0.5;

/// One cell in so many may be none of them.
const OTHER_CELLS: usize = 20;

impl Schema {
    /// Reads inputs that are names in whole numbers as categories too, unless the user says what
    /// they are. `targets` are no inputs.
    pub(crate) fn with_number_codes(
        mut self,
        exec: &Executor,
        table: &Table,
        targets: &[usize],
        training: &TrainingTargets<'_>,
    ) -> Self {
        if training.n_statistics() > MAX_CATEGORIES {
            // Many categories could not be told apart.
            return self;
        }
        let kinds = &table.rules().kinds;
        let asked: HashSet<&str> = kinds.iter().map(|(name, _)| name.trim()).collect();
        let to_learn: Vec<Target> = training.columns().into_iter().map(ranked).collect();
        let is_first = OnceLock::new();
        let names = for_each_column(exec, self.columns().len(), |place| {
            let column = &self.columns()[place];
            let is_input = column.left_out.is_none() && !targets.contains(&place);
            if !is_input || asked.contains(column.name.as_str()) {
                return None;
            }
            let groups = Groups::read(table, column, place, training)?;
            let are_names = |groups: &Groups| to_learn.iter().any(|y| groups.are_names_for(y));
            let n_names = groups.each().count();
            // Copies of a row are alike, whatever its numbers are.
            let without_copies = || {
                let is_first = is_first.get_or_init(|| self.first_copies(table, training));
                Groups::new(groups.0.iter().copied().filter(|(_, i)| is_first[*i]).collect())
            };
            let found = are_names(&groups) && without_copies().is_some_and(|g| are_names(&g));
            found.then_some(n_names)
        });
        for (place, n) in names.into_iter().enumerate() {
            let Some(n) = n else { continue };
            let name = self.columns()[place].name.clone();
            let message = format!(
                "column {name:?}: its {n} numbers are names: rows of the same number are alike, those of the next one are \
                 not: read as categories too (--as '{name}=number' reads numbers alone)"
            );
            let warning = Warning::new(WarningCode::Codes, message).column(&name).count(n);
            self.read_as_names(place, warning);
        }
        self
    }

    /// Whether each of the rows that are learned from is the first one with its cells, those of
    /// columns that are left out apart.
    fn first_copies(&self, table: &Table, training: &TrainingTargets<'_>) -> Vec<bool> {
        let columns = self.columns().iter().enumerate();
        let columns = columns.filter(|(_, column)| column.left_out.is_none()).map(|(i, _)| i);
        let hashes = table.hashes(&columns.collect::<Vec<usize>>());
        let mut seen = HashSet::new();
        training.rows.iter().map(|row| seen.insert(hashes[training.found.rows[*row]])).collect()
    }
}

/// Numbers by their ranks, from 0 to 1; classes as they are.
fn ranked(target: Target) -> Target {
    let Target::Number(mut numbers) = target else { return target };
    let ranks = ranks(&numbers.iter().flatten().copied().collect::<Vec<f64>>());
    let n = ranks.len() as f64;
    numbers.iter_mut().flatten().zip(ranks).for_each(|(number, rank)| *number = rank / n);
    Target::Number(numbers)
}

/// The whole numbers of a column, in their order, and the rows that have them, of those that are
/// learned from.
struct Groups(Vec<(i64, usize)>);

impl Groups {
    /// `None` for another column, and where numbers hardly repeat.
    fn read(
        table: &Table,
        column: &ColumnSchema,
        place: usize,
        training: &TrainingTargets<'_>,
    ) -> Option<Self> {
        let ColumnKind::Number { format } = &column.kind else { return None };
        let (mut rows, mut n_others) = (Vec::new(), 0);
        for (i, row) in training.rows.iter().enumerate() {
            let cell = Cell::Text(table.cell(training.found.rows[*row], place));
            let number = match cell.read_number(format, &column.missing_markers) {
                Reading::Missing => continue,
                Reading::Number(x) => whole(x),
                Reading::Text | Reading::OutOfRange => None,
            };
            match number {
                Some(x) => rows.push((x, i)),
                None => n_others += 1,
            }
            if n_others * OTHER_CELLS > training.rows.len() {
                return None;
            }
        }
        rows.sort_unstable();
        if let Some(groups) = &training.groups {
            // Names that stay within a group are never met again: of each, a row of each group.
            let mut seen = HashSet::new();
            rows.retain(|(x, i)| seen.insert((*x, groups[training.rows[*i]])));
        }
        Self::new(rows)
    }

    /// `None` where numbers hardly repeat.
    fn new(rows: Vec<(i64, usize)>) -> Option<Self> {
        let groups = Self(rows);
        let (n_rows, n_numbers) = (groups.0.len(), groups.each().count());
        let n_repeated: usize = groups.each().map(<[_]>::len).filter(|n| *n > 1).sum();
        let repeats = n_rows >= MIN_ROWS && 2 * n_repeated >= n_rows;
        (repeats && n_numbers >= MIN_NUMBERS).then_some(groups)
    }

    /// The rows of each number.
    fn each(&self) -> impl Iterator<Item = &[(i64, usize)]> {
        self.0.chunk_by(|a, b| a.0 == b.0)
    }

    /// Whether the numbers are names for this target.
    fn are_names_for(&self, target: &Target) -> bool {
        let whole = Sums::of(target, &self.0);
        if matches!(target, Target::Class { .. }) {
            let most = whole.sums.iter().fold(0.0, |most: f64, rows| most.max(*rows));
            if whole.n - most < MIN_OTHERS {
                return false;
            }
        }
        let (mut same, mut same_weights) = (0.0, 0.0);
        let (mut next, mut next_weights) = (0.0, 0.0);
        let mut last: Option<Sums> = None;
        for sums in self.each().map(|rows| Sums::of(target, rows)).filter(|sums| sums.n > 0.0) {
            if sums.n > 1.0 {
                same += (sums.n - 1.0) * sums.variance();
                same_weights += sums.n - 1.0;
            }
            if let Some(last) = &last {
                let weight = sums.n.min(last.n);
                next += weight * sums.unlike(last);
                next_weights += weight;
            }
            last = Some(sums);
        }
        let variance = whole.variance();
        let explained = variance - same / same_weights;
        let left = variance - next / next_weights;
        let by_chance = MIN_DEVIATIONS / same_weights.sqrt();
        // Not so where one of them is not a number, without rows.
        explained > variance * f64::max(MIN_SHARE, by_chance) && left < MOST_LEFT * explained
    }
}

/// What some rows have of a target: how many have it, and the sums of its numbers, or the rows of
/// each class, and of the squares.
struct Sums {
    n: f64,
    sums: Vec<f64>,
    squares: f64,
}

impl Sums {
    fn of(target: &Target, rows: &[(i64, usize)]) -> Self {
        let mut all = Self { n: 0.0, sums: vec![0.0; target.width()], squares: 0.0 };
        for (column, value) in rows.iter().filter_map(|(_, row)| target.value(*row)) {
            all.n += 1.0;
            all.sums[column] += value;
            all.squares += value * value;
        }
        all
    }

    /// Half the mean of (y − y')² of two of the rows.
    fn variance(&self) -> f64 {
        let of_sums: f64 = self.sums.iter().map(|sum| sum * sum).sum();
        (self.squares - of_sums / self.n) / (self.n - 1.0)
    }

    /// The same of one of these rows and one of the others.
    fn unlike(&self, others: &Self) -> f64 {
        let products: f64 = self.sums.iter().zip(&others.sums).map(|(a, b)| a * b).sum();
        0.5 * (self.squares / self.n + others.squares / others.n) - products / (self.n * others.n)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use anabranch_tensor::Executor;

    use crate::dataset::{prepare, prepare_split};
    use crate::encoder::Encoding;
    use crate::missing::MissingMarkers;
    use crate::rules::AskedKind;
    use crate::split::Fractions;
    use crate::split_rules::{SplitBy, SplitRules};
    use crate::table::Table;
    use crate::target::TargetColumns;
    use crate::warning::{Warning, WarningCode};

    /// 60 persons with five rows each: what they are like has nothing to do with the order of their
    /// numbers. The year measures: it adds to `y`; and each `x` tells a seventh of it.
    fn persons() -> String {
        let mut csv = "person,year,x,y,kind,rare\n".to_owned();
        for person in 0..60_u32 {
            let like = person * 37 % 60;
            for year in 0..5 {
                let x = (person * 5 + year) * 7919 % 61;
                let y = f64::from(like) + f64::from(year) + f64::from(x * 37 % 61) / 2.5;
                let kind = ["red", "green", "blue"][like as usize / 20];
                let rare = like < 4;
                csv += &format!("{},{},{x},{y},{kind},{rare}\n", 100 + person, 2000 + year);
            }
        }
        csv
    }

    fn table(csv: &str) -> Table {
        Table::from_reader("persons.csv", csv.as_bytes()).unwrap()
    }

    /// The columns that are read as names, of which it is said, where these are the targets.
    fn names(table: Table, targets: &TargetColumns) -> Vec<String> {
        let (exec, drop) = (Executor::serial(), ["y", "kind", "rare"].map(String::from));
        let used: Vec<&str> = targets.names().collect();
        let mut rules = table.rules().clone();
        rules.drop.extend(drop.into_iter().filter(|name| !used.contains(&name.as_str())));
        let table = table.with_rules(rules);
        let prepared = prepare::<f64>(&exec, &table, targets, Fractions::default(), 1).unwrap();
        let said = prepared.warnings.iter().filter(|w| w.code == WarningCode::Codes);
        let said: Vec<String> = said.filter_map(|w| w.column.clone()).collect();
        for column in &prepared.schema.columns()[..3] {
            let expected = said.contains(&column.name);
            assert_eq!(column.are_names, expected, "{}", column.name);
        }
        said
    }

    fn both() -> TargetColumns {
        TargetColumns::new().regress(["y"]).classify("kind")
    }

    #[test]
    fn numbers_of_persons_are_labels_and_others_are_numbers() {
        let [number, class] =
            [TargetColumns::new().regress(["y"]), TargetColumns::new().classify("kind")];
        for targets in [both(), number, class] {
            assert_eq!(names(table(&persons()), &targets), ["person"]);
        }
    }

    /// Twenty rows of four persons are in the same group by chance.
    #[test]
    fn a_rare_class_tells_nothing_of_numbers() {
        let targets = TargetColumns::new().classify("rare");
        assert!(names(table(&persons()), &targets).is_empty());
    }

    #[test]
    fn numbers_in_the_order_of_what_they_tell_measure_it() {
        let sorted = (0..60).fold(persons(), |csv, person| {
            let like = person * 37 % 60;
            csv.replace(&format!("\n{},", 100 + person), &format!("\n@{},", 100 + like))
        });
        assert!(names(table(&sorted.replace('@', "")), &both()).is_empty());
    }

    /// The kinds are in the order of the numbers, and what persons are like is not.
    #[test]
    fn names_of_one_target_may_measure_another() {
        let mut csv = String::new();
        for (i, line) in persons().lines().enumerate() {
            let kind = if i == 0 { "kind" } else { ["red", "green", "blue"][(i - 1) / 100] };
            let cells: Vec<&str> = line.split(',').collect();
            csv += &format!("{},{kind},{}\n", cells[..4].join(","), cells[5]);
        }
        assert_eq!(names(table(&csv), &both()), ["person"]);
        let class = TargetColumns::new().classify("kind");
        assert!(names(table(&csv), &class).is_empty());
    }

    /// What some rows are encoded as, beside what their persons' numbers alone are.
    fn encoded(csv: &str, rows: &str) -> (Vec<f64>, Vec<f64>, Vec<Warning>) {
        let (exec, targets) = (Executor::serial(), TargetColumns::new().regress(["y"]));
        let rows = table(rows);
        let all: Vec<usize> = (0..rows.n_rows()).collect();
        let encode = |kind: Option<AskedKind>| {
            let mut rules = table(csv).rules().clone();
            rules.kinds.extend(kind.map(|kind| ("person".into(), kind)));
            rules.keep = ["person", "y"].map(String::from).to_vec();
            let table = table(csv).with_rules(rules);
            let prepared =
                prepare::<f64>(&exec, &table, &targets, Fractions::default(), 1).unwrap();
            let encoder = prepared.encoder;
            let judged = encoder.encode::<f64>(&exec, &rows, &all);
            judged.unwrap()
        };
        let (both, number) = (encode(None), encode(Some(AskedKind::Number)));
        (both.x, number.x, both.warnings)
    }

    #[test]
    fn named_numbers_are_encoded_as_numbers_and_as_names() {
        let persons = persons();
        // So few that each has an input.
        let persons: Vec<&str> = persons.lines().take(1 + 40 * 5).collect();
        let rows = "person\n103\n103.0\n139\n9000000\n?\n";
        let (both, number, warnings) = encoded(&persons.join("\n"), rows);
        let (width, n) = (both.len() / 5, number.len() / 5);
        assert_eq!(width, n + 40);
        for (row, hot) in [Some(3), Some(3), Some(39), None, None].into_iter().enumerate() {
            let (of_number, names) = both[row * width..(row + 1) * width].split_at(n);
            assert_eq!(of_number, &number[row * n..(row + 1) * n]);
            let expected = (0..40).map(|place| f64::from(u8::from(Some(place) == hot)));
            assert_eq!(names, expected.collect::<Vec<f64>>());
        }
        let codes: Vec<WarningCode> = warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, [WarningCode::UnseenCategories, WarningCode::NewlyMissing]);
        // Persons whose numbers are all far away are new ones, and no reason to refuse them.
        let far = "person\n9000000\n90000000000\n";
        let exec = Executor::serial();
        let mut rules = table(&persons.join("\n")).rules().clone();
        rules.keep = ["person", "y"].map(String::from).to_vec();
        let prepared = prepare::<f64>(
            &exec,
            &table(&persons.join("\n")).with_rules(rules),
            &TargetColumns::new().regress(["y"]),
            Fractions::default(),
            1,
        );
        let far = prepared.unwrap().encoder.encode::<f64>(&exec, &table(far), &[0, 1]).unwrap();
        assert_eq!(far.x[..width], both[3 * width..4 * width]);
        assert_eq!(far.x[width..], far.x[..width]);
    }

    /// Each row is told by others what its person is like, behind the number.
    #[test]
    fn many_names_stand_for_what_the_targets_were() {
        let mut csv = "person,y\n".to_owned();
        for i in 0..900 {
            csv += &format!("{},{}.{}\n", 100 + i % 150, i % 150 * 67 % 151, i / 150);
        }
        let exec = Executor::serial();
        let (table, targets) = (table(&csv), TargetColumns::new().regress(["y"]));
        let prepared = prepare::<f64>(&exec, &table, &targets, Fractions::default(), 1).unwrap();
        let all: Vec<usize> = (0..900).collect();
        let by_all = prepared.encoder.encode::<f64>(&exec, &table, &all).unwrap().x;
        let width = prepared.dataset.n_inputs;
        let names = prepared.encoder.feature_names();
        assert_eq!(names, ["person", "person by y"]);
        let test: HashSet<usize> = prepared.dataset.split.test.iter().copied().collect();
        let mut n_different = 0;
        let of_rows = prepared.dataset.x.chunks(width).zip(by_all.chunks(width));
        for (row, (own, by_all)) in of_rows.enumerate() {
            assert_eq!(own[..width - 1], by_all[..width - 1]);
            let is_different = own[width - 1] != by_all[width - 1];
            assert!(!(is_different && test.contains(&row)));
            n_different += usize::from(is_different);
        }
        assert!(n_different > 600, "{n_different}");
    }

    /// Most persons have one row, and the others two.
    #[test]
    fn numbers_that_hardly_repeat_are_numbers() {
        let is_kept =
            |(i, _): &(usize, &str)| *i == 0 || (i - 1) % 5 < if (i - 1) / 5 < 46 { 1 } else { 2 };
        let persons = persons();
        let csv: Vec<&str> = persons.lines().enumerate().filter(is_kept).map(|l| l.1).collect();
        let csv = csv.join("\n");
        assert!(names(table(&csv), &both()).is_empty());
    }

    /// One cell in twenty may be none: a code for an unknown one, half a number, or text.
    #[test]
    fn a_few_other_cells_hide_no_names() {
        let other = |every: usize| {
            let persons = persons();
            let line = |(i, line): (usize, &str)| match i {
                i if i > 0 && i % every == 0 => {
                    let other = ["-1", "117.5", "nobody"][i / every % 3];
                    format!("{other},{}\n", line.split_once(',').unwrap().1)
                }
                _ => format!("{line}\n"),
            };
            names(table(&persons.lines().enumerate().map(line).collect::<String>()), &both())
        };
        assert_eq!(other(25), ["person"]);
        assert!(other(8).is_empty());
    }

    /// Whatever is written twice is alike. Without its copies, no number is there twice.
    #[test]
    fn copies_of_rows_name_nothing() {
        let mut csv = "price,y\n".to_owned();
        for i in 0..300 {
            let i = i / 2;
            csv += &format!("{},{}\n", i * 7919 % 1009, i * 31 % 149);
        }
        let number = TargetColumns::new().regress(["y"]);
        let prepared = |csv: &str| {
            let exec = Executor::serial();
            prepare::<f64>(&exec, &table(csv), &number, Fractions::default(), 1).unwrap()
        };
        assert!(!prepared(&csv).schema.columns()[0].are_names);
        // Twice the same price, and not the same row.
        let others = csv.lines().enumerate().map(|(i, line)| match i {
            0 => format!("{line}\n"),
            _ => format!("{line}.{}\n", i % 2),
        });
        assert!(prepared(&others.collect::<String>()).schema.columns()[0].are_names);
    }

    /// Persons of one group are in no other part of the rows: their names are never met again.
    #[test]
    fn names_within_groups_are_no_use() {
        let csv: String = persons()
            .lines()
            .enumerate()
            .map(|(i, line)| match i {
                0 => format!("{line},group\n"),
                _ => format!("{line},{}\n", (i - 1) / 20),
            })
            .collect();
        let targets = TargetColumns::new().regress(["y"]);
        let are_names = |by: SplitBy| {
            let rules = SplitRules { fractions: Fractions::default(), seed: 1, by };
            let exec = Executor::serial();
            let prepared =
                prepare_split::<f64>(&exec, &table(&csv), &targets, &rules, None).unwrap();
            prepared.schema.columns()[0].are_names
        };
        assert!(are_names(SplitBy::Class));
        assert!(!are_names(SplitBy::Group("group".into())));
    }

    /// The cells of a column that mean a missing value are no name, whatever says so.
    #[test]
    fn what_is_missing_as_a_number_has_no_name() {
        let csv = persons().replace("\n110,", "\n9000000000000000,").replace("\n111,", "\n999.0,");
        let mut rules = table(&csv).rules().clone();
        let markers = MissingMarkers::default().with(["999"]);
        rules.column_missing.push(("person".into(), markers));
        rules.keep = ["person", "y"].map(String::from).to_vec();
        let table = table(&csv).with_rules(rules);
        let targets = TargetColumns::new().regress(["y"]);
        let exec = Executor::serial();
        let prepared = prepare::<f64>(&exec, &table, &targets, Fractions::default(), 1).unwrap();
        let Encoding::NamedNumber { names, .. } = &prepared.encoder.input_columns()[0].encoding
        else {
            panic!("names")
        };
        let (labels, _) = names.categories().unwrap();
        assert!(
            labels.iter().all(|label| label.len() == 3 && label.as_str() < "160"),
            "{labels:?}"
        );
    }

    #[test]
    fn what_is_asked_for_is_done() {
        let mut rules = table(&persons()).rules().clone();
        rules.kinds.push(("person".into(), AskedKind::Number));
        assert!(names(table(&persons()).with_rules(rules), &both()).is_empty());
    }
}
