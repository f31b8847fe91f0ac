//! The file of the journal's key: how it is read, made and replaced.
//!
//! The invariant: a key is whole and on the disk before anything is sealed with it. What was sealed with a key that
//! was lost with the power could never be opened again.

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

/// The file of the journal's key.
pub(super) fn path(journal: &Path) -> PathBuf {
    with_ending(journal, ".key")
}

/// The file of the key that a rotation is about to put in its place.
pub(super) fn draft(journal: &Path) -> PathBuf {
    with_ending(journal, ".key.new")
}

fn with_ending(journal: &Path, ending: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The key that `source` names, and where it was found; `None` when it is to be in a file and there is none.
pub(super) fn load(source: &KeySource, journal: &Path) -> Result<Option<(Key, KeyOrigin)>, SealError> {
    if let Some(given) = &source.given {
        return Ok(Some((parsed(given)?, KeyOrigin::Given(given.name))));
    }
    let path = path(journal);
    Ok(read(&path)?.map(|key| (key, KeyOrigin::File(path))))
}

/// The key that the text of a given one stands for.
pub(super) fn parsed(given: &GivenKey) -> Result<Key, SealError> {
    parse(given.text.expose_secret()).ok_or(SealError::BadVariable { name: given.name })
}

/// The key in a file, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<Key>, SealError> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SealError::File { path: path.to_owned(), source }),
    };
    parse(&text).map(Some).ok_or_else(|| SealError::BadFile { path: path.to_owned() })
}

/// Writes a key to the disk under `path`, which gets its name only once the file is whole.
pub(super) fn write(path: &Path, key: &Key) -> Result<(), SealError> {
    let failed = |source| SealError::File { path: path.to_owned(), source };
    let draft = with_ending(path, &format!(".{}", std::process::id()));
    let written = || {
        // One that a killed process of this number left, or a link that somebody put there, is not written through.
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

/// Gives a file the name of another, in whose place it is from then on.
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
