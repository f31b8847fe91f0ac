//! The journal's key: what it is, and where it may come from.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore as _;
use secrecy::SecretString;
use zeroize::Zeroizing;

/// The length of a key.
pub(super) const KEY_BYTES: usize = 32;

pub(super) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// Where the journal's key comes from.
#[derive(Clone, Debug, Default)]
pub struct KeySource {
    /// `DEPLOYCTL_JOURNAL_KEY`: 32 bytes in base64. Without it, a 0600 file beside the journal, made on first use.
    pub from_env: Option<SecretString>,
}

/// Where a key was found, for the message about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// `DEPLOYCTL_JOURNAL_KEY`.
    Variable,
    /// A file beside the journal.
    File(PathBuf),
}

impl std::fmt::Display for KeyOrigin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable => formatter.write_str("DEPLOYCTL_JOURNAL_KEY"),
            Self::File(path) => write!(formatter, "the journal's key file {}", path.display()),
        }
    }
}

/// A key that nobody has had before.
pub(super) fn random() -> Key {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    OsRng.fill_bytes(key.as_mut_slice());
    key
}

/// The key that a text stands for.
pub(super) fn parse(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}
