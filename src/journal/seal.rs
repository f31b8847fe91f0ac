//! Seals confidential values before they are stored, and opens them when a run is taken up again.
//!
//! The invariant: nothing confidential reaches a column in the clear, and nothing that a user or the cloud named is
//! taken for a sealed value. Each value is sealed with XChaCha20-Poly1305 under a random nonce and bound to the place
//! where it stands, so that it opens nowhere else.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::rand_core::RngCore as _;
use chacha20poly1305::aead::{Aead as _, OsRng, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::run::{MASK, RunId, Seq, marker};

/// The key of the one-entry map that stands for a sealed value in a column.
const SEALED: &str = "$sealed";
/// The same for one that is not sealed: within a sealed text, and never in a column.
const CONFIDENTIAL: &str = "$confidential";
/// How a text begins that is bound to its place. One of before has no such beginning and is bound to its run alone.
const BOUND: &str = "2.";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// Where the journal's key comes from.
#[derive(Clone, Debug, Default)]
pub struct KeySource {
    /// `DEPLOYCTL_JOURNAL_KEY`: 32 bytes in base64. Without it, a 0600 file beside the journal, made on first use.
    pub from_env: Option<SecretString>,
}

/// Why a value could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The variable holds something that is no key.
    #[error("DEPLOYCTL_JOURNAL_KEY must be {KEY_BYTES} bytes in base64")]
    BadVariable,
    /// The key file holds something that is no key.
    #[error("{} is no journal key: expected {KEY_BYTES} bytes in base64", path.display())]
    BadFile {
        /// The key file.
        path: PathBuf,
    },
    /// The key file can be neither read nor made.
    #[error("cannot use the journal's key file {}", path.display())]
    File {
        /// The key file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key is not the one that the value was sealed with.
    #[error(
        "the journal holds values sealed with another key: set DEPLOYCTL_JOURNAL_KEY, or put the key file back \
         beside the journal"
    )]
    WrongKey,
    /// A column holds in the clear what is only ever stored sealed: somebody else wrote it.
    #[error(
        "the journal was changed by something else than deployctl: {place} holds a secret that is not sealed"
    )]
    Clear {
        /// The column, the row, and the path within the text.
        place: String,
    },
}

/// Seals and opens values; loads its key when it is first needed.
#[derive(Debug)]
pub(super) struct Sealer {
    source: KeySource,
    key_file: PathBuf,
    key: OnceLock<Key>,
}

impl Sealer {
    pub(super) fn new(source: KeySource, journal: &Path) -> Self {
        let mut key_file = journal.as_os_str().to_owned();
        key_file.push(".key");
        Self { source, key_file: key_file.into(), key: OnceLock::new() }
    }

    /// The form of `json` that is stored at `spot`: confidential values are sealed, and names that look like ours are
    /// escaped.
    pub(super) fn seal(&self, json: Value, spot: Spot) -> Result<Value, SealError> {
        self.seal_below(json, &spot.to_string())
    }

    fn seal_below(&self, json: Value, place: &str) -> Result<Value, SealError> {
        match json {
            Value::Object(mut map) => {
                if let Some(inner) = map.remove(marker()) {
                    let plain = Zeroizing::new(neutral(inner).to_string());
                    return Ok(json!({SEALED: self.encrypt(plain.as_bytes(), place)?}));
                }
                let entries = map.into_iter().map(|(name, value)| {
                    let stored = escaped(name);
                    let value = self.seal_below(value, &below(place, &stored))?;
                    Ok((stored, value))
                });
                entries.collect::<Result<_, _>>().map(Value::Object)
            }
            Value::Array(items) => {
                let items = items.into_iter().zip(0..);
                items.map(|(item, n)| self.seal_below(item, &below(place, &n.to_string()))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(json),
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
        let unreadable = |_| SealError::WrongKey;
        match text.strip_prefix(BOUND) {
            Some(bound) => {
                let plain = self.decrypt(bound, place)?;
                serde_json::from_slice(&plain).map(restored).map_err(unreadable)
            }
            None => {
                let plain = self.decrypt(text, &run.to_string())?;
                serde_json::from_slice(&plain).map_err(unreadable)
            }
        }
    }

    fn encrypt(&self, plain: &[u8], place: &str) -> Result<String, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        OsRng.fill_bytes(&mut nonce);
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let sealed = self
            .cipher(IfMissing::Make)?
            .encrypt(XNonce::from_slice(&nonce), payload)
            .expect("a value in memory is far below the cipher's limit of 256 GiB");
        Ok(format!("{BOUND}{}", STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    fn decrypt(&self, sealed: &str, bound_to: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let bytes = STANDARD.decode(sealed).map_err(|_| SealError::WrongKey)?;
        if bytes.len() < NONCE_BYTES {
            return Err(SealError::WrongKey);
        }
        let (nonce, sealed) = bytes.split_at(NONCE_BYTES);
        let payload = Payload { msg: sealed, aad: bound_to.as_bytes() };
        let plain = self.cipher(IfMissing::Refuse)?.decrypt(XNonce::from_slice(nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| SealError::WrongKey)
    }

    /// The cipher under the journal's key; `if_missing` says what to do when there is no key yet.
    fn cipher(&self, if_missing: IfMissing) -> Result<XChaCha20Poly1305, SealError> {
        let key = if let Some(key) = self.key.get() {
            key
        } else {
            let key = self.load_key(if_missing)?;
            self.key.get_or_init(|| key)
        };
        Ok(XChaCha20Poly1305::new(key.as_slice().into()))
    }

    fn load_key(&self, if_missing: IfMissing) -> Result<Key, SealError> {
        if let Some(variable) = &self.source.from_env {
            return parse_key(variable.expose_secret()).ok_or(SealError::BadVariable);
        }
        let failed = |source| SealError::File { path: self.key_file.clone(), source };
        match (self.read_key(), if_missing) {
            (Err(SealError::File { source, .. }), IfMissing::Make)
                if source.kind() == io::ErrorKind::NotFound =>
            {
                match self.make_key() {
                    Ok(key) => Ok(key),
                    // Another process was first: its key is the journal's.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.read_key(),
                    Err(error) => Err(failed(error)),
                }
            }
            (read, IfMissing::Make | IfMissing::Refuse) => read,
        }
    }

    fn read_key(&self) -> Result<Key, SealError> {
        let failed = |source| SealError::File { path: self.key_file.clone(), source };
        let text = Zeroizing::new(fs::read_to_string(&self.key_file).map_err(failed)?);
        parse_key(&text).ok_or_else(|| SealError::BadFile { path: self.key_file.clone() })
    }

    /// Makes the key and brings it to the disk, under its name only once it is whole: a sealed value whose key
    /// was lost with the power could never be opened again.
    fn make_key(&self) -> io::Result<Key> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        OsRng.fill_bytes(key.as_mut_slice());
        let draft = self.key_file.with_extension(format!("key.{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        writeln!(file, "{}", *Zeroizing::new(STANDARD.encode(key.as_slice())))?;
        file.sync_all()?;
        let linked = fs::hard_link(&draft, &self.key_file);
        fs::remove_file(&draft)?;
        linked?;
        if let Some(folder) = self.key_file.parent() {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(key)
    }
}

type Key = Zeroizing<[u8; KEY_BYTES]>;

/// What to do when the journal has no key file yet.
#[derive(Clone, Copy)]
enum IfMissing {
    /// Make one: something is to be sealed for the first time.
    Make,
    /// Fail: what was sealed cannot be opened with a new key.
    Refuse,
}

/// Where a JSON text stands in the journal.
///
/// Its text is what sealed values are bound to: it must stay as it is for as long as there are journals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) run: RunId,
    /// The step, unless it is a column of the run itself.
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

/// The place of what stands under `name`, as JSON pointers are written.
fn below(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The sealed text that `map` stands for.
///
/// A journal of before holds users' own names as they are: what cannot be a sealed text is one of those.
fn sealed_text(map: &Map<String, Value>) -> Option<&str> {
    let text = map.get(SEALED)?.as_str().filter(|_| map.len() == 1)?;
    let is_sealed = text.starts_with(BOUND)
        || STANDARD.decode(text).is_ok_and(|bytes| bytes.len() >= NONCE_BYTES + TAG_BYTES);
    is_sealed.then_some(text)
}

/// Whether `name` is one of ours, behind any number of dollars.
fn looks_like_ours(name: &str) -> bool {
    let bare = name.trim_start_matches('$');
    bare.len() < name.len() && [SEALED, CONFIDENTIAL].iter().any(|ours| bare == &ours[1..])
}

/// The form in which a name of a user's or the cloud's is stored.
fn escaped(name: String) -> String {
    if looks_like_ours(&name) { format!("${name}") } else { name }
}

/// The reverse of [`escaped`].
fn unescaped(stored: String) -> String {
    match stored.strip_prefix('$') {
        Some(name) if looks_like_ours(name) => name.to_owned(),
        Some(_) | None => stored,
    }
}

/// `json` with the name that confidential values have in every process in place of this process's own, for what is
/// confidential within something that is.
fn neutral(json: Value) -> Value {
    renamed(json, &|name| if name == marker() { CONFIDENTIAL.to_owned() } else { escaped(name) })
}

/// The reverse of [`neutral`].
fn restored(json: Value) -> Value {
    renamed(json, &|name| if name == CONFIDENTIAL { marker().to_owned() } else { unescaped(name) })
}

fn renamed(json: Value, rename: &impl Fn(String) -> String) -> Value {
    match json {
        Value::Object(map) => {
            let entries = map.into_iter().map(|(name, value)| (rename(name), renamed(value, rename)));
            Value::Object(entries.collect())
        }
        Value::Array(items) => items.into_iter().map(|item| renamed(item, rename)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json,
    }
}

/// A stored text for those who read without the key: the mask in place of sealed values.
pub(super) fn masked(json: Value) -> Value {
    match json {
        Value::Object(map) if sealed_text(&map).is_some() => Value::String(MASK.to_owned()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(stored, value)| (unescaped(stored), masked(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json,
    }
}

fn parse_key(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::run::Confidential;

    fn sealer() -> Sealer {
        let key = STANDARD.encode([7; KEY_BYTES]).into();
        Sealer::new(KeySource { from_env: Some(key) }, Path::new("/nonexistent/journal.db"))
    }

    fn spot(run: RunId) -> Spot {
        Spot { run, seq: Some(Seq::FIRST), column: "input" }
    }

    #[test]
    fn a_sealed_value_opens_only_with_its_key_and_where_it_stood() {
        let run = RunId::random();
        let plain = json!({"env": [Confidential::new(json!({"PASSWORD": "hunter2"}))], "open": 1});
        let stored = sealer().seal(plain.clone(), spot(run)).expect("there is a key");
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
            assert!(matches!(moved, Err(SealError::WrongKey)), "{moved:?}");
        }
        let moved = sealer().open(json!({"other": stored["env"]}), spot(run));
        assert!(matches!(moved, Err(SealError::WrongKey)), "{moved:?}");
        let other = KeySource { from_env: Some(STANDARD.encode([8; KEY_BYTES]).into()) };
        let wrong = Sealer::new(other, Path::new("/nonexistent/journal.db")).open(stored, spot(run));
        assert!(matches!(wrong, Err(SealError::WrongKey)), "{wrong:?}");
    }

    #[test]
    fn what_a_version_before_stored_is_read() {
        let run = RunId::random();
        let nonce = [1; NONCE_BYTES];
        let bound_to = run.to_string();
        let payload = Payload { msg: br#"{"$sealed":"mine"}"#, aad: bound_to.as_bytes() };
        let cipher = sealer().cipher(IfMissing::Refuse).expect("there is a key");
        let sealed = cipher.encrypt(XNonce::from_slice(&nonce), payload).expect("sealed");
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

    #[test]
    fn a_key_that_is_no_key_is_refused() {
        let source = KeySource { from_env: Some("c2hvcnQ=".to_owned().into()) };
        let value = json!(Confidential::new(1));
        let refused =
            Sealer::new(source, Path::new("/nonexistent/journal.db")).seal(value, spot(RunId::random()));
        assert!(matches!(refused, Err(SealError::BadVariable)), "{refused:?}");
    }

    /// Any JSON, with the names that could be taken for ours wherever a map has names.
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
            let column = sealer().seal(written.clone(), spot(run)).expect("there is a key").to_string();
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
