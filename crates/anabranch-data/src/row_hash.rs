//! A hash of each row, to know it again in another table.

use crate::cell::trimmed;
use crate::error::DataError;
use crate::table::Table;

impl Table {
    /// A hash of each row's cells in these columns, in this order: of equal text, space around it
    /// apart, it is equal in every table and on every machine.
    ///
    /// # Errors
    /// [`DataError::UnknownColumn`].
    pub fn row_hashes<'a>(
        &self,
        columns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<u64>, DataError> {
        let columns = columns.into_iter().map(|name| self.column_index(name));
        let columns: Vec<usize> = columns.collect::<Result<_, _>>()?;
        Ok(self.hashes(&columns))
    }

    /// [`row_hashes`](Self::row_hashes) of columns by their places.
    pub(crate) fn hashes(&self, columns: &[usize]) -> Vec<u64> {
        let of_row = |row| {
            let cells = columns.iter().map(|column| trimmed(self.cell(row, *column)).as_bytes());
            // No UTF-8 text holds this byte, so cells cannot run into each other.
            cells.fold(OFFSET, |hash, cell| fnv_1a(fnv_1a(hash, cell), &[0xff]))
        };
        (0..self.n_rows()).map(of_row).collect()
    }
}

/// Where FNV-1a of 64 bits begins (RFC 9923).
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv_1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of the algorithm's authors.
    #[test]
    fn fnv_1a_is_the_published_one() {
        for (text, hash) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv_1a(OFFSET, text.as_bytes()), hash);
        }
    }

    #[test]
    fn equal_rows_are_known_again() {
        let table = |csv: &str| Table::from_reader("t.csv", csv.as_bytes()).unwrap();
        let one = table("a,b,c\nx,1,p\nx1,,q\nx, 1,r\n").row_hashes(["a", "b"]).unwrap();
        let other = table("b;z;a\n1;9;x\n").row_hashes(["a", "b"]).unwrap();
        assert_eq!([one[0], one[2]], [other[0]; 2]);
        assert_ne!(one[0], one[1]);
        assert!(table("a\n1\n").row_hashes(["b"]).is_err());
    }
}
