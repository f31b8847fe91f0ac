//! From a call, which is data, to one signed HTTP request and its answer.
//!
//! One attempt, bounded in time and in bytes; redirects are never followed; each attempt carries its own
//! `opc-request-id` and, where the call has one, the same retry token.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::{Call, Method, Service};
use super::error::{OciError, TransportKind, clean};
use super::id::{Etag, WorkRequestId};
use super::identity::Identity;
use super::region::Region;
use super::signer::{self, Unsigned};
use crate::clock::Clock;
use crate::crash;

/// The largest answer that is read; the API's largest lists are far below.
const ANSWER_LIMIT: usize = 16 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Beyond this difference the server refuses a signature (OCI.md 2.7).
const SKEW_LIMIT: Duration = Duration::from_mins(5);
/// Pages of one list, and bytes of all of them; a list that is longer does not end.
const PAGES_LIMIT: usize = 1_000;
const LIST_LIMIT: usize = 64 << 20;

/// The answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// The body.
    pub value: T,
    /// The resource's version.
    pub etag: Option<Etag>,
    /// The work that the call has started.
    pub work_request: Option<WorkRequestId>,
    /// How long the server asks us to wait before we look again.
    pub retry_after: Option<Duration>,
    /// What Oracle's support asks for.
    pub request_id: String,
    next_page: Option<String>,
}

impl<T> Answer<T> {
    fn with<U>(self, value: U) -> Answer<U> {
        Answer {
            value,
            etag: self.etag,
            work_request: self.work_request,
            retry_after: self.retry_after,
            request_id: self.request_id,
            next_page: self.next_page,
        }
    }
}

/// Where the services are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// All behind one base URL, such as a sandbox's.
    One(String),
    /// Oracle's hosts of a region.
    Of(Region),
}

impl Endpoints {
    fn base(&self, service: Service) -> String {
        match self {
            Self::One(url) => url.trim_end_matches('/').to_owned(),
            Self::Of(region) => {
                let (label, infix) = service.host();
                format!("https://{label}.{region}{infix}.{}", region.domain())
            }
        }
    }
}

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS")]
pub struct SetupError(#[source] reqwest::Error);

/// Sends signed requests.
#[derive(Debug)]
pub struct Transport {
    client: reqwest::Client,
    endpoints: Endpoints,
    identity: Identity,
    clock: Clock,
}

impl Transport {
    /// A transport that signs as `identity` and gives up on an answer after `timeout`.
    ///
    /// # Errors
    /// When the machine's TLS roots cannot be read.
    pub fn new(
        endpoints: Endpoints,
        identity: Identity,
        timeout: Duration,
        clock: Clock,
    ) -> Result<Self, SetupError> {
        // Fails only when a provider is installed already, which serves us as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .user_agent(concat!("deployctl/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            // One idle connection a host is enough for a program that makes one call at a time.
            .pool_max_idle_per_host(1)
            .build()
            .map_err(SetupError)?;
        Ok(Self { client, endpoints, identity, clock })
    }

    /// Makes one attempt at a call with a JSON answer.
    pub async fn send<T: DeserializeOwned>(&self, call: &Call) -> Result<Answer<T>, OciError> {
        decoded(call, self.attempt(call).await?)
    }

    /// Makes one attempt at a call whose answer has no body that matters.
    pub(super) async fn send_for_nothing(&self, call: &Call) -> Result<Answer<()>, OciError> {
        Ok(self.attempt(call).await?.with(()))
    }

    /// Makes one attempt at a call with a text answer.
    pub(super) async fn send_for_text(&self, call: &Call) -> Result<Answer<String>, OciError> {
        let answer = self.attempt(call).await?;
        let text = String::from_utf8_lossy(&answer.value).into_owned();
        Ok(answer.with(text))
    }

    /// Reads a list to its end. `items` takes the items out of one page.
    pub(super) async fn list<P: DeserializeOwned, T>(
        &self,
        call: Call,
        items: impl Fn(P) -> Vec<T>,
    ) -> Result<Vec<T>, OciError> {
        let endless = |detail: String| OciError::Pagination {
            service: call.service,
            operation: call.operation,
            detail,
        };
        let mut all = Vec::new();
        let mut n_bytes = 0;
        let mut page: Option<String> = None;
        for _ in 0..PAGES_LIMIT {
            let mut one = call.clone();
            if let Some(page) = &page {
                one = one.with_query("page", page.clone());
            }
            let answer = self.attempt(&one).await?;
            n_bytes += answer.value.len();
            if n_bytes > LIST_LIMIT {
                return Err(endless(format!("more than {} MB", LIST_LIMIT >> 20)));
            }
            let next = answer.next_page.clone();
            all.extend(items(decoded::<P>(&one, answer)?.value));
            match next {
                None => return Ok(all),
                Some(next) if page.as_ref() == Some(&next) => {
                    return Err(endless("a page names itself as the next".to_owned()));
                }
                Some(next) => page = Some(next),
            }
        }
        Err(endless(format!("more than {PAGES_LIMIT} pages")))
    }

    async fn attempt(&self, call: &Call) -> Result<Answer<Vec<u8>>, OciError> {
        let target = call.target();
        let url = format!("{}{target}", self.endpoints.base(call.service));
        let request_id = request_id();
        let started = tokio::time::Instant::now();
        let request = self.request(call, &url, &request_id)?;
        crash::at(format_args!("{} unsent", point(call)));
        let mut response = match self.client.execute(request).await {
            Ok(response) => response,
            Err(error) => return Err(broken(call, &url, &error)),
        };
        crash::at(format_args!("{} unread", point(call)));
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        tracing::debug!(
            oci.operation = call.operation,
            http.method = call.method.as_str(),
            http.target = %target,
            http.status = status,
            oci.request_id = %request_id,
            elapsed_ms = started.elapsed().as_millis(),
            "call"
        );
        if let 300..=399 = status {
            let location = clean(header(&headers, "location").unwrap_or_default(), 200);
            return Err(OciError::Redirect { service: call.service, operation: call.operation, location });
        }
        let body = read_body(call, &url, &mut response).await;
        let request_id = header(&headers, "opc-request-id").map_or(request_id, |id| clean(id, 128));
        if !(200..300).contains(&status) {
            let body = body.unwrap_or_default();
            return Err(self.refused(call, status, &headers, &body, request_id));
        }
        // A gateway's page with a status that looks like success: nothing tells what became of the request.
        if header(&headers, "content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            return Err(OciError::Decode {
                service: call.service,
                operation: call.operation,
                detail: "it is a web page and not the API's".to_owned(),
                request_id,
            });
        }
        Ok(Answer {
            value: body?,
            etag: header(&headers, "etag").map(Etag::from),
            work_request: header(&headers, "opc-work-request-id").map(WorkRequestId::from),
            retry_after: self.retry_after(&headers),
            request_id,
            next_page: header(&headers, "opc-next-page").map(ToOwned::to_owned),
        })
    }

    fn request(&self, call: &Call, url: &str, request_id: &str) -> Result<reqwest::Request, OciError> {
        let unsendable = |detail: String| OciError::Transport {
            service: call.service,
            operation: call.operation,
            url: url.to_owned(),
            kind: TransportKind::Connect,
            detail,
        };
        let parsed = reqwest::Url::parse(url).map_err(|error| unsendable(error.to_string()))?;
        let host = match (parsed.host_str(), parsed.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(unsendable("the URL has no host".to_owned())),
        };
        // Signed is what the library will send: it may have normalised the URL.
        let target = match parsed.query() {
            Some(query) => format!("{}?{query}", parsed.path()),
            None => parsed.path().to_owned(),
        };
        let body = call.method.has_body().then(|| match &call.body {
            Some(body) => body.to_string().into_bytes(),
            None => Vec::new(),
        });
        let date = self.clock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let signed = signer::sign(
            Unsigned {
                method: &call.method.as_str().to_ascii_lowercase(),
                target: &target,
                host: &host,
                date: &date,
                body: body.as_deref(),
            },
            self.identity.key_id(),
            self.identity.key(),
        );
        let method = match call.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = reqwest::Request::new(method, parsed);
        let mut put = |name: &'static str, value: &str| match HeaderValue::from_str(value) {
            Ok(value) => {
                request.headers_mut().insert(HeaderName::from_static(name), value);
                Ok(())
            }
            Err(_) => Err(unsendable(format!("the header {name} cannot be sent"))),
        };
        put("date", &date)?;
        put("host", &host)?;
        put("accept", "application/json")?;
        put("content-type", "application/json")?;
        put("opc-request-id", request_id)?;
        put("authorization", &signed.authorization)?;
        if let Some(digest) = &signed.content_sha256 {
            put("x-content-sha256", digest)?;
        }
        if let Some(body) = &body {
            put("content-length", &body.len().to_string())?;
        }
        if let Some(token) = &call.retry_token {
            put("opc-retry-token", token)?;
        }
        if let Some(etag) = &call.if_match {
            put("if-match", etag.as_str())?;
        }
        if let Some(body) = body {
            *request.body_mut() = Some(body.into());
        }
        Ok(request)
    }

    fn refused(
        &self,
        call: &Call,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        request_id: String,
    ) -> OciError {
        // Gateways answer HTML or nothing (OCI.md 3.1).
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let field = |name: &str| json.as_ref().and_then(|json| json.get(name)).and_then(Value::as_str);
        let message = match field("message") {
            Some(message) => clean(message, 2_000),
            None => clean(&String::from_utf8_lossy(body), 200),
        };
        OciError::Service {
            service: call.service,
            operation: call.operation,
            status,
            code: field("code").map(|code| clean(code, 100)),
            message: if message.is_empty() { "no message".to_owned() } else { message },
            request_id,
            retry_after: self.retry_after(headers),
            clock_skew: (status == 401).then(|| self.clock_skew(headers)).flatten(),
        }
    }

    /// `Retry-After` in either of its forms: seconds, or a date.
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = header(headers, "retry-after")?;
        match text.parse::<u64>() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => http_date(text).map(|at| self.clock.until(at)),
        }
    }

    /// How far our clock is from the server's, when it is so far that signatures are refused.
    fn clock_skew(&self, headers: &HeaderMap) -> Option<Duration> {
        let theirs = http_date(header(headers, "date")?)?;
        let skew = (self.clock.now() - theirs).abs().to_std().ok()?;
        (skew >= SKEW_LIMIT).then_some(skew)
    }
}

fn decoded<T: DeserializeOwned>(call: &Call, answer: Answer<Vec<u8>>) -> Result<Answer<T>, OciError> {
    let value = serde_json::from_slice(&answer.value).map_err(|error| OciError::Decode {
        service: call.service,
        operation: call.operation,
        detail: clean(&error.to_string(), 300),
        request_id: answer.request_id.clone(),
    })?;
    Ok(answer.with(value))
}

/// How crash points name a call: each change by its operation, reads all alike.
const fn point(call: &Call) -> &'static str {
    match call.method {
        Method::Get => "GET",
        Method::Post | Method::Put | Method::Delete => call.operation,
    }
}

/// A fresh id for one attempt: 32 hexadecimal digits (OCI.md 1.2).
#[expect(clippy::disallowed_methods, reason = "the home of request ids, which name attempts and not runs")]
fn request_id() -> String {
    uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase()
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|at| at.to_utc())
}

async fn read_body(call: &Call, url: &str, response: &mut reqwest::Response) -> Result<Vec<u8>, OciError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_LIMIT => {
                return Err(OciError::TooLarge {
                    service: call.service,
                    operation: call.operation,
                    limit: ANSWER_LIMIT,
                });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(broken(call, url, &error)),
        }
    }
}

fn broken(call: &Call, url: &str, error: &reqwest::Error) -> OciError {
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
        service: call.service,
        operation: call.operation,
        url: url.to_owned(),
        kind,
        detail: clean(&detail, 400),
    }
}
