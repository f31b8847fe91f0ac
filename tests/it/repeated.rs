//! A secret that the cloud or a program repeats, in any form, reaches no output, no event and no column.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::{Ran, World};

/// The parts of secrets that must never be found, each with the secret that it belongs to.
const SECRETS: [(&str, &str); 6] = [
    ("hunter2-pla in+/ted?", "hunter2-pla in+/ted?"),
    ("s3cr-et-of-db", "postgres://ann:s3cr-et-of-db@db.internal:5432/web"),
    ("0p3n-s3same", "Server=db;Uid=ann;Pwd=0p3n-s3same;Timeout=3"),
    ("MIIEvQIBADANBgkq", "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----\n"),
    ("l1ne-of-a-file", "listen 80\npassword l1ne-of-a-file\nuser ann\n"),
    ("r3gistry-pass", "r3gistry-pass"),
];

/// A deployment with every secret in its place.
fn deployment(world: &World) -> Value {
    let mut deployment = world.deployment();
    let variables: serde_json::Map<String, Value> =
        SECRETS[..4].iter().enumerate().map(|(n, (_, value))| (format!("VALUE_{n}"), json!(value))).collect();
    let container = &mut deployment["ci-config"]["containers"][0];
    container["environment-variables"] = Value::Object(variables);
    container["arguments"] = json!(["--db", SECRETS[1].1, format!("--password={}", SECRETS[0].0)]);
    deployment["ci-config"]["volumes"] = json!([{
        "name": "c", "volume-type": "CONFIGFILE",
        "configs": [{"file-name": "f", "data": STANDARD.encode(SECRETS[4].1)}],
    }]);
    deployment["ci-config"]["image-pull-secrets"] = json!([{
        "secret-type": "BASIC", "registry-endpoint": "iad.ocir.io", "username": STANDARD.encode("somebody"),
        "password": STANDARD.encode(SECRETS[5].1),
    }]);
    deployment
}

fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    text.bytes().map(encode).collect()
}

/// The forms in which others may write a secret.
fn forms(secret: &str) -> Vec<String> {
    let hex = secret.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string");
        hex
    });
    vec![
        secret.to_owned(),
        secret.to_uppercase(),
        percent(secret),
        percent(secret).replace("%20", "+"),
        secret.replace('/', "\\/"),
        STANDARD.encode(format!("ann:{secret}")),
        STANDARD.encode(format!("a:{secret}")),
        URL_SAFE_NO_PAD.encode(secret),
        hex,
        // Cut off at a limit.
        secret[..secret.len() - 3].to_owned(),
    ]
}

/// A text that repeats every secret in every form, one per line.
fn repeating() -> Vec<String> {
    let mut lines = Vec::new();
    for (part, whole) in SECRETS {
        lines.push(format!("value {}", whole.replace('\n', " ")));
        lines.push(format!("value {}", json!(whole)));
        lines.extend(forms(part).into_iter().map(|form| format!("got {form}")));
    }
    lines
}

/// Fails the test if any secret is visible, in any form, except for its first few characters.
#[track_caller]
fn tells_nothing(what: &str, text: &str) {
    for (part, whole) in SECRETS {
        for form in forms(part).into_iter().chain([whole.to_owned()]) {
            assert!(!text.contains(&form), "{what} told {form}:\n{text}");
        }
    }
}

#[track_caller]
fn journal_tells_nothing(world: &World) {
    for name in ["journal.db", "journal.db-wal"] {
        if let Ok(bytes) = std::fs::read(world.path(".local/state/deployctl").join(name)) {
            tells_nothing(name, &String::from_utf8_lossy(&bytes));
        }
    }
}

#[track_caller]
fn history_tells_nothing(world: &World) {
    for args in
        [&["history", "latest", "--events"][..], &["history", "latest", "--events", "--output", "json"]]
    {
        tells_nothing("history", &world.run(args).expect(0).stdout);
    }
    journal_tells_nothing(world);
}

#[test]
fn what_the_cloud_says_is_masked_in_every_form() {
    let world = World::hurried();
    let file = world.write_deployment(&deployment(&world));
    let all = repeating();
    for (n, lines) in all.chunks(24).enumerate() {
        let said = lines.join("\n");
        // As the reason why an instance failed, as the message of a refusal, and as that of an error that is retried first.
        for fault in [
            json!({"method": "POST", "path": "/containerInstances", "effect": "work-request-failed", "times": 1, "message": said}),
            json!({"method": "POST", "path": "/containerInstances", "effect": "not-found", "times": 1, "message": said}),
            json!({"method": "POST", "path": "/backends", "effect": "work-request-failed", "times": 1, "message": said}),
            json!({"method": "GET", "path": "/loadBalancers", "effect": "503", "times": 2, "message": said,
                   "then": {"method": "POST", "path": "/containerInstances", "effect": "not-found", "times": 1, "message": said}}),
        ] {
            world.clear_faults();
            world.fault(&fault);
            let ran = world.run(&["start", file, "-vv"]).expect(3);
            let output = ran.stdout + &ran.stderr;
            assert!(output.contains("***"), "{n} {fault}: nothing was said:\n{output}");
            tells_nothing(&fault.to_string(), &output);
        }
        history_tells_nothing(&world);
    }
    world.clear_faults();
}

#[test]
fn what_a_container_wrote_is_masked_in_every_form() {
    let world = World::with(&["--no-verify"]);
    let mut deployment = deployment(&world);
    deployment["backend-timeout"] = json!("60s");
    // It never becomes healthy by itself, so the run waits until it dies.
    deployment["ci-config"]["containers"][0]["environment-variables"]["SANDBOX_BOOT_MS"] = json!("600000");
    let file = world.write_deployment(&deployment);
    for lines in repeating().chunks(10) {
        let mut start = world.command(&["start", file, "-vv"]);
        let child = start.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        world.wait_until("the new version is waited for", || {
            world.steps().iter().any(|(name, status)| name == "await-backends" && status == "begun")
        });
        let state = world.state();
        let new = state["instances"].as_array().expect("instances").iter().find(|one| {
            one["displayName"] == "webserver" && one["version"] == "2" && one["lifecycleState"] == "ACTIVE"
        });
        let new = new.expect("the new one");
        world
            .post("/sandbox/crash", &json!({"instance": new["id"], "exit-code": 1, "log": lines.join("\n")}));
        let ran = Ran::of(&child.wait_with_output().expect("ends")).expect(3);
        let output = ran.stdout + &ran.stderr;
        assert!(output.contains("got ***"), "{output}");
        tells_nothing("start", &output);
        history_tells_nothing(&world);
    }
}

#[test]
fn what_is_repeated_of_the_old_instance_is_masked_by_another_process_too() {
    let mut world = World::hurried();
    let mut before = deployment(&world);
    before["ci-config"]["containers"][0]["image-url"] = json!("docker.io/library/httpd:5");
    world.run(&["start", world.write_deployment(&before)]).expect(0);
    // The next version has none of these secrets. It is rolled back, and the old one cannot be created again.
    let after = world.deployment();
    world.run(&["start", world.write_deployment(&after)]).expect(0);
    let said = repeating()[..12].join("\n");
    world.fault(
        &json!({"method": "POST", "path": "/containerInstances", "effect": "not-found", "message": said}),
    );
    let ran = world.run(&["rollback", "latest", "-vv"]).expect(5);
    let output = ran.stdout + &ran.stderr;
    assert!(output.contains("***"), "{output}");
    tells_nothing("rollback", &output);
    history_tells_nothing(&world);
    world.clear_faults();
    world.expects_leftovers = true;
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["5"]);
}

#[test]
fn a_token_that_a_refusal_repeats_is_masked() {
    let world = World::new();
    let said =
        json!({"effect": "401", "path": "/loadBalancers", "message": "no session for {authorization} here"});
    world.fault(&said);
    let folder = world.path(".oci");
    let token = std::fs::read_dir(&folder)
        .expect("a folder")
        .filter_map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).ok())
        .find(|text| text.starts_with("eyJ"))
        .expect("the session's token");
    let ran = world.run(&["plan", "web.json", "--profile", "SESSION", "-vv"]);
    let output = ran.stdout + &ran.stderr;
    assert!(output.contains("no session for Signature") && output.contains("ST$***"), "{output}");
    let (payload, signature) = token.trim().rsplit_once('.').expect("a JWT");
    assert!(!output.contains(payload) && !output.contains(signature), "{output}");
    let signature = output.split("signature=\"").nth(1).and_then(|rest| rest.split('"').next());
    assert_eq!(signature, Some("***"), "{output}");
}

#[test]
fn an_image_and_names_are_shown_whoever_told_them() {
    let world = World::hurried();
    let mut edn = world.deployment().to_string().replace("\":", "\" ");
    edn = edn.replace("\"docker.io/library/httpd:2\"", "#join [\"docker.io/library/httpd:\" #env TAG]");
    edn = edn.replace("\"display-name\" \"webserver\"", "\"display-name\" #env SERVER");
    edn = edn.replace("\"env\" \"prod\"", "\"env\" #env STAGE");
    edn = edn.replacen("\"image-url\"", "\"arguments\" [#env TOKEN \"plain\"] \"image-url\"", 1);
    world.write("web.edn", &edn);
    let run = |args: &[&str]| {
        let mut command = world.command(args);
        command
            .env("TAG", "2-rc1")
            .env("SERVER", "webserver")
            .env("STAGE", "prod")
            .env("TOKEN", "t0ken-t0ken");
        let output = command.output().expect("starts");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let shown = run(&["show", "web.edn"]);
    for open in ["httpd:2-rc1", "webserver", "prod", "plain"] {
        assert!(shown.contains(open), "{open} is not shown:\n{shown}");
    }
    assert!(!shown.contains("t0ken-t0ken"), "{shown}");
    let planned = run(&["plan", "web.edn"]);
    assert!(planned.contains("httpd:2-rc1") && !planned.contains("t0ken-t0ken"), "{planned}");
    let started = run(&["start", "web.edn", "-vv"]);
    assert!(!started.contains("t0ken-t0ken"), "{started}");
    let history = run(&["history"]);
    assert!(history.contains("webserver"), "{history}");
    assert_eq!(world.versions(), ["2-rc1"]);
}

#[test]
fn a_secret_on_the_command_line_is_warned_about() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["ci-config"]["containers"][0]["environment-variables"] = json!({"PASSWORD": "hunter2"});
    let instance = deployment["ci-config"].take().to_string();
    deployment.as_object_mut().expect("a map").remove("ci-config");
    let file = world.write_deployment(&deployment);
    let warned = world.run(&["validate", file, "--ci-config", &instance]).expect(0);
    assert!(warned.stderr.contains("--ci-config: holds what is secret"), "{}", warned.stderr);
    assert!(!warned.stderr.contains("hunter2"), "{}", warned.stderr);
    let told = instance.replace("\":", "\" ").replace("\"hunter2\"", "#env PASSWORD");
    let output = world.command(&["validate", file, "--ci-config", &told]).env("PASSWORD", "hunter2").output();
    let ran = Ran::of(&output.expect("starts")).expect(0);
    assert!(!ran.stderr.contains("holds what is secret"), "{}", ran.stderr);
}

#[test]
fn nobody_else_reads_the_memory_or_the_sandbox_s_state() {
    let world = World::with(&["--folder", "state"]);
    world.run(&["start", world.write_deployment(&deployment(&world))]).expect(0);
    let mode = std::fs::metadata(world.path("state/state.json")).expect("the state").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The sandbox is a process of ours too, and holds keys.
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", world.sandbox_pid())).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}
