//! The checksum of a model file: SHA-256 of all of its bytes, with its own 64 digits as zeros.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// The digits of a file whose checksum is not known yet.
pub(crate) const UNSEALED: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";

/// What stands before the digits: a key of JSON within a string of JSON. No other text of the
/// metadata can be read as this, since quotation marks within it are escaped once more.
const KEY: &[u8] = br#"\"sha256\":\""#;

/// Where the digits are in the beginning of a file.
pub(crate) fn place(file: &[u8]) -> Option<usize> {
    let at = file.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    (at + UNSEALED.len() <= file.len()).then_some(at)
}

/// Writes the checksum into a file that holds [`UNSEALED`].
pub(crate) fn seal(file: &mut [u8]) {
    if let Some(at) = place(file) {
        let digits = hex(&Sha256::digest(&*file));
        file[at..at + UNSEALED.len()].copy_from_slice(digits.as_bytes());
    }
}

/// The checksum of a file of which `start` is the beginning, up to the digits at least, and `rest`
/// what follows.
///
/// # Errors
/// Those of `rest`.
pub(crate) fn of_file(start: &[u8], at: usize, rest: &mut dyn Read) -> io::Result<String> {
    let mut digest = Sha256::new();
    digest.update(&start[..at]);
    digest.update(UNSEALED);
    digest.update(&start[at + UNSEALED.len()..]);
    let mut block = [0; 1 << 14];
    loop {
        match rest.read(&mut block) {
            Ok(0) => return Ok(hex(&digest.finalize())),
            Ok(n) => digest.update(&block[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
