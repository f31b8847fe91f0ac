//! Health checks: each backend of each set is checked at its interval, and the verdict changes only after enough equal
//! results.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::sandbox::habits::Drained;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{Backend, State};

/// The shortest interval, at any speed of the sandbox.
const SHORTEST: Duration = Duration::from_millis(20);
/// After this many equal results, a backend is checked less often, so that a fast sandbox has time for its clients.
const SETTLED: u32 = 10;
/// The interval of those rarer checks.
const LEISURE: Duration = Duration::from_millis(100);

/// Checks until the sandbox stops.
pub(in crate::sandbox) fn start(shared: &Arc<Shared>) {
    let checker = Arc::clone(shared);
    shared.spawn(async move {
        let mut since_all = LEISURE;
        loop {
            let is_of_all = since_all >= LEISURE;
            let mut round: Vec<(String, String, Backend, Value)> = to_check(&checker.state());
            round.retain(|(_, _, backend, _)| is_of_all || backend.health.n_agreeing < SETTLED);
            let mut interval = Duration::from_secs(10);
            for (balancer, set, backend, how) in round {
                let millis = how["intervalInMillis"].as_u64().unwrap_or(10_000);
                interval = interval.min(Duration::from_millis(millis));
                let shared = Arc::clone(&checker);
                checker.spawn(async move {
                    let seen = check(&shared, &backend, &how).await;
                    note(&shared, &balancer, &set, &backend, &how, seen);
                });
            }
            let pause = checker.pace.scaled(interval).max(SHORTEST);
            checker.sleep(pause).await;
            since_all = if is_of_all { pause } else { since_all + pause };
        }
    });
}

fn to_check(state: &State) -> Vec<(String, String, Backend, Value)> {
    let mut round = Vec::new();
    for balancer in state.balancers.values().filter(|balancer| !balancer.is_deleted) {
        for (name, set) in &balancer.sets {
            // A set without a listener is not checked (docs/oci.md 2.5).
            if balancer.listeners.values().any(|listener| listener.set() == name) {
                let is_checked =
                    |backend: &&Backend| !backend.drain || state.habits.drained_backends == Drained::Checked;
                for backend in set.backends.iter().filter(is_checked) {
                    let how = set.body["healthChecker"].clone();
                    round.push((balancer.id.clone(), name.clone(), backend.clone(), how));
                }
            }
        }
    }
    round
}

async fn check(shared: &Arc<Shared>, backend: &Backend, how: &Value) -> (bool, &'static str) {
    let Some(address) = super::reach::reach(shared, backend).await else { return (false, "CONNECT_FAILED") };
    let path = how["urlPath"].as_str().unwrap_or("/");
    let is_http = how["protocol"] == "HTTP";
    let request = format!("GET {path} HTTP/1.1\r\nhost: health\r\nconnection: close\r\n\r\n");
    let ask = async {
        let mut stream = TcpStream::connect(address).await.map_err(|_| "CONNECT_FAILED")?;
        if !is_http {
            return Ok(String::new());
        }
        stream.write_all(request.as_bytes()).await.map_err(|_| "IO_ERROR")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map_err(|_| "IO_ERROR")?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let timeout = Duration::from_millis(how["timeoutInMillis"].as_u64().unwrap_or(3_000));
    let wanted = how["returnCode"].as_u64().unwrap_or(200).to_string();
    match tokio::time::timeout(timeout, ask).await {
        Err(_) => (false, "TIMED_OUT"),
        Ok(Err(seen)) => (false, seen),
        Ok(Ok(_)) if !is_http => (true, "OK"),
        Ok(Ok(answer)) if answer.split(' ').nth(1) == Some(wanted.as_str()) => (true, "OK"),
        Ok(Ok(_)) => (false, "INVALID_STATUS_CODE"),
    }
}

fn note(
    shared: &Shared,
    balancer: &str,
    set: &str,
    checked: &Backend,
    how: &Value,
    seen: (bool, &'static str),
) {
    let at = shared.now();
    let needed = how["retries"].as_u64().unwrap_or(3).max(1);
    // Health does not outlive a restart, so the folder is not written.
    let mut state = shared.state();
    let backend =
        state.balancers.get_mut(balancer).and_then(|balancer| balancer.sets.get_mut(set)).and_then(|set| {
            set.backends
                .iter_mut()
                .find(|one| one.name() == checked.name() && one.generation == checked.generation)
        });
    if let Some(backend) = backend {
        let health = &mut backend.health;
        let agrees = health.last.is_some_and(|(is_well, _)| is_well == seen.0);
        health.n_agreeing = if agrees { health.n_agreeing + 1 } else { 1 };
        health.last = Some(seen);
        health.at = Some(at);
        if u64::from(health.n_agreeing) >= needed {
            health.is_well = Some(seen.0);
        }
        state.remember();
    }
}
