//! An identity: it signs requests, and renews tokens that expire.

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

/// How often the first token is requested (`DEFAULT_FEDERATION_CLIENT_RETRY_STRATEGY`). Later tokens are requested by the
/// calls that need them, and their callers decide about further attempts.
const FIRST_ATTEMPTS: u32 = 3;
/// The delay between two of these attempts.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// An identity that can sign.
#[derive(Debug)]
pub enum Identity {
    /// A user's API key.
    ApiKey {
        /// `tenancy/user/fingerprint`, and the key.
        signing: Arc<Signing>,
        /// What a user can do if the key is refused, if there is advice.
        advice: Option<String>,
    },
    /// A session token, as `oci session authenticate` creates it.
    Session(Reading),
    /// A resource principal of version 2.2, which container instances and functions have.
    ResourcePrincipal(Reading),
    /// A compute instance, or a user for whom it acts.
    InstancePrincipal(Box<InstancePrincipal>),
}

impl Identity {
    /// The identity of a user's API key.
    ///
    /// # Errors
    /// When the PEM text holds no usable key, or the key does not match the fingerprint.
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

    /// The identity of a session. Its token is read again when it expires, because `oci session refresh` writes a newer one
    /// into the same file.
    ///
    /// # Errors
    /// When the token or the key cannot be used, or the session has expired.
    pub fn session(stored: StoredToken, clock: Clock) -> Result<Self, SignInError> {
        Reading::new(stored, WhenRefused::TellTheUser, clock).map(Self::Session)
    }

    /// The identity of a resource. The platform's files are read again when the token expires or is refused.
    ///
    /// # Errors
    /// When the token or the key cannot be used, or the token has expired.
    pub fn resource_principal(stored: StoredToken, clock: Clock) -> Result<Self, SignInError> {
        Reading::new(stored, WhenRefused::ReadAgain, clock).map(Self::ResourcePrincipal)
    }

    /// Makes sure that there is something to sign with, so that a problem is found before a run begins.
    ///
    /// # Errors
    /// When there is nothing, after a few attempts.
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

    /// The tenancy, if the identity knows it after signing in.
    pub async fn tenancy(&self) -> Option<String> {
        match self {
            // The key id has the form `tenancy/user/fingerprint`.
            Self::ApiKey { signing, .. } => {
                signing.key_id().split_once('/').map(|(tenancy, _)| tenancy.to_owned())
            }
            Self::Session(reading) | Self::ResourcePrincipal(reading) => reading.tenancy().await,
            Self::InstancePrincipal(instance) => instance.tenancy().await,
        }
    }

    /// The key and token for a request that is sent now.
    pub(in crate::oci) async fn signing(&self) -> Result<Arc<Signing>, SignInError> {
        match self {
            Self::ApiKey { signing, .. } => Ok(Arc::clone(signing)),
            Self::Session(reading) | Self::ResourcePrincipal(reading) => reading.signing().await,
            Self::InstancePrincipal(instance) => instance.signing().await,
        }
    }

    /// The key and token for a request that was refused with `refused`. `None` if there are no others.
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

    /// What a user can do if requests are refused.
    pub(in crate::oci) fn advice(&self) -> Option<&str> {
        match self {
            Self::ApiKey { advice, .. } => advice.as_deref(),
            Self::Session(reading) | Self::ResourcePrincipal(reading) => Some(reading.advice()),
            Self::InstancePrincipal(_) => None,
        }
    }
}
