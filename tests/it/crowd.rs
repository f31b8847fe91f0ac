//! Many processes on one journal: each waits for its turn, and none takes a lock for damage.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::json;

use crate::file::with;
use crate::harness::{Ran, World};

/// As many processes as run at once.
const N: usize = 12;

/// A deployment of its own: the first version of a service, with a backend set that it creates.
fn service(world: &World, n: usize) -> String {
    let name = format!("crowd-{n}");
    let mut deployment = world.deployment();
    deployment["name"] = json!(name);
    deployment["first"] = json!(true);
    deployment["poll-interval"] = json!("20ms");
    deployment["backend-timeout"] = json!("50s");
    deployment["retry"]["max-elapsed"] = json!("60s");
    deployment["ci-config"]["display-name"] = json!(name);
    deployment["ci-filter"] = json!({"display-name": name});
    let create = json!({"policy": "ROUND_ROBIN", "health-checker": {"protocol": "HTTP", "url-path": "/"}});
    deployment["backends"] = json!([{"port": 80, "backend-set": name, "create": create}]);
    let file = format!("{name}.json");
    world.write(&file, &deployment.to_string());
    file
}

#[test]
fn a_crowd_of_processes_shares_one_journal_while_another_program_locks_it_again_and_again() {
    let mut world = World::lonely();
    // The new services stay. Another process may change the load balancer between a read of one process and its change.
    world.expects_leftovers = true;
    world.expects_violations = true;
    let files: Vec<String> = (0..N).map(|n| service(&world, n)).collect();
    // The journal must exist before another process locks it.
    world.run(&["destroy", &files[0], "--id", "ocid1.computecontainerinstance.oc1..none", "-y"]).expect(2);
    let mut running: Vec<Child> = files
        .iter()
        .map(|file| {
            let mut start = world.command(&["start", file, "-q"]);
            start.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts")
        })
        .collect();
    with(&world, async |other| {
        while running.iter_mut().any(|one| one.try_wait().expect("a child of ours").is_none()) {
            // A process that waits for the lock is not necessarily the next one to get it.
            if sqlx::query("BEGIN IMMEDIATE").execute(&mut *other).await.is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(30));
                sqlx::query("ROLLBACK").execute(&mut *other).await.expect("let go");
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
    for one in running {
        Ran::of(&one.wait_with_output().expect("ended")).expect(0);
    }
    let told = world.run(&["history", "--output", "json"]).expect(0).json();
    let runs = told["runs"].as_array().expect("runs").iter();
    assert_eq!(runs.filter(|run| run["status"] == "succeeded").count(), N);
    assert_eq!(world.held(), 0);
}

#[test]
fn a_lock_that_lasts_for_seconds_in_the_middle_of_a_run_is_waited_for() {
    let (world, file) = World::with_deployment();
    world.killed_at(&["start", file], "find-old-instance/begun");
    with(&world, async |other| {
        let mut run = world.command(&["resume", "latest", "-v"]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(run.stderr.take().expect("piped")).lines();
        let mut said = Vec::new();
        let mut until = |what: &str| {
            for line in lines.by_ref() {
                let line = line.expect("a line");
                let is_it = line.contains(what);
                said.push(line);
                if is_it {
                    return;
                }
            }
            panic!("never said `{what}`: {said:#?}");
        };
        until("await-drain started");
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *other).await.expect("locked");
        until("the journal is locked by another process; waiting for it tries=2");
        sqlx::query("ROLLBACK").execute(&mut *other).await.expect("let go");
        for line in lines {
            drop(line);
        }
        assert_eq!(run.wait().expect("ends").code(), Some(0));
    });
    assert_eq!(world.versions(), ["2"]);
    assert_eq!(world.held(), 0);
}
