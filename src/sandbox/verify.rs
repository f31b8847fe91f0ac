//! Checks signatures as the service does (OCI.md 4.1), independently of the client's signer.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hyper::header::HeaderMap;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256};

use super::identity::Identity;

/// How far a date may be off.
const WINDOW: TimeDelta = TimeDelta::minutes(5);

/// Why a request is not accepted. The service does not say; the sandbox's log does.
pub(super) fn check(
    identity: &Identity,
    now: DateTime<Utc>,
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), &'static str> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = header("authorization").ok_or("no authorization header")?;
    let fields = authorization.strip_prefix("Signature ").map(parse).ok_or("not a signature")?;
    let field = |name: &str| fields.get(name).map(String::as_str).ok_or("an incomplete signature");
    if field("version")? != "1" || field("algorithm")? != "rsa-sha256" {
        return Err("another version or algorithm");
    }
    if field("keyId")? != identity.key_id() {
        return Err("an unknown key id");
    }
    let names: Vec<&str> = field("headers")?.split(' ').collect();
    let has_body = matches!(method, "POST" | "PUT" | "PATCH");
    let mandatory: &[&str] = if has_body {
        &["(request-target)", "host", "content-length", "content-type", "x-content-sha256"]
    } else {
        &["(request-target)", "host"]
    };
    if !mandatory.iter().all(|name| names.contains(name)) {
        return Err("a mandatory header is not signed");
    }
    let date_name = if names.contains(&"x-date") { "x-date" } else { "date" };
    if !names.contains(&date_name) {
        return Err("the date is not signed");
    }
    let date = header(date_name).and_then(|date| DateTime::parse_from_rfc2822(date).ok()).ok_or("no date")?;
    if (now - date.to_utc()).abs() > WINDOW {
        return Err("the date is too far off");
    }
    if has_body && header("x-content-sha256") != Some(&STANDARD.encode(Sha256::digest(body))) {
        return Err("the body's digest differs");
    }
    let mut lines = Vec::new();
    for name in names {
        let value = match name {
            "(request-target)" => format!("{} {target}", method.to_ascii_lowercase()),
            name => header(name).ok_or("a signed header is missing")?.to_owned(),
        };
        lines.push(format!("{name}: {value}"));
    }
    let signature = STANDARD.decode(field("signature")?).map_err(|_| "the signature is not base64")?;
    let signature =
        Signature::try_from(signature.as_slice()).map_err(|_| "the signature has a wrong length")?;
    VerifyingKey::<Sha256>::new(identity.public_key.clone())
        .verify(lines.join("\n").as_bytes(), &signature)
        .map_err(|_| "the signature does not fit")
}

/// `name="value",…` in any order.
fn parse(text: &str) -> HashMap<String, String> {
    text.split(',')
        .filter_map(|field| field.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}
