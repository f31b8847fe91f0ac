//! What says how to sign in, gathered from flags, the environment and the CLI's own file, in that order.
//!
//! It is kept with a run, so that another process can sign in as the first one did, and therefore holds no secret: a
//! variable that may hold one is kept only where it names a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use serde::{Deserialize, Serialize};

use super::args::{Auth, Global};
use super::env::Env;
use super::problem::Report;
use crate::oci::identity::{RcFile, at_home};

/// One thing that can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Setting {
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

/// What the value of a setting is, which decides what may be kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// The name of a file, which `~` may begin.
    Path,
    Secret,
    /// A secret, or the absolute name of a file with it.
    SecretOrPath,
}

/// Each variable (`cli_constants.py`, `resource_principals_signer.py`), and what it says.
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
    /// The variable that says it, and what its value is.
    fn variable(self) -> (&'static str, Kind) {
        let found = VARIABLES.iter().find(|(_, setting, _)| *setting == self);
        found.map(|(name, _, kind)| (*name, *kind)).expect("each setting has a variable")
    }

    /// The name of the variable that says it.
    pub(super) fn name(self) -> &'static str {
        self.variable().0
    }
}

/// What is said of how to sign in, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Settings {
    values: BTreeMap<Setting, String>,
    /// Variables that held a secret when this was gathered: who goes on must have them too.
    secret_in: BTreeSet<Setting>,
}

impl Settings {
    /// What the flags and the environment say. The flag wins over the variable.
    ///
    /// `names_credentials` is whether the deployment names its own: then a mere variable does not change how to
    /// sign in, but a flag does.
    pub(super) fn given(global: &Global, env: &Env, names_credentials: bool) -> Self {
        let mut settings = Self::default();
        let flags = [
            (Setting::AllowHttp, global.allow_http.then(|| "true".to_owned())),
            (Setting::Auth, global.auth.map(Auth::name)),
            (Setting::Endpoint, global.endpoint.clone()),
            (Setting::Profile, global.profile.clone()),
            (Setting::Region, global.region.clone()),
        ];
        for (setting, value) in flags {
            settings.say(setting, value.unwrap_or_default());
        }
        for (name, setting, kind) in VARIABLES {
            let is_for_another = setting == Setting::Auth && names_credentials;
            let Some(value) = env.get(name).filter(|_| !is_for_another) else { continue };
            match kind {
                Kind::Text => settings.say(setting, value.to_owned()),
                Kind::Path => settings.say(setting, absolute(value, env.home().as_deref())),
                Kind::SecretOrPath if Path::new(value).is_absolute() => {
                    settings.say(setting, value.to_owned());
                }
                Kind::Secret | Kind::SecretOrPath => {
                    settings.secret_in.insert(setting);
                }
            }
        }
        settings
    }

    /// The same, with what `others` say where nothing was said.
    #[must_use]
    pub(super) fn or(mut self, others: &Self) -> Self {
        for (setting, value) in &others.values {
            // The secret that this process has wins over the file that the other one had.
            if !self.secret_in.contains(setting) {
                self.say(*setting, value.clone());
            }
        }
        self.secret_in.extend(others.secret_in.iter().filter(|setting| !self.values.contains_key(*setting)));
        self
    }

    /// The same, with the defaults of `oci_cli_rc` where nothing was said.
    pub(super) fn or_rc(mut self, env: &Env, names_credentials: bool) -> Result<Self, Report> {
        let rc = RcFile::find(env.get("OCI_CLI_RC_FILE"), env.home().as_deref())?;
        if let Some(profile) = rc.default_profile() {
            self.say(Setting::Profile, profile.to_owned());
        }
        let look_up = |name: &str| env.get(name).map(ToOwned::to_owned);
        for (option, value) in rc.defaults(self.profile(), &look_up) {
            match option {
                "auth" if names_credentials => {}
                "auth" => self.say(Setting::Auth, value),
                "cert-bundle" => self.say(Setting::CertBundle, absolute(&value, env.home().as_deref())),
                "endpoint" => self.say(Setting::Endpoint, value),
                _ => self.say(Setting::Region, value),
            }
        }
        Ok(self)
    }

    /// Says it unless it was said before; an empty text says nothing.
    fn say(&mut self, setting: Setting, value: String) {
        if !value.is_empty() {
            self.values.entry(setting).or_insert(value);
        }
    }

    pub(super) fn get(&self, setting: Setting) -> Option<&str> {
        self.values.get(&setting).map(String::as_str)
    }

    pub(super) fn path(&self, setting: Setting) -> Option<PathBuf> {
        self.get(setting).map(PathBuf::from)
    }

    /// The profile's name.
    pub(super) fn profile(&self) -> &str {
        self.get(Setting::Profile).unwrap_or("DEFAULT")
    }

    /// How to sign in, when that is said.
    pub(super) fn auth(&self) -> Result<Option<Auth>, Report> {
        let Some(text) = self.get(Setting::Auth) else { return Ok(None) };
        Auth::from_str(text, false).map(Some).map_err(|_| {
            Report::usage(format!("cannot sign in by `{text}`: expected one of {}", Auth::names()))
                .hint("--auth, OCI_CLI_AUTH, and `auth` in oci_cli_rc say it")
        })
    }

    /// Whether an endpoint on another machine may be one without encryption.
    pub(super) fn allows_http(&self) -> bool {
        self.get(Setting::AllowHttp).is_some_and(|value| value != "false" && value != "0")
    }

    /// Whether the setting is said, as a value or in a variable with a secret.
    pub(super) fn has(&self, setting: Setting) -> bool {
        self.values.contains_key(&setting) || self.secret_in.contains(&setting)
    }

    /// The variable of a user's key that held a secret and is not there for this process.
    pub(super) fn missing_secret(&self, env: &Env) -> Option<&'static str> {
        let of_key = [Setting::KeyContent, Setting::PassPhrase];
        let were_there = of_key.into_iter().filter(|setting| self.secret_in.contains(setting));
        were_there.map(Setting::name).find(|name| env.get(name).is_none())
    }
}

/// A file's name that means the same from every folder.
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
        let settings = Settings::given(&Global::default(), &env(&secrets), false);
        let kept = serde_json::to_string(&settings).expect("JSON");
        assert_eq!(
            kept,
            r#"{"values":{"resource-private-pem":"/run/key.pem"},"secret-in":["key-content","pass-phrase","resource-token"]}"#
        );
        assert_eq!(settings.missing_secret(&env(&secrets[1..])), Some("OCI_CLI_KEY_CONTENT"));
        assert_eq!(settings.missing_secret(&env(&secrets)), None);
    }

    #[test]
    fn who_said_it_first_is_believed() {
        let flags = Global { region: Some("phx".to_owned()), ..Global::default() };
        let now = [("OCI_CLI_REGION", "iad"), ("OCI_CLI_PROFILE", "B"), ("HOME", "/home/ann")];
        let kept = [("OCI_CLI_PROFILE", "A"), ("OCI_CLI_KEY_FILE", "~/key.pem"), ("HOME", "/home/bob")];
        let kept = Settings::given(&Global::default(), &env(&kept), false);
        let settings = Settings::given(&flags, &env(&now), false).or(&kept);
        let said: Vec<&str> = settings.values.values().map(String::as_str).collect();
        assert_eq!(said, ["/home/bob/key.pem", "B", "phx"]);
    }

    #[test]
    fn a_variable_does_not_set_the_credentials_of_a_deployment_aside() {
        let env = env(&[("OCI_CLI_AUTH", "instance_principal")]);
        let auth = |global: &Global, names| Settings::given(global, &env, names).auth().expect("known");
        assert_eq!(auth(&Global::default(), true), None);
        assert_eq!(auth(&Global::default(), false), Some(Auth::InstancePrincipal));
        let flag = Global { auth: Some(Auth::SecurityToken), ..Global::default() };
        assert_eq!(auth(&flag, true), Some(Auth::SecurityToken));
    }
}
