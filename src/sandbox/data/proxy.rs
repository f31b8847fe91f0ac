//! A listener: a real HTTP/1.1 proxy that keeps connections to its backends open and never repeats a request.

use std::convert::Infallible;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::pool::Sender;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::Backend;

type Reply = Response<Full<Bytes>>;

/// The facts that a request through this listener needs.
struct Route {
    shared: Arc<Shared>,
    balancer: String,
    listener: String,
    n_requests: AtomicU64,
}

pub(super) fn serve(
    shared: &Arc<Shared>,
    tcp: TcpListener,
    balancer: String,
    listener: String,
    cancel: CancellationToken,
) {
    let route =
        Arc::new(Route { shared: Arc::clone(shared), balancer, listener, n_requests: AtomicU64::new(0) });
    shared.spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = cancel.cancelled() => return,
                accepted = tcp.accept() => accepted,
            };
            let Ok((stream, client)) = accepted else { continue };
            let route = Arc::clone(&route);
            let task = Arc::clone(&route.shared);
            task.spawn(async move {
                let service = service_fn(|request| answer(Arc::clone(&route), client, request));
                let served = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = served.await {
                    tracing::trace!(%error, "a client's connection ended");
                }
            });
        }
    });
}

async fn answer(
    route: Arc<Route>,
    client: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Result<Reply, Infallible> {
    let outcome = forward(&route, client, request).await;
    let key = format!("{}/{}", route.balancer, route.listener);
    Ok(match outcome {
        Ok(reply) => {
            let version =
                reply.headers().get("x-version").and_then(|version| version.to_str().ok()).unwrap_or("?");
            route.shared.fleet.count(&key, Ok(version));
            reply
        }
        Err((status, kind)) => {
            route.shared.fleet.count(&key, Err(kind));
            let mut reply = Response::new(Full::new(Bytes::from_static(kind.as_bytes())));
            *reply.status_mut() = status;
            reply
        }
    })
}

async fn forward(
    route: &Route,
    client: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Result<Reply, (StatusCode, &'static str)> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| (StatusCode::BAD_REQUEST, "client broke off"))?.to_bytes();
    let backend = choose(route, client).ok_or((StatusCode::SERVICE_UNAVAILABLE, "no backend"))?;
    let shared = &route.shared;
    let cutter = shared.fleet.cutter(&backend);
    let _busy = shared.fleet.occupy(backend.name());
    parts.headers.remove("connection");
    let request = hyper::Request::from_parts(parts, Full::new(body));
    let exchange = async {
        let mut sender = match shared.fleet.pool.take(&backend) {
            Some(sender) => sender,
            None => connect(shared, &backend).await.ok_or((StatusCode::BAD_GATEWAY, "connect failed"))?,
        };
        let broken = (StatusCode::BAD_GATEWAY, "backend broke off");
        sender.ready().await.map_err(|_| broken)?;
        let response = sender.send_request(request).await.map_err(|_| broken)?;
        let (mut parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| broken)?.to_bytes();
        if sender.ready().await.is_ok() {
            shared.fleet.pool.give_back(&backend, sender);
        }
        // The body is complete now, so its length is set again.
        parts.headers.remove("transfer-encoding");
        Ok(Response::from_parts(parts, Full::new(body)))
    };
    tokio::select! {
        () = cutter.cancelled() => Err((StatusCode::BAD_GATEWAY, "backend removed")),
        reply = exchange => reply,
    }
}

fn choose(route: &Route, client: SocketAddr) -> Option<Backend> {
    let n = route.n_requests.fetch_add(1, Ordering::Relaxed);
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(client.ip());
    let state = route.shared.state();
    let balancer = state.balancers.get(&route.balancer)?;
    let set = balancer.sets.get(balancer.listeners.get(&route.listener)?.set())?;
    super::balance::choose(set, n, hash, |backend| route.shared.fleet.load(&backend.name())).cloned()
}

async fn connect(shared: &Arc<Shared>, backend: &Backend) -> Option<Sender> {
    let address = super::reach::reach(shared, backend).await?;
    let stream = TcpStream::connect(address).await.ok()?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    let cutter = shared.fleet.cutter(backend);
    shared.spawn(async move {
        tokio::select! {
            () = cutter.cancelled() => {}
            ended = connection => {
                if let Err(error) = ended {
                    tracing::trace!(%error, "a connection to a backend ended");
                }
            }
        }
    });
    Some(sender)
}
