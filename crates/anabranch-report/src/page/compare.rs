//! Two runs side by side, as a page.

use anabranch_verify::page::{escaped, page};

use super::parts::{Head, STYLE, card, gallery, legend, name, plot, table};
use crate::figures::figure;
use crate::history::Epoch;
use crate::plot::{Axis, Plot};

/// Two runs that are compared: of each pair, the first is the first run's.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// What they are called.
    pub names: [&'a str; 2],
    /// The settings that differ, with both values.
    pub settings: Vec<(&'a str, [&'a str; 2])>,
    /// The scores of both on the test rows: column, metric, values.
    pub scores: Vec<(&'a str, &'a str, [Option<f64>; 2])>,
    /// The names of their tasks.
    pub tasks: [Vec<String>; 2],
    /// Their epochs.
    pub epochs: [&'a [Epoch]; 2],
    /// What their columns are worth: input column, predicted column, growth of the error.
    pub importance: Vec<(&'a str, &'a str, [Option<f64>; 2])>,
}

const COLOURS: [&str; 2] = ["c0", "c1"];

impl Comparison<'_> {
    /// The page in HTML.
    pub fn html(&self) -> String {
        let [a, b] = self.names.map(name);
        let mut main = format!("<h1>{a} and {b}</h1>\n");
        let parts = [
            ("Which is better?", self.scores()),
            ("How did training go?", self.curves()),
            ("What do they use?", self.columns()),
            ("What was different?", self.settings()),
        ];
        for (question, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
            main += &format!("<h2>{question}</h2>\n{part}");
        }
        page(&format!("{} and {}", self.names[0], self.names[1]), STYLE, &main)
    }

    fn scores(&self) -> String {
        let [a, b] = self.names.map(name);
        let rows = self.scores.iter().map(|(column, metric, [a, b])| {
            let difference = a.zip(*b).map(|(a, b)| b - a);
            let mut row = vec![format!("{} {}", name(column), escaped(metric))];
            row.extend([*a, *b, difference].map(figure));
            row
        });
        card(
            "Test scores",
            &table(
                &[
                    Head::Words("score"),
                    Head::Numbers(&a),
                    Head::Numbers(&b),
                    Head::Numbers("difference"),
                ],
                rows,
            ),
        )
    }

    /// The losses of each task that some of them has; both members and runs share one plot.
    fn curves(&self) -> String {
        let [a, b] = &self.tasks;
        let tasks = a.iter().chain(b.iter().filter(|task| !a.contains(task)));
        let figures: Vec<String> = tasks.filter_map(|task| self.curve(task)).collect();
        if figures.is_empty() {
            return String::new();
        }
        format!("<section>\n{}</section>\n", gallery(&figures))
    }

    fn curve(&self, task: &str) -> Option<String> {
        let lines = self.tasks.iter().zip(self.epochs).map(|(tasks, epochs)| {
            let place = tasks.iter().position(|other| other == task);
            place.map_or(Vec::new(), |place| curves(epochs, place))
        });
        let lines: Vec<Vec<Vec<[f64; 2]>>> = lines.collect();
        let points = || lines.iter().flatten().flatten();
        points().next()?;
        let last = points().map(|point| point[0]).fold(1.0, f64::max);
        let x = if last > 1.0 {
            Axis::of("epoch", [1.0, last])
        } else {
            Axis::between("epoch", [0.5, 1.5])
        };
        let mut drawing = Plot::new(x.whole(), Axis::of("loss", points().map(|point| point[1])));
        for (members, colour) in lines.iter().zip(COLOURS) {
            let thin = if members.len() > 1 { " thin" } else { "" };
            for line in members {
                match &line[..] {
                    [point] => drawing.dots(colour, [*point]),
                    _ => drawing.line(&format!("{colour}{thin}"), line.iter().copied()),
                }
            }
        }
        let keys = self
            .names
            .iter()
            .zip(COLOURS)
            .map(|(run, c)| (c, format!("<span>{}</span>", name(run))));
        let caption = format!("Validation loss of {} {}", name(task), legend(keys));
        Some(plot(&caption, &drawing.svg(&format!("losses of {task} by epoch"))))
    }

    fn columns(&self) -> String {
        if self.importance.is_empty() {
            return String::new();
        }
        let [a, b] = self.names.map(name);
        let rows = self.importance.iter().map(|(column, target, values)| {
            let mut row = vec![format!("{} for {}", name(column), name(target))];
            row.extend(values.map(figure));
            row
        });
        card(
            "Growth of the error where a column is permuted",
            &table(&[Head::Words("column"), Head::Numbers(&a), Head::Numbers(&b)], rows),
        )
    }

    fn settings(&self) -> String {
        if self.settings.is_empty() {
            return card("Settings", "<p>They are the same.</p>\n");
        }
        let [a, b] = self.names.map(name);
        let rows = self.settings.iter().map(|(key, [a, b])| vec![escaped(key), name(a), name(b)]);
        card(
            "Settings that differ",
            &table(&[Head::Words("setting"), Head::Words(&a), Head::Words(&b)], rows),
        )
    }
}

/// The losses of a task of each member: on validation rows, or else on those of training.
fn curves(epochs: &[Epoch], task: usize) -> Vec<Vec<[f64; 2]>> {
    let members = epochs.chunk_by(|a, b| a.member == b.member);
    let of_member = |epochs: &[Epoch]| {
        let point = |epoch: &Epoch| {
            let losses = epoch.validation.as_ref().unwrap_or(&epoch.train);
            Some([epoch.epoch as f64, *losses.get(task)?])
        };
        epochs.iter().filter_map(point).collect()
    };
    members.map(of_member).collect()
}
