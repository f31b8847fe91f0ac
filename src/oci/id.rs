//! The names that the cloud gives to things. They are opaque: compared and sent back, never parsed.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The name as the cloud sent it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }
    };
}

opaque!(
    /// The OCID of a container instance.
    InstanceId
);
opaque!(
    /// The OCID of a load balancer.
    LoadBalancerId
);
opaque!(
    /// The OCID of a work request; container instances and load balancers each have their own kind.
    WorkRequestId
);
opaque!(
    /// The version of a resource. A load balancer has one for all of its parts (docs/oci.md 1.4).
    Etag
);
opaque!(
    /// The name of a backend in its set: `address:port`.
    BackendName
);

impl BackendName {
    /// The name that the server will give to a backend with this address and port.
    pub fn of(address: &str, port: u16) -> Self {
        Self(format!("{address}:{port}"))
    }
}
