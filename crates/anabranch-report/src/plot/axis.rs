//! An axis: what is along it, from where to where, and its ticks.

use anabranch_verify::page::escaped;

use super::ticks::ticks;
use crate::figures::shortened;

/// Ticks of an axis, about.
const TICKS: usize = 5;

/// Width of a digit and of a letter, at the size of labels.
const DIGIT: f64 = 6.4;

/// Characters of an axis's title, and of the name of a place on it, that there is room for.
const TITLE: usize = 44;
const NAME: usize = 12;

/// An axis of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    label: String,
    range: [f64; 2],
    ticks: Vec<(f64, String)>,
    names: Names,
}

/// Whether ticks are names, which are written aslant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Aslant,
    Absent,
}

impl Axis {
    /// An axis of numbers that has room for all of these.
    pub(crate) fn of(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let mut range = None;
        for value in values {
            if value.is_finite() {
                let [low, high] = range.unwrap_or([value; 2]);
                range = Some([value.min(low), value.max(high)]);
            }
        }
        Self::around(label, range.unwrap_or([0.0, 1.0]))
    }

    /// An axis of numbers with a margin on both sides.
    fn around(label: &str, [low, high]: [f64; 2]) -> Self {
        // A single value stands in the middle.
        let margin = match high - low {
            width if width > 1e-9 * high.abs().max(low.abs()) => 0.04 * width,
            _ => (0.1 * high.abs()).max(1e-6),
        };
        Self::between(label, [low - margin, high + margin])
    }

    /// An axis of numbers from here to there.
    pub(crate) fn between(label: &str, range: [f64; 2]) -> Self {
        let (label, ticks) = (shortened(label, TITLE), ticks(range, TICKS));
        Self { label, range, ticks, names: Names::Absent }
    }

    /// An axis with a place for each of these names, at 0, 1, 2 …
    pub(crate) fn names<'a>(label: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut ticks = Vec::new();
        for name in names {
            ticks.push((ticks.len() as f64, shortened(name, NAME)));
        }
        let range = [-0.5, ticks.len() as f64 - 0.5];
        Self { label: shortened(label, TITLE), range, ticks, names: Names::Aslant }
    }

    /// The axis with other words at its ticks.
    pub(crate) fn labelled(mut self, words: &dyn Fn(f64) -> String) -> Self {
        self.ticks.iter_mut().for_each(|(value, label)| *label = words(*value));
        self
    }

    /// The axis with at most so many ticks.
    pub(crate) fn few_ticks(mut self, most: usize) -> Self {
        self.ticks = ticks(self.range, most);
        self
    }

    /// Without ticks between whole numbers.
    pub(crate) fn whole(mut self) -> Self {
        self.ticks.retain(|(value, _)| value.fract() == 0.0);
        self.labelled(&|value| value.to_string())
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn range(&self) -> [f64; 2] {
        self.range
    }

    pub(super) fn ticks(&self) -> &[(f64, String)] {
        &self.ticks
    }

    /// Where on the axis a value is, from 0 to 1.
    pub(super) fn share(&self, value: f64) -> f64 {
        let [low, high] = self.range;
        (value - low) / (high - low)
    }

    /// Room that the labels need beside the axis.
    pub(super) fn label_width(&self) -> f64 {
        let widest = self.ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
        DIGIT * widest as f64
    }

    /// Room that the labels need below, beyond that of a line.
    pub(super) fn extra_height(&self) -> f64 {
        match self.names {
            Names::Aslant => 0.6 * self.label_width(),
            Names::Absent => 0.0,
        }
    }

    /// The label of a tick at `x`, below the line at `base`, in a plot that ends at `width`.
    pub(super) fn tick(&self, x: f64, base: f64, label: &str, width: f64) -> String {
        let half = DIGIT * label.chars().count() as f64 / 2.0;
        let x = if self.names == Names::Absent { x.min(width - half) } else { x };
        let label = escaped(label);
        match self.names {
            Names::Aslant => format!(
                "<text class=\"end\" transform=\"translate({:.1} {:.1}) rotate(-40)\">{label}</text>",
                x + 4.0,
                base + 12.0
            ),
            Names::Absent => {
                format!("<text class=\"mid\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>", base + 16.0)
            }
        }
    }
}
