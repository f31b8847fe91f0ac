//! Lock files: the kernel knows who holds one, and frees it within a millisecond of a `kill -9`.
//!
//! The invariant: only the holder of a file's lock removes the file, and a lock counts only while the path still leads
//! to the locked file. So nobody holds the lock of a file that another one has replaced.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::file::expect_regular;

/// A lock that this process holds. Dropping it removes its file.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    // Closed after the file is removed, because closing frees the lock.
    file: File,
}

impl Lock {
    /// Takes the lock, creating the file. Returns `None` when a process of this machine holds it.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let Some(file) = locked(path, true)? else { return Ok(None) };
            if is_still_at(&file, path)? {
                return Ok(Some(Self { path: path.to_owned(), file }));
            }
        }
    }

    /// Takes the lock from a stopped process of this machine: replaces the file, so that the lock of the old file no
    /// longer counts. Returns `None` when another process was faster.
    pub(super) fn replace(path: &Path) -> io::Result<Option<Self>> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Self::take(path),
        }
    }

    /// Whether nobody on this machine holds the lock. Does not create the file.
    pub(super) fn is_free(path: &Path) -> io::Result<bool> {
        match locked(path, false) {
            Ok(file) => Ok(file.is_some()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that cannot be removed here is removed when the journal is next opened. A file that was replaced
        // belongs to another process.
        if let Ok(true) = is_still_at(&self.file, &self.path) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Opens a file beside the journal for writing. It is never one that somebody else has put there in disguise.
pub(super) fn opened(path: &Path, makes_it: bool) -> io::Result<File> {
    // The flags make sure that a pipe in the file's place does not block, and that a link is not followed.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = OpenOptions::new()
        .write(true)
        .create(makes_it)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    expect_regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens and locks the file. Returns `None` when another process has locked it.
fn locked(path: &Path, makes_it: bool) -> io::Result<Option<File>> {
    let file = opened(path, makes_it)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the path still leads to this file: the lock's previous holder may have removed it in between.
fn is_still_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The folder of the lock files: one for each run, and one for opening.
pub(super) fn lock_folder(journal: &Path) -> PathBuf {
    let mut folder = journal.as_os_str().to_owned();
    folder.push(".locks");
    folder.into()
}

/// The file that is locked by a process while it opens the journal.
pub(super) fn opening_file(journal: &Path) -> PathBuf {
    lock_folder(journal).join("open")
}

/// Removes the lock files that killed processes left behind. Files whose locks are held stay.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "lock") {
            // Dropping the lock at once removes the file. A file that is not a lock of ours stays.
            drop(Lock::take(&path));
        }
    }
    Ok(())
}

/// The process that holds the lock of a file, according to the kernel (`proc_locks(5)`).
pub(super) fn holder(path: &Path) -> Option<u32> {
    /// While other locks come and go, the kernel's list may leave out a lock that stays. With six processes that only take
    /// and free locks, that happened in one read of twenty-five.
    const READS: u32 = 6;
    let inode = fs::metadata(path).ok()?.ino();
    (0..READS).find_map(|_| listed_holder(inode))
}

fn listed_holder(inode: u64) -> Option<u32> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        // A line is `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`. A process that waits has `->` in the second
        // place.
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, file, ..] = fields[..] else { return None };
        let (_, found) = file.rsplit_once(':')?;
        (found.parse() == Ok(inode)).then(|| pid.parse().ok()).flatten()
    })
}

/// The process that holds the lock of a file, if it is stopped, as by Ctrl-Z or `kill -STOP` (`proc_pid_stat(5)`). Such a
/// process does nothing until somebody continues it. `None` also when the kernel does not say.
pub(super) fn stopped_holder(path: &Path) -> Option<u32> {
    let pid = holder(path)?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold any character. The state follows it.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.starts_with(['T', 't']).then_some(pid)
}

/// The kernel's boot id. It distinguishes the processes of this boot from those of another machine or boot. Empty if
/// the kernel has none.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_its_file_goes_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("one.lock");
        assert!(Lock::is_free(&path).expect("asked"));
        assert!(!path.exists(), "who asks makes no file");
        let held = Lock::take(&path).expect("asked").expect("nobody holds it");
        assert!(Lock::take(&path).expect("asked").is_none());
        assert!(!Lock::is_free(&path).expect("asked"));
        sweep(folder.path()).expect("swept");
        assert!(path.exists(), "what is held stays");
        assert_eq!(holder(&path), Some(std::process::id()));
        drop(held);
        assert!(!path.exists());
        fs::write(&path, "").expect("left behind");
        sweep(folder.path()).expect("swept");
        assert!(!path.exists());
    }

    #[test]
    fn the_lock_of_a_file_that_was_removed_is_worth_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("one.lock");
        let early = locked(&path, true).expect("opened").expect("locked");
        fs::remove_file(&path).expect("removed");
        assert!(!is_still_at(&early, &path).expect("asked"));
        let held = Lock::take(&path).expect("asked").expect("it is another file");
        assert!(!is_still_at(&early, &path).expect("asked"));
        drop(held);
    }

    #[test]
    fn a_lock_that_was_replaced_goes_without_the_file_of_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("one.lock");
        let before = Lock::take(&path).expect("asked").expect("nobody holds it");
        assert_eq!(stopped_holder(&path), None, "this process is not stopped");
        let after = Lock::replace(&path).expect("asked").expect("nobody is faster");
        drop(before);
        assert!(Lock::take(&path).expect("asked").is_none(), "it is held");
        drop(after);
        assert!(!path.exists());
    }

    #[test]
    fn of_many_who_take_and_remove_one_lock_at_most_one_holds_it() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("one.lock");
        let (n_held, n_taken) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while n_taken.load(Ordering::SeqCst) < 400 {
                        let Some(held) = Lock::take(&path).expect("asked") else { continue };
                        assert_eq!(n_held.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                        n_taken.fetch_add(1, Ordering::SeqCst);
                        n_held.fetch_sub(1, Ordering::SeqCst);
                        drop(held);
                    }
                });
            }
        });
    }
}
