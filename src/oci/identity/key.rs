//! Reads RSA private keys from PEM text: PKCS#1 and PKCS#8, encrypted or not, with any text around them (the console tells
//! users to append a line `OCI_API_KEY`).

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut as _, KeyIvInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use rsa::pkcs1::{DecodeRsaPrivateKey as _, DecodeRsaPublicKey as _};
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use rsa::{RsaPrivateKey, RsaPublicKey};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::key_error::KeyError;
use super::pkcs8;
use crate::oci::signer::SigningKey;

/// Reads the first private key in `text`.
///
/// # Errors
/// See [`KeyError`]. A pass phrase for an unencrypted key is ignored, as in the official CLI.
pub fn read_key(text: &str, pass_phrase: Option<&SecretString>) -> Result<SigningKey, KeyError> {
    let (label, block) = pem_block(text).ok_or(KeyError::NoPemBlock)?;
    let pass_phrase = || pass_phrase.ok_or(KeyError::PassPhraseMissing).map(ExposeSecret::expose_secret);
    let key = match label {
        "RSA PRIVATE KEY" if block.contains("ENCRYPTED") => {
            let der = open_legacy(block, pass_phrase()?)?;
            RsaPrivateKey::from_pkcs1_der(&der).map_err(|_| KeyError::PassPhraseWrong)?
        }
        "RSA PRIVATE KEY" => RsaPrivateKey::from_pkcs1_der(&decode(block)?).map_err(|_| KeyError::NotRsa)?,
        "PRIVATE KEY" => RsaPrivateKey::from_pkcs8_der(&decode(block)?).map_err(|_| KeyError::NotRsa)?,
        "ENCRYPTED PRIVATE KEY" => {
            let der = pkcs8::open(&decode(block)?, pass_phrase()?)?;
            // One in 256 wrong pass phrases looks right up to here.
            RsaPrivateKey::from_pkcs8_der(&der).map_err(|_| KeyError::PassPhraseWrong)?
        }
        _ => return Err(KeyError::NotRsa),
    };
    Ok(SigningKey::new(key))
}

/// Makes sure that `text` is an RSA public key, as SPKI or PKCS#1.
///
/// # Errors
/// A message, if it is not.
pub fn check_public_key(text: &str) -> Result<(), &'static str> {
    let is_spki = RsaPublicKey::from_public_key_pem(text.trim()).is_ok();
    let is_pkcs1 = RsaPublicKey::from_pkcs1_pem(text.trim()).is_ok();
    if is_spki || is_pkcs1 {
        Ok(())
    } else {
        Err("there is no block `-----BEGIN PUBLIC KEY-----` with an RSA key")
    }
}

/// The label and the content of the first block that holds a private key.
fn pem_block(text: &str) -> Option<(&str, &str)> {
    let mut rest = text;
    loop {
        let (_, after) = rest.split_once("-----BEGIN ")?;
        let (label, after) = after.split_once("-----")?;
        let (block, after) = after.split_once("-----END ")?;
        if label.ends_with("PRIVATE KEY") {
            return Some((label, block));
        }
        rest = after;
    }
}

fn decode(block: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let compact: Zeroizing<String> = Zeroizing::new(block.split_whitespace().collect());
    STANDARD.decode(compact.as_bytes()).map(Zeroizing::new).map_err(|_| KeyError::NotRsa)
}

/// Decrypts OpenSSL's traditional format: `Proc-Type: 4,ENCRYPTED` and `DEK-Info: CIPHER,IV` (RFC 1421).
fn open_legacy(block: &str, pass_phrase: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (head, body) = block
        .trim_start()
        .split_once("\n\n")
        .or_else(|| block.trim_start().split_once("\r\n\r\n"))
        .ok_or(KeyError::NotRsa)?;
    let info = head.lines().find_map(|line| line.strip_prefix("DEK-Info: ")).ok_or(KeyError::NotRsa)?;
    let (cipher, iv) = info.trim().split_once(',').ok_or(KeyError::NotRsa)?;
    let iv = unhex(iv).ok_or(KeyError::NotRsa)?;
    let mut bytes = decode(body)?;
    let key = |n_bytes| legacy_key(pass_phrase, &iv, n_bytes);
    macro_rules! decrypt {
        ($cipher:ty, $n_bytes:literal) => {
            cbc::Decryptor::<$cipher>::new_from_slices(&key($n_bytes), &iv)
                .map_err(|_| KeyError::NotRsa)?
                .decrypt_padded_mut::<Pkcs7>(&mut bytes)
                .map_err(|_| KeyError::PassPhraseWrong)?
                .len()
        };
    }
    let length = match cipher {
        "AES-128-CBC" => decrypt!(aes::Aes128, 16),
        "AES-192-CBC" => decrypt!(aes::Aes192, 24),
        "AES-256-CBC" => decrypt!(aes::Aes256, 32),
        "DES-EDE3-CBC" => decrypt!(des::TdesEde3, 24),
        other => return Err(KeyError::UnknownCipher(other.to_owned())),
    };
    bytes.truncate(length);
    Ok(bytes)
}

/// OpenSSL's `EVP_BytesToKey` with MD5, one iteration, and the first eight bytes of the IV as salt.
fn legacy_key(pass_phrase: &str, iv: &[u8], n_bytes: usize) -> Zeroizing<Vec<u8>> {
    let salt = iv.get(..8).unwrap_or(iv);
    let mut key = Zeroizing::new(Vec::with_capacity(n_bytes + 16));
    while key.len() < n_bytes {
        let mut hash = Md5::new();
        let last = key.len().saturating_sub(16);
        hash.update(&key[last..]);
        hash.update(pass_phrase);
        hash.update(salt);
        key.extend_from_slice(&hash.finalize());
    }
    key.truncate(n_bytes);
    key
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.trim().chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    digits.chunks(2).map(|pair| u8::try_from(pair.first()? * 16 + pair.get(1)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::fingerprint;

    const FORMS: [(&str, &str); 5] = [
        ("PKCS#1", include_str!("testdata/pkcs1.pem")),
        ("PKCS#8", include_str!("testdata/pkcs8.pem")),
        ("PKCS#8, encrypted", include_str!("testdata/pkcs8_encrypted.pem")),
        ("PKCS#1, AES-256", include_str!("testdata/pkcs1_aes256.pem")),
        ("PKCS#1, 3DES", include_str!("testdata/pkcs1_des3.pem")),
    ];

    #[test]
    fn one_key_in_every_form_is_one_key() {
        let phrase = SecretString::from("open sesame");
        for (form, pem) in FORMS {
            let with_label = format!("Bag Attributes\n{pem}OCI_API_KEY\n");
            let key = read_key(&with_label, Some(&phrase)).unwrap_or_else(|error| panic!("{form}: {error}"));
            assert_eq!(fingerprint(&key), include_str!("testdata/fingerprint.txt").trim(), "{form}");
        }
    }

    /// The keys of a file, each after its name.
    fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
        text.split("# ").skip(1).map(|part| part.split_once('\n').expect("a name and a key"))
    }

    #[test]
    fn a_key_opens_however_openssl_encrypted_it() {
        let phrase = SecretString::from("open sesame");
        let wrong = SecretString::from("open barley");
        let forms: Vec<_> = named(include_str!("testdata/encrypted.txt")).collect();
        assert_eq!(forms.len(), 14);
        for (form, pem) in forms {
            let key = read_key(pem, Some(&phrase)).unwrap_or_else(|error| panic!("{form}: {error}"));
            assert_eq!(fingerprint(&key), include_str!("testdata/fingerprint.txt").trim(), "{form}");
            assert_eq!(read_key(pem, Some(&wrong)).expect_err(form), KeyError::PassPhraseWrong, "{form}");
            assert_eq!(read_key(pem, None).expect_err(form), KeyError::PassPhraseMissing, "{form}");
        }
        let others: Vec<_> = named(include_str!("testdata/unsupported.txt")).collect();
        assert_eq!(others.len(), 6);
        for (cipher, pem) in others {
            let error = read_key(pem, Some(&phrase)).expect_err(cipher);
            assert_eq!(error, KeyError::UnknownCipher(cipher.to_owned()));
        }
    }

    #[test]
    fn a_damaged_encrypted_key_is_an_error_wherever_it_is_damaged() {
        let phrase = SecretString::from("open sesame");
        // Keys with scrypt are left out, because one of the bytes is its cost.
        for (form, pem) in
            named(include_str!("testdata/encrypted.txt")).filter(|(form, _)| form.starts_with("PBES1"))
        {
            let (label, block) = pem_block(pem).expect(form);
            let der = decode(block).expect(form);
            for at in 0..40 {
                let mut damaged = der.clone();
                damaged[at] ^= 0x41;
                let again =
                    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", STANDARD.encode(&*damaged));
                assert!(read_key(&again, Some(&phrase)).is_err(), "{form}: {at}");
            }
            for length in 0..40 {
                let again = format!(
                    "-----BEGIN {label}-----\n{}\n-----END {label}-----",
                    STANDARD.encode(&der[..length])
                );
                assert!(read_key(&again, Some(&phrase)).is_err(), "{form}: {length}");
            }
        }
    }

    #[test]
    fn each_way_to_fail_says_its_own() {
        let wrong = SecretString::from("open barley");
        for (form, pem) in &FORMS[2..] {
            assert_eq!(read_key(pem, None).expect_err(form), KeyError::PassPhraseMissing, "{form}");
            assert_eq!(read_key(pem, Some(&wrong)).expect_err(form), KeyError::PassPhraseWrong, "{form}");
        }
        assert_eq!(read_key("no key here", None).expect_err("no key"), KeyError::NoPemBlock);
        let damaged = FORMS[1].1.replace("MII", "MIJ");
        assert_eq!(read_key(&damaged, None).expect_err("a damaged key"), KeyError::NotRsa);
    }
}
