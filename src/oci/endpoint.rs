//! A base URL that a user names in place of Oracle's hosts.
//!
//! It is parsed once, and strictly. The URL standard is lenient, and finds a host in texts that name none: if the variable
//! in `http://$HOST/20160918` is empty, the API's date becomes the host.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::call::Service;
use super::region::Region;

/// A base URL for requests that do not go to Oracle's hosts: a scheme, a host, an optional port, and an optional path that
/// precedes the API's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
}

/// The text is not an endpoint to which requests may be sent. The message does not repeat a possible password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It does not begin with a scheme and a host.
    #[error("the endpoint `{0}` has no host: expected https://HOST or https://HOST:PORT")]
    NoHost(String),
    /// The scheme is neither `http` nor `https`, or there is none.
    #[error("the endpoint `{0}` has no scheme that is known: expected https://HOST or https://HOST:PORT")]
    Scheme(String),
    /// It has a user, a password, a query or a fragment, which would be lost or sent to the wrong place.
    #[error("the endpoint has {0}: expected https://HOST or https://HOST:PORT")]
    TooMuch(&'static str),
    /// Clients would read another host than the one that is written.
    #[error("the endpoint's host `{written}` reads as {read}: write the one that is meant")]
    OtherHost {
        /// As it was written.
        written: String,
        /// As every client would read it.
        read: String,
    },
    /// It is not a URL.
    #[error("the endpoint is not a URL: {0}")]
    Invalid(String),
    /// It is not encrypted, and on another machine.
    #[error("the endpoint {0} is not encrypted: whoever is on the way reads and changes what is sent there")]
    Plain(String),
}

impl Endpoint {
    /// Reads a base URL. `http://` is for this machine alone, unless `allows_http`.
    ///
    /// # Errors
    /// When the text is not such a URL, or has more than a base URL has.
    pub fn parse(text: &str, allows_http: bool) -> Result<Self, EndpointError> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| EndpointError::Scheme(masked(text)))?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(EndpointError::Scheme(masked(text)));
        }
        // The standard removes these, or treats them as slashes.
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(EndpointError::TooMuch("a blank or a backslash in it"));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(EndpointError::TooMuch("a user or a password in it"));
        }
        for (mark, what) in [('?', "a query"), ('#', "a fragment")] {
            if rest.contains(mark) {
                return Err(EndpointError::TooMuch(what));
            }
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err(EndpointError::NoHost(text.to_owned()));
        }
        let url = Url::parse(text).map_err(|error| EndpointError::Invalid(error.to_string()))?;
        let endpoint = Self { url };
        endpoint.check_host(authority)?;
        if endpoint.url.scheme() == "http" && !allows_http && !endpoint.is_of_this_machine() {
            return Err(EndpointError::Plain(endpoint.to_string()));
        }
        Ok(endpoint)
    }

    /// Makes sure that an address was meant if the standard reads one: it reads a bare number as an address.
    fn check_host(&self, authority: &str) -> Result<(), EndpointError> {
        let written = authority.split(':').next().unwrap_or_default();
        let read = self.host();
        let is_in_brackets = authority.starts_with('[');
        if !is_in_brackets && read.parse::<IpAddr>().is_ok() && read != written {
            return Err(EndpointError::OtherHost { written: written.to_owned(), read: read.to_owned() });
        }
        Ok(())
    }

    fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// Whether requests to it stay on this machine.
    pub fn is_of_this_machine(&self) -> bool {
        let host = self.host().trim_end_matches('.');
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(is_loopback)
    }

    /// Whether it is one of Oracle's own hosts, in a realm that is known here.
    pub fn is_oracles(&self) -> bool {
        let host = self.host().trim_end_matches('.');
        let is_in = |domain: &str| host.strip_suffix(domain).is_some_and(|label| label.ends_with('.'));
        self.url.scheme() == "https" && Region::domains().any(is_in)
    }

    /// The text to which the path of an API is appended.
    pub(super) fn base(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.base())
    }
}

/// What was written, with a possible password masked.
fn masked(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("***@{rest}"),
        None => text.to_owned(),
    }
}

/// Where the services are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// All behind one base URL, such as a sandbox's.
    One(Endpoint),
    /// Oracle's hosts of a region.
    Of(Region),
}

impl Endpoints {
    /// The name of one of the hosts, to test whether the hosts exist.
    pub fn host(&self) -> String {
        let base = self.base(Service::LoadBalancer);
        base.split_once("://").map_or(base.as_str(), |(_, host)| host).to_owned()
    }

    pub(super) fn base(&self, service: Service) -> String {
        match self {
            Self::One(endpoint) => endpoint.base().to_owned(),
            Self::Of(region) => {
                let (label, infix) = service.host();
                format!("https://{label}.{region}{infix}.{}", region.domain())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_taken_as_it_was_meant() {
        for (text, base) in [
            ("https://iaas.eu-frankfurt-1.oraclecloud.com", "https://iaas.eu-frankfurt-1.oraclecloud.com"),
            ("HTTPS://Example.COM:8443/oci/", "https://example.com:8443/oci"),
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000"),
            ("http://[::1]:4000/", "http://[::1]:4000"),
            ("http://localhost", "http://localhost"),
            ("http://oci.localhost:80", "http://oci.localhost"),
        ] {
            let endpoint = Endpoint::parse(text, false).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(endpoint.base(), base, "{text}");
        }
    }

    #[test]
    fn what_says_something_else_is_refused() {
        for (text, expected) in [
            ("http://", "has no host"),
            ("http:///20210415", "has no host"),
            ("https://:443", "has no host"),
            ("http://20210415", "`20210415` reads as 1.52.98.239"),
            ("http://0x7f.1", "reads as 127.0.0.1"),
            ("127.0.0.1:4000", "has no scheme"),
            ("localhost", "has no scheme"),
            ("ftp://localhost", "has no scheme"),
            ("http:/localhost", "has no scheme"),
            ("https://ann:p4ss@example.com", "a user or a password"),
            ("https://example.com?a=b", "a query"),
            ("https://example.com/#a", "a fragment"),
            ("https://exa mple.com", "a blank"),
            ("https:\\\\example.com", "has no scheme"),
            ("https://example.com\\@evil", "a backslash"),
            ("https://example.com:99999", "is not a URL"),
            ("http://example.com", "is not encrypted"),
            ("http://10.0.0.1:4000", "is not encrypted"),
            ("http://127.0.0.1.example.com", "is not encrypted"),
        ] {
            let error = Endpoint::parse(text, false).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("p4ss"), "{error}");
        }
        assert!(Endpoint::parse("http://10.0.0.1:4000", true).is_ok());
    }

    #[test]
    fn oracles_hosts_are_known_by_their_domain() {
        let is_oracles = |text: &str| Endpoint::parse(text, true).expect(text).is_oracles();
        assert!(is_oracles("https://iaas.us-ashburn-1.oraclecloud.com"));
        assert!(is_oracles("https://compute-containers.us-luke-1.oci.oraclegovcloud.com/"));
        assert!(!is_oracles("http://iaas.us-ashburn-1.oraclecloud.com"));
        assert!(!is_oracles("https://oraclecloud.com.example.com"));
        assert!(!is_oracles("https://notoraclecloud.com"));
        assert!(!is_oracles("https://127.0.0.1"));
    }
}
