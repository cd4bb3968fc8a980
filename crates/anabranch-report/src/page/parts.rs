//! What sections of a page are made of.

use std::fmt::Write;

use anabranch_data::Warning;
use anabranch_verify::page::escaped;

/// The style of reports, beside that of all pages.
pub(super) const STYLE: &str = include_str!("report.css");

/// A name from the data, in the direction of its own script.
pub(super) fn name(text: &str) -> String {
    format!("<bdi>{}</bdi>", escaped(text))
}

/// A section with a heading, which is HTML.
pub(super) fn card(heading: &str, body: &str) -> String {
    format!("<section>\n<h3>{heading}</h3>\n{body}</section>\n")
}

/// Plots side by side, as many as there is room for.
pub(super) fn gallery(figures: &[String]) -> String {
    match figures {
        [] => String::new(),
        _ => format!("<div class=\"gallery\">\n{}</div>\n", figures.concat()),
    }
}

/// A plot with what it shows, which is HTML.
pub(super) fn plot(caption: &str, svg: &str) -> String {
    format!("<figure>\n<figcaption>{caption}</figcaption>\n{svg}\n</figure>\n")
}

/// What the colours of a plot stand for; the words are HTML.
pub(super) fn legend<'a>(entries: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let entries = entries.into_iter();
    let entries =
        entries.map(|(class, words)| format!("<span class=\"key {class}\">{words}</span>"));
    format!("<span class=\"legend\">{}</span>", entries.collect::<Vec<_>>().join(" "))
}

/// The head of a table's column, which is HTML: of words, or of numbers, which stand on the right.
pub(super) enum Head<'a> {
    Words(&'a str),
    Numbers(&'a str),
}

impl Head<'_> {
    fn class(&self) -> &'static str {
        match self {
            Self::Words(_) => " class=\"words\"",
            Self::Numbers(_) => "",
        }
    }
}

/// A table that scrolls by itself where it is too wide. Cells are HTML; the first one of a row is
/// its head.
pub(super) fn table(heads: &[Head<'_>], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut html = String::from("<div class=\"wide\"><table>\n<tr>");
    for head in heads {
        let (Head::Words(text) | Head::Numbers(text)) = head;
        let _ = write!(html, "<th scope=\"col\"{}>{text}</th>", head.class());
    }
    html += "</tr>\n";
    for row in rows {
        add_row(&mut html, heads, &row);
    }
    html + "</table></div>\n"
}

fn add_row(html: &mut String, heads: &[Head<'_>], row: &[String]) {
    *html += "<tr>";
    for (i, (cell, head)) in row.iter().zip(heads).enumerate() {
        let _ = match i {
            0 => write!(html, "<th scope=\"row\">{cell}</th>"),
            _ => write!(html, "<td{}>{cell}</td>", head.class()),
        };
    }
    *html += "</tr>\n";
}

/// Names and bars of such shares of the width, with what stands behind each.
pub(super) fn bars<'a>(rows: impl IntoIterator<Item = (String, &'a str, f64, String)>) -> String {
    let mut html = String::from("<div class=\"bars\">\n");
    for (label, class, share, value) in rows {
        let width = 100.0 * share.clamp(0.0, 1.0);
        let _ = writeln!(
            html,
            "<span>{label}</span><span class=\"track\"><i class=\"{class}\" style=\"width:{width:.1}%\"></i></span><span>{value}</span>"
        );
    }
    html + "</div>\n"
}

/// A list of warnings; nothing if there are none.
pub(super) fn warnings(warnings: &[Warning]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let items = warnings.iter().map(|it| format!("<li>{}</li>\n", escaped(&it.message)));
    format!("<ul>\n{}</ul>\n", items.collect::<String>())
}

/// What is seldom needed, behind a line to open it.
pub(super) fn folded(summary: &str, body: &str) -> String {
    format!("<details>\n<summary>{summary}</summary>\n{body}</details>\n")
}
