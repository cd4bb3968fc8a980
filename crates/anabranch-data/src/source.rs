//! From the bytes of a file to its text: compression and encoding.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::error::DataError;

/// Most bytes at the start of a file that tell its format.
const HEAD: usize = 4096;

/// Bytes at the start of a file that tell its compression; a byte order mark has fewer.
const LONGEST_MAGIC: u64 = 4;

/// The text of a file, unpacked and decoded piece by piece, and how its bytes stand for it.
pub(crate) struct Source<'a> {
    reader: Box<dyn Read + Send + 'a>,
    /// The first piece, as long as nobody has taken it.
    start: Vec<u8>,
    decoder: Option<Decoder>,
    is_at_end: bool,
    pub(crate) encoding: TextEncoding,
    /// Whether the encoding was neither asked for nor marked, and is not UTF-8.
    pub(crate) is_guess: bool,
}

/// How text is stored as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextEncoding {
    encoding: &'static Encoding,
    has_mark: bool,
}

/// Files that are often taken for tables: what they start with, what they are, and what to do.
const FORMATS: [(&[u8], &str, &str); 16] = [
    (
        b"PK\x03\x04",
        "a zip archive or an Excel workbook (xlsx)",
        "save the sheet as CSV, or unpack it",
    ),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (xls)", "save the sheet as CSV"),
    (b"PAR1", "a Parquet file", "convert it to CSV"),
    (b"ARROW1", "an Arrow file", "convert it to CSV"),
    (b"%PDF", "a PDF document", "save its table as CSV"),
    (b"SQLite format 3", "an SQLite database", "export a table as CSV"),
    (b"\x89HDF", "an HDF5 file", "convert it to CSV"),
    (b"BZh", "compressed with bzip2", "unpack it, or compress it with gzip or zstd"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it, or compress it with gzip or zstd"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "unpack it, or compress it with gzip or zstd"),
    (b"\x93NUMPY", "a NumPy array", "write it as CSV, with a header"),
    (b"\x89PNG", "a picture (png)", "type its table as CSV"),
    (b"\xff\xd8\xff", "a picture (jpeg)", "type its table as CSV"),
    (b"<!", "an HTML or XML document", "save its table as CSV"),
    (b"<", "an HTML or XML document", "save its table as CSV"),
];

impl<'a> Source<'a> {
    /// Reads the first `n_bytes` of `reader`, unpacked if it is gzip's or zstd's, and at least a
    /// byte order mark; they tell the encoding, if none is `asked` for. `name` is what errors call
    /// it.
    ///
    /// # Errors
    /// [`DataError::Read`], [`DataError::NotATable`] or [`DataError::NotUtf8`].
    pub(crate) fn new(
        name: &str,
        mut reader: Box<dyn Read + Send + 'a>,
        asked: Option<TextEncoding>,
        n_bytes: usize,
    ) -> Result<Self, DataError> {
        let failed = |reason| DataError::Read { file: name.to_owned(), reason };
        let mut magic = Vec::new();
        reader.by_ref().take(LONGEST_MAGIC).read_to_end(&mut magic).map_err(failed)?;
        let is_gzip = magic.starts_with(b"\x1f\x8b");
        let is_zstd = magic.starts_with(b"\x28\xb5\x2f\xfd");
        let reader = io::Cursor::new(magic).chain(reader);
        let mut reader: Box<dyn Read + Send + 'a> = if is_gzip {
            Box::new(flate2::read::MultiGzDecoder::new(reader))
        } else if is_zstd {
            let decoder = ruzstd::decoding::StreamingDecoder::new(reader);
            Box::new(decoder.map_err(io::Error::other).map_err(failed)?)
        } else {
            Box::new(reader)
        };
        let mut start = Vec::new();
        let n_bytes = n_bytes.max(LONGEST_MAGIC as usize);
        let is_at_end = read_some(&mut reader, &mut start, n_bytes).map_err(failed)?;
        check_format(name, &start)?;
        let mark = Encoding::for_bom(&start);
        if let Some((_, len)) = mark {
            start.drain(..len);
        }
        let (encoding, is_guess) = match (asked, mark) {
            (_, Some((encoding, _))) => (encoding, false),
            (Some(asked), None) => (asked.encoding, false),
            (None, None) => match guess(&start, is_at_end) {
                Some(encoding) => (encoding, encoding != UTF_8),
                None => return Err(not_utf8(name, &start, 1)),
            },
        };
        let decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
        let encoding = TextEncoding { encoding, has_mark: mark.is_some() };
        Ok(Self { reader, start, decoder, is_at_end, encoding, is_guess })
    }

    /// Whether all of the text has been read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_at_end && self.start.is_empty()
    }

    /// Appends to `text` what the next `n_bytes` of the file stand for, those of the first piece at
    /// first. The text ends within a character where these bytes do.
    ///
    /// # Errors
    /// [`DataError::Read`] or [`DataError::Encoding`].
    pub(crate) fn read(
        &mut self,
        name: &str,
        text: &mut Vec<u8>,
        n_bytes: usize,
    ) -> Result<(), DataError> {
        let mut bytes = std::mem::take(&mut self.start);
        if bytes.is_empty() && !self.is_at_end {
            let to = if self.decoder.is_some() { &mut bytes } else { &mut *text };
            let read = read_some(&mut self.reader, to, n_bytes);
            let failed = |reason| DataError::Read { file: name.to_owned(), reason };
            self.is_at_end = read.map_err(failed)?;
        }
        match &mut self.decoder {
            Some(decoder) => {
                let most = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
                let mut decoded = String::with_capacity(most.unwrap_or(0));
                let (result, _) = decoder.decode_to_string_without_replacement(
                    &bytes,
                    &mut decoded,
                    self.is_at_end,
                );
                if result != DecoderResult::InputEmpty {
                    let encoding = self.encoding.name();
                    return Err(DataError::Encoding { file: name.to_owned(), encoding });
                }
                append(text, decoded.into_bytes());
            }
            None => append(text, bytes),
        }
        Ok(())
    }
}

/// Appends `n_bytes` of `reader` to `to`, or all that are left; whether nothing follows them.
fn read_some(reader: &mut dyn Read, to: &mut Vec<u8>, n_bytes: usize) -> io::Result<bool> {
    if n_bytes == usize::MAX {
        // A file says how long it is, so that memory for it is taken once.
        reader.read_to_end(to)?;
        return Ok(true);
    }
    let n_read = reader.take(n_bytes as u64).read_to_end(to)?;
    Ok(n_read < n_bytes)
}

/// Appends `more` to `text`, without a copy if that is empty.
fn append(text: &mut Vec<u8>, mut more: Vec<u8>) {
    if text.is_empty() { *text = more } else { text.append(&mut more) }
}

fn check_format(file: &str, bytes: &[u8]) -> Result<(), DataError> {
    let head = &bytes[..bytes.len().min(HEAD)];
    let refused = |format: &'static str, advice: &'static str| {
        Err(DataError::NotATable { file: file.to_owned(), format, advice })
    };
    if let Some((_, format, advice)) = FORMATS.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return refused(format, advice);
    }
    // Past a byte order mark and spaces.
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let inner = text.get(1..).unwrap_or_default().trim_ascii_start();
    match (text.first(), inner.first()) {
        (Some(b'<'), _) => refused("an HTML or XML document", "save its table as CSV"),
        (Some(b'{'), Some(b'"' | b'}')) | (Some(b'['), Some(b'{' | b'[')) => {
            refused("JSON", "convert it to CSV")
        }
        _ => Ok(()),
    }
}

/// Refuses text of which `line` is the first line.
pub(crate) fn not_utf8(file: &str, text: &[u8], line: usize) -> DataError {
    let valid = std::str::from_utf8(text).err().map_or(text.len(), |error| error.valid_up_to());
    DataError::NotUtf8 { file: file.to_owned(), line: line + line_ends(&text[..valid]) }
}

/// Whether a text is UTF-8, or the beginning of one unless it `is_all`.
pub(crate) fn is_utf8(text: &[u8], is_all: bool) -> bool {
    std::str::from_utf8(text).map_or_else(|e| !is_all && e.error_len().is_none(), |_| true)
}

/// The encoding that bytes without a mark are in: UTF-16 where every other byte is zero, UTF-8
/// where they are valid, else Windows-1252, of which Latin-1 is a part. `None` for damaged UTF-8,
/// and for what is not text.
fn guess(bytes: &[u8], is_all: bool) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(HEAD)];
    let zeros = |offset| head.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // Four in five: names and numbers are mostly ASCII.
    let is_most = |zeros: usize| zeros * 5 >= head.len() / 2 * 4 && zeros > 0;
    if bytes.len().is_multiple_of(2) && is_most(odd) && even == 0 {
        return Some(UTF_16LE);
    }
    if bytes.len().is_multiple_of(2) && is_most(even) && odd == 0 {
        return Some(UTF_16BE);
    }
    if is_utf8(bytes, is_all) {
        return Some(UTF_8);
    }
    let (mut wide, mut wrong) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        wide += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        wrong += chunk.invalid().len();
    }
    let is_text =
        |byte: &u8| !matches!(byte, 0..=8 | 14..=31 | 127 | 0x81 | 0x8d | 0x8f | 0x90 | 0x9d);
    (wide < wrong && bytes.iter().all(is_text)).then_some(WINDOWS_1252)
}

/// Number of line ends (LF, CRLF or CR). `bytes` must not stop between CR and LF.
pub(crate) fn line_ends(bytes: &[u8]) -> usize {
    let feeds = memchr::memchr_iter(b'\n', bytes).count();
    let lone = |i: &usize| bytes.get(i + 1) != Some(&b'\n');
    feeds + memchr::memchr_iter(b'\r', bytes).filter(lone).count()
}

impl TextEncoding {
    /// The encoding of that name: `utf-8`, `utf-16`, `latin1`, `windows-1252`, `shift_jis` and all
    /// others of the [WHATWG's list](https://encoding.spec.whatwg.org/#names-and-labels).
    pub fn named(name: &str) -> Option<Self> {
        let encoding = Encoding::for_label(name.as_bytes())?;
        Some(Self { encoding, has_mark: false })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.encoding.name()
    }

    /// Text in this encoding, with a byte order mark if the file that it was found in had one. What
    /// the encoding lacks becomes a numeric character reference.
    pub fn encode(self, text: &str) -> Vec<u8> {
        let mark = if self.has_mark { "\u{feff}" } else { "" };
        self.encode_more(format!("{mark}{text}"))
    }

    /// Text that follows other text of a file: as [`encode`](Self::encode), but without a mark. The
    /// text before it has to end with a line.
    pub fn encode_more(self, text: String) -> Vec<u8> {
        if self.encoding == UTF_16LE {
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        } else if self.encoding == UTF_16BE {
            text.encode_utf16().flat_map(u16::to_be_bytes).collect()
        } else if self.encoding == UTF_8 {
            text.into_bytes()
        } else {
            self.encoding.encode(&text).0.into_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// All of the text, in pieces of so many bytes.
    fn text(source: &mut Source<'_>, n_bytes: usize) -> Result<Vec<u8>, DataError> {
        let mut text = Vec::new();
        while !source.is_at_end() {
            source.read("t.csv", &mut text, n_bytes)?;
        }
        if is_utf8(&text, true) { Ok(text) } else { Err(not_utf8("t.csv", &text, 1)) }
    }

    fn read(bytes: &[u8], asked: Option<&str>) -> Result<(String, &'static str), String> {
        let asked = asked.and_then(TextEncoding::named);
        // In one piece, and, but for the first, byte by byte.
        let in_pieces = |n_bytes: usize| {
            let mut source = Source::new("t.csv", Box::new(bytes), asked, bytes.len())?;
            Ok((text(&mut source, n_bytes)?, source.encoding))
        };
        let [at_once, in_bytes] =
            [usize::MAX, 1].map(|n| in_pieces(n).map_err(|error: DataError| error.to_string()));
        assert_eq!(at_once, in_bytes);
        let (text, encoding) = at_once?;
        let text = String::from_utf8(text).unwrap();
        // Whatever was read is written back as it was.
        assert_eq!(encoding.encode(&text), bytes, "{text:?}");
        Ok((text, encoding.name()))
    }

    const TEXT: &str = "name,x\nÅrhus,1\nZürich,2\n";

    #[test]
    fn encodings_are_found_from_bytes() {
        let utf16 = |to_bytes: fn(u16) -> [u8; 2], mark: &str| {
            [mark, TEXT].concat().encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>()
        };
        let latin1: Vec<u8> = TEXT.chars().map(|c| c as u8).collect();
        for (bytes, name) in [
            (TEXT.as_bytes().to_vec(), "UTF-8"),
            (["\u{feff}", TEXT].concat().into_bytes(), "UTF-8"),
            (utf16(u16::to_le_bytes, ""), "UTF-16LE"),
            (utf16(u16::to_be_bytes, ""), "UTF-16BE"),
            (utf16(u16::to_le_bytes, "\u{feff}"), "UTF-16LE"),
            (utf16(u16::to_be_bytes, "\u{feff}"), "UTF-16BE"),
            (latin1, "windows-1252"),
        ] {
            assert_eq!(read(&bytes, None), Ok((TEXT.to_owned(), name)));
        }
        assert_eq!(read(b"a\n\xb1\n", Some("iso-8859-2")), Ok(("a\ną\n".to_owned(), "ISO-8859-2")));
        assert!(TextEncoding::named("klingon").is_none());
    }

    #[test]
    fn damaged_text_is_refused() {
        let message = "t.csv: line 3: not UTF-8 text, nor in any other recognised encoding: save the file as UTF-8, or name its encoding with --encoding";
        assert_eq!(
            read("Århus,Zürich\nKøge,x\né\x00".replace('\x00', "").as_bytes(), None).map(|_| ()),
            Ok(())
        );
        let mut bytes = "Århus,Zürich\nKøge,x\n".as_bytes().to_vec();
        bytes.push(0xff);
        assert_eq!(read(&bytes, None), Err(message.to_owned()));
        assert_eq!(read(b"a,b\n1,2\n\x81,\x01\n", None), Err(message.to_owned()));
        assert!(read(b"a\n\xff\n", Some("utf-8")).unwrap_err().contains("line 2: not UTF-8"));
        let error = read(b"a\n\xff\n", Some("shift_jis")).unwrap_err();
        assert!(error.contains("Shift_JIS"), "{error}");
    }

    #[test]
    fn packed_files_are_unpacked() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(TEXT.as_bytes()).unwrap();
        let gzip = encoder.finish().unwrap();
        let zstd = ruzstd::encoding::compress_to_vec(
            TEXT.as_bytes(),
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        for bytes in [[gzip.clone(), gzip.clone()].concat(), [zstd.clone(), zstd].concat()] {
            let mut source = Source::new("t.csv", Box::new(&bytes[..]), None, 10).unwrap();
            let text = text(&mut source, 3).unwrap();
            assert!(text.starts_with(TEXT.as_bytes()), "{text:?}");
        }
        let error =
            Source::new("t.csv", Box::new(&gzip[..20]), None, 100).err().unwrap().to_string();
        assert!(error.starts_with("t.csv: cannot be read ("), "{error}");
    }

    #[test]
    fn other_files_are_named() {
        for (bytes, name) in [
            (&b"PK\x03\x04..."[..], "an Excel workbook (xlsx)"),
            (b"PAR1\x15", "a Parquet file"),
            (b"  <html>", "an HTML"),
            (b"<?xml", "XML"),
            (b"\xef\xbb\xbf{\"a\": 1}", "JSON"),
            (b"[\n {\"a\"", "JSON"),
            (b"BZh91", "bzip2"),
            (b"\x93NUMPY\x01\x00", "a NumPy array"),
            (b"\x04\x22\x4d\x18a", "lz4"),
        ] {
            let error = read(bytes, None).unwrap_err();
            assert!(error.contains(name) && error.starts_with("t.csv: this is "), "{error}");
        }
    }
}
