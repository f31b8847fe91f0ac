//! Decides who may send requests at all. The sandbox reads things from the machine on which it runs. A web page that somebody
//! has open there could send requests too: under a domain name of its own that it points here (DNS rebinding), or from its
//! own site.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, HeaderMap, HeaderValue, ORIGIN};

use super::wire::Reply;

/// The names under which clients reach the sandbox.
#[derive(Clone, Debug)]
pub(super) struct Doors {
    address: SocketAddr,
    /// Further names, given when the sandbox is started.
    names: Vec<String>,
}

impl Doors {
    pub(super) const fn new(address: SocketAddr, names: Vec<String>) -> Self {
        Self { address, names }
    }

    /// Refuses a request to somebody else's name, and a request from a page of another site.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Reply> {
        let mut hosts = headers.get_all(HOST).iter().peekable();
        // Any port is allowed, because a forwarded request names the port to which it was first sent.
        let is_ours = |host: &HeaderValue| split(host).is_some_and(|(name, _)| self.is_our_name(name));
        if hosts.peek().is_none() || !hosts.all(is_ours) {
            return Err(Self::refused(format!(
                "the Host header does not name this sandbox: it is asked as {} or localhost, and by the names of --host",
                self.address.ip()
            )));
        }
        let is_own = |origin: &HeaderValue| {
            let site = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
            site.and_then(|site| HeaderValue::from_str(site).ok()).is_some_and(|site| self.is_our_site(&site))
        };
        // Browsers leave the origin out of some requests, and send this header instead.
        let sites = headers.get_all("sec-fetch-site");
        let is_of_no_other = |site: &HeaderValue| site == "same-origin" || site == "none";
        if !headers.get_all(ORIGIN).iter().all(is_own) || !sites.iter().all(is_of_no_other) {
            return Err(Self::refused("pages of other sites may not ask this sandbox".to_owned()));
        }
        Ok(())
    }

    fn refused(why: String) -> Reply {
        Reply::error(403, "NotAllowed", why)
    }

    /// Whether a site, with its port, is this sandbox.
    fn is_our_site(&self, site: &HeaderValue) -> bool {
        let own = |(name, port)| port == self.address.port() && self.is_our_name(name);
        split(site).is_some_and(own)
    }

    fn is_our_name(&self, name: &str) -> bool {
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        match bare.parse::<IpAddr>() {
            // Nobody can point an IP address elsewhere.
            Ok(ip) => ip == self.address.ip() || self.address.ip().is_unspecified(),
            Err(_) => {
                let may_be_local = self.address.ip().is_loopback() || self.address.ip().is_unspecified();
                (may_be_local && name.eq_ignore_ascii_case("localhost"))
                    || self.names.iter().any(|one| one.eq_ignore_ascii_case(name))
            }
        }
    }
}

/// The name of a host and its port.
fn split(host: &HeaderValue) -> Option<(&str, u16)> {
    let host = host.to_str().ok()?;
    match host.rsplit_once(':') {
        // In an IPv6 address without a port, the last colon is within the brackets.
        Some((name, port)) if !port.contains(']') => Some((name, port.parse().ok()?)),
        Some(_) | None => Some((host, 80)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(doors: &Doors, headers: &[(&'static str, &str)]) -> u16 {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        doors.check(&all).map_or_else(|refusal| refusal.status, |()| 200)
    }

    #[test]
    fn only_its_own_names_are_answered() {
        let doors = Doors::new(SocketAddr::from(([127, 0, 0, 1], 8080)), vec!["cloud".to_owned()]);
        for host in
            ["127.0.0.1:8080", "localhost:8080", "LocalHost:8080", "cloud:8080", "localhost", "127.0.0.1:81"]
        {
            assert_eq!(status(&doors, &[("host", host)]), 200, "{host}");
        }
        let others = [
            "evil.example:8080",
            "evil.example",
            "127.0.0.2:8080",
            "localhost.evil.example:8080",
            "[::1]:8080",
            "localhost:8080:8080",
            "localhost:",
            "",
        ];
        for host in others {
            assert_eq!(status(&doors, &[("host", host)]), 403, "{host}");
        }
        assert_eq!(status(&doors, &[]), 403);
        assert_eq!(status(&doors, &[("host", "localhost:8080"), ("host", "evil.example:8080")]), 403);
        let everywhere = Doors::new(SocketAddr::from(([0, 0, 0, 0], 80)), Vec::new());
        for (host, expected) in
            [("10.0.0.7", 200), ("10.0.0.7:80", 200), ("localhost", 200), ("evil.example", 403)]
        {
            assert_eq!(status(&everywhere, &[("host", host)]), expected, "{host}");
        }
        let six = Doors::new("[::1]:80".parse().expect("an address"), Vec::new());
        for host in ["[::1]", "[::1]:80", "localhost"] {
            assert_eq!(status(&six, &[("host", host)]), 200, "{host}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let doors = Doors::new(SocketAddr::from(([127, 0, 0, 1], 8080)), Vec::new());
        let of =
            |name: &'static str, value: &str| status(&doors, &[("host", "localhost:8080"), (name, value)]);
        for origin in ["http://localhost:8080", "http://127.0.0.1:8080"] {
            assert_eq!(of("origin", origin), 200, "{origin}");
        }
        for origin in ["http://evil.example", "https://localhost:8080", "http://localhost:3000", "null", ""] {
            assert_eq!(of("origin", origin), 403, "{origin}");
        }
        assert_eq!(of("sec-fetch-site", "none"), 200);
        assert_eq!(of("sec-fetch-site", "cross-site"), 403);
        assert_eq!(of("sec-fetch-site", "same-site"), 403);
    }
}
