//! Checks signatures as the service does (docs/oci.md 4.1), independently of the client's signer.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hyper::header::HeaderMap;
use rsa::RsaPublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256};

use super::identity::Identity;
use super::tokens::{Tokens, Use};

/// The largest difference of a date from now.
const WINDOW: TimeDelta = TimeDelta::minutes(5);

/// A request as far as its signature covers it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'m> {
    pub(super) method: &'m str,
    pub(super) target: &'m str,
    pub(super) headers: &'m HeaderMap,
    pub(super) body: &'m [u8],
}

impl<'m> Message<'m> {
    fn header(&self, name: &str) -> Option<&'m str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn has_body(&self) -> bool {
        matches!(self.method, "POST" | "PUT" | "PATCH")
    }
}

/// Checks the signature of an API request. Returns who signed it: a user, or the use of a token. The service does not say why
/// it refuses a request; the sandbox's log does.
pub(super) fn check(
    identity: &Identity,
    tokens: &Tokens,
    now: DateTime<Utc>,
    message: &Message<'_>,
) -> Result<&'static str, &'static str> {
    let signed = Signed::read(message)?;
    let mut mandatory = vec!["(request-target)", "host"];
    if message.has_body() {
        mandatory.extend(["content-length", "content-type", "x-content-sha256"]);
    }
    let (mut who, key) = match signed.key_id.strip_prefix("ST$") {
        None if signed.key_id == identity.key_id() => ("user", identity.public_key.clone()),
        None => return Err("an unknown key id"),
        Some(token) => match tokens.check(token, now)? {
            (Use::Delegation, _) => return Err("a delegation token signs nothing"),
            (of @ (Use::Session | Use::Resource | Use::Instance), key) => (of.as_str(), key),
        },
    };
    // A client that acts for a user must sign the header that says so.
    if let Some(token) = message.header("opc-obo-token") {
        mandatory.push("opc-obo-token");
        if !matches!(tokens.check(token, now)?, (Use::Delegation, _)) {
            return Err("the delegation token is none");
        }
        who = Use::Delegation.as_str();
    }
    signed.check(message, &key, &mandatory, now).map(|()| who)
}

/// The fields of the `authorization` header.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) key_id: String,
    names: Vec<String>,
    signature: Vec<u8>,
}

impl Signed {
    pub(super) fn read(message: &Message<'_>) -> Result<Self, &'static str> {
        let authorization = message.header("authorization").ok_or("no authorization header")?;
        let fields = authorization.strip_prefix("Signature ").map(parse).ok_or("not a signature")?;
        let field = |name: &str| fields.get(name).map(String::as_str).ok_or("an incomplete signature");
        if field("version")? != "1" || field("algorithm")? != "rsa-sha256" {
            return Err("another version or algorithm");
        }
        Ok(Self {
            key_id: field("keyId")?.to_owned(),
            // Clients may write the names in any case, as the TypeScript SDK does. The signed text has them in lower case.
            names: field("headers")?.split_whitespace().map(str::to_ascii_lowercase).collect(),
            signature: STANDARD.decode(field("signature")?).map_err(|_| "the signature is not base64")?,
        })
    }

    /// Whether `key` signed this request now, with everything that must be signed.
    pub(super) fn check(
        &self,
        message: &Message<'_>,
        key: &RsaPublicKey,
        mandatory: &[&str],
        now: DateTime<Utc>,
    ) -> Result<(), &'static str> {
        let has = |name: &str| self.names.iter().any(|signed| signed == name);
        let date_name = if has("x-date") { "x-date" } else { "date" };
        if !mandatory.iter().all(|name| has(name) || *name == "date") {
            return Err("a mandatory header is not signed");
        }
        if !has(date_name) {
            return Err("the date is not signed");
        }
        let date = message.header(date_name).and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        if (now - date.ok_or("no date")?.to_utc()).abs() > WINDOW {
            return Err("the date is too far off");
        }
        let digest = STANDARD.encode(Sha256::digest(message.body));
        if message.has_body() && message.header("x-content-sha256") != Some(&digest) {
            return Err("the body's digest differs");
        }
        let mut lines = Vec::new();
        for name in &self.names {
            let value = match name.as_str() {
                "(request-target)" => {
                    format!("{} {}", message.method.to_ascii_lowercase(), message.target)
                }
                name => message.header(name).ok_or("a signed header is missing")?.to_owned(),
            };
            lines.push(format!("{name}: {value}"));
        }
        let signature =
            Signature::try_from(self.signature.as_slice()).map_err(|_| "the signature has a wrong length")?;
        VerifyingKey::<Sha256>::new(key.clone())
            .verify(lines.join("\n").as_bytes(), &signature)
            .map_err(|_| "the signature does not fit")
    }
}

/// `name="value",…` in any order.
fn parse(text: &str) -> HashMap<String, String> {
    text.split(',')
        .filter_map(|field| field.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    /// A header that is almost a signature: its fields in any order, some missing, some repeated, some broken.
    fn nearly() -> impl Strategy<Value = Vec<u8>> {
        let field = prop_oneof![
            Just("version=\"1\"".to_owned()),
            Just("algorithm=\"rsa-sha256\"".to_owned()),
            Just("headers=\"date (request-target) host\"".to_owned()),
            Just("signature=\"AAAA\"".to_owned()),
            Just("keyId=\"ST$a.b.c\"".to_owned()),
            "(keyId|headers|signature|version)=\"[ -~]{0,40}\"",
            "[ -~]{0,20}",
        ];
        let fields = proptest::collection::vec(field, 0..8);
        prop_oneof![
            fields.prop_map(|fields| format!("Signature {}", fields.join(",")).into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..200),
        ]
    }

    proptest! {
        #[test]
        fn no_header_is_accepted_that_nobody_signed(
            authorization in nearly(),
            date in proptest::collection::vec(any::<u8>(), 0..40),
            method in "(GET|POST|[A-Z]{0,6})",
            target in "/[ -~]{0,40}",
            obo in proptest::option::of("[!-~]{0,30}"),
            body in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut headers = HeaderMap::new();
            let mut put = |name: &'static str, value: &[u8]| {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    headers.insert(name, value);
                }
            };
            put("authorization", &authorization);
            put("date", &date);
            if let Some(obo) = &obo {
                put("opc-obo-token", obo.as_bytes());
            }
            let message = Message { method: &method, target: &target, headers: &headers, body: &body };
            let (identity, tokens) = (Identity::of_the_sandbox(), Tokens::default());
            let now = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
            prop_assert!(check(&identity, &tokens, now, &message).is_err());
        }

        #[test]
        fn no_text_is_a_token(text in "[A-Za-z0-9_.=-]{0,80}") {
            let now = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
            prop_assert!(Tokens::default().check(&text, now).is_err());
        }
    }

    #[test]
    fn fields_come_in_any_order() {
        let fields = parse(r#"headers="date host", keyId="a/b/c",signature="QUI9PQ==""#);
        let field = |name: &str| fields.get(name).map(String::as_str);
        assert_eq!(field("headers"), Some("date host"));
        assert_eq!(field("keyId"), Some("a/b/c"));
        assert_eq!(field("signature"), Some("QUI9PQ=="));
    }
}
