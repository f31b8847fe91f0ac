//! Folders on the disk that is measured, and journals that are made once and copied.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::contenders::Contender;

/// The folder of the bench, beside the build: on a disk, not in memory.
pub(crate) fn disk() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// An empty folder on the disk.
pub(crate) fn fresh() -> TempDir {
    TempDir::new_in(disk()).expect("a folder")
}

/// The journal in a folder, as an argument.
pub(crate) fn journal(folder: &Path) -> String {
    folder.join("journal.db").to_str().expect("plain letters").to_owned()
}

/// A copy of a folder in which nothing runs, on the disk.
pub(crate) fn copy(of: &Path) -> TempDir {
    let folder = fresh();
    copy_all(of, folder.path());
    folder
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            fs::create_dir(&to).expect("a folder");
            copy_all(&entry.path(), &to);
        } else if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}

/// A folder with a journal that holds so many runs of one step, all of them succeeded.
///
/// The library writes it, in memory, where a commit waits for no disk. It is kept beside the build until the journal's
/// sources change.
pub(crate) fn filled(n_runs: usize) -> PathBuf {
    let kept = disk().join(format!("filled-{n_runs}-{}", version_of_the_journal()));
    if !kept.exists() {
        let memory = Path::new("/dev/shm");
        let making = TempDir::new_in(if memory.exists() { memory } else { disk() }).expect("a folder");
        Contender::Ours.gaps(&["fill", &journal(making.path()), &n_runs.to_string()]);
        let unfinished = fresh();
        copy_all(making.path(), unfinished.path());
        fs::rename(unfinished.keep(), &kept).expect("renamed");
    }
    kept
}

/// A few letters that differ when the sources that write a journal do.
fn version_of_the_journal() -> String {
    let mut digest = Sha256::new();
    for folder in ["migrations", "src/journal", "src/engine", "src/run"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
        files.sort();
        for file in files {
            digest.update(fs::read(file).expect("a file"));
        }
    }
    format!("{:x}", digest.finalize())[..8].to_owned()
}

/// Waits for a moment, so that a process that was started can get somewhere.
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
