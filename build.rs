//! Unpacks `sqlx-data.json` for sqlx's macros, so that a build needs no database.
//!
//! It does nothing if the caller has set up sqlx in another way, as `.ci/sqlx-prepare` does to regenerate the file.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const DATA: &str = "sqlx-data.json";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={DATA}");
    println!("cargo:rerun-if-changed=migrations");
    for variable in ["SQLX_OFFLINE", "SQLX_OFFLINE_DIR", "DATABASE_URL"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let is_live = env::var_os("SQLX_OFFLINE").is_some_and(|value| value == "false" || value == "0");
    if is_live || env::var_os("SQLX_OFFLINE_DIR").is_some() {
        return Ok(());
    }
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("sqlx");
    unpack(&target)?;
    println!("cargo:rustc-env=SQLX_OFFLINE=true");
    println!("cargo:rustc-env=SQLX_OFFLINE_DIR={}", target.display());
    Ok(())
}

/// Writes one file per query, only if it differs, and deletes the files of queries that no longer exist.
fn unpack(target: &Path) -> io::Result<()> {
    fs::create_dir_all(target)?;
    let data: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&fs::read(DATA)?)?;
    let mut wanted = HashSet::<OsString>::new();
    for (hash, query) in &data {
        let name = format!("query-{hash}.json");
        let path = target.join(&name);
        let text = serde_json::to_vec_pretty(query)?;
        if fs::read(&path).ok().as_deref() != Some(&text) {
            fs::write(&path, text)?;
        }
        wanted.insert(name.into());
    }
    for entry in fs::read_dir(target)? {
        let entry = entry?;
        if !wanted.contains(&entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
