//! The sandbox's one user. The key is in the source and therefore worth nothing anywhere else.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use md5::{Digest as _, Md5};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::{RsaPrivateKey, RsaPublicKey};

const KEY: &str = include_str!("testdata/key.pem");

/// A user whose requests the sandbox accepts.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The tenancy's OCID.
    pub tenancy: String,
    /// The user's OCID.
    pub user: String,
    /// The key's fingerprint.
    pub fingerprint: String,
    /// The region that the sandbox plays.
    pub region: String,
    /// The private key, as PEM text.
    pub private_key_pem: &'static str,
    pub(super) public_key: RsaPublicKey,
}

impl Identity {
    pub(super) fn of_the_sandbox() -> Self {
        let key = RsaPrivateKey::from_pkcs1_pem(KEY).expect("the sandbox's own key can be read");
        let public_key = key.to_public_key();
        let der = public_key.to_public_key_der().expect("an RSA key has a DER form");
        let digest = Md5::digest(der.as_bytes());
        let fingerprint = digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
        Self {
            tenancy: "ocid1.tenancy.oc1..sandbox".to_owned(),
            user: "ocid1.user.oc1..sandbox".to_owned(),
            fingerprint,
            region: "us-ashburn-1".to_owned(),
            private_key_pem: KEY,
            public_key,
        }
    }

    pub(super) fn key_id(&self) -> String {
        format!("{}/{}/{}", self.tenancy, self.user, self.fingerprint)
    }

    /// Writes `.oci/config` and its key below `home`, as the official SDK and CLI want them.
    pub fn write_oci_home(&self, home: &Path) -> io::Result<()> {
        let folder = home.join(".oci");
        fs::create_dir_all(&folder)?;
        let key_file = folder.join("sandbox_key.pem");
        write_private(&key_file, &format!("{}OCI_API_KEY\n", self.private_key_pem))?;
        let config = format!(
            "[DEFAULT]\nuser={}\ntenancy={}\nfingerprint={}\nkey_file={}\nregion={}\n",
            self.user,
            self.tenancy,
            self.fingerprint,
            key_file.display(),
            self.region
        );
        write_private(&folder.join("config"), &config)
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
