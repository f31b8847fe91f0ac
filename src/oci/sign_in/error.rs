//! Why a process cannot sign in.

use std::io;

use super::auth::Auth;
use crate::oci::identity::{IdentityError, ProfileError, SignInError};
use crate::oci::{EndpointError, RegionError, SetupError};

/// Why there is no client of the cloud.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// There is no profile, and the variables that could replace it are incomplete.
    #[error("{profile}")]
    Incomplete {
        /// Why there is no profile.
        profile: ProfileError,
        /// The variables that are missing.
        missing: Vec<&'static str>,
    },
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The key that a deployment names cannot be used.
    #[error("{place}: private-key")]
    UserKey {
        /// Where the key is written.
        place: String,
        /// What is wrong with it.
        source: IdentityError,
    },
    /// There is nothing to sign with.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The name of a region is not valid.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The endpoint of all services cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The endpoint of the service that issues tokens cannot be used.
    #[error("{variable}")]
    Federation {
        /// The variable that names it.
        variable: &'static str,
        /// What is wrong with it.
        source: EndpointError,
    },
    /// The HTTP client cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The machine's certificates are not in a regular file.
    #[error("cannot read the certificates in {file}")]
    Roots {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// No way to sign in has this name.
    #[error("cannot sign in by `{0}`: expected one of {known}", known = Auth::ALL.map(Auth::name).join(", "))]
    UnknownAuth(String),
    /// The profile names a way to sign in that does not exist here.
    #[error("the profile's authentication_type `{0}` is not known")]
    UnknownType(String),
    /// The profile has no session.
    #[error("--auth security_token, but the profile names no security_token_file")]
    NoSession,
    /// Nothing names the user for whom an instance acts.
    #[error("there is no delegation_token_file: on whose behalf is the instance to act?")]
    NoDelegation,
    /// A variable of a resource principal is not set.
    #[error("{0} is not set")]
    NotSet(&'static str),
    /// The resource principal has another version.
    #[error(
        "OCI_RESOURCE_PRINCIPAL_VERSION is `{0}`: deployctl knows resource principals of version 2.2 alone"
    )]
    ResourceVersion(String),
    /// The variable with a secret, which was set for the process that stored the settings, is not set now.
    #[error("{0} was set when the run was started, and is not now")]
    SecretGone(&'static str),
    /// There is no home folder.
    #[error("there is no home folder for .oci/config")]
    NoHome,
    /// No source names a region.
    #[error("nothing says which region to use")]
    NoRegion,
    /// The region is unknown, and its host does not exist.
    #[error("the region `{region}` is not known, and there is no host {host}")]
    NoHost {
        /// The region.
        region: String,
        /// The host that it would have.
        host: String,
        /// The known region with the most similar name.
        nearest: Option<&'static str>,
    },
}
