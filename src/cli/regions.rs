//! Regions as this machine knows them, and what is said of one that nobody knows.

use super::problem::Report;
use super::session::Session;
use crate::file::read_bytes;
use crate::oci::{Endpoints, Region, Regions};

/// The largest file that tells of regions, in bytes.
const REGIONS_LIMIT: u64 = 1 << 20;

impl Session<'_> {
    /// The variable that the SDK looks at last (`config.py`, `validate_config`).
    pub(super) fn last_region(&self, regions: &Regions) -> Result<Region, Report> {
        match self.env.get("OCI_REGION").filter(|region| !region.is_empty()) {
            Some(region) => Ok(regions.parse(region)?),
            None => Err(Report::usage("nothing says which region to use")
                .hint("name it in the profile, with --region, or in OCI_CLI_REGION")),
        }
    }

    /// What this machine says of regions (`regions.py`).
    pub(super) fn regions(&self) -> Regions {
        let file = self.env.home().map(|home| home.join(".oci/regions-config.json"));
        let bytes = file.and_then(|file| read_bytes(&file, REGIONS_LIMIT).ok());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        Regions::new(text.as_deref(), self.env.get("OCI_REGION_METADATA"), self.env.get("OCI_DEFAULT_REALM"))
    }

    /// Makes sure that a region which nobody knows has hosts at all: a typing mistake would be tried for as long as a
    /// network that is away. Behind a proxy only the proxy can tell.
    pub(super) async fn expect_hosts(&self, endpoints: &Endpoints) -> Result<(), Report> {
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
        let meant = match region.nearest() {
            Some(name) => format!("did you mean {name}? "),
            None => String::new(),
        };
        Err(Report::usage(format!("the region `{region}` is not known, and there is no host {host}")).hint(
            format!("{meant}a new region is told in ~/.oci/regions-config.json or OCI_REGION_METADATA, the domain of a realm in OCI_DEFAULT_REALM"),
        ))
    }
}
