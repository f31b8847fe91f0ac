//! A home folder from which clients can sign in to the sandbox in every way.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::identity::fingerprint;
use super::server::{Shared, lock};
use super::tokens::{SESSION_KEY, Use, session_key};

/// Writes `.oci/config` with a profile a way to sign in, laid out as the official CLI does it, and `principals.env`
/// with what a machine of OCI would find in its environment.
pub(super) fn write(shared: &Shared, url: &str, home: &Path) -> io::Result<()> {
    // Paths in files must mean the same from everywhere.
    let home = std::path::absolute(home)?;
    let folder = home.join(".oci");
    let session = folder.join("sessions/SESSION");
    let resource = folder.join("resource-principal");
    fs::create_dir_all(&session)?;
    fs::create_dir_all(&resource)?;
    let key_file = folder.join("sandbox_key.pem");
    let session_key_file = session.join("oci_api_key.pem");
    let delegation_token_file = folder.join("delegation_token");
    let token = |r#use| lock(&shared.tokens).issue(r#use, &shared.identity, &session_key(), shared.now());
    write_private(&key_file, &format!("{}OCI_API_KEY\n", shared.identity.private_key_pem))?;
    write_private(&session_key_file, SESSION_KEY)?;
    write_private(&session.join("token"), &token(Use::Session))?;
    write_private(&delegation_token_file, &token(Use::Delegation))?;
    write_private(&resource.join("private.pem"), SESSION_KEY)?;
    write_private(&resource.join("rpst"), &token(Use::Resource))?;
    let identity = &shared.identity;
    let (tenancy, region) = (&identity.tenancy, &identity.region);
    let config = format!(
        "[DEFAULT]\nuser={user}\ntenancy={tenancy}\nfingerprint={of_user}\nkey_file={key_file}\nregion={region}\n\n\
         [SESSION]\nfingerprint={of_session}\nkey_file={session_key_file}\ntenancy={tenancy}\nregion={region}\n\
         security_token_file={token_file}\n\n\
         [INSTANCE]\nauthentication_type=instance_principal\nregion={region}\n\n\
         [DELEGATED]\nauthentication_type=instance_principal\ndelegation_token_file={delegation}\nregion={region}\n",
        user = identity.user,
        of_user = identity.fingerprint,
        of_session = fingerprint(&session_key()),
        key_file = key_file.display(),
        session_key_file = session_key_file.display(),
        token_file = session.join("token").display(),
        delegation = delegation_token_file.display(),
    );
    write_private(&folder.join("config"), &config)?;
    let resource = resource.display();
    let principals = format!(
        "export OCI_METADATA_BASE_URL={url}/opc/v2\n\
         export OCI_CLI_FEDERATION_ENDPOINT={url}/v1/x509\n\
         export OCI_RESOURCE_PRINCIPAL_VERSION=2.2\n\
         export OCI_RESOURCE_PRINCIPAL_REGION={region}\n\
         export OCI_RESOURCE_PRINCIPAL_RPST={resource}/rpst\n\
         export OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM={resource}/private.pem\n"
    );
    write_private(&home.join("principals.env"), &principals)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
