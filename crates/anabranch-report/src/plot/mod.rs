//! Plots as SVG, in the colours of the page: the same drawing serves dark and light screens.

mod axis;
mod ticks;

pub(crate) use axis::Axis;

use anabranch_verify::page::escaped;

use crate::figures::shortened;

/// Size of a plot in its own units, which are about pixels: it is shown in a column of this width.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;

/// The width of a letter of a label, roughly.
const LETTER: f64 = 6.0;

/// Space for the labels of the axes; that on the left follows from the labels.
const TOP: f64 = 10.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 40.0;

/// Axes, and what was drawn between them so far.
#[derive(Debug)]
pub(crate) struct Plot {
    x: Axis,
    y: Axis,
    left: f64,
    bottom: f64,
    marks: String,
}

impl Plot {
    /// Nothing yet between these axes.
    pub(crate) fn new(x: Axis, y: Axis) -> Self {
        let (left, bottom) = (30.0 + y.label_width(), BOTTOM + x.extra_height());
        Self { x, y, left, bottom, marks: String::new() }
    }

    /// A line through points; `class` says its colour.
    pub(crate) fn line(&mut self, class: &str, points: impl IntoIterator<Item = [f64; 2]>) {
        self.path(&format!("line {class}"), points, "L");
    }

    /// A dot for each point.
    pub(crate) fn dots(&mut self, class: &str, points: impl IntoIterator<Item = [f64; 2]>) {
        self.path(&format!("dots {class}"), points, "");
    }

    /// One path for all points, which is much shorter than an element for each: dots are strokes
    /// of no length with round ends.
    fn path(&mut self, class: &str, points: impl IntoIterator<Item = [f64; 2]>, join: &str) {
        let mut path = String::new();
        for point in points {
            self.extend(&mut path, point, join);
        }
        if !path.is_empty() {
            self.marks += &format!("<path class=\"{class}\" d=\"{path}\"/>");
        }
    }

    /// Continues a path to a point, if that is finite.
    fn extend(&self, path: &mut String, point: [f64; 2], join: &str) {
        if point.iter().all(|v| v.is_finite()) {
            let [x, y] = self.place(point);
            let (command, end) = match join {
                "" => ("M", "h0"),
                _ if path.is_empty() => ("M", ""),
                _ => (join, ""),
            };
            *path += &format!("{command}{x:.1} {y:.1}{end}");
        }
    }

    fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (width, height) = (WIDTH - self.left - RIGHT, HEIGHT - self.bottom - TOP);
        [self.left + width * self.x.share(x), TOP + height * (1.0 - self.y.share(y))]
    }

    /// The drawing; `title` says what it shows to those who cannot see it.
    pub(crate) fn svg(&self, title: &str) -> String {
        let base = HEIGHT - self.bottom;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(title)
        );
        let (mut grid, mut labels) = (String::new(), String::new());
        for (value, label) in self.y.ticks() {
            let [_, y] = self.place([self.x.range()[0], *value]);
            grid += &format!("M{:.1} {y:.1}H{:.1}", self.left, WIDTH - RIGHT);
            labels += &format!(
                "<text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                self.left - 6.0,
                y + 4.0,
                escaped(label)
            );
        }
        for (value, label) in self.x.ticks() {
            let [x, _] = self.place([*value, self.y.range()[0]]);
            grid += &format!("M{x:.1} {base:.1}v4");
            labels += &self.x.tick(x, base, label, WIDTH);
        }
        svg += &format!("<path class=\"grid\" d=\"{grid}\"/>{}{labels}", self.marks);
        let middle = (self.left + WIDTH - RIGHT) / 2.0;
        svg += &format!(
            "<text class=\"mid\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>",
            HEIGHT - 6.0,
            escaped(self.x.label())
        );
        svg += &format!(
            "<text class=\"mid\" transform=\"translate(12 {:.1}) rotate(-90)\">{}</text></svg>",
            (TOP + base) / 2.0,
            escaped(&shortened(self.y.label(), ((TOP + base) / LETTER) as usize))
        );
        svg
    }
}
