//! From a table to the matrices that a network trains on.

use anabranch_tensor::{ArrayView2, Executor, Scalar, matrix};

use crate::encoder::{Encoded, Encoder, FittedEncoder, TOO_FAR, TrainingTargets};
use crate::error::{DataError, list};
use crate::giveaway::about_giveaways;
use crate::missing_targets::about_missing;
use crate::presence::Presence;
use crate::raw_targets::{RawTargets, TargetValues, TaskValues};
use crate::sample_weights::{read_weights, relative};
use crate::schema::Schema;
use crate::sentinel::about_sentinels;
use crate::split::{Fractions, Split};
use crate::split_rules::{SplitBy, SplitRules};
use crate::table::Table;
use crate::target::{TargetColumns, Targets, TaskColumns, TaskTarget};
use crate::target_check::{about_numbers, check_classes, check_names, without_absurd};
use crate::warning::{Warning, WarningCode};

/// Encoded rows with their targets, and which of them train, validate and test. All matrices are
/// row-major.
#[derive(Clone, Debug)]
pub struct Dataset<T> {
    /// Inputs `[n_rows, n_inputs]`.
    pub x: Vec<T>,
    /// The targets of every row, task by task; numbers are standardised on the training rows.
    pub tasks: Vec<TaskValues<T>>,
    /// Which rows have the targets of each task; none if all rows have all.
    pub present: Vec<Presence>,
    /// How much each row counts in the losses; none if all count alike.
    pub sample_weights: Option<Vec<T>>,
    /// The rows of each part, as indices into this data set.
    pub split: Split,
    /// Rows that have the targets of some task.
    pub n_rows: usize,
    /// Encoded input columns.
    pub n_inputs: usize,
}

impl<T: Scalar> Dataset<T> {
    /// The inputs `[n_rows, n_inputs]`.
    pub fn x(&self) -> ArrayView2<'_, T> {
        matrix(&self.x, self.n_rows, self.n_inputs)
    }

    /// Which rows have the targets of a task.
    pub fn presence(&self, task: usize) -> &Presence {
        self.present.get(task).unwrap_or(&Presence::All)
    }

    /// The same data in another number type: the nearest numbers to these.
    pub fn cast<U: Scalar>(&self) -> Dataset<U> {
        let cast = |values: &[T]| values.iter().map(|value| U::from_f64(value.to_f64())).collect();
        let tasks = self.tasks.iter().map(|task| match task {
            TaskValues::Numbers { values, n_columns } => {
                TaskValues::Numbers { values: cast(values), n_columns: *n_columns }
            }
            TaskValues::Classes { class, n_classes } => {
                TaskValues::Classes { class: class.clone(), n_classes: *n_classes }
            }
        });
        Dataset {
            x: cast(&self.x),
            tasks: tasks.collect(),
            present: self.present.clone(),
            sample_weights: self.sample_weights.as_deref().map(cast),
            split: self.split.clone(),
            n_rows: self.n_rows,
            n_inputs: self.n_inputs,
        }
    }

    /// Adds the rows of another table, to test on: those that have a target. The others are
    /// counted.
    fn add_test_rows(
        &mut self,
        exec: &Executor,
        table: &Table,
        encoder: &Encoder,
        targets: &Targets,
    ) -> Result<(usize, Vec<Warning>), DataError> {
        let found = targets.read(table)?;
        let Encoded::<T> { x, warnings } = encoder.encode(exec, table, &found.rows)?;
        self.x.extend(x);
        for (all, more) in self.tasks.iter_mut().zip(standardised::<T>(table, &found, targets)?) {
            match (all, more) {
                (TaskValues::Numbers { values, .. }, TaskValues::Numbers { values: more, .. }) => {
                    values.extend(more);
                }
                (TaskValues::Classes { class, .. }, TaskValues::Classes { class: more, .. }) => {
                    class.extend(more);
                }
                // Both were read by the same targets.
                _ => {}
            }
        }
        for (all, more) in self.present.iter_mut().zip(&found.present) {
            all.append(self.n_rows, more, found.rows.len());
        }
        if let Some(weights) = &mut self.sample_weights {
            // Nobody asks for the loss of test rows.
            weights.resize(self.n_rows + found.rows.len(), T::ONE);
        }
        self.split.test = (self.n_rows..self.n_rows + found.rows.len()).collect();
        self.n_rows += found.rows.len();
        let about_table = table.warnings().iter().cloned();
        let warnings = about_table.chain(found.warnings).chain(warnings).collect();
        Ok((found.rows_left_out, warnings))
    }

    /// Checks what training relies on: arrays as long as they say, known classes, and a split into
    /// rows that there are. [`prepare`] makes data sets that pass.
    ///
    /// # Errors
    /// [`DataError::Array`], [`DataError::NoSuchClass`] or [`DataError::SplitRow`].
    pub fn check(&self) -> Result<(), DataError> {
        let expect_len = |array: String, per_row: usize, got: usize| {
            let expected = self.n_rows.checked_mul(per_row);
            let error = || DataError::Array { array, rows: self.n_rows, per_row, got };
            if expected == Some(got) { Ok(()) } else { Err(error()) }
        };
        expect_len("inputs".into(), self.n_inputs, self.x.len())?;
        for (task, values) in self.tasks.iter().enumerate() {
            match values {
                TaskValues::Numbers { values, n_columns } => {
                    expect_len(format!("numbers of task {task}"), *n_columns, values.len())?;
                }
                TaskValues::Classes { class, n_classes } => {
                    expect_len(format!("classes of task {task}"), 1, class.len())?;
                    if let Some(row) = class.iter().position(|c| *c as usize >= *n_classes) {
                        let (class, n_classes) = (class[row], *n_classes);
                        return Err(DataError::NoSuchClass { task, row, class, n_classes });
                    }
                }
            }
        }
        if ![0, self.tasks.len()].contains(&self.present.len()) {
            let array = "tasks with their rows".into();
            let (rows, per_row) = (self.tasks.len(), 1);
            return Err(DataError::Array { array, rows, per_row, got: self.present.len() });
        }
        for (task, presence) in self.present.iter().enumerate() {
            if let Presence::Each(has) = presence {
                expect_len(format!("rows with targets of task {task}"), 1, has.len())?;
            }
        }
        if let Some(weights) = &self.sample_weights {
            expect_len("weights of rows".into(), 1, weights.len())?;
        }
        let Split { train, validation, test, .. } = &self.split;
        for (part, rows) in [("training", train), ("validation", validation), ("test", test)] {
            if let Some(row) = rows.iter().find(|row| **row >= self.n_rows) {
                return Err(DataError::SplitRow { part, row: *row, n_rows: self.n_rows });
            }
        }
        Ok(())
    }
}

/// A data set, and what was fitted to make it: a model file keeps `encoder` and `targets`.
#[derive(Clone, Debug)]
pub struct Prepared<T> {
    /// The matrices.
    pub dataset: Dataset<T>,
    /// The encoding of the input columns, fitted on the training rows;
    /// [`TargetStatistics`](crate::TargetStatistics) on those that validate too.
    pub encoder: Encoder,
    /// Scale and labels of the targets, the scale fitted on the training rows.
    pub targets: Targets,
    /// How the columns of the table are understood; whole numbers that the targets show to be names
    /// are categories here.
    pub schema: Schema,
    /// The row of the table that each row of the data set was, those of a table of test rows apart.
    pub rows: Vec<usize>,
    /// Rows of the table that lack all targets and are in no part of the data set.
    pub rows_left_out: usize,
    /// What a user should know about the table.
    pub warnings: Vec<Warning>,
}

/// Makes a data set of a table: leaves out rows that lack all targets, splits the others by the
/// class of the first class task, fits encoder and scales on the training rows, and encodes all.
/// Targets are never inputs. The same arguments give the same bits, on any number of threads.
///
/// # Errors
/// [`DataError`] for a column that the table lacks or that is named as a target twice, no task,
/// text in a regression column, infinity, one class only, no input columns, fractions out of range,
/// too few rows to split, a class column with too many labels for its rows, or an input that is
/// called as a prediction will be.
pub fn prepare<T: Scalar>(
    exec: &Executor,
    table: &Table,
    columns: &TargetColumns,
    fractions: Fractions,
    seed: u64,
) -> Result<Prepared<T>, DataError> {
    let rules = SplitRules { fractions, seed, by: SplitBy::Class };
    prepare_split(exec, table, columns, &rules, None)
}

/// [`prepare`] by other rules. The rows of a table `test`, if there is one, are the test rows,
/// behind all others in the data set: those of `table` are then divided without any, whatever the
/// test fraction.
///
/// # Errors
/// As [`prepare`]; and [`DataError`] for a column of the rules that cannot divide rows, or a table
/// of test rows that does not fit.
pub fn prepare_split<T: Scalar>(
    exec: &Executor,
    table: &Table,
    columns: &TargetColumns,
    rules: &SplitRules,
    test: Option<&Table>,
) -> Result<Prepared<T>, DataError> {
    let target_columns = target_places(table, columns)?;
    let mut warnings = Vec::new();

    let schema = Schema::infer(exec, table)?;
    let unread = Targets::unread(table, &schema, columns)?;
    let (mut unscaled, mut found) = read_targets(table, &unread)?;
    if let Some((unread, about_absurd)) = without_absurd(table, &found, &unread) {
        warnings.extend(about_absurd);
        (unscaled, found) = read_targets(table, &unread)?;
    }
    check_classes(table, &schema, &unscaled, &found)?;
    let mut rules = rules.clone();
    if test.is_some() {
        rules.fractions.test = 0.0;
    }
    let weight_column = columns.sample_weight.as_deref();
    let mut passed_over = Vec::new();
    for name in rules.by.column_without_use().into_iter().chain(weight_column) {
        let place = table.column_index(name)?;
        if target_columns.contains(&place) {
            return Err(DataError::SplitTarget { column: name.trim().to_owned() });
        }
        passed_over.push(place);
    }
    let (split, about_split) = rules.split(table, &schema, &found, &unscaled)?;
    warnings.extend(about_missing(table, &found, &unscaled, &split)?);
    warnings.extend(about_split);
    let train_rows: Vec<usize> = split.train.iter().map(|i| found.rows[*i]).collect();
    let targets = fit_targets(&found, &unscaled, columns, &split);
    let mut learned = [&split.train[..], &split.validation].concat();
    learned.sort_unstable();
    let training = TrainingTargets {
        found: &found,
        targets: &targets,
        rows: &learned,
        groups: rules.groups(table, &found)?,
        seed: rules.seed,
    };
    let schema = schema.with_number_codes(exec, table, &target_columns, &training);
    let known = (&target_columns[..], Some(&training));
    let FittedEncoder { encoder, cross_fitted, warnings: about_columns } =
        Encoder::fit_schema(exec, table, &schema, &train_rows, known, &passed_over)?;
    let encoded = encoder.encode_own(exec, table, &found.rows)?;
    let Encoded { mut x, warnings: mut about_cells } = encoded;
    for column in cross_fitted {
        column.write(&mut x, encoder.width(), &learned);
    }
    // Of a column with rare categories, or absurd numbers, it has been said how they are encoded.
    about_cells.retain(|about| {
        let same: &[WarningCode] = match about.code {
            WarningCode::UnseenCategories => {
                &[WarningCode::RareCategories, WarningCode::TargetStatistics]
            }
            WarningCode::NewlyMissing => &[WarningCode::Outlier],
            _ => return true,
        };
        !about_columns.iter().any(|w| same.contains(&w.code) && w.column == about.column)
    });
    warnings.extend(about_columns.into_iter().chain(about_cells));

    let sample_weights = match weight_column {
        None => None,
        Some(name) => {
            let place = table.column_index(name)?;
            let weights = read_weights(table, &schema, place, &found.rows)?;
            Some(relative(&weights, &split, name.trim())?)
        }
    };
    check_names(table, &encoder, &targets)?;
    warnings.extend(about_numbers(table, &found, &targets, &split));
    let inputs = encoder.input_columns().iter().map(|input| table.column_index(&input.name));
    for column in inputs.collect::<Result<Vec<_>, _>>()?.into_iter().chain(target_columns) {
        warnings.extend(about_sentinels(table, column, &schema.columns()[column]));
    }
    warnings.extend(about_giveaways(table, &schema, &encoder, (&found, &targets), &split)?);
    let mut dataset = Dataset {
        x,
        tasks: standardised(table, &found, &targets)?,
        present: found.present.clone(),
        sample_weights,
        split,
        n_rows: found.rows.len(),
        n_inputs: encoder.width(),
    };
    let mut rows_left_out = found.rows_left_out;
    if let Some(test) = test {
        let (left_out, about_test) = dataset.add_test_rows(exec, test, &encoder, &targets)?;
        rows_left_out += left_out;
        warnings.extend(about_test);
    }
    let rows = found.rows;
    Ok(Prepared { dataset, encoder, targets, schema, rows, rows_left_out, warnings })
}

/// The targets of a table, and what they are read as, with the labels of classes.
fn read_targets(table: &Table, unread: &Targets) -> Result<(Targets, TargetValues), DataError> {
    let raw = RawTargets::read(table, unread)?;
    let unscaled = raw.labelled(table, unread)?;
    let found = raw.numbered(table, &unscaled)?;
    Ok((unscaled, found))
}

/// The places of the target columns. Refused are columns that the table lacks, that are named
/// twice, or that leave no inputs.
fn target_places(table: &Table, columns: &TargetColumns) -> Result<Vec<usize>, DataError> {
    if columns.tasks.is_empty() || columns.tasks.iter().any(|task| task.names().next().is_none()) {
        return Err(DataError::NothingToPredict);
    }
    let mut places = Vec::new();
    for name in columns.names() {
        let place = table.column_index(name)?;
        if places.contains(&place) {
            return Err(DataError::TargetTwice { column: name.trim().to_owned() });
        }
        places.push(place);
    }
    for (name, _) in &columns.scales {
        let regressed = columns.tasks.iter().filter(|task| matches!(task, TaskColumns::Regress(_)));
        let regressed: Vec<&str> = regressed.flat_map(TaskColumns::names).collect();
        if !regressed.iter().any(|known| known.trim() == name.trim()) {
            let (column, known) = (name.trim().to_owned(), list(&regressed));
            return Err(DataError::NoScale { column, known });
        }
    }
    if table.columns().len() == places.len() {
        let (file, left_out) = (table.name().to_owned(), String::new());
        return Err(DataError::NoInputs { file, left_out });
    }
    Ok(places)
}

/// Takes the scale of every column of numbers from the training rows that have the task's targets.
fn fit_targets(
    found: &TargetValues,
    unscaled: &Targets,
    asked: &TargetColumns,
    split: &Split,
) -> Targets {
    let rows = |task: usize| split.train.iter().filter(move |row| found.present[task].has(**row));
    let of_task = |task: usize, values: &TaskValues<f64>, target: &TaskTarget| match values {
        TaskValues::Classes { class, .. } => match target {
            TaskTarget::Classification(target) => {
                let trained = rows(task).map(|i| class[*i]);
                TaskTarget::Classification(target.counted(trained))
            }
            TaskTarget::Regression(_) => target.clone(),
        },
        TaskValues::Numbers { values, n_columns } => {
            let columns = target.regression().iter().enumerate().map(|(j, column)| {
                let trained = rows(task).map(|i| values[i * n_columns + j]);
                column.scaled(asked.scale_of(&column.column), trained)
            });
            TaskTarget::Regression(columns.collect())
        }
    };
    let tasks = found.tasks.iter().zip(unscaled.tasks()).enumerate();
    Targets::new(tasks.map(|(task, (values, target))| of_task(task, values, target)).collect())
}

/// The targets in the network's units, 0 for those that are missing.
fn standardised<T: Scalar>(
    table: &Table,
    found: &TargetValues,
    targets: &Targets,
) -> Result<Vec<TaskValues<T>>, DataError> {
    let of_task =
        |((values, target), presence): ((&TaskValues<f64>, &TaskTarget), &Presence)| match values {
            TaskValues::Classes { class, n_classes } => {
                Ok(TaskValues::Classes { class: class.clone(), n_classes: *n_classes })
            }
            TaskValues::Numbers { values, n_columns } => {
                let mut scaled = Vec::with_capacity(values.len());
                let rows = found.rows.iter().zip(values.chunks_exact(*n_columns));
                for (i, (row, values)) in rows.enumerate() {
                    if !presence.has(i) {
                        scaled.extend(std::iter::repeat_n(T::ZERO, *n_columns));
                        continue;
                    }
                    for (value, target) in values.iter().zip(target.regression()) {
                        let z = T::from_f64(target.standardise(*value));
                        // Far from all training values, a target can be too large for T.
                        if !z.is_finite() {
                            let column = table.column_index(&target.column)?;
                            return Err(DataError::out_of_range(table, *row, column, TOO_FAR));
                        }
                        scaled.push(z);
                    }
                }
                Ok(TaskValues::Numbers { values: scaled, n_columns: *n_columns })
            }
        };
    found.tasks.iter().zip(targets.tasks()).zip(&found.present).map(of_task).collect()
}
