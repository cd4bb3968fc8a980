//! Watching a run: a progress bar, how it went, and the audit of its gradients.

use std::ops::ControlFlow;

use anabranch::graph::River;
use anabranch::train::{EpochReport, Observer, Recovery, StepView};
use anabranch::verify::gradcheck::{GradcheckError, Instance, StepAudit, audit_step};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::history::History;
use crate::tensorboard::Events;

/// Watches a run for the user.
#[derive(Debug)]
pub(crate) struct Watch {
    bar: ProgressBar,
    history: History,
    events: Option<Events>,
    /// The lowest loss of each task so far, of those that the bar shows.
    best: Vec<f64>,
    river: River,
    /// Steps from one audit to the next; 0 for none.
    audit_every: u64,
    n_audits: usize,
    /// Why a step did not pass.
    violation: Option<String>,
}

impl Watch {
    /// Moves the bar, adds to the history and writes events on each epoch, and audits every
    /// `audit_every` steps; 0 for none.
    pub(crate) fn new(
        bar: &ProgressBar,
        history: History,
        events: Option<Events>,
        river: &River,
        audit_every: usize,
    ) -> Self {
        let (bar, river, audit_every) = (bar.clone(), river.clone(), audit_every as u64);
        let best = Vec::new();
        Self { bar, history, events, best, river, audit_every, n_audits: 0, violation: None }
    }

    /// Goes on with a run that has come so far.
    pub(crate) fn resume(&mut self, history: String, epochs: usize) {
        self.history.go_on(history);
        self.bar.inc(epochs as u64);
    }

    /// The lines of the epochs so far.
    pub(crate) fn history(&self) -> &str {
        self.history.lines()
    }

    /// How many steps were audited.
    ///
    /// # Errors
    /// If one did not pass.
    pub(crate) fn finish(self) -> Result<usize, Failure> {
        match self.violation {
            None => Ok(self.n_audits),
            Some(why) => Err(Failure::on_the_way(why)),
        }
    }

    /// Has the bar show the losses of an epoch, and the lowest of each so far.
    fn show(&mut self, report: &EpochReport) {
        let (part, losses) = match &report.validation {
            Some(validation) => ("validation", validation),
            None => ("training", &report.train),
        };
        self.best.resize(losses.len(), f64::INFINITY);
        let of_task = |((task, loss), best): ((&String, &f64), &mut f64)| {
            *best = best.min(*loss);
            format!("{task} {loss:.4} (best {best:.4})")
        };
        let tasks = self.history.tasks().iter().zip(losses).zip(&mut self.best).map(of_task);
        let tasks = tasks.collect::<Vec<_>>().join("  ");
        self.bar.set_message(format!("{part}: {tasks}"));
    }

    fn audit(&self, step: &StepView<'_, f32>) -> Result<StepAudit, GradcheckError> {
        let drawn_by = (step.seed, step.step);
        let Self { river, .. } = self;
        let instance = Instance::new(river, step.params, step.x, step.targets, drawn_by);
        audit_step(&instance.with_row_weights(step.row_weights), step.grads)
    }
}

/// A progress bar on stderr for so many steps of a kind, such as `epoch`; hidden if stderr is not a
/// terminal.
pub(crate) fn progress_bar(step: &str, len: usize) -> ProgressBar {
    let bar = ProgressBar::new(len as u64);
    let template = format!("{{bar:20}} {step} {{pos}}/{{len}}  {{msg}}  {{eta}} left");
    // Without its style, the bar is only plainer.
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar
}

impl Observer<f32> for Watch {
    fn watches(&self, step: u64) -> bool {
        self.audit_every > 0 && step.is_multiple_of(self.audit_every)
    }

    fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
        let audit = self.audit(step);
        if let Ok(StepAudit { not_finite: Some(_), .. }) = audit {
            // There is no gradient to check, and the epoch begins again.
            return ControlFlow::Continue(());
        }
        self.n_audits += 1;
        let why = match audit {
            Ok(audit) if audit.pass => return ControlFlow::Continue(()),
            Ok(audit) => format!(
                "the audit of step {step} failed: {audit} (`anabranch gradcheck --step {step} --member {member}` with the same flags \
                 says more)",
                step = step.step,
                member = self.history.member()
            ),
            Err(error) => format!("the audit of step {} failed: {error}", step.step),
        };
        self.violation = Some(why);
        ControlFlow::Break(())
    }

    fn epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        self.history.add(report);
        if let Some(events) = &mut self.events {
            events.add(report);
        }
        self.show(report);
        self.bar.inc(1);
        ControlFlow::Continue(())
    }

    fn recovery(&mut self, recovery: &Recovery) {
        // Of the epoch that failed, the bar knows nothing.
        self.bar.dec((recovery.epoch - recovery.from) as u64);
        self.history.add_recovery(recovery);
    }
}

#[cfg(test)]
mod tests {
    use anabranch::data::{Fractions, Table, TargetColumns, prepare};
    use anabranch::graph::{Fusion, TwoBranch};
    use anabranch::tensor::Executor;
    use anabranch::train::{TrainConfig, Trainer};

    use super::*;

    /// Shows the watch gradients of which the largest is a tenth too small in step 2.
    struct Mistaken(Watch);

    impl Observer<f32> for Mistaken {
        fn step(&mut self, step: &StepView<'_, f32>) -> ControlFlow<()> {
            let mut grads = step.grads.to_vec();
            if step.step == 2 {
                let largest = grads.iter_mut().max_by(|a, b| a.abs().total_cmp(&b.abs()));
                *largest.unwrap() *= 0.9;
            }
            // Leaked, to live as long as the other views of the step.
            self.0.step(&StepView { grads: grads.leak(), ..step.clone() })
        }
    }

    #[test]
    fn a_wrong_gradient_ends_the_run() {
        let wine = Table::wine().unwrap();
        let exec = Executor::serial();
        let columns = TargetColumns::wine();
        let data = prepare::<f32>(&exec, &wine, &columns, Fractions::default(), 1).unwrap().dataset;
        let river = TwoBranch::new(data.n_inputs, 5, 1, 4, 6).river();
        let graph = river.build(Fusion::Fused).unwrap();
        let mut trainer = Trainer::new(&data, graph, &TrainConfig::default(), &exec).unwrap();
        let history = History::new(0, Vec::new());
        let mut watch = Mistaken(Watch::new(&ProgressBar::hidden(), history, None, &river, 1));
        trainer.run(&mut watch).unwrap();
        assert_eq!((trainer.epochs_run(), watch.0.n_audits), (0, 3));
        let message = watch.0.finish().unwrap_err().to_string();
        assert!(message.starts_with("the audit of step 2 failed: "), "{message}");
    }
}
