//! An identity: who signs requests, and how what ends is renewed.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::error::{IdentityError, SignInError};
use super::instance_principal::InstancePrincipal;
use super::key::read_key;
use super::signing::Signing;
use super::stored_token::{Reading, StoredToken, WhenRefused};
use crate::clock::Clock;
use crate::oci::signer::fingerprint;

/// How often the first token is asked for (`DEFAULT_FEDERATION_CLIENT_RETRY_STRATEGY`). Later ones are asked for by
/// the calls that need them, and whoever makes the call decides about another attempt.
const FIRST_ATTEMPTS: u32 = 3;
/// Between two of them.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// An identity that can sign.
#[derive(Debug)]
pub enum Identity {
    /// A user's API key.
    ApiKey {
        /// `tenancy/user/fingerprint`, and the key.
        signing: Arc<Signing>,
        /// What a user whose key is refused does about it, where there is something to say.
        advice: Option<String>,
    },
    /// A session token, as `oci session authenticate` makes it.
    Session(Reading),
    /// A principal of version 2.2, as a container instance and a function have it.
    ResourcePrincipal(Reading),
    /// A compute instance, or a user for whom it acts.
    InstancePrincipal(Box<InstancePrincipal>),
}

impl Identity {
    /// The identity of a user's API key.
    ///
    /// # Errors
    /// When the PEM text holds no usable key, or another one than the fingerprint says.
    pub fn api_key(
        tenancy: &str,
        user: &str,
        configured: &str,
        pem: &SecretString,
        pass_phrase: Option<&SecretString>,
    ) -> Result<Self, IdentityError> {
        let key = read_key(pem.expose_secret(), pass_phrase)?;
        let actual = fingerprint(&key);
        if !configured.eq_ignore_ascii_case(&actual) {
            return Err(IdentityError::Fingerprint { configured: configured.to_owned(), actual });
        }
        let key_id = format!("{tenancy}/{user}/{actual}").into();
        Ok(Self::ApiKey { signing: Arc::new(Signing { key_id, key, obo_token: None }), advice: None })
    }

    /// The identity of a session. Its token is read again once it ends, because `oci session refresh` writes a newer
    /// one into the same file.
    ///
    /// # Errors
    /// When the token or the key cannot be used, or the session is over.
    pub fn session(stored: StoredToken, clock: Clock) -> Result<Self, SignInError> {
        Reading::new(stored, WhenRefused::TellTheUser, clock).map(Self::Session)
    }

    /// The identity of a resource. What the platform keeps in files is read again once it ends or is refused.
    ///
    /// # Errors
    /// When the token or the key cannot be used, or the token is over.
    pub fn resource_principal(stored: StoredToken, clock: Clock) -> Result<Self, SignInError> {
        Reading::new(stored, WhenRefused::ReadAgain, clock).map(Self::ResourcePrincipal)
    }

    /// Makes sure that there is something to sign with, so that what is missing is found before a run begins.
    ///
    /// # Errors
    /// When there is not, after a few attempts.
    pub async fn sign_in(&self, clock: Clock) -> Result<(), SignInError> {
        for _ in 1..FIRST_ATTEMPTS {
            match self.signing().await {
                Err(error) if error.is_transient() && !error.is_away_from_oci() => {
                    tracing::info!(%error, "signing in again");
                    clock.sleep(FIRST_DELAY).await;
                }
                done => return done.map(drop),
            }
        }
        self.signing().await.map(drop)
    }

    /// Whose cloud it signs for, as far as it can tell once it has signed in.
    pub async fn tenancy(&self) -> Option<String> {
        match self {
            // `tenancy/user/fingerprint`.
            Self::ApiKey { signing, .. } => {
                signing.key_id().split_once('/').map(|(tenancy, _)| tenancy.to_owned())
            }
            Self::Session(reading) | Self::ResourcePrincipal(reading) => reading.tenancy().await,
            Self::InstancePrincipal(instance) => instance.tenancy().await,
        }
    }

    /// What to sign a request with that is sent now.
    pub(in crate::oci) async fn signing(&self) -> Result<Arc<Signing>, SignInError> {
        match self {
            Self::ApiKey { signing, .. } => Ok(Arc::clone(signing)),
            Self::Session(reading) | Self::ResourcePrincipal(reading) => reading.signing().await,
            Self::InstancePrincipal(instance) => instance.signing().await,
        }
    }

    /// What to sign a request with that was refused when it was signed with `refused`; `None` when there is nothing
    /// else.
    pub(in crate::oci) async fn renewed(
        &self,
        refused: &Arc<Signing>,
    ) -> Result<Option<Arc<Signing>>, SignInError> {
        match self {
            Self::ApiKey { .. } => Ok(None),
            Self::Session(reading) | Self::ResourcePrincipal(reading) => reading.renewed().await,
            Self::InstancePrincipal(instance) => instance.renewed(refused).await.map(Some),
        }
    }

    /// What a user who is refused can do about it.
    pub(in crate::oci) fn advice(&self) -> Option<&str> {
        match self {
            Self::ApiKey { advice, .. } => advice.as_deref(),
            Self::Session(reading) | Self::ResourcePrincipal(reading) => Some(reading.advice()),
            Self::InstancePrincipal(_) => None,
        }
    }
}
