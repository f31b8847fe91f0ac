//! Chooses how to sign in, with the official CLI's precedence (`cli_util.py`, `build_config` and
//! `create_config_and_signer_based_on_click_context`).

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::auth::Auth;
use super::error::AccessError;
use super::notice::Notice;
use super::settings::{Setting, Settings};
use super::user_key::UserKey;
use crate::clock::Clock;
use crate::env::Env;
use crate::oci::identity::{
    Identity, InstanceOptions, InstancePrincipal, Profile, ProfileError, Source, StoredToken, at_home,
};
use crate::oci::{Endpoint, Http, Region, Regions};

/// Signs a process in, with these settings and in this environment.
pub struct SignIn<'s> {
    pub(super) settings: &'s Settings,
    pub(super) env: &'s Env,
    pub(super) clock: Clock,
    pub(super) tell: &'s (dyn Fn(Notice) + Send + Sync),
}

/// An identity, and the region of its credentials.
type Identified = (Identity, Option<Region>);

impl<'s> SignIn<'s> {
    /// Makes a sign-in that reports unusual things as soon as it knows them.
    pub const fn new(
        settings: &'s Settings,
        env: &'s Env,
        clock: Clock,
        tell: &'s (dyn Fn(Notice) + Send + Sync),
    ) -> Self {
        Self { settings, env, clock, tell }
    }

    /// Makes sure, without the cloud, that a deployment's own key can sign.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self, key: &UserKey) -> Result<(), AccessError> {
        self.user(key, &self.regions()).map(drop)
    }

    /// Signs in with the deployment's own key unless a flag says otherwise; else in the way that the settings name; else in
    /// the way for which the profile is made.
    pub(super) async fn identity(
        &self,
        key: Option<&UserKey>,
        http: &Http,
        regions: &Regions,
    ) -> Result<Identified, AccessError> {
        let auth = match (self.settings.auth()?, key) {
            (None | Some(Auth::ApiKey), Some(key)) => return self.user(key, regions),
            (auth, _) => auth,
        };
        // Some ways to sign in need no profile.
        let profile = self.profile();
        let auth = match (auth, &profile) {
            (Some(auth), _) => auth,
            (None, Ok(profile)) => auth_of(profile)?,
            (None, Err(_)) => Auth::ApiKey,
        };
        let (identity, region) = match auth {
            Auth::ApiKey => {
                let profile = profile?;
                self.tell_if_open(profile.key_file());
                (profile.api_key()?, profile.region(regions)?)
            }
            Auth::SecurityToken => self.session(&profile?, regions)?,
            Auth::InstancePrincipal => self.instance(profile.ok(), None, http, regions).await?,
            Auth::InstanceOboUser => self.on_behalf(profile?, http, regions).await?,
            Auth::ResourcePrincipal => self.resource(profile.ok(), regions)?,
        };
        identity.sign_in(self.clock).await?;
        Ok((identity, region))
    }

    /// The base URL of all services: from the settings, or from the profile that signs in.
    pub(super) fn endpoint(&self, key: Option<&UserKey>) -> Option<String> {
        if let Some(url) = self.settings.get(Setting::Endpoint) {
            return Some(url.to_owned());
        }
        let is_own = matches!(self.settings.auth(), Ok(None | Some(Auth::ApiKey)));
        if key.is_some() && is_own {
            return None;
        }
        self.profile().ok()?.endpoint().map(ToOwned::to_owned)
    }

    /// The identity of a deployment's own key.
    fn user(&self, key: &UserKey, regions: &Regions) -> Result<Identified, AccessError> {
        let pass_phrase = key.pass_phrase.as_ref();
        let identity =
            Identity::api_key(&key.tenancy, &key.user, &key.fingerprint, &key.private_key, pass_phrase)
                .map_err(|source| AccessError::UserKey { place: key.place.clone(), source })?;
        // The region of the settings wins. The key's own region need not be valid then.
        let region = match self.settings.get(Setting::Region) {
            Some(_) => None,
            None => Some(regions.parse(&key.region)?),
        };
        Ok((identity, region))
    }

    fn session(&self, profile: &Profile, regions: &Regions) -> Result<Identified, AccessError> {
        if profile.security_token_file().is_none() {
            return Err(AccessError::NoSession);
        }
        self.tell_if_open(profile.key_file());
        self.tell_if_open(profile.security_token_file());
        Ok((profile.session(self.clock)?, profile.region(regions)?))
    }

    async fn on_behalf(
        &self,
        profile: Profile,
        http: &Http,
        regions: &Regions,
    ) -> Result<Identified, AccessError> {
        let delegation_token_file = profile.delegation_token_file().ok_or(AccessError::NoDelegation)?;
        self.instance(Some(profile), Some(delegation_token_file), http, regions).await
    }

    async fn instance(
        &self,
        profile: Option<Profile>,
        delegation_token_file: Option<PathBuf>,
        http: &Http,
        regions: &Regions,
    ) -> Result<Identified, AccessError> {
        let text = |setting| self.settings.get(setting).map(ToOwned::to_owned);
        let federation = self.settings.get(Setting::FederationEndpoint).map(str::trim);
        let federation = federation.map(|url| {
            let variable = Setting::FederationEndpoint.name();
            Endpoint::parse(url, self.settings.allows_http())
                .map_err(|source| AccessError::Federation { variable, source })
        });
        let options = InstanceOptions {
            metadata_base_url: text(Setting::MetadataBaseUrl),
            federation_endpoint: federation.transpose()?,
            delegation_token_file,
        };
        let instance = InstancePrincipal::new(http.clone(), options)?;
        let has_endpoint = profile.as_ref().is_some_and(|profile| profile.endpoint().is_some());
        let region = match profile.map(|profile| profile.region(regions)).transpose()?.flatten() {
            Some(region) => Some(region),
            None if self.needs_region() && !has_endpoint => Some(instance.region().await?),
            None => None,
        };
        Ok((Identity::InstancePrincipal(Box::new(instance)), region))
    }

    fn resource(&self, profile: Option<Profile>, regions: &Regions) -> Result<Identified, AccessError> {
        let missing = |setting: Setting| AccessError::NotSet(setting.name());
        match self.settings.get(Setting::ResourceVersion) {
            Some("2.2") => {}
            Some(other) => return Err(AccessError::ResourceVersion(other.to_owned())),
            None => return Err(missing(Setting::ResourceVersion)),
        }
        let source = |setting: Setting| {
            let name = setting.name();
            match (self.env.get(name), self.settings.path(setting)) {
                (Some(text), _) if !text.is_empty() => Some(Source::of_variable(name, text)),
                (Some(_) | None, path) => path.map(Source::File),
            }
        };
        let key = source(Setting::ResourcePrivatePem).ok_or_else(|| missing(Setting::ResourcePrivatePem))?;
        // If the key is a value, so is its pass phrase (`ephemeral_resource_principals_signer.py`).
        let pass_phrase = match &key {
            Source::Value(..) => {
                let name = Setting::ResourcePassPhrase.name();
                self.env.get(name).map(|text| Source::Value(name, text.into()))
            }
            Source::File(_) => source(Setting::ResourcePassPhrase),
        };
        let stored = StoredToken {
            token: source(Setting::ResourceToken).ok_or_else(|| missing(Setting::ResourceToken))?,
            key,
            pass_phrase,
            advice: "the platform renews it in its file; one that is a value needs a new process".to_owned(),
        };
        let own = self.settings.get(Setting::ResourceRegion).map(|text| regions.parse(text));
        let region = match profile.map(|profile| profile.region(regions)).transpose()?.flatten() {
            Some(region) => Some(region),
            None => own.transpose()?,
        };
        Ok((Identity::resource_principal(stored, self.clock)?, region))
    }

    /// Whether the address of the services is still unknown.
    fn needs_region(&self) -> bool {
        !self.settings.has(Setting::Region) && !self.settings.has(Setting::Endpoint)
    }

    /// The profile, overridden by the environment. No file is read if the settings have everything that an API key needs.
    fn profile(&self) -> Result<Profile, AccessError> {
        if let Some(name) = self.settings.missing_secret(self.env) {
            return Err(AccessError::SecretGone(name));
        }
        let home = self.env.home();
        let profile = if self.unset().is_empty() {
            Profile::of_the_environment(home.as_deref())
        } else {
            let file = self.config_file()?;
            let profile = Profile::read(&file, self.settings.profile(), home.as_deref());
            match profile {
                // An instance that acts for a user needs nothing else from the file.
                Err(ProfileError::Unreadable { .. }) if self.settings.has(Setting::DelegationTokenFile) => {
                    Profile::of_the_environment(home.as_deref())
                }
                Ok(profile) => {
                    self.tell_if_open(Some(file));
                    profile
                }
                Err(error) => return Err(self.with_missing_variables(error)),
            }
        };
        Ok(self.overridden(profile))
    }

    /// The variables that must also be set before no file is needed (`is_config_valid_from_env`).
    fn unset(&self) -> Vec<&'static str> {
        let needed = [Setting::User, Setting::Tenancy, Setting::Fingerprint, Setting::Region];
        let mut missing: Vec<&str> =
            needed.into_iter().filter(|setting| !self.settings.has(*setting)).map(Setting::name).collect();
        if !self.settings.has(Setting::KeyFile) && !self.settings.has(Setting::KeyContent) {
            missing.push("OCI_CLI_KEY_FILE (or OCI_CLI_KEY_CONTENT)");
        }
        missing
    }

    /// Why there is no profile, and which variables are missing if some were set to replace it.
    fn with_missing_variables(&self, profile: ProfileError) -> AccessError {
        let has_any = [Setting::User, Setting::Tenancy, Setting::Fingerprint]
            .iter()
            .any(|setting| self.settings.has(*setting));
        if has_any { AccessError::Incomplete { profile, missing: self.unset() } } else { profile.into() }
    }

    /// Overrides the profile with variables (`OCI_CONFIG_ENV_VARS`).
    fn overridden(&self, mut profile: Profile) -> Profile {
        for (key, setting) in [
            ("delegation_token_file", Setting::DelegationTokenFile),
            ("fingerprint", Setting::Fingerprint),
            ("key_file", Setting::KeyFile),
            ("security_token_file", Setting::SecurityTokenFile),
            ("tenancy", Setting::Tenancy),
            ("user", Setting::User),
        ] {
            if let Some(value) = self.settings.get(setting) {
                profile = profile.over(key, setting.name(), value.into());
            }
        }
        for (key, setting) in [("key_content", Setting::KeyContent), ("pass_phrase", Setting::PassPhrase)] {
            if let Some(value) = self.env.get(setting.name()) {
                profile = profile.over(key, setting.name(), value.into());
            }
        }
        profile
    }

    /// The file with the profiles (`config.py`, `_get_config_path_with_fallback`).
    fn config_file(&self) -> Result<PathBuf, AccessError> {
        if let Some(file) = self.settings.path(Setting::ConfigFile) {
            return Ok(file);
        }
        let home = self.env.home();
        let usual = home.as_ref().map(|home| home.join(".oci/config"));
        let legacy = home.as_ref().map(|home| home.join(".oraclebmc/config"));
        let named = self.env.get("OCI_CONFIG_FILE").filter(|name| !name.is_empty());
        let named = named.map(|name| at_home(name, home.as_deref()));
        usual
            .clone()
            .filter(|file| file.is_file())
            .or(named)
            .or(legacy.filter(|file| file.is_file()))
            .or(usual)
            .ok_or(AccessError::NoHome)
    }

    /// Reports a file that others can read, in the same cases as the CLI (`FilePermissionChecker`). A link is followed,
    /// because its target is the file that others can read.
    fn tell_if_open(&self, file: Option<PathBuf>) {
        let is_silenced =
            self.env.get("OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING").is_some_and(|value| value == "True");
        if let Some(file) = file.filter(|file| !is_silenced && is_open(file)) {
            (self.tell)(Notice::OpenFile(file));
        }
    }
}

/// Whether anybody but the owner has any permission on the file, or the owner may execute it.
fn is_open(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o177 != 0)
}

/// The way to sign in for which a profile is made: its `authentication_type`, its session, or its API key. The SDK knows an
/// `authentication_type` only for an instance that acts for a user (`util.py`); the Go SDK also knows one for an instance
/// that acts for itself.
fn auth_of(profile: &Profile) -> Result<Auth, AccessError> {
    match profile.authentication_type() {
        Some("instance_principal") if profile.delegation_token_file().is_some() => Ok(Auth::InstanceOboUser),
        Some("instance_principal") => Ok(Auth::InstancePrincipal),
        Some("resource_principal") => Ok(Auth::ResourcePrincipal),
        Some(other) => Err(AccessError::UnknownType(other.to_owned())),
        None if profile.security_token_file().is_some() => Ok(Auth::SecurityToken),
        None => Ok(Auth::ApiKey),
    }
}
