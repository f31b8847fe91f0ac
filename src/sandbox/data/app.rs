//! The application in a container. It answers with its version until its instance goes, which closes every socket.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;

use crate::sandbox::shared::Shared;

pub(super) fn serve(shared: &Arc<Shared>, listener: TcpListener, address: &str) {
    let closer = shared.fleet.closer(address);
    let app = Arc::clone(shared);
    let address = address.to_owned();
    shared.spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = closer.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else { continue };
            let (shared, address, closer) = (Arc::clone(&app), address.clone(), closer.clone());
            app.spawn(async move {
                let service = service_fn(|request| answer(Arc::clone(&shared), address.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service);
                // A killed process drops its connections in the middle.
                tokio::select! {
                    () = closer.cancelled() => {}
                    served = connection => {
                        if let Err(error) = served {
                            tracing::trace!(%error, "a connection to a container ended");
                        }
                    }
                }
            });
        }
    });
}

/// `?work_ms=N` makes the answer take N milliseconds, as real work would.
async fn answer(
    shared: Arc<Shared>,
    address: String,
    request: hyper::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let n_bytes = body.collect().await.map_or(0, |body| body.to_bytes().len());
    let query = parts.uri.query().unwrap_or_default();
    let work = query.split('&').find_map(|pair| pair.strip_prefix("work_ms=")).and_then(|ms| ms.parse().ok());
    let (version, instance, latency, is_failing) = {
        let state = shared.state();
        let Some(instance) = state.instances.values().find(|instance| instance.address == address) else {
            return Ok(Response::new(Full::default()));
        };
        let first = instance.containers.first();
        let knob = |name: &str| first.and_then(|container| container.knob(name)).map(ToOwned::to_owned);
        (
            first.map(|container| container.image_version().to_owned()).unwrap_or_default(),
            instance.id.clone(),
            knob("SANDBOX_LATENCY_MS").and_then(|ms| ms.parse().ok()).unwrap_or(0),
            knob("SANDBOX_HEALTH").as_deref() == Some("failing"),
        )
    };
    shared.sleep(Duration::from_millis(work.unwrap_or(latency))).await;
    let body = json!({"version": version, "instance": instance, "received": n_bytes}).to_string();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    if is_failing {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    if let Ok(version) = version.parse() {
        response.headers_mut().insert("x-version", version);
    }
    if let Some(id) = parts.headers.get("x-request-id") {
        response.headers_mut().insert("x-request-id", id.clone());
    }
    Ok(response)
}
