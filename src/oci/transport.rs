//! Sends a call, which is data, as one signed HTTP request, and reads its answer.
//!
//! Each attempt has its own `opc-request-id`. All attempts at a call have the same retry token, if the call has one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use super::call::{Call, Method};
use super::endpoint::Endpoints;
use super::error::{OciError, TransportKind};
use super::http::{self, Asked, Http, Success, header};
use super::id::{Etag, WorkRequestId};
use super::identity::{Identity, SignInError, Signing};
use super::mask::Mask;
use super::signer::{self, Unsigned};

/// The answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// The body.
    pub value: T,
    /// The resource's version.
    pub etag: Option<Etag>,
    /// The work request that the call started.
    pub work_request: Option<WorkRequestId>,
    /// How long the server asks us to wait before the next read.
    pub retry_after: Option<Duration>,
    /// The time of the answer by the server's clock.
    pub date: Option<DateTime<Utc>>,
    /// The id that Oracle's support asks for.
    pub request_id: String,
    pub(super) next_page: Option<String>,
}

impl<T> Answer<T> {
    fn with<U>(self, value: U) -> Answer<U> {
        Answer {
            value,
            etag: self.etag,
            work_request: self.work_request,
            retry_after: self.retry_after,
            date: self.date,
            request_id: self.request_id,
            next_page: self.next_page,
        }
    }
}

/// Sends signed requests.
#[derive(Debug)]
pub struct Transport {
    http: Http,
    endpoints: Endpoints,
    identity: Identity,
}

impl Transport {
    /// The tenancy, if the identity knows it.
    pub(super) async fn tenancy(&self) -> Option<String> {
        self.identity.tenancy().await
    }

    /// A transport that signs as `identity`.
    pub const fn new(http: Http, endpoints: Endpoints, identity: Identity) -> Self {
        Self { http, endpoints, identity }
    }

    pub(super) const fn mask(&self) -> &Mask {
        self.http.mask()
    }

    /// Makes one attempt at a call with a JSON answer.
    pub async fn send<T: DeserializeOwned>(&self, call: &Call) -> Result<Answer<T>, OciError> {
        decoded(call, self.attempt(call).await?, self.mask())
    }

    /// Makes one attempt at a call and ignores the body of the answer.
    pub(super) async fn send_for_nothing(&self, call: &Call) -> Result<Answer<()>, OciError> {
        Ok(self.attempt(call).await?.with(()))
    }

    /// Makes one attempt at a call whose answer is the end of a log. Secrets in it are masked.
    pub(super) async fn send_for_log(&self, call: &Call) -> Result<Answer<String>, OciError> {
        let answer = self.attempt(call).await?;
        let text = self.mask().log(&String::from_utf8_lossy(&answer.value));
        Ok(answer.with(text))
    }

    /// Makes one attempt, with one exception: if a principal's token is refused, the token is renewed and the call is made
    /// once more, as `base_client.py` does. A refusal because of our clock is not the token's fault.
    pub(super) async fn attempt(&self, call: &Call) -> Result<Answer<Vec<u8>>, OciError> {
        let url = format!("{}{}", self.endpoints.base(call.service), call.target());
        let signing = self.identity.signing().await.map_err(|error| unsigned(call, &url, error))?;
        let error = match self.once(call, &url, &signing).await {
            Err(error) if error.is_not_authenticated() => error,
            answered => return answered,
        };
        match self.identity.renewed(&signing).await.map_err(|error| unsigned(call, &url, error))? {
            Some(renewed) => self.once(call, &url, &renewed).await,
            None => Err(error.with_advice(self.identity.advice())),
        }
    }

    async fn once(&self, call: &Call, url: &str, signing: &Signing) -> Result<Answer<Vec<u8>>, OciError> {
        let request_id = http::request_id();
        let request = self.request(call, url, &request_id, signing)?;
        let asked = Asked { service: call.service, operation: call.operation, url, request_id: &request_id };
        let Success { headers, body, request_id } = self.http.exchange(asked, request).await?;
        // A gateway sent a page with a status of success. What happened to the request is unknown.
        if header(&headers, "content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            return Err(OciError::Decode {
                service: call.service,
                operation: call.operation,
                detail: "it is a web page and not the API's".to_owned(),
                request_id,
            });
        }
        Ok(Answer {
            value: body,
            etag: header(&headers, "etag").map(Etag::from),
            work_request: header(&headers, "opc-work-request-id").map(WorkRequestId::from),
            retry_after: self.http.retry_after(&headers),
            date: header(&headers, "date").and_then(http::http_date),
            request_id,
            next_page: header(&headers, "opc-next-page").map(ToOwned::to_owned),
        })
    }

    fn request(
        &self,
        call: &Call,
        url: &str,
        request_id: &str,
        signing: &Signing,
    ) -> Result<reqwest::Request, OciError> {
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
        // The signature covers the URL that the library will send, which may be normalised.
        let target = match parsed.query() {
            Some(query) => format!("{}?{query}", parsed.path()),
            None => parsed.path().to_owned(),
        };
        let body = call.method.has_body().then(|| match &call.body {
            Some(body) => body.to_string().into_bytes(),
            None => Vec::new(),
        });
        let date = self.http.date();
        let obo_token = signing.obo_token();
        let signed = signer::sign(
            Unsigned {
                method: &call.method.as_str().to_ascii_lowercase(),
                target: &target,
                host: Some(&host),
                date: &date,
                obo_token,
                body: body.as_deref(),
            },
            signing.key_id(),
            signing.key(),
        );
        let method = match call.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = reqwest::Request::new(method, parsed);
        let mut put =
            |name: &'static str, value: &str| http::put(&mut request, name, value).map_err(unsendable);
        put("date", &date)?;
        put("host", &host)?;
        put("accept", "application/json")?;
        put("content-type", "application/json")?;
        put("opc-request-id", request_id)?;
        put("authorization", &signed.authorization)?;
        if let Some(token) = obo_token {
            put("opc-obo-token", token)?;
        }
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
}

pub(super) fn decoded<T: DeserializeOwned>(
    call: &Call,
    answer: Answer<Vec<u8>>,
    mask: &Mask,
) -> Result<Answer<T>, OciError> {
    let value = serde_json::from_slice(&answer.value).map_err(|error| OciError::Decode {
        service: call.service,
        operation: call.operation,
        detail: mask.line(&error.to_string(), 300),
        request_id: answer.request_id.clone(),
    })?;
    Ok(answer.with(value))
}

/// A call that was not sent because there is nothing to sign it with.
fn unsigned(call: &Call, url: &str, error: SignInError) -> OciError {
    match error {
        SignInError::Cloud(error) => *error,
        error => OciError::Transport {
            service: call.service,
            operation: call.operation,
            url: url.to_owned(),
            kind: TransportKind::NotSignedIn,
            detail: error.with_causes(),
        },
    }
}
