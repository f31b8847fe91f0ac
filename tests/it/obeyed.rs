//! Every setting has its effect: each option, each default, each variable of the environment, each word of the cloud.

use serde_json::{Value, json};

use crate::harness::World;

#[test]
fn a_dry_run_changes_nothing() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    let shown = world.run(&["start", file, "--dry-run"]).expect(0);
    assert_eq!(shown.stdout, world.run(&["plan", file]).expect(0).stdout);
    assert_eq!(world.changes(), Vec::<String>::new());
    world.run(&["history"]).expect(0);
}

#[test]
fn the_defaults_are_those_that_are_documented() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    for name in ["drain-delay", "poll-interval", "backend-timeout", "min-ready", "retry"] {
        deployment.as_object_mut().expect("an object").remove(name);
    }
    let shown =
        world.run(&["show", world.write_deployment(&deployment), "--output", "json"]).expect(0).json();
    for (name, expected) in [
        ("drain-delay", json!(10.0)),
        ("backend-timeout", json!(120.0)),
        ("instance-timeout", json!(600.0)),
        ("work-timeout", json!(600.0)),
        ("poll-interval", json!(2.0)),
        ("request-timeout", json!(30.0)),
        ("min-ready", Value::Null),
        ("on-failure", json!("rollback")),
        ("old-instance", json!("delete")),
        ("register", json!("drained")),
        (
            "retry",
            json!({"max-elapsed": 600.0, "initial-interval": 1.0, "max-interval": 30.0, "multiplier": 2.0}),
        ),
    ] {
        assert_eq!(shown[name], expected, "{name}");
    }
}

#[test]
fn each_time_limit_is_obeyed() {
    let world = World::with(&["--no-verify"]);
    let mut deployment = world.deployment();
    deployment["instance-timeout"] = json!("1ms");
    let ran = world.run(&["start", world.write_deployment(&deployment)]).expect(3);
    assert!(ran.stderr.contains("is not running within 1ms"), "{}", ran.stderr);
    assert_eq!(world.versions(), ["1"]);

    let world = World::with(&["--no-verify"]);
    let mut deployment = world.deployment();
    deployment["request-timeout"] = json!("1s");
    deployment["retry"]["max-elapsed"] = json!("100ms");
    world.fault(
        &json!({"method": "POST", "path": "/containerInstances", "effect": "slow", "delay_ms": 600_000}),
    );
    let ran = world.run(&["start", world.write_deployment(&deployment)]).expect(75);
    assert!(ran.stderr.contains("CreateContainerInstance"), "{}", ran.stderr);
    world.clear_faults();
    // The limit also applies to the rollback, and a busy machine may reach it.
    let is_undone = (0..5).any(|_| world.run(&["rollback", "latest"]).code == 0);
    assert!(is_undone, "no rollback came to its end: {:?}", world.steps());
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn the_profile_of_a_configuration_is_the_one_that_is_named() {
    let world = World::hurried();
    world.write("web.edn", r#"{:name #profile {:default "common" :staging "special"}}"#);
    for (args, expected) in [(&[][..], "common"), (&["--env", "staging"], "special")] {
        let shown = world.run(&[&["validate", "web.edn", "--output", "json"][..], args].concat()).expect(2);
        assert_eq!(shown.json()["problems"][0]["message"], "is missing");
        world.write("all.edn", &format!("#merge [#include \"web.edn\" {}]", edn(&world)));
        let shown =
            world.run(&[&["show", "all.edn", "--output", "json"][..], args].concat()).expect(0).json();
        assert_eq!(shown["name"], expected);
    }
}

/// The deployment without its name, as EDN.
fn edn(world: &World) -> String {
    let mut deployment = world.deployment();
    deployment.as_object_mut().expect("an object").remove("name");
    deployment.to_string().replace("\":", "\" ")
}

#[test]
fn as_many_runs_are_listed_as_are_asked_for() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    world.run(&["start", file]).expect(0);
    world.run(&["rollback", "latest"]).expect(0);
    world.run(&["start", file]).expect(0);
    for (limit, n, more) in [("1", 1, true), ("2", 2, false), ("9", 2, false), ("0", 2, false)] {
        let listed = world.run(&["history", "--limit", limit, "--output", "json"]).expect(0).json();
        assert_eq!(listed["runs"].as_array().map(Vec::len), Some(n), "--limit {limit}");
        assert_eq!(listed["more"], more, "--limit {limit}");
    }
}

#[test]
fn who_asks_for_quiet_gets_the_result_alone() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    let quiet = world.run(&["start", file, "--quiet"]).expect(0);
    assert!(!quiet.stderr.contains("create-instance"), "{}", quiet.stderr);
    assert!(quiet.stdout.contains("new instance"), "{}", quiet.stdout);
    let told = world.run(&["rollback", "latest"]).expect(0);
    assert!(told.stderr.contains("create-instance"), "{}", told.stderr);
}

/// Whether a text sets a colour or another rendition (`ECMA-48, SGR`).
fn is_coloured(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ';')).unwrap_or(rest.len());
        rest[end..].starts_with('m')
    })
}

#[test]
fn colours_are_left_out_where_they_are_not_wanted() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    world.run(&["start", file]).expect(0);
    let shown = |args: &[&str], variables: &[(&str, &str)]| {
        world.on_a_terminal(&[&["history", "latest"], args].concat(), "", variables).expect(0).stdout
    };
    assert!(is_coloured(&shown(&[], &[])));
    assert!(!is_coloured(&shown(&[], &[("NO_COLOR", "1")])));
    assert!(is_coloured(&shown(&[], &[("NO_COLOR", "")])));
    assert!(!is_coloured(&shown(&["--color", "never"], &[])));
}

#[test]
fn the_pause_that_the_cloud_asks_for_is_made() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    let fault = json!({"method": "POST", "path": "/containerInstances", "times": 1, "effect": "429", "retry_after": 1});
    world.fault(&fault);
    world.run(&["start", file]).expect(0);
    let run = world.run(&["history", "latest", "--events", "--output", "json"]).expect(0).json();
    let events = run["events"].as_array().expect("events").iter();
    let delays: Vec<&Value> =
        events.filter(|event| event["event"] == "step-retrying").map(|retry| &retry["delay"]).collect();
    let [delay] = delays.as_slice() else { panic!("{run:#}") };
    assert_eq!(**delay, json!(1.0), "longer than the deployment's own");
}

#[test]
fn a_set_that_pins_its_clients_is_warned_about() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    let path = format!("{}/backendSets/http", world.balancer());
    let mut set = world.get(&path);
    set["sessionPersistenceConfiguration"] = json!({"cookieName": "who", "disableFallback": true});
    world.put(&path, &set);
    world.wait_until("it pins", || !world.get(&path)["sessionPersistenceConfiguration"].is_null());
    let ran = world.run(&["start", file]).expect(0);
    assert!(ran.stderr.contains("the backend set `http` pins clients to their backend"), "{}", ran.stderr);
    assert!(ran.stderr.contains("its fallback is disabled"), "{}", ran.stderr);
}

#[test]
fn a_second_signal_does_not_wait_for_the_request_in_flight() {
    let world = World::with(&["--no-verify"]);
    let mut child = world.begin_a_create_that_hangs();
    let pid = child.id().to_string();
    world.wait_until("it ends", || {
        let sent = std::process::Command::new("kill").args(["-INT", &pid]).status();
        drop(sent);
        child.try_wait().expect("a child of ours").is_some()
    });
    assert_eq!(child.wait().expect("reaped").code(), Some(130));
    world.clear_faults();
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn a_backend_that_somebody_else_registered_for_the_new_instance_is_not_taken_over() {
    let mut world = World::with(&["--no-verify"]);
    // The instance is theirs, and stays.
    world.expects_leftovers = true;
    let file = world.write_deployment(&world.deployment());
    world.killed_at(&["start", file], "register-backend/not begun");
    let new = world.web_servers().pop().expect("the new one");
    let body = json!({"ipAddress": new["address"], "port": 80, "weight": 7});
    world.post(&format!("{}/backendSets/http/backends", world.balancer()), &body);
    let is_theirs = |one: &Value| one["weight"] == 7 && one["ipAddress"] == new["address"];
    world.wait_until("it is registered", || world.backends("http").iter().any(is_theirs));
    let ran = world.run(&["resume", "latest"]);
    assert!(
        ran.stderr.contains("is registered already, with other flags, and not by this run"),
        "{}",
        ran.stderr
    );
    assert!(world.backends("http").iter().any(is_theirs), "theirs is gone: {:#?}", world.backends("http"));
}
