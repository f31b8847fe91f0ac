//! What serves a deployment, as `status` reads it from the cloud.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::World;

fn status(world: &World, deployment: &str) -> Value {
    world.run(&["status", deployment, "--output", "json"]).expect(0).json()
}

/// The kinds of what differs.
fn drift(shown: &Value) -> Vec<&str> {
    let all = shown["drift"].as_array().expect("a list").iter();
    all.map(|one| one["kind"].as_str().expect("a kind")).collect()
}

/// The backends of the set `http` that an instance of the deployment has.
fn own(shown: &Value) -> Vec<Value> {
    assert_eq!(
        (&shown["sets"][0]["name"], &shown["sets"][0]["has_listener"]),
        (&json!("http"), &json!(true))
    );
    let backends = shown["sets"][0]["backends"].as_array().expect("backends").iter();
    let mut own = Vec::new();
    for backend in backends {
        let of = instance(shown, &backend["instance_id"]);
        if of["of_deployment"] == true {
            own.push(backend.clone());
        }
    }
    own
}

fn instance<'v>(shown: &'v Value, id: &Value) -> &'v Value {
    let instances = shown["instances"].as_array().expect("instances");
    instances.iter().find(|one| !id.is_null() && one["instance_id"] == *id).unwrap_or(&Value::Null)
}

/// Changes the flags of a backend by hand.
fn set_flags(world: &World, backend: &Value, flags: &Value) {
    let name = backend["name"].as_str().expect("a name").replace(':', "%3A");
    world.put(&format!("{}/backendSets/http/backends/{name}", world.balancer()), flags);
    let is_so = |one: &Value| {
        one["name"] == backend["name"] && one["drain"] == flags["drain"] && one["weight"] == flags["weight"]
    };
    world.wait_until("it has these flags", || world.backends("http").iter().any(is_so));
}

#[test]
fn what_serves_is_shown_with_its_revision_and_its_run() {
    let (world, file) = World::with_deployment();
    // Nothing is known of what was there before the first run.
    let before = status(&world, file);
    assert_eq!((&before["drift"], &before["open_run_id"]), (&Value::Null, &Value::Null));
    let [backend] = &own(&before)[..] else { panic!("{before:#}") };
    let old = instance(&before, &backend["instance_id"]);
    assert_eq!(
        (&old["image"], &old["revision"], &old["run_id"]),
        (&json!("docker.io/library/httpd:1"), &json!(null), &json!(null))
    );

    let run = world.run(&["start", file, "--output", "json"]).expect(0).json();
    let now = status(&world, file);
    let [backend] = &own(&now)[..] else { panic!("{now:#}") };
    let flags = ["weight", "drain", "backup", "offline", "health"].map(|name| backend[name].clone());
    assert_eq!(flags, [json!(1), json!(false), json!(false), json!(false), json!("OK")]);
    let new = instance(&now, &backend["instance_id"]);
    assert_eq!(new["instance_id"], run["new_instance_id"]);
    assert_eq!(
        (&new["run_id"], &new["revision"], &new["status"]),
        (&run["run_id"], &json!(1), &json!("ACTIVE"))
    );
    assert_eq!(new["image"], "docker.io/library/httpd:2");
    assert_eq!(drift(&now), [""; 0]);
    // By its name, the journal knows where it is.
    assert_eq!(status(&world, "webserver"), now);
    // Another machine sees the same, and does not know what should serve.
    let other = world.machine("other");
    other.write_deployment(&world.deployment());
    let there = other.run(&["status", "deployment.json", "--output", "json"]).expect(0).json();
    assert_eq!((&there["sets"], &there["drift"]), (&now["sets"], &Value::Null));
    assert_eq!(other.run(&["status", "webserver"]).code, 2);

    world.run(&["rollback", "latest"]).expect(0);
    let back = status(&world, file);
    let [backend] = &own(&back)[..] else { panic!("{back:#}") };
    assert_eq!(instance(&back, &backend["instance_id"])["image"], "docker.io/library/httpd:1");
    assert_eq!(drift(&back), [""; 0]);
}

#[test]
fn while_a_run_is_open_both_versions_are_shown() {
    let (world, file) = World::with_deployment();
    world.killed_at(&["start", file], "await-drain/begun");
    let run = world.run(&["history", "latest", "--output", "json"]).expect(0).json()["run_id"].clone();
    let now = status(&world, "webserver");
    let own = own(&now);
    let mut images: Vec<&str> = own
        .iter()
        .map(|one| instance(&now, &one["instance_id"])["image"].as_str().expect("an image"))
        .collect();
    images.sort_unstable();
    assert_eq!(images, ["docker.io/library/httpd:1", "docker.io/library/httpd:2"]);
    assert_eq!((&now["open_run_id"], &now["drift"]), (&run, &Value::Null));
    let text = world.run(&["status", "webserver"]).expect(0).stdout;
    assert!(text.contains(&format!("run {} is interrupted", &run.as_str().expect("an id")[..8])), "{text}");
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(drift(&status(&world, "webserver")), [""; 0]);
}

#[test]
fn what_people_have_changed_since_is_told() {
    let (mut world, file) = World::with_deployment();
    (world.expects_leftovers, world.expects_violations) = (true, true);
    world.expects_strangers_touched = true;
    let run = world.run(&["start", file, "--output", "json"]).expect(0).json();
    let ours = own(&status(&world, file)).remove(0);
    let flags = |weight: u32, drain: bool| json!({"weight": weight, "drain": drain, "backup": false, "offline": false});
    set_flags(&world, &ours, &flags(7, false));
    let shown = status(&world, file);
    assert_eq!(drift(&shown), ["weight"]);
    let message = shown["drift"][0]["message"].as_str().expect("text");
    let id = run["new_instance_id"].as_str().expect("an id");
    assert_eq!(message, format!("port 80 of {id} in `http` has weight 7, and not 1"));
    set_flags(&world, &ours, &flags(1, true));
    assert_eq!(drift(&status(&world, file)), ["out-of-service"]);
    // Somebody puts another backend into the set.
    let path = format!("{}/backendSets/http/backends", world.balancer());
    world.post(&path, &json!({"ipAddress": "127.0.0.99", "port": 80}));
    world.wait_until("it is there", || {
        world.backends("http").iter().any(|one| one["ipAddress"] == "127.0.0.99")
    });
    assert_eq!(drift(&status(&world, file)), ["out-of-service", "serves-too"]);
    // And the instance is deleted.
    world.delete(&format!("/20210415/containerInstances/{id}"));
    world.wait_until("it is gone", || world.versions().is_empty());
    let shown = status(&world, file);
    assert_eq!(drift(&shown), ["instance-missing", "not-registered", "serves-too"]);
    let text = world.run(&["status", "webserver"]).expect(0).stdout;
    assert!(text.contains("not as the last run has left it:"), "{text}");
}

#[test]
fn a_watched_status_is_shown_again_when_something_has_changed() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    let ours = own(&status(&world, file)).remove(0);
    let mut watching = world.command(&["status", file, "--watch", "--output", "json", "--quiet"]);
    let mut watching = watching.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    let mut lines = BufReader::new(watching.stdout.take().expect("piped")).lines();
    let mut next =
        || -> Value { serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON") };
    assert_eq!(drift(&next()), [""; 0]);
    set_flags(&world, &ours, &json!({"weight": 7, "drain": false, "backup": false, "offline": false}));
    // The cloud may show the backend as not known while it is changed.
    while drift(&next()) != ["weight"] {}
    kill_process(Pid::from_child(&watching), Signal::TERM).expect("it is a child of ours");
    assert_eq!(watching.wait().expect("ends").code(), Some(143));
}
