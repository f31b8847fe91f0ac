//! The authentication code of a row: one function over one canonical form, for writing and for reading.
//!
//! The invariant: two rows that differ in any column, or belong to different tables, have different forms. The form and
//! the order of the columns stay unchanged for as long as there are journals.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::key::{KEY_BYTES, Key};
use crate::run::MASK;

/// HMAC-SHA-256.
pub(super) type Mac = [u8; 32];

/// The purpose of the key that is derived for rows, so that rows and sealed values do not share a key.
const PURPOSE: &[u8] = b"deployctl: the rows of the journal";

/// Authenticates rows with the journal's key.
pub(super) struct Authenticator {
    key: Zeroizing<[u8; KEY_BYTES]>,
}

/// The value of one column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'r> {
    Null,
    Number(i64),
    Text(&'r str),
    Bytes(&'r [u8]),
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<'r> From<&'r String> for Cell<'r> {
    fn from(text: &'r String) -> Self {
        Self::Text(text)
    }
}

impl<'r> From<&'r Vec<u8>> for Cell<'r> {
    fn from(bytes: &'r Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'r, T: Into<Cell<'r>>> From<Option<T>> for Cell<'r> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(MASK)
    }
}

impl Authenticator {
    pub(super) fn new(journal: &Key) -> Self {
        let derived = begun(journal).chain_update(PURPOSE).finalize().into_bytes();
        Self { key: Zeroizing::new(derived.into()) }
    }

    /// Computes the code of a row of `table`.
    pub(super) fn mac(&self, table: &str, row: &[Cell<'_>]) -> Mac {
        self.over(table, row).finalize().into_bytes().into()
    }

    /// Whether `stored` is the code of a row of `table`.
    pub(super) fn is_mac(&self, table: &str, row: &[Cell<'_>], stored: Option<&[u8]>) -> bool {
        stored.is_some_and(|stored| self.over(table, row).verify_slice(stored).is_ok())
    }

    /// Hashes each value after its type and its length.
    fn over(&self, table: &str, row: &[Cell<'_>]) -> Hmac<Sha256> {
        let mut hmac = begun(&self.key);
        let mut write = |kind: u8, bytes: &[u8]| {
            hmac.update(&[kind]);
            hmac.update(&(bytes.len() as u64).to_be_bytes());
            hmac.update(bytes);
        };
        write(b'r', table.as_bytes());
        for cell in row {
            match cell {
                Cell::Null => write(b'0', &[]),
                Cell::Number(number) => write(b'n', &number.to_be_bytes()),
                Cell::Text(text) => write(b't', text.as_bytes()),
                Cell::Bytes(bytes) => write(b'b', bytes),
            }
        }
        hmac
    }
}

fn begun(key: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length is one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_differ_have_different_codes() {
        let authenticator = Authenticator::new(&Zeroizing::new([7; KEY_BYTES]));
        let rows: [&[Cell<'_>]; 8] = [
            &[],
            &[Cell::Null],
            &[Cell::Number(0)],
            &[Cell::Text("")],
            &[Cell::Bytes(&[])],
            &[Cell::Text("ab"), Cell::Text("c")],
            &[Cell::Text("a"), Cell::Text("bc")],
            &[Cell::Text("abc")],
        ];
        let mut codes: Vec<Mac> = rows.iter().map(|row| authenticator.mac("runs", row)).collect();
        codes.push(authenticator.mac("steps", &[]));
        codes.push(Authenticator::new(&Zeroizing::new([8; KEY_BYTES])).mac("runs", &[]));
        assert!(authenticator.is_mac("runs", rows[5], Some(&codes[5])));
        assert!(!authenticator.is_mac("runs", rows[5], Some(&codes[6])));
        assert!(!authenticator.is_mac("runs", rows[5], None));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), rows.len() + 2);
    }
}
