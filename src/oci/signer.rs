//! The request signature: draft-cavage-http-signatures-08, version "1", with RSA-SHA256 (OCI.md 4.1).
//!
//! Pure: the same request, date and key give the same signature. `rsa` is behind this module and
//! `identity::key` alone (see deny.toml for why).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use rsa::RsaPrivateKey;
use rsa::pkcs1v15;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::rand_core::OsRng;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use sha2::Sha256;

/// An RSA key that signs requests.
#[derive(Clone)]
pub struct SigningKey(pkcs1v15::SigningKey<Sha256>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey(***)")
    }
}

impl SigningKey {
    pub(super) fn new(key: RsaPrivateKey) -> Self {
        Self(pkcs1v15::SigningKey::new(key))
    }

    fn sign(&self, text: &str) -> String {
        // The random numbers only blind the computation; the signature is the same with others.
        STANDARD.encode(self.0.sign_with_rng(&mut OsRng, text.as_bytes()).to_bytes())
    }
}

/// The fingerprint of a key as the console shows it: the MD5 of its DER public key, in colon-separated hex.
pub fn fingerprint(key: &SigningKey) -> String {
    let public = AsRef::<RsaPrivateKey>::as_ref(&key.0).to_public_key();
    let der = public.to_public_key_der().expect("an RSA public key has a DER form");
    let digest = Md5::digest(der.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// A request as far as its signature covers it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsigned<'a> {
    /// The method in lower case.
    pub(super) method: &'a str,
    /// Path and query, exactly as on the request line.
    pub(super) target: &'a str,
    /// Host and port, exactly as in the header.
    pub(super) host: &'a str,
    /// The `date` header.
    pub(super) date: &'a str,
    /// The body, for the methods that have one; present and empty for an action.
    pub(super) body: Option<&'a [u8]>,
}

/// What a signature adds to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// The `authorization` header.
    pub(super) authorization: String,
    /// The `x-content-sha256` header, for the methods with a body.
    pub(super) content_sha256: Option<String>,
}

/// Signs a request.
pub(super) fn sign(request: Unsigned<'_>, key_id: &str, key: &SigningKey) -> Signed {
    let (text, headers, content_sha256) = signing_string(request);
    let signature = key.sign(&text);
    let authorization = format!(
        "Signature version=\"1\",keyId=\"{key_id}\",algorithm=\"rsa-sha256\",headers=\"{headers}\",signature=\"{signature}\""
    );
    Signed { authorization, content_sha256 }
}

fn signing_string(request: Unsigned<'_>) -> (String, &'static str, Option<String>) {
    let Unsigned { method, target, host, date, body } = request;
    let head = format!("date: {date}\n(request-target): {method} {target}\nhost: {host}");
    let Some(body) = body else {
        return (head, "date (request-target) host", None);
    };
    let digest = STANDARD.encode(Sha256::digest(body));
    let length = body.len();
    let text = format!(
        "{head}\ncontent-length: {length}\ncontent-type: application/json\nx-content-sha256: {digest}"
    );
    (text, "date (request-target) host content-length content-type x-content-sha256", Some(digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::identity::read_key;

    const KEY: &str = include_str!("testdata/published_vector_key.pem");
    const KEY_ID: &str = "ocid1.tenancy.oc1..aaaaaaaaba3pv6wkcr4jqae5f15p2b2m2yt2j6rx32uzr4h25vqstifsfdsq/\
                          ocid1.user.oc1..aaaaaaaat5nvwcna5j6aqzjcaty5eqbb6qt2jvpkanghtgdaqedqw3rynjq/\
                          20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";
    // The weekday is wrong in the published vectors: the date is signed as it is, never parsed.
    const DATE: &str = "Thu, 05 Jan 2014 21:31:40 GMT";

    fn key() -> SigningKey {
        read_key(KEY, None).expect("the published key can be read")
    }

    #[test]
    fn the_published_get_is_reproduced() {
        let request = Unsigned {
            method: "get",
            target: "/20160918/instances?availabilityDomain=Pjwf%3A%20PHX-AD-1&compartmentId=ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa&displayName=TeamXInstances&volumeId=ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q",
            host: "iaas.us-phoenix-1.oraclecloud.com",
            date: DATE,
            body: None,
        };
        let expected = format!(
            "Signature version=\"1\",keyId=\"{KEY_ID}\",algorithm=\"rsa-sha256\",headers=\"date (request-target) host\",signature=\"GBas7grhyrhSKHP6AVIj/h5/Vp8bd/peM79H9Wv8kjoaCivujVXlpbKLjMPeDUhxkFIWtTtLBj3sUzaFj34XE6YZAHc9r2DmE4pMwOAy/kiITcZxa1oHPOeRheC0jP2dqbTll8fmTZVwKZOKHYPtrLJIJQHJjNvxFWeHQjMaR7M=\""
        );
        let signed = sign(request, KEY_ID, &key());
        assert_eq!(signed, Signed { authorization: expected, content_sha256: None });
    }

    #[test]
    fn the_published_post_is_reproduced() {
        let body = include_bytes!("testdata/published_vector_body.json");
        assert_eq!(body.len(), 316);
        let request = Unsigned {
            method: "post",
            target: "/20160918/volumeAttachments",
            host: "iaas.us-phoenix-1.oraclecloud.com",
            date: DATE,
            body: Some(body),
        };
        let signed = sign(request, KEY_ID, &key());
        assert_eq!(signed.content_sha256.as_deref(), Some("V9Z20UJTvkvpJ50flBzKE32+6m2zJjweHpDMX/U4Uy0="));
        assert!(
            signed.authorization.ends_with("signature=\"Mje8vIDPlwIHmD/cTDwRxE7HaAvBg16JnVcsuqaNRim23fFPgQfLoOOxae6WqKb1uPjYEl0qIdazWaBy/Ml8DRhqlocMwoSXv0fbukP8J5N80LCmzT/FFBvIvTB91XuXI3hYfP9Zt1l7S6ieVadHUfqBedWH0itrtPJBgKmrWso=\""),
            "{}",
            signed.authorization
        );
    }

    #[test]
    fn an_action_signs_its_empty_body() {
        let request =
            Unsigned { method: "post", target: "/api", host: "localhost:7000", date: DATE, body: Some(b"") };
        let (text, headers, _) = signing_string(request);
        assert_eq!(headers, "date (request-target) host content-length content-type x-content-sha256");
        assert_eq!(
            text,
            "date: Thu, 05 Jan 2014 21:31:40 GMT\n(request-target): post /api\nhost: localhost:7000\n\
             content-length: 0\ncontent-type: application/json\n\
             x-content-sha256: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    #[test]
    fn the_fingerprint_is_that_of_the_key_and_not_its_label() {
        assert_eq!(fingerprint(&key()), "73:61:a2:21:67:e0:df:be:7e:4b:93:1e:15:98:a5:b7");
    }
}
