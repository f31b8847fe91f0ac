//! The negative control: a prober that finds no loss in a correct rollout must find the loss in a wrong one.

use std::net::SocketAddr;
use std::time::Duration;

use deployctl::probe::{Findings, Load, probe};
use deployctl::sandbox::{Handle, Options, Sandbox};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

async fn sandbox() -> (Handle, SocketAddr) {
    let options = Options { time_scale: 100.0, verify: false, ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("it starts");
    let front = sandbox.state()["loadBalancers"][0]["listenerAddresses"]["http"].as_str().map(str::parse);
    (sandbox, front.expect("a listener").expect("an address"))
}

/// Sends a change to the sandbox, like any client.
async fn change(sandbox: &Handle, method: &str, path: &str, body: Value) -> Value {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = sandbox.url().trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connects");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains(" 20"), "{method} {path}: {answer}");
    serde_json::from_str(body).unwrap_or_default()
}

/// Probes while `act` runs.
async fn probe_beside(front: SocketAddr, act: impl Future<Output = ()>) -> Findings {
    let stop = CancellationToken::new();
    let acting = async {
        act.await;
        stop.cancel();
    };
    tokio::join!(probe(front, Load::of(200), stop.clone()), acting).0
}

#[tokio::test]
async fn deleting_an_instance_in_service_loses_requests_and_the_prober_sees_it() {
    let (sandbox, front) = sandbox().await;
    let old = sandbox.state()["seed"]["webserverId"].as_str().expect("an id").to_owned();
    let findings = probe_beside(front, async {
        wait_for(&sandbox, |state| state["instances"].is_array()).await;
        change(&sandbox, "DELETE", &format!("/20210415/containerInstances/{old}"), Value::Null).await;
        wait_for(&sandbox, |state| {
            let instances = state["instances"].as_array().expect("instances");
            instances.iter().any(|one| one["id"] == old.as_str() && one["lifecycleState"] == "DELETED")
        })
        .await;
    })
    .await;
    assert!(findings.n_failed() > 0, "{findings:?}");
    let violations = sandbox.audit()["violations"].clone();
    assert!(violations.to_string().contains("was deleted while it was the backend"), "{violations}");
    sandbox.stop().await;
}

#[tokio::test]
async fn registering_a_backend_before_it_is_ready_loses_requests() {
    let (sandbox, front) = sandbox().await;
    let state = sandbox.state();
    let balancer = state["seed"]["loadBalancerId"].as_str().expect("an id").to_owned();
    let instance = json!({
        "compartmentId": state["compartmentId"], "availabilityDomain": state["availabilityDomain"],
        "shape": "CI.Standard.E4.Flex", "shapeConfig": {"ocpus": 1}, "vnics": [{"subnetId": state["subnetId"]}],
        "displayName": "hasty", "containers": [{
            "imageUrl": "httpd:2", "environmentVariables": {"SANDBOX_BOOT_MS": "60000"},
        }],
    });
    let made = change(&sandbox, "POST", "/20210415/containerInstances", instance).await;
    let id = made["id"].as_str().expect("an id").to_owned();
    let find = |state: &Value| {
        let instances = state["instances"].as_array().expect("instances");
        instances.iter().find(|one| one["id"] == id.as_str()).cloned().expect("it is there")
    };
    wait_for(&sandbox, |state| find(state)["lifecycleState"] == "ACTIVE").await;
    let address = find(&sandbox.state())["address"].clone();
    let findings = probe_beside(front, async {
        let path = format!("/20170115/loadBalancers/{balancer}/backendSets/http/backends");
        change(&sandbox, "POST", &path, json!({"ipAddress": address, "port": 80})).await;
        let name = format!("{}:80", address.as_str().expect("an address"));
        wait_for(&sandbox, |state| state["loadBalancers"][0]["health"][&name] == false).await;
    })
    .await;
    assert!(findings.n_failed() > 0, "{findings:?}");
    assert!(findings.failures.contains_key("status 502"), "{findings:?}");
    sandbox.stop().await;
}

#[tokio::test]
async fn traffic_that_nobody_disturbs_loses_nothing() {
    let (sandbox, front) = sandbox().await;
    let findings = probe_beside(front, async {
        let stop = CancellationToken::new();
        let enough = probe(front, Load::of(100), stop.clone());
        let timer = async {
            tokio::time::timeout(Duration::from_millis(500), std::future::pending::<()>())
                .await
                .expect_err("a timer");
            stop.cancel();
        };
        tokio::join!(enough, timer);
    })
    .await;
    assert_eq!(findings.n_failed(), 0, "{findings:?}");
    assert!(findings.n_sent > 50 && findings.versions.contains_key("1"), "{findings:?}");
    sandbox.stop().await;
}

async fn wait_for(sandbox: &Handle, is_so: impl Fn(&Value) -> bool) {
    let waiting = async {
        while !is_so(&sandbox.state()) {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    assert!(in_time.is_ok(), "not in time: {:#}", sandbox.state());
}
