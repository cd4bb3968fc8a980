//! Rust source as a list of words: comments and the insides of strings are not code.

/// `source` with every comment and the inside of every string and character literal left out.
pub(crate) fn without_comments_and_strings(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment_len(rest)
        } else if next == '"' {
            quoted_len(rest, '"')
        } else if let Some(len) = raw_string_len(rest, &code) {
            len
        } else if next == '\'' && is_character(rest) {
            quoted_len(rest, '\'')
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        // Words on both sides of what is left out stay apart.
        code.push(' ');
        rest = &rest[skipped..];
    }
    code
}

/// The names and keywords in `code`, in order.
pub(crate) fn identifiers(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// Comments nest.
fn block_comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Length of a literal that begins and ends with `quote`.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of `r"…"`, `r#"…"#` and so on, unless the r ends a word in `before`.
fn raw_string_len(text: &str, before: &str) -> Option<usize> {
    let hashes_and_rest = text.strip_prefix('r')?;
    // The b of a raw byte string stands before the r.
    let before = before.strip_suffix('b').unwrap_or(before);
    if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let n_hashes = hashes_and_rest.len() - hashes_and_rest.trim_start_matches('#').len();
    let inside = hashes_and_rest[n_hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(n_hashes));
    let len = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(1 + n_hashes + 1 + len)
}

/// Whether a `'` begins a character rather than a lifetime.
fn is_character(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => true,
        (_, next) => next == Some('\''),
    }
}

#[test]
fn only_code_is_left() {
    let source = r###"
        // line "quoted
        let a = "// unsafe \" rayon"; /* block /* nested */ unsafe */ let b = 'x';
        let c: &'static str = r#"raw " unsafe"#; let d = '"'; let e = '\''; br"unsafe" fn f<'a>() {}
        let for_r = 1; // the end: for_r is no raw string
    "###;
    let code = without_comments_and_strings(source);
    let words: Vec<&str> = identifiers(&code).collect();
    let expected = "let a let b let c static str let d let e b fn f a let for_r 1";
    assert_eq!(words, expected.split(' ').collect::<Vec<_>>());
}
