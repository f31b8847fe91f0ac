//! `~/.oci/config`: profiles, with `[DEFAULT]` inherited by all of them (OCI.md 4.7).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ini::{Ini, ParseOption};
use secrecy::SecretString;

use super::{Identity, IdentityError};
use crate::oci::region::{Region, RegionError};

/// One profile of the official CLI's configuration file.
#[derive(Clone, Debug)]
pub struct Profile {
    file: PathBuf,
    name: String,
    home: Option<PathBuf>,
    entries: Vec<(String, String)>,
}

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
    /// The file is no INI file.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What was expected.
        message: String,
    },
    /// There is no such profile.
    #[error("{} has no profile [{name}]; it has {}", path.display(), existing.join(", "))]
    NoSuchProfile {
        /// The file.
        path: PathBuf,
        /// The profile asked for.
        name: String,
        /// Those there are.
        existing: Vec<String>,
    },
    /// A key is missing.
    #[error("{} [{profile}]: `{key}` is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The profile.
        profile: String,
        /// The key.
        key: &'static str,
    },
    /// The region is none.
    #[error("{} [{profile}]", path.display())]
    Region {
        /// The file.
        path: PathBuf,
        /// The profile.
        profile: String,
        /// What is wrong with it.
        source: RegionError,
    },
    /// The private key cannot be used.
    #[error("{} [{profile}]: {}", path.display(), key_file.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The profile.
        profile: String,
        /// The key's file.
        key_file: PathBuf,
        /// What is wrong with it.
        source: IdentityError,
    },
}

impl Profile {
    /// Reads the profile `name` of the file at `path`. `home` is what `~` in its values stands for.
    pub fn read(path: &Path, name: &str, home: Option<&Path>) -> Result<Self, ProfileError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ProfileError::Unreadable { path: path.to_owned(), source })?;
        // `%` and `\` are plain characters in this file.
        let options = ParseOption { enabled_escape: false, enabled_quote: false, ..ParseOption::default() };
        let ini = Ini::load_from_str_opt(&text, options).map_err(|error| ProfileError::Syntax {
            path: path.to_owned(),
            line: error.line,
            column: error.col,
            message: error.msg.to_string(),
        })?;
        let existing: Vec<String> = ini.sections().flatten().map(|name| format!("[{name}]")).collect();
        if !existing.contains(&format!("[{name}]")) {
            return Err(ProfileError::NoSuchProfile {
                path: path.to_owned(),
                name: name.to_owned(),
                existing,
            });
        }
        // The profile's own values come first, so that they win over the inherited ones.
        let entries = [name, "DEFAULT"]
            .into_iter()
            .filter_map(|section| ini.section(Some(section)))
            .flat_map(ini::Properties::iter)
            .map(|(key, value)| (key.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Ok(Self { file: path.to_owned(), name: name.to_owned(), home: home.map(ToOwned::to_owned), entries })
    }

    /// The region that the profile names.
    pub fn region(&self) -> Result<Region, ProfileError> {
        Region::parse(self.required("region")?).map_err(|source| ProfileError::Region {
            path: self.file.clone(),
            profile: self.name.clone(),
            source,
        })
    }

    /// The tenancy's OCID.
    pub fn tenancy(&self) -> Result<&str, ProfileError> {
        self.required("tenancy")
    }

    /// The identity that the profile describes: a session token where it names one, an API key otherwise.
    pub fn identity(&self) -> Result<Identity, ProfileError> {
        let key_file = self.path_of(self.required("key_file")?);
        let pem: SecretString = read(&key_file)?.into();
        let pass_phrase: Option<SecretString> = self.value("pass_phrase").map(SecretString::from);
        let identity = match self.value("security_token_file") {
            Some(token_file) => {
                let token = read(&self.path_of(token_file))?;
                Identity::session(&token, &pem, pass_phrase.as_ref())
            }
            None => Identity::api_key(
                self.tenancy()?,
                self.required("user")?,
                self.required("fingerprint")?,
                &pem,
                pass_phrase.as_ref(),
            ),
        };
        identity.map_err(|source| ProfileError::Key {
            path: self.file.clone(),
            profile: self.name.clone(),
            key_file,
            source,
        })
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn required(&self, key: &'static str) -> Result<&str, ProfileError> {
        self.value(key).filter(|value| !value.is_empty()).ok_or_else(|| ProfileError::Missing {
            path: self.file.clone(),
            profile: self.name.clone(),
            key,
        })
    }

    fn path_of(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), &self.home) {
            (Some(below_home), Some(home)) => home.join(below_home),
            (Some(_) | None, _) => PathBuf::from(text),
        }
    }
}

fn read(path: &Path) -> Result<String, ProfileError> {
    fs::read_to_string(path).map_err(|source| ProfileError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[DEFAULT]\nuser=ocid1.user.oc1..a\ntenancy=ocid1.tenancy.oc1..t\nregion=fra\n\
                          FINGERPRINT=4c:ac:37:c9:55:72:10:cd:ca:78:79:62:57:fd:a5:33\nkey_file=~/key.pem\n\
                          [LOCKED]\nkey_file=~/locked.pem\npass_phrase=open sesame\nregion = us-luke-1\n\
                          [OTHER]\nfingerprint=00:00\n";

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("config"), CONFIG).expect("written");
        fs::write(home.path().join("key.pem"), include_str!("testdata/pkcs8.pem")).expect("written");
        fs::write(home.path().join("locked.pem"), include_str!("testdata/pkcs8_encrypted.pem"))
            .expect("written");
        home
    }

    fn read_profile(home: &Path, name: &str) -> Result<Profile, ProfileError> {
        Profile::read(&home.join("config"), name, Some(home))
    }

    #[test]
    fn a_profile_inherits_from_default_and_overrides_it() {
        let home = home();
        for (name, region) in [("DEFAULT", "eu-frankfurt-1"), ("LOCKED", "us-luke-1")] {
            let profile = read_profile(home.path(), name).expect("the profile is there");
            assert_eq!(profile.region().expect("a region").to_string(), region);
            let identity = profile.identity().expect("the key is usable");
            assert_eq!(
                identity.key_id(),
                "ocid1.tenancy.oc1..t/ocid1.user.oc1..a/4c:ac:37:c9:55:72:10:cd:ca:78:79:62:57:fd:a5:33"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let home = home();
        let missing = read_profile(home.path(), "PROD").expect_err("no such profile").to_string();
        assert!(missing.ends_with("has no profile [PROD]; it has [DEFAULT], [LOCKED], [OTHER]"), "{missing}");
        let other = read_profile(home.path(), "OTHER").expect("the profile is there");
        let mismatch = other.identity().expect_err("another key");
        let cause = std::error::Error::source(&mismatch).map(ToString::to_string).unwrap_or_default();
        assert!(mismatch.to_string().ends_with("key.pem"), "{mismatch}");
        assert!(cause.contains("fingerprint 00:00: its own is 4c:ac:37:"), "{cause}");
        fs::remove_file(home.path().join("key.pem")).expect("removed");
        let gone = other.identity().expect_err("no key").to_string();
        assert!(gone.starts_with("cannot read ") && gone.ends_with("key.pem"), "{gone}");
    }
}
