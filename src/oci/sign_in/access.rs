//! Signs in and makes the client of the cloud.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::error::AccessError;
use super::notice::Notice;
use super::settings::Setting;
use super::user_key::UserKey;
use super::way::SignIn;
use crate::file::expect_regular;
use crate::oci::{Endpoint, Endpoints, Http, Oci, Transport};

impl SignIn<'_> {
    /// Signs in, with the deployment's own key if it has one. Each request may take as long as `request_timeout`.
    ///
    /// # Errors
    /// When nothing says how to sign in, or signing in fails.
    pub async fn oci(&self, key: Option<&UserKey>, request_timeout: Duration) -> Result<Oci, AccessError> {
        let http = self.http(request_timeout)?;
        let regions = self.regions();
        let region = self.settings.get(Setting::Region).map(|text| regions.parse(text)).transpose()?;
        let (identity, own_region) = self.identity(key, &http, &regions).await?;
        let endpoints = match self.endpoint(key) {
            Some(url) => Endpoints::One(self.checked(&url)?),
            None => Endpoints::Of(match region.or(own_region) {
                Some(region) => region,
                None => self.last_region(&regions)?,
            }),
        };
        self.expect_hosts(&endpoints).await?;
        Ok(Oci::new(Transport::new(http, endpoints, identity)))
    }

    /// Checks the endpoint at `url`. The user is told about one that is not Oracle's, because its owner receives everything
    /// that is sent.
    fn checked(&self, url: &str) -> Result<Endpoint, AccessError> {
        let endpoint = Endpoint::parse(url, self.settings.allows_http())?;
        if endpoint.is_of_this_machine() {
            (self.tell)(Notice::HereOnly(endpoint.clone()));
        } else if !endpoint.is_oracles() {
            (self.tell)(Notice::NotOracles(endpoint.clone()));
        }
        Ok(endpoint)
    }

    /// The HTTP client. It trusts the machine's own root certificates unless the settings name a bundle. The file is checked
    /// first, because the library that reads the roots would wait for a pipe, and read a device for ever.
    fn http(&self, request_timeout: Duration) -> Result<Http, AccessError> {
        let bundle = self.settings.path(Setting::CertBundle).or_else(|| self.other_bundle());
        if bundle.is_none()
            && let Some(roots) = self.env.get("SSL_CERT_FILE")
            && let Some(source) = fs::metadata(roots).ok().and_then(|found| expect_regular(&found).err())
        {
            return Err(AccessError::Roots { file: roots.to_owned(), source });
        }
        Ok(Http::new(request_timeout, bundle.as_deref(), self.clock)?)
    }

    /// The bundle that the CLI trusts if no setting names one (`set_request_session_properties_from_context`).
    fn other_bundle(&self) -> Option<PathBuf> {
        let named = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].iter().find_map(|name| self.env.get(name));
        named.filter(|file| !file.is_empty()).map(PathBuf::from)
    }
}
