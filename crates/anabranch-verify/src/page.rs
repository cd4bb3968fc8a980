//! Pages of HTML: one file that needs nothing else, for dark and light screens.

/// The style of every page: colours as CSS variables, text, tables.
const STYLE: &str = include_str!("page.css");

/// A page with this title, a style beside that of all pages, and what is in its `<main>`.
pub fn page(title: &str, style: &str, main: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n<main>\n\
         {main}</main>\n</body>\n</html>\n"
    )
}

/// A text as it is, between tags or in an attribute; control characters become spaces.
pub fn escaped(text: &str) -> String {
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
