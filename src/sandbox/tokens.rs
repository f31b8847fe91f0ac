//! The tokens that the sandbox issues: JWTs signed by its issuer and bound to the client's public key.
//!
//! The public key is a claim of the token. A token therefore outlives a restart of the sandbox, and the sandbox need not
//! remember it. All keys are in the source, so they are worth nothing anywhere else.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs1v15::{Signature, SigningKey, VerifyingKey};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::signature::{SignatureEncoding as _, Signer as _, Verifier as _};
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use super::identity::{Identity, der_of};
use super::state::COMPARTMENT;

const ISSUER_KEY: &str = include_str!("testdata/issuer_key.pem");
/// The key of the session and of the resource principal that `--home` writes.
pub(super) const SESSION_KEY: &str = include_str!("testdata/session_key.pem");
/// The longest lifetime of a session at the real service.
const LIFETIME_SECONDS: i64 = 3600;

/// The use of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Use {
    /// A user's session.
    Session,
    /// A container instance.
    Resource,
    /// A compute instance.
    Instance,
    /// A user for whom an instance acts.
    Delegation,
}

impl Use {
    /// The word for it in the audit.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Resource => "resource",
            Self::Instance => "instance",
            Self::Delegation => "delegation",
        }
    }
}

/// The changes that `POST /sandbox/tokens` asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Wish {
    /// The lifetime of tokens issued from now on. A negative one issues expired tokens.
    lifetime_seconds: Option<i64>,
    /// Refuses all tokens but the newest from now on. A new token can be put in place beforehand.
    #[serde(default)]
    revoke: bool,
    /// Issues one for the session key.
    issue: Option<Use>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    sub: String,
    tenant: String,
    #[serde(rename = "res_tenant")]
    res_tenant: String,
    #[serde(rename = "res_compartment")]
    res_compartment: String,
    iss: String,
    iat: i64,
    exp: i64,
    jti: u64,
    r#use: Use,
    public_key: String,
}

/// The issuer of the tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    issuer: RsaPrivateKey,
    lifetime_seconds: i64,
    n_given: u64,
    n_revoked: u64,
}

impl Default for Tokens {
    fn default() -> Self {
        let issuer = RsaPrivateKey::from_pkcs1_pem(ISSUER_KEY).expect("the sandbox's own key can be read");
        Self { issuer, lifetime_seconds: LIFETIME_SECONDS, n_given: 0, n_revoked: 0 }
    }
}

impl Tokens {
    pub(super) fn grant(&mut self, wish: &Wish, identity: &Identity, now: DateTime<Utc>) -> Value {
        self.lifetime_seconds = wish.lifetime_seconds.unwrap_or(self.lifetime_seconds);
        let token = wish.issue.map(|r#use| self.issue(r#use, identity, &session_key(), now));
        if wish.revoke {
            self.n_revoked = self.n_given.saturating_sub(1);
        }
        json!({"token": token})
    }

    /// Issues a token that is bound to `key`.
    pub(super) fn issue(
        &mut self,
        r#use: Use,
        identity: &Identity,
        key: &RsaPublicKey,
        now: DateTime<Utc>,
    ) -> String {
        self.n_given += 1;
        let sub = match r#use {
            Use::Session | Use::Delegation => identity.user.clone(),
            Use::Resource => "ocid1.computecontainerinstance.oc1.iad.sandbox".to_owned(),
            Use::Instance => "ocid1.instance.oc1.iad.sandbox".to_owned(),
        };
        let claims = Claims {
            sub,
            tenant: identity.tenancy.clone(),
            res_tenant: identity.tenancy.clone(),
            res_compartment: COMPARTMENT.to_owned(),
            iss: "deployctl sandbox".to_owned(),
            iat: now.timestamp(),
            exp: now.timestamp() + self.lifetime_seconds,
            jti: self.n_given,
            r#use,
            public_key: STANDARD.encode(der_of(key)),
        };
        let claims = serde_json::to_vec(&claims).expect("claims are JSON");
        let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = SigningKey::<Sha256>::new(self.issuer.clone()).sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// Whether a sandbox issued the token, even if it has expired.
    pub(super) fn gave(&self, token: &str) -> bool {
        self.signed(token).is_ok()
    }

    /// The part of a token that the issuer signed.
    fn signed<'t>(&self, token: &'t str) -> Result<&'t str, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("the token is not a JWT")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "the token is not a JWT")?;
        let signature = Signature::try_from(signature.as_slice()).map_err(|_| "the token is not a JWT")?;
        VerifyingKey::<Sha256>::new(self.issuer.to_public_key())
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| "the token is not the sandbox's")?;
        Ok(signed)
    }

    /// The use of a token, and the key to which it is bound.
    pub(super) fn check(&self, token: &str, now: DateTime<Utc>) -> Result<(Use, RsaPublicKey), &'static str> {
        let signed = self.signed(token)?;
        let claims = signed.split_once('.').map(|(_, claims)| claims).unwrap_or_default();
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| "the token is not a JWT")?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| "the token is not a JWT")?;
        if claims.exp <= now.timestamp() {
            return Err("the token is over");
        }
        if claims.jti <= self.n_revoked {
            return Err("the token is revoked");
        }
        let key = STANDARD.decode(&claims.public_key).map_err(|_| "the token has no key")?;
        let key = RsaPublicKey::from_public_key_der(&key).map_err(|_| "the token has no key")?;
        Ok((claims.r#use, key))
    }

    pub(super) fn issuer(&self) -> RsaPublicKey {
        self.issuer.to_public_key()
    }
}

/// The public half of [`SESSION_KEY`].
pub(super) fn session_key() -> RsaPublicKey {
    let key = RsaPrivateKey::from_pkcs1_pem(SESSION_KEY).expect("the sandbox's own key can be read");
    key.to_public_key()
}
