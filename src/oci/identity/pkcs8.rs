//! Decrypts PKCS#8 keys: PBES2 as OpenSSL writes it by default, with every usual cipher and digest; and of the older PBES1
//! the variants still in use: 3DES with PKCS#12's derivation, and DES.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, KeyIvInit};
use md5::{Digest, Md5};
use pkcs5::AlgorithmIdentifierRef;
use pkcs5::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use pkcs5::der::{Decode as _, ErrorKind, Reader as _, SliceReader};
use pkcs5::pbes2::{self, Parameters};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::key_error::KeyError;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const MD5_DES: ObjectIdentifier = oid("1.2.840.113549.1.5.3");
const SHA1_DES: ObjectIdentifier = oid("1.2.840.113549.1.5.10");
const SHA1_3DES: ObjectIdentifier = oid("1.2.840.113549.1.12.1.3");
const SHA1_2DES: ObjectIdentifier = oid("1.2.840.113549.1.12.1.4");
const CIPHERS: [ObjectIdentifier; 4] =
    [pbes2::AES_128_CBC_OID, pbes2::AES_192_CBC_OID, pbes2::AES_256_CBC_OID, pbes2::DES_EDE3_CBC_OID];

/// The schemes that we cannot decrypt, with their OpenSSL names.
const NAMES: [(&str, &str); 28] = [
    ("1.2.156.10197.1.104.2", "SM4-CBC"),
    ("1.2.392.200011.61.1.1.1.2", "CAMELLIA-128-CBC"),
    ("1.2.392.200011.61.1.1.1.3", "CAMELLIA-192-CBC"),
    ("1.2.392.200011.61.1.1.1.4", "CAMELLIA-256-CBC"),
    ("1.2.410.200004.1.4", "SEED-CBC"),
    ("1.2.410.200046.1.1.2", "ARIA-128-CBC"),
    ("1.2.410.200046.1.1.7", "ARIA-192-CBC"),
    ("1.2.410.200046.1.1.12", "ARIA-256-CBC"),
    ("1.2.840.113533.7.66.10", "CAST5-CBC"),
    ("1.2.840.113549.1.5.1", "PBE-MD2-DES"),
    ("1.2.840.113549.1.5.4", "PBE-MD2-RC2-64"),
    ("1.2.840.113549.1.5.6", "PBE-MD5-RC2-64"),
    ("1.2.840.113549.1.5.11", "PBE-SHA1-RC2-64"),
    ("1.2.840.113549.1.12.1.1", "PBE-SHA1-RC4-128"),
    ("1.2.840.113549.1.12.1.2", "PBE-SHA1-RC4-40"),
    ("1.2.840.113549.1.12.1.5", "PBE-SHA1-RC2-128"),
    ("1.2.840.113549.1.12.1.6", "PBE-SHA1-RC2-40"),
    ("1.2.840.113549.2.6", "hmacWithMD5"),
    ("1.2.840.113549.2.12", "hmacWithSHA512-224"),
    ("1.2.840.113549.2.13", "hmacWithSHA512-256"),
    ("1.2.840.113549.3.2", "RC2-CBC"),
    ("1.3.6.1.4.1.3029.1.2", "BF-CBC"),
    ("1.3.14.3.2.7", "DES-CBC"),
    ("2.16.840.1.101.3.4.1.1", "AES-128-ECB"),
    ("2.16.840.1.101.3.4.1.4", "AES-128-CFB"),
    ("2.16.840.1.101.3.4.1.43", "AES-256-OFB"),
    ("2.16.840.1.101.3.4.1.44", "AES-256-CFB"),
    ("2.16.840.1.101.3.4.1.46", "AES-256-GCM"),
];

fn not_supported(oid: ObjectIdentifier) -> KeyError {
    let text = oid.to_string();
    let name = NAMES.iter().find(|(known, _)| *known == text).map(|(_, name)| (*name).to_owned());
    KeyError::UnknownCipher(name.unwrap_or(text))
}

/// The key in an `ENCRYPTED PRIVATE KEY`, as unencrypted PKCS#8.
pub(super) fn open(der: &[u8], pass_phrase: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (algorithm, sealed) = parts(der).map_err(|_| KeyError::NotRsa)?;
    let parameters = algorithm.parameters.ok_or(KeyError::NotRsa)?;
    let phrase = pass_phrase.as_bytes();
    match algorithm.oid {
        pbes2::PBES2_OID => {
            let parameters = parameters_of(parameters)?;
            let opened = parameters.decrypt(phrase, sealed).map_err(|error| match error {
                pkcs5::Error::UnsupportedAlgorithm { oid } => not_supported(oid),
                _ => KeyError::PassPhraseWrong,
            })?;
            Ok(Zeroizing::new(opened))
        }
        MD5_DES => {
            let (salt, n_rounds) = salt_and_rounds(parameters)?;
            let derived = pbkdf1::<Md5>(phrase, salt, n_rounds);
            decrypted::<cbc::Decryptor<des::Des>>(&derived[..8], &derived[8..16], sealed)
        }
        SHA1_DES => {
            let (salt, n_rounds) = salt_and_rounds(parameters)?;
            let derived = pbkdf1::<Sha1>(phrase, salt, n_rounds);
            decrypted::<cbc::Decryptor<des::Des>>(&derived[..8], &derived[8..16], sealed)
        }
        SHA1_3DES => {
            let (salt, n_rounds) = salt_and_rounds(parameters)?;
            let derive = |purpose, n_bytes| pkcs12(pass_phrase, salt, n_rounds, purpose, n_bytes);
            decrypted::<cbc::Decryptor<des::TdesEde3>>(&derive(KEY, 24), &derive(IV, 8), sealed)
        }
        SHA1_2DES => {
            let (salt, n_rounds) = salt_and_rounds(parameters)?;
            let derive = |purpose, n_bytes| pkcs12(pass_phrase, salt, n_rounds, purpose, n_bytes);
            decrypted::<cbc::Decryptor<des::TdesEde2>>(&derive(KEY, 16), &derive(IV, 8), sealed)
        }
        other => Err(not_supported(other)),
    }
}

/// The parts of `EncryptedPrivateKeyInfo`: the encryption scheme and the encrypted data.
fn parts(der: &[u8]) -> pkcs5::der::Result<(AlgorithmIdentifierRef<'_>, &[u8])> {
    let mut reader = SliceReader::new(der)?;
    let parts = reader.sequence(|reader| {
        Ok((AlgorithmIdentifierRef::decode(reader)?, OctetStringRef::decode(reader)?.as_bytes()))
    })?;
    reader.finish(parts)
}

/// The parameters of PBES2. The cipher is checked first, so that the error names an unknown one.
fn parameters_of(any: AnyRef<'_>) -> Result<Parameters<'_>, KeyError> {
    let cipher = any.sequence(|reader| {
        AlgorithmIdentifierRef::decode(reader)?;
        AlgorithmIdentifierRef::decode(reader)
    });
    let cipher = cipher.map_err(|_| KeyError::NotRsa)?;
    if !CIPHERS.contains(&cipher.oid) {
        return Err(not_supported(cipher.oid));
    }
    // The library takes the first bytes of the vector, which may be shorter.
    let vector = cipher.parameters.and_then(|any| any.decode_as::<OctetStringRef<'_>>().ok());
    if vector.is_none_or(|vector| vector.as_bytes().len() < 8) {
        return Err(KeyError::NotRsa);
    }
    Parameters::try_from(any).map_err(|error| match error.kind() {
        ErrorKind::OidUnknown { oid } => not_supported(oid),
        _ => KeyError::NotRsa,
    })
}

/// The parameters of PBES1.
fn salt_and_rounds(any: AnyRef<'_>) -> Result<(&[u8], u32), KeyError> {
    let read = any.sequence(|reader| Ok((OctetStringRef::decode(reader)?.as_bytes(), u32::decode(reader)?)));
    read.ok().filter(|(_, n_rounds)| *n_rounds > 0).ok_or(KeyError::NotRsa)
}

fn decrypted<D: KeyIvInit + BlockDecryptMut>(
    key: &[u8],
    iv: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let cipher = D::new_from_slices(key, iv).map_err(|_| KeyError::NotRsa)?;
    let opened = cipher.decrypt_padded_vec_mut::<Pkcs7>(sealed).map_err(|_| KeyError::PassPhraseWrong)?;
    Ok(Zeroizing::new(opened))
}

/// Key and vector of the older PBES1 (RFC 8018, 5.1): at least sixteen bytes.
fn pbkdf1<D: Digest>(phrase: &[u8], salt: &[u8], n_rounds: u32) -> Zeroizing<Vec<u8>> {
    let first = D::new().chain_update(phrase).chain_update(salt).finalize();
    let mut derived = Zeroizing::new(first.to_vec());
    for _ in 1..n_rounds {
        derived = Zeroizing::new(D::digest(&*derived).to_vec());
    }
    derived
}

/// The ids of the purposes of a derivation of PKCS#12 (RFC 7292, B.3).
const KEY: u8 = 1;
const IV: u8 = 2;
/// The block size of SHA-1, in bytes.
const BLOCK: usize = 64;

/// Derives bytes from a pass phrase with SHA-1 (RFC 7292, B.2).
fn pkcs12(phrase: &str, salt: &[u8], n_rounds: u32, purpose: u8, n_bytes: usize) -> Zeroizing<Vec<u8>> {
    let phrase: Zeroizing<Vec<u8>> =
        Zeroizing::new(phrase.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect());
    let filled = |bytes: &[u8]| -> Vec<u8> {
        let length = bytes.len().div_ceil(BLOCK) * BLOCK;
        bytes.iter().copied().cycle().take(length).collect()
    };
    let mut input = Zeroizing::new([filled(salt), filled(&phrase)].concat());
    let mut derived = Zeroizing::new(Vec::with_capacity(n_bytes + 20));
    while derived.len() < n_bytes {
        let mut hash = Sha1::new().chain_update([purpose; BLOCK]).chain_update(&*input).finalize();
        for _ in 1..n_rounds {
            hash = Sha1::digest(hash);
        }
        derived.extend_from_slice(&hash);
        // Each block of the input, plus the hash, plus one, is that block in the next round.
        let step: Vec<u8> = hash.iter().copied().cycle().take(BLOCK).collect();
        for block in input.chunks_mut(BLOCK) {
            let mut carry = 1_u16;
            for (byte, add) in block.iter_mut().zip(&step).rev() {
                let [high, low] = (u16::from(*byte) + u16::from(*add) + carry).to_be_bytes();
                *byte = low;
                carry = u16::from(high);
            }
        }
    }
    derived.truncate(n_bytes);
    derived
}
