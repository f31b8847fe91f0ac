//! What a figure belongs to: the machine, the versions and the command.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::folder;

/// One line about the machine as it is now.
pub(crate) fn described(command: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let text = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = text("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model);
    let kernel = text("/proc/sys/kernel/osrelease");
    let load = text("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "*{cores} cores ({model}), {}, Linux {}, load {load} at the end; deployctl {}, {}, {}, steno {}; `{command}`*",
        file_system(&text("/proc/mounts")),
        kernel.trim(),
        said("git", &["describe", "--always", "--dirty"]),
        said("rustc", &["--version"]).split(" (").next().unwrap_or_default(),
        locked("Cargo.lock", "sqlx").map(|version| format!("sqlx {version}")).unwrap_or_default(),
        locked("benches/steno/Cargo.lock", "steno").unwrap_or_default(),
    )
}

/// The file system of the bench's folder, and its device.
fn file_system(mounts: &str) -> String {
    let folder = folder::disk().canonicalize().expect("it exists");
    let mounted = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (device, place, kind) = (words.next()?, words.next()?, words.next()?);
        folder.starts_with(place).then(|| (place.len(), format!("{kind} on {device}")))
    });
    mounted.max().map_or_else(|| "unknown file system".to_owned(), |(_, found)| found)
}

fn said(program: &str, args: &[&str]) -> String {
    let ran = Command::new(program).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    ran.map(|ran| String::from_utf8_lossy(&ran.stdout).trim().to_owned()).unwrap_or_default()
}

/// The version of a crate in a lock file.
fn locked(file: &str, name: &str) -> Option<String> {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).ok()?;
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0.to_owned())
}
