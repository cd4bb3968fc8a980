//! The report as a page: one file that needs nothing else.

mod compare;
mod errors;
mod inputs;
mod parts;
mod repeat;
mod scores;
mod training;
mod usage;

pub use compare::Comparison;

use anabranch_verify::page::page;

use crate::figures::whole;
use crate::findings::Findings;
use crate::run::Run;
use parts::{STYLE, name};

/// The report of a run in HTML. It answers, in this order: is the model any good, how did training
/// go, where is it wrong, what does it use, what went in, and how to repeat it.
pub fn html(run: &Run<'_>, findings: &Findings) -> String {
    let split = &run.prepared.dataset.split;
    let n_networks = match run.model.members().len() {
        1 => "one network".to_owned(),
        n => format!("{n} networks"),
    };
    let mut main = format!(
        "<h1>{}</h1>\n<p class=\"lead\">{} rows, {} columns, {n_networks}; {} rows trained, {} validated, {} tested.</p>\n",
        name(run.name),
        whole(run.prepared.dataset.n_rows),
        whole(run.model.encoder().input_columns().len()),
        whole(split.train.len()),
        whole(split.validation.len()),
        whole(split.test.len()),
    );
    let parts = [
        ("Is the model any good?", scores::part(run, findings)),
        ("How did training go?", training::part(run)),
        ("Where is it wrong?", errors::part(run, findings)),
        ("What does it use?", usage::part(run, findings)),
        ("What went in?", inputs::part(run)),
        ("How to repeat it?", repeat::part(run)),
    ];
    for (question, part) in parts {
        main += &format!("<h2>{question}</h2>\n{part}");
    }
    page(&format!("{}: report", run.name), STYLE, &main)
}
