//! Finds out who besides the user may read, change or replace the journal's files.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::key_file;

/// A file of the journal that other users can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Other users may read or write it.
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Another user owns it, and may do anything with it.
    Foreign {
        /// The file.
        path: PathBuf,
        /// The number of the owner.
        owner: u32,
        /// The number of this process's user.
        us: u32,
    },
}

impl std::fmt::Display for Exposure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open { path, mode } => {
                let path = path.display();
                let what = if mode & 0o022 == 0 { "read" } else { "change" };
                write!(
                    formatter,
                    "other users can {what} {path} (its mode is {mode:04o}): `chmod 600 {path}` ends that"
                )
            }
            Self::Foreign { path, owner, us } => write!(
                formatter,
                "{} belongs to user {owner}, and this process runs as user {us}: whoever owns it can change it; run it \
                 as that user, or give the file to this one with `chown`",
                path.display()
            ),
        }
    }
}

/// What other users can do with the journal and its key.
pub(super) fn of_journal(journal: &Path) -> Vec<Exposure> {
    let us = rustix::process::geteuid().as_raw();
    let mut found = Vec::new();
    for path in [journal.to_owned(), key_file::path(journal)] {
        // The key may be elsewhere. If a file cannot be read at all, the code that opens it says so.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.uid() != us {
            found.push(Exposure::Foreign { path: path.clone(), owner: metadata.uid(), us });
        }
        if mode & 0o077 != 0 {
            found.push(Exposure::Open { path, mode });
        }
    }
    found
}
