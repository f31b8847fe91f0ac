//! A user's API key that is written in a deployment.

use secrecy::SecretString;

/// A user's API key, with all that signing in with it takes.
#[derive(Clone, Debug)]
pub struct UserKey {
    /// The tenancy's OCID.
    pub tenancy: String,
    /// The user's OCID.
    pub user: String,
    /// The key's fingerprint.
    pub fingerprint: String,
    /// The private key, as PEM text.
    pub private_key: SecretString,
    /// The pass phrase that opens the key.
    pub pass_phrase: Option<SecretString>,
    /// The region.
    pub region: String,
    /// Where the key is written, for the message that says it cannot be used.
    pub place: String,
}
