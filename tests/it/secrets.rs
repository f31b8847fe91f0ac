//! A planted secret reaches no output, no log, and no column of the journal in plain text.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::harness::{Ran, World};

const SECRET: &str = "hunter2-planted-secret";
/// The secret in base64, as in a pull secret.
const SECRET_B64: &str = "aHVudGVyMi1wbGFudGVkLXNlY3JldA==";

#[test]
fn a_planted_secret_is_found_nowhere() {
    let world = World::new();
    let mut deployment = world.deployment();
    deployment["ci-config"]["containers"][0]["environment-variables"] = json!({"PASSWORD": SECRET});
    deployment["ci-config"]["image-pull-secrets"] = json!([{
        "secret-type": "BASIC", "registry-endpoint": "iad.ocir.io", "username": "dQ==", "password": SECRET_B64,
    }]);
    deployment["ci-config"]["volumes"] = json!([{"name": "c", "volume-type": "CONFIGFILE", "configs": [{"file-name": "f", "data": SECRET_B64}]}]);
    let file = world.write_deployment(&deployment);
    let mut outputs = Vec::new();
    // The second run replaces an instance whose environment contains the secret. Then that instance is created again.
    for args in [
        &["plan", file, "-vv"][..],
        &["show", file],
        &["start", file, "-vv"],
        &["start", file, "--output", "json"],
        &["rollback", "latest", "-vv"],
        &["history", "latest", "--events"],
        &["history", "latest", "--events", "--output", "json"],
    ] {
        let ran = world.run(args).expect(0);
        outputs.push((args.join(" "), ran.stdout + &ran.stderr));
    }
    // A killed process leaves the journal's write-ahead log behind.
    assert_eq!(world.run_with(&["start", file], "await-instance/begun=return").code, -1);
    let wal = world.path(".local/state/deployctl/journal.db-wal");
    assert!(std::fs::metadata(&wal).expect("it is there").len() > 0);
    for (command, output) in &outputs {
        assert!(
            !output.contains(SECRET) && !output.contains(SECRET_B64),
            "{command} told the secret:\n{output}"
        );
    }
    let folder = world.path(".local/state/deployctl");
    for entry in std::fs::read_dir(&folder).expect("the journal's folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("readable");
            for secret in [SECRET, SECRET_B64] {
                let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!is_there, "{} holds the secret", path.display());
            }
            let mode = std::fs::metadata(&path).expect("metadata").permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    let ran = world.run(&["rollback", "latest", "-vv"]).expect(0);
    let said = ran.stdout + &ran.stderr;
    assert!(!said.contains(SECRET), "{said}");
    assert_eq!(std::fs::metadata(&folder).expect("metadata").permissions().mode() & 0o777, 0o700);
    // The instance that the rollback created again has the environment of the deleted one.
    let state = world.state().to_string();
    assert_eq!(world.versions(), ["2"], "{state}");
}

#[test]
fn a_value_from_the_environment_that_is_wrong_is_not_repeated() {
    let world = World::hurried();
    let edn = world.deployment().to_string().replace("\":", "\" ");
    world.write("web.edn", &edn.replace("\"port\" 80", "\"port\" #long #env TAG"));
    let output = world.command(&["start", "web.edn"]).env("TAG", "2-hunter2").output().expect("starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("expected a whole number") && !stderr.contains("hunter2"), "{stderr}");
}

#[test]
fn what_the_cloud_or_a_program_repeats_is_masked() {
    let world = World::hurried();
    let run = |args: &[&str]| {
        let output = world.command(args).env("TAG", "2-rc1").output().expect("starts");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    for (knob, value, expected) in [
        ("SANDBOX_CRASH", "dump", "environment: {\"PASSWORD\":\"***\""),
        ("SANDBOX_PULL", "denied", "does not exist: docker.io/library/httpd:2-rc1"),
    ] {
        let mut deployment = world.deployment();
        deployment["ci-config"]["containers"][0]["environment-variables"] =
            json!({"PASSWORD": SECRET, knob: value});
        let edn = deployment.to_string().replace("\":", "\" ");
        let image = "#join [\"docker.io/library/httpd:\" #env TAG]";
        world.write("web.edn", &edn.replace("\"docker.io/library/httpd:2\"", image));
        let (code, output) = run(&["start", "web.edn", "-vv"]);
        assert_eq!(code, Some(3), "{output}");
        assert!(output.contains(expected), "{output}");
        let (_, history) = run(&["history", "latest", "--events"]);
        let (_, json) = run(&["history", "latest", "--output", "json"]);
        for output in [output, history, json] {
            assert!(!output.contains("hunter2"), "{output}");
        }
    }
    let journal = std::fs::read(world.path(".local/state/deployctl/journal.db")).expect("the journal");
    assert!(!journal.windows(7).any(|window| window == b"hunter2"));
}

#[test]
fn a_lost_key_is_said_plainly_and_the_history_stays_readable() {
    let world = World::new();
    let file = world.write_deployment(&world.deployment());
    world.run(&["start", file]).expect(0);
    std::fs::remove_file(world.path(".local/state/deployctl/journal.db.key")).expect("removed");
    world.run(&["history", "latest"]).expect(0);
    let ran = world.run(&["rollback", "latest"]).expect(1);
    assert!(ran.stderr.contains("journal's key file"), "{}", ran.stderr);
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn the_images_are_told_wherever_they_come_from() {
    let world = World::hurried();
    let edn = world.deployment().to_string().replace("\":", "\" ");
    let image = "#join [\"https://ann:\" #env TOKEN \"@docker.io/library/httpd:\" #env TAG]";
    world.write("web.edn", &edn.replace("\"docker.io/library/httpd:2\"", image));
    let run = |args: &[&str]| {
        let output = world.command(args).envs([("TAG", "2-rc1"), ("TOKEN", SECRET)]).output();
        Ran::of(&output.expect("starts")).expect(0)
    };
    let (old, new) = ("docker.io/library/httpd:1", "https://ann:***@docker.io/library/httpd:2-rc1");
    for args in [
        &["plan", "web.edn"][..],
        &["plan", "web.edn", "--output", "json"],
        &["start", "web.edn"],
        &["history"],
        &["history", "latest"],
        &["history", "latest", "--events"],
        &["history", "latest", "--events", "--output", "json"],
    ] {
        let Ran { stdout, stderr, .. } = run(args);
        assert!(stdout.contains(old) && stdout.contains(new), "{args:?}: {stdout}");
        assert!(!stdout.contains(SECRET) && !stderr.contains(SECRET), "{args:?}: {stdout}{stderr}");
    }
    let listed = run(&["history", "--output", "json"]).json();
    let newest = &listed["runs"][0];
    assert_eq!((newest["old_image"].as_str(), newest["new_image"].as_str()), (Some(old), Some(new)));
    let journal = std::fs::read(world.path(".local/state/deployctl/journal.db")).expect("the journal");
    assert!(!journal.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
}
