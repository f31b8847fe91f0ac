//! Why there is no identity, or nothing to sign with.

use std::io;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::key_error::KeyError;
use super::token::TokenError;
use crate::oci::call::Service;
use crate::oci::error::OciError;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is not the one that the console lists under this fingerprint.
    #[error("the private key does not belong to the fingerprint {configured}: its own is {actual}")]
    Fingerprint {
        /// The configured fingerprint.
        configured: String,
        /// The fingerprint of the key.
        actual: String,
    },
}

/// Why there is nothing to sign with.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The metadata service, or the service that issues tokens, did not answer or refused.
    #[error(transparent)]
    Cloud(Box<OciError>),
    /// The token has expired.
    #[error("the security token of {place} expired at {}; {advice}", at.format("%Y-%m-%d %H:%M:%S UTC"))]
    Expired {
        /// Where the token is.
        place: String,
        /// When it expired.
        at: DateTime<Utc>,
        /// What the user can do about it.
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
    /// A text that should be a token is not one.
    #[error("{place}")]
    Token {
        /// Where the token is.
        place: String,
        /// What is wrong with it.
        source: TokenError,
    },
    /// A key cannot be used.
    #[error("{place}")]
    Key {
        /// Where the key is.
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
    /// The instance's certificate is for another tenancy than before.
    #[error("the instance was of the tenancy {before} and is now of {now}")]
    TenancyChanged {
        /// The tenancy as which it signed in.
        before: String,
        /// The tenancy in its certificate.
        now: String,
    },
    /// No session key could be generated.
    #[error("cannot make a session key")]
    NoSessionKey,
}

impl From<OciError> for SignInError {
    fn from(error: OciError) -> Self {
        Self::Cloud(Box::new(error))
    }
}

impl SignInError {
    /// The message, followed by those of its causes.
    pub(in crate::oci) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    /// Whether the metadata service cannot be reached, as on a machine outside OCI.
    pub fn is_away_from_oci(&self) -> bool {
        matches!(self, Self::Cloud(error) if matches!(
            &**error, OciError::Transport { service: Service::InstanceMetadata, .. }
        ))
    }

    /// Whether another attempt may succeed.
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
