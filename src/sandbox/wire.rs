//! Requests and answers in their form on the wire: headers, error bodies, pages.

use std::io;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

pub(super) type Body = BoxBody<Bytes, io::Error>;

/// A request whose signature was checked.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path segments below the service's prefix, decoded.
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    /// Set by a fault: the work that this request starts will fail with this message.
    pub(super) work_fails_with: Option<String>,
    /// Set by a fault: this read shows the state before the last change.
    pub(super) is_stale: bool,
    /// No client waits for it: it arrives late, or a second time.
    pub(super) is_stray: bool,
}

impl Request {
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An answer before it becomes an HTTP response.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { status, body: body.to_string().into_bytes(), headers: Vec::new() }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(super) fn text(text: &str) -> Self {
        Self { status: 200, body: text.as_bytes().to_vec(), headers: Vec::new() }
    }

    pub(super) fn error(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::json(status, &json!({"code": code, "message": message.into()}))
    }

    /// The common answer for a resource that does not exist and for one that the client may not see (docs/oci.md 2.7).
    pub(super) fn not_found() -> Self {
        Self::error(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")
    }

    /// The answer to every request whose signature is missing or wrong (docs/oci.md 4.1).
    pub(super) fn unauthenticated() -> Self {
        let message =
            "The required information to complete authentication was not provided or was incorrect.";
        Self::error(401, "NotAuthenticated", message)
    }

    pub(super) fn missing(name: &str) -> Self {
        Self::error(400, "MissingParameter", format!("{name} is missing"))
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::error(400, "InvalidParameter", message)
    }

    /// The same error with another message.
    pub(super) fn saying(mut self, message: &str) -> Self {
        if let Ok(mut body) = serde_json::from_slice::<Value>(&self.body) {
            body["message"] = json!(message);
            self.body = body.to_string().into_bytes();
        }
        self
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_response(self, request_id: &str) -> Response<Body> {
        let body = Full::new(Bytes::from(self.body)).map_err(|never| match never {}).boxed();
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        };
        put("content-type", "application/json");
        put("opc-request-id", request_id);
        put("x-content-type-options", "nosniff");
        for (name, value) in &self.headers {
            put(name, value);
        }
        response
    }
}

/// One page of a list, with the token of the next page (docs/oci.md 1.2). The token is opaque to clients, and contains
/// characters with a meaning in URLs. Not every client encodes it: the official TypeScript SDK sends it unchanged, so that
/// `+` arrives as a space.
pub(super) fn page(
    request: &Request,
    items: Vec<Value>,
    default_size: usize,
) -> Result<(Vec<Value>, Option<String>), Reply> {
    let size = match request.query("limit").map(str::parse::<usize>) {
        None => default_size,
        Some(Ok(limit @ 1..=1000)) => limit,
        Some(_) => return Err(Reply::invalid("limit must be between 1 and 1000")),
    };
    let first: usize = match request.query("page") {
        None => 0,
        Some(token) => {
            let token = token.replace(' ', "+");
            match token.strip_prefix("at+").and_then(|at| at.strip_suffix("/==")).map(str::parse) {
                Some(Ok(first)) => first,
                _ => {
                    return Err(Reply::error(400, "PaginationTokenFormat", "Wrong pagination token format."));
                }
            }
        }
    };
    let n_items = items.len();
    let last = first.saturating_add(size).min(n_items);
    let next = (last < n_items).then(|| format!("at+{last}/=="));
    Ok((items.into_iter().skip(first).take(size).collect(), next))
}

/// A list whose body is a bare array, as the load balancer and the network services return it.
pub(super) fn array(request: &Request, items: Vec<Value>, default_size: usize) -> Reply {
    match page(request, items, default_size) {
        Ok((items, next)) => with_next(Reply::json(200, &Value::Array(items)), next),
        Err(refusal) => refusal,
    }
}

/// A list whose body is an object with `items`, as the container instances' service returns it.
pub(super) fn collection(request: &Request, items: Vec<Value>, default_size: usize) -> Reply {
    match page(request, items, default_size) {
        Ok((items, next)) => with_next(Reply::json(200, &json!({"items": items})), next),
        Err(refusal) => refusal,
    }
}

fn with_next(reply: Reply, next: Option<String>) -> Reply {
    match next {
        Some(next) => reply.with("opc-next-page", next),
        None => reply,
    }
}

pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Decodes `%3A` to `:`, and so on.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut n = 0;
    while n < bytes.len() {
        let hex = (bytes[n] == b'%').then(|| text.get(n + 1..n + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                n += 3;
            }
            None => {
                decoded.push(bytes[n]);
                n += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Refuses a request whose `if-match` is not the current version.
pub(super) fn check_version(request: &Request, version: &str) -> Result<(), Reply> {
    match request.header("if-match").map(|tag| tag.trim_matches('"')) {
        None | Some("*") => Ok(()),
        Some(tag) if tag == version => Ok(()),
        Some(tag) => Err(Reply::error(412, "NoEtagMatch", no_match(version, tag))),
    }
}

pub(super) fn no_match(version: &str, tag: &str) -> String {
    format!("Entity has a computed tag of {version}, but is passed a tag of {tag}")
}
