//! Writes the sandbox's files for clients. It overwrites only its own files, and follows no links.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Every file of the sandbox is shorter than this.
const LONGEST: u64 = 1 << 20;
const MARK: &str = "# Made by deployctl sandbox, which renews it while it is as it was made: ";

/// How an existing file is known to be the sandbox's own.
#[derive(Clone, Copy)]
pub(super) enum Known<'k> {
    /// By its last line, which holds the digest of the lines before it.
    Marked,
    /// Its content is always the same.
    Constant,
    /// An existing file belongs to its user by now, and stays.
    Yielding,
    /// By its content.
    By(&'k dyn Fn(&str) -> bool),
}

/// A file to be written.
pub(super) struct Draft<'d> {
    pub(super) path: PathBuf,
    text: String,
    known: Known<'d>,
}

/// What to do for a file.
enum Plan {
    Make,
    Renew,
    Leave,
}

impl<'d> Draft<'d> {
    pub(super) fn new(path: PathBuf, text: String, known: Known<'d>) -> Self {
        let text = match known {
            Known::Marked => marked(&text),
            Known::Constant | Known::Yielding | Known::By(_) => text,
        };
        Self { path, text, known }
    }

    /// Decides what to do, and fails if the file is somebody else's.
    fn plan(&self) -> io::Result<Plan> {
        let there = match read(&self.path) {
            Ok(there) => there,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Plan::Make),
            Err(error) => return Err(of(&self.path, &error)),
        };
        let is_own = match self.known {
            _ if there == self.text => return Ok(Plan::Leave),
            Known::Yielding => return Ok(Plan::Leave),
            Known::Marked => is_marked(&there),
            Known::Constant => false,
            Known::By(is_own) => is_own(&there),
        };
        if is_own {
            Ok(Plan::Renew)
        } else {
            Err(foreign(&self.path, "is there, and not as the sandbox made it"))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the name of a draft, which nobody is to guess")]
fn draft_beside(path: &Path) -> PathBuf {
    path.with_extension(Uuid::new_v4().simple().to_string())
}

/// Writes all files and their folders; or nothing, if one of the files is not the sandbox's own.
pub(super) fn write(folders: &[&Path], drafts: &[Draft<'_>]) -> io::Result<()> {
    for path in folders {
        match fs::symlink_metadata(path) {
            Ok(there) if there.is_dir() => {}
            Ok(_) => return Err(foreign(path, "is not a folder, or is a link to one")),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(of(path, &error)),
        }
    }
    let plans = drafts.iter().map(|draft| Ok((draft, draft.plan()?))).collect::<io::Result<Vec<_>>>()?;
    for path in folders {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(of(path, &error)),
            Ok(()) | Err(_) => {}
        }
    }
    for (draft, plan) in plans {
        let made = match plan {
            Plan::Make => make(&draft.path, &draft.text),
            // The new file is written beside the old one and then renamed, so that a concurrent reader sees the old one.
            Plan::Renew => {
                let beside = draft_beside(&draft.path);
                make(&beside, &draft.text).and_then(|()| fs::rename(&beside, &draft.path))
            }
            Plan::Leave => Ok(()),
        };
        made.map_err(|error| of(&draft.path, &error))?;
    }
    Ok(())
}

/// Whether a file is unchanged since the sandbox wrote it with its mark.
pub(super) fn is_own(path: &Path) -> bool {
    read(path).is_ok_and(|there| is_marked(&there))
}

fn make(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// The text of a regular file that is not a link. A file that is not text is not the sandbox's.
fn read(path: &Path) -> io::Result<String> {
    // Opening a pipe would block.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| {
        let is_link = fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink());
        if is_link { foreign(path, "is a link") } else { error }
    })?;
    if !file.metadata()?.is_file() {
        return Err(foreign(path, "is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_marked(text: &str) -> bool {
    text.rfind(MARK).is_some_and(|place| marked(&text[..place]) == text)
}

fn marked(text: &str) -> String {
    format!("{text}{MARK}{:x}\n", Sha256::digest(text))
}

fn foreign(path: &Path, why: &str) -> io::Error {
    let message = format!("{} {why}: nothing was written over it", path.display());
    io::Error::new(ErrorKind::AlreadyExists, message)
}

/// Adds the file to the error, unless the error already names a file.
fn of(path: &Path, error: &io::Error) -> io::Error {
    let name = path.display().to_string();
    let text = error.to_string();
    let message = if text.contains(&name) { text } else { format!("{name}: {text}") };
    io::Error::new(error.kind(), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(path: &Path, text: &str) -> Draft<'static> {
        Draft::new(path.to_owned(), text.to_owned(), Known::Marked)
    }

    #[test]
    fn its_own_are_renewed_until_somebody_changes_them() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("config");
        for text in ["one\n", "two\n", "two\n"] {
            write(&[], &[draft(&path, text)]).expect("its own");
            assert!(fs::read_to_string(&path).expect("there").starts_with(text));
        }
        let edited = fs::read_to_string(&path).expect("there") + "[PRODUCTION]\n";
        fs::write(&path, &edited).expect("edited");
        write(&[], &[draft(&path, "three\n")]).expect_err("somebody's");
        assert_eq!(fs::read_to_string(&path).expect("there"), edited);
        assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 1, "no draft is left");
    }

    #[test]
    fn all_or_nothing_is_written() {
        let home = tempfile::tempdir().expect("a folder");
        let (new, old) = (home.path().join("new"), home.path().join("old"));
        fs::write(&old, "mine").expect("written");
        let error = write(&[], &[draft(&new, "text\n"), draft(&old, "text\n")]).expect_err("somebody's");
        assert!(error.to_string().contains("old"), "{error}");
        assert!(!new.exists());
    }

    #[test]
    fn no_link_is_followed() {
        let home = tempfile::tempdir().expect("a folder");
        let (target, link) = (home.path().join("target"), home.path().join("link"));
        std::os::unix::fs::symlink(&target, &link).expect("a link");
        for exists in [false, true] {
            if exists {
                write(&[], &[draft(&target, "text\n")]).expect("new");
            }
            let error = write(&[], &[draft(&link, "other\n")]).expect_err("a link");
            assert!(error.to_string().contains("is a link"), "{error}");
            assert_eq!(target.exists(), exists);
        }
        fs::create_dir(home.path().join("real")).expect("a folder");
        std::os::unix::fs::symlink(home.path().join("real"), home.path().join("folder")).expect("a link");
        write(&[&home.path().join("real"), &home.path().join("new")], &[]).expect("folders");
        for foreign in ["folder", "target"] {
            let newer = home.path().join("newer");
            write(&[&newer, &home.path().join(foreign)], &[]).expect_err("a link, and a file");
            assert!(!newer.exists());
        }
    }
}
