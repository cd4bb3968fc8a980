//! How to repeat it?

use anabranch_verify::page::escaped;

use super::parts::folded;
use crate::run::Run;

pub(super) fn part(run: &Run<'_>) -> String {
    let mut html = String::from("<section>\n<dl>\n");
    for (what, value) in run.facts {
        html += &format!("<dt>{}</dt><dd><code>{}</code></dd>\n", escaped(what), escaped(value));
    }
    html += "</dl>\n";
    if !run.config.is_empty() {
        let text: String = run.config.lines().map(|line| escaped(line) + "\n").collect();
        html += &folded("All settings, as a file", &format!("<pre>{text}</pre>\n"));
    }
    html + "</section>\n"
}
