//! Things that a user should know about a sign-in that works.

use std::fmt;
use std::path::PathBuf;

use crate::oci::Endpoint;

/// An unusual thing about a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Users other than its owner can read a file with secrets.
    OpenFile(PathBuf),
    /// Every call goes to this machine.
    HereOnly(Endpoint),
    /// Every call goes to another machine that is not Oracle's.
    NotOracles(Endpoint),
}

impl Notice {
    /// Whether it is a warning rather than just information.
    pub const fn is_warning(&self) -> bool {
        match self {
            Self::OpenFile(_) | Self::NotOracles(_) => true,
            Self::HereOnly(_) => false,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenFile(file) => {
                let file = file.display();
                write!(
                    formatter,
                    "permissions on {file} are too open: `oci setup repair-file-permissions --file {file}` mends it, and \
                     OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING=True hides this"
                )
            }
            Self::HereOnly(endpoint) => write!(formatter, "every call goes to {endpoint}"),
            Self::NotOracles(endpoint) => {
                write!(formatter, "every call goes to {endpoint}, which is not Oracle's")
            }
        }
    }
}
