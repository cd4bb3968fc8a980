//! An explanation as a page: one file that needs nothing else, for dark and light screens.

use super::explanation::{Explanation, Part, Quantity};
use super::formula::mathml;
use super::markdown::{mark, number, verdict};

const STYLE: &str = include_str!("page.css");

impl Explanation {
    /// The page in HTML.
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>{title}</h1>\n<dl>\n"
        );
        for (what, value) in &self.facts {
            page += &format!("<dt>{what}</dt><dd>{}</dd>\n", escaped(value));
        }
        page += "</dl>\n";
        self.parts.iter().for_each(|part| add_part(&mut page, part));
        page + "</main>\n</body>\n</html>\n"
    }
}

fn add_part(page: &mut String, part: &Part) {
    *page += &format!("<h2>{}</h2>\n<p>{}</p>\n", part.title, escaped(part.text));
    part.quantities.iter().for_each(|quantity| add(page, quantity));
}

fn add(page: &mut String, quantity: &Quantity) {
    let Quantity { formula, about, origin, rows, columns, values, checks, .. } = quantity;
    *page += &format!(
        "<section>\n<h3>{}</h3>\n<p>{} <span class=\"origin\">{}</span></p>\n\
         <div class=\"wide\"><table>\n<tr><th></th>",
        mathml(formula),
        escaped(about),
        origin.describe()
    );
    for column in columns {
        *page += &format!("<th scope=\"col\">{}</th>", escaped(column));
    }
    *page += "</tr>\n";
    for (name, row) in rows.iter().zip(values.rows()) {
        *page += &format!("<tr><th scope=\"row\">{}</th>", escaped(name));
        for value in row {
            *page += &format!("<td title=\"{value:?}\">{}</td>", number(*value));
        }
        *page += "</tr>\n";
    }
    *page += "</table></div>\n";
    for check in checks {
        let class = if check.holds() { "holds" } else { "fails" };
        *page += &format!(
            "<p class=\"check {class}\"><span>{}</span> {} <span class=\"sides\">{}</span></p>\n",
            mark(check),
            mathml(&check.equation),
            escaped(&verdict(check))
        );
    }
    *page += "</section>\n";
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
