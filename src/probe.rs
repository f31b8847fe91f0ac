//! An open-loop prober. It sends requests on a schedule, whatever happened to earlier requests, and never repeats one.
//!
//! Latency counts from the time at which a request was due, so that it shows in every request that a stall delays. A
//! client that retries by itself would hide the very losses that the prober looks for (docs/design/redeploy.md).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The time after which a request counts as lost.
const TIMEOUT: Duration = Duration::from_secs(10);

type Sender = SendRequest<Full<Bytes>>;

/// The results of a probe.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Requests sent.
    pub n_sent: u64,
    /// Requests lost, by cause.
    pub failures: BTreeMap<String, u64>,
    /// Latency in microseconds from the intended time.
    pub latency: Histogram<u64>,
    /// Each version, with the times of its first and last answer, and the number of its answers.
    pub versions: BTreeMap<String, Seen>,
}

/// When a version answered, counted from the start of the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The first answer.
    pub first: Duration,
    /// The last answer.
    pub last: Duration,
    /// The number of answers.
    pub n: u64,
}

impl Findings {
    fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order");
        Self { n_sent: 0, failures: BTreeMap::new(), latency, versions: BTreeMap::new() }
    }

    /// Requests lost.
    pub fn n_failed(&self) -> u64 {
        self.failures.values().sum()
    }

    fn note(&mut self, outcome: Result<String, String>, latency: Duration, at: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency.saturating_record(micros);
        match outcome {
            Err(how) => *self.failures.entry(how).or_default() += 1,
            Ok(version) => {
                let seen = self.versions.entry(version).or_insert(Seen { first: at, last: at, n: 0 });
                seen.first = seen.first.min(at);
                seen.last = seen.last.max(at);
                seen.n += 1;
            }
        }
    }
}

/// The shape of the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Requests a second.
    pub rate: u32,
    /// How long a slow request takes. A drain must last longer.
    pub slow: Duration,
    /// One in this many requests is slow.
    pub slow_every: u64,
}

impl Load {
    /// `rate` requests a second, one in fifty of 400 ms.
    pub const fn of(rate: u32) -> Self {
        Self { rate, slow: Duration::from_millis(400), slow_every: 50 }
    }
}

/// Sends requests to `target` until `stop`, then waits for the answers to requests under way.
pub async fn probe(target: SocketAddr, load: Load, stop: CancellationToken) -> Findings {
    let findings = Arc::new(Mutex::new(Findings::new()));
    let pool: Arc<Mutex<Vec<Sender>>> = Arc::default();
    let started = Instant::now();
    let interval = Duration::from_secs(1) / load.rate.max(1);
    let mut ticks = tokio::time::interval_at(started, interval);
    // Late ticks are made up for at once, because the schedule counts.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    let mut n = 0_u64;
    loop {
        let intended = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            intended = ticks.tick() => intended,
        };
        let (findings, pool) = (Arc::clone(&findings), Arc::clone(&pool));
        requests.spawn(async move {
            let asked = tokio::time::timeout(TIMEOUT, one(target, n, load, &pool)).await;
            let outcome = asked.unwrap_or_else(|_| Err("no answer in 10 s".to_owned()));
            let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
            findings.note(outcome, intended.elapsed(), started.elapsed());
        });
        n += 1;
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
    let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner).clone();
    findings.n_sent = n;
    findings
}

/// Sends one request. One in five uses a new connection, and the others one that was used before. One in twenty is a
/// POST, and some are slow. Returns the version that answered.
async fn one(target: SocketAddr, n: u64, load: Load, pool: &Mutex<Vec<Sender>>) -> Result<String, String> {
    let slow = format!("/?work_ms={}", load.slow.as_millis());
    let is_fresh = n % 5 == 3;
    let pooled = || pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let reused = if is_fresh { None } else { pooled() };
    let mut sender = match reused {
        Some(sender) => sender,
        None => connect(target).await?,
    };
    sender.ready().await.map_err(|_| "connection closed".to_owned())?;
    let (method, path) = match (n % 20, n % load.slow_every) {
        (0, _) => ("POST", "/orders"),
        (_, 1) => ("GET", slow.as_str()),
        _ => ("GET", "/"),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "demo")
        .header("x-request-id", format!("probe-{n}"))
        .body(Full::new(if method == "POST" { Bytes::from(format!("order {n}")) } else { Bytes::new() }))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|_| "closed before the status".to_owned())?;
    let status = response.status();
    let header = |name: &str| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
    };
    let (version, id) = (header("x-version"), header("x-request-id"));
    response.into_body().collect().await.map_err(|_| "closed in the body".to_owned())?;
    if !status.is_success() {
        return Err(format!("status {}", status.as_u16()));
    }
    if id != Some(format!("probe-{n}")) {
        return Err("another request's answer".to_owned());
    }
    if !is_fresh {
        pool.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    }
    version.ok_or_else(|| "no version".to_owned())
}

async fn connect(target: SocketAddr) -> Result<Sender, String> {
    let stream = TcpStream::connect(target).await.map_err(|error| format!("connect: {}", error.kind()))?;
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|_| "closed at the handshake".to_owned())?;
    drive(connection);
    Ok(sender)
}

/// Drives a connection beside its requests, as hyper requires. The connection ends with its sender.
#[expect(clippy::disallowed_methods, reason = "ends by itself when the pool of the probe is dropped")]
fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::trace!(%error, "a connection of the probe ended");
        }
    });
}
