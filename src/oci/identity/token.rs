//! Security tokens: JWTs of which only the expiry time, as in the SDK (`security_token_container.py`), and the tenancy are
//! read. The service checks the rest.

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use zeroize::Zeroizing;

/// How long before its expiry a token is renewed (`DEFAULT_EXPIRY_JITTER_SECONDS`).
pub(super) const MARGIN: Duration = Duration::from_mins(1);

/// JWTs have no padding. Padding that a tool adds does no harm.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is not a security token. It reveals nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a security token: expected a JWT with the time `exp` when it ends")]
pub struct TokenError;

/// A token and its expiry time.
#[derive(Clone, Debug)]
pub(super) struct Token {
    text: SecretString,
    expires_at: DateTime<Utc>,
    tenancy: Option<String>,
}

impl Token {
    pub(super) fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        // The token becomes part of a header, so it must be one word.
        if text.contains(|c: char| !c.is_ascii_graphic()) {
            return Err(TokenError);
        }
        let claims = text.split('.').nth(1).ok_or(TokenError)?;
        let claims = BASE64_URL.decode(claims).map(Zeroizing::new).map_err(|_| TokenError)?;
        let claims: Value = serde_json::from_slice(&claims).map_err(|_| TokenError)?;
        let seconds = claims.get("exp").and_then(Value::as_f64).ok_or(TokenError)?;
        #[expect(clippy::cast_possible_truncation, reason = "a time beyond the range of a number is refused")]
        let expires_at = DateTime::from_timestamp(seconds as i64, 0).ok_or(TokenError)?;
        // The resource's own tenancy comes before that of the client which asked for the token.
        let tenancy = ["res_tenant", "tenant"].iter().find_map(|name| claims.get(*name)?.as_str());
        Ok(Self { text: text.into(), expires_at, tenancy: tenancy.map(ToOwned::to_owned) })
    }

    /// `ST$` and the token: the id under which the service knows the key.
    pub(super) fn key_id(&self) -> SecretString {
        format!("ST${}", self.text.expose_secret()).into()
    }

    /// The tenancy, if the token names it.
    pub(super) fn tenancy(&self) -> Option<&str> {
        self.tenancy.as_deref()
    }

    pub(super) const fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// Whether it expires within `margin`.
    pub(super) fn ends_within(&self, margin: Duration, now: DateTime<Utc>) -> bool {
        now + margin > self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A JWT with the header `{"alg":"none"}` and these claims.
    fn jwt(claims: &str) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.c2ln", BASE64_URL.encode(claims).trim_end_matches('='))
    }

    #[test]
    fn the_end_is_read_and_whose_it_is() {
        let token = Token::parse(&format!("{}\n", jwt(r#"{"exp":1700000000,"sub":"x"}"#))).expect("a token");
        let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("a time");
        assert_eq!(token.expires_at(), at(1_700_000_000));
        assert_eq!(token.tenancy(), None);
        let whose = r#"{"exp":1700000000,"tenant":"t"}"#;
        assert_eq!(Token::parse(&jwt(whose)).expect("a token").tenancy(), Some("t"));
        assert!(!token.ends_within(Duration::ZERO, at(1_700_000_000)));
        assert!(token.ends_within(Duration::ZERO, at(1_700_000_001)));
        assert!(!token.ends_within(MARGIN, at(1_699_999_940)));
        assert!(token.ends_within(MARGIN, at(1_699_999_941)));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let texts = ["", "x", "a.b.c", &jwt("[]"), &jwt("{}"), &jwt(r#"{"exp":"soon"}"#), "a.e30.c d"];
        for text in texts {
            assert_eq!(Token::parse(text).err(), Some(TokenError), "{text}");
        }
    }
}
