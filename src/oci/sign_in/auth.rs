//! The ways to sign in.

/// A way to sign in, as the official CLI's `--auth` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// With a user's API key.
    ApiKey,
    /// With a session of `oci session authenticate`.
    SecurityToken,
    /// As the compute instance on which this process runs.
    InstancePrincipal,
    /// As the container instance or function in which this process runs.
    ResourcePrincipal,
    /// As a user on whose behalf the compute instance acts, as in Cloud Shell.
    InstanceOboUser,
}

impl Auth {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ApiKey,
        Self::SecurityToken,
        Self::InstancePrincipal,
        Self::ResourcePrincipal,
        Self::InstanceOboUser,
    ];

    /// The name as users type it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::SecurityToken => "security_token",
            Self::InstancePrincipal => "instance_principal",
            Self::ResourcePrincipal => "resource_principal",
            Self::InstanceOboUser => "instance_obo_user",
        }
    }

    /// The way with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|auth| auth.name() == name)
    }
}
