//! The sign-in settings of flags, the environment and the official CLI's own file, with precedence in that order.
//!
//! Settings are stored with a run, so that another process can sign in as the first one did. They therefore hold no secret:
//! if a variable may hold one, its value is kept only if it names a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::auth::Auth;
use super::error::AccessError;
use crate::env::Env;
use crate::oci::identity::{ProfileError, RcFile, at_home};

/// The sign-in flags of a command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Whether the endpoint may be an unencrypted one on another machine.
    pub allow_http: bool,
    /// How to sign in.
    pub auth: Option<Auth>,
    /// One base URL for every service.
    pub endpoint: Option<String>,
    /// The profile of the configuration file.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
}

/// One sign-in setting. `VARIABLES` lists the variable of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is documented by its variable")]
pub enum Setting {
    AllowHttp,
    Auth,
    CertBundle,
    ConfigFile,
    DelegationTokenFile,
    Endpoint,
    FederationEndpoint,
    Fingerprint,
    KeyContent,
    KeyFile,
    MetadataBaseUrl,
    PassPhrase,
    Profile,
    Region,
    ResourcePassPhrase,
    ResourcePrivatePem,
    ResourceRegion,
    ResourceToken,
    ResourceVersion,
    SecurityTokenFile,
    Tenancy,
    User,
}

/// The kind of a setting's value. It decides what may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// A file name, which may begin with `~`.
    Path,
    Secret,
    /// A secret, or the absolute name of a file with the secret.
    SecretOrPath,
}

/// Each variable (`cli_constants.py`, `resource_principals_signer.py`) with its setting.
const VARIABLES: [(&str, Setting, Kind); 22] = [
    ("DEPLOYCTL_ALLOW_HTTP", Setting::AllowHttp, Kind::Text),
    ("OCI_CLI_AUTH", Setting::Auth, Kind::Text),
    ("OCI_CLI_CERT_BUNDLE", Setting::CertBundle, Kind::Path),
    ("OCI_CLI_CONFIG_FILE", Setting::ConfigFile, Kind::Path),
    ("OCI_CLI_DELEGATION_TOKEN_FILE", Setting::DelegationTokenFile, Kind::Path),
    ("OCI_CLI_ENDPOINT", Setting::Endpoint, Kind::Text),
    ("OCI_CLI_FEDERATION_ENDPOINT", Setting::FederationEndpoint, Kind::Text),
    ("OCI_CLI_FINGERPRINT", Setting::Fingerprint, Kind::Text),
    ("OCI_CLI_KEY_CONTENT", Setting::KeyContent, Kind::Secret),
    ("OCI_CLI_KEY_FILE", Setting::KeyFile, Kind::Path),
    ("OCI_CLI_PASSPHRASE", Setting::PassPhrase, Kind::Secret),
    ("OCI_CLI_PROFILE", Setting::Profile, Kind::Text),
    ("OCI_CLI_REGION", Setting::Region, Kind::Text),
    ("OCI_CLI_SECURITY_TOKEN_FILE", Setting::SecurityTokenFile, Kind::Path),
    ("OCI_CLI_TENANCY", Setting::Tenancy, Kind::Text),
    ("OCI_CLI_USER", Setting::User, Kind::Text),
    ("OCI_METADATA_BASE_URL", Setting::MetadataBaseUrl, Kind::Text),
    ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", Setting::ResourcePrivatePem, Kind::SecretOrPath),
    ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE", Setting::ResourcePassPhrase, Kind::SecretOrPath),
    ("OCI_RESOURCE_PRINCIPAL_REGION", Setting::ResourceRegion, Kind::Text),
    ("OCI_RESOURCE_PRINCIPAL_RPST", Setting::ResourceToken, Kind::SecretOrPath),
    ("OCI_RESOURCE_PRINCIPAL_VERSION", Setting::ResourceVersion, Kind::Text),
];

impl Setting {
    /// The variable of this setting, and the kind of its value.
    fn variable(self) -> (&'static str, Kind) {
        let found = VARIABLES.iter().find(|(_, setting, _)| *setting == self);
        found.map(|(name, _, kind)| (*name, *kind)).expect("each setting has a variable")
    }

    /// The name of its variable.
    pub fn name(self) -> &'static str {
        self.variable().0
    }
}

/// The sign-in settings of a process, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    values: BTreeMap<Setting, String>,
    /// Variables that held a secret when the settings were gathered. A process that resumes the run must have them set too.
    secret_in: BTreeSet<Setting>,
}

impl Settings {
    /// The settings of the flags and of the environment. A flag wins over its variable.
    ///
    /// `names_credentials` says whether the deployment names its own credentials. If it does, flags still change how to sign
    /// in, but variables do not.
    pub fn given(flags: &Flags, env: &Env, names_credentials: bool) -> Self {
        let mut settings = Self::default();
        let flags = [
            (Setting::AllowHttp, flags.allow_http.then_some("true")),
            (Setting::Auth, flags.auth.map(Auth::name)),
            (Setting::Endpoint, flags.endpoint.as_deref()),
            (Setting::Profile, flags.profile.as_deref()),
            (Setting::Region, flags.region.as_deref()),
        ];
        for (setting, value) in flags {
            settings.set_if_unset(setting, value.unwrap_or_default().to_owned());
        }
        for (name, setting, kind) in VARIABLES {
            let is_for_another = setting == Setting::Auth && names_credentials;
            let Some(value) = env.get(name).filter(|_| !is_for_another) else { continue };
            match kind {
                Kind::Text => settings.set_if_unset(setting, value.to_owned()),
                Kind::Path => settings.set_if_unset(setting, absolute(value, env.home().as_deref())),
                Kind::SecretOrPath if Path::new(value).is_absolute() => {
                    settings.set_if_unset(setting, value.to_owned());
                }
                Kind::Secret | Kind::SecretOrPath => {
                    settings.secret_in.insert(setting);
                }
            }
        }
        settings
    }

    /// Fills unset settings from `others`.
    #[must_use]
    pub fn or(mut self, others: &Self) -> Self {
        for (setting, value) in &others.values {
            // A secret in this process's own variable wins over the file that another process named.
            if !self.secret_in.contains(setting) {
                self.set_if_unset(*setting, value.clone());
            }
        }
        self.secret_in.extend(others.secret_in.iter().filter(|setting| !self.values.contains_key(*setting)));
        self
    }

    /// Fills unset settings from `oci_cli_rc`.
    ///
    /// # Errors
    /// When that file exists but cannot be read.
    pub fn or_rc(mut self, env: &Env, names_credentials: bool) -> Result<Self, ProfileError> {
        let rc = RcFile::find(env.get("OCI_CLI_RC_FILE"), env.home().as_deref())?;
        if let Some(profile) = rc.default_profile() {
            self.set_if_unset(Setting::Profile, profile.to_owned());
        }
        let look_up = |name: &str| env.get(name).map(ToOwned::to_owned);
        for (option, value) in rc.defaults(self.profile(), &look_up) {
            match option {
                "auth" if names_credentials => {}
                "auth" => self.set_if_unset(Setting::Auth, value),
                "cert-bundle" => {
                    self.set_if_unset(Setting::CertBundle, absolute(&value, env.home().as_deref()));
                }
                "endpoint" => self.set_if_unset(Setting::Endpoint, value),
                _ => self.set_if_unset(Setting::Region, value),
            }
        }
        Ok(self)
    }

    /// Sets a value unless one is set; ignores empty values.
    fn set_if_unset(&mut self, setting: Setting, value: String) {
        if !value.is_empty() {
            self.values.entry(setting).or_insert(value);
        }
    }

    /// The value of a setting.
    pub fn get(&self, setting: Setting) -> Option<&str> {
        self.values.get(&setting).map(String::as_str)
    }

    pub(super) fn path(&self, setting: Setting) -> Option<PathBuf> {
        self.get(setting).map(PathBuf::from)
    }

    /// The profile's name.
    pub(super) fn profile(&self) -> &str {
        self.get(Setting::Profile).unwrap_or("DEFAULT")
    }

    /// The way to sign in, if one is named.
    pub(super) fn auth(&self) -> Result<Option<Auth>, AccessError> {
        let Some(text) = self.get(Setting::Auth) else { return Ok(None) };
        Auth::named(text).map(Some).ok_or_else(|| AccessError::UnknownAuth(text.to_owned()))
    }

    /// Whether an endpoint on another machine may be unencrypted.
    pub(super) fn allows_http(&self) -> bool {
        self.get(Setting::AllowHttp).is_some_and(|value| value != "false" && value != "0")
    }

    /// Whether the setting is set, as a value or in a variable with a secret.
    pub(super) fn has(&self, setting: Setting) -> bool {
        self.values.contains_key(&setting) || self.secret_in.contains(&setting)
    }

    /// The variable of a user's key that held a secret and is not set for this process.
    pub(super) fn missing_secret(&self, env: &Env) -> Option<&'static str> {
        let of_key = [Setting::KeyContent, Setting::PassPhrase];
        let were_there = of_key.into_iter().filter(|setting| self.secret_in.contains(setting));
        were_there.map(Setting::name).find(|name| env.get(name).is_none())
    }
}

/// The absolute form of a file name, which is the same file from every folder.
fn absolute(text: &str, home: Option<&Path>) -> String {
    let path = at_home(text, home);
    std::path::absolute(&path).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(entries: &[(&str, &str)]) -> Env {
        Env::of(entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn each_setting_has_one_variable() {
        for (name, setting, kind) in VARIABLES {
            assert_eq!(setting.variable(), (name, kind));
        }
    }

    #[test]
    fn no_secret_is_kept() {
        let secrets = [
            ("OCI_CLI_KEY_CONTENT", "-----BEGIN"),
            ("OCI_CLI_PASSPHRASE", "open sesame"),
            ("OCI_RESOURCE_PRINCIPAL_RPST", "a.b.c"),
            ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", "/run/key.pem"),
        ];
        let settings = Settings::given(&Flags::default(), &env(&secrets), false);
        let kept = serde_json::to_string(&settings).expect("JSON");
        assert_eq!(
            kept,
            r#"{"values":{"resource-private-pem":"/run/key.pem"},"secret-in":["key-content","pass-phrase","resource-token"]}"#
        );
        assert_eq!(settings.missing_secret(&env(&secrets[1..])), Some("OCI_CLI_KEY_CONTENT"));
        assert_eq!(settings.missing_secret(&env(&secrets)), None);
    }

    #[test]
    fn the_first_source_of_a_setting_wins() {
        let flags = Flags { region: Some("phx".to_owned()), ..Flags::default() };
        let now = [("OCI_CLI_REGION", "iad"), ("OCI_CLI_PROFILE", "B"), ("HOME", "/home/ann")];
        let kept = [("OCI_CLI_PROFILE", "A"), ("OCI_CLI_KEY_FILE", "~/key.pem"), ("HOME", "/home/bob")];
        let kept = Settings::given(&Flags::default(), &env(&kept), false);
        let settings = Settings::given(&flags, &env(&now), false).or(&kept);
        let said: Vec<&str> = settings.values.values().map(String::as_str).collect();
        assert_eq!(said, ["/home/bob/key.pem", "B", "phx"]);
    }

    #[test]
    fn a_variable_does_not_set_the_credentials_of_a_deployment_aside() {
        let env = env(&[("OCI_CLI_AUTH", "instance_principal")]);
        let auth = |flags: &Flags, names| Settings::given(flags, &env, names).auth().expect("known");
        assert_eq!(auth(&Flags::default(), true), None);
        assert_eq!(auth(&Flags::default(), false), Some(Auth::InstancePrincipal));
        let flag = Flags { auth: Some(Auth::SecurityToken), ..Flags::default() };
        assert_eq!(auth(&flag, true), Some(Auth::SecurityToken));
    }
}
