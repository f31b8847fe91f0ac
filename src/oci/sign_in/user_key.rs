//! A user's API key that a deployment contains.

use secrecy::SecretString;

/// A user's API key, with everything needed to sign in with it.
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
    /// Where the key is written, for messages.
    pub place: String,
}
