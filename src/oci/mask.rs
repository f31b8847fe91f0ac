//! Masks what the cloud repeats of our secrets, at the one place where its words come in: before a text is cut, folded into
//! one line, or passed on.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};

use super::error::clean;
use crate::run::{Cut, Secrets};

/// How many bytes of a message are read; far fewer are shown.
const MESSAGE: usize = 16 << 10;
/// How many bytes are read from the end of a log.
const LOG: usize = 16 << 10;

/// The secrets to mask, shared by everything that reads answers of the cloud.
#[derive(Clone, Debug, Default)]
pub(super) struct Mask(Arc<RwLock<Masked>>);

#[derive(Debug, Default)]
struct Masked {
    secrets: Secrets,
    /// The values that were added: each step adds the same ones again.
    known: HashSet<String>,
}

impl Mask {
    /// Masks values, with all their parts, wherever the cloud repeats them from now on.
    pub(super) fn add<S: AsRef<str>>(&self, values: impl IntoIterator<Item = S>) {
        self.change(values, Secrets::add);
    }

    /// Masks tokens.
    fn add_tokens<'t>(&self, tokens: impl IntoIterator<Item = &'t str>) {
        self.change(tokens, Secrets::add_token);
    }

    fn change<S: AsRef<str>>(&self, values: impl IntoIterator<Item = S>, add: fn(&mut Secrets, &str)) {
        let mut masked = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for value in values {
            let value = value.as_ref();
            if masked.known.insert(value.to_owned()) {
                add(&mut masked.secrets, value);
            }
        }
    }

    /// A text of the cloud, masked.
    pub(super) fn text(&self, text: &str) -> String {
        self.masked(beginning(text, MESSAGE), Cut::End)
    }

    /// The end of a log, masked. It may begin in the middle of a secret.
    pub(super) fn log(&self, log: &str) -> String {
        self.masked(end(log, LOG), Cut::Both)
    }

    /// A text as one line of at most `n_most` characters, masked.
    pub(super) fn line(&self, text: &str, n_most: usize) -> String {
        clean(&self.text(text), n_most)
    }

    fn masked(&self, text: &str, cut: Cut) -> String {
        self.0.read().unwrap_or_else(PoisonError::into_inner).secrets.masked(text, cut)
    }
}

/// What authenticates one request. The answer to that request must not repeat it.
pub(super) struct Signed(SecretString);

impl Signed {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self(format!("{}\n{}", text("authorization"), text("opc-obo-token")).into())
    }

    /// Masks the signature, and a token in the place of the key's name. The name of an API key is no secret: it consists of
    /// the OCIDs of a tenancy and a user, and of a fingerprint.
    pub(super) fn add_to(&self, mask: &Mask) {
        let (authorization, obo_token) = self.0.expose_secret().split_once('\n').unwrap_or_default();
        let quoted = |name: &str| {
            let (_, rest) = authorization.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let token = quoted("keyId").and_then(|id| id.strip_prefix("ST$"));
        let all = [quoted("signature"), token, Some(obo_token)].into_iter().flatten();
        mask.add_tokens(all.filter(|token| !token.is_empty()));
    }
}

fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

fn end(text: &str, most: usize) -> &str {
    let start = (text.len().saturating_sub(most)..text.len()).find(|at| text.is_char_boundary(*at));
    start.map_or("", |start| &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_signs_a_request_is_masked_and_the_name_of_a_key_is_not() {
        let sent = |key_id: &str| {
            let authorization = format!(
                "Signature algorithm=\"rsa-sha256\",headers=\"date\",keyId=\"{key_id}\",signature=\"c2lnbmF0dXJlIQ==\""
            );
            HeaderMap::from_iter(
                [
                    ("authorization", authorization),
                    ("opc-obo-token", "aaaaaaaa.bbbbbbbb.cccccccc".to_owned()),
                ]
                .map(|(name, value)| {
                    (reqwest::header::HeaderName::from_static(name), value.parse().expect("a header"))
                }),
            )
        };
        let mask = Mask::default();
        Signed::of(&sent("ocid1.tenancy/ocid1.user/20:3b")).add_to(&mask);
        Signed::of(&sent("ST$eyJhbGci.eyJzdWIi.c2lnbmVk")).add_to(&mask);
        let said = "no ocid1.tenancy/ocid1.user/20:3b with c2lnbmF0dXJlIQ==, ST$eyJhbGci.eyJzdWIi.c2lnbmVk or bbbbbbbb";
        assert_eq!(mask.text(said), "no ocid1.tenancy/ocid1.user/20:3b with ***, ST$*** or ***");
    }

    #[test]
    fn a_text_is_bounded_before_it_is_masked() {
        let mask = Mask::default();
        mask.add(["hunter2-planted"]);
        let said = format!("{}hunter2-planted", "ä".repeat(MESSAGE));
        assert!(mask.text(&said).len() <= MESSAGE);
        let log = format!("{}nted\n{}", "x hunter2-pla", "y".repeat(LOG - 5));
        assert!(mask.log(&log).starts_with("***\n"), "{}", &mask.log(&log)[..20]);
    }
}
