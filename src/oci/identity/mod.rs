//! Who we are to the cloud: a key, and the id under which the cloud knows it. What ends is renewed here.

mod certificate;
mod ini;
mod instance_principal;
mod key;
mod metadata;
mod pkcs8;
mod profile;
mod rc;
mod stored_token;
mod token;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

pub use instance_principal::{InstanceOptions, InstancePrincipal};
pub use key::{KeyError, check_public_key, read_key};
pub use profile::{Profile, ProfileError, at_home};
pub use rc::RcFile;
pub use stored_token::{Reading, Source, StoredToken};
pub use token::TokenError;

use stored_token::WhenRefused;

use super::call::Service;
use super::error::OciError;
use super::signer::{SigningKey, fingerprint};
use crate::clock::Clock;

/// How often the first token is asked for (`DEFAULT_FEDERATION_CLIENT_RETRY_STRATEGY`). Later ones are asked for by
/// the calls that need them, and whoever makes the call decides about another attempt.
const FIRST_ATTEMPTS: u32 = 3;
/// Between two of them.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// What one request is signed with.
#[derive(Clone, Debug)]
pub struct Signing {
    key_id: SecretString,
    key: SigningKey,
    obo_token: Option<SecretString>,
}

impl Signing {
    pub(super) fn key_id(&self) -> &str {
        self.key_id.expose_secret()
    }

    pub(super) const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The token of the user on whose behalf the request is made.
    pub(super) fn obo_token(&self) -> Option<&str> {
        self.obo_token.as_ref().map(ExposeSecret::expose_secret)
    }
}

/// Whether a text has the form of an OCID (`config.py`, `PATTERNS`).
pub fn is_ocid(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['.', ':']).collect();
    let is_word = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let ends = [parts.first(), parts.last()];
    parts.len() > 4
        && parts.iter().all(|part| is_word(part))
        && ends.iter().all(|part| part.is_some_and(|part| !part.is_empty()))
}

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

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is not the one that the console knows under this fingerprint.
    #[error("the private key does not belong to the fingerprint {configured}: its own is {actual}")]
    Fingerprint {
        /// As configured.
        configured: String,
        /// The key's.
        actual: String,
    },
}

/// Why there is nothing to sign with, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The metadata service or the one that gives tokens did not answer, or refused.
    #[error(transparent)]
    Cloud(Box<OciError>),
    /// The token is over.
    #[error("the security token of {place} expired at {}; {advice}", at.format("%Y-%m-%d %H:%M:%S UTC"))]
    Expired {
        /// Where it is.
        place: String,
        /// When it ended.
        at: DateTime<Utc>,
        /// What to do about it.
        advice: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A token is none.
    #[error("{place}")]
    Token {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        source: TokenError,
    },
    /// A key cannot be used.
    #[error("{place}")]
    Key {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The file holds no delegation token.
    #[error("{} holds no delegation token", path.display())]
    DelegationToken {
        /// The file.
        path: PathBuf,
    },
    /// The instance's certificate is another tenancy's than before.
    #[error("the instance was of the tenancy {before} and is now of {now}")]
    TenancyChanged {
        /// As it was signed in.
        before: String,
        /// As its certificate says.
        now: String,
    },
    /// No key could be made.
    #[error("cannot make a session key")]
    NoSessionKey,
}

impl From<OciError> for SignInError {
    fn from(error: OciError) -> Self {
        Self::Cloud(Box::new(error))
    }
}

impl SignInError {
    /// The message with those of its causes.
    pub(super) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    /// Whether nobody answered where an instance asks about itself.
    pub fn is_away_from_oci(&self) -> bool {
        matches!(self, Self::Cloud(error) if matches!(
            &**error, OciError::Transport { service: Service::InstanceMetadata, .. }
        ))
    }

    /// Whether another attempt may go well.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Cloud(error) => match &**error {
                OciError::Transport { .. } => true,
                error => matches!(error.status(), Some(429 | 500..=599)),
            },
            Self::Expired { .. }
            | Self::Unreadable { .. }
            | Self::Token { .. }
            | Self::Key { .. }
            | Self::DelegationToken { .. }
            | Self::TenancyChanged { .. }
            | Self::NoSessionKey => false,
        }
    }
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
    pub(super) async fn signing(&self) -> Result<Arc<Signing>, SignInError> {
        match self {
            Self::ApiKey { signing, .. } => Ok(Arc::clone(signing)),
            Self::Session(reading) | Self::ResourcePrincipal(reading) => reading.signing().await,
            Self::InstancePrincipal(instance) => instance.signing().await,
        }
    }

    /// What to sign a request with that was refused when it was signed with `refused`; `None` when there is nothing
    /// else.
    pub(super) async fn renewed(&self, refused: &Arc<Signing>) -> Result<Option<Arc<Signing>>, SignInError> {
        match self {
            Self::ApiKey { .. } => Ok(None),
            Self::Session(reading) | Self::ResourcePrincipal(reading) => reading.renewed().await,
            Self::InstancePrincipal(instance) => instance.renewed(refused).await.map(Some),
        }
    }

    /// What a user who is refused can do about it.
    pub(super) fn advice(&self) -> Option<&str> {
        match self {
            Self::ApiKey { advice, .. } => advice.as_deref(),
            Self::Session(reading) | Self::ResourcePrincipal(reading) => Some(reading.advice()),
            Self::InstancePrincipal(_) => None,
        }
    }
}
