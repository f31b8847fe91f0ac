//! From a sign-in to the client of the cloud.

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
    /// Signs in, with a deployment's own key where it has one. Each request may take as long as `request_timeout`.
    ///
    /// # Errors
    /// When nothing says how to sign in, or it does not work.
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

    /// The endpoint at `url`. Wherever it is, the user is told, because whoever is there gets what is sent.
    fn checked(&self, url: &str) -> Result<Endpoint, AccessError> {
        let endpoint = Endpoint::parse(url, self.settings.allows_http())?;
        if endpoint.is_of_this_machine() {
            (self.tell)(Notice::HereOnly(endpoint.clone()));
        } else if !endpoint.is_oracles() {
            (self.tell)(Notice::NotOracles(endpoint.clone()));
        }
        Ok(endpoint)
    }

    /// The connections, which trust the machine's own roots unless the settings name a bundle. The library that reads the
    /// roots would wait for a pipe, and read a device for ever.
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

    /// What the CLI trusts when no setting names a bundle (`set_request_session_properties_from_context`).
    fn other_bundle(&self) -> Option<PathBuf> {
        let named = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].iter().find_map(|name| self.env.get(name));
        named.filter(|file| !file.is_empty()).map(PathBuf::from)
    }
}
