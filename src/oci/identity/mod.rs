//! Who we are to the cloud: a key, and the id under which the cloud knows it.

mod key;
mod profile;

use secrecy::{ExposeSecret as _, SecretString};

pub use key::{KeyError, read_key};
pub use profile::{Profile, ProfileError};

use super::signer::{SigningKey, fingerprint};

/// An identity that can sign.
#[derive(Clone, Debug)]
pub enum Identity {
    /// A user's API key.
    ApiKey {
        /// `tenancy/user/fingerprint`.
        key_id: String,
        /// The key.
        key: SigningKey,
    },
    /// A session token, as `oci session authenticate` makes it.
    Session {
        /// `ST$` and the token.
        key_id: SecretString,
        /// The session's key.
        key: SigningKey,
    },
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
        Ok(Self::ApiKey { key_id: format!("{tenancy}/{user}/{actual}"), key })
    }

    /// The identity of a session token.
    ///
    /// # Errors
    /// When the PEM text holds no usable key.
    pub fn session(
        token: &str,
        pem: &SecretString,
        pass_phrase: Option<&SecretString>,
    ) -> Result<Self, IdentityError> {
        let key = read_key(pem.expose_secret(), pass_phrase)?;
        Ok(Self::Session { key_id: format!("ST${}", token.trim()).into(), key })
    }

    pub(super) fn key_id(&self) -> &str {
        match self {
            Self::ApiKey { key_id, .. } => key_id,
            Self::Session { key_id, .. } => key_id.expose_secret(),
        }
    }

    pub(super) const fn key(&self) -> &SigningKey {
        match self {
            Self::ApiKey { key, .. } | Self::Session { key, .. } => key,
        }
    }
}
