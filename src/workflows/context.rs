//! What is stored with a run so that another process can drive it, and the world that a process makes of that.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::world::World;
use crate::clock::Clock;
use crate::config::{Credentials, CredentialsSource, Policy, Problems};
use crate::env::Env;
use crate::oci::identity::ProfileError;
use crate::oci::sign_in::{AccessError, Flags, Notice, Settings, SignIn};

/// What a process needs to drive a run, besides the run's input. It is stored with the run and never secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Context {
    source: CredentialsSource,
    /// Aero's profile.
    env: String,
    sign_in: Settings,
    policy: Policy,
}

/// The process that signs in.
pub struct Process<'p> {
    /// The flags that it was started with.
    pub flags: Flags,
    /// Its environment.
    pub env: &'p Env,
    /// The time.
    pub clock: Clock,
    /// Told what is unusual about the sign-in.
    pub tell: Box<dyn Fn(Notice) + Send + Sync + 'p>,
}

impl Process<'_> {
    fn signing_in<'s>(&'s self, settings: &'s Settings) -> SignIn<'s> {
        SignIn::new(settings, self.env, self.clock, &*self.tell)
    }
}

impl Context {
    /// The context of a run that `process` starts, whose deployment was read with Aero's `profile`.
    ///
    /// # Errors
    /// When the defaults of the official CLI's options cannot be read.
    pub fn new(
        process: &Process<'_>,
        profile: &str,
        source: CredentialsSource,
        policy: Policy,
    ) -> Result<Self, ProfileError> {
        let names_credentials = source != CredentialsSource::Profile;
        let settings = Settings::given(&process.flags, process.env, names_credentials);
        let sign_in = settings.or_rc(process.env, names_credentials)?;
        Ok(Self { source, env: profile.to_owned(), sign_in, policy })
    }

    /// As the journal holds it.
    pub fn stored(&self) -> Value {
        serde_json::to_value(self).expect("paths and names serialise, as they came from text")
    }

    /// From what the journal holds.
    ///
    /// # Errors
    /// When a newer version stored it.
    pub fn restored(stored: &Value) -> Result<Self, serde_json::Error> {
        let mut context: Self = serde_json::from_value(stored.clone())?;
        context.policy.retry.wait_at_all();
        Ok(context)
    }

    /// Aero's profile with which the deployment was read.
    pub(super) fn profile(&self) -> &str {
        &self.env
    }

    /// The context of a new run with the same settings.
    pub(super) fn renewed(self) -> Self {
        Self { policy: self.policy.renewed(), ..self }
    }

    /// How the run behaves.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Reads the run's credentials again; `None` when they are a profile's.
    ///
    /// # Errors
    /// When they are gone, or not what they must be.
    pub fn credentials(&self, env: &Env) -> Result<Option<Credentials>, Problems> {
        self.source.read(&self.env, env)
    }

    /// Whether these credentials can sign at all, found without the cloud.
    ///
    /// # Errors
    /// When they cannot.
    pub fn check(&self, process: &Process<'_>, credentials: &Credentials) -> Result<(), AccessError> {
        process.signing_in(&self.sign_in).check(&credentials.key)
    }

    /// The world, signed in. The flags and the environment of `process` win over those that the run was started with.
    ///
    /// # Errors
    /// When nothing says how to sign in, or it does not work.
    pub async fn world(
        &self,
        process: &Process<'_>,
        credentials: Option<&Credentials>,
    ) -> Result<World, AccessError> {
        let names_credentials = self.source != CredentialsSource::Profile;
        let settings = Settings::given(&process.flags, process.env, names_credentials).or(&self.sign_in);
        let key = credentials.map(|credentials| &credentials.key);
        let oci = process.signing_in(&settings).oci(key, self.policy.request_timeout).await?;
        Ok(World::new(oci, self.policy.clone()))
    }
}
