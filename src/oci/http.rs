//! One HTTP exchange. It is bounded in time and in bytes and refuses redirects, and its error says what the server said. The
//! caller decides what is sent and who signs it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::call::Service;
use super::error::{CAPACITY_CODE, NO_CAPACITY, OciError, TransportKind, clean};
use super::mask::{Mask, Signed};
use crate::clock::Clock;
use crate::crash;
use crate::file::read_bytes;

/// The largest answer that is read. The API's largest lists are far smaller.
const ANSWER_LIMIT: usize = 16 << 20;
/// The largest certificate bundle. A machine's whole store has a quarter of a megabyte.
const BUNDLE_SIZE_LIMIT: u64 = 16 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Beyond this difference the server refuses a signature (docs/oci.md 2.7).
const SKEW_LIMIT: Duration = Duration::from_mins(5);

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The machine's own roots cannot be read.
    #[error("cannot set up TLS")]
    Tls(#[source] reqwest::Error),
    /// The certificate bundle cannot be read.
    #[error("cannot read the certificate bundle {}", path.display())]
    BundleUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificate bundle holds no certificates.
    #[error("the certificate bundle {} is not a PEM file with certificates", path.display())]
    BundleInvalid {
        /// The file.
        path: PathBuf,
    },
}

/// A connection pool.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    clock: Clock,
    mask: Mask,
}

/// A request, for messages about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) service: Service,
    pub(super) operation: &'static str,
    pub(super) url: &'a str,
    /// Our own id, until the server names another.
    pub(super) request_id: &'a str,
}

/// An answer with a status of success.
#[derive(Debug)]
pub(super) struct Success {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) request_id: String,
}

impl Http {
    /// A pool that waits for an answer no longer than `timeout`. It trusts only the certificates in `bundle` if there is
    /// one, as `requests` does with `verify=FILE` (`cli_util.py`), and the machine's own otherwise.
    ///
    /// # Errors
    /// When the roots or the bundle cannot be used.
    pub fn new(timeout: Duration, bundle: Option<&Path>, clock: Clock) -> Result<Self, SetupError> {
        let mut builder = builder(timeout, CONNECT_TIMEOUT);
        if let Some(path) = bundle {
            let pem = read_bytes(path, BUNDLE_SIZE_LIMIT)
                .map_err(|source| SetupError::BundleUnreadable { path: path.to_owned(), source })?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
            if certificates.is_empty() {
                return Err(SetupError::BundleInvalid { path: path.to_owned() });
            }
            builder = builder.tls_certs_only(certificates);
        }
        Ok(Self { client: builder.build().map_err(SetupError::Tls)?, clock, mask: Mask::default() })
    }

    /// A pool for the instance's metadata service, which is link-local and never behind a proxy. Outside OCI nobody answers
    /// there, so it gives up soon.
    ///
    /// # Errors
    /// When the machine's roots cannot be used.
    pub(super) fn on_the_link(clock: Clock) -> Result<Self, SetupError> {
        let builder = builder(Duration::from_secs(10), Duration::from_secs(3)).no_proxy();
        Ok(Self { client: builder.build().map_err(SetupError::Tls)?, clock, mask: Mask::default() })
    }

    pub(super) const fn mask(&self) -> &Mask {
        &self.mask
    }

    pub(super) const fn clock(&self) -> Clock {
        self.clock
    }

    /// The `date` header of a request that is sent now.
    pub(super) fn date(&self) -> String {
        self.clock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Sends one request.
    ///
    /// # Errors
    /// When there is no answer, or the answer is an error.
    pub(super) async fn exchange(
        &self,
        asked: Asked<'_>,
        request: reqwest::Request,
    ) -> Result<Success, OciError> {
        let Asked { service, operation, url, request_id } = asked;
        let started = tokio::time::Instant::now();
        let method = request.method().clone();
        let signed = Signed::of(request.headers());
        // Crash points name each change by its operation, and all reads alike.
        let point = if method == reqwest::Method::GET { "GET" } else { operation };
        crash::at(format_args!("{point} unsent"));
        let mut response = match self.client.execute(request).await {
            Ok(response) => response,
            Err(error) => return Err(broken(asked, &error)),
        };
        crash::at(format_args!("{point} unread"));
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        tracing::debug!(
            oci.operation = operation,
            http.method = %method,
            http.url = %url,
            http.status = status,
            oci.request_id = %request_id,
            elapsed_ms = started.elapsed().as_millis(),
            "call"
        );
        if !(200..300).contains(&status) {
            signed.add_to(&self.mask);
        }
        if let 300..=399 = status {
            let location = self.mask.line(header(&headers, "location").unwrap_or_default(), 200);
            return Err(OciError::Redirect { service, operation, location });
        }
        let body = read_body(asked, &mut response).await;
        let request_id = header(&headers, "opc-request-id")
            .map_or_else(|| request_id.to_owned(), |id| self.mask.line(id, 128));
        if !(200..300).contains(&status) {
            return Err(self.refused(asked, status, &headers, &body.unwrap_or_default(), request_id));
        }
        Ok(Success { headers, body: body?, request_id })
    }

    fn refused(
        &self,
        asked: Asked<'_>,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        request_id: String,
    ) -> OciError {
        // Gateways answer HTML or nothing (docs/oci.md 3.1).
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let field = |name: &str| json.as_ref().and_then(|json| json.get(name)).and_then(Value::as_str);
        let (said, most) = match field("message") {
            Some(message) => (message.to_owned(), 2_000),
            None => (String::from_utf8_lossy(body).into_owned(), 200),
        };
        let message = self.mask.line(&said, most);
        // The program decides by the code. The API's codes are words, and a word is not masked even if a secret is spelt so.
        let is_word = |code: &str| code.bytes().all(|byte| byte.is_ascii_alphabetic());
        let code = field("code")
            .map(|code| if is_word(code) { clean(code, 100) } else { self.mask.line(code, 100) });
        let is_masked = said.contains(NO_CAPACITY) && !message.contains(NO_CAPACITY);
        OciError::Service {
            service: asked.service,
            operation: asked.operation,
            status,
            code: if is_masked { Some(CAPACITY_CODE.to_owned()) } else { code },
            message: if message.is_empty() { "no message".to_owned() } else { message },
            request_id,
            retry_after: self.retry_after(headers),
            clock_skew: (status == 401).then(|| self.clock_skew(headers)).flatten(),
        }
    }

    /// `Retry-After` in either of its forms: seconds, or a date.
    pub(super) fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = header(headers, "retry-after")?;
        match text.parse::<u64>() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => http_date(text).map(|at| self.clock.until(at)),
        }
    }

    /// The difference between our clock and the server's, if it is so large that signatures are refused.
    fn clock_skew(&self, headers: &HeaderMap) -> Option<Duration> {
        let theirs = http_date(header(headers, "date")?)?;
        let skew = (self.clock.now() - theirs).abs().to_std().ok()?;
        (skew >= SKEW_LIMIT).then_some(skew)
    }
}

fn builder(timeout: Duration, connect_timeout: Duration) -> reqwest::ClientBuilder {
    // This fails only if a provider is installed already, and that one works as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .timeout(timeout)
        .user_agent(concat!("deployctl/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        // The program makes one call at a time, so one idle connection per host is enough.
        .pool_max_idle_per_host(1)
}

/// A fresh id for one attempt: 32 hexadecimal digits (docs/oci.md 1.2).
#[expect(clippy::disallowed_methods, reason = "the home of request ids, which name attempts and not runs")]
pub(super) fn request_id() -> String {
    uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase()
}

/// Adds a header to a request. A header that authenticates is marked, so that no library logs it.
pub(super) fn put(request: &mut reqwest::Request, name: &'static str, value: &str) -> Result<(), String> {
    let mut value = HeaderValue::from_str(value).map_err(|_| format!("the header {name} cannot be sent"))?;
    value.set_sensitive(matches!(name, "authorization" | "opc-obo-token"));
    request.headers_mut().insert(HeaderName::from_static(name), value);
    Ok(())
}

pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|at| at.to_utc())
}

async fn read_body(asked: Asked<'_>, response: &mut reqwest::Response) -> Result<Vec<u8>, OciError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_LIMIT => {
                return Err(OciError::TooLarge {
                    service: asked.service,
                    operation: asked.operation,
                    limit: ANSWER_LIMIT,
                });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(broken(asked, &error)),
        }
    }
}

fn broken(asked: Asked<'_>, error: &reqwest::Error) -> OciError {
    let kind = if error.is_connect() {
        TransportKind::Connect
    } else if error.is_timeout() {
        TransportKind::Timeout
    } else {
        TransportKind::Broken
    };
    let mut detail = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        if !detail.is_empty() {
            detail.push_str(": ");
        }
        detail.push_str(&error.to_string());
        cause = error.source();
    }
    if detail.is_empty() {
        detail = kind.to_string();
    }
    OciError::Transport {
        service: asked.service,
        operation: asked.operation,
        url: asked.url.to_owned(),
        kind,
        detail: clean(&detail, 400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_until_a_date() {
        let http = Http::new(Duration::from_secs(1), None, Clock::system()).expect("a client");
        let asked = |text: &str| {
            let headers =
                HeaderMap::from_iter([(reqwest::header::RETRY_AFTER, text.parse().expect("a value"))]);
            http.retry_after(&headers)
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        let minute = http.clock.now() + chrono::TimeDelta::minutes(1);
        let until = asked(&minute.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).expect("a date");
        assert!((50..=60).contains(&until.as_secs()), "{until:?}");
        assert_eq!(asked("Thu, 05 Jan 2014 21:31:40 GMT"), None, "the weekday is wrong");
        assert_eq!(asked("Sun, 05 Jan 2014 21:31:40 GMT"), Some(Duration::ZERO), "long ago");
        assert_eq!(asked("soon"), None);
        assert_eq!(http.retry_after(&HeaderMap::new()), None);
    }
}
