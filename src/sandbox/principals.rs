//! The services that a compute instance needs to sign in: its metadata service, and the exchange of its certificate for a
//! token (docs/oci.md 4.3).
//!
//! # Design
//! The certificates are files that were made once, with the sandbox's own issuer, rather than at each start. They are the
//! same for everybody who reads them and need no more crates. The sandbox judges how clients use certificates, not how they
//! are made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use rsa::RsaPublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

use super::lock::lock;
use super::shared::Shared;
use super::tokens::Use;
use super::verify::{Message, Signed};
use super::wire::Reply;

const LEAF: &str = include_str!("testdata/leaf_cert.pem");
const LEAF_KEY: &str = include_str!("testdata/leaf_key.pem");
const ISSUER: &str = include_str!("testdata/issuer_cert.pem");
/// The headers that the request for a token must sign. The host is not among them.
const MANDATORY: [&str; 5] =
    ["date", "(request-target)", "content-length", "content-type", "x-content-sha256"];

/// Whether the target is one of these services. Their requests are not signed like those of the API.
pub(super) fn is_theirs(target: &str) -> bool {
    target.starts_with("/opc/v2/") || target == "/v1/x509"
}

/// Answers a request to one of these services.
pub(super) fn answer(shared: &Shared, message: &Message<'_>, now: DateTime<Utc>) -> Reply {
    match (message.method, message.target) {
        ("GET", target) if target.starts_with("/opc/v2/") => metadata(shared, message),
        ("POST", "/v1/x509") => token(shared, message, now),
        _ => Reply::error(405, "MethodNotAllowed", "The method is not allowed."),
    }
}

fn metadata(shared: &Shared, message: &Message<'_>) -> Reply {
    // Version 2 of the service asks for this header, so that a redirected request cannot read it.
    if message.headers.get("authorization").is_none_or(|value| value != "Bearer Oracle") {
        return Reply { status: 401, ..Reply::text("Unauthorized") };
    }
    let region = &shared.identity.region;
    match message.target {
        // The service returns the short code, which clients must know.
        "/opc/v2/instance/region" => Reply::text("iad"),
        "/opc/v2/instance/regionInfo" => Reply::json(
            200,
            &json!({
                "realmDomainComponent": "oraclecloud.com",
                "realmKey": "oc1",
                "regionIdentifier": region,
                "regionKey": "IAD",
            }),
        ),
        "/opc/v2/identity/cert.pem" => Reply::text(LEAF),
        "/opc/v2/identity/key.pem" => Reply::text(LEAF_KEY),
        "/opc/v2/identity/intermediate.pem" => Reply::text(ISSUER),
        _ => Reply { status: 404, ..Reply::text("Not Found") },
    }
}

fn token(shared: &Shared, message: &Message<'_>, now: DateTime<Utc>) -> Reply {
    let body: Value = serde_json::from_slice(message.body).unwrap_or_default();
    let key = body["publicKey"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let key = key.and_then(|der| RsaPublicKey::from_public_key_der(&der).ok());
    let Some(key) = key.filter(|key| key.n().bits() >= 2048) else {
        return Reply::invalid("publicKey must be an RSA key of at least 2048 bits");
    };
    if shared.is_verifying()
        && let Err(why) = check(shared, message, &body, now)
    {
        tracing::debug!(why, "no token");
        return Reply::unauthenticated();
    }
    let token = lock(&shared.tokens).issue(Use::Instance, &shared.identity, &key, now);
    Reply::json(200, &json!({"token": token}))
}

/// Checks that the certificate is from the issuer and for this tenancy, and that its key signed the request.
fn check(
    shared: &Shared,
    message: &Message<'_>,
    body: &Value,
    now: DateTime<Utc>,
) -> Result<(), &'static str> {
    let der = body["certificate"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let der = der.ok_or("no certificate")?;
    let leaf = Certificate::from_der(&der).map_err(|_| "no certificate")?;
    let issuer: String = ISSUER.lines().filter(|line| !line.starts_with("-----")).collect();
    let intermediates = body["intermediateCertificates"].as_array().ok_or("no intermediate certificate")?;
    if !intermediates.iter().any(|one| one.as_str() == Some(&issuer)) {
        return Err("no intermediate certificate that issued the leaf");
    }
    let content = leaf.tbs_certificate.to_der().map_err(|_| "no certificate")?;
    let signature = leaf.signature.as_bytes().and_then(|bytes| Signature::try_from(bytes).ok());
    VerifyingKey::<Sha256>::new(lock(&shared.tokens).issuer())
        .verify(&content, &signature.ok_or("the certificate is not signed")?)
        .map_err(|_| "the certificate is not the issuer's")?;
    let validity = &leaf.tbs_certificate.validity;
    let now_seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let (from, to) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    if !(from.as_secs()..=to.as_secs()).contains(&now_seconds) {
        return Err("the certificate is not valid now");
    }
    let tenant = format!("opc-tenant:{}", shared.identity.tenancy);
    let mut parts = leaf.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    if !parts.any(|part| part.value.value() == tenant.as_bytes()) {
        return Err("the certificate is another tenancy's");
    }
    let digest = Sha1::digest(&der);
    let fingerprint = digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    let signed = Signed::read(message)?;
    if signed.key_id != format!("{}/fed-x509/{fingerprint}", shared.identity.tenancy) {
        return Err("another key id than the certificate's");
    }
    let key = leaf.tbs_certificate.subject_public_key_info.to_der().map_err(|_| "no key")?;
    let key = RsaPublicKey::from_public_key_der(&key).map_err(|_| "no RSA key")?;
    signed.check(message, &key, &MANDATORY, now)
}
