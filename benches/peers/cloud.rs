//! A sandbox with a web server in any number of backend sets, and rollouts on it, as the cloud sees them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::folder::{fresh, pause};
use crate::http;
use crate::program::command;

/// The pace at which the sandbox is prepared.
const HURRIED: f64 = 500.0;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// The first of the ports at which listeners for additional sets take requests.
const PORT: usize = 9_000;

pub(crate) struct Cloud {
    home: TempDir,
    sandbox: Child,
    url: String,
    sets: Vec<String>,
    pace: f64,
}

/// What a rollout took.
#[derive(Debug)]
pub(crate) struct Rollout {
    /// Until all sets send requests to the new version and none to the old one.
    pub(crate) alone: Duration,
    /// Until the command ended.
    pub(crate) whole: Duration,
    pub(crate) n_calls: usize,
    /// The most memory that the process had at once.
    pub(crate) memory_kib: f64,
}

impl Cloud {
    /// A sandbox that is so many times faster than the service, with a web server that is healthy in `n_sets` sets.
    pub(crate) fn with_sets(n_sets: usize, pace: f64) -> Self {
        let home = fresh();
        let mut sandbox = command(home.path())
            .args(["sandbox", "--no-verify", "--time-scale", &HURRIED.to_string(), "--home", "."])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox starts");
        let mut url = String::new();
        let stdout = sandbox.stdout.as_mut().expect("it is piped");
        BufReader::new(stdout).read_line(&mut url).expect("the sandbox says where it is");
        let sets =
            std::iter::once("http".to_owned()).chain((2..=n_sets).map(|n| format!("set-{n}"))).collect();
        let cloud = Self { home, sandbox, url: url.trim().to_owned(), sets, pace };
        cloud.add_sets();
        cloud.write_deployment();
        cloud.wait_until(|state| {
            cloud.sets.iter().all(|set| backends(state, set).iter().all(is_healthy(state)))
        });
        http::post(&cloud.url, "/sandbox/pace", &json!({"scale": pace}));
        cloud
    }

    /// The folder with the deployment, `web.json`.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Gives the web server its sets besides the first one, each with a listener, so that it is checked.
    fn add_sets(&self) {
        let state = self.state();
        let id = state["seed"]["loadBalancerId"].as_str().expect("an id");
        let path = format!("/20170115/loadBalancers/{id}");
        let old = &backends(&state, "http")[0];
        let backend = json!({"ipAddress": old["ipAddress"], "port": old["port"]});
        let checker = &http::get(&self.url, &path)["backendSets"]["http"]["healthChecker"];
        for (n, set) in self.sets.iter().enumerate().skip(1) {
            let body = json!({"name": set, "policy": "ROUND_ROBIN", "healthChecker": checker, "backends": [backend]});
            http::post(&self.url, &format!("{path}/backendSets"), &body);
            self.wait_until(|state| !backends(state, set).is_empty());
            let body =
                json!({"name": set, "port": PORT + n, "protocol": "HTTP", "defaultBackendSetName": set});
            http::post(&self.url, &format!("{path}/listeners"), &body);
            self.wait_until(|state| state["loadBalancers"][0]["openWorkRequests"] == 0);
        }
    }

    /// Writes a deployment over all sets, with the default of everything else.
    fn write_deployment(&self) {
        let file = self.home.path().join("web.json");
        let text = fs::read_to_string(&file).expect("the sandbox wrote it");
        let mut deployment: Value = serde_json::from_str(&text).expect("JSON");
        for own in ["drain-delay", "poll-interval", "min-ready"] {
            deployment.as_object_mut().expect("an object").remove(own);
        }
        let backends = self.sets.iter().map(|set| json!({"port": 80, "backend-set": set}));
        deployment["backends"] = backends.collect();
        fs::write(file, deployment.to_string()).expect("written");
    }

    /// Replaces the version that serves, and watches.
    #[expect(clippy::disallowed_methods, reason = "measures the machine itself")]
    pub(crate) fn roll_out(&self) -> Rollout {
        let n_before = self.n_calls();
        let old = backends(&self.state(), "http")[0]["ipAddress"].clone();
        let began = std::time::Instant::now();
        let mut command = command(self.home.path());
        let mut process = command
            .args(["start", "web.json"])
            .env("DEPLOYCTL_ENDPOINT", &self.url)
            .spawn()
            .expect("it starts");
        let (mut alone, mut memory_kib) = (None, 0.0);
        let status = loop {
            memory_kib = peak_memory_kib(process.id()).unwrap_or(memory_kib);
            if let Some(status) = process.try_wait().expect("it is ours") {
                break status;
            }
            if alone.is_none() && self.serves_alone(&old) {
                alone = Some(began.elapsed());
            }
            pause(BETWEEN_LOOKS);
        };
        let whole = began.elapsed();
        assert!(status.success(), "the rollout: {status}");
        let audit = http::get(&self.url, "/sandbox/audit");
        assert_eq!(audit["violations"], json!([]), "no request is without a backend");
        assert_eq!(audit["orphans"], json!([]), "nothing is left");
        let alone = alone.expect("it served alone before the end").mul_f64(self.pace);
        Rollout { alone, whole: whole.mul_f64(self.pace), n_calls: self.n_calls() - n_before, memory_kib }
    }

    /// Whether every set sends requests to another version than `old`, and none to that.
    fn serves_alone(&self, old: &Value) -> bool {
        let state = self.state();
        self.sets.iter().all(|set| {
            let serving: Vec<Value> = backends(&state, set)
                .into_iter()
                .filter(|one| one["drain"] == false && one["offline"] == false)
                .collect();
            !serving.is_empty()
                && serving.iter().all(|one| one["ipAddress"] != *old && is_healthy(&state)(one))
        })
    }

    fn state(&self) -> Value {
        http::get(&self.url, "/sandbox/state")
    }

    fn n_calls(&self) -> usize {
        http::get(&self.url, "/sandbox/audit")["entries"].as_array().map_or(0, Vec::len)
    }

    fn wait_until(&self, mut is_so: impl FnMut(&Value) -> bool) {
        while !is_so(&self.state()) {
            pause(BETWEEN_LOOKS);
        }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.sandbox.kill().expect("the sandbox is ours");
        self.sandbox.wait().expect("reaped");
    }
}

fn backends(state: &Value, set: &str) -> Vec<Value> {
    let backends = &state["loadBalancers"][0]["backendSets"][set]["backends"];
    backends.as_array().cloned().unwrap_or_default()
}

fn is_healthy(state: &Value) -> impl Fn(&Value) -> bool {
    let health = &state["loadBalancers"][0]["health"];
    |backend| health[backend["name"].as_str().unwrap_or_default()] == true
}

/// The most memory that the process has had, if it still runs.
fn peak_memory_kib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
