//! What the user sees of a run: a progress bar.

use std::ops::ControlFlow;

use anabranch::train::{EpochReport, Observer};
use indicatif::{ProgressBar, ProgressStyle};

/// Watches a run for the user.
#[derive(Debug)]
pub(crate) struct Watch {
    bar: ProgressBar,
}

impl Watch {
    /// A bar on stderr, silent when that is no terminal.
    pub(crate) fn new(epochs: usize) -> Self {
        let bar = ProgressBar::new(epochs as u64);
        let template = "{bar:24} epoch {pos}/{len}  {msg}  {eta} left";
        // Without its style, the bar looks plainer.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        Self { bar }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

impl Observer<f32> for Watch {
    fn epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        let loss = |[a, b]: [f64; 2]| format!("{a:.4} + {b:.4}");
        self.bar.set_message(match report.validation {
            Some(validation) => format!("validation loss {}", loss(validation)),
            None => format!("training loss {}", loss(report.train)),
        });
        self.bar.set_position(report.epoch as u64);
        ControlFlow::Continue(())
    }
}
