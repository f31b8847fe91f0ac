//! A home folder from which clients can sign in to the sandbox in every way.

use std::io;
use std::path::Path;

use super::files::{self, Draft, Known};
use super::identity::fingerprint;
use super::lock::lock;
use super::shared::Shared;
use super::tokens::{SESSION_KEY, Use, session_key};

/// Writes `.oci/config` with a profile for each way to sign in, in the official CLI's layout; `.oci/oci_cli_rc` with the
/// endpoint; and `principals.env` with the variables that an OCI machine would have. `deployment` is the content of
/// `web.json`. A `web.json` that somebody has changed since stays.
///
/// Each profile names its endpoint, because its key is for this sandbox only and must not be sent to Oracle's hosts.
pub(super) fn write(shared: &Shared, url: &str, home: &Path, deployment: &str) -> io::Result<()> {
    // Paths in files must be the same from every folder.
    let home = std::path::absolute(home)?;
    let oci = home.join(".oci");
    let sessions = oci.join("sessions");
    let session = sessions.join("SESSION");
    let resource = oci.join("resource-principal");
    let key_file = oci.join("sandbox_key.pem");
    let session_key_file = session.join("oci_api_key.pem");
    let delegation_token_file = oci.join("delegation_token");
    let identity = &shared.identity;
    let (tenancy, region) = (&identity.tenancy, &identity.region);
    let config = format!(
        "[DEFAULT]\nuser={user}\ntenancy={tenancy}\nfingerprint={of_user}\nkey_file={key_file}\nregion={region}\n\
         endpoint={url}\n\n\
         [SESSION]\nfingerprint={of_session}\nkey_file={session_key_file}\ntenancy={tenancy}\nregion={region}\n\
         security_token_file={token_file}\nendpoint={url}\n\n\
         [INSTANCE]\nauthentication_type=instance_principal\nregion={region}\nendpoint={url}\n\n\
         [DELEGATED]\nauthentication_type=instance_principal\ndelegation_token_file={delegation}\nregion={region}\n\
         endpoint={url}\n",
        user = identity.user,
        of_user = identity.fingerprint,
        of_session = fingerprint(&session_key()),
        key_file = key_file.display(),
        session_key_file = session_key_file.display(),
        token_file = session.join("token").display(),
        delegation = delegation_token_file.display(),
    );
    let principals = format!(
        "export OCI_METADATA_BASE_URL={url}/opc/v2\n\
         export OCI_CLI_FEDERATION_ENDPOINT={url}/v1/x509\n\
         export OCI_RESOURCE_PRINCIPAL_VERSION=2.2\n\
         export OCI_RESOURCE_PRINCIPAL_REGION={region}\n\
         export OCI_RESOURCE_PRINCIPAL_RPST={resource}/rpst\n\
         export OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM={resource}/private.pem\n",
        resource = resource.display(),
    );
    let token = |r#use| lock(&shared.tokens).issue(r#use, identity, &session_key(), shared.now());
    let is_token = |text: &str| lock(&shared.tokens).gave(text);
    // Scripts read this file line by line, so it has no mark.
    let is_environment = |text: &str| names(text).eq(names(&principals));
    let config_file = oci.join("config");
    // If the home was already the sandbox's, its user may have edited the deployment.
    let deployments = if files::is_own(&config_file) { Known::Yielding } else { Known::Constant };
    let marked = |path, text| Draft::new(path, text, Known::Marked);
    let constant = |path, text: String| Draft::new(path, text, Known::Constant);
    let given = |path, r#use| Draft::new(path, token(r#use), Known::By(&is_token));
    let drafts = [
        constant(key_file, format!("{}OCI_API_KEY\n", identity.private_key_pem)),
        constant(session_key_file, SESSION_KEY.to_owned()),
        given(session.join("token"), Use::Session),
        given(delegation_token_file, Use::Delegation),
        constant(resource.join("private.pem"), SESSION_KEY.to_owned()),
        given(resource.join("rpst"), Use::Resource),
        marked(config_file, config),
        marked(oci.join("oci_cli_rc"), format!("[DEFAULT]\nendpoint={url}\n")),
        Draft::new(home.join("principals.env"), principals.clone(), Known::By(&is_environment)),
        Draft::new(home.join("web.json"), deployment.to_owned(), deployments),
    ];
    files::write(&[&oci, &sessions, &session, &resource], &drafts)
}

/// The names of the variables that a file sets, one per line.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split_once('=').map_or(line, |(name, _)| name))
}
