//! The key and the tokens that sign a request.

use secrecy::{ExposeSecret, SecretString};

use crate::oci::signer::SigningKey;

/// The key and the tokens that sign a request.
#[derive(Clone, Debug)]
pub struct Signing {
    pub(super) key_id: SecretString,
    pub(super) key: SigningKey,
    pub(super) obo_token: Option<SecretString>,
}

impl Signing {
    pub(in crate::oci) fn key_id(&self) -> &str {
        self.key_id.expose_secret()
    }

    pub(in crate::oci) const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The token of the user for whom the request is made.
    pub(in crate::oci) fn obo_token(&self) -> Option<&str> {
        self.obo_token.as_ref().map(ExposeSecret::expose_secret)
    }
}
