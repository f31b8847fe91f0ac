//! The cloud of a world: what the sandbox shows of it, and requests to it.

use std::net::SocketAddr;

use serde_json::Value;

use super::{Answer, World, http};

impl World {
    pub(crate) fn state(&self) -> Value {
        http::get(&self.url, "/sandbox/state")
    }

    pub(crate) fn audit(&self) -> Value {
        http::get(&self.url, "/sandbox/audit")
    }

    pub(crate) fn fault(&self, rule: &Value) {
        http::post(&self.url, "/sandbox/faults", rule);
    }

    pub(crate) fn clear_faults(&self) {
        http::delete(&self.url, "/sandbox/faults");
    }

    /// Gives the set `http` a field that the cloud shows and does not take, so that its backends can only be changed one by one.
    pub(crate) fn one_by_one(&self) {
        let path = format!("{}/backendSets/http", self.balancer());
        let mut set = self.get(&path);
        set["ofTomorrow"] = serde_json::json!({"is": "kept"});
        self.put(&path, &set);
        self.wait_until("it is there", || !self.get(&path)["ofTomorrow"].is_null());
        self.post("/sandbox/habits", &serde_json::json!({"undocumented": "refused"}));
    }

    /// Sends an unsigned request, and returns any answer.
    pub(crate) fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http::call(&self.url, method, path, headers, &body)
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        http::get(&self.url, path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) {
        http::post(&self.url, path, body);
    }

    pub(crate) fn put(&self, path: &str, body: &Value) {
        http::put(&self.url, path, body);
    }

    /// Changes the sandbox's tokens. Returns the token, if one was asked for.
    pub(crate) fn token(&self, wish: &Value) -> String {
        let answer = http::post(&self.url, "/sandbox/tokens", wish);
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        answer["token"].as_str().unwrap_or_default().to_owned()
    }

    /// Sends an unsigned DELETE to a sandbox that does not check signatures.
    pub(crate) fn delete(&self, path: &str) {
        http::delete(&self.url, path);
    }

    /// The calls that changed something, as method and target.
    pub(crate) fn changes(&self) -> Vec<String> {
        let audit = self.audit();
        let entries = audit["entries"].as_array().expect("entries").iter();
        entries
            .filter(|entry| {
                entry["method"] != "GET"
                    && !entry["target"].as_str().unwrap_or_default().contains("retrieveLogs")
            })
            .map(|entry| {
                format!("{} {} {}", entry["method"], entry["target"], entry["status"]).replace('"', "")
            })
            .collect()
    }

    /// The versions of our existing web servers, newest last.
    pub(crate) fn versions(&self) -> Vec<String> {
        self.versions_in(|state| !matches!(state, "DELETED" | "DELETING"))
    }

    /// The versions of our running web servers.
    pub(crate) fn running(&self) -> Vec<String> {
        self.versions_in(|state| state == "ACTIVE")
    }

    fn versions_in(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        self.web_servers()
            .iter()
            .filter(|instance| instance["lifecycleState"].as_str().is_some_and(&is_meant))
            .filter_map(|instance| instance["version"].as_str().map(ToOwned::to_owned))
            .collect()
    }

    /// The instances with our name that do not belong to a stranger, in any state.
    pub(crate) fn web_servers(&self) -> Vec<Value> {
        let state = self.state();
        let strangers = state["strangers"].as_array().expect("strangers");
        let is_stranger = |id: &Value| strangers.iter().any(|stranger| stranger["instance"] == *id);
        let instances = state["instances"].as_array().expect("instances").iter();
        let ours = instances.filter(|one| one["displayName"] == "webserver" && !is_stranger(&one["id"]));
        ours.cloned().collect()
    }

    /// The backends of a set, except those of strangers who are guests in it.
    pub(crate) fn backends(&self, set: &str) -> Vec<Value> {
        let state = self.state();
        let strangers = state["strangers"].as_array().expect("strangers");
        let is_guest =
            |name: &Value| strangers.iter().any(|guest| guest["backendSet"] == set && guest["name"] == *name);
        let all = state["loadBalancers"][0]["backendSets"][set]["backends"].as_array().into_iter().flatten();
        all.filter(|backend| !is_guest(&backend["name"])).cloned().collect()
    }

    /// The address at which the load balancer's listener takes requests.
    pub(crate) fn front(&self) -> SocketAddr {
        let state = self.state();
        let address = state["loadBalancers"][0]["listenerAddresses"]["http"].as_str().map(str::parse);
        address.expect("a listener").expect("an address")
    }

    /// The path of the load balancer.
    pub(crate) fn balancer(&self) -> String {
        let id = self.state()["seed"]["loadBalancerId"].as_str().expect("an id").to_owned();
        format!("/20170115/loadBalancers/{id}")
    }

    /// Makes sure that only this version exists and serves, with a backend like the original one.
    #[track_caller]
    pub(crate) fn expect_serving(&self, version: &str) {
        assert_eq!(self.versions(), [version]);
        let ours: Vec<Value> =
            self.backends("http").into_iter().filter(|one| one["ipAddress"] != "127.0.0.250").collect();
        let [backend] = ours.as_slice() else { panic!("{ours:?}") };
        for flag in ["drain", "backup", "offline"] {
            assert_eq!(backend[flag], false, "{flag}");
        }
    }
}
