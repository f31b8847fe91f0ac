//! Our identity to the cloud: a key, and the id under which the cloud knows it. Tokens that expire are renewed here.

mod certificate;
mod error;
mod ini;
mod instance_principal;
mod key;
mod key_error;
mod metadata;
mod ocid;
mod pkcs8;
mod profile;
mod rc;
mod signatory;
mod signing;
mod stored_token;
mod token;

pub use error::{IdentityError, SignInError};
pub use instance_principal::{InstanceOptions, InstancePrincipal};
pub use key::{check_public_key, read_key};
pub use key_error::KeyError;
pub use ocid::is_ocid;
pub use profile::{Profile, ProfileError, at_home};
pub use rc::RcFile;
pub use signatory::Identity;
pub use signing::Signing;
pub use stored_token::{Reading, Source, StoredToken};
pub use token::TokenError;
