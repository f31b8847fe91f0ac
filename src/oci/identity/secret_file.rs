//! Files in which there may be secrets: keys, tokens, profiles. Read up to a limit, since a device does not end, and into one
//! piece of memory, since a text that grows leaves copies of itself behind.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

/// The largest file of a profile, a key or a token, in bytes.
const SIZE_LIMIT: u64 = 1 << 20;

/// The text of a file, which is zeroed when it is dropped.
pub(super) fn read_text(path: &Path) -> io::Result<Zeroizing<String>> {
    match String::from_utf8(read_bytes(path, SIZE_LIMIT)?) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
        }
    }
}

/// The bytes of a file that has at most `limit` of them.
pub fn read_bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len().min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(size + 1).unwrap_or(0));
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        drop(Zeroizing::new(bytes));
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}
