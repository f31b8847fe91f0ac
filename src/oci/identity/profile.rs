//! `~/.oci/config`: profiles, which all inherit from `[DEFAULT]`, and variables of the environment, which win (docs/oci.md
//! 4.7).

mod error;

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::ini::Ini;
use super::ocid::is_ocid;
use super::signatory::Identity;
use super::stored_token::{Source, StoredToken};
use crate::clock::Clock;
use crate::file::read_text;
use crate::oci::region::{Region, Regions};
pub use error::ProfileError;

/// A profile of the official CLI's configuration file, or its substitute from the environment.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The file and the profile, for messages.
    origin: String,
    name: String,
    home: Option<PathBuf>,
    entries: Vec<Entry>,
}

/// The value of a key in a profile. It may be a pass phrase.
#[derive(Clone, Debug)]
struct Entry {
    key: String,
    value: SecretString,
    /// The variable that set the value, if the file did not.
    variable: Option<&'static str>,
}

impl Profile {
    /// Reads the profile `name` of the file at `path`. `home` replaces `~` in its values.
    pub fn read(path: &Path, name: &str, home: Option<&Path>) -> Result<Self, ProfileError> {
        let ini = read_ini(path)?;
        let existing: Vec<String> = ini.names().map(|name| format!("[{name}]")).collect();
        if !existing.contains(&format!("[{name}]")) {
            return Err(ProfileError::NoSuchProfile {
                path: path.to_owned(),
                name: name.to_owned(),
                existing,
            });
        }
        let origin = format!("{} [{name}]", path.display());
        let entries: Vec<Entry> = ini
            .inherited(name)
            .into_iter()
            .map(|(key, value)| Entry { key, value, variable: None })
            .collect();
        if entries.iter().any(|entry| entry.key == "key_content") {
            return Err(ProfileError::KeyContent { origin });
        }
        Ok(Self { origin, name: name.to_owned(), home: home.map(ToOwned::to_owned), entries })
    }

    /// A profile that is entirely in the environment.
    pub fn of_the_environment(home: Option<&Path>) -> Self {
        Self {
            origin: "the environment".to_owned(),
            name: "DEFAULT".to_owned(),
            home: home.map(ToOwned::to_owned),
            entries: Vec::new(),
        }
    }

    /// Overrides the file's value of `key` with the `value` of a variable.
    #[must_use]
    pub fn over(mut self, key: &str, variable: &'static str, value: SecretString) -> Self {
        self.entries.insert(0, Entry { key: key.to_owned(), value, variable: Some(variable) });
        self
    }

    /// The region in the profile, if it has one.
    pub fn region(&self, regions: &Regions) -> Result<Option<Region>, ProfileError> {
        self.value("region")
            .map(|text| regions.parse(text))
            .transpose()
            .map_err(|source| ProfileError::Region { origin: self.origin.clone(), source })
    }

    /// The base URL of every service, if the profile is made for one, as a sandbox's is. Its key must not be sent elsewhere.
    pub fn endpoint(&self) -> Option<&str> {
        self.value("endpoint")
    }

    /// The way to sign in, if the profile names it (`authentication_type`).
    pub fn authentication_type(&self) -> Option<&str> {
        self.value("authentication_type")
    }

    /// The file with the token of a session, if the profile is a session's.
    pub fn security_token_file(&self) -> Option<PathBuf> {
        self.value("security_token_file").map(|text| self.path_of(text))
    }

    /// The file with the token of a user for whom an instance acts.
    pub fn delegation_token_file(&self) -> Option<PathBuf> {
        self.value("delegation_token_file").map(|text| self.path_of(text))
    }

    /// The file with the private key, unless the key itself is in the environment.
    pub fn key_file(&self) -> Option<PathBuf> {
        match self.value("key_content") {
            Some(_) => None,
            None => self.value("key_file").map(|text| self.path_of(text)),
        }
    }

    /// The identity of the user whose API key the profile describes.
    pub fn api_key(&self) -> Result<Identity, ProfileError> {
        // A malformed value is reported before missing ones are looked for.
        for key in ["tenancy", "user"] {
            if self.value(key).is_some() {
                self.ocid(key)?;
            }
        }
        let key = self.key()?;
        let (place, pem) = match key {
            Source::Value(name, pem) => (name.to_owned(), pem),
            Source::File(path) => (path.display().to_string(), self.key_in(&path)?),
        };
        let tenancy = self.ocid("tenancy")?;
        let user = self.ocid("user")?;
        let fingerprint = self.required("fingerprint")?;
        let identity = Identity::api_key(tenancy, user, fingerprint, &pem, self.secret("pass_phrase"));
        let unused = self
            .security_token_file()
            .map(|path| format!("the security token of {} is not used with an API key", path.display()));
        match identity {
            Ok(Identity::ApiKey { signing, .. }) => Ok(Identity::ApiKey { signing, advice: unused }),
            Ok(other) => Ok(other),
            Err(source) => Err(ProfileError::Key { origin: self.origin.clone(), place, source }),
        }
    }

    /// The identity of the session whose token the profile names.
    pub fn session(&self, clock: Clock) -> Result<Identity, ProfileError> {
        let token = Source::File(self.path_of(self.required("security_token_file")?));
        let phrase = self.secret("pass_phrase").cloned();
        let stored = StoredToken {
            token,
            key: self.key()?,
            pass_phrase: phrase.map(|phrase| Source::Value("pass_phrase", phrase)),
            advice: format!(
                "`oci session refresh --profile {0}` renews a session, and `oci session authenticate --profile-name {0}` begins one",
                self.name
            ),
        };
        Identity::session(stored, clock)
            .map_err(|source| ProfileError::Session { origin: self.origin.clone(), source })
    }

    /// The key. Its content from the environment wins over a file (`signer.py`).
    fn key(&self) -> Result<Source, ProfileError> {
        match self.secret("key_content") {
            Some(pem) => Ok(Source::Value("OCI_CLI_KEY_CONTENT", pem.clone())),
            None => Ok(Source::File(self.path_of(self.required("key_file")?))),
        }
    }

    /// The text of the private key file.
    fn key_in(&self, path: &Path) -> Result<SecretString, ProfileError> {
        match read_text(path) {
            Ok(pem) => Ok(pem.as_str().into()),
            Err(source) => {
                Err(ProfileError::KeyFile { said: self.said("key_file"), path: path.to_owned(), source })
            }
        }
    }

    /// The place that set a key, for messages.
    fn said(&self, key: &str) -> String {
        match self.entries.iter().find(|entry| entry.key == key).and_then(|entry| entry.variable) {
            Some(variable) => variable.to_owned(),
            None => format!("{}: `{key}`", self.origin),
        }
    }

    fn secret(&self, key: &str) -> Option<&SecretString> {
        let found = self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        found.filter(|value| !value.expose_secret().is_empty())
    }

    /// An OCID, checked as the SDK does (`config.py`, `PATTERNS`).
    fn ocid(&self, key: &'static str) -> Result<&str, ProfileError> {
        let text = self.required(key)?;
        if is_ocid(text) {
            Ok(text)
        } else {
            Err(ProfileError::Malformed { said: self.said(key), kind: key })
        }
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.secret(key).map(ExposeSecret::expose_secret)
    }

    fn required(&self, key: &'static str) -> Result<&str, ProfileError> {
        self.value(key).ok_or_else(|| ProfileError::Missing { origin: self.origin.clone(), key })
    }

    fn path_of(&self, text: &str) -> PathBuf {
        at_home(text, self.home.as_deref())
    }
}

/// A path in which `~` stands for the home folder.
pub fn at_home(text: &str, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), home) {
        (Some(below_home), Some(home)) => home.join(below_home),
        (Some(_) | None, _) => PathBuf::from(text),
    }
}

/// A file in the format of Python's `configparser` without interpolation.
pub(super) fn read_ini(path: &Path) -> Result<Ini, ProfileError> {
    Ini::read(&read(path)?).map_err(|fault| ProfileError::Syntax {
        path: path.to_owned(),
        line: fault.line,
        message: fault.message,
    })
}

/// The text of a file that contains secrets.
fn read(path: &Path) -> Result<Zeroizing<String>, ProfileError> {
    read_text(path).map_err(|source| ProfileError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;

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
            assert_eq!(
                profile.region(&Regions::default()).expect("a region").map(|it| it.to_string()).as_deref(),
                Some(region)
            );
            let Ok(Identity::ApiKey { signing, .. }) = profile.api_key() else { panic!("the key is usable") };
            assert_eq!(
                signing.key_id(),
                "ocid1.tenancy.oc1..t/ocid1.user.oc1..a/4c:ac:37:c9:55:72:10:cd:ca:78:79:62:57:fd:a5:33"
            );
        }
    }

    #[test]
    fn the_environment_wins_and_can_be_all_there_is() {
        let home = home();
        let of_file = read_profile(home.path(), "DEFAULT").expect("the profile is there");
        let over = of_file.over("region", "OCI_CLI_REGION", "phx".into());
        assert_eq!(
            over.region(&Regions::default()).expect("a region").map(|it| it.to_string()).as_deref(),
            Some("us-phoenix-1")
        );
        let mut profile = Profile::of_the_environment(None);
        assert_eq!(
            profile.api_key().expect_err("nothing").to_string(),
            "the environment: `key_file` is missing"
        );
        for (key, value) in [
            ("tenancy", "ocid1.tenancy.oc1..t"),
            ("user", "ocid1.user.oc1..u"),
            ("fingerprint", include_str!("testdata/fingerprint.txt").trim()),
            ("key_content", include_str!("testdata/pkcs8_encrypted.pem")),
            ("pass_phrase", "open sesame"),
        ] {
            profile = profile.over(key, "OCI_CLI_X", value.into());
        }
        profile.api_key().expect("the key is usable");
        let debug = format!("{profile:?}");
        assert!(!debug.contains("sesame") && !debug.contains("BEGIN"), "{debug}");
    }

    #[test]
    fn a_key_in_the_file_itself_is_refused() {
        let home = home();
        fs::write(home.path().join("config"), "[DEFAULT]\nkey_content=x\n").expect("written");
        let refused = read_profile(home.path(), "DEFAULT").expect_err("forbidden").to_string();
        assert!(refused.ends_with("config [DEFAULT]: `key_content` may not be in a file: name a `key_file`"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let home = home();
        let missing = read_profile(home.path(), "PROD").expect_err("no such profile").to_string();
        assert!(missing.ends_with("has no profile [PROD]; it has [DEFAULT], [LOCKED], [OTHER]"), "{missing}");
        let other = read_profile(home.path(), "OTHER").expect("the profile is there");
        let mismatch = other.api_key().expect_err("another key");
        let cause = std::error::Error::source(&mismatch).map(ToString::to_string).unwrap_or_default();
        assert!(mismatch.to_string().ends_with("key.pem"), "{mismatch}");
        assert!(cause.contains("fingerprint 00:00: its own is 4c:ac:37:"), "{cause}");
        let endless = Profile::read(Path::new("/dev/zero"), "DEFAULT", None).expect_err("no end");
        let cause = std::error::Error::source(&endless).map(ToString::to_string).unwrap_or_default();
        assert_eq!(cause, "it is a device, and not a regular file");
        fs::remove_file(home.path().join("key.pem")).expect("removed");
        let gone = other.api_key().expect_err("no key").to_string();
        assert!(
            gone.contains("config [OTHER]: `key_file` names ") && gone.contains("key.pem, which"),
            "{gone}"
        );
    }

    #[test]
    fn a_file_without_profiles_is_said_to_have_none() {
        let home = home();
        for (text, expected) in [
            (
                "",
                "has no profile [DEFAULT]; it has no profile at all: one begins with a line such as [DEFAULT]",
            ),
            ("# later\n", "it has no profile at all"),
            ("user=x\n", "config:1: expected a profile's header such as [DEFAULT] before anything else"),
            ("\u{feff}[DEFAULT]\nuser=x\n", "config:1: the file begins with a byte order mark"),
            ("[DEFAULT]\nuser=x\nuser=y\n", "config:3: `user` is there twice in the profile [DEFAULT]"),
            ("[DEFAULT]\nuser\n", "config:2: expected `key=value`, and there is neither `=` nor `:`"),
        ] {
            fs::write(home.path().join("config"), text).expect("written");
            let refused = read_profile(home.path(), "DEFAULT").expect_err(text).to_string();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }

    #[test]
    fn a_user_that_is_no_ocid_is_malformed_as_the_sdk_says() {
        let home = home();
        for user in [
            "<user_ocid>",
            "ocid1.user.oc1..a # me",
            "ann",
            "ocid1.user.oc1",
            "ocid1.user.oc1..",
            "\u{e9}.a.b.c.d",
        ] {
            let text = CONFIG.replace("user=ocid1.user.oc1..a\n", &format!("user={user}\n"));
            fs::write(home.path().join("config"), text).expect("written");
            let profile = read_profile(home.path(), "DEFAULT").expect("the profile is there");
            let refused = profile.api_key().expect_err(user).to_string();
            assert!(
                refused.contains("config [DEFAULT]: `user` is malformed") && !refused.contains("# me"),
                "{refused}"
            );
            let over =
                profile.over("user", "OCI_CLI_USER", user.into()).api_key().expect_err(user).to_string();
            assert!(over.starts_with("OCI_CLI_USER is malformed"), "{over}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 128, ..Default::default() })]

        #[test]
        fn any_file_is_a_profile_or_an_error(text in "([\\[\\]=#;:a-zA-Z%~/\"' \\\\-]|\n|\\PC){0,120}") {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("config");
            fs::write(&file, format!("[DEFAULT]\n{text}")).expect("written");
            drop(Profile::read(&file, "DEFAULT", Some(folder.path())));
            fs::write(&file, text).expect("written");
            drop(Profile::read(&file, "DEFAULT", Some(folder.path())));
        }
    }
}
