//! From what is said of how to sign in to an identity, in the order of the official CLI (`cli_util.py`, `build_config`
//! and `create_config_and_signer_based_on_click_context`).

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::args::Auth;
use super::env::Env;
use super::problem::Report;
use super::settings::{Setting, Settings};
use super::ui::Ui;
use crate::clock::Clock;
use crate::config::Credentials;
use crate::oci::identity::{
    Identity, InstanceOptions, InstancePrincipal, Profile, ProfileError, Source, StoredToken, at_home,
};
use crate::oci::{Endpoint, Http, Region, Regions};

/// What this process needs to sign in.
pub(super) struct SignIn<'s> {
    pub(super) settings: &'s Settings,
    pub(super) env: &'s Env,
    pub(super) ui: &'s Ui,
    pub(super) clock: Clock,
    pub(super) http: &'s Http,
    pub(super) regions: &'s Regions,
}

/// The profile, or why there is none, which is no matter to who needs none.
type Found = Result<Profile, Report>;

impl SignIn<'_> {
    /// Signs in: by the deployment's own credentials unless a flag says otherwise, by the way that is said, or by the
    /// one that the profile is made for. With the region that the credentials are of.
    pub(super) async fn identity(
        &self,
        credentials: Option<&Credentials>,
    ) -> Result<(Identity, Option<Region>), Report> {
        let auth = match (self.settings.auth()?, credentials) {
            (None | Some(Auth::ApiKey), Some(credentials)) => return self.credentials(credentials),
            (auth, _) => auth,
        };
        let profile = self.profile();
        let auth = match (auth, &profile) {
            (Some(auth), _) => auth,
            (None, Ok(profile)) => auth_of(profile)?,
            (None, Err(_)) => Auth::ApiKey,
        };
        let (identity, region) = match auth {
            Auth::ApiKey => {
                let profile = profile?;
                self.warn_of_open(profile.key_file());
                (profile.api_key()?, profile.region(self.regions)?)
            }
            Auth::SecurityToken => self.session(&profile?)?,
            Auth::InstancePrincipal => self.instance(profile.ok(), None).await?,
            Auth::InstanceOboUser => self.on_behalf(profile?).await?,
            Auth::ResourcePrincipal => self.resource(profile.ok())?,
        };
        identity.sign_in(self.clock).await?;
        Ok((identity, region))
    }

    /// Where all services are: as it is said, or as the profile says that is signed in with.
    pub(super) fn endpoint(&self, credentials: Option<&Credentials>) -> Option<String> {
        if let Some(said) = self.settings.get(Setting::Endpoint) {
            return Some(said.to_owned());
        }
        let is_own = matches!(self.settings.auth(), Ok(None | Some(Auth::ApiKey)));
        if credentials.is_some() && is_own {
            return None;
        }
        self.profile().ok()?.endpoint().map(ToOwned::to_owned)
    }

    /// The identity of the deployment's own credentials, without the cloud.
    pub(super) fn credentials(
        &self,
        credentials: &Credentials,
    ) -> Result<(Identity, Option<Region>), Report> {
        let identity = Identity::api_key(
            &credentials.tenancy,
            &credentials.user,
            &credentials.fingerprint,
            &credentials.private_key,
            credentials.pass_phrase.as_ref(),
        )
        .map_err(|error| {
            let place = &credentials.place;
            let report = Report::from(error);
            Report { message: format!("{place}: private-key: {}", report.message), ..report }
        })?;
        // A region that was said elsewhere wins: this one need not be any.
        let region = match self.settings.get(Setting::Region) {
            Some(_) => None,
            None => Some(self.regions.parse(&credentials.region)?),
        };
        Ok((identity, region))
    }

    fn session(&self, profile: &Profile) -> Result<(Identity, Option<Region>), Report> {
        if profile.security_token_file().is_none() {
            return Err(Report::usage("--auth security_token, but the profile names no security_token_file")
                .hint("`oci session authenticate` makes a profile that does"));
        }
        self.warn_of_open(profile.key_file());
        self.warn_of_open(profile.security_token_file());
        Ok((profile.session(self.clock)?, profile.region(self.regions)?))
    }

    async fn on_behalf(&self, profile: Profile) -> Result<(Identity, Option<Region>), Report> {
        let Some(delegation_token_file) = profile.delegation_token_file() else {
            return Err(Report::usage(
                "there is no delegation_token_file: on whose behalf is the instance to act?",
            )
            .hint("name it in the profile, or in OCI_CLI_DELEGATION_TOKEN_FILE"));
        };
        self.instance(Some(profile), Some(delegation_token_file)).await
    }

    async fn instance(
        &self,
        profile: Option<Profile>,
        delegation_token_file: Option<PathBuf>,
    ) -> Result<(Identity, Option<Region>), Report> {
        let text = |setting| self.settings.get(setting).map(ToOwned::to_owned);
        let federation = self.settings.get(Setting::FederationEndpoint).map(str::trim);
        let federation = federation.map(|url| {
            Endpoint::parse(url, self.settings.allows_http()).map_err(|error| {
                let report = Report::from(error);
                let message = format!("{}: {}", Setting::FederationEndpoint.name(), report.message);
                Report { message, ..report }.hint("nothing was sent")
            })
        });
        let options = InstanceOptions {
            metadata_base_url: text(Setting::MetadataBaseUrl),
            federation_endpoint: federation.transpose()?,
            delegation_token_file,
        };
        let instance = InstancePrincipal::new(self.http.clone(), options)?;
        let has_endpoint = profile.as_ref().is_some_and(|profile| profile.endpoint().is_some());
        let region = match profile.map(|profile| profile.region(self.regions)).transpose()?.flatten() {
            Some(region) => Some(region),
            None if self.needs_region() && !has_endpoint => Some(instance.region().await?),
            None => None,
        };
        Ok((Identity::InstancePrincipal(Box::new(instance)), region))
    }

    fn resource(&self, profile: Option<Profile>) -> Result<(Identity, Option<Region>), Report> {
        let missing = |setting: Setting| {
            Report::usage(format!("{} is not set", setting.name())).hint(
                "resource principals are there for container instances and functions of a dynamic group",
            )
        };
        match self.settings.get(Setting::ResourceVersion) {
            Some("2.2") => {}
            Some(other) => {
                return Err(Report::usage(format!(
                    "OCI_RESOURCE_PRINCIPAL_VERSION is `{other}`: deployctl knows resource principals of version 2.2 alone"
                ))
                .hint("sign in by another --auth"));
            }
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
        // The phrase of a key that is a value is one too (`ephemeral_resource_principals_signer.py`).
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
        let own = self.settings.get(Setting::ResourceRegion).map(|text| self.regions.parse(text));
        let region = match profile.map(|profile| profile.region(self.regions)).transpose()?.flatten() {
            Some(region) => Some(region),
            None => own.transpose()?,
        };
        Ok((Identity::resource_principal(stored, self.clock)?, region))
    }

    /// Whether nothing yet says where the services are.
    fn needs_region(&self) -> bool {
        !self.settings.has(Setting::Region) && !self.settings.has(Setting::Endpoint)
    }

    /// The profile with the environment over it; without a file when all that an API key needs is said.
    fn profile(&self) -> Found {
        if let Some(name) = self.settings.missing_secret(self.env) {
            return Err(Report::usage(format!("{name} was set when the run was started, and is not now"))
                .hint("set it again: what it holds is secret and is not kept with the run"));
        }
        let home = self.env.home();
        let profile = if self.is_all_said() {
            Profile::of_the_environment(home.as_deref())
        } else {
            let file = self.config_file()?;
            let profile = Profile::read(&file, self.settings.profile(), home.as_deref());
            match profile {
                // Only who acts on behalf of a user needs nothing else of it.
                Err(ProfileError::Unreadable { .. }) if self.settings.has(Setting::DelegationTokenFile) => {
                    Profile::of_the_environment(home.as_deref())
                }
                Ok(profile) => {
                    self.warn_of_open(Some(file));
                    profile
                }
                Err(error) => return Err(self.with_missing_variables(error.into())),
            }
        };
        Ok(self.overridden(profile))
    }

    /// What the CLI asks for before it does without its file (`is_config_valid_from_env`).
    fn is_all_said(&self) -> bool {
        self.unsaid().is_empty()
    }

    /// The variables that are missing before no file is needed.
    fn unsaid(&self) -> Vec<&'static str> {
        let needed = [Setting::User, Setting::Tenancy, Setting::Fingerprint, Setting::Region];
        let mut missing: Vec<&str> =
            needed.into_iter().filter(|setting| !self.settings.has(*setting)).map(Setting::name).collect();
        if !self.settings.has(Setting::KeyFile) && !self.settings.has(Setting::KeyContent) {
            missing.push("OCI_CLI_KEY_FILE (or OCI_CLI_KEY_CONTENT)");
        }
        missing
    }

    /// Why there is no profile, and where variables were meant to do without one, which of them are missing.
    fn with_missing_variables(&self, report: Report) -> Report {
        let missing = self.unsaid();
        let has_any = [Setting::User, Setting::Tenancy, Setting::Fingerprint]
            .iter()
            .any(|setting| self.settings.has(*setting));
        if !has_any {
            return report;
        }
        let are = if missing.len() == 1 { "is" } else { "are" };
        report.hint(format!("to do without a file, {} {are} missing", missing.join(", ")))
    }

    /// The variables win over the profile (`OCI_CONFIG_ENV_VARS`).
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

    /// The file of the profiles (`config.py`, `_get_config_path_with_fallback`).
    fn config_file(&self) -> Result<PathBuf, Report> {
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
            .ok_or_else(|| Report::usage("there is no home folder for .oci/config"))
    }

    /// Warns of a file that others can read, where the CLI does (`FilePermissionChecker`). A link is followed: what
    /// it leads to is what can be read.
    fn warn_of_open(&self, file: Option<PathBuf>) {
        let is_silenced =
            self.env.get("OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING").is_some_and(|value| value == "True");
        let Some(file) = file.filter(|file| !is_silenced && is_open(file)) else { return };
        let file = file.display();
        self.ui.warn(&format!(
            "permissions on {file} are too open: `oci setup repair-file-permissions --file {file}` mends it, and OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING=True hides this"
        ));
    }
}

/// Whether anybody but the owner may do anything with the file, or the owner may execute it.
fn is_open(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o177 != 0)
}

/// How a profile is made to sign in: as its `authentication_type` says, by its session, or by its API key. The SDK
/// knows the first for an instance that acts for a user alone (`util.py`); the Go SDK without one as well.
fn auth_of(profile: &Profile) -> Result<Auth, Report> {
    match profile.authentication_type() {
        Some("instance_principal") if profile.delegation_token_file().is_some() => Ok(Auth::InstanceOboUser),
        Some("instance_principal") => Ok(Auth::InstancePrincipal),
        Some("resource_principal") => Ok(Auth::ResourcePrincipal),
        Some(other) => {
            Err(Report::usage(format!("the profile's authentication_type `{other}` is not known"))
                .hint("expected instance_principal or resource_principal; --auth wins over it"))
        }
        None if profile.security_token_file().is_some() => Ok(Auth::SecurityToken),
        None => Ok(Auth::ApiKey),
    }
}
