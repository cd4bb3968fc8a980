//! Ranges of settings, from which a search draws values.

use anabranch::tensor::Scalar;
use clap::{Arg, Command};

use super::{Setting, keys};
use crate::failure::Failure;

/// Digits of a drawn number: more would be noise.
const DIGITS: usize = 4;

/// The values that a setting may take.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ValueRange {
    /// Any of these, all alike.
    Choice(Vec<String>),
    /// Any number from the first to the second.
    Uniform([f64; 2]),
    /// The same for logarithms: each factor of ten alike. Whole numbers where the flag takes no
    /// others.
    LogUniform([f64; 2], Rounding),
    /// Any whole number from the first to the second, both included.
    Int([i64; 2]),
}

/// Which numbers are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Digits,
    Whole,
}

impl ValueRange {
    /// The range that a table `{ kind = items }` means, of a flag that may take only whole numbers.
    ///
    /// # Errors
    /// In words, if it is none.
    pub(super) fn new(kind: &str, items: Vec<String>, is_whole: bool) -> Result<Self, String> {
        let ends = || match &items[..] {
            [low, high] => [low, high]
                .map(|end| end.parse::<f64>().ok().filter(|end| end.is_finite()))
                .into_iter()
                .collect::<Option<Vec<f64>>>()
                .filter(|ends| ends[0] < ends[1])
                .map(|ends| [ends[0], ends[1]])
                .ok_or_else(|| format!("{kind}: expected two numbers, the lower one first")),
            _ => Err(format!("{kind}: expected the lowest and the highest number")),
        };
        match kind {
            "choice" if items.is_empty() => Err("choice: expected at least one value".to_owned()),
            "choice" => Ok(Self::Choice(items)),
            "uniform" if is_whole => Err("it is a whole number: use int or log-uniform".to_owned()),
            "uniform" => Ok(Self::Uniform(ends()?)),
            "log-uniform" => match ends()? {
                [low, _] if low <= 0.0 => Err("log-uniform: expected numbers above 0".to_owned()),
                ends => {
                    let rounding = if is_whole { Rounding::Whole } else { Rounding::Digits };
                    Ok(Self::LogUniform(ends, rounding))
                }
            },
            "int" => match ends()?.map(|end| (end.fract() == 0.0).then_some(end as i64)) {
                [Some(low), Some(high)] => Ok(Self::Int([low, high])),
                _ => Err("int: expected whole numbers".to_owned()),
            },
            _ => Err(format!(
                "there is no range {kind:?}: expected choice, uniform, log-uniform or int"
            )),
        }
    }

    /// The value at the place `u`, from 0 to below 1.
    pub(crate) fn at(&self, u: f64) -> String {
        match self {
            Self::Choice(items) => items[(u * items.len() as f64) as usize].clone(),
            Self::Uniform([low, high]) => rounded(low + u * (high - low), [*low, *high]),
            Self::LogUniform([low, high], rounding) => {
                // Our own functions: the same bits on every machine.
                let [from, to] = [Scalar::ln(*low), Scalar::ln(*high)];
                let value = Scalar::exp(from + u * (to - from));
                match rounding {
                    Rounding::Digits => rounded(value, [*low, *high]),
                    Rounding::Whole => value.round().clamp(low.ceil(), high.floor()).to_string(),
                }
            }
            Self::Int([low, high]) => {
                let n = high.abs_diff(*low) as f64 + 1.0;
                low.saturating_add((u * n) as i64).min(*high).to_string()
            }
        }
    }

    /// Values that say whether a flag takes all of them.
    fn examples(&self) -> Vec<String> {
        match self {
            Self::Choice(items) => items.clone(),
            Self::Uniform(ends) | Self::LogUniform(ends, _) => {
                ends.iter().map(f64::to_string).collect()
            }
            Self::Int(ends) => ends.iter().map(i64::to_string).collect(),
        }
    }
}

/// A number with [`DIGITS`] digits, which still is in the range.
fn rounded(value: f64, [low, high]: [f64; 2]) -> String {
    let text = format!("{value:.*e}", DIGITS - 1);
    let value: f64 = text.parse().unwrap_or(value).clamp(low, high);
    // As people write it: 0.00002866 is hard to read.
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:e}") } else { value.to_string() }
}

/// A key whose value is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Ranged<'c> {
    pub(super) arg: &'c Arg,
    pub(super) range: ValueRange,
    /// Where it was given, for messages.
    pub(super) place: String,
}

impl<'c> Ranged<'c> {
    /// The table of the key.
    pub(crate) fn table(&self) -> String {
        keys::table(self.arg)
    }

    /// The key without its table.
    pub(crate) fn name(&self) -> &'c str {
        keys::name(self.arg)
    }

    /// The key with the value at the place `u` of its range, from 0 to below 1.
    pub(crate) fn at(&self, u: f64) -> Setting<'c> {
        self.with(self.range.at(u))
    }

    /// Refuses a range with values that the flag does not take.
    pub(crate) fn check(&self, command: &Command) -> Result<(), Failure> {
        let values = self.range.examples().into_iter();
        values.map(|value| self.with(value)).try_for_each(|setting| setting.check(command))
    }

    /// Why the range cannot be used.
    pub(crate) fn refused(&self, why: &str) -> Failure {
        let Self { place, arg, .. } = self;
        let name = keys::name(arg);
        Failure::input(format!("{place}: {name}: {why}")).coded("config")
    }

    fn with(&self, value: String) -> Setting<'c> {
        Setting { arg: self.arg, value, place: self.place.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(kind: &str, items: &[&str], is_whole: bool) -> Result<ValueRange, String> {
        ValueRange::new(kind, items.iter().map(|item| item.to_string()).collect(), is_whole)
    }

    #[test]
    fn a_place_in_a_range_is_a_value() {
        let last = 1.0 - f64::EPSILON / 2.0;
        for (kind, items, places) in [
            ("choice", &["a", "b", "c"][..], [(0.0, "a"), (0.5, "b"), (last, "c")]),
            ("uniform", &["0", "0.3"], [(0.0, "0"), (0.123_456, "0.03704"), (last, "0.3")]),
            // 10^(−4 + 0.5·3) = 10^−2.5 = 0.0031622…
            ("log-uniform", &["1e-4", "0.1"], [(0.0, "1e-4"), (0.5, "0.003162"), (last, "0.1")]),
            ("int", &["-1", "2"], [(0.0, "-1"), (0.5, "1"), (last, "2")]),
            // Ends with more digits than are drawn are kept.
            ("uniform", &["0.00012341", "1"], [(0.0, "1.2341e-4"), (0.5, "0.5001"), (last, "1")]),
        ] {
            let range = range(kind, items, false).unwrap();
            for (u, value) in places {
                assert_eq!(range.at(u), value, "{kind} {items:?} at {u}");
            }
        }
        // √(8·128) = 32, and e^((ln 8 + ln 128)/2 + …) rounded.
        let whole = range("log-uniform", &["8", "128"], true).unwrap();
        assert_eq!([0.0, 0.5, 0.6, last].map(|u| whole.at(u)), ["8", "32", "42", "128"]);
    }

    #[test]
    fn what_is_no_range_is_refused_in_words() {
        for (kind, items, is_whole, message) in [
            ("choice", &[][..], false, "choice: expected at least one value"),
            ("uniform", &["1"], false, "uniform: expected the lowest and the highest number"),
            ("uniform", &["2", "1"], false, "uniform: expected two numbers, the lower one first"),
            ("int", &["a", "1"], false, "int: expected two numbers, the lower one first"),
            ("int", &["0.5", "1"], true, "int: expected whole numbers"),
            ("log-uniform", &["0", "1"], false, "log-uniform: expected numbers above 0"),
            ("uniform", &["1", "2"], true, "it is a whole number: use int or log-uniform"),
            (
                "normal",
                &["1", "2"],
                false,
                "there is no range \"normal\": expected choice, uniform, log-uniform or int",
            ),
        ] {
            assert_eq!(range(kind, items, is_whole), Err(message.to_owned()));
        }
    }
}
