//! Why a profile cannot be used. It reveals no secrets.

use std::io;
use std::path::PathBuf;

use crate::oci::identity::{IdentityError, SignInError};
use crate::oci::region::RegionError;

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not an INI file.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was expected.
        message: String,
    },
    /// There is no such profile.
    #[error("{} has no profile [{name}]; {}", path.display(), those(existing))]
    NoSuchProfile {
        /// The file.
        path: PathBuf,
        /// The profile asked for.
        name: String,
        /// The profiles that exist.
        existing: Vec<String>,
    },
    /// A key is missing.
    #[error("{origin}: `{key}` is missing")]
    Missing {
        /// The file and the profile.
        origin: String,
        /// The key.
        key: &'static str,
    },
    /// The file holds a private key, which the SDK forbids.
    #[error("{origin}: `key_content` may not be in a file: name a `key_file`")]
    KeyContent {
        /// The file and the profile.
        origin: String,
    },
    /// A value that must be an OCID is not one. The message does not repeat the value, which may be anything.
    #[error("{said} is malformed: expected an OCID such as ocid1.{kind}.oc1..aaaa, with nothing after it")]
    Malformed {
        /// The place that set it.
        said: String,
        /// The kind of resource that it should name.
        kind: &'static str,
    },
    /// The file with the private key cannot be read.
    #[error("{said} names {}, which cannot be read", path.display())]
    KeyFile {
        /// The place that names the file.
        said: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The region is not valid.
    #[error("{origin}")]
    Region {
        /// The file and the profile.
        origin: String,
        /// What is wrong with it.
        source: RegionError,
    },
    /// The private key cannot be used.
    #[error("{origin}: {place}")]
    Key {
        /// The file and the profile.
        origin: String,
        /// The key's file.
        place: String,
        /// What is wrong with it.
        source: IdentityError,
    },
    /// The session cannot be used.
    #[error("{origin}")]
    Session {
        /// The file and the profile.
        origin: String,
        /// What is wrong with it.
        source: SignInError,
    },
}

/// Lists the profiles that a file has instead of the missing one.
fn those(existing: &[String]) -> String {
    match existing {
        [] => "it has no profile at all: one begins with a line such as [DEFAULT]".to_owned(),
        existing => format!("it has {}", existing.join(", ")),
    }
}
