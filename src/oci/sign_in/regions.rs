//! The regions that this machine knows, and the check that an unknown region exists.

use super::error::AccessError;
use super::way::SignIn;
use crate::file::read_bytes;
use crate::oci::{Endpoints, Region, Regions};

/// The largest file of regions that is read, in bytes.
const REGIONS_LIMIT: u64 = 1 << 20;

impl SignIn<'_> {
    /// The region in the variable that the SDK reads last (`config.py`, `validate_config`).
    pub(super) fn last_region(&self, regions: &Regions) -> Result<Region, AccessError> {
        match self.env.get("OCI_REGION").filter(|region| !region.is_empty()) {
            Some(region) => Ok(regions.parse(region)?),
            None => Err(AccessError::NoRegion),
        }
    }

    /// The known regions, with those that this machine's files and variables add (`regions.py`).
    pub(super) fn regions(&self) -> Regions {
        let file = self.env.home().map(|home| home.join(".oci/regions-config.json"));
        let bytes = file.and_then(|file| read_bytes(&file, REGIONS_LIMIT).ok());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        Regions::new(text.as_deref(), self.env.get("OCI_REGION_METADATA"), self.env.get("OCI_DEFAULT_REALM"))
    }

    /// Makes sure that an unknown region has hosts at all. Otherwise a typing mistake would be retried as long as a network
    /// failure. Behind a proxy, only the proxy can tell.
    pub(super) async fn expect_hosts(&self, endpoints: &Endpoints) -> Result<(), AccessError> {
        let is_behind_proxy = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
            .iter()
            .any(|name| self.env.get(name).is_some_and(|proxy| !proxy.is_empty()));
        let Endpoints::Of(region) = endpoints else { return Ok(()) };
        if is_behind_proxy || !region.is_guessed() {
            return Ok(());
        }
        let host = endpoints.host();
        if tokio::net::lookup_host((host.as_str(), 443)).await.is_ok_and(|mut found| found.next().is_some()) {
            return Ok(());
        }
        Err(AccessError::NoHost { region: region.to_string(), host, nearest: region.nearest() })
    }
}
