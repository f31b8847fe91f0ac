//! The request signature: draft-cavage-http-signatures-08, version "1", with RSA-SHA256 (docs/oci.md 4.1).
//!
//! Signing is a pure function: the same request, date and key give the same signature. Only this module and `identity::key`
//! use `rsa` (see deny.toml for the reason).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use rsa::RsaPrivateKey;
use rsa::pkcs1v15;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::rand_core::OsRng;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use sha2::Sha256;

/// An RSA key that signs requests. Its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct SigningKey(pkcs1v15::SigningKey<Sha256>);

const _: () = {
    const fn is_zeroed_when_it_goes<T: zeroize::ZeroizeOnDrop>() {}
    is_zeroed_when_it_goes::<pkcs1v15::SigningKey<Sha256>>();
};

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey(***)")
    }
}

impl SigningKey {
    pub(super) fn new(key: RsaPrivateKey) -> Self {
        Self(pkcs1v15::SigningKey::new(key))
    }

    /// Generates a key of the size that the SDK uses for a session (`session_key_supplier.py`).
    pub(super) fn generate() -> Result<Self, rsa::Error> {
        RsaPrivateKey::new(&mut OsRng, 2048).map(Self::new)
    }

    /// The public half as `SubjectPublicKeyInfo` in DER.
    pub(super) fn public_der(&self) -> Vec<u8> {
        let public = AsRef::<RsaPrivateKey>::as_ref(&self.0).to_public_key();
        public.to_public_key_der().expect("an RSA public key has a DER form").into_vec()
    }

    fn sign(&self, text: &str) -> String {
        // The random numbers only blind the computation. They do not change the signature.
        STANDARD.encode(self.0.sign_with_rng(&mut OsRng, text.as_bytes()).to_bytes())
    }
}

/// The fingerprint of a key as the console shows it: the MD5 of its DER public key, in colon-separated hex.
pub fn fingerprint(key: &SigningKey) -> String {
    let digest = Md5::digest(key.public_der());
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The parts of a request that its signature covers. Not `Debug`, because it may hold a token.
#[derive(Clone, Copy)]
pub(super) struct Unsigned<'a> {
    /// The method in lower case.
    pub(super) method: &'a str,
    /// Path and query, exactly as on the request line.
    pub(super) target: &'a str,
    /// Host and port, exactly as in the header. Only the request for a principal's token does not sign them
    /// (`federation_client.py`, `AuthTokenRequestSigner`).
    pub(super) host: Option<&'a str>,
    /// The `date` header.
    pub(super) date: &'a str,
    /// The `opc-obo-token` header of an instance that acts for a user (`instance_principals_delegation_token_signer.py`).
    pub(super) obo_token: Option<&'a str>,
    /// The body, for methods that have one. For an action it is present and empty.
    pub(super) body: Option<&'a [u8]>,
}

/// The headers that a signature adds to a request.
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

/// The text that is signed, the names of the headers in it, and the body's digest.
fn signing_string(request: Unsigned<'_>) -> (String, String, Option<String>) {
    let Unsigned { method, target, host, date, obo_token, body } = request;
    let target = format!("{method} {target}");
    let mut signed = vec![("date", date), ("(request-target)", &target)];
    signed.extend(host.map(|host| ("host", host)));
    signed.extend(obo_token.map(|token| ("opc-obo-token", token)));
    let content = body.map(|body| (body.len().to_string(), STANDARD.encode(Sha256::digest(body))));
    if let Some((length, digest)) = &content {
        signed.extend([
            ("content-length", length.as_str()),
            ("content-type", "application/json"),
            ("x-content-sha256", digest),
        ]);
    }
    let lines: Vec<String> = signed.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let (text, names) = (lines.join("\n"), names.join(" "));
    (text, names, content.map(|(_, digest)| digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::identity::read_key;
    use rsa::signature::{Keypair as _, Verifier as _};

    const KEY: &str = include_str!("testdata/published_vector_key.pem");
    const KEY_ID: &str = "ocid1.tenancy.oc1..aaaaaaaaba3pv6wkcr4jqae5f15p2b2m2yt2j6rx32uzr4h25vqstifsfdsq/\
                          ocid1.user.oc1..aaaaaaaat5nvwcna5j6aqzjcaty5eqbb6qt2jvpkanghtgdaqedqw3rynjq/\
                          20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";
    // The published vectors have the wrong weekday. The date is signed as it is, never parsed.
    const DATE: &str = "Thu, 05 Jan 2014 21:31:40 GMT";

    fn key() -> SigningKey {
        read_key(KEY, None).expect("the published key can be read")
    }

    #[test]
    fn the_published_get_is_reproduced() {
        let request = Unsigned {
            method: "get",
            target: "/20160918/instances?availabilityDomain=Pjwf%3A%20PHX-AD-1&compartmentId=ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa&displayName=TeamXInstances&volumeId=ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q",
            host: Some("iaas.us-phoenix-1.oraclecloud.com"),
            date: DATE,
            obo_token: None,
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
            host: Some("iaas.us-phoenix-1.oraclecloud.com"),
            date: DATE,
            obo_token: None,
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
        let request = Unsigned {
            method: "post",
            target: "/api",
            host: Some("localhost:7000"),
            date: DATE,
            obo_token: None,
            body: Some(b""),
        };
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
    fn who_acts_for_a_user_signs_for_whom() {
        let request = Unsigned {
            method: "get",
            target: "/api",
            host: Some("h"),
            date: DATE,
            obo_token: Some("a.b.c"),
            body: None,
        };
        let (text, headers, _) = signing_string(request);
        assert_eq!(headers, "date (request-target) host opc-obo-token");
        assert!(text.ends_with("\nhost: h\nopc-obo-token: a.b.c"), "{text}");
        let (_, headers, _) =
            signing_string(Unsigned { host: None, obo_token: None, body: Some(b""), ..request });
        assert_eq!(headers, "date (request-target) content-length content-type x-content-sha256");
    }

    proptest::proptest! {
        #[test]
        fn any_request_is_signed_with_a_signature_that_fits(
            method in ".{0,8}",
            target in ".{0,60}",
            host in proptest::option::of(".{0,20}"),
            date in ".{0,30}",
            body in proptest::option::of(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)),
        ) {
            let request = Unsigned {
                method: &method,
                target: &target,
                host: host.as_deref(),
                date: &date,
                obo_token: None,
                body: body.as_deref(),
            };
            let key = key();
            let signed = sign(request, KEY_ID, &key);
            let (_, after) = signed.authorization.split_once("signature=\"").expect("it is there");
            let signature = STANDARD.decode(after.trim_end_matches('"')).expect("base64");
            let signature = pkcs1v15::Signature::try_from(signature.as_slice()).expect("a signature");
            let (text, _, digest) = signing_string(request);
            proptest::prop_assert_eq!(digest, signed.content_sha256);
            proptest::prop_assert!(key.0.verifying_key().verify(text.as_bytes(), &signature).is_ok());
        }
    }

    #[test]
    fn the_fingerprint_is_that_of_the_key_and_not_its_label() {
        assert_eq!(fingerprint(&key()), "73:61:a2:21:67:e0:df:be:7e:4b:93:1e:15:98:a5:b7");
    }
}
