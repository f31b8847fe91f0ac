//! Reads files, for the whole program: only regular files, and only up to a limit. A pipe may wait for ever for a
//! writer, and a device does not end.
//!
//! The invariant: no read of a file that somebody names waits for ever, or needs more memory than its limit.

use std::fs::{FileType, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// The largest file of a profile, a key or a token, in bytes.
const SIZE_LIMIT: u64 = 1 << 20;

/// The text of a small file that may contain secrets. It is zeroed when it is dropped.
///
/// # Errors
/// Also when the file is not regular, is too large, or is not text.
pub fn read_text(path: &Path) -> io::Result<Zeroizing<String>> {
    match String::from_utf8(read_bytes(path, SIZE_LIMIT)?) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))
        }
    }
}

/// The bytes of a file that has at most `limit` of them, in one allocation, because a buffer that grows leaves copies
/// of itself behind.
///
/// # Errors
/// Also when the file is not regular, or is larger.
pub fn read_bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Does not wait for the other end of a pipe, and does not make a terminal this process's own.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    expect_regular(&metadata)?;
    let size = metadata.len().min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(size + 1).unwrap_or(0));
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        drop(Zeroizing::new(bytes));
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Makes sure that this is a regular file.
///
/// # Errors
/// What it is instead.
pub fn expect_regular(found: &Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {}, and not a regular file", kind(found.file_type())),
    ))
}

fn kind(found: FileType) -> &'static str {
    if found.is_dir() {
        "a folder"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else if found.is_char_device() || found.is_block_device() {
        "a device"
    } else {
        "something else"
    }
}

/// The folder of a file; the current folder for a bare name.
pub fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_said_and_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        for (path, what) in
            [(pipe.as_path(), "a pipe"), (folder.path(), "a folder"), (Path::new("/dev/zero"), "a device")]
        {
            let error = read_bytes(path, 10).expect_err("it is not a regular file");
            assert_eq!(error.to_string(), format!("it is {what}, and not a regular file"));
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "0123456789").expect("written");
        assert_eq!(read_bytes(&file, 10).expect("as large as may be"), b"0123456789");
        let error = read_bytes(&file, 9).expect_err("it is too large");
        assert_eq!(error.to_string(), "it is larger than 9 bytes");
    }

    #[test]
    fn a_bare_name_lies_in_the_current_folder() {
        for (file, folder) in [("a", "."), ("./a", "."), ("b/a", "b"), ("/a", "/"), ("/", ".")] {
            assert_eq!(folder_of(Path::new(file)), Path::new(folder), "{file}");
        }
    }
}
