//! Saves the state in a folder, so that it outlives a restart.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::state::State;

const FILE: &str = "state.json";

/// The state that an earlier sandbox left in the folder.
pub(super) fn load(folder: Option<&Path>) -> io::Result<Option<State>> {
    let Some(folder) = folder else { return Ok(None) };
    fs::create_dir_all(folder)?;
    let file = folder.join(FILE);
    if fs::metadata(&file).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::other(format!("{} is not a regular file", file.display())));
    }
    match fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the state to a new file and renames it over the old one, so that a kill leaves one of the two.
pub(super) fn save(folder: Option<&Path>, state: &State) -> io::Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    let draft = folder.join(format!("{FILE}.new"));
    // The state holds environments, configuration files and credentials of registries. An existing file would keep its
    // permissions when it is opened, so it is removed first.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&serde_json::to_vec(state)?)?;
    fs::rename(draft, folder.join(FILE))
}
