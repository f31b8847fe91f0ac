//! The journal's key, and its possible sources.

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
    /// The key itself. Without it, the key is in a file beside the journal with mode 0600, created on first use.
    pub given: Option<GivenKey>,
}

/// A key that the program gives, for example from an environment variable.
#[derive(Clone, Debug)]
pub struct GivenKey {
    /// The name of its source, for messages: the variable's name.
    pub name: &'static str,
    /// 32 bytes in base64.
    pub text: SecretString,
}

/// Where a key was found, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// The program gave it, from the source with this name.
    Given(&'static str),
    /// A file beside the journal.
    File(PathBuf),
}

impl std::fmt::Display for KeyOrigin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Given(name) => formatter.write_str(name),
            Self::File(path) => write!(formatter, "the journal's key file {}", path.display()),
        }
    }
}

/// A new random key.
pub(super) fn random() -> Key {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    OsRng.fill_bytes(key.as_mut_slice());
    key
}

/// Parses the text of a key.
pub(super) fn parse(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}
