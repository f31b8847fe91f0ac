//! The parts of an instance's certificate that a client reads: the tenancy in its subject, and its fingerprint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use x509_cert::Certificate as X509;
use x509_cert::der::Decode as _;
use x509_cert::der::Encode as _;

/// Why a certificate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("it is not a PEM certificate")]
    NotPem,
    #[error("its subject names no tenancy (`opc-tenant:` or `opc-identity:`)")]
    NoTenancy,
}

/// An instance's certificate.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    der: Vec<u8>,
    pub(super) tenancy: String,
    /// The public key as `SubjectPublicKeyInfo` in DER.
    pub(super) public_key: Vec<u8>,
}

impl Certificate {
    pub(super) fn parse(pem: &str) -> Result<Self, CertificateError> {
        let der = der_of(pem).ok_or(CertificateError::NotPem)?;
        let certificate = X509::from_der(&der).map_err(|_| CertificateError::NotPem)?;
        let body = &certificate.tbs_certificate;
        let values = body.subject.0.iter().flat_map(|part| part.0.iter());
        let mut texts = values.filter_map(|part| std::str::from_utf8(part.value.value()).ok());
        // The first attribute that holds a tenancy, of either kind (`auth_utils.py`).
        let tenancy = texts
            .find_map(|text| text.strip_prefix("opc-tenant:").or_else(|| text.strip_prefix("opc-identity:")))
            .ok_or(CertificateError::NoTenancy)?
            .to_owned();
        let public_key = body.subject_public_key_info.to_der().map_err(|_| CertificateError::NotPem)?;
        Ok(Self { der, tenancy, public_key })
    }

    /// The SHA-1 of the certificate in upper-case, colon-separated hex (`federation_client.py`).
    pub(super) fn fingerprint(&self) -> String {
        let digest = Sha1::digest(&self.der);
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// The PEM text without its armour and line breaks.
    pub(super) fn base64(&self) -> String {
        STANDARD.encode(&self.der)
    }
}

/// The bytes of a PEM certificate.
pub(super) fn der_of(pem: &str) -> Option<Vec<u8>> {
    let (_, after) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (block, _) = after.split_once("-----END CERTIFICATE-----")?;
    let compact: String = block.split_whitespace().collect();
    STANDARD.decode(compact).ok()
}
