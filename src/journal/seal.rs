//! Seals confidential values before they are stored, and opens them when a run is taken.
//!
//! The invariant: no confidential value reaches a column in the clear, and no name of a user or of the cloud is
//! mistaken for a sealed value. Each value is sealed with XChaCha20-Poly1305 under a random nonce and bound to its
//! place, so that it opens nowhere else.

use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::rand_core::RngCore as _;
use chacha20poly1305::aead::{Aead as _, OsRng, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::key::{KEY_BYTES, Key, KeyOrigin};
use super::stored::{BOUND, CONFIDENTIAL, SEALED, escaped, neutral, restored, sealed_text, unescaped};
use crate::run::{MASK, RunId, Seq, marker};

/// The text of the journal's canary, and the place to which it is bound.
const CANARY: &str = "the journal's canary";
const NONCE_BYTES: usize = 24;

/// Why the journal's key cannot be used, or a value not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The text that the program gave is not a key.
    #[error("{name} must be {KEY_BYTES} bytes in base64")]
    BadVariable {
        /// The name of its source.
        name: &'static str,
    },
    /// The key file holds something that is not a key.
    #[error("{} is not a journal key: expected {KEY_BYTES} bytes in base64", path.display())]
    BadFile {
        /// The key file.
        path: PathBuf,
    },
    /// The key file can be neither read nor created.
    #[error("cannot use the journal's key file {}", path.display())]
    File {
        /// The key file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The key file is missing, and the journal is already sealed with its key.
    #[error("the journal's key file {} is missing, and the journal is sealed with its key", path.display())]
    Missing {
        /// The key file.
        path: PathBuf,
    },
    /// The key is not the journal's.
    #[error("{origin} does not open the journal: it is sealed with another key")]
    WrongKey {
        /// Where the key was found.
        origin: KeyOrigin,
    },
    /// A defect of this program: the journal was opened for reading only.
    #[error("the journal was opened without its key")]
    OnlyLooking,
    /// Another process has replaced the key since the journal was opened.
    #[error("the journal's key was rotated by another process just now")]
    Rotated,
    /// A value was sealed with another key, or for another place.
    #[error("what is sealed in {place} does not open with the journal's key")]
    Unopened {
        /// The column, the row, and the path within the text.
        place: String,
    },
    /// A column holds a value in the clear that is only ever stored sealed: another program wrote it.
    #[error(
        "the journal was changed by something else than this program: {place} holds a secret that is not sealed"
    )]
    Clear {
        /// The column, the row, and the path within the text.
        place: String,
    },
}

/// Seals and opens values with the journal's key.
pub(super) struct Sealer {
    cipher: XChaCha20Poly1305,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(MASK)
    }
}

impl Sealer {
    pub(super) fn new(key: &Key) -> Self {
        Self { cipher: XChaCha20Poly1305::new(key.as_slice().into()) }
    }

    /// A text that only this key opens.
    pub(super) fn canary(&self) -> String {
        self.encrypt(CANARY.as_bytes(), CANARY)
    }

    /// Whether a canary was sealed with this key.
    pub(super) fn knows(&self, canary: &str) -> bool {
        let bound = canary.strip_prefix(BOUND).unwrap_or_default();
        self.decrypt(bound, CANARY).is_some_and(|plain| plain.as_slice() == CANARY.as_bytes())
    }

    /// The form of `json` that is stored at `spot`: confidential values are sealed, and other names that look like ours
    /// are escaped.
    pub(super) fn seal(&self, json: Value, spot: Spot) -> Value {
        self.seal_below(json, &spot.to_string())
    }

    fn seal_below(&self, json: Value, place: &str) -> Value {
        match json {
            Value::Object(mut map) => {
                if let Some(inner) = map.remove(marker()) {
                    let plain = Zeroizing::new(neutral(inner).to_string());
                    return json!({SEALED: self.encrypt(plain.as_bytes(), place)});
                }
                let entries = map.into_iter().map(|(name, value)| {
                    let stored = escaped(name);
                    let value = self.seal_below(value, &below(place, &stored));
                    (stored, value)
                });
                Value::Object(entries.collect())
            }
            Value::Array(items) => {
                let items = items.into_iter().zip(0..);
                items.map(|(item, n)| self.seal_below(item, &below(place, &n.to_string()))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json,
        }
    }

    /// The reverse of [`Self::seal`].
    pub(super) fn open(&self, json: Value, spot: Spot) -> Result<Value, SealError> {
        self.open_below(json, spot.run, &spot.to_string())
    }

    fn open_below(&self, json: Value, run: RunId, place: &str) -> Result<Value, SealError> {
        match json {
            Value::Object(map) => {
                if let Some(text) = sealed_text(&map) {
                    return Ok(json!({marker(): self.open_text(text, run, place)?}));
                }
                if map.contains_key(CONFIDENTIAL) {
                    return Err(SealError::Clear { place: place.to_owned() });
                }
                let entries = map.into_iter().map(|(stored, value)| {
                    let value = self.open_below(value, run, &below(place, &stored))?;
                    Ok((unescaped(stored), value))
                });
                entries.collect::<Result<_, _>>().map(Value::Object)
            }
            Value::Array(items) => {
                let items = items.into_iter().zip(0..);
                items.map(|(item, n)| self.open_below(item, run, &below(place, &n.to_string()))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(json),
        }
    }

    fn open_text(&self, text: &str, run: RunId, place: &str) -> Result<Value, SealError> {
        let opened = match text.strip_prefix(BOUND) {
            Some(bound) => {
                self.decrypt(bound, place).and_then(|plain| serde_json::from_slice(&plain).ok()).map(restored)
            }
            None => {
                self.decrypt(text, &run.to_string()).and_then(|plain| serde_json::from_slice(&plain).ok())
            }
        };
        opened.ok_or_else(|| SealError::Unopened { place: place.to_owned() })
    }

    fn encrypt(&self, plain: &[u8], place: &str) -> String {
        let mut nonce = [0; NONCE_BYTES];
        OsRng.fill_bytes(&mut nonce);
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(XNonce::from_slice(&nonce), payload)
            .expect("a value in memory is far below the cipher's limit of 256 GiB");
        format!("{BOUND}{}", STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    fn decrypt(&self, sealed: &str, bound_to: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let payload = Payload { msg: sealed, aad: bound_to.as_bytes() };
        self.cipher.decrypt(XNonce::from_slice(nonce), payload).ok().map(Zeroizing::new)
    }
}

/// The place of a JSON text in the journal.
///
/// Sealed values are bound to the text of this place, which must stay unchanged for as long as there are journals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) run: RunId,
    /// The step; `None` for a column of the run itself.
    pub(super) seq: Option<Seq>,
    pub(super) column: &'static str,
}

impl std::fmt::Display for Spot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.seq {
            Some(seq) => write!(formatter, "the {} of step {seq} of run {}", self.column, self.run),
            None => write!(formatter, "the {} of run {}", self.column, self.run),
        }
    }
}

/// The place of the value under `name`, in the form of a JSON pointer.
fn below(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::journal::stored::masked;
    use crate::run::Confidential;

    fn sealer() -> Sealer {
        Sealer::new(&Zeroizing::new([7; KEY_BYTES]))
    }

    fn spot(run: RunId) -> Spot {
        Spot { run, seq: Some(Seq::FIRST), column: "input" }
    }

    #[test]
    fn a_sealed_value_opens_only_with_its_key_and_where_it_stood() {
        let run = RunId::random();
        let plain = json!({"env": [Confidential::new(json!({"PASSWORD": "hunter2"}))], "open": 1});
        let stored = sealer().seal(plain.clone(), spot(run));
        assert!(!stored.to_string().contains("hunter2"));
        assert_eq!(stored["open"], 1);
        assert_eq!(sealer().open(stored.clone(), spot(run)).expect("it opens"), plain);
        assert_eq!(masked(stored.clone()), json!({"env": [MASK], "open": 1}));

        let second = Seq::FIRST.next();
        for other in [
            spot(RunId::random()),
            Spot { seq: Some(second), ..spot(run) },
            Spot { seq: None, ..spot(run) },
            Spot { column: "output", ..spot(run) },
        ] {
            let moved = sealer().open(stored.clone(), other);
            assert!(matches!(moved, Err(SealError::Unopened { .. })), "{moved:?}");
        }
        let moved = sealer().open(json!({"other": stored["env"]}), spot(run));
        assert!(matches!(moved, Err(SealError::Unopened { .. })), "{moved:?}");
        let other = Sealer::new(&Zeroizing::new([8; KEY_BYTES]));
        let wrong = other.open(stored, spot(run));
        assert!(matches!(wrong, Err(SealError::Unopened { .. })), "{wrong:?}");
        assert!(sealer().knows(&sealer().canary()) && !other.knows(&sealer().canary()));
    }

    #[test]
    fn what_a_version_before_stored_is_read() {
        let run = RunId::random();
        let nonce = [1; NONCE_BYTES];
        let bound_to = run.to_string();
        let payload = Payload { msg: br#"{"$sealed":"mine"}"#, aad: bound_to.as_bytes() };
        let sealed = sealer().cipher.encrypt(XNonce::from_slice(&nonce), payload).expect("sealed");
        let sealed = STANDARD.encode([&nonce[..], &sealed].concat());
        let stored = json!({"specification": {"$sealed": sealed}, "shown": {"tags": {"$sealed": "***"}}});
        let opened = sealer().open(stored, spot(run)).expect("it opens");
        let secret = Confidential::new(json!({"$sealed": "mine"}));
        assert_eq!(opened, json!({"specification": secret, "shown": {"tags": {"$sealed": "***"}}}));
    }

    #[test]
    fn a_secret_in_the_clear_is_not_believed() {
        let run = RunId::random();
        let stored = json!({"specification": {"$confidential": {"image": "evil"}}});
        let refused = sealer().open(stored, spot(run)).expect_err("it is refused").to_string();
        assert!(refused.contains(&format!("the input of step 1 of run {run}/specification")), "{refused}");
    }

    /// Any JSON whose maps may contain names that look like ours.
    fn any_json() -> impl Strategy<Value = Value> {
        let name = prop_oneof![
            "\\${0,4}(sealed|confidential)",
            Just(marker().replace(|c: char| c.is_ascii_hexdigit(), "0")),
            ".{0,6}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,80}".prop_map(Value::from),
            "2\\.[A-Za-z0-9+/]{80}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((name.clone(), inner), 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_comes_back_as_it_was(open in any_json(), secret in any_json()) {
            let run = RunId::random();
            let written = json!({
                "open": open, "secret": Confidential::new(&secret), "nested": Confidential::new([Confidential::new(&secret)]),
            });
            let column = sealer().seal(written.clone(), spot(run)).to_string();
            let stored = serde_json::from_str(&column).expect("it is JSON");
            let read = sealer().open(stored, spot(run)).expect("it opens");
            prop_assert_eq!(&read, &written);
            let secret_read: Confidential<Value> = serde_json::from_value(read["secret"].clone()).expect("it is read");
            prop_assert_eq!(secret_read.expose(), &secret);
            let shown = masked(serde_json::from_str(&column).expect("it is JSON"));
            prop_assert_eq!(shown, json!({"open": open, "secret": MASK, "nested": MASK}));
        }
    }
}
