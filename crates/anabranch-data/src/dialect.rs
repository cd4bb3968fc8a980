//! How a file lays out its table: the separator, what stands before the header, and what the header
//! leaves out.

/// Bytes at the start of a file that its dialect is found from.
const SAMPLE: usize = 1 << 20;

/// Rows that its dialect is found from.
const SAMPLE_ROWS: usize = 100;

const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How a file lays out its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) separator: u8,
    /// Where the header starts: behind Excel's line `sep=;`, if there is one.
    pub(crate) start: usize,
    pub(crate) extra: Extra,
}

/// The cell that rows have and the header lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    None,
    /// The first: the name of the row, as R writes it.
    RowName,
    /// The last, which is always empty: rows end with a separator.
    Last,
}

impl Dialect {
    /// Finds the dialect of `text`, with the separator `asked` for if there is one.
    pub(crate) fn of(text: &[u8], asked: Option<u8>) -> Self {
        let (start, given) = separator_line(text);
        let asked = asked.or(given);
        let sample = &text[start..text.len().min(start + SAMPLE)];
        let candidates = asked.as_slice();
        let candidates = if candidates.is_empty() { &SEPARATORS[..] } else { candidates };
        let layouts = candidates.iter().map(|separator| Layout::of(sample, *separator));
        // The first of equals: `max_by_key` takes the last.
        let best = layouts.rev().max_by_key(Layout::rank);
        let Layout { separator, extra, .. } = best.unwrap_or_else(|| Layout::of(sample, b','));
        Self { separator, start, extra }
    }
}

/// Excel's first line that names the separator, as `sep=;`: its length and the separator.
fn separator_line(text: &[u8]) -> (usize, Option<u8>) {
    let end = memchr::memchr2(b'\n', b'\r', text).unwrap_or(text.len());
    let line = text[..end].trim_ascii_end();
    let line = line.strip_prefix(b"\"").and_then(|l| l.strip_suffix(b"\"")).unwrap_or(line);
    // The separator may be a tab, which is trimmed.
    let separator = match line.split_at_checked(4) {
        Some((word, separator)) if word.eq_ignore_ascii_case(b"sep=") => match separator {
            [] if text[..end].ends_with(b"\t") => b'\t',
            [separator] if is_separator(*separator) => *separator,
            _ => return (0, None),
        },
        _ => return (0, None),
    };
    let line_end = if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
    (text.len().min(end + line_end), Some(separator))
}

/// Whether a byte can separate cells: a mark of ASCII other than the quotation mark, a space or a
/// tab.
pub(crate) fn is_separator(byte: u8) -> bool {
    matches!(byte, b'\t' | b' ') || (byte.is_ascii_punctuation() && byte != b'"')
}

/// A sample of a file, cut at one separator.
struct Layout {
    separator: u8,
    extra: Extra,
    header_len: usize,
    /// Rows that have as many cells as the header, with the extra one.
    n_regular: usize,
    n_rows: usize,
}

impl Layout {
    fn of(sample: &[u8], separator: u8) -> Self {
        let mut rows = rows(sample, separator).take(SAMPLE_ROWS + 1);
        let header_len = rows.next().map_or(1, |(n_cells, _)| n_cells);
        // Blank rows are passed over.
        let rows: Vec<_> = rows.filter(|(n, last)| *n > 1 || !last.is_empty()).collect();
        let is_longer = !rows.is_empty() && rows.iter().all(|(n, _)| *n == header_len + 1);
        let extra = match is_longer && header_len > 1 {
            false => Extra::None,
            true if rows.iter().all(|(_, last)| last.is_empty()) => Extra::Last,
            true => Extra::RowName,
        };
        let expected = header_len + usize::from(extra != Extra::None);
        let n_regular = rows.iter().filter(|(n, _)| *n == expected).count();
        Self { separator, extra, header_len, n_regular, n_rows: rows.len() }
    }

    /// A separator that cuts all rows alike is better than one that does not, and many cells better
    /// than few.
    fn rank(&self) -> (bool, bool, usize) {
        let is_split = self.header_len > 1;
        (is_split, is_split && 10 * self.n_regular >= 9 * self.n_rows, self.header_len)
    }
}

/// The rows of a sample: how many cells each has, and the last one without space around it. What
/// the sample cuts off is not a row, unless it is the only one.
fn rows(sample: &[u8], separator: u8) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = sample.trim_ascii_start();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (mut quoted, mut n_cells, mut last, mut end) = (false, 1, 0, rest.len());
        for (i, byte) in rest.iter().enumerate() {
            match byte {
                b'"' => quoted = !quoted,
                b'\n' | b'\r' if !quoted => {
                    end = i;
                    break;
                }
                _ if *byte == separator && !quoted => (n_cells, last) = (n_cells + 1, i + 1),
                _ => {}
            }
        }
        let cell = rest[last..end].trim_ascii();
        rest = &rest[end..];
        let line_end = rest.iter().take(2).take_while(|b| matches!(b, b'\n' | b'\r')).count();
        rest = &rest[line_end..];
        Some((n_cells, cell))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(text: &str) -> (char, usize, Extra) {
        let Dialect { separator, start, extra } = Dialect::of(text.as_bytes(), None);
        (char::from(separator), start, extra)
    }

    #[test]
    fn rows_decide_the_separator() {
        for separator in [',', ';', '\t', '|'] {
            let text = "a,b,c\n1,2,3\n".replace(',', &separator.to_string());
            assert_eq!(dialect(&text), (separator, 0, Extra::None));
        }
        // The header has more commas, but no row has one.
        assert_eq!(dialect("a (x, y, z);b, c\n1;2\n3;4\n").0, ';');
        assert_eq!(dialect("a;b;c\n1,5;2,5;3,5\n").0, ';');
        assert_eq!(dialect("a;\"b,c,d\";e\n1;2;3\n").0, ';');
        assert_eq!(dialect("only\n1\n2\n").0, ',');
        assert_eq!(Dialect::of(b"a;b\n1;2\n", Some(b',')).separator, b',');
    }

    #[test]
    fn a_first_line_may_name_the_separator() {
        assert_eq!(dialect("sep=;\r\na;b\r\n1;2\r\n"), (';', 7, Extra::None));
        assert_eq!(dialect("SEP=|\na,b|c\n1,2|3\n"), ('|', 6, Extra::None));
        assert_eq!(dialect("sep=\t\na\tb\n1\t2\n"), ('\t', 6, Extra::None));
        assert_eq!(dialect("sep=x;y\n1;2\n"), (';', 0, Extra::None));
        assert_eq!(dialect("sep=;"), (';', 5, Extra::None));
    }

    #[test]
    fn rows_may_have_a_cell_more_than_the_header() {
        assert_eq!(dialect("a,b\n1,2,3\n2,3,4\n").2, Extra::RowName);
        assert_eq!(dialect("a,b\n1,2,\n2,3, \n\n").2, Extra::Last);
        assert_eq!(dialect("a,b\n1,2,3\n2,3\n").2, Extra::None);
    }
}
