//! Why signing in to the cloud failed, and what to do about it.

use super::kind::Kind;
use super::{Report, chain};
use crate::cli::exit::Exit;
use crate::oci::identity::{IdentityError, ProfileError, SignInError};
use crate::oci::sign_in::AccessError;
use crate::oci::{EndpointError, RegionError, SetupError};

impl From<AccessError> for Report {
    fn from(error: AccessError) -> Self {
        let message = chain(&error);
        let usage = || Self::usage(message.clone());
        match error {
            AccessError::Profile(error) => error.into(),
            AccessError::Incomplete { profile, missing } => {
                let are = if missing.len() == 1 { "is" } else { "are" };
                Self::from(profile)
                    .hint(format!("to do without a file, {} {are} missing", missing.join(", ")))
            }
            AccessError::Identity(error) => error.into(),
            AccessError::UserKey { source, .. } => Self { message, ..source.into() },
            AccessError::SignIn(error) => error.into(),
            AccessError::Region(error) => error.into(),
            AccessError::Endpoint(error) => error.into(),
            AccessError::Federation { source, .. } => {
                Self { message, ..source.into() }.hint("nothing was sent")
            }
            AccessError::Setup(error) => error.into(),
            AccessError::Roots { .. } => usage().hint("SSL_CERT_FILE names them"),
            AccessError::UnknownAuth(_) => {
                usage().hint("--auth, OCI_CLI_AUTH, and `auth` in oci_cli_rc say it")
            }
            AccessError::UnknownType(_) => {
                usage().hint("expected instance_principal or resource_principal; --auth wins over it")
            }
            AccessError::NoSession => usage().hint("`oci session authenticate` makes a profile that does"),
            AccessError::NoDelegation => {
                usage().hint("name it in the profile, or in OCI_CLI_DELEGATION_TOKEN_FILE")
            }
            AccessError::NotSet(_) => usage().hint(
                "resource principals are there for container instances and functions of a dynamic group",
            ),
            AccessError::ResourceVersion(_) => usage().hint("sign in by another --auth"),
            AccessError::SecretGone(_) => {
                usage().hint("set it again: what it holds is secret and is not kept with the run")
            }
            AccessError::NoHome => usage(),
            AccessError::NoRegion => {
                usage().hint("name it in the profile, with --region, or in OCI_CLI_REGION")
            }
            AccessError::NoHost { nearest, .. } => {
                let meant = nearest.map_or(String::new(), |name| format!("did you mean {name}? "));
                usage().hint(format!(
                    "{meant}a new region is told in ~/.oci/regions-config.json or OCI_REGION_METADATA, the domain of a \
                     realm in OCI_DEFAULT_REALM"
                ))
            }
        }
    }
}

impl From<ProfileError> for Report {
    fn from(error: ProfileError) -> Self {
        let hint = match &error {
            ProfileError::Unreadable { .. } => {
                "`oci setup config` makes ~/.oci/config; or name a `config-file`"
            }
            ProfileError::KeyFile { .. } => {
                "mend the path, or put the key there: `key_file` in the profile or OCI_CLI_KEY_FILE names it, \
                 OCI_CLI_KEY_CONTENT may hold the key itself"
            }
            ProfileError::Syntax { .. } | ProfileError::Malformed { .. } => {
                "a line holds one `key=value`, and what follows the value belongs to it: comments have lines of their own"
            }
            _ => "nothing was changed",
        };
        Self {
            kind: Kind::Credentials,
            message: chain(&error),
            hint: Some(hint.to_owned()),
            exit: Exit::Usage,
        }
    }
}

impl From<SignInError> for Report {
    fn from(error: SignInError) -> Self {
        let message = chain(&error);
        let (kind, hint, exit) = if error.is_away_from_oci() {
            (Kind::Credentials, "instance principals work on a compute instance of OCI alone", Exit::Usage)
        } else if error.is_transient() {
            (Kind::Unreachable, "try again later", Exit::Suspended)
        } else {
            (Kind::Credentials, "nothing was changed", Exit::Usage)
        };
        Self { kind, message, hint: Some(hint.to_owned()), exit }
    }
}

impl From<IdentityError> for Report {
    fn from(error: IdentityError) -> Self {
        Self { kind: Kind::Credentials, message: chain(&error), hint: None, exit: Exit::Usage }
    }
}

impl From<RegionError> for Report {
    fn from(error: RegionError) -> Self {
        Self { kind: Kind::Configuration, message: error.to_string(), hint: None, exit: Exit::Usage }
    }
}

impl From<EndpointError> for Report {
    fn from(error: EndpointError) -> Self {
        let hint = match &error {
            EndpointError::Plain(_) => {
                "name one that begins with https://, or give --allow-http; nothing was sent"
            }
            _ => {
                "--endpoint, DEPLOYCTL_ENDPOINT, OCI_CLI_ENDPOINT, and `endpoint` in oci_cli_rc say it; nothing was sent"
            }
        };
        Self {
            kind: Kind::Configuration,
            message: error.to_string(),
            hint: Some(hint.to_owned()),
            exit: Exit::Usage,
        }
    }
}

impl From<SetupError> for Report {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Tls(_) => Self::ours(chain(&error)),
            SetupError::BundleUnreadable { .. } | SetupError::BundleInvalid { .. } => {
                Self::usage(chain(&error))
                    .hint("OCI_CLI_CERT_BUNDLE, or `cert-bundle` in oci_cli_rc, names it")
            }
        }
    }
}
