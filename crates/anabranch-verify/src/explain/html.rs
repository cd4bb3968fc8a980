//! An explanation as a page of HTML.

use super::explanation::{Explanation, Part, Quantity};
use super::formula::mathml;
use super::markdown::{mark, number, verdict};
use crate::page::{escaped, page};

impl Explanation {
    /// The page in HTML.
    pub fn html(&self) -> String {
        let mut main = format!("<h1>{}</h1>\n<dl>\n", escaped(&self.title));
        for (what, value) in &self.facts {
            main += &format!("<dt>{what}</dt><dd>{}</dd>\n", escaped(value));
        }
        main += "</dl>\n";
        self.parts.iter().for_each(|part| add_part(&mut main, part));
        page(&self.title, "", &main)
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
