//! The sandbox's only user. The key is in the source, so it is worth nothing anywhere else.

use md5::{Digest as _, Md5};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::{RsaPrivateKey, RsaPublicKey};

use super::state::TENANCY;

const KEY: &str = include_str!("testdata/key.pem");

/// A user whose requests the sandbox accepts.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The tenancy's OCID.
    pub tenancy: String,
    /// The user's OCID.
    pub user: String,
    /// The key's fingerprint.
    pub fingerprint: String,
    /// The region that the sandbox plays.
    pub region: String,
    /// The private key, as PEM text.
    pub private_key_pem: &'static str,
    pub(super) public_key: RsaPublicKey,
}

impl Identity {
    pub(super) fn of_the_sandbox() -> Self {
        let key = RsaPrivateKey::from_pkcs1_pem(KEY).expect("the sandbox's own key can be read");
        let public_key = key.to_public_key();
        let fingerprint = fingerprint(&public_key);
        Self {
            tenancy: TENANCY.to_owned(),
            user: "ocid1.user.oc1..sandbox".to_owned(),
            fingerprint,
            region: "us-ashburn-1".to_owned(),
            private_key_pem: KEY,
            public_key,
        }
    }

    pub(super) fn key_id(&self) -> String {
        format!("{}/{}/{}", self.tenancy, self.user, self.fingerprint)
    }
}

/// The MD5 of the public key in DER, in colon-separated hex.
pub(super) fn fingerprint(key: &RsaPublicKey) -> String {
    let digest = Md5::digest(der_of(key));
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The public key in DER.
pub(super) fn der_of(key: &RsaPublicKey) -> Vec<u8> {
    key.to_public_key_der().expect("an RSA key has a DER form").into_vec()
}
