//! The commands that change nothing.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::harness::{Ran, Screens, World};

#[test]
fn before_there_is_a_run() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    screens.take(&["history"]).expect(0);
    screens.take(&["history", "--output", "json"]).expect(0);
    screens.take(&["history", "latest"]).expect(2);
    screens.take(&["history", "--journal", "nowhere.db"]).expect(2);
    for command in ["resume", "rollback", "watch"] {
        screens.take(&[command, "latest"]).expect(2);
    }
    screens.take(&["abandon", "latest", "--keep", "new"]).expect(2);
    screens.take(&["resolve", "latest", "create-instance", "--as", "done", "--reason", "so"]).expect(2);
    screens.take(&["show", "latest", "--old"]).expect(2);
    screens.take(&["key", "rotate"]).expect(2);
    screens.take(&["validate", file]).expect(0);
    screens.take(&["validate", "--online", file]).expect(0);
    screens.take(&["validate", "--online", file, "--output", "json"]).expect(0);
    screens.take(&["show", file]).expect(0);
    screens.take(&["plan", file]).expect(0);
    screens.take(&["start", "--dry-run", file, "--quiet"]).expect(0);
    screens.take(&["plan", file, "--output", "json"]).expect(0);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn a_deployment_that_is_not_right() {
    let world = World::hurried();
    let mut screens = Screens::of(&world);
    let mut deployment = world.deployment();
    deployment["ci-config"]["shappe"] = json!("CI.Standard.E4.Flex");
    deployment["ci-config"]["vnics"] = json!([]);
    deployment["drain-delay"] = json!("soon");
    let file = world.write_deployment(&deployment);
    screens.take(&["validate", file]).expect(2);
    screens.take(&["validate", file, "--output", "json"]).expect(2);
    screens.take(&["start", file]).expect(2);
    screens.take(&["start", file, "--output", "json"]).expect(2);
    world.write("broken.edn", "{:ci-config {:shape \"a\"\n :vnics [}");
    screens.take(&["plan", "broken.edn"]).expect(2);
    screens.take(&["plan", "nowhere.edn"]).expect(2);
    let mut deployment = world.deployment();
    deployment["ci-config"]["vnics"][0]["subnet-id"] = json!("ocid1.subnet.oc1.iad.nowhere");
    let file = world.write_deployment(&deployment);
    screens.take(&["plan", file]).expect(2);
    screens.take(&["validate", "--online", file, "--output", "json"]).expect(2);
    let file = world.write_deployment(&world.deployment());
    screens.take(&["plan", file, "--profile", "nobody"]).expect(2);
    screens.take(&["plan", file, "--endpoint", "http://cloud.example"]).expect(2);
    screens.take(&["plan", file, "--endpoint", "http://127.0.0.1:1", "--region", "here or there"]).expect(2);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn a_sandbox_of_ones_own() {
    let world = World::hurried();
    let mut screens = Screens::of(&world);
    let args = ["sandbox", "--home", "other", "--no-verify"];
    let mut sandbox = world.command(&args);
    let mut sandbox = sandbox.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut notes = BufReader::new(sandbox.stderr.take().expect("piped"));
    let mut stderr = String::new();
    while !stderr.ends_with("Ctrl-C stops it\n") {
        assert!(notes.read_line(&mut stderr).expect("text") > 0, "it ended after {stderr}");
    }
    kill_process(Pid::from_child(&sandbox), Signal::TERM).expect("it is a child of ours");
    let ended = sandbox.wait_with_output().expect("ends");
    let ran = Ran::of(&ended).expect(0);
    let url = ran.stdout.trim().to_owned();
    let named = |text: &str| text.replace(&url, "http://OTHER");
    let ran = Ran { code: ran.code, stdout: named(&ran.stdout), stderr: named(&stderr) };
    screens.add(&args, &ran);
    screens.take(&["sandbox", "--home", "/dev/null"]).expect(2);
    insta::assert_snapshot!(screens.text());
}
