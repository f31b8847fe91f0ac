//! Why a key cannot be used.

/// Why a private key cannot be used. It reveals nothing of the key's content.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no PEM block.
    #[error("there is no private key in it: expected a block `-----BEGIN … PRIVATE KEY-----`")]
    NoPemBlock,
    /// The key is encrypted and no pass phrase was given.
    #[error("the private key is encrypted: set its pass phrase")]
    PassPhraseMissing,
    /// The pass phrase is wrong.
    #[error("the pass phrase does not open the private key")]
    PassPhraseWrong,
    /// The key is not an RSA key.
    #[error("the private key is not an RSA key that can be read")]
    NotRsa,
    /// The key is encrypted in a way that we cannot decrypt.
    #[error(
        "the private key is encrypted with {0}, a cipher that is not supported: convert it with `openssl pkcs8 -topk8`"
    )]
    UnknownCipher(String),
}
