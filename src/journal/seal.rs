//! Seals confidential values before they are stored, and opens them when a run is taken up again.
//!
//! The invariant: nothing under [`CONFIDENTIAL_KEY`] reaches a column in the clear. Each value is sealed with
//! XChaCha20-Poly1305 under a random nonce and bound to its run, so that it cannot be moved to another one.

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
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::run::{CONFIDENTIAL_KEY, MASK, RunId};

/// The key of the one-entry map that stands for a sealed value.
const SEALED_KEY: &str = "$sealed";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

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

    /// Replaces every confidential value inside `json` by its sealed form.
    pub(super) fn seal(&self, json: &mut Value, run: RunId) -> Result<(), SealError> {
        match json {
            Value::Object(map) => {
                if let Some(inner) = map.get(CONFIDENTIAL_KEY) {
                    let plain = Zeroizing::new(inner.to_string());
                    *json = json!({SEALED_KEY: self.encrypt(plain.as_bytes(), run)?});
                    return Ok(());
                }
                map.values_mut().try_for_each(|value| self.seal(value, run))
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.seal(item, run)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    /// The reverse of [`Self::seal`].
    pub(super) fn open(&self, json: &mut Value, run: RunId) -> Result<(), SealError> {
        match json {
            Value::Object(map) => {
                if let Some(Value::String(sealed)) = map.get(SEALED_KEY) {
                    let plain = self.decrypt(sealed, run)?;
                    let inner: Value = serde_json::from_slice(&plain).map_err(|_| SealError::WrongKey)?;
                    *json = json!({CONFIDENTIAL_KEY: inner});
                    return Ok(());
                }
                map.values_mut().try_for_each(|value| self.open(value, run))
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.open(item, run)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn encrypt(&self, plain: &[u8], run: RunId) -> Result<String, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        OsRng.fill_bytes(&mut nonce);
        let bound_to = run.to_string();
        let payload = Payload { msg: plain, aad: bound_to.as_bytes() };
        let sealed = self
            .cipher(IfMissing::Make)?
            .encrypt(XNonce::from_slice(&nonce), payload)
            .expect("a value in memory is far below the cipher's limit of 256 GiB");
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    fn decrypt(&self, sealed: &str, run: RunId) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let bytes = STANDARD.decode(sealed).map_err(|_| SealError::WrongKey)?;
        if bytes.len() < NONCE_BYTES {
            return Err(SealError::WrongKey);
        }
        let (nonce, sealed) = bytes.split_at(NONCE_BYTES);
        let bound_to = run.to_string();
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

/// Replaces sealed values by the mask, for those who read without the key.
pub(super) fn mask_sealed(json: &mut Value) {
    match json {
        Value::Object(map) if map.contains_key(SEALED_KEY) => *json = Value::String(MASK.to_owned()),
        Value::Object(map) => map.values_mut().for_each(mask_sealed),
        Value::Array(items) => items.iter_mut().for_each(mask_sealed),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn parse_key(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_for_its_run_and_with_its_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = folder.path().join("journal.db");
        let sealer = Sealer::new(KeySource::default(), &journal);
        let run = RunId::random();
        let plain = json!({"env": [{CONFIDENTIAL_KEY: {"PASSWORD": "hunter2"}}], "open": 1});

        let mut stored = plain.clone();
        sealer.seal(&mut stored, run).expect("a key file can be made");
        assert!(!stored.to_string().contains("hunter2"));
        assert_eq!(stored["open"], 1);

        let mut opened = stored.clone();
        Sealer::new(KeySource::default(), &journal)
            .open(&mut opened, run)
            .expect("the key file is read back");
        assert_eq!(opened, plain);

        let moved = sealer.open(&mut stored.clone(), RunId::random());
        assert!(matches!(moved, Err(SealError::WrongKey)), "{moved:?}");
        let other = KeySource { from_env: Some(STANDARD.encode([7; KEY_BYTES]).into()) };
        let wrong = Sealer::new(other, &journal).open(&mut stored.clone(), run);
        assert!(matches!(wrong, Err(SealError::WrongKey)), "{wrong:?}");

        mask_sealed(&mut stored);
        assert_eq!(stored, json!({"env": [MASK], "open": 1}));
    }

    #[test]
    fn a_key_that_is_no_key_is_refused() {
        let source = KeySource { from_env: Some("c2hvcnQ=".to_owned().into()) };
        let mut value = json!({CONFIDENTIAL_KEY: 1});
        let refused =
            Sealer::new(source, Path::new("/nonexistent/journal.db")).seal(&mut value, RunId::random());
        assert!(matches!(refused, Err(SealError::BadVariable)), "{refused:?}");
    }
}
