//! The file of the journal's key: how it is read, created and replaced.
//!
//! The invariant: a key is completely on the disk before anything is sealed with it. If a power failure lost the key,
//! nothing that it sealed could be opened again.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::key::{GivenKey, Key, KeyOrigin, KeySource, parse};
use super::seal::SealError;
use crate::file::{folder_of, read_text};

/// The path of the key file.
pub(super) fn path(journal: &Path) -> PathBuf {
    with_ending(journal, ".key")
}

/// The path of the draft: the key with which a rotation is about to replace the old one.
pub(super) fn draft(journal: &Path) -> PathBuf {
    with_ending(journal, ".key.new")
}

fn with_ending(journal: &Path, ending: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The key that `source` names, and where it was found; `None` if the key belongs in a file and the file is missing.
pub(super) fn load(source: &KeySource, journal: &Path) -> Result<Option<(Key, KeyOrigin)>, SealError> {
    if let Some(given) = &source.given {
        return Ok(Some((parsed(given)?, KeyOrigin::Given(given.name))));
    }
    let path = path(journal);
    Ok(read(&path)?.map(|key| (key, KeyOrigin::File(path))))
}

/// Parses a given key.
pub(super) fn parsed(given: &GivenKey) -> Result<Key, SealError> {
    parse(given.text.expose_secret()).ok_or(SealError::BadVariable { name: given.name })
}

/// Reads the key in a file, if the file exists.
pub(super) fn read(path: &Path) -> Result<Option<Key>, SealError> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SealError::File { path: path.to_owned(), source }),
    };
    parse(&text).map(Some).ok_or_else(|| SealError::BadFile { path: path.to_owned() })
}

/// Writes a key to the disk under `path`. The file gets its name only once it is complete.
pub(super) fn write(path: &Path, key: &Key) -> Result<(), SealError> {
    let failed = |source| SealError::File { path: path.to_owned(), source };
    let draft = with_ending(path, &format!(".{}", std::process::id()));
    let written = || {
        // Removes a file that a killed process with this number left, or a link that somebody put there, so that
        // neither is written to.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        writeln!(file, "{}", *Zeroizing::new(STANDARD.encode(key.as_slice())))?;
        file.sync_all()?;
        put(&draft, path)
    };
    written().map_err(failed)
}

/// Renames a file, and makes the new name durable.
pub(super) fn put(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    fs::File::open(folder_of(to))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::journal::key::random;

    #[test]
    fn a_key_is_not_written_through_a_link_nor_into_a_file_that_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, victim) = (folder.path().join("journal.db.key"), folder.path().join("victim"));
        let draft = with_ending(&path, &format!(".{}", std::process::id()));
        fs::write(&victim, "mine").expect("written");
        symlink(&victim, &draft).expect("linked");
        write(&path, &random()).expect("the link is taken away");
        fs::write(&draft, "left by a killed process").expect("written");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o644)).expect("set");
        write(&path, &random()).expect("what is left is taken away");
        assert_eq!(fs::read_to_string(&victim).expect("it is there"), "mine");
        let found = fs::symlink_metadata(&path).expect("it is there");
        assert!(found.is_file());
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
        assert!(read(&path).expect("readable").is_some());
        assert!(!draft.exists());
    }
}
