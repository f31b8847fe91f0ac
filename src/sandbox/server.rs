//! One port for every service: reads a request, checks its signature, applies a fault, and answers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Response, server};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::TcpListener;

use super::audit::Call;
use super::faults::{Fault, Rule};
use super::lock::lock;
use super::shared::Shared;
use super::verify::Message;
use super::wire::{Body, Reply, Request, decode};
use super::{admin, control, principals, verify};

const BODY_LIMIT: usize = 4 << 20;

/// Serves the API until the sandbox stops.
pub(super) fn serve(shared: &Arc<Shared>, listener: TcpListener) {
    let acceptor = Arc::clone(shared);
    shared.spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let shared = Arc::clone(&acceptor);
                    acceptor.spawn(async move {
                        let service = service_fn(|request| answer(Arc::clone(&shared), request));
                        let served = server::conn::http1::Builder::new()
                            .timer(TokioTimer::new())
                            // An idle connection stays open, as Oracle's do for minutes.
                            .header_read_timeout(None)
                            .serve_connection(TokioIo::new(stream), service);
                        if let Err(error) = served.await {
                            tracing::debug!(%error, "a connection to the API ended");
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "the API cannot accept a connection"),
            }
        }
    });
}

/// An error here ends the connection without an answer, as a reset fault does.
async fn answer(shared: Arc<Shared>, request: hyper::Request<Incoming>) -> Result<Response<Body>, io::Error> {
    let (parts, body) = request.into_parts();
    if let Err(refusal) = shared.doors.check(&parts.headers) {
        return Ok(refusal.into_response("/0/0"));
    }
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(Reply::error(413, "PayloadTooLarge", "too large").into_response("/0/0")),
    };
    let method = parts.method.as_str().to_owned();
    if let Some(rest) = target.strip_prefix("/sandbox/") {
        return Ok(admin::answer(&shared, &method, rest, &body).into_response("/0/0"));
    }
    let request_id = request_id(&shared, parts.headers.get("opc-request-id").and_then(|id| id.to_str().ok()));
    let now = shared.now();
    let message = Message { method: &method, target: &target, headers: &parts.headers, body: &body };
    let is_api = !principals::is_theirs(&target);
    let token =
        parts.headers.get("opc-retry-token").and_then(|token| token.to_str().ok()).map(ToOwned::to_owned);
    let mut who = "nobody";
    let record = |who, status| {
        let call = Call { method: &method, target: &target, who, retry_token: token.as_deref() };
        lock(&shared.audit).record(now, call, status, &request_id);
    };
    if is_api && shared.is_verifying() {
        match verify::check(&shared.identity, &lock(&shared.tokens), now, &message) {
            Ok(signer) => who = signer,
            Err(why) => {
                tracing::debug!(why, method, target, "401");
                let reply = Reply::unauthenticated();
                record(who, reply.status);
                return Ok(finish(&shared, reply, &request_id));
            }
        }
    }
    let rule = lock(&shared.faults).decide(&method, &target);
    if let Some(reply) = rule.as_ref().and_then(|rule| refusal(rule, &parts.headers)) {
        record(who, reply.status);
        return Ok(finish(&shared, reply, &request_id));
    }
    let effect = rule.as_ref().map(|rule| rule.effect);
    if effect == Some(Fault::ResetBefore) {
        record(who, 0);
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    let delay = Duration::from_millis(rule.as_ref().map_or(0, |rule| rule.delay_ms));
    let parsed = parse(&method, &target, &parts.headers, &body, rule.as_ref());
    if effect == Some(Fault::Late) {
        let task = Arc::clone(&shared);
        shared.spawn(async move {
            task.sleep(delay).await;
            let reply = parsed.map_or_else(|reply| reply, |request| control::answer(&task, &request));
            let call = Call { method: &method, target: &target, who, retry_token: token.as_deref() };
            lock(&task.audit).record(now, call, reply.status, &request_id);
        });
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    shared.sleep(delay).await;
    let reply = match parsed {
        _ if !is_api => principals::answer(&shared, &message, now),
        Ok(request) => {
            let is_waiting = effect == Some(Fault::OtherClientWaiting);
            if is_waiting || effect == Some(Fault::OtherClient) {
                control::intrude(&shared, &request, is_waiting);
            }
            // Who sends it could not know that the load balancer is busy.
            let request = Request { is_stray: request.is_stray || is_waiting, ..request };
            let reply = control::answer(&shared, &request);
            match effect {
                Some(Fault::Twice) => control::answer(&shared, &Request { is_stray: true, ..request }),
                _ => reply,
            }
        }
        Err(reply) => reply,
    };
    record(who, reply.status);
    match effect {
        Some(Fault::ResetAfter) => Err(io::ErrorKind::ConnectionReset.into()),
        Some(Fault::Truncate) => Ok(truncated(finish(&shared, reply, &request_id)).await),
        _ => Ok(finish(&shared, reply, &request_id)),
    }
}

fn finish(shared: &Shared, reply: Reply, request_id: &str) -> Response<Body> {
    // The service's own date. It shows clients that their clock is wrong.
    let date = shared.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    reply.with("date", date).into_response(request_id)
}

/// The answer of a fault rule that refuses the request before it is carried out.
fn refusal(rule: &Rule, headers: &hyper::HeaderMap) -> Option<Reply> {
    let said = |reply: Reply| match &rule.message {
        Some(_) => reply.saying(&rule.said(headers, "")),
        None => reply,
    };
    let reply = match rule.effect {
        Fault::Unauthenticated => Reply::unauthenticated(),
        Fault::TooMany => Reply::error(429, "TooManyRequests", "Too many requests for the user"),
        Fault::Internal => Reply::error(500, "InternalServerError", "Internal Server Error"),
        Fault::BadGateway => Reply { status: 502, ..Reply::text("Bad Gateway") },
        Fault::Unavailable => {
            Reply::error(503, "ServiceUnavailable", "The service is currently unavailable.")
        }
        Fault::Capacity => Reply::error(500, "InternalError", "Out of host capacity."),
        Fault::NotFound => Reply::not_found(),
        Fault::Conflict => {
            Reply::error(409, "IncorrectState", "The resource is being changed; try again later")
        }
        Fault::Html => Reply::text("<html><body>gateway</body></html>").with("content-type", "text/html"),
        Fault::ResetBefore
        | Fault::ResetAfter
        | Fault::Slow
        | Fault::Truncate
        | Fault::Late
        | Fault::Twice
        | Fault::OtherClient
        | Fault::OtherClientWaiting
        | Fault::StaleRead
        | Fault::WorkFails => return None,
    };
    let reply = said(reply);
    Some(match rule.retry_after {
        Some(seconds) => reply.with("retry-after", seconds.to_string()),
        None => reply,
    })
}

fn parse(
    method: &str,
    target: &str,
    headers: &hyper::HeaderMap,
    body: &Bytes,
    rule: Option<&Rule>,
) -> Result<Request, Reply> {
    let effect = rule.map(|rule| rule.effect);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(body).map_err(|_| {
            Reply::error(
                400,
                "CannotParseRequest",
                "Incorrectly formatted request. Please refer to our documentation for help.",
            )
        })?
    };
    Ok(Request {
        method: method.to_owned(),
        segments: path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decode(name), decode(&value.replace('+', " "))))
            .collect(),
        headers: headers.clone(),
        body,
        work_fails_with: rule
            .filter(|rule| rule.effect == Fault::WorkFails)
            .map(|rule| rule.said(headers, "a fault was asked for")),
        is_stale: effect == Some(Fault::StaleRead),
        is_stray: effect == Some(Fault::Late),
    })
}

/// `<client part>/<32 hex>/<32 hex>`; the client part is empty when none was sent (docs/oci.md 1.2).
fn request_id(shared: &Shared, client: Option<&str>) -> String {
    let n = lock(&shared.audit).next_request();
    let client = client.map(|id| id.split('/').next().unwrap_or_default()).unwrap_or_default();
    format!("{client}/{n:032X}/{:032X}", !u128::from(n))
}

/// The same response, but its body breaks off in the middle.
async fn truncated(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let whole = match body.collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(_) => Bytes::new(),
    };
    parts.headers.insert("content-length", whole.len().into());
    Response::from_parts(parts, Half { left: Some(whole.slice(..whole.len() / 2)) }.boxed())
}

/// A body that delivers half of its announced length.
struct Half {
    left: Option<Bytes>,
}

impl hyper::body::Body for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(match self.left.take() {
            Some(half) => Ok(Frame::data(half)),
            None => Err(io::ErrorKind::ConnectionReset.into()),
        }))
    }
}
