//! The door through which the cloud's words come in: what they repeat of our secrets is masked here, before anything of
//! them is cut, folded into one line, or passed on.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};

use super::error::clean;
use crate::run::{Cut, Secrets};

/// So much of a message is read; what is shown of it is far less.
const MESSAGE: usize = 16 << 10;
/// So much of the end of a log.
const LOG: usize = 16 << 10;

/// What is not to be shown, shared by everybody who hears the cloud.
#[derive(Clone, Debug, Default)]
pub(super) struct Veil(Arc<RwLock<Veiled>>);

#[derive(Debug, Default)]
struct Veiled {
    secrets: Secrets,
    /// What was hidden already: the same is told again with every step.
    known: HashSet<String>,
}

impl Veil {
    /// Hides values, with all their parts, wherever the cloud repeats them from now on.
    pub(super) fn mask<S: AsRef<str>>(&self, values: impl IntoIterator<Item = S>) {
        self.change(values, Secrets::add);
    }

    /// Hides tokens.
    pub(super) fn mask_tokens<'t>(&self, tokens: impl IntoIterator<Item = &'t str>) {
        self.change(tokens, Secrets::add_token);
    }

    fn change<S: AsRef<str>>(&self, values: impl IntoIterator<Item = S>, add: fn(&mut Secrets, &str)) {
        let mut veiled = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for value in values {
            let value = value.as_ref();
            if veiled.known.insert(value.to_owned()) {
                add(&mut veiled.secrets, value);
            }
        }
    }

    /// A text of the cloud without the secrets that it repeats.
    pub(super) fn over(&self, text: &str) -> String {
        self.masked(beginning(text, MESSAGE), Cut::End)
    }

    /// The end of a log without them. It may begin in the middle of one.
    pub(super) fn over_log(&self, log: &str) -> String {
        self.masked(end(log, LOG), Cut::Both)
    }

    /// One line of at most `n_most` characters, without them.
    pub(super) fn clean(&self, text: &str, n_most: usize) -> String {
        clean(&self.over(text), n_most)
    }

    fn masked(&self, text: &str, cut: Cut) -> String {
        self.0.read().unwrap_or_else(PoisonError::into_inner).secrets.masked(text, cut)
    }
}

/// What authenticates one request: masked in whatever is answered to it.
pub(super) struct Signed(SecretString);

impl Signed {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self(format!("{}\n{}", text("authorization"), text("opc-obo-token")).into())
    }

    /// Hides the signature, and the token in the place of a key's name. The name of an API key is no secret: it is made
    /// of the OCIDs of a tenancy and a user, and of a fingerprint.
    pub(super) fn mask_behind(&self, veil: &Veil) {
        let (authorization, obo_token) = self.0.expose_secret().split_once('\n').unwrap_or_default();
        let quoted = |name: &str| {
            let (_, rest) = authorization.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let token = quoted("keyId").and_then(|id| id.strip_prefix("ST$"));
        let all = [quoted("signature"), token, Some(obo_token)].into_iter().flatten();
        veil.mask_tokens(all.filter(|token| !token.is_empty()));
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
    fn what_signs_a_request_is_hidden_and_the_name_of_a_key_is_not() {
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
        let veil = Veil::default();
        Signed::of(&sent("ocid1.tenancy/ocid1.user/20:3b")).mask_behind(&veil);
        Signed::of(&sent("ST$eyJhbGci.eyJzdWIi.c2lnbmVk")).mask_behind(&veil);
        let said = "no ocid1.tenancy/ocid1.user/20:3b with c2lnbmF0dXJlIQ==, ST$eyJhbGci.eyJzdWIi.c2lnbmVk or bbbbbbbb";
        assert_eq!(veil.over(said), "no ocid1.tenancy/ocid1.user/20:3b with ***, ST$*** or ***");
    }

    #[test]
    fn a_text_is_bounded_before_it_is_masked() {
        let veil = Veil::default();
        veil.mask(["hunter2-planted"]);
        let said = format!("{}hunter2-planted", "ä".repeat(MESSAGE));
        assert!(veil.over(&said).len() <= MESSAGE);
        let log = format!("{}nted\n{}", "x hunter2-pla", "y".repeat(LOG - 5));
        assert!(veil.over_log(&log).starts_with("***\n"), "{}", &veil.over_log(&log)[..20]);
    }
}
