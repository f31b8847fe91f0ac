//! `~/.oci/oci_cli_rc`: defaults of the CLI's options, by profile (`cli_root.py`, `load_default_values`).

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::ini::Ini;
use super::profile::{ProfileError, at_home, read_ini};

/// The options that matter here and that the file can set (`load_context_obj_values_from_defaults`).
const OPTIONS: [&str; 4] = ["auth", "cert-bundle", "endpoint", "region"];

/// The content of the file.
#[derive(Clone, Debug, Default)]
pub struct RcFile {
    ini: Option<Ini>,
}

impl RcFile {
    /// Reads the first file that exists: the one in `OCI_CLI_RC_FILE`, the default one, or that of older versions. The CLI
    /// documents this order; its code looks at the default file first.
    pub fn find(named: Option<&str>, home: Option<&Path>) -> Result<Self, ProfileError> {
        let candidates = [named, Some("~/.oci/oci_cli_rc"), Some("~/.oci/cli-defaults")];
        let found =
            candidates.into_iter().flatten().map(|text| at_home(text, home)).find(|path| path.exists());
        Ok(Self { ini: found.map(|path| read_ini(&path)).transpose()? })
    }

    /// The profile that is used if none is named.
    pub fn default_profile(&self) -> Option<&str> {
        let name = self.ini.as_ref()?.own("OCI_CLI_SETTINGS", "default_profile")?;
        Some(name.expose_secret()).filter(|name| !name.is_empty())
    }

    /// The defaults for a user of `profile`. A variable in a value is read from the environment.
    pub fn defaults(
        &self,
        profile: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<(&'static str, String)> {
        let Some(ini) = self.ini.as_ref().filter(|ini| ini.names().any(|name| name == profile)) else {
            return Vec::new();
        };
        let entries: Vec<(String, SecretString)> = ini.inherited(profile);
        OPTIONS
            .into_iter()
            .filter_map(|option| {
                let (_, value) = entries.iter().find(|(key, _)| key == option)?;
                Some((option, expanded(value.expose_secret(), env)))
            })
            .collect()
    }
}

/// Replaces `$NAME` and `${NAME}` in `text`. Unset variables stay as they are (Python's `expandvars`).
fn expanded(text: &str, env: &dyn Fn(&str) -> Option<String>) -> String {
    let mut parts = text.split('$');
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let bare = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let (name, rest) = match part.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, rest)) => (name, rest),
            None => part.split_at(part.find(bare).unwrap_or(part.len())),
        };
        match env(name) {
            Some(value) => {
                expanded.push_str(&value);
                expanded.push_str(rest);
            }
            None => {
                expanded.push('$');
                expanded.push_str(part);
            }
        }
    }
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_profile() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("rc");
        let text = "[OCI_CLI_SETTINGS]\ndefault_profile = OPS\n[DEFAULT]\nregion=fra\n[OPS]\nauth=security_token\n\
                    cert-bundle=$HOME/ca.pem\noutput=table\n";
        std::fs::write(&file, text).expect("written");
        let rc = RcFile::find(file.to_str(), None).expect("readable");
        assert_eq!(rc.default_profile(), Some("OPS"));
        let env = |name: &str| (name == "HOME").then(|| "/home/ann".to_owned());
        let expected = [("auth", "security_token"), ("cert-bundle", "/home/ann/ca.pem"), ("region", "fra")];
        assert_eq!(rc.defaults("OPS", &env), expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(rc.defaults("DEFAULT", &env), [("region", "fra".to_owned())]);
        assert_eq!(rc.defaults("NONE", &env), []);
        assert_eq!(expanded("a$B-${HOME}x$", &env), "a$B-/home/annx$");
    }

    #[test]
    fn no_file_says_nothing() {
        let rc = RcFile::find(Some("/nowhere/rc"), None).expect("none is no error");
        assert_eq!((rc.default_profile(), rc.defaults("DEFAULT", &|_| None)), (None, Vec::new()));
    }
}
